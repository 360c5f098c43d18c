"""What a lab mints of a deployment: signers, keys, dates, usages, trust stores, and what waits for a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edgesim.deployment import Deployment, builtin
from edgesim.lab import RunningLab
from edgesim.lab.certificates import START, Certificates
from edgesim.pki import Identity, Usage, Validity, fixture_authorities, verify
from edgesim.pki.inspection import inspect, usages_of
from edgesim.pki.keys import describe
from edgesim.world import SECOND
from edgesim.world.entropy import Entropy
from edgesim.world.sim import SimWorld


def minted(*certificates: dict[str, Any], seed: int = 1, **options: Any) -> Certificates:
    lab = builtin("small").changed({"certificates": list(certificates), **options})
    return mint(lab, seed)


def mint(lab: Deployment, seed: int = 1) -> Certificates:
    entropy = Entropy(seed, "pki")
    return Certificates(lab, fixture_authorities(entropy), entropy)


def expe(**fields: Any) -> Identity:
    return minted({"host": "expe", "service": "server", **fields}).identities("expe")["server"]


def test_minting_is_the_same_for_a_seed() -> None:
    one, again, other = (minted(seed=seed).identities("expc")["server"].fingerprint for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(
    ("signer", "issuer", "sent"),
    [
        ("public", "edgesim TEST Public Root CA", 0),
        ("public-issuing", "edgesim TEST Public Issuing CA", 1),
        ("enterprise", "edgesim TEST Enterprise Issuing CA", 1),
        ("enterprise-root", "edgesim TEST Enterprise Root CA", 0),
        ("private", "edgesim TEST Private Root CA", 0),
        ("manufacturing", "edgesim TEST Manufacturing Root CA", 0),
        ("self-signed", "expe.example.com", 0),
    ],
)
def test_every_signer(signer: str, issuer: str, sent: int) -> None:
    identity = expe(signed_by=signer)
    assert inspect(identity.certificate).issuer.startswith(f"CN={issuer},")
    assert len(identity.chain) == sent


@pytest.mark.parametrize(
    ("key", "words"), [("ec-p256", "EC secp256r1"), ("rsa-2048", "RSA 2048 bits"), ("rsa-1024", "RSA 1024 bits")]
)
def test_every_key(key: str, words: str) -> None:
    assert describe(expe(key=key).certificate.public_key()) == words


def test_common_name_names_and_usages_are_as_written() -> None:
    identity = expe(
        common_name="CP-8845-SEP00005E005301", names=["a.example.com", "10.0.0.1", "SRV:_x._tls.example.com"]
    )
    assert identity.subject == "CN=CP-8845-SEP00005E005301,O=edgesim lab"
    assert identity.names == ("DNS:a.example.com", "IP:10.0.0.1", "SRV:_x._tls.example.com")
    assert usages_of(identity.certificate) == ("serverAuth", "clientAuth")
    for written in ({"strips": ["client auth"]}, {"client_auth": False}):
        assert usages_of(expe(**written).certificate) == ("serverAuth",)
    assert usages_of(expe(signed_by="self-signed", client_auth=False).certificate) == ("serverAuth",)
    client = minted({"host": "jabber-1", "service": "client"}).identities("jabber-1")["client"]
    assert usages_of(client.certificate) == ("clientAuth",)


@pytest.mark.parametrize("seconds", [0, 60, 3600.5])
def test_a_certificate_that_expires_is_good_until_then(seconds: float) -> None:
    certificates = minted({"host": "expe", "service": "server", "expires_after_s": seconds})
    identity, trust = certificates.identities("expe")["server"], certificates.trusts("expc")["trusted-ca"]

    def good(after: float) -> bool:
        at = START + timedelta(seconds=after)
        return verify(identity.certificate, identity.chain, trust, usage=Usage.SERVER, at=at).ok

    whole = int(seconds)
    assert good(0) and good(whole)
    assert not good(whole + 1)


def test_expiry_counts_from_the_worlds_own_start() -> None:
    written = {"certificates": [{"host": "expe", "service": "server", "expires_after_s": 60}]}
    lab = RunningLab(SimWorld(1, epoch_ns=1_800_000_000 * SECOND), builtin("small").changed(written))
    leaf = lab.node("expe").identities["server"].certificate
    assert leaf.not_valid_after_utc == datetime.fromtimestamp(1_800_000_060, UTC)
    assert leaf.not_valid_before_utc < datetime.fromtimestamp(1_800_000_000, UTC)


def test_a_short_validity_of_the_lab_keeps_the_start_before_the_end() -> None:
    entropy = Entropy(1, "pki")
    late = Validity(START + timedelta(days=1), START + timedelta(days=2))
    lab = builtin("small").changed({"certificates": [{"host": "expe", "service": "server", "expires_after_s": 5}]})
    made = Certificates(lab, fixture_authorities(entropy), entropy, validity=late)
    leaf = made.identities("expe")["server"].certificate
    assert leaf.not_valid_before_utc <= leaf.not_valid_after_utc == START + timedelta(seconds=5)


def test_pending_trust_waits_beside_what_is_in_effect() -> None:
    pending = {"host": "expc", "store": "trusted-ca", "pending": ["public", "private"]}
    lab = builtin("small").changed({"trust": [pending]})
    certificates = mint(lab)
    node = RunningLab(SimWorld(1), lab).node("expc")
    now, then = node.trusts["trusted-ca"], node.installed.after_restart("trusted-ca")
    edge = certificates.identities("expe")["server"]
    assert not verify(edge.certificate, (), now).ok
    assert verify(edge.certificate, (), then).ok
    assert len(then) == len(now) + 2
    assert then.name == "trusted-ca of expc"
    assert certificates.uploads("expe") == []
    node.installed.take_up()
    assert node.trusts["trusted-ca"].pem() == then.pem() and not node.uploads


def test_a_self_signed_certificate_is_its_own_entry_in_stores() -> None:
    certificates = minted({"host": "ucm-pub", "service": "tomcat", "signed_by": "self-signed"})
    identity = certificates.identities("ucm-pub")["tomcat"]
    assert identity in certificates.trusts("expc")["trusted-ca"]
    assert identity not in certificates.trusts("jabber-1")["system"]


def test_roots_alone_are_not_enough_for_a_lone_leaf() -> None:
    roots = {"host": "expe", "store": "trusted-ca", "lacks": ["enterprise-issuing"]}
    certificates = mint(builtin("small").changed({"trust": [roots]}))
    core, trust = certificates.identities("expc")["server"], certificates.trusts("expe")["trusted-ca"]
    assert not verify(core.certificate, (), trust).ok
    assert verify(core.certificate, core.chain, trust).ok
