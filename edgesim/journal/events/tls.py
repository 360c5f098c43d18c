"""TLS handshakes, and the certificates that servers are given."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("tls.established")
@dataclass(frozen=True, slots=True, kw_only=True)
class TlsUp(Event):
    """A TLS handshake finished on this side; ``local`` and ``remote`` are the connection's ends as it sees them."""

    role: str
    version: str
    cipher: str
    server_name: str | None
    peer_subject: str | None
    peer_names: tuple[str, ...]
    port: int
    local: str = ""
    remote: str = ""

    def summary(self) -> str:
        who = f", peer {self.peer_subject}" if self.peer_subject else ""
        return f"{self.version} :{self.port}{who}"


@kind("tls.failed")
@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRefused(Event):
    """A TLS handshake failed on this side: OpenSSL's reason, and the alert where one was received."""

    role: str
    reason: str
    alert: str | None
    port: int
    local: str = ""
    remote: str = ""

    def summary(self) -> str:
        return f"TLS :{self.port} failed: {self.alert or self.reason}"


@kind("certificate.upload")
@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUpload(Event):
    """An administrator uploaded a certificate to a trust store, or as the one of a service: ``store`` says which.

    ``reason`` is why the product refused it; then nothing changed. What it took counts after a restart.
    """

    store: str
    subject: str
    accepted: bool
    reason: str = ""

    def summary(self) -> str:
        verdict = "accepted" if self.accepted else f"refused ({self.reason})"
        return f"upload of {self.subject} to {self.store}: {verdict}"
