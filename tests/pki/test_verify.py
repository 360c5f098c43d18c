"""Verification explains itself, and agrees with what OpenSSL does in a handshake."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
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
from tests.fuzz import fuzzed
from tests.pki.handshake import handshake

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


def test_it_tells_everything_that_is_wrong_at_once(cas: Authorities) -> None:
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
    assert "allows 0 CAs below it, there are 1" in result.explain()
    assert not handshake(server_context(leaf, send_chain=True), client_context(cas.trust()), NAME).ok


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
    request = Request(common_name=NAME, names=(f"DNS:{NAME}",), profile=usage)  # type: ignore[arg-type]  # a Profile
    leaf = cas.enterprise.issue(request, validity=validity)  # type: ignore[arg-type]  # a Validity
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
