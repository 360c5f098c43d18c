"""The private CAs of an installation: kept, private, and limited to the lab's domains."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from edgesim.cli.installation import _more_domains
from edgesim.deployment import builtin
from edgesim.pki import Authority, PkiError, TrustStore, Usage, client_context, server_context, unified_cm, verify
from edgesim.pki.installation import certificate_file, installation_authorities, installation_root, validity_from
from edgesim.pki.verify import Defect
from edgesim.world.entropy import Entropy
from tests.pki.handshake import handshake

NOW = datetime.now(UTC)  # OpenSSL checks these certificates by the real clock
WHO = "expe.example.com"


def root(
    directory: Path, seed: int = 1, *, domains: tuple[str, ...] = ("example.com",), now: datetime = NOW
) -> Authority:
    return installation_root(directory, domains=domains, randomness=Entropy(seed, "real"), now=now)


def test_root_is_made_once_and_kept(tmp_path: Path) -> None:
    made, kept = root(tmp_path / "ca", 1), root(tmp_path / "ca", 2)
    assert made.certificate == kept.certificate
    assert certificate_file(tmp_path / "ca", kept).read_bytes() == TrustStore.of("r", made).pem()
    assert root(tmp_path / "other", 2).certificate != made.certificate


def test_key_is_its_owners_alone(tmp_path: Path) -> None:
    root(tmp_path / "ca")
    (key,) = (tmp_path / "ca").glob("*.key.pem")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in key.read_bytes()
    assert not any(b"PRIVATE" in path.read_bytes() for path in (tmp_path / "ca").iterdir() if path != key)
    key.chmod(0o644)
    with pytest.raises(PkiError, match="others can read"):
        root(tmp_path / "ca")


def test_a_planted_folder_is_not_filled(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "ca").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic link"):
        root(tmp_path / "ca")
    assert not any(elsewhere.iterdir())


def test_the_folder_of_keys_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    folder.mkdir()
    folder.chmod(0o777)
    root(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("given", "says"), [("folder", "folder belongs to another user"), ("key", "key belongs to another user")]
)
def test_what_another_user_put_there_is_not_taken(tmp_path: Path, given: str, says: str) -> None:
    root(tmp_path / "ca")
    (key,) = (tmp_path / "ca").glob("*.key.pem")
    os.chown(key if given == "key" else key.parent, 65534, -1)
    with pytest.raises((OSError, PkiError), match=says):
        root(tmp_path / "ca")


def test_other_domains_get_another_root(tmp_path: Path) -> None:
    first = root(tmp_path)
    assert root(tmp_path, 2, domains=("example.org",)).certificate != first.certificate
    assert root(tmp_path, 3).certificate == first.certificate


def test_a_root_that_is_nearly_over_is_made_anew(tmp_path: Path) -> None:
    first = root(tmp_path)
    assert root(tmp_path, 2, now=NOW + timedelta(days=3000)).certificate == first.certificate
    assert root(tmp_path, 2, now=NOW + timedelta(days=3645)).certificate != first.certificate


def test_damaged_file_says_so(tmp_path: Path) -> None:
    root(tmp_path)
    (key,) = tmp_path.glob("*.key.pem")
    key.write_bytes(b"nonsense")
    with pytest.raises(PkiError, match=r"key\.pem: not a CA"):
        root(tmp_path)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [(WHO, True), ("example.com", True), ("127.0.30.11", True), ("bank.example.org", False), ("badexample.com", False),
     ("192.0.2.1", False), ("IP:2001:db8::1", False)],
)  # fmt: skip
def test_root_certifies_the_labs_own_names_only(tmp_path: Path, name: str, allowed: bool) -> None:
    authority = root(tmp_path)
    request = unified_cm(WHO, names=[name]).without(*([WHO] if name != WHO else []))
    leaf = authority.issue(request, validity=validity_from(NOW, 397))
    store = TrustStore.of("system", authority)
    bare = name.removeprefix("IP:")
    ends = handshake(server_context(leaf), client_context(store), bare)
    verification = verify(leaf.certificate, (), store, names=[name], usage=Usage.SERVER, at=NOW)
    assert ends.ok is allowed
    assert verification.ok is allowed
    if not allowed:
        assert "permitted subtree violation" in str(ends.client_error)
        assert [problem.defect for problem in verification.problems] == [Defect.CONSTRAINTS]


def test_the_whole_set_is_kept(tmp_path: Path) -> None:
    def make(seed: int) -> object:
        cas = installation_authorities(tmp_path, domains=["example.com"], randomness=Entropy(seed, "r"), now=NOW)
        leaf = cas.enterprise.issue(unified_cm("cucm1.example.com"), validity=validity_from(NOW, 397))
        assert verify(leaf.certificate, leaf.chain, cas.trust(), names=["cucm1.example.com"], at=NOW).ok
        refused = cas.enterprise.issue(unified_cm("cucm1.example.org"), validity=validity_from(NOW, 397))
        assert not verify(refused.certificate, refused.chain, cas.trust(), at=NOW).ok
        return cas.trusted()

    assert make(1) == make(2)
    assert len(list(tmp_path.glob("*.key.pem"))) == 6


@pytest.mark.parametrize(
    "signer", ["public", "public-issuing", "enterprise", "enterprise-root", "private", "manufacturing"]
)
def test_every_ca_of_the_set_is_limited(tmp_path: Path, signer: str) -> None:
    cas = installation_authorities(tmp_path, domains=["example.com"], randomness=Entropy(1, "r"), now=NOW)
    store = TrustStore.of("all", *cas.signers().values())
    authority = cas.signers()[signer]
    for name, allowed in (("conference-1-x.example.com", True), ("conference-1-x.example.org", False)):
        leaf = authority.issue(unified_cm("expc.example.com", names=[name]), validity=validity_from(NOW, 397))
        ends = handshake(server_context(leaf, send_chain=True), client_context(store), "expc.example.com")
        assert ends.ok is allowed
        assert verify(leaf.certificate, leaf.chain, store, at=NOW).ok is allowed


def test_live_labs_certify_what_products_derive_and_nothing_that_is_written() -> None:
    lab = builtin("small")
    profile = {"name": "secure.phones.example.net", "mode": "encrypted", "transport": "TLS"}
    more = lab.changed(
        {
            "unified_cm.cucm.security_profiles": [{}, profile, {**profile, "name": "within.example.com"}],
            "im_presence.imp.chat_aliases": ["conference-1.example.org", "conference-2.example.com"],
            "certificates": [{"host": "expe", "service": "server", "extra_names": ["bank.example.edu"]}],
        }
    )
    assert [each for each in _more_domains(more) if each not in _more_domains(lab)] == [
        "conference-1.example.org",
        "secure.phones.example.net",
    ]


def test_plain_roots_are_others_and_certify_anything(tmp_path: Path) -> None:
    """For clients whose TLS library refuses critical name constraints; a lab without the option keeps its own."""
    usual = installation_authorities(tmp_path, domains=["example.com"], randomness=Entropy(1, "r"), now=NOW)
    plain = installation_authorities(tmp_path, domains=["example.com"], randomness=Entropy(2, "r"), now=NOW, plain=True)
    for cas, constrained in ((usual, True), (plain, False)):
        found = [each.certificate.extensions for each in (cas.public, cas.enterprise_root, cas.private)]
        assert all(any(one.oid == x509.NameConstraints.oid for one in each) is constrained for each in found)
    assert not set(usual.trusted().values()) & set(plain.trusted().values())
    again = installation_authorities(tmp_path, domains=["example.com"], randomness=Entropy(3, "r"), now=NOW)
    assert again.trusted() == usual.trusted()
