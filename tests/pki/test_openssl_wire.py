"""What our TLS sends and reads: the chain, names, records and the close, as Python's ``ssl`` sees it."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest

from edgesim.pki import (
    Authorities,
    Identity,
    TlsOptions,
    TrustStore,
    client_context,
    expressway_c,
    server_context,
    unified_cm,
)
from edgesim.world.tls.engine import PIECE, RECORD
from edgesim.world.tls.events import alert_of
from tests.pki.handshake import engine, handshake
from tests.pki.stock import NAME, both_versions, stock

# ---- on the wire, as another TLS sees it


@both_versions
def test_only_the_leaf_is_sent_and_once(
    tmp_path: Path, cas: Authorities, everything: TrustStore, version: ssl.TLSVersion
) -> None:
    """Even from a context whose own store could complete the chain, as OpenSSL does when left alone."""
    cucm, expc = cas.enterprise.issue(unified_cm(NAME)), cas.enterprise.issue(expressway_c("expc.example.com"))
    blind = stock(tmp_path, trust=everything, identity=expc, maximum=version)
    seen = handshake(server_context(cucm, trust=everything, require_client=True), blind, NAME)
    assert seen.ok
    assert sent(seen.client.ssl_object) == [cucm.der]
    server = stock(tmp_path, server=cucm, trust=everything, maximum=version)
    seen = handshake(server, client_context(everything, identity=expc), NAME)
    assert seen.ok
    assert sent(seen.server.ssl_object) in ([], [expc.der]), "Python 3.11's server has the leaf elsewhere"
    chained = handshake(server, client_context(everything, identity=expc, send_chain=True), NAME)
    assert TrustStore.of("i", cas.enterprise).der() in sent(chained.server.ssl_object)


def sent(end: Any) -> list[bytes]:
    """Everything that the peer sent, repetitions included."""
    inner: Any = getattr(end, "_sslobj", end)
    found = [one if isinstance(one, bytes) else one.public_bytes(1) for one in inner.get_unverified_chain() or ()]
    return [ssl.PEM_cert_to_DER_cert(one) if isinstance(one, str) else one for one in found]


@both_versions
def test_no_session_can_be_resumed(
    tmp_path: Path, everything: TrustStore, expe: Identity, version: ssl.TLSVersion
) -> None:
    server, client = server_context(expe), stock(tmp_path, trust=everything, maximum=version)
    first = handshake(server, client, NAME)
    assert first.ok
    seen: Any = first.client.ssl_object
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    again = client.wrap_bio(to_client, to_server, server_hostname=NAME, session=seen.session)
    other = engine(server, server=True)
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            again.do_handshake()
        other.feed(to_server.read())
        other.handshake()
        to_client.write(other.outgoing())
    assert again.version() == other.ssl_object.version() is not None
    assert not again.session_reused


def test_the_name_is_sent_but_an_address_is_not(tmp_path: Path, everything: TrustStore, expe: Identity) -> None:
    server, asked = stock(tmp_path, server=expe, trust=everything), []
    server.verify_mode = ssl.CERT_NONE
    server.sni_callback = lambda _connection, name, _context: asked.append(name)
    for name in (NAME, "10.0.0.1"):
        handshake(server, client_context(everything, check_hostname=False), name)
    assert asked == [NAME, None]


def test_a_client_hello_offers_no_post_quantum_group(tmp_path: Path, everything: TrustStore) -> None:
    client = engine(client_context(everything), server=False, name=NAME)
    assert not client.handshake()
    assert 0 < len(client.outgoing()) < 600, "a client hello with ML-KEM has some 1,500 octets"


def test_alpn_chooses_the_first_protocol_of_the_server_that_the_client_offers(
    everything: TrustStore, expe: Identity
) -> None:
    server = server_context(expe, options=TlsOptions(alpn=("h2", "http/1.1")))
    for offered, chosen in ((("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), (("sip",), None), ((), None)):
        ends = handshake(server, client_context(everything, options=TlsOptions(alpn=offered)), NAME)
        assert ends.ok
        assert {end.ssl_object.selected_alpn_protocol() for end in (ends.client, ends.server)} == {chosen}


# ---- octets


@both_versions
def test_a_connection_is_described_as_pythons_ssl_describes_it(
    tmp_path: Path, everything: TrustStore, expe: Identity, version: ssl.TLSVersion
) -> None:
    server = server_context(expe, options=TlsOptions(maximum=version))
    for client in (client_context(everything), stock(tmp_path, trust=everything)):
        ends = handshake(server, client, NAME)
        assert ends.ok
        one, other = ends.client.ssl_object, ends.server.ssl_object
        assert one.version() == other.version() == version.name.replace("v1_", "v1.")
        assert one.cipher() == other.cipher()
        assert one.get_channel_binding() == other.get_channel_binding() is not None
        assert one.getpeercert(binary_form=True) == expe.der
        assert other.getpeercert(binary_form=True) is None
        assert one.compression() is None
        assert (ends.client.context, ends.server.context) == (client, server)


@both_versions
@pytest.mark.parametrize("client", ["ours", "stock"])
def test_octets_arrive_as_they_were_sent_and_both_sides_close(
    tmp_path: Path, everything: TrustStore, expe: Identity, version: ssl.TLSVersion, client: str
) -> None:
    context = client_context(everything) if client == "ours" else stock(tmp_path, trust=everything)
    ends = handshake(server_context(expe, options=TlsOptions(maximum=version)), context, NAME)
    long = bytes(range(256)) * 4096
    for one, other in ((ends.client, ends.server), (ends.server, ends.client)):
        for data in (b"two ", bytearray(b"messa"), memoryview(b"ges")):
            one.encrypt(data)
        assert one.unsent > 12
        ends.carry()
        assert one.unsent == 0
        assert other.decrypt() == b"two messages"
        assert (other.unread, other.decrypt()) == (0, b"")
        one.encrypt(long)
        ends.carry()
        pieces = []
        while len(piece := other.decrypt()) >= PIECE:
            pieces.append(piece)
        assert max(map(len, pieces)) < PIECE + RECORD
        assert b"".join((*pieces, piece)) == long
    assert not ends.client.close()
    ends.carry()
    assert (ends.server.decrypt(), ends.server.peer_closed) == (b"", True)
    assert ends.server.close()
    ends.carry()
    assert ends.client.close()


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, PIECE, PIECE + 1])
def test_a_record_never_exceeds_its_maximum(everything: TrustStore, expe: Identity, size: int) -> None:
    ends = handshake(server_context(expe), client_context(everything), NAME)
    ends.client.encrypt(bytes(size))
    sent = ends.client.outgoing()
    lengths = []
    while sent:
        length = int.from_bytes(sent[3:5], "big")
        lengths.append(length)
        sent = sent[5 + length :]
    assert len(lengths) == -(-size // 16_384)
    assert max(lengths) <= 16_384 + 256, "RFC 8446, sections 5.1 and 5.2"


def test_a_record_that_was_changed_on_the_way_is_an_error_with_an_alert(everything: TrustStore, expe: Identity) -> None:
    ends = handshake(server_context(expe), client_context(everything), NAME)
    ends.client.encrypt(b"hello")
    data = bytearray(ends.client.outgoing())
    data[-1] ^= 1
    ends.server.feed(bytes(data))
    with pytest.raises(ssl.SSLError):
        ends.server.decrypt()
    ends.carry()
    with pytest.raises(ssl.SSLError) as heard:
        ends.client.decrypt()
    assert alert_of(heard.value) == "bad record mac"


def test_data_in_place_of_a_close_notify_is_an_error(everything: TrustStore, expe: Identity) -> None:
    ends = handshake(server_context(expe), client_context(everything), NAME)
    ends.server.encrypt(b"one thing more")
    assert not ends.client.close()
    ends.carry()
    with pytest.raises(ssl.SSLError, match="application data after close notify"):
        ends.client.close()


def test_octets_that_were_not_read_are_counted(everything: TrustStore, expe: Identity) -> None:
    """A megabyte that the peer sent unasked, while this side writes and reads a little, waits where it is counted."""
    ends = handshake(server_context(expe), client_context(everything), NAME)
    for _ in range(64):
        ends.client.encrypt(bytes(RECORD))
    ends.carry()
    ends.server.encrypt(b"an answer")
    first = len(ends.server.decrypt())
    assert PIECE <= first < PIECE + RECORD
    assert ends.server.unread > (1 << 20) - first
    left = (1 << 20) - first
    while ends.server.unread:
        left -= len(ends.server.decrypt())
    assert left == 0


def test_before_the_handshake_nothing_is_known(everything: TrustStore) -> None:
    client: Any = engine(client_context(everything), server=False, name=NAME).ssl_object
    assert (client.version(), client.cipher(), client.selected_alpn_protocol()) == (None, None, None)
    assert client.getpeercert(True) is None
    assert client.get_unverified_chain() == []


def test_what_is_not_tls_is_an_error(everything: TrustStore, expe: Identity) -> None:
    server = engine(server_context(expe), server=True)
    server.feed(b"OPTIONS sip:example.com SIP/2.0\r\n\r\n")
    with pytest.raises(ssl.SSLError) as refused:
        server.handshake()
    assert refused.value.reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")


def test_wrong_use_of_a_context_raises(everything: TrustStore, expe: Identity) -> None:
    with pytest.raises(ValueError, match="the context is for a server"):
        engine(server_context(expe), server=False)
    with pytest.raises(ValueError, match="server_hostname"):
        engine(client_context(everything), server=False)
    with pytest.raises(ValueError, match="exporter"):
        engine(client_context(None), server=False).ssl_object.get_channel_binding("tls-exporter")
    with pytest.raises(ValueError, match="scratch"):
        client_context(None).engine(server_side=False, server_hostname=None, clock=None, scratch=bytearray(100))
