"""The SSH tunnel between the Expressways."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("ssh.tunnel")
@dataclass(frozen=True, slots=True, kw_only=True)
class SshTunnel(Event):
    """The SSH tunnel between Expressway-C and Expressway-E changed state."""

    state: str
    detail: str = ""

    def summary(self) -> str:
        return f"SSH tunnel {self.state} {self.detail}".rstrip()
