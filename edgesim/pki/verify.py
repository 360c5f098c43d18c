"""Verification that gives reasons: the same verdict as OpenSSL (RFC 5280, section 6; RFC 9525).

It is independent of any handshake: a readiness check, a client that prompts, or a test gets every problem, while a
handshake ends with the first. Dates are checked at the given time.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgesim.pki.identity import Usage
from edgesim.pki.keys import LEAST_EC, LEAST_RSA, describe, too_weak
from edgesim.pki.names import UNREADABLE, common_name_of, first_match, names_of, qualified, subject_of
from edgesim.pki.trust import TrustStore
from edgesim.world.tls.engine import TlsView

MAX_DEPTH = 8
"""The maximum length of a chain, root included."""
MAX_PRESENTED = 16
"""How many certificates of a peer are examined."""
MAX_SIGNATURES = 64
"""How many signatures are checked while searching for one chain."""


class Defect(Enum):
    """The faults of a certificate."""

    UNREADABLE = "unreadable"
    ISSUER_MISSING = "issuer missing"
    UNTRUSTED = "untrusted"
    NOT_A_CA = "not a CA"
    DATES = "dates"
    USAGE = "usage"
    NAME = "name"
    CONSTRAINTS = "name constraints"
    KEY = "weak key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault: its kind, the certificate's subject, and a sentence."""

    defect: Defect
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of a verification. ``chain`` are the subjects from the leaf up, as far as issuers were found.

    ``missing_issuer`` is the subject that neither the peer sent nor the store holds; ``matched`` is the matching pair
    of name wanted and name present.
    """

    subject: str
    chain: tuple[str, ...]
    store: str
    missing_issuer: str | None
    wanted: tuple[str, ...]
    present: tuple[str, ...]
    matched: tuple[str, str] | None
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def trusted(self) -> bool:
        """Whether the chain is valid, regardless of the name."""
        return all(problem.defect is Defect.NAME for problem in self.problems)

    def __bool__(self) -> bool:
        return self.ok

    def explain(self) -> str:
        """Return the reasons as lines of text."""
        lines = [f"{self.subject}: {'verified' if self.ok else 'refused'} by {self.store}"]
        lines.append(f"  chain: {' <- '.join(self.chain) or 'none'}")
        if self.matched:
            lines.append(f"  name: {self.matched[0]} is in the certificate as {self.matched[1]}")
        lines += [f"  {problem.defect.value}: {problem.text}" for problem in self.problems]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCheck:
    """The names wanted of a peer (one is enough), those its certificate has, and the first matching pair."""

    wanted: tuple[str, ...]
    present: tuple[str, ...]
    matched: tuple[str, str] | None

    @property
    def ok(self) -> bool:
        """Whether one of the names wanted is present."""
        return self.matched is not None

    def __bool__(self) -> bool:
        return self.ok

    def explain(self) -> str:
        """Return the result as one line of text."""
        if self.matched:
            return f"{self.matched[0]} is in the certificate as {self.matched[1]}"
        return f"wanted {' or '.join(self.wanted)}, the certificate has {', '.join(self.present) or 'no names'}"


def check_names(
    certificate: x509.Certificate | bytes | None,
    *wanted: str,
    common_name: bool = False,
    limit: int | None = None,
) -> NameCheck:
    """Search a certificate's SAN for any of the names wanted (``expe.example.com``,
    ``SRV:_collab-edge._tls.example.com``).

    ``common_name`` also considers the common name if the certificate has no SAN of type DNS (RFC 2818, section 3.1).
    ``limit`` is how many characters of the SAN count (`edgesim.pki.names.within`). None or an unreadable certificate
    has no names.
    """
    leaf = _load(certificate) if isinstance(certificate, bytes) else certificate
    present = _names(leaf, common_name, limit) if leaf is not None else ()
    want = tuple(qualified(name) for name in wanted)
    return NameCheck(wanted=want, present=present, matched=first_match(want, present))


def peer_certificates(connection: TlsView | None) -> tuple[bytes, ...]:
    """Return the certificates that the peer of a finished handshake sent, in DER, its own first.

    ``connection`` is a transport's ``get_extra_info("ssl_object")``; the result is empty without TLS or a certificate.
    Python's own ``ssl`` gives more than the first only since Python 3.13.
    """
    leaf = connection.getpeercert(binary_form=True) if connection is not None else None
    if leaf is None:
        return ()
    reported: Any = getattr(connection, "get_unverified_chain", tuple)
    sent = [bytes(one) for one in reported()]
    return (leaf, *(one for one in sent if one != leaf))


def verify(
    leaf: x509.Certificate | bytes,
    presented: Iterable[x509.Certificate | bytes],
    trust: TrustStore,
    *,
    names: Sequence[str] = (),
    usage: Usage | None = None,
    at: datetime | None = None,
    common_name: bool = False,
    partial_chain: bool = False,
    limit: int | None = None,
) -> Verification:
    """Verify a peer's certificate against the store ``trust``, and give the reasons.

    ``presented`` are the certificates that the peer sent with its leaf. One of ``names`` must be in the SAN (empty: no
    check). ``usage`` is the usage required of the leaf. ``at`` is the time (None: dates are not checked).
    ``partial_chain`` lets the chain end at any certificate of the store. ``limit`` as for `check_names`. Never raises
    for bad certificates: an unreadable one is a `Problem`.
    """
    wanted = tuple(qualified(name) for name in names)
    certificate = _load(leaf) if isinstance(leaf, bytes) else leaf
    if certificate is None:
        problem = Problem(defect=Defect.UNREADABLE, subject="?", text="the certificate does not parse")
        return Verification(
            subject="?", chain=(), store=trust.name, missing_issuer=None, wanted=wanted, present=(), matched=None,
            problems=(problem,),
        )  # fmt: skip
    others = [_load(one) if isinstance(one, bytes) else one for one in presented]
    search = _Search(trust, [one for one in others if one is not None][:MAX_PRESENTED], partial_chain)
    chain, anchored = search.from_leaf(certificate)
    problems: list[Problem] = []
    missing = None
    if not anchored:
        top = chain[-1]
        if _self_issued(top):
            text = f"{_subject(top)} vouches for itself and is not in {trust.name}"
            problems.append(Problem(defect=Defect.UNTRUSTED, subject=_subject(top), text=text))
        else:
            missing = _rfc4514(top.issuer)
            text = (
                f"{_subject(top)} was issued by {missing}, which the peer did not send and {trust.name} does not hold"
            )
            problems.append(Problem(defect=Defect.ISSUER_MISSING, subject=_subject(top), text=text))
    problems += _check_cas(chain)
    if at is not None:
        problems += [problem for one in chain for problem in _check_dates(one, at)]
    if usage is not None:
        problems += [problem for one in chain for problem in _check_usage(one, usage, leaf=one is certificate)]
    problems += _check_constraints(chain)
    problems += [problem for one in chain for problem in _check_key(one)]
    present = _names(certificate, common_name, limit)
    matched = first_match(wanted, present)
    if wanted and matched is None:
        text = f"wanted {' or '.join(wanted)}, the certificate has {', '.join(present) or 'no names'}"
        problems.append(Problem(defect=Defect.NAME, subject=_subject(certificate), text=text))
    return Verification(
        subject=_subject(certificate),
        chain=tuple(_subject(one) for one in chain),
        store=trust.name,
        missing_issuer=missing,
        wanted=wanted,
        present=present,
        matched=matched,
        problems=tuple(problems),
    )


class _Search:
    """The search for a chain: depth first, the store before the peer's certificates, bounded in depth and work."""

    def __init__(self, trust: TrustStore, presented: list[x509.Certificate], partial: bool) -> None:
        self.trust = trust
        self.presented = presented
        self.partial = partial
        self.signatures = 0
        self.best: list[x509.Certificate] = []

    def from_leaf(self, leaf: x509.Certificate) -> tuple[list[x509.Certificate], bool]:
        """Return the chain and whether it ends in the store; if none does, the longest chain."""
        found = self._climb([leaf])
        return (found, True) if found else (self.best, False)

    def _climb(self, chain: list[x509.Certificate]) -> list[x509.Certificate] | None:
        if len(chain) > len(self.best):
            self.best = chain
        top = chain[-1]
        if top in self.trust and (self.partial or _self_issued(top)):
            return chain
        if _self_issued(top) or len(chain) == MAX_DEPTH:
            return None
        for issuer in (*self.trust, *self.presented):
            if issuer not in chain and self._issued(top, issuer) and (found := self._climb([*chain, issuer])):
                return found
        return None

    def _issued(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        if certificate.issuer != issuer.subject or self.signatures >= MAX_SIGNATURES:
            return False
        self.signatures += 1
        return _signed_by(certificate, issuer)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _self_issued(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject and _signed_by(certificate, certificate)


def _check_cas(chain: Sequence[x509.Certificate]) -> list[Problem]:
    problems = []
    for below, ca in enumerate(chain[1:]):
        subject = _subject(ca)
        basic = _extension(ca, x509.BasicConstraints)
        usage = _extension(ca, x509.KeyUsage)
        if basic is None or not basic.ca:
            problems.append(Problem(defect=Defect.NOT_A_CA, subject=subject, text=f"{subject} is not a CA"))
        elif basic.path_length is not None and below > basic.path_length:
            text = f"{subject} allows {basic.path_length} CAs below it, but there are {below}"
            problems.append(Problem(defect=Defect.NOT_A_CA, subject=subject, text=text))
        if usage is not None and not usage.key_cert_sign:
            text = f"{subject} may not sign certificates"
            problems.append(Problem(defect=Defect.NOT_A_CA, subject=subject, text=text))
    return problems


def _check_dates(certificate: x509.Certificate, at: datetime) -> list[Problem]:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    subject = _subject(certificate)
    if at < start:
        text = f"{subject} is not valid before {start:%Y-%m-%d %H:%M:%S} UTC, and it is {at:%Y-%m-%d %H:%M:%S}"
    elif at > end:
        text = f"{subject} expired on {end:%Y-%m-%d %H:%M:%S} UTC, and it is {at:%Y-%m-%d %H:%M:%S}"
    else:
        return []
    return [Problem(defect=Defect.DATES, subject=subject, text=text)]


def _check_usage(certificate: x509.Certificate, usage: Usage, *, leaf: bool) -> list[Problem]:
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if (
        extended is None
        or usage.oid in extended
        or (not leaf and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended)
    ):
        return []
    known = {one.oid: one.value for one in Usage}
    has = ", ".join(known.get(oid, oid.dotted_string) for oid in extended)
    text = f"{_subject(certificate)} is for {has}, not for {usage.value}"
    return [Problem(defect=Defect.USAGE, subject=_subject(certificate), text=text)]


def _check_key(certificate: x509.Certificate) -> list[Problem]:
    """Refuse keys that OpenSSL refuses at its default security level (SSL_CTX_set_security_level(3), level 2)."""
    try:
        key = certificate.public_key()
    except UNREADABLE:
        return []
    if not too_weak(key):
        return []
    text = f"{_subject(certificate)} has a weak key: {describe(key)}, RSA needs {LEAST_RSA} and EC {LEAST_EC}"
    return [Problem(defect=Defect.KEY, subject=_subject(certificate), text=text)]


def _check_constraints(chain: Sequence[x509.Certificate]) -> list[Problem]:
    """Apply each CA's name constraints to the DNS names and addresses of the leaf (RFC 5280, section 4.2.1.10)."""
    problems = []
    names = [name for name in names_of(chain[0]) if name.startswith(("DNS:", "IP:"))]
    for ca in chain[1:]:
        constraints = _extension(ca, x509.NameConstraints)
        if constraints is None:
            continue
        for name in names:
            permitted = [one for one in constraints.permitted_subtrees or () if _same_kind(name, one)]
            excluded = [one for one in constraints.excluded_subtrees or () if _same_kind(name, one)]
            if (permitted and not any(_within(name, one) for one in permitted)) or any(
                _within(name, one) for one in excluded
            ):
                text = f"{_subject(ca)} may not certify {name}"
                problems.append(Problem(defect=Defect.CONSTRAINTS, subject=_subject(chain[0]), text=text))
    return problems


def _same_kind(name: str, subtree: x509.GeneralName) -> bool:
    return isinstance(subtree, x509.DNSName if name.startswith("DNS:") else x509.IPAddress)


def _within(name: str, subtree: x509.GeneralName) -> bool:
    value = name.partition(":")[2]
    if isinstance(subtree, x509.DNSName):
        domain, value = subtree.value.lower().lstrip("."), value.lower()
        return domain == "" or value == domain or value.endswith("." + domain)
    address, network = ipaddress.ip_address(value), subtree.value
    return isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network) and address in network


def _names(certificate: x509.Certificate, common_name: bool, limit: int | None) -> tuple[str, ...]:
    present = names_of(certificate, limit)
    if common_name and not any(name.startswith("DNS:") for name in present) and (cn := common_name_of(certificate)):
        return (*present, qualified(cn))
    return present


def _load(der: bytes) -> x509.Certificate | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.subject, certificate.issuer, certificate.not_valid_after_utc  # these parse lazily
        return certificate
    except UNREADABLE:
        return None


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None


def _subject(certificate: x509.Certificate) -> str:
    return subject_of(certificate) or "(no subject)"


def _rfc4514(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"
