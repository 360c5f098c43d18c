"""Verification explains itself, and agrees with what OpenSSL does in a handshake."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from edgesim.pki import (
    CLIENT_ONLY,
    EXPIRED,
    NOT_YET,
    SERVER_ONLY,
    STANDARD,
    Authorities,
    Authority,
    Defect,
    Identity,
    Request,
    TrustStore,
    Usage,
    client_context,
    expressway_e,
    fixture_authorities,
    matches,
    self_signed,
    server_context,
    unified_cm,
    verify,
)
from edgesim.world.entropy import Entropy
from tests.fuzz import cheap, fuzzed
from tests.pki.handshake import handshake
from tests.pki.openssl import openssl

NOW = datetime(2025, 6, 1, tzinfo=UTC)
NAME = "cucm1.example.com"


def test_it_names_the_issuer_that_is_missing(cas: Authorities) -> None:
    leaf = cas.enterprise.issue(unified_cm(NAME))
    result = verify(leaf.der, (), TrustStore.of("trusted CA list", cas.enterprise_root), names=[NAME], at=NOW)
    assert not result
    assert result.missing_issuer == "CN=edgesim TEST Enterprise Issuing CA,O=edgesim test enterprise"
    assert result.chain == (f"CN={NAME},O=edgesim lab",)
    assert [problem.defect for problem in result.problems] == [Defect.ISSUER_MISSING]
    assert "which the peer did not send and trusted CA list does not hold" in result.explain()


def test_it_shows_the_chain_it_found(cas: Authorities) -> None:
    leaf = cas.enterprise.issue(unified_cm(NAME))
    store = TrustStore.of("tomcat-trust", cas.enterprise_root)
    result = verify(leaf.certificate, leaf.chain, store, names=["other.example.com", NAME], usage=Usage.SERVER, at=NOW)
    assert result.ok
    assert len(result.chain) == 3
    assert result.matched == (f"DNS:{NAME}", f"DNS:{NAME}")
    assert result.explain().splitlines()[0] == f"CN={NAME},O=edgesim lab: verified by tomcat-trust"


def test_all_defects_are_reported_at_once(cas: Authorities) -> None:
    request = Request(common_name=NAME, names=(f"DNS:{NAME}",), profile=CLIENT_ONLY)
    leaf = cas.enterprise.issue(request, validity=EXPIRED)
    result = verify(leaf.der, (), TrustStore("empty"), names=["x.example.com"], usage=Usage.SERVER, at=NOW)
    assert [p.defect for p in result.problems] == [Defect.ISSUER_MISSING, Defect.DATES, Defect.USAGE, Defect.NAME]
    text = result.explain()
    assert "expired on 2002-01-01" in text
    assert "is for clientAuth, not for serverAuth" in text
    assert f"wanted DNS:x.example.com, the certificate has DNS:{NAME}" in text


def test_a_wrong_name_leaves_the_chain_trusted(cas: Authorities) -> None:
    leaf = cas.public.issue(expressway_e("expe.example.com"))
    result = verify(leaf.der, (), TrustStore.of("os", cas.public), names=["example.com"], at=NOW)
    assert not result.ok
    assert result.trusted


def test_a_stranger_with_the_issuers_name_is_not_its_issuer(cas: Authorities) -> None:
    leaf = cas.enterprise.issue(unified_cm(NAME))
    forged = Authority.root(
        "edgesim TEST Enterprise Issuing CA", Entropy(9, "forger"), organization="edgesim test enterprise"
    )
    assert forged.subject == cas.enterprise.subject
    assert verify(leaf.der, (), TrustStore.of("forged", forged), at=NOW).missing_issuer == cas.enterprise.subject
    assert verify(leaf.der, [forged.certificate], cas.trust().plus(cas.enterprise), at=NOW).ok


def test_a_leaf_is_no_ca(cas: Authorities) -> None:
    bogus = cas.public.issue(unified_cm("ca.example.com"))
    signer = Authority(bogus.key, bogus.certificate, Entropy(4, "x"), above=(cas.public.certificate,))
    leaf = signer.issue(unified_cm(NAME))
    result = verify(leaf.der, leaf.chain, TrustStore.of("os", cas.public), at=NOW)
    assert {problem.defect for problem in result.problems} == {Defect.NOT_A_CA}
    ends = handshake(server_context(leaf, send_chain=True), client_context(TrustStore.of("os", cas.public)), NAME)
    assert "invalid CA certificate" in str(ends.client_error)


def test_path_length_is_counted(cas: Authorities) -> None:
    below = cas.enterprise.intermediate("One too many")  # the issuing CA allows none below itself
    leaf = below.issue(unified_cm(NAME))
    result = verify(leaf.der, leaf.chain, cas.trust(), at=NOW)
    assert {problem.defect for problem in result.problems} == {Defect.NOT_A_CA}
    assert "allows 0 CAs below it, but there are 1" in result.explain()
    assert not handshake(server_context(leaf, send_chain=True), client_context(cas.trust()), NAME).ok


def root_and_leaf(of_root: Sequence[x509.ExtensionType], of_leaf: Sequence[x509.ExtensionType]) -> Any:
    """A CA and a certificate that it signed, with these extensions beside the basic constraints."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    made = []
    for subject, key, extensions in (("Root", keys[0], of_root), ("leaf", keys[1], of_leaf)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")]))
            .public_key(key.public_key())
            .serial_number(len(made) + 1)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=subject == "Root", path_length=None), critical=True)
        )
        for each in extensions:
            builder = builder.add_extension(each, critical=not isinstance(each, x509.SubjectAlternativeName))
        made.append(builder.sign(keys[0], hashes.SHA256()))
    return made


