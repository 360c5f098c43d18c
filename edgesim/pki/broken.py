"""Deliberately broken certificates, one fault each, for testing clients and products.

All are for one Expressway-E and signed by the test CAs. They are the same, octet for octet, each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from edgesim.pki.authorities import Authorities, fixture_authorities
from edgesim.pki.authority import EXPIRED, NOT_YET, self_signed
from edgesim.pki.fixtures import WARNING
from edgesim.pki.identity import Identity, Request, Usage, expressway_e
from edgesim.pki.trust import TrustStore
from edgesim.pki.verify import Defect, verify
from edgesim.world.entropy import Entropy

FQDN, DOMAIN = "expe.example.com", "example.com"
WHEN = datetime(2026, 1, 5, tzinfo=UTC)
"""The date for which the table lists a verifier's findings."""
SAN_LIMIT = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A certificate, its fault and the consequence, in words."""

    name: str
    defect: str
    effect: str
    identity: Identity


def broken() -> tuple[Broken, ...]:
    """Generate the set. The first certificate is valid, for comparison."""
    return tuple(
        Broken(name=name, defect=defect, effect=effect, identity=make(_sources(name)))
        for name, defect, effect, make in _RECIPES
    )


def files() -> dict[str, bytes]:
    """Return the set's files by name: certificate, key, for some the chain, and a README."""
    content: dict[str, bytes] = {}
    rows = []
    for each in broken():
        mark = f"{WARNING}\nSubject: {each.identity.subject}\nBroken: {each.defect}\n".encode()
        content[f"{each.name}.pem"] = mark + each.identity.pem()
        content[f"{each.name}.key.pem"] = mark + each.identity.key_pem()
        names = [f"`{each.name}.pem`", f"`{each.name}.key.pem`"]
        if each.identity.chain:
            content[f"{each.name}.chain.pem"] = mark + each.identity.pem(chain=True)
            names.append(f"`{each.name}.chain.pem`")
        rows.append(f"| {', '.join(names)} | {each.defect} | {each.effect} | {_found(each.identity)} |")
    content["README.md"] = (_README.format(rows="\n".join(rows), fqdn=FQDN, domain=DOMAIN)).encode()
    return content


def _found(identity: Identity) -> str:
    """Return the findings of a verifier with only the public root in January 2026, for either use and both names."""
    store = TrustStore.of("the public root", _sources("README").authorities.public)
    found: dict[str, None] = {}
    for usage, name in ((Usage.SERVER, FQDN), (Usage.CLIENT, FQDN), (Usage.SERVER, DOMAIN)):
        checked = verify(identity.certificate, (), store, names=[name], usage=usage, at=WHEN, limit=SAN_LIMIT)
        for each in checked.problems:
            if each.defect is Defect.NAME:
                found[f"{each.defect.value}: no {name}"] = None
            else:
                found[f"{each.defect.value}: {each.text.replace(each.subject, 'it', 1)}"] = None
    return "; ".join(found) or "nothing"


@dataclass(frozen=True, slots=True)
class _Sources:
    entropy: Entropy
    authorities: Authorities


def _sources(name: str) -> _Sources:
    # One stream for each, so that a new certificate changes no other.
    entropy = Entropy(0, f"edgesim broken certificate {name}")
    return _Sources(entropy, fixture_authorities(entropy))


_SOUND = expressway_e(FQDN, domains=[DOMAIN])


def _long() -> Request:
    """Return a request whose registration domain lies beyond the first 999 characters of the SAN."""
    others = [f"department-{number:02}.offices.{DOMAIN}" for number in range(1, 31)]
    return expressway_e(FQDN, domains=[*others, DOMAIN])


_RECIPES: tuple[tuple[str, str, str, Callable[[_Sources], Identity]], ...] = (
    ("sound", "nothing: to compare with", "works", lambda at: at.authorities.public.issue(_SOUND)),
    (
        "expired",
        "over since 2002",
        "TLS alert certificate_expired, Jabber prompts, the zone fails",
        lambda at: at.authorities.public.issue(_SOUND, validity=EXPIRED),
    ),
    (
        "not-yet-valid",
        "begins in 2090",
        "TLS alert bad_certificate, Jabber prompts, the zone fails",
        lambda at: at.authorities.public.issue(_SOUND, validity=NOT_YET),
    ),
    (
        "wrong-name",
        "SAN of another host and domain",
        "Jabber prompts, phones and room devices fail, the zone fails",
        lambda at: at.authorities.public.issue(expressway_e("vpn.example.net", domains=["example.net"])),
    ),
    (
        "no-client-authentication",
        "the CA dropped clientAuth from what was asked for",
        "upload refused before X15.4; on E it breaks SIP registration there",
        lambda at: at.authorities.public.issue(_SOUND, strip=(Usage.CLIENT,)),
    ),
    (
        "missing-intermediate",
        "issued by an intermediate that is not sent along; `.chain.pem` has it",
        "TLS alert unknown_ca from whoever holds the root only",
        lambda at: at.authorities.public_issuing.issue(_SOUND),
    ),
    (
        "self-signed",
        "no CA signed it",
        "TLS alert unknown_ca unless the certificate itself is trusted",
        lambda at: self_signed(_SOUND, at.entropy),
    ),
    (
        "weak-key",
        "RSA key of 1024 bits",
        "TLS alert bad_certificate: OpenSSL refuses it at security level 2, its usual one",
        lambda at: at.authorities.public.issue(_SOUND, kind="RSA-1024"),
    ),
    (
        "long-san",
        f"the SAN has more than {SAN_LIMIT} characters; the registration domain comes last",
        f"Expressway does not see {DOMAIN}: as if it were missing",
        lambda at: at.authorities.public.issue(_long()),
    ),
)

_README = """\
# Certificates that are broken on purpose

**TEST KEYS, known to everybody, signed by the test CAs one folder up. Never trust them.** Each certificate is for an
Expressway-E `{fqdn}` with the registration domain `{domain}`, and has one fault. The last column
is what a verifier finds in January 2026 that holds the public root alone, got the leaf alone, looks for either name in
the first 999 characters of the SAN, and wants both extended key usages.

| files | what is wrong | what comes of it | what a verifier finds |
|---|---|---|---|
{rows}

Made by `edgesim certs broken`: the same octets each time, RSA key and all.

    edgesim certs inspect fixtures/certs/broken/long-san.pem
    edgesim certs verify fixtures/certs/broken/expired.pem --deployment small --host jabber-1 --store system
    edgesim certs upload fixtures/certs/broken/no-client-authentication.pem --as expressway-e --release X14.3
"""
