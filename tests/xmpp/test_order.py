"""The order of a client's stream and of an XCP link: each table against what the protocols say, typed here by hand.

Every phase is reached by octets and verbs, and every input is then tried in it. What must come of it follows
RFC 6120: section 5 for STARTTLS, 6 for SASL, 7 for binding, 4.9.3 for stream errors; XEP-0198; XEP-0114 for the
handshake of links; and `edgesim.xmpp.xcp` for their routes, which are the emulator's own.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgesim.xmpp import sasl, session_events, stanzas, xcp_events
from edgesim.xmpp.component_stream import digest
from edgesim.xmpp.front import EdgeStream
from edgesim.xmpp.jid import Jid
from edgesim.xmpp.server_stream import ServerStream
from edgesim.xmpp.session import Session
from edgesim.xmpp.stream import OutOfOrder, client_header
from edgesim.xmpp.xcp import XcpLimits, XcpLink
from edgesim.xmpp.xml import element

HEADER = client_header("example.com", declaration=False)
GOOD = sasl.auth("PLAIN", sasl.encode_plain("alice", "secret")).encode()
SASL_NS = b" xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
TLS_NS = b" xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
ALICE = Jid.parse("alice@example.com")

INPUTS = {
    "starttls": b"<starttls" + TLS_NS + b"/>",
    "auth": GOOD,
    "response": b"<response" + SASL_NS + b">AGFsaWNlAHNlY3JldA==</response>",
    "abort": b"<abort" + SASL_NS + b"/>",
    "success": b"<success" + SASL_NS + b"/>",
    "bind": stanzas.bind_request("b", "jabber_1").encode(),
    "sm": b"<enable xmlns='urn:xmpp:sm:3'/>",
    "message": b"<message to='bob@example.com'/>",
    "unknown": b"<x xmlns='urn:x'/>",
    "end": b"</stream:stream>",
}


def drained(stream: ServerStream, data: bytes = b"") -> list[session_events.SessionEvent]:
    stream.feed(data)
    return [event for event in iter(stream.next_event, None) if not isinstance(event, session_events.Decoded)]


def session(upto: str) -> Session:
    """Return a session that a client has brought so far."""
    made = Session(domain="example.com", stream_id="1")
    steps: list[tuple[str, Callable[[], object]]] = [
        ("header", lambda: drained(made, HEADER)),
        ("starttls", lambda: drained(made, INPUTS["starttls"])),
        ("tls", lambda: (made.secured(), drained(made, HEADER))),
        ("auth", lambda: drained(made, GOOD)),
        ("granted", lambda: (made.grant(ALICE), drained(made, HEADER))),
        ("bind", lambda: drained(made, INPUTS["bind"])),
        ("bound", lambda: made.bind("jabber_1")),
    ]
    if upto == "challenged":
        steps[3:] = [("challenged", lambda: drained(made, sasl.auth("PLAIN", "").encode()))]
    if upto == "handed":
        steps[4:] = [("handed", made.hand_over)]
    for name, step in steps:
        step()
        if name == upto:
            break
    made.data_to_send()
    return made


def edge(upto: str) -> EdgeStream:
    """Return an edge's stream that a client has brought so far."""
    made = EdgeStream(domain="example.com", stream_id="1")
    steps: list[tuple[str, Callable[[], object]]] = [
        ("header", lambda: drained(made, HEADER)),
        ("starttls", lambda: drained(made, INPUTS["starttls"])),
        ("tls", lambda: (made.secured(), drained(made, HEADER))),
        ("handed", lambda: made.downward(b"<stream:features/>")),
    ]
    if upto == "unavailable":
        steps[3:] = [("unavailable", made.unavailable)]
    for name, step in steps:
        step()
        if name == upto:
            break
    made.data_to_send()
    return made


POLICY, NOT_YET, UNKNOWN = "policy-violation", "not-authorized", "unsupported-stanza-type"
NO_TLS, NO_WAY = "failure encryption-required", "failure temporary-auth-failure"
WAITS = ""
"""Nothing happens: the server owes a decision, or TLS is being negotiated."""
SAY = dict.fromkeys(INPUTS, "Passed")
"""Another server has the session: everything goes there, the end of the stream too."""


def _row(*outcomes: str) -> dict[str, str]:
    return dict(zip(INPUTS, outcomes, strict=True))


