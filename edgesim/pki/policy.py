"""A product's requirements for a peer's certificate: dates by its own clock, usage and names by its settings.

OpenSSL builds the chain, checks signatures, dates and usages, and reports each fault. A `Policy` decides on each fault,
and on each certificate without one. The alert follows from the error (OpenSSL's table; RFC 8446, section 6.2): an
expired certificate is ``certificate_expired``, an issuer not in the store ``unknown_ca``, a missing usage
``unsupported_certificate``; a certificate that is not yet valid or lacks the name wanted is ``bad_certificate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from OpenSSL.SSL import X509VerificationCodes

from edgesim.pki.names import first_match, names_of, qualified

OK = 0
EXPIRED = X509VerificationCodes.ERR_CERT_HAS_EXPIRED
NOT_YET_VALID = X509VerificationCodes.ERR_CERT_NOT_YET_VALID
WRONG_USAGE = X509VerificationCodes.ERR_INVALID_PURPOSE
WRONG_NAME = X509VerificationCodes.ERR_HOSTNAME_MISMATCH
WRONG_ADDRESS = X509VerificationCodes.ERR_IP_ADDRESS_MISMATCH
REJECTED = X509VerificationCodes.ERR_CERT_REJECTED


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a certificate: OpenSSL's error number, which determines the alert, and a text if OpenSSL's own
    says too little.
    """

    code: int
    text: str = ""


Clock = Callable[[], datetime]
"""The date and time as a host sees them, with a time zone (``host.clock.utc``)."""
Check = Callable[[x509.Certificate, int, int], Refusal | None]
"""Called with a certificate, OpenSSL's error (0: none) and the depth (0: the peer's own certificate)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How peers' certificates are verified.

    ``clock`` gives the date (None: the machine's). ``names`` are the names of which one must be in the SAN, of any type
    of `edgesim.pki.names` (None: the server name that a client connects to, if its context checks names); ``accepted``
    gives them for that server name instead. ``besides`` are names of which one is required in addition. ``usage`` False
    accepts a peer's certificate without the extended key usage for its role. ``verify`` False asks for a certificate
    and accepts any. ``judge`` replaces all these rules.
    """

    clock: Clock | None = None
    names: tuple[str, ...] | None = None
    besides: tuple[str, ...] = ()
    accepted: Callable[[str], tuple[str, ...]] | None = None
    usage: bool = True
    verify: bool = True
    check: Check | None = None

    def decide(self, certificate: x509.Certificate, error: int, depth: int, names: Sequence[str]) -> Refusal | None:
        """Return why ``certificate`` is refused, or None. Called once for each fault that OpenSSL finds, and once for
        each certificate at the end, from the root down. ``names``: one of these is required.
        """
        if self.check is not None:
            return self.check(certificate, error, depth)
        if error:
            return None if error == WRONG_USAGE and depth == 0 and not self.usage else Refusal(error)
        if depth:
            return None
        wrong = (wrong_name(certificate, wanted) for wanted in (names, self.besides) if wanted)
        return next((each for each in wrong if each is not None), None)


DEFAULT = Policy()


def wrong_name(certificate: x509.Certificate, names: Sequence[str]) -> Refusal | None:
    """Return a refusal unless one of ``names`` is in the certificate's SAN; the common name is ignored."""
    wanted = tuple(qualified(name) for name in names)
    if first_match(wanted, names_of(certificate)) is not None:
        return None
    if all(name.startswith("IP:") for name in wanted):
        code, what = WRONG_ADDRESS, "IP address"
    else:
        code, what = WRONG_NAME, "Hostname"
    asked = " or ".join(f"'{name}'" for name in names)
    return Refusal(code, f"{what} mismatch, certificate is not valid for {asked}.")


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    return qualified(name).startswith("IP:")
