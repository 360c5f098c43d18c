"""The broken set: as checked in, one fault each, and refused by OpenSSL for that fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.pki import Usage, client_context, fixture_authorities, server_context, verify
from edgesim.pki.broken import DOMAIN, FQDN, SAN_LIMIT, WHEN, Broken, broken, files
from edgesim.pki.inspection import inspect, read_certificates
from edgesim.pki.trust import TrustStore
from edgesim.pki.verify import Defect
from edgesim.world.entropy import Entropy
from tests.pki.handshake import handshake
from tests.pki.openssl import openssl

KEPT = Path(__file__).parents[2] / "fixtures" / "certs" / "broken"
SET = {each.name: each for each in broken()}
ROOT = TrustStore.of("root", fixture_authorities(Entropy(1, "x")).public)


def faults(one: Broken, name: str = FQDN, usage: Usage = Usage.SERVER) -> list[Defect]:
    checked = verify(one.identity.certificate, (), ROOT, names=[name], usage=usage, at=WHEN, limit=SAN_LIMIT)
    return [each.defect for each in checked.problems]


def test_the_files_kept_are_what_is_made() -> None:
    assert files() == {path.name: path.read_bytes() for path in KEPT.iterdir()}


def test_every_key_is_that_of_its_certificate_and_marked() -> None:
    for name, text in files().items():
        if name.endswith(".pem"):
            assert b"TEST KEY" in text
    for one in SET.values():
        assert one.identity.key.public_key() == one.identity.certificate.public_key()


@pytest.mark.parametrize(
    ("name", "server", "domain", "client"),
    [
        ("sound", [], [], []),
        ("expired", [Defect.DATES], [Defect.DATES], [Defect.DATES]),
        ("not-yet-valid", [Defect.DATES], [Defect.DATES], [Defect.DATES]),
        ("wrong-name", [Defect.NAME], [Defect.NAME], [Defect.NAME]),
        ("no-client-authentication", [], [], [Defect.USAGE]),
        ("missing-intermediate", [Defect.ISSUER_MISSING], [Defect.ISSUER_MISSING], [Defect.ISSUER_MISSING]),
        ("self-signed", [Defect.UNTRUSTED], [Defect.UNTRUSTED], [Defect.UNTRUSTED]),
        ("weak-key", [Defect.KEY], [Defect.KEY], [Defect.KEY]),
        ("long-san", [], [Defect.NAME], []),
    ],
)
def test_each_has_its_one_fault(name: str, server: list[Defect], domain: list[Defect], client: list[Defect]) -> None:
    one = SET[name]
    assert faults(one) == server
    assert faults(one, DOMAIN) == domain
    assert faults(one, usage=Usage.CLIENT) == client


def test_the_set_is_complete() -> None:
    assert list(SET) == [
        "sound", "expired", "not-yet-valid", "wrong-name", "no-client-authentication", "missing-intermediate",
        "self-signed", "weak-key", "long-san",
    ]  # fmt: skip
    assert inspect(SET["long-san"].identity.certificate).san_characters > SAN_LIMIT


def test_sending_the_chain_repairs_the_missing_intermediate() -> None:
    leaf, *others = read_certificates((KEPT / "missing-intermediate.chain.pem").read_bytes())
    assert verify(leaf, others, ROOT, names=[FQDN], at=WHEN).ok


@pytest.mark.parametrize(
    ("name", "alert"),
    [
        ("expired", "certificate expired"),
        ("not-yet-valid", "bad certificate"),
        ("wrong-name", "bad certificate"),
        ("missing-intermediate", "unknown ca"),
        ("self-signed", "unknown ca"),
        ("weak-key", "bad certificate"),
    ],
)
def test_the_alert_on_the_wire(name: str, alert: str) -> None:
    ends = handshake(server_context(SET[name].identity), client_context(ROOT), FQDN)
    assert not ends.ok
    assert alert in str(ends.server_error)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sound", None),
        ("expired", "certificate has expired"),
        ("not-yet-valid", "certificate is not yet valid"),
        ("wrong-name", "hostname mismatch"),
        ("no-client-authentication", "unsuitable certificate purpose|unsupported certificate purpose"),
        ("missing-intermediate", "unable to get local issuer certificate"),
        ("self-signed", "self-signed certificate|self signed certificate"),
        ("weak-key", "EE certificate key too weak"),
        ("long-san", None),
    ],
)
def test_openssl_says_the_same(name: str, reason: str | None, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(ROOT.pem())
    purpose = "sslclient" if name == "no-client-authentication" else "sslserver"
    wanted = ("-purpose", purpose, "-verify_hostname", FQDN, "-auth_level", "2")
    done = openssl("verify", "-CAfile", root, *wanted, KEPT / f"{name}.pem")
    if reason is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0
        assert any(each in done.stderr for each in reason.split("|")), done.stderr
