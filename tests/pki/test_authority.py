"""Authorities: what they issue, that it is deterministic, and that it is fast."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edgesim.pki import (
    CUP_XMPP,
    EXPIRED,
    EXPRESSWAY,
    Authority,
    PkiError,
    Request,
    TrustStore,
    Usage,
    expressway_c,
    expressway_e,
    fixture_authorities,
    im_presence,
    names_of,
    self_signed,
    unified_cm,
)
from edgesim.world.entropy import Entropy


def issue_all(seed: int) -> list[bytes]:
    entropy = Entropy(seed, "pki")
    root = Authority.root("Root", entropy)
    issuing = root.intermediate("Issuing")
    leaf = issuing.issue(expressway_e("expe.example.com", domains=["example.com"]))
    return [root.certificate.public_bytes(Encoding.DER), leaf.der, leaf.key_pem(), *leaf.pem(chain=True).splitlines()]


def test_one_seed_gives_the_same_octets_and_two_seeds_do_not() -> None:
    assert issue_all(1) == issue_all(1)
    assert issue_all(1) != issue_all(2)


def test_chain_has_the_intermediates_and_not_the_root() -> None:
    entropy = Entropy(1, "pki")
    root = Authority.root("Root", entropy)
    issuing = root.intermediate("Issuing")
    request = unified_cm("cucm1.example.com")
    assert issuing.issue(request).chain == (issuing.certificate,)
    assert root.issue(request).chain == ()
    assert issuing.full_chain == (issuing.certificate, root.certificate)
    assert issuing.issue(request).pem(chain=True).count(b"BEGIN CERTIFICATE") == 2
    assert issuing.issue(request).pem().count(b"BEGIN CERTIFICATE") == 1


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("DNS", "DNS:example.com"),
        ("CollabEdgeDNS", "DNS:collab-edge.example.com"),
        ("SRVName", "SRV:_collab-edge._tls.example.com"),
    ],
)
def test_expressway_e_names_its_registration_domains_in_three_forms(form: str, name: str) -> None:
    request = expressway_e("expe.example.com", domains=["example.com"], form=form, federation=["im.example.com"])
    identity = fixture_authorities(Entropy(1, "x")).public.issue(request)
    assert identity.names == ("DNS:expe.example.com", name, "DNS:im.example.com")
    assert identity.subject == "CN=expe.example.com,O=edgesim lab"


def test_unknown_form_of_a_registration_domain_is_refused() -> None:
    with pytest.raises(PkiError, match="SRVName"):
        expressway_e("expe.example.com", domains=["example.com"], form="XMPPAddress")


def test_requests_carry_what_each_product_needs() -> None:
    request = expressway_c(
        "expc.example.com", cluster="cluster.example.com", security_profiles=["csf.secure.example.com"]
    )
    assert request.names == ("DNS:expc.example.com", "DNS:cluster.example.com", "DNS:csf.secure.example.com")
    assert request.profile is EXPRESSWAY
    assert request.without("cluster.example.com").names == ("DNS:expc.example.com", "DNS:csf.secure.example.com")
    assert unified_cm("cucm1.example.com", "CallManager", names=["10.0.40.11"]).names[-1] == "IP:10.0.40.11"
    assert im_presence("imp1.example.com", domains=["example.com"]).names == ("DNS:imp1.example.com", "DNS:example.com")
    assert im_presence("imp1.example.com", "tomcat", domains=["example.com"]).names == ("DNS:imp1.example.com",)


def test_every_kind_of_name_survives_the_certificate() -> None:
    names = ("DNS:a.example.com", "IP:10.0.0.1", "IP:2001:db8::1", "SRV:_sip._tls.example.com", "XMPP:example.com")
    names += ("URI:sip:example.com", "EMAIL:a@example.com")
    identity = self_signed(Request(common_name="a", names=names, profile=CUP_XMPP), Entropy(1, "x"))
    assert identity.names == names


def test_a_ca_that_strips_a_usage() -> None:
    authority = fixture_authorities(Entropy(1, "x")).public
    request = expressway_e("expe.example.com")

    def usages(*strip: Usage) -> list[x509.ObjectIdentifier]:
        certificate = authority.issue(request, strip=strip).certificate
        return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)

    assert usages() == [Usage.SERVER.oid, Usage.CLIENT.oid]
    assert usages(Usage.CLIENT) == [Usage.SERVER.oid]


def test_validity_is_fixed_and_can_be_over() -> None:
    authority = fixture_authorities(Entropy(1, "x")).public
    request = expressway_e("expe.example.com")
    assert authority.issue(request, validity=EXPIRED).certificate.not_valid_after_utc == datetime(
        2002, 1, 1, tzinfo=UTC
    )
    assert authority.issue(request).certificate.not_valid_before_utc.year == 2015


def test_load_refuses_a_key_that_is_not_the_certificates() -> None:
    entropy = Entropy(1, "x")
    one, two = Authority.root("One", entropy), Authority.root("Two", entropy)
    pem = TrustStore.of("x", one).pem()
    assert Authority.load(pem, one.key_pem(), entropy).certificate == one.certificate
    with pytest.raises(PkiError, match="does not match the certificate of CN=One"):
        Authority.load(pem, two.key_pem(), entropy)
    with pytest.raises(PkiError, match="PEM"):
        Authority.load(b"nonsense", one.key_pem(), entropy)


def test_key_pem_is_the_key_of_the_certificate() -> None:
    identity = self_signed(unified_cm("cucm1.example.com"), Entropy(1, "x"))
    key = load_pem_private_key(identity.key_pem(), None)
    assert key.public_key() == identity.certificate.public_key()
    assert names_of(x509.load_pem_x509_certificate(identity.pem())) == ("DNS:cucm1.example.com",)