# Result of:  starttls, auth, response, abort, success, bind, sm, message, unknown, end
SESSION = {
    "header": _row("proceed", NO_TLS, POLICY, POLICY, UNKNOWN, NOT_YET, NOT_YET, NOT_YET, UNKNOWN, "Ended"),
    "starttls": dict.fromkeys(INPUTS, WAITS),
    "tls": _row(POLICY, "Authenticate", POLICY, POLICY, UNKNOWN, NOT_YET, NOT_YET, NOT_YET, UNKNOWN, "Ended"),
    "challenged": _row(
        POLICY, POLICY, "Authenticate", "failure aborted", UNKNOWN, NOT_YET, NOT_YET, NOT_YET, UNKNOWN, "Ended"
    ),
    "auth": dict.fromkeys(INPUTS, WAITS),
    "granted": _row(POLICY, POLICY, POLICY, POLICY, UNKNOWN, "BindRequested", "failed", NOT_YET, UNKNOWN, "Ended"),
    "bind": dict.fromkeys(INPUTS, WAITS),
    "bound": _row(POLICY, POLICY, POLICY, POLICY, UNKNOWN, "iq", "enabled", "MessageSent", UNKNOWN, "Ended"),
    "handed": SAY,
}

EDGE = {
    "header": _row("proceed", POLICY, POLICY, POLICY, POLICY, NOT_YET, NOT_YET, NOT_YET, NOT_YET, "Ended"),
    "starttls": dict.fromkeys(INPUTS, WAITS),
    "tls": SAY,
    "handed": SAY,
    "unavailable": _row(POLICY, NO_WAY, POLICY, POLICY, POLICY, NOT_YET, NOT_YET, NOT_YET, NOT_YET, "Ended"),
}


@pytest.mark.parametrize(
    ("reached", "phase", "row"),
    [(session, phase, row) for phase, row in SESSION.items()] + [(edge, phase, row) for phase, row in EDGE.items()],
    ids=[f"session-{phase}" for phase in SESSION] + [f"edge-{phase}" for phase in EDGE],
)
def test_what_a_client_may_send_when(reached: Callable[[str], ServerStream], phase: str, row: dict[str, str]) -> None:
    assert row.keys() == INPUTS.keys()
    for name, wanted in row.items():
        stream = reached(phase)
        events = [type(event).__name__ for event in drained(stream, INPUTS[name])]
        said = stream.data_to_send().decode()
        reported = f"{phase}, {name}: {events}, {said}"
        if wanted in (POLICY, NOT_YET, UNKNOWN):
            assert f"<stream:error><{wanted} " in said and events == ["Ended"] and stream.closed, reported
        elif wanted.startswith("failure"):
            assert said.endswith(f"<{wanted.split()[1]}/></failure></stream:stream>") and stream.closed, reported
        elif wanted[:1].isupper():
            assert events == [wanted] and "error" not in said, reported
            assert stream.closed is (wanted == "Ended"), reported
        elif wanted:
            assert said.startswith(f"<{wanted}") and not stream.closed, reported
        else:
            assert not events and not said and not stream.closed, reported


VERBS: dict[str, Callable[[ServerStream], object]] = {
    "secured": lambda stream: stream.secured(),
    "grant": lambda stream: isinstance(stream, Session) and stream.grant(ALICE),
    "refuse": lambda stream: isinstance(stream, Session) and stream.refuse(),
    "hand_over": lambda stream: isinstance(stream, Session) and stream.hand_over(),
    "bind": lambda stream: isinstance(stream, Session) and stream.bind("r"),
    "refuse_bind": lambda stream: isinstance(stream, Session) and stream.refuse_bind(),
    "send": lambda stream: isinstance(stream, Session) and stream.send(stanzas.presence()),
    "unavailable": lambda stream: isinstance(stream, EdgeStream) and stream.unavailable(),
    "downward": lambda stream: stream.downward(b"<x/>"),
    "closed_behind": lambda stream: stream.closed_behind(),
    "close": lambda stream: stream.close(),
}
MAY = {
    (session, "header"): ["close"],
    (session, "starttls"): ["secured", "close"],
    (session, "tls"): ["close"],
    (session, "challenged"): ["close"],
    (session, "auth"): ["grant", "refuse", "hand_over", "close"],
    (session, "granted"): ["close"],
    (session, "bind"): ["bind", "refuse_bind", "close"],
    (session, "bound"): ["send", "close"],
    (session, "handed"): ["downward", "closed_behind", "close"],
    (edge, "header"): ["close"],
    (edge, "starttls"): ["secured", "close"],
    (edge, "tls"): ["unavailable", "downward", "closed_behind", "close"],
    (edge, "handed"): ["downward", "closed_behind", "close"],
    (edge, "unavailable"): ["close"],
}
"""What a server may ask of a stream; anything else raises."""
LATE = ["send", "downward", "closed_behind", "close"]
"""What may come when the client has gone meanwhile, and does nothing."""


