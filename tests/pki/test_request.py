"""Signing requests: what products ask for, what a CA makes of it, and what OpenSSL thinks of both."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment import Deployment, builtin
from edgesim.lab.requests import RequestRefused, request_for
from edgesim.pki import (
    CUP_XMPP,
    STANDARD,
    PkiError,
    Request,
    TrustStore,
    Usage,
    expressway_e,
    fixture_authorities,
    names_of,
    self_signed,
    verify,
)
from edgesim.pki.inspection import inspect, read_certificates, usages_of
from edgesim.pki.keys import new_ec_key, new_key
from edgesim.pki.names import as_list, within
from edgesim.pki.request import MAX_OCTETS, create, read
from edgesim.world.entropy import Entropy
from tests.fuzz import fuzzed
from tests.pki.openssl import openssl

ASKED = expressway_e("expe.example.com", domains=["example.com"], form="SRVName", aliases=["10.0.0.1.example.com"])


def made(request: Request = ASKED, kind: str = "P-256") -> bytes:
    return create(request, new_key(Entropy(1, "request"), kind))


@pytest.fixture(scope="module")
def federated() -> Deployment:
    return builtin("small").changed({"domains.enabled": [{"name": "example.com", "xmpp_federation": True}]})


# ---- requests


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_a_request_is_read_as_it_was_written(kind: str) -> None:
    found = read(made(kind=kind))
    assert found.request.names == ASKED.names
    assert found.usages == ("serverAuth", "clientAuth")
    assert found.request.subject() == ASKED.subject()
    assert made(kind=kind) == made(kind=kind)


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_openssl_takes_our_requests(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "expe.csr"
    path.write_bytes(made(kind=kind))
    done = openssl("req", "-in", path, "-noout", "-text", "-verify")
    assert "verify OK" in done.stdout + done.stderr
    assert "DNS:expe.example.com" in done.stdout
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in done.stdout
    assert "CN = expe.example.com" in done.stdout or "CN=expe.example.com" in done.stdout


def test_a_request_of_openssls_is_signed_with_its_whole_subject(tmp_path: Path) -> None:
    csr, key = tmp_path / "x.csr", tmp_path / "x.key"
    subject = ("-subj", "/C=CH/O=Example/OU=Lab/CN=expe.example.com")
    keys = ("-newkey", "rsa:2048", "-nodes", "-keyout", key)
    done = openssl("req", "-new", *keys, "-out", csr, *subject, "-addext", "subjectAltName=DNS:expe.example.com")
    assert done.returncode == 0, done.stderr
    asked = read(csr.read_bytes())
    leaf = fixture_authorities(Entropy(1, "x")).public.certify(asked.request, asked.key)
    assert inspect(leaf).subject == "CN=expe.example.com,OU=Lab,O=Example,C=CH"
    assert names_of(leaf) == ("DNS:expe.example.com",)
    assert usages_of(leaf) is None, "none was asked for"


def test_a_ca_honours_or_strips_usages_and_openssl_agrees(tmp_path: Path) -> None:
    authorities = fixture_authorities(Entropy(1, "x"))
    asked = read(made())
    for strip, purposes in (((), "serverAuth clientAuth"), ((Usage.CLIENT,), "serverAuth")):
        leaf = authorities.public_issuing.certify(asked.request, asked.key, strip=strip)
        assert usages_of(leaf) == tuple(purposes.split())
        files = {
            "leaf": [leaf],
            "between": [authorities.public_issuing.certificate],
            "root": [authorities.public.certificate],
        }
        for name, certificates in files.items():
            (tmp_path / name).write_bytes(TrustStore.of("", *certificates).pem())
        for purpose, right in (("sslserver", True), ("sslclient", not strip)):
            command = ("verify", "-CAfile", tmp_path / "root", "-purpose", purpose)
            whole = openssl(*command, "-untrusted", tmp_path / "between", tmp_path / "leaf")
            alone = openssl(*command, tmp_path / "leaf")
            assert (whole.returncode == 0) is right
            assert alone.returncode != 0, "the intermediate is missing"
        checked = verify(leaf, authorities.public_issuing.sent_chain, TrustStore.of("r", authorities.public),
                        usage=Usage.CLIENT, at=STANDARD.not_before)  # fmt: skip
        assert checked.ok is not bool(strip)


def test_an_invalid_request_is_refused() -> None:
    identity = self_signed(ASKED, Entropy(1, "x"))
    for text in (b"", b"nonsense", identity.pem(), made()[:200], b"-" * (MAX_OCTETS + 1)):
        with pytest.raises(PkiError, match="signing request"):
            read(text)


def test_a_request_with_anothers_signature_is_refused() -> None:
    one, two = (new_ec_key(Entropy(seed, "k")) for seed in (1, 2))
    builder = x509.CertificateSigningRequestBuilder().subject_name(ASKED.subject())
    honest = builder.sign(one, hashes.SHA256()).public_bytes(Encoding.DER)
    other = two.public_key().public_numbers()
    own = one.public_key().public_numbers()
    forged = honest.replace(own.x.to_bytes(32, "big"), other.x.to_bytes(32, "big"))
    forged = forged.replace(own.y.to_bytes(32, "big"), other.y.to_bytes(32, "big"))
    pem = x509.load_der_x509_csr(forged).public_bytes(Encoding.PEM)
    with pytest.raises(PkiError, match="signature"):
        read(pem)


def test_a_name_that_no_certificate_holds() -> None:
    with pytest.raises(PkiError, match="not a name for a certificate"):
        made(Request(common_name="x", names=("DNS:ü.example.com",), profile=CUP_XMPP))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request with a few octets changed, a piece missing, or something else altogether."""
    der = bytearray(x509.load_pem_x509_csr(made()).public_bytes(Encoding.DER))
    for _ in range(draw(st.integers(0, 4))):
        der[draw(st.integers(0, len(der) - 1))] = draw(st.integers(0, 255))
    der = der[: draw(st.integers(len(der) // 2, len(der)))]
    body = base64.encodebytes(draw(st.sampled_from([bytes(der), draw(st.binary(max_size=80))])))
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + body + b"-----END CERTIFICATE REQUEST-----\n"


@fuzzed
@given(damaged())
def test_damaged_requests_are_refused(text: bytes) -> None:
    with contextlib.suppress(PkiError):
        found = read(text)
        assert found.request.subject() is not None


# ---- of a deployment


def test_names_have_reasons_and_aliases_come_with_discovery(federated: Deployment) -> None:
    before, after = (request_for(federated, "expc", discovered=each) for each in (False, True))
    assert [each.name for each in before.names] == ["DNS:expc.inside.example.com"]
    (alias,) = federated.im_presence_cluster("imp").chat_aliases or ()
    assert [(each.name, each.reason) for each in after.names][1:] == [
        (f"DNS:{alias}", "chat node alias of imp, for federated group chat")
    ]
    assert read(after.pem).request.names == tuple(each.name for each in after.names)
    assert before.key.private_numbers() == after.key.private_numbers()


def test_what_the_author_wrote_counts(federated: Deployment) -> None:
    written = {
        "host": "expe",
        "service": "server",
        "extra_names": ["vpn.example.com"],
        "without_names": ["example.com"],
    }
    lab = federated.changed({"certificates": [written]})
    found = {each.name: each.reason for each in request_for(lab, "expe", discovered=False).names}
    assert found == {
        "DNS:expe.example.com": "FQDN of the host",
        "DNS:vpn.example.com": "written in the deployment",
    }
    whole = lab.changed({"certificates": [{"host": "expe", "service": "server", "names": ["a.b", "10.0.0.1"]}]})
    assert [each.name for each in request_for(whole, "expe").names] == ["DNS:a.b", "IP:10.0.0.1"]


def test_requests_of_each_product_ask_for_its_usages(federated: Deployment) -> None:
    def usages(host: str, service: str | None = None) -> tuple[str, ...]:
        return read(request_for(federated, host, service).pem).usages

    assert usages("expc") == usages("ucm-pub") == usages("ucm-pub", "callmanager") == ("serverAuth", "clientAuth")
    assert usages("imp-pub", "cup-xmpp") == ("serverAuth", "clientAuth", "ipsecEndSystem")
    assert usages("jabber-1") == ("clientAuth",)


def test_a_profile_without_the_form_of_an_fqdn_stops_the_request_from_x12_6_on(federated: Deployment) -> None:
    odd = {"name": "Secure Phone", "mode": "encrypted", "transport": "TLS"}
    lab = federated.changed({"unified_cm.cucm.security_profiles": [{}, odd]})
    with pytest.raises(RequestRefused, match="'Secure Phone'") as raised:
        request_for(lab, "expc")
    assert "secure.example.com" in raised.value.advice
    old = lab.changed({"expressway_c.0.release": "X12.5"})
    assert "DNS:Secure Phone" in [each.name for each in request_for(old, "expc").names]
    assert request_for(lab, "expe").names, "the names of profiles are C's alone"


@pytest.mark.parametrize(("host", "service"), [("nobody", None), ("dns-inside", None), ("expe", "tomcat")])
def test_no_such_service(federated: Deployment, host: str, service: str | None) -> None:
    with pytest.raises(LookupError):
        request_for(federated, host, service)


# ---- inspection, and the limit of a SAN


def test_inspection_agrees_with_openssl(tmp_path: Path) -> None:
    identity = fixture_authorities(Entropy(1, "x")).enterprise.issue(ASKED)
    found = inspect(identity.certificate)
    path = tmp_path / "leaf.pem"
    path.write_bytes(identity.pem())
    reported = openssl("x509", "-in", path, "-noout", "-fingerprint", "-sha256", "-serial", "-enddate").stdout
    assert found.fingerprint.upper() in reported.replace(":", "")
    assert f"serial={found.serial.upper()}" in reported
    assert f"{found.not_after:%b %d %H:%M:%S %Y} GMT" in reported
    assert (found.ca, found.self_signed, found.key) == (False, False, "EC secp256r1")
    assert inspect(read_certificates(identity.pem(chain=True))[1]).ca


def test_inspection_refuses_invalid_certificates() -> None:
    for text in (b"", made(), b"x" * (1 << 20) + b"y"):
        with pytest.raises(PkiError, match="certificates"):
            read_certificates(text)


def test_names_behind_the_limit_do_not_count() -> None:
    names = ("DNS:a.example.com", "DNS:b.example.com", "DNS:c.example.com")
    assert len(as_list(names)) == 55
    assert within(names, 55) == names
    assert within(names, 54) == names[:2]
    assert within(names, 36) == names[:2]
    assert within(names, 16) == ()
    request = Request(common_name="a", names=names, profile=CUP_XMPP)
    identity = self_signed(request, Entropy(1, "x"))
    assert names_of(identity.certificate, 40) == names[:2]
    assert names_of(identity.certificate) == names
    store = TrustStore.of("own", identity)
    assert verify(identity.certificate, (), store, names=["c.example.com"]).ok
    assert not verify(identity.certificate, (), store, names=["c.example.com"], limit=40).ok
