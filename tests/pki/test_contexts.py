"""TLS contexts in real handshakes: trust, certificates sent, and errors."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from edgesim.pki import (
    CLIENT_ONLY,
    EXPIRED,
    NOT_YET,
    SERVER_ONLY,
    Authorities,
    Identity,
    PkiError,
    Policy,
    Request,
    TlsOptions,
    TrustStore,
    check_names,
    client_context,
    expressway_c,
    expressway_e,
    peer_certificates,
    self_signed,
    server_context,
    unified_cm,
)
from edgesim.pki import contexts as contexts_module
from edgesim.world.entropy import Entropy
from tests.pki.handshake import handshake

NAME = "cucm1.example.com"


@pytest.fixture
def cucm(cas: Authorities) -> Identity:
    return cas.enterprise.issue(unified_cm(NAME))


def test_leaf_alone_needs_the_intermediate_in_the_store(cas: Authorities, cucm: Identity) -> None:
    root_only = TrustStore.of("root", cas.enterprise_root)
    whole = root_only.plus(cas.enterprise)
    assert handshake(server_context(cucm), client_context(whole), NAME).ok
    failed = handshake(server_context(cucm), client_context(root_only), NAME)
    assert isinstance(failed.client_error, ssl.SSLCertVerificationError)
    assert "unable to get local issuer certificate" in str(failed.client_error)
    assert "UNKNOWN_CA" in str(failed.server_error)
    assert handshake(server_context(cucm, send_chain=True), client_context(root_only), NAME).ok


def test_intermediate_alone_is_trusted_only_with_partial_chain(cas: Authorities, cucm: Identity) -> None:
    store = TrustStore.of("issuing", cas.enterprise)
    assert not handshake(server_context(cucm), client_context(store), NAME).ok
    assert handshake(server_context(cucm), client_context(store, options=TlsOptions(partial_chain=True)), NAME).ok


def test_self_signed_certificate_is_trusted_where_it_is_in_the_store() -> None:
    identity = self_signed(unified_cm(NAME), Entropy(1, "x"))
    other = self_signed(unified_cm(NAME), Entropy(2, "x"))
    assert handshake(server_context(identity), client_context(TrustStore.of("s", identity)), NAME).ok
    assert not handshake(server_context(identity), client_context(TrustStore.of("s", other)), NAME).ok
    assert handshake(server_context(identity), client_context(TrustStore.of("s", other, identity)), NAME).ok
    first = TrustStore.of("s", other, identity).first_by_subject()
    assert not handshake(server_context(identity), client_context(first), NAME).ok


def test_name_is_checked_by_san_and_never_by_common_name(cas: Authorities, cucm: Identity) -> None:
    store = TrustStore.of("all", *(cas.enterprise.full_chain))
    assert "Hostname mismatch" in str(handshake(server_context(cucm), client_context(store), "other").client_error)
    assert handshake(server_context(cucm), client_context(store, check_hostname=False), "other").ok
    unnamed = cas.enterprise.issue(unified_cm("x.example.com").without("x.example.com"))
    assert not handshake(server_context(unnamed), client_context(store), "x.example.com").ok


def test_client_certificate_asked_for_and_required(cas: Authorities, cucm: Identity) -> None:
    expc = cas.enterprise.issue(expressway_c("expc.example.com"))
    stranger = self_signed(expressway_c("expc.example.com"), Entropy(3, "x"))
    store = TrustStore.of("all", *(cas.enterprise.full_chain))
    asks = server_context(cucm, trust=store, ask_client=True)
    requires = server_context(cucm, trust=store, require_client=True)
    anonymous, known = client_context(store), client_context(store, identity=expc)
    unknown = client_context(store, identity=stranger)
    assert handshake(asks, anonymous, NAME).ok
    assert handshake(asks, known, NAME).ok
    assert not handshake(asks, unknown, NAME).ok
    ends = handshake(requires, anonymous, NAME)
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in str(ends.server_error)
    assert "CERTIFICATE_REQUIRED" in str(ends.client_error)
    assert handshake(server_context(cucm), known, NAME).server.ssl_object.getpeercert(True) is None
    ends = handshake(requires, known, NAME)
    assert ends.ok
    assert peer_certificates(ends.server.ssl_object) == (expc.der,)
    with pytest.raises(PkiError, match="trust store"):
        server_context(cucm, ask_client=True)


def test_usages_are_enforced_on_both_sides(cas: Authorities, cucm: Identity) -> None:
    store = TrustStore.of("all", *(cas.enterprise.full_chain))

    def identity(profile: object) -> Identity:
        request = Request(common_name=NAME, names=(f"DNS:{NAME}",), profile=profile)
        return cas.enterprise.issue(request)

    client_only, server_only = identity(CLIENT_ONLY), identity(SERVER_ONLY)
    requires = server_context(cucm, trust=store, require_client=True)
    assert "unsuitable certificate purpose" in str(
        handshake(server_context(client_only), client_context(store), NAME).client_error
    )
    assert not handshake(requires, client_context(store, identity=server_only), NAME).ok
    assert handshake(requires, client_context(store, identity=client_only), NAME).ok


@pytest.mark.parametrize(("validity", "text"), [(EXPIRED, "has expired"), (NOT_YET, "not yet valid")])
def test_dates_are_broken_indefinitelyy_clock(cas: Authorities, validity: object, text: str) -> None:
    bad = cas.public.issue(expressway_e("expe.example.com"), validity=validity)
    ends = handshake(server_context(bad), client_context(TrustStore.of("p", cas.public)), "expe.example.com")
    assert text in str(ends.client_error)


def test_peer_certificates_are_what_was_sent(cas: Authorities, cucm: Identity) -> None:
    store = TrustStore.of("root", *(cas.enterprise.full_chain))
    issuing = TrustStore.of("i", cas.enterprise).der()
    alone = handshake(server_context(cucm), client_context(store), NAME)
    assert peer_certificates(alone.client.ssl_object) == (cucm.der,)
    chained = handshake(server_context(cucm, send_chain=True), client_context(store), NAME)
    assert peer_certificates(chained.client.ssl_object) == (cucm.der, issuing)
    blind = handshake(server_context(cucm, send_chain=True), client_context(None), NAME)
    assert blind.ok
    assert peer_certificates(blind.client.ssl_object) == (cucm.der, issuing)
    assert peer_certificates(None) == ()


def test_leaf_goes_alone_even_if_the_senders_own_store_could_complete_the_chain(cas: Authorities) -> None:
    expc = cas.enterprise.issue(expressway_c("expc.example.com"))
    expe = cas.public.issue(expressway_e("expe.example.com"))
    everything = TrustStore.of("C", *cas.enterprise.full_chain, cas.public)
    client = client_context(everything, identity=expc)
    whole, root_only = TrustStore.of("E", *cas.enterprise.full_chain), TrustStore.of("E", cas.enterprise_root)
    knows = handshake(server_context(expe, trust=whole, require_client=True), client, "expe.example.com")
    assert knows.ok
    assert peer_certificates(knows.server.ssl_object) == (expc.der,)
    lacks = handshake(server_context(expe, trust=root_only, require_client=True), client, "expe.example.com")
    assert "unable to get local issuer certificate" in str(lacks.server_error)


def test_names_are_checked_after_the_handshake(cas: Authorities) -> None:
    expe = cas.public.issue(expressway_e("expe.example.com", domains=["example.com"], form="SRVName"))
    assert check_names(expe.der, "example.com", "SRV:_collab-edge._tls.example.com").ok
    refused = check_names(expe.der, "example.com")
    assert not refused
    assert refused.explain() == (
        "wanted DNS:example.com, the certificate has DNS:expe.example.com, SRV:_collab-edge._tls.example.com"
    )
    assert check_names(None, "x").present == ()


def test_tls_versions_are_as_asked(cas: Authorities, cucm: Identity) -> None:
    store = TrustStore.of("all", *(cas.enterprise.full_chain))
    v12 = TlsOptions(maximum=ssl.TLSVersion.TLSv1_2)
    v13 = TlsOptions(minimum=ssl.TLSVersion.TLSv1_3)
    for options, version in ((TlsOptions(), "TLSv1.3"), (v12, "TLSv1.2")):
        ends = handshake(server_context(cucm, options=options), client_context(store), NAME)
        assert ends.client.ssl_object.version() == version
    assert not handshake(server_context(cucm, options=v12), client_context(store, options=v13), NAME).ok


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_releases_can_speak_tls_1_0(cas: Authorities, cucm: Identity) -> None:
    old = TlsOptions(minimum=ssl.TLSVersion.TLSv1, maximum=ssl.TLSVersion.TLSv1)
    store = TrustStore.of("all", *(cas.enterprise.full_chain))
    ends = handshake(server_context(cucm, options=old), client_context(store, options=old), NAME)
    assert ends.client.ssl_object.version() == "TLSv1"


def test_openssls_part_is_made_once(cas: Authorities, cucm: Identity) -> None:
    store = TrustStore.of("all", *(cas.enterprise.full_chain))
    same = TrustStore.of("by another name", *(cas.enterprise.full_chain))
    assert client_context(store).openssl is client_context(same, check_hostname=False).openssl
    assert server_context(cucm).openssl is server_context(cucm, policy=Policy(usage=False)).openssl
    assert server_context(cucm).openssl is not server_context(cucm, send_chain=True).openssl
    once = client_context(TrustStore.of("twice", cas.enterprise, cas.enterprise), options=TlsOptions(first_match=True))
    assert once.openssl is not client_context(TrustStore.of("twice", cas.enterprise, cas.enterprise)).openssl


def test_cache_is_bounded(cas: Authorities, cucm: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts_module, "CACHE_SIZE", len(contexts_module._cache) + 1)
    for alpn in ("a", "b", "c"):
        server_context(cucm, options=TlsOptions(alpn=(alpn,)))
    assert len(contexts_module._cache) == contexts_module.CACHE_SIZE


def test_no_key_file_stays_behind(cas: Authorities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = os.listdir("/proc/self/fd")
    server_context(cas.enterprise.issue(unified_cm("fresh.example.com")))
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_key_log(cas: Authorities, cucm: Identity, tmp_path: Path) -> None:
    store = TrustStore.of("all", *(cas.enterprise.full_chain))
    log = tmp_path / "keys.log"
    assert handshake(server_context(cucm, keylog=str(log)), client_context(store), NAME).ok
    assert "CLIENT_HANDSHAKE_TRAFFIC_SECRET" in log.read_text()


def test_certificates_satisfy_the_strict_checks_of_other_peoples_clients(cas: Authorities, cucm: Identity) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=TrustStore.of("r", cas.enterprise_root).der())
    assert handshake(server_context(cucm, send_chain=True), context, NAME).ok