def verbs_of(reached: Callable[[str], ServerStream]) -> list[str]:
    alien = ["unavailable"] if reached is session else ["grant", "refuse", "hand_over", "bind", "refuse_bind", "send"]
    return [verb for verb in VERBS if verb not in alien]


@pytest.mark.parametrize("reached", [session, edge])
def test_what_a_server_may_ask_when(reached: Callable[[str], ServerStream]) -> None:
    for (kind, phase), allowed in MAY.items():
        if kind is not reached:
            continue
        for verb in verbs_of(reached):
            stream = reached(phase)
            if verb in allowed:
                VERBS[verb](stream)
            elif (phase, verb) == ("unavailable", "downward"):  # its session had ended before it began
                VERBS[verb](stream)
                assert not stream.data_to_send()
            else:
                with pytest.raises(OutOfOrder):
                    VERBS[verb](stream)
        gone = reached(phase)
        gone.close()
        drained(gone)
        gone.data_to_send()
        for verb in verbs_of(reached):
            if verb in LATE:
                VERBS[verb](gone)
                assert not gone.data_to_send() and not drained(gone)
            else:
                with pytest.raises(OutOfOrder):
                    VERBS[verb](gone)


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (session("header"), INPUTS["starttls"]),
        (session("tls"), GOOD),
        (session("granted"), INPUTS["bind"]),
    ],
    ids=["starttls", "auth", "bind"],
)
def test_who_closes_a_stream_is_asked_for_no_decision_any_more(stream: Session, data: bytes) -> None:
    stream.feed(data)
    assert isinstance(stream.next_event(), session_events.Decoded)
    stream.close("system-shutdown")
    assert drained(stream) == [session_events.Ended(condition="system-shutdown")]


# ---- links

XCP = b" xmlns='urn:edgesim:xcp:0'"
STREAM = (
    b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"
    b" from='jabberd-port-1.c' to='e' id='1' version='1.0'>"
)
PROOF = b"<handshake>" + digest("1", "s").encode() + b"</handshake>"
LINK_INPUTS = {
    "handshake": PROOF,
    "open": b"<route" + XCP + b" session='%s' type='open' client='1:1' domain='x' stream='y'/>",
    "data": b"<route" + XCP + b" session='%s' type='data'>&lt;a/&gt;</route>",
    "credit": b"<route" + XCP + b" session='%s' type='credit' octets='0'/>",
    "close": b"<route" + XCP + b" session='%s' type='close'/>",
    "get": b"<mechanisms" + XCP + b" type='get' id='1' domain='x'/>",
    "stanza": b"<stanza" + XCP + b"><message xmlns='jabber:client'/></stanza>",
    "ping": b"<ping" + XCP + b" id='1'/>",
    "pong": b"<pong" + XCP + b" id='1'/>",
    "unknown": b"<x xmlns='urn:x'/>",
    "error": b"<stream:error><host-gone xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    "end": b"</stream:stream>",
}
EARLY = dict.fromkeys(LINK_INPUTS, NOT_YET) | {"error": "host-gone", "end": None}
UP = {
    "handshake": UNKNOWN, "get": "MechanismsAsked", "stanza": "StanzaArrived", "ping": "pong", "pong": "Ponged",
    "unknown": UNKNOWN, "error": "host-gone", "end": None,
}  # fmt: skip
NEVER = UP | {"open": "SessionOpened", "data": "bad-format", "credit": "bad-format", "close": "bad-format"}
OPEN = UP | {"open": "bad-format", "data": "DataArrived", "credit": WAITS, "close": "SessionClosed"}
OVER = UP | {"open": "bad-format", "data": WAITS, "credit": WAITS, "close": WAITS}
LINKS = {
    ("accepted", "greeted"): EARLY | {"handshake": "LinkUp"},
    ("dialled", "greeted"): EARLY | {"handshake": "LinkUp"},
    ("accepted", "never opened"): NEVER,
    ("dialled", "never opened"): NEVER,
    ("accepted", "open"): OPEN,
    ("dialled", "open"): OPEN,
    ("accepted", "closed here"): OVER,
    ("dialled", "closed here"): OVER,
    ("accepted", "closed there"): OVER,
    ("accepted", "refused"): OVER,
}


