"""The private CAs of one installation, for labs that real clients connect to.

Users are asked to trust their roots, so their keys are kept secret, and name constraints limit them to the lab's
domains and addresses (RFC 5280, section 4.2.1.10). They are made once and kept in a directory: for each CA a file
``....key.pem`` (certificate and key, readable only by its owner) and a file ``....pem`` (the certificate, for
distribution). A lab with other domains gets other roots beside them; a root that users trust is not replaced before it
nears expiry.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from edgesim.pki.authorities import Authorities
from edgesim.pki.authority import Authority, Constraints, Validity
from edgesim.pki.identity import PkiError
from edgesim.pki.keys import Randomness
from edgesim.pki.trust import TrustStore
from edgesim.world import files

LOOPBACK = ("127.0.0.0/8", "::1/128")
CA_DAYS = 3650
RENEW_DAYS = 30
"""A CA with fewer days than these left is renewed."""


def validity_from(now: datetime, days: int) -> Validity:
    """Return a validity of ``days`` days from ``now`` (UTC), starting one day earlier for slow clocks."""
    now = now.replace(microsecond=0)
    return Validity(now - timedelta(days=1), now + timedelta(days=days))


def installation_root(
    directory: Path,
    *,
    domains: Sequence[str],
    randomness: Randomness,
    now: datetime,
    networks: Sequence[str] = LOOPBACK,
    role: str = "root",
    plain: bool = False,
) -> Authority:
    """Return this installation's private root for these domains: the one kept in ``directory``, else a new one.

    ``plain`` omits the name constraints, for clients whose TLS library refuses critical ones: such a root can certify
    any name. ``randomness`` must be unpredictable (``random.SystemRandom()``): keys of the root, and later of the
    leaves, are drawn from it. ``now`` is the real date in UTC. Raises `PkiError` if the key file belongs to another
    user, is readable by others or is not a CA's, and `OSError` if the directory does, is a link or cannot be written.
    """
    constraints = Constraints(domains=tuple(sorted(set(domains))), networks=tuple(networks))

    def make() -> Authority:
        name = f"edgesim private {role} for {constraints.domains[0] if constraints.domains else 'loopback'}"
        validity = validity_from(now, CA_DAYS)
        return Authority.root(name, randomness, organization=f"edgesim on this machine ({role})", validity=validity,
                              constraints=None if plain else constraints)  # fmt: skip

    return _kept(directory / _stem(f"plain-{role}" if plain else role, constraints), randomness, now, (), make)


def installation_authorities(
    directory: Path,
    *,
    domains: Sequence[str],
    randomness: Randomness,
    now: datetime,
    networks: Sequence[str] = LOOPBACK,
    plain: bool = False,
) -> Authorities:
    """Return this installation's private CAs: roots in the roles of a public CA, the company, a private CA and the
    phones' manufacturer, and an issuing CA below each of the first two.

    Arguments and errors are those of `installation_root`.
    """

    def root(role: str) -> Authority:
        return installation_root(
            directory, domains=domains, randomness=randomness, now=now, networks=networks, role=role, plain=plain
        )

    def issuing(above: Authority, stem: str, name: str) -> Authority:
        own = hashlib.sha256(TrustStore.of("", above).der()).hexdigest()[:8]
        path, validity = directory / f"{stem}-{own}", validity_from(now, CA_DAYS)
        return _kept(path, randomness, now, above.full_chain,
                     lambda: above.intermediate(name, entropy=randomness, validity=validity))  # fmt: skip

    public, enterprise_root = root("public-root"), root("enterprise-root")
    return Authorities(
        public=public,
        public_issuing=issuing(public, "public-issuing", "edgesim private CA below the public root"),
        enterprise_root=enterprise_root,
        enterprise=issuing(enterprise_root, "enterprise-issuing", "edgesim private issuing CA"),
        private=root("private-root"),
        manufacturing=root("manufacturing-root"),
    )


def certificate_file(directory: Path, authority: Authority) -> Path:
    """Return the file in ``directory`` with the certificate of a kept CA. Raises `PkiError` if there is none."""
    pem = TrustStore.of("", authority).pem()
    for path in sorted(directory.glob("*.pem")):
        if not path.name.endswith(".key.pem") and path.read_bytes() == pem:
            return path
    raise PkiError(f"{directory} does not hold {authority.subject}")


def _stem(role: str, constraints: Constraints) -> str:
    text = "\n".join((*constraints.domains, "", *constraints.networks))
    return f"{role}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _kept(
    stem: Path,
    randomness: Randomness,
    now: datetime,
    above: tuple[x509.Certificate, ...],
    make: Callable[[], Authority],
) -> Authority:
    secret, public = stem.with_name(f"{stem.name}.key.pem"), stem.with_name(f"{stem.name}.pem")
    files.private_folder(str(stem.parent))
    if secret.exists():
        authority = _load(secret, randomness, above)
        if authority.certificate.not_valid_after_utc < now + timedelta(days=RENEW_DAYS):
            secret.unlink()
    if not secret.exists():
        made = make()
        _write_new(secret, TrustStore.of("", made).pem() + made.key_pem())
        authority = _load(secret, randomness, above)  # the file of whichever process was first, if two start at once
    pem = TrustStore.of("", authority).pem()
    if public.is_symlink() or not public.exists() or public.read_bytes() != pem:
        files.replace(str(public), pem, mode=0o644)
    return authority


def _load(path: Path, randomness: Randomness, above: tuple[x509.Certificate, ...]) -> Authority:
    if path.is_symlink():
        raise PkiError(f"{path}: a CA's key must not be a symbolic link; remove it")
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PkiError(f"{path}: others can read this CA's key; remove the file, and trust its certificate no longer")
    if files.is_others(str(path)):
        raise PkiError(f"{path}: this CA's key belongs to another user; remove the file")
    content = path.read_bytes()
    try:
        return Authority.load(content, content, randomness, above=above)
    except PkiError as error:
        raise PkiError(f"{path}: {error}") from error


def _write_new(path: Path, content: bytes) -> None:
    """Write a private file atomically; an existing file is kept."""
    draft = files.make_draft(str(path), content)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        files.remove(draft)
