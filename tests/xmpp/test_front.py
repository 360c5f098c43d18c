"""The edge's part of a client's connection."""

from __future__ import annotations

from edgesim.xmpp import sasl, session_events
from edgesim.xmpp.front import EdgeStream
from edgesim.xmpp.server_stream import Phase
from edgesim.xmpp.session_events import SessionEvent
from edgesim.xmpp.stream import STARTTLS, client_header, server_header

HEADER = client_header("example.com", declaration=False)
SERVER_HEADER = server_header("example.com", "17124513C1DF")


def feed(edge: EdgeStream, data: bytes) -> list[SessionEvent]:
    edge.feed(data)
    return [event for event in iter(edge.next_event, None) if not isinstance(event, session_events.Decoded)]


def secure() -> EdgeStream:
    edge = EdgeStream(domain="example.com", stream_id="17124513C1DF")
    feed(edge, HEADER + STARTTLS.encode())
    edge.secured()
    edge.data_to_send()
    return edge


def test_stream_and_tls_end_at_the_edge_and_the_rest_is_forwarded_unchanged() -> None:
    edge = EdgeStream(domain="other.example", stream_id="17124513C1DF")
    assert feed(edge, HEADER) == []
    assert edge.data_to_send().startswith(SERVER_HEADER + b"<stream:features><starttls")
    assert feed(edge, STARTTLS.encode()) == [session_events.StartTls()]
    assert edge.data_to_send() == b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    edge.secured()
    (wanted,) = feed(edge, HEADER)
    assert wanted == session_events.SessionWanted(domain="example.com", stream_id="17124513C1DF", data=HEADER)
    assert edge.data_to_send() == b""
    edge.downward(SERVER_HEADER + b"<stream:features/>")
    auth = sasl.auth("PLAIN", sasl.encode_plain("a", "b")).encode()
    assert feed(edge, auth) == [session_events.Passed(data=auth)]
    edge.downward(b"<success/>", restart=True)
    assert edge.data_to_send() == SERVER_HEADER + b"<stream:features/><success/>"
    assert feed(edge, b"<?xml version='1.0'?>" + HEADER) == [
        session_events.Passed(data=b"<?xml version='1.0'?>" + HEADER)
    ]
    assert feed(edge, b" \n<presence/> ") == [session_events.Passed(data=b"<presence/>")]
    assert feed(edge, b"</stream:stream>") == [session_events.Passed(data=b"</stream:stream>")]
    edge.downward(b"</stream:stream>")
    edge.closed_behind()
    assert edge.data_to_send() == b"</stream:stream>"
    assert edge.closed


def test_without_a_session_behind_the_features_hold_no_mechanisms() -> None:
    edge = secure()
    feed(edge, HEADER)
    edge.unavailable()
    assert edge.data_to_send() == SERVER_HEADER + b"<stream:features/>"
    assert edge.phase is Phase.UNAVAILABLE
    edge.downward(b"<late/>")
    edge.close()
    assert edge.data_to_send() == b"</stream:stream>"


def test_malformed_input_is_never_forwarded() -> None:
    edge = secure()
    feed(edge, HEADER)
    edge.downward(SERVER_HEADER)
    found = feed(edge, b"<presence/><a>&x;</a><presence/>")
    assert found == [
        session_events.Passed(data=b"<presence/>"),
        session_events.Ended(condition="restricted-xml", detail="undefined entity"),
    ]
    assert edge.data_to_send().endswith(b"</stream:error></stream:stream>")


def test_bad_order_before_tls_is_refused() -> None:
    for data, condition in (
        (HEADER + b"<message/>", "not-authorized"),
        (HEADER + sasl.auth("PLAIN", "AAAA").encode(), "policy-violation"),
        (HEADER.replace(b"version='1.0'", b""), "unsupported-version"),
        (b"\x16\x03\x01\x00", "not-well-formed"),
    ):
        edge = EdgeStream(domain="example.com", stream_id="1")
        (ended,) = feed(edge, data)
        assert isinstance(ended, session_events.Ended)
        assert ended.condition == condition