def openssl_verifies(root: x509.Certificate, leaf: x509.Certificate, directory: Path) -> bool:
    for name, each in (("root", root), ("leaf", leaf)):
        (directory / name).write_bytes(each.public_bytes(Encoding.PEM))
    at = ("-attime", str(int(NOW.timestamp())))
    return openssl("verify", *at, "-CAfile", directory / "root", directory / "leaf").returncode == 0


@pytest.mark.parametrize("signs", [True, False])
def test_a_ca_whose_key_usage_lacks_certificate_signing_is_refused(tmp_path: Path, signs: bool) -> None:
    """RFC 5280, section 4.2.1.3; ``openssl verify`` gives the same answer."""
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    root, leaf = root_and_leaf([usage], [])
    result = verify(leaf, (), TrustStore("os", (root,)), at=NOW)
    assert [problem.defect for problem in result.problems] == ([] if signs else [Defect.NOT_A_CA])
    assert openssl_verifies(root, leaf, tmp_path) is signs


@pytest.mark.parametrize(
    ("permitted", "excluded", "name", "fits"),
    [
        (["example.com"], [], "a.example.com", True),
        (["example.com"], [], "example.com", True),
        (["example.com"], [], "a.example.org", False),
        (["example.com"], [], "anexample.com", False),
        ([], ["secret.example.com"], "a.example.com", True),
        ([], ["secret.example.com"], "a.secret.example.com", False),
        (["example.com"], ["secret.example.com"], "secret.example.com", False),
        (["example.com"], [], "192.0.2.1", True),
        (["10.0.0.0/8"], [], "10.1.2.3", True),
        (["10.0.0.0/8"], [], "192.0.2.1", False),
        ([], ["10.1.0.0/16"], "10.2.0.1", True),
        ([], ["10.1.0.0/16"], "10.1.0.1", False),
    ],
)
def test_the_name_constraints_of_a_ca_hold(
    tmp_path: Path, permitted: list[str], excluded: list[str], name: str, fits: bool
) -> None:
    """RFC 5280, section 4.2.1.10; ``openssl verify`` gives the same answer."""

    def subtrees(texts: list[str]) -> list[x509.GeneralName] | None:
        return [x509.IPAddress(ip_network(each)) if "/" in each else x509.DNSName(each) for each in texts] or None

    own = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    constraints = x509.NameConstraints(subtrees(permitted), subtrees(excluded))
    root, leaf = root_and_leaf([constraints], [x509.SubjectAlternativeName([own])])
    result = verify(leaf, (), TrustStore("os", (root,)), at=NOW)
    assert [problem.defect for problem in result.problems] == ([] if fits else [Defect.CONSTRAINTS])
    assert openssl_verifies(root, leaf, tmp_path) is fits


def test_cas_that_sign_each_other_in_many_ways_cost_little() -> None:
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("A", "B", "leaf")}

    def signed(subject: str, issuer: str, number: int) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(keys[subject].public_key())
            .serial_number(number)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=subject != "leaf", path_length=None), critical=True)
            .sign(keys[issuer], hashes.SHA256())
        )

    ring = [signed(*pair, number) for number in range(1, 9) for pair in (("A", "B"), ("B", "A"))]
    leaf = signed("leaf", "A", 99)
    result = cheap(lambda: verify(leaf, ring, TrustStore("os", ()), at=NOW), seconds=0.5)
    assert [problem.defect for problem in result.problems] == [Defect.ISSUER_MISSING]