def link(side: str, upto: str) -> tuple[XcpLink, bytes]:
    """Return an end of a link in a state, and the session that it is about."""
    limits = XcpLimits(sessions=0 if upto == "refused" else 9)
    if side == "dialled":
        made = XcpLink.dial(component="jabberd-port-1.c", realm="e", secret="s", limits=limits)
    else:
        made = XcpLink.accept(realm="e", secret="s", stream_id="1", limits=limits)
    session = b"a7" if side == "dialled" else b"d7"
    made.feed(STREAM)
    if upto != "greeted":
        made.feed(PROOF)
    if upto not in ("greeted", "never opened"):
        made.feed(LINK_INPUTS["open"] % session)
    if upto == "closed there":
        made.feed(LINK_INPUTS["close"] % session)
    while made.next_event() is not None:
        pass
    if upto == "closed here":
        made.close_session(session.decode())
    made.data_to_send()
    return made, session


@pytest.mark.parametrize(("side", "state"), LINKS)
def test_what_the_other_side_of_a_link_may_send_when(side: str, state: str) -> None:
    row = LINKS[side, state]
    assert row.keys() == LINK_INPUTS.keys()
    for name, wanted in row.items():
        subject, session = link(side, state)
        octets = LINK_INPUTS[name]
        subject.feed(octets % session if b"%s" in octets else octets)
        events = list(iter(subject.next_event, None))
        said = subject.data_to_send().decode()
        reported = f"{side}, {state}, {name}: {events}, {said}"
        if wanted in (UNKNOWN, NOT_YET, "bad-format", "host-gone", None):
            (down,) = events
            assert isinstance(down, xcp_events.LinkDown) and down.condition == wanted and subject.closed, reported
        elif wanted == "pong":
            assert said == "<pong xmlns='urn:edgesim:xcp:0' id='1'/>" and not events, reported
        elif wanted:
            assert [type(event).__name__ for event in events] == [wanted] and subject.up, reported
        else:
            assert not events and not said and subject.up, reported


def test_a_session_id_is_used_once_and_never_the_other_sides() -> None:
    for ids in ((b"d3", b"d2"), (b"d1", b"d1"), (b"a1",), (b"d",), (b"d" + b"9" * 20,), (b"",), ("d²".encode(),)):
        subject, _ = link("accepted", "never opened")
        for each in ids:
            subject.feed(LINK_INPUTS["open"] % each)
        *_, down = list(iter(subject.next_event, None))
        assert isinstance(down, xcp_events.LinkDown) and down.condition == "bad-format", ids


def test_what_this_side_may_ask_of_a_link_when() -> None:
    asks: list[Callable[[XcpLink], object]] = [
        lambda subject: subject.open("1:1", "x", "y"),
        lambda subject: subject.ask("x"),
        lambda subject: subject.pass_on(element("message", "jabber:client")),
    ]
    for side in ("dialled", "accepted"):
        for ask in asks:
            early, _ = link(side, "greeted")
            with pytest.raises(OutOfOrder):
                ask(early)
            ask(link(side, "open")[0])
            gone, _ = link(side, "open")
            gone.close()
            with pytest.raises(OutOfOrder):
                ask(gone)
    routes: list[Callable[[XcpLink, str], object]] = [
        lambda subject, session: subject.send(session, b"<a/>"),
        lambda subject, session: subject.consumed(session, 1),
        lambda subject, session: subject.close_session(session),
    ]
    for ask_of in routes:
        for state in ("closed here", "closed there", "refused"):  # it crossed the other side's word
            subject, session = link("accepted", state)
            ask_of(subject, session.decode())
            assert not subject.data_to_send()
        subject, session = link("accepted", "never opened")
        with pytest.raises(OutOfOrder):
            ask_of(subject, session.decode())
