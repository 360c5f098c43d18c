"""The XCP link: handshake, routes, flow, queries, and what a broken peer gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.xmpp import component_stream, xcp_events
from edgesim.xmpp.component_stream import LinkPhase
from edgesim.xmpp.xcp import XcpLimits, XcpLink
from edgesim.xmpp.xcp_events import XcpEvent
from tests.fuzz import fuzzed

COMPONENT = "jabberd-port-1.expc-inside-example-com"
REALM = "expe-example-com"


class Wire:
    """Two ends joined: `run` carries octets both ways until nothing moves."""

    def __init__(self, *, secret: str = "s", realm: str = REALM, limits: XcpLimits | None = None, step: int = 1000):
        self.c = XcpLink.dial(component=COMPONENT, realm=realm, secret="s", limits=limits)
        self.e = XcpLink.accept(realm=REALM, secret=secret, stream_id="17124513C1DF", limits=limits)
        self.step = step

    def run(self) -> tuple[list[XcpEvent], list[XcpEvent]]:
        """Return what C and what E heard."""
        heard: tuple[list[XcpEvent], list[XcpEvent]] = ([], [])
        moved = True
        while moved:
            moved = False
            for mine, source, target in ((heard[1], self.c, self.e), (heard[0], self.e, self.c)):
                data = source.data_to_send()
                moved = moved or bool(data)
                for start in range(0, len(data), self.step):
                    target.feed(data[start : start + self.step])
                    while (event := target.next_event()) is not None:
                        mine.append(event)
        return heard


def kinds(found: list[XcpEvent]) -> list[str]:
    return [type(event).__name__ for event in found]


def joined(**options: XcpLimits) -> Wire:
    wire = Wire(**options)
    wire.run()
    assert wire.c.up
    assert wire.e.up
    return wire


def test_names() -> None:
    assert component_stream.realm_of("expc.inside.example.com") == "expc-inside-example-com"
    assert component_stream.component_of("expc.inside.example.com") == COMPONENT


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_handshake_names_the_dialler(step: int) -> None:
    wire = Wire(step=step)
    at_c, at_e = wire.run()
    assert kinds(at_c) == kinds(at_e) == ["LinkUp"]
    assert wire.e.component == COMPONENT


def test_an_end_with_two_names_answers_by_the_one_that_was_dialled() -> None:
    for realm, up in (("expe-lan-example-com", True), (REALM, True), ("expe-wan-example-com", False)):
        wire = Wire(realm=realm)
        wire.e = XcpLink.accept(realm=REALM, also=("expe-lan-example-com",), secret="s", stream_id="1")
        at_c, _ = wire.run()
        assert (wire.c.up, kinds(at_c)) == (up, ["LinkUp" if up else "LinkDown"])


def test_a_wrong_secret_and_a_stale_realm_are_refused() -> None:
    for wire, condition in ((Wire(secret="other"), "not-authorized"), (Wire(realm="old-name"), "host-unknown")):
        at_c, at_e = wire.run()
        for found in (at_c, at_e):
            assert kinds(found) == ["LinkDown"]
            assert isinstance(found[0], xcp_events.LinkDown)
            assert found[0].condition == condition
        assert wire.c.closed
        assert wire.e.closed
        with pytest.raises(RuntimeError):
            wire.c.open("x", "y", "z")


def test_a_session_goes_up_and_down_octet_for_octet() -> None:
    wire = joined()
    session = wire.e.open("198.51.100.25:50123", "example.com", "ABC")
    stanza = "<message to='bob'><body>a&amp;b <![CDATA[<x>]]> é €\r\n\t😀</body></message>".encode()
    wire.e.send(session, stanza)
    at_c, _ = wire.run()
    opened, data = at_c
    assert isinstance(opened, xcp_events.SessionOpened)
    assert (opened.client, opened.domain, opened.stream_id) == ("198.51.100.25:50123", "example.com", "ABC")
    assert isinstance(data, xcp_events.DataArrived)
    assert data.data == stanza
    wire.c.send(session, b"<success/>", restart=True)
    _, at_e = wire.run()
    (answer,) = at_e
    assert isinstance(answer, xcp_events.DataArrived)
    assert (answer.data, answer.restart) == (b"<success/>", True)
    wire.c.close_session(session, "done")
    wire.e.send(session, b"<late/>")
    at_c, at_e = wire.run()
    assert kinds(at_e) == ["SessionClosed"]
    assert kinds(at_c) == []
    assert list(wire.e.sessions_open) == list(wire.c.sessions_open) == []


def test_both_sides_open_sessions_without_clash() -> None:
    wire = joined()
    ids = [wire.c.open("1:1", "d", "x"), wire.e.open("2:2", "d", "y"), wire.c.open("3:3", "d", "z")]
    at_c, at_e = wire.run()
    assert len(set(ids)) == 3
    assert (kinds(at_c), kinds(at_e)) == (["SessionOpened"], ["SessionOpened"] * 2)


def test_flow_is_bounded_by_the_window_and_resumes_as_the_peer_consumes() -> None:
    wire = joined(limits=XcpLimits(window=32_768, backlog=200_000))
    slow, quick = wire.e.open("1:1", "d", "x"), wire.e.open("2:2", "d", "y")
    sent = b"<a>" + b"x" * 100_000 + b"</a>"
    assert wire.e.send(slow, sent) is False
    assert wire.e.send(quick, b"<b/>") is True
    got = bytearray()
    at_c, at_e = wire.run()
    while True:
        arrived = [event for event in at_c if isinstance(event, xcp_events.DataArrived) and event.session == slow]
        got += b"".join(event.data for event in arrived)
        assert sum(event.octets for event in arrived) <= 32_768
        if not arrived:
            break
        for event in arrived:
            wire.c.consumed(slow, event.octets)
        at_c, more = wire.run()
        at_e += more
    assert bytes(got) == sent
    assert kinds(at_e) == ["Writable"]


def test_only_a_session_that_is_not_read_is_closed() -> None:
    wire = joined(limits=XcpLimits(window=32_768, backlog=100_000))
    slow, other = wire.e.open("1:1", "d", "x"), wire.e.open("2:2", "d", "y")
    wire.e.send(slow, b"x" * 200_000)
    assert kinds(list(iter(wire.e.next_event, None))) == ["SessionClosed"]
    wire.e.send(other, b"<b/>")
    at_c, _ = wire.run()
    assert kinds(at_c)[-2:] == ["SessionClosed", "DataArrived"]


def test_mechanisms_are_asked_for_and_answered_or_refused() -> None:
    wire = joined()
    first, second = wire.c.ask("example.com"), wire.c.ask("example.org")
    _, at_e = wire.run()
    assert [event.domain for event in at_e if isinstance(event, xcp_events.MechanismsAsked)] == [
        "example.com",
        "example.org",
    ]
    wire.e.answer(first, ("PLAIN", "CISCO-VTG-TOKEN"), ("imp1", "imp2"))
    wire.e.refuse(second)
    wire.e.refuse(second)
    at_c, _ = wire.run()
    answered, failed = at_c
    assert isinstance(answered, xcp_events.MechanismsAnswered)
    assert answered.mechanisms == ("PLAIN", "CISCO-VTG-TOKEN")
    assert answered.hostnames == ("imp1", "imp2")
    assert isinstance(failed, xcp_events.QueryFailed)
    assert (failed.query, failed.condition) == (second, "item-not-found")


def test_a_ping_is_answered_by_the_link_itself() -> None:
    wire = joined()
    wire.c.ping()
    at_c, at_e = wire.run()
    assert (kinds(at_c), kinds(at_e)) == (["Ponged"], [])


def test_an_orderly_end_reaches_the_other_side() -> None:
    wire = joined()
    wire.c.open("1:1", "d", "x")
    wire.c.close()
    _, at_e = wire.run()
    assert kinds(at_e) == ["SessionOpened", "LinkDown"]
    assert wire.e.phase is LinkPhase.CLOSED


@pytest.mark.parametrize(
    ("octets", "condition"),
    [
        (b"<route xmlns='urn:edgesim:xcp:0' session='a1' type='open'/>", "bad-format"),
        (b"<route xmlns='urn:edgesim:xcp:0' session='dx' type='open'/>", "bad-format"),
        (b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='jump'/>", "bad-format"),
        (b"<mechanisms xmlns='urn:edgesim:xcp:0' type='x'/>", "bad-format"),
        (b"<foo xmlns='urn:edgesim:xcp:0'/>", "unsupported-stanza-type"),
        (b"<message/>", "unsupported-stanza-type"),
        (b"<!-- -->", "restricted-xml"),
        (
            b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='open'/>"
            b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='credit' octets='1'/>",
            "policy-violation",
        ),
        (
            b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='open'/>"
            b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='credit' octets='-1'/>",
            "bad-format",
        ),
        (
            b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='open'/>"
            b"<route xmlns='urn:edgesim:xcp:0' session='d1' type='data'>" + b"x" * 70_000 + b"</route>",
            "policy-violation",
        ),
    ],
)
def test_a_peer_that_breaks_the_rules_loses_the_link(octets: bytes, condition: str) -> None:
    wire = joined()
    wire.e.feed(octets)
    found = list(iter(wire.e.next_event, None))
    assert isinstance(found[-1], xcp_events.LinkDown)
    assert found[-1].condition == condition


def test_nothing_is_served_before_the_handshake() -> None:
    wire = Wire()
    wire.e.feed(wire.c.data_to_send() + b"<ping xmlns='urn:edgesim:xcp:0' id='1'/>")
    (down,) = list(iter(wire.e.next_event, None))
    assert isinstance(down, xcp_events.LinkDown)
    assert down.condition == "not-authorized"


XCP = b" xmlns='urn:edgesim:xcp:0'"
parts = st.sampled_from(
    [
        b"<route" + XCP + b" session='d1' type='open' client='1:1' domain='x' stream='y'/>",
        b"<route" + XCP + b" session='d1' type='data'>&lt;iq/&gt;</route>",
        b"<route" + XCP + b" session='d1' type='credit' octets='9'/>",
        b"<route" + XCP + b" session='d1' type='close'/>",
        b"<mechanisms" + XCP + b" type='get' id='1'/>",
        b"<mechanisms" + XCP + b" type='result' id='1'/>",
        b"<ping" + XCP + b"/>",
        b"<pong" + XCP + b"/>",
        b"<handshake/>",
        b"</stream:stream>",
        b"<stream:error/>",
    ]
)


@fuzzed
@given(shaken=st.booleans(), pieces=st.lists(parts | st.binary(max_size=20), max_size=10))
def test_any_octets_give_events_or_end_the_link(shaken: bool, pieces: list[bytes]) -> None:
    link = XcpLink.accept(realm=REALM, secret="s", stream_id="1")
    if shaken:
        link.feed(XcpLink.dial(component=COMPONENT, realm=REALM, secret="s").data_to_send())
        link.feed(b"<handshake>" + component_stream.digest("1", "s").encode() + b"</handshake>")
    downs = 0
    for piece in pieces:
        link.feed(piece)
        while (event := link.next_event()) is not None:
            downs += isinstance(event, xcp_events.LinkDown)
            if isinstance(event, xcp_events.DataArrived):
                link.consumed(event.session, event.octets)
    assert downs == (1 if link.closed else 0)