def test_self_signed_pair_of_one_subject_and_the_store_that_stops_at_the_first() -> None:
    tomcat, callmanager = (self_signed(unified_cm(NAME), Entropy(seed, "x")) for seed in (1, 2))
    store = TrustStore.of("trusted CA list", callmanager, tomcat)
    assert verify(tomcat.der, (), store, at=NOW).ok
    result = verify(tomcat.der, (), store.first_by_subject(), at=NOW)
    assert [problem.defect for problem in result.problems] == [Defect.UNTRUSTED]
    assert verify(callmanager.der, (), store.first_by_subject(), at=NOW).ok


@pytest.mark.parametrize(
    ("trusted", "sends", "validity", "usage", "name"),
    [
        *itertools.product(
            ("nothing", "root", "root+issuing", "issuing", "public", "leaf"),
            (False, True),
            (STANDARD,),
            (SERVER_ONLY,),
            (NAME,),
        ),
        *itertools.product(
            ("root+issuing",), (False,), (STANDARD, EXPIRED, NOT_YET), (SERVER_ONLY, CLIENT_ONLY), (NAME, "x")
        ),
    ],
)
def test_it_agrees_with_openssl(
    cas: Authorities, trusted: str, sends: bool, validity: object, usage: object, name: str
) -> None:
    request = Request(common_name=NAME, names=(f"DNS:{NAME}",), profile=usage)
    leaf = cas.enterprise.issue(request, validity=validity)
    store = {
        "nothing": TrustStore("nothing"),
        "root": TrustStore.of("root", cas.enterprise_root),
        "root+issuing": TrustStore.of("both", *cas.enterprise.full_chain),
        "issuing": TrustStore.of("issuing", cas.enterprise),
        "public": TrustStore.of("public", cas.public),
        "leaf": TrustStore.of("leaf", leaf),
    }[trusted]
    ends = handshake(server_context(leaf, send_chain=sends), client_context(store), name)
    presented = leaf.chain if sends else ()
    result = verify(leaf.der, presented, store, names=[name], usage=Usage.SERVER, at=datetime.now(UTC))
    assert result.ok is ends.ok, result.explain()


@pytest.mark.parametrize(
    ("wanted", "present", "agree"),
    [
        ("expe.example.com", "DNS:EXPE.example.com", True),
        ("expe.example.com.", "DNS:expe.example.com", True),
        ("expe.example.com", "DNS:*.example.com", True),
        ("a.expe.example.com", "DNS:*.example.com", False),
        ("example.com", "DNS:*.example.com", False),
        ("example.com", "DNS:*.com", False),
        ("expe.example.com", "DNS:exp*.example.com", False),
        ("10.0.0.1", "IP:10.0.0.1", True),
        ("10.0.0.1", "DNS:10.0.0.1", False),
        ("IP:2001:db8::1", "IP:2001:db8::1", True),
        ("SRV:_collab-edge._tls.example.com", "SRV:_collab-edge._tls.Example.com", True),
        ("SRV:_collab-edge._tls.example.com", "DNS:_collab-edge._tls.example.com", False),
    ],
)
def test_names_match_by_kind(wanted: str, present: str, agree: bool) -> None:
    assert matches(wanted, present) is agree


def _leaf() -> Identity:
    return fixture_authorities(Entropy(7, "fuzz")).enterprise.issue(
        Request(common_name=NAME, names=(f"DNS:{NAME}", "IP:10.0.0.1", "SRV:_x._tls.example.com"), profile=SERVER_ONLY)
    )


LEAF = _leaf()
STORE = TrustStore.of("all", *fixture_authorities(Entropy(7, "fuzz")).enterprise.full_chain)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@fuzzed
@given(
    st.binary(max_size=200)
    | st.lists(st.tuples(st.integers(0, len(LEAF.der) - 1), st.integers(0, 255)), max_size=4).map(
        lambda edits: bytes(dict(edits).get(i, octet) for i, octet in enumerate(LEAF.der))
    )
    | st.integers(0, len(LEAF.der)).map(lambda end: LEAF.der[:end])
)
def test_no_certificate_makes_it_raise(der: bytes) -> None:
    result = verify(der, [der], STORE, names=[NAME], usage=Usage.SERVER, at=NOW)
    assert result.ok is (der == LEAF.der)
    assert result.explain()


def test_a_crowd_of_presented_certificates_costs_little() -> None:
    root = Authority.root("Same", Entropy(1, "x"), organization="o")
    crowd = [Authority.root("Same", Entropy(n, "x"), organization="o").certificate for n in range(2, 60)]
    leaf = root.issue(unified_cm(NAME))
    assert verify(leaf.der, crowd, TrustStore("empty"), at=NOW).missing_issuer == root.subject
