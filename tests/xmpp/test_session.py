"""The server's session: the order of a sign-in, what is refused out of order, and the stanzas of a bound session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.xmpp import sasl, session_events, stanzas
from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.server_stream import Phase
from edgesim.xmpp.session import Session
from edgesim.xmpp.session_events import SessionEvent
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.stream import client_header, server_header
from edgesim.xmpp.xml import DISCO_INFO, PING, Element, element
from tests.fuzz import fuzzed

ALICE = Jid.parse("alice@example.com")
HEADER = client_header("example.com", declaration=False)
SERVER_HEADER = server_header("example.com", "17124513C1DF")
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
END = b"</stream:stream>"


def fresh(**options: bool) -> Session:
    return Session(domain="example.com", stream_id="17124513C1DF", **options)


def feed(subject: Session, data: bytes | Element) -> list[SessionEvent]:
    subject.feed(data if isinstance(data, bytes) else data.encode())
    return drain(subject)


def drain(subject: Session) -> list[SessionEvent]:
    found = []
    while (event := subject.next_event()) is not None:
        if not isinstance(event, session_events.Decoded):
            found.append(event)
    return found


def authenticated() -> Session:
    subject = fresh(secure=True)
    feed(subject, HEADER)
    feed(subject, sasl.auth("PLAIN", sasl.encode_plain("alice", "secret")))
    subject.grant(ALICE)
    feed(subject, HEADER)
    subject.data_to_send()
    return subject


def bound() -> Session:
    subject = authenticated()
    feed(subject, stanzas.bind_request("b1", "jabber_1234"))
    subject.bind("jabber_1234")
    subject.data_to_send()
    return subject


@pytest.mark.parametrize("version", ["1.1", "1.99", "2.0", "10.0", "2"])
def test_a_higher_version_is_answered_with_ours(version: str) -> None:
    subject = fresh()
    assert feed(subject, HEADER.replace(b"version='1.0'", f"version='{version}'".encode())) == []
    assert subject.data_to_send().startswith(SERVER_HEADER + b"<stream:features><starttls")


@pytest.mark.parametrize("version", ["0.9", "0", "", "x", "1.x", "-1.0", "\u0661.0"])
def test_a_lower_version_or_none_is_not_supported(version: str) -> None:
    subject = fresh()
    feed(subject, HEADER.replace(b"version='1.0'", f"version='{version}'".encode()))
    assert b"<unsupported-version " in subject.data_to_send()
    assert subject.closed


def test_a_stream_free_of_prefixes_declares_the_namespace_on_each_stanza() -> None:
    header = b"<stream to='example.com' xmlns='http://etherx.jabber.org/streams' version='1.0'>"
    subject = fresh(secure=True)
    feed(subject, header)
    (asked,) = feed(subject, sasl.auth("PLAIN", sasl.encode_plain("alice", "secret")))
    assert isinstance(asked, session_events.Authenticate)
    subject.grant(ALICE)
    feed(subject, header)
    bind = b"<iq xmlns='jabber:client' type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
    (wanted,) = feed(subject, bind)
    assert isinstance(wanted, session_events.BindRequested)
    subject.bind("r")
    (sent,) = feed(subject, b"<message xmlns='jabber:client' to='bob@example.com'><body>hi</body></message>")
    assert isinstance(sent, session_events.MessageSent)
    assert feed(subject, b"</stream>") == [session_events.Ended()]
    assert subject.data_to_send().endswith(END)


def test_a_stanza_without_its_namespace_is_not_one() -> None:
    subject = fresh(secure=True)
    feed(subject, b"<stream to='example.com' xmlns='http://etherx.jabber.org/streams' version='1.0'>")
    feed(subject, b"<message to='bob@example.com'/>")
    assert subject.closed


def test_a_wrong_password_octet_by_octet_as_captured() -> None:
    subject = fresh()
    assert feed(subject, b"<?xml version='1.0' ?>" + HEADER) == []
    assert subject.data_to_send() == SERVER_HEADER + (
        b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
    )
    assert feed(subject, STARTTLS) == [session_events.StartTls()]
    assert subject.data_to_send() == b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    subject.secured()
    feed(subject, HEADER)
    assert subject.data_to_send() == SERVER_HEADER + (
        b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism>"
        b"<mechanism>CISCO-VTG-TOKEN</mechanism></mechanisms></stream:features>"
    )
    (asked,) = feed(subject, sasl.auth("PLAIN", sasl.encode_plain("alice", "wrong")))
    assert asked == session_events.Authenticate(
        credentials=sasl.Credentials(mechanism="PLAIN", user="alice", secret="wrong"),
        domain="example.com",
        request=sasl.auth("PLAIN", sasl.encode_plain("alice", "wrong")),
    )
    subject.refuse()
    assert subject.data_to_send() == (
        b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure></stream:stream>"
    )
    assert subject.closed
    assert drain(subject) == [session_events.Ended(detail="authentication refused: not-authorized")]


def test_a_sign_in_with_a_one_time_password_up_to_the_bound_resource() -> None:
    subject = fresh(secure=True)
    feed(subject, HEADER)
    (asked,) = feed(
        subject,
        b"<auth mechanism='CISCO-VTG-TOKEN' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
        b"dXNlcmlkPWpkb2VAZXhhbXBsZS5jb20AdG9rZW49Zm9v</auth>",
    )
    assert isinstance(asked, session_events.Authenticate)
    assert asked.credentials == sasl.Credentials(mechanism="CISCO-VTG-TOKEN", user="jdoe@example.com", secret="foo")
    subject.data_to_send()
    subject.grant(Jid.parse("jdoe@example.com"))
    assert subject.data_to_send() == b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
    feed(subject, HEADER)
    assert subject.data_to_send() == SERVER_HEADER + (
        b"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
        b"<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/><sm xmlns='urn:xmpp:sm:3'/></stream:features>"
    )
    assert feed(subject, stanzas.bind_request("uid:1", "jabber_9934")) == [
        session_events.BindRequested(resource="jabber_9934")
    ]
    subject.bind("jabber_9934")
    assert subject.data_to_send() == (
        b"<iq id='uid:1' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        b"<jid>jdoe@example.com/jabber_9934</jid></bind></iq>"
    )
    feed(subject, stanzas.session_request("uid:2"))
    assert b"type='result'" in subject.data_to_send()


def test_a_bind_conflict_is_answered_as_captured_and_may_be_tried_again() -> None:
    subject = authenticated()
    feed(subject, stanzas.bind_request("x", "jabber_1"))
    subject.refuse_bind()
    assert subject.data_to_send() == (
        b"<iq id='x' type='error'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><error code='409' type='cancel'>"
        b"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    assert feed(subject, stanzas.bind_request("y", None)) == [session_events.BindRequested(resource=None)]


def test_the_mechanisms_name_home_and_backup_node() -> None:
    subject = Session(domain="example.com", stream_id="1", secure=True, hostnames=("imp1.x", "imp2.x"))
    feed(subject, HEADER)
    assert subject.data_to_send().endswith(
        b"<hostname xmlns='urn:domain'>".replace(b"urn:domain", b"urn:xmpp:domain-based-name:0")
        + b"imp1.x</hostname><hostname xmlns='urn:xmpp:domain-based-name:0'>imp2.x</hostname>"
        b"</mechanisms></stream:features>"
    )


@pytest.mark.parametrize(
    ("start", "data", "condition"),
    [
        (fresh, HEADER + b"<iq id='1' type='get'/>", "not-authorized"),
        (fresh, HEADER + b"<message/>", "not-authorized"),
        (fresh, HEADER + b"<x/>", "unsupported-stanza-type"),
        (fresh, b"<nonsense", None),
        (fresh, b"<iq xmlns='jabber:client'/>", "invalid-namespace"),
        (fresh, HEADER.replace(b"version='1.0'", b""), "unsupported-version"),
        (fresh, HEADER.replace(b"to='example.com'", b"to='a b'"), "improper-addressing"),
        (fresh, HEADER + b"<!-- -->", "restricted-xml"),
        (lambda: fresh(secure=True), HEADER + b"<presence/>", "not-authorized"),
        (lambda: fresh(secure=True), HEADER + STARTTLS, "policy-violation"),
        (authenticated, b"<message to='bob@example.com'/>", "not-authorized"),
        (authenticated, b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "policy-violation"),
        (bound, b"<message from='bob@example.com' to='carol@example.com'/>", "invalid-from"),
        (bound, b"<foo/>", "unsupported-stanza-type"),
        (bound, STARTTLS, "policy-violation"),
    ],
)
def test_bad_order_ends_the_stream(start: object, data: bytes, condition: str | None) -> None:
    subject = start()
    found = feed(subject, data)
    if condition is None:
        assert found == []
        return
    assert isinstance(found[-1], session_events.Ended)
    assert found[-1].condition == condition
    sent = subject.data_to_send()
    assert f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>".encode() in sent
    assert sent.endswith(b"</stream:error></stream:stream>")
    assert subject.closed
    assert feed(subject, HEADER) == []


def test_an_error_before_the_header_brings_a_header_first() -> None:
    subject = fresh()
    feed(subject, b"GET / HTTP/1.1")
    assert subject.data_to_send().startswith(SERVER_HEADER + b"<stream:error><not-well-formed")


def test_authentication_in_the_clear_is_refused() -> None:
    subject = fresh()
    feed(subject, HEADER + sasl.auth("PLAIN", sasl.encode_plain("a", "b")).encode())
    assert subject.data_to_send().endswith(b"<encryption-required/></failure></stream:stream>")


def test_what_was_sent_in_the_clear_after_starttls_is_forgotten() -> None:
    subject = fresh()
    events = feed(subject, HEADER + STARTTLS + sasl.auth("PLAIN", sasl.encode_plain("a", "b")).encode())
    assert events == [session_events.StartTls()]
    subject.feed(HEADER)
    subject.secured()
    assert drain(subject) == []
    feed(subject, HEADER)
    assert subject.phase is Phase.SASL_OFFERED


def test_what_was_sent_behind_an_auth_is_forgotten() -> None:
    subject = fresh(secure=True)
    feed(subject, HEADER)
    feed(subject, sasl.auth("PLAIN", sasl.encode_plain("a", "b")).encode() + b"<message/>")
    subject.grant(ALICE)
    assert drain(subject) == []
    assert subject.phase is Phase.AUTHENTICATED


@pytest.mark.parametrize(
    ("mechanism", "text", "condition"),
    [
        ("X-OTHER", "AAAA", "invalid-mechanism"),
        ("PLAIN", "%%%", "incorrect-encoding"),
        ("PLAIN", "AGEAYg", "incorrect-encoding"),
        ("PLAIN", "AGEAYh==", "incorrect-encoding"),
        ("PLAIN", "AAAA", "malformed-request"),
        ("PLAIN", "AP8A/w==", "malformed-request"),
        ("PLAIN", "=", "malformed-request"),
        ("CISCO-VTG-TOKEN", "AGEAYg==", "malformed-request"),
    ],
)
def test_a_bad_sasl_message_fails_with_its_condition(mechanism: str, text: str, condition: str) -> None:
    subject = fresh(secure=True)
    feed(subject, HEADER)
    feed(subject, sasl.auth(mechanism, text))
    assert subject.data_to_send().endswith(f"<{condition}/></failure></stream:stream>".encode())


def test_an_empty_auth_is_challenged() -> None:
    subject = fresh(secure=True)
    feed(subject, HEADER)
    subject.data_to_send()
    feed(subject, sasl.auth("PLAIN", "").having())
    assert subject.data_to_send() == b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
    message = sasl.encode_plain("alice", "secret")
    (asked,) = feed(subject, element("response", sasl.SASL, message))
    assert isinstance(asked, session_events.Authenticate)


def test_stanzas_of_a_bound_session_become_typed_events() -> None:
    subject = bound()
    me = "alice@example.com/jabber_1234"
    (message,) = feed(subject, stanzas.message("Bob@Example.com", "hi", id="1"))
    assert isinstance(message, session_events.MessageSent)
    assert str(message.to) == "bob@example.com"
    assert message.stanza.get("from") == me
    (presence,) = feed(subject, stanzas.presence(show="away", priority=5))
    assert isinstance(presence, session_events.PresenceChanged)
    assert stanzas.priority_of(presence.stanza) == 5
    (directed,) = feed(subject, stanzas.presence(to="bob@example.com/x"))
    assert isinstance(directed, session_events.PresenceDirected)
    (asked,) = feed(subject, stanzas.presence("subscribe", to="bob@example.com/x"))
    assert isinstance(asked, session_events.SubscriptionSent)
    assert (asked.kind, str(asked.to)) == ("subscribe", "bob@example.com")
    (query,) = feed(subject, stanzas.roster_request("r"))
    assert isinstance(query, session_events.RosterRequested)
    item = RosterItem(jid="bob@example.com", name="Bob", groups=("A", "B"))
    (changed,) = feed(subject, stanzas.roster_set("s", item))
    assert isinstance(changed, session_events.RosterChanged)
    assert changed.item == item
    (other,) = feed(subject, stanzas.iq("get", "q", element("query", DISCO_INFO), to="bob@example.com/x"))
    assert isinstance(other, session_events.IqSent)
    assert feed(subject, stanzas.presence("probe", to="bob@example.com")) == []
    assert subject.data_to_send() == b""


@pytest.mark.parametrize(
    ("sent", "condition"),
    [
        (stanzas.iq("get", "1", element("query", "urn:unknown")), "service-unavailable"),
        (stanzas.iq("get", "1", element("query", "urn:unknown"), to="example.com"), "service-unavailable"),
        (stanzas.iq("get", "1"), "bad-request"),
        (stanzas.iq("get", None, element("ping", PING)), "bad-request"),
        (stanzas.iq("fetch", "1", element("ping", PING)), "bad-request"),
        (stanzas.iq("set", "1", element("query", "jabber:iq:roster")), "bad-request"),
        (stanzas.roster_set("1", RosterItem(jid="@")), "bad-request"),
        (stanzas.message("@example.com", "x"), "jid-malformed"),
        (stanzas.presence("shout"), "bad-request"),
        (stanzas.bind_request("1", "again"), "not-allowed"),
    ],
)
def test_a_bad_stanza_gets_an_error_and_the_session_continues(sent: Element, condition: str) -> None:
    subject = bound()
    assert feed(subject, sent) == []
    answer = subject.data_to_send().decode()
    assert f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" in answer
    assert "type='error'" in answer
    assert subject.phase is Phase.BOUND


def test_a_ping_is_answered() -> None:
    subject = bound()
    feed(subject, stanzas.iq("get", "p", element("ping", PING), to="example.com"))
    assert subject.data_to_send() == (
        b"<iq id='p' type='result' from='example.com' to='alice@example.com/jabber_1234'/>"
    )


def test_acknowledgements_count_stanzas_from_enable_on() -> None:
    subject = bound()
    feed(subject, stanzas.presence())
    management = "urn:xmpp:sm:3"
    feed(subject, element("r", management))
    assert b"<unexpected-request" in subject.data_to_send()
    feed(subject, element("enable", management))
    assert subject.data_to_send() == b"<enabled xmlns='urn:xmpp:sm:3'/>"
    feed(subject, stanzas.message("bob@example.com", "x"))
    feed(subject, stanzas.presence("probe", to="bob@example.com"))
    feed(subject, element("r", management))
    assert subject.data_to_send() == b"<a xmlns='urn:xmpp:sm:3' h='2'/>"
    subject.send(stanzas.message("alice@example.com", "y"))
    assert feed(subject, element("a", management, h="1")) == []
    (ended,) = feed(subject, element("a", management, h="2"))
    assert isinstance(ended, session_events.Ended)
    assert ended.condition == "undefined-condition"


def test_nothing_is_resumed() -> None:
    subject = authenticated()
    feed(subject, element("resume", "urn:xmpp:sm:3", h="0", previd="x"))
    assert b"<item-not-found" in subject.data_to_send()
    assert subject.phase is Phase.BIND_OFFERED


@pytest.mark.parametrize("text", ["", "@x", "a@", "a@b/", "a b@c", "a@b c", "a@b@c", "a" * 1100, "a@b/\n", "a<@b"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(JidError):
        Jid.parse(text)


moves = [
    HEADER,
    STARTTLS,
    END,
    sasl.auth("PLAIN", sasl.encode_plain("alice", "x")).encode(),
    sasl.auth("PLAIN", "").encode(),
    b"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AGEAYg==</response>",
    b"<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    stanzas.bind_request("b", "jabber_1").encode(),
    stanzas.session_request("s").encode(),
    stanzas.roster_request("r").encode(),
    stanzas.presence("subscribe", to="bob@example.com").encode(),
    stanzas.message("bob@example.com", "x").encode(),
    b"<enable xmlns='urn:xmpp:sm:3'/>",
    b"<a xmlns='urn:xmpp:sm:3' h='7'/>",
    b"<r xmlns='urn:xmpp:sm:3'/>",
    b"<iq type='error' id='1'/>",
    b"<presence type='unavailable' to=''/>",
    b"<",
]


@fuzzed
@given(
    secure=st.booleans(),
    steps=st.lists(st.tuples(st.sampled_from(moves) | st.binary(max_size=30), st.booleans()), max_size=14),
)
def test_no_order_of_moves_breaks_the_session(secure: bool, steps: list[tuple[bytes, bool]]) -> None:
    subject = fresh(secure=secure)
    ends = 0
    for data, kind in steps:
        subject.feed(data)
        while (event := subject.next_event()) is not None:
            ends += isinstance(event, session_events.Ended)
            if isinstance(event, session_events.StartTls):
                subject.secured()
            elif isinstance(event, session_events.Authenticate):
                subject.grant(ALICE) if kind else subject.refuse()
            elif isinstance(event, session_events.BindRequested):
                subject.bind("r") if kind else subject.refuse_bind()
    sent = subject.data_to_send()
    assert ends == (1 if subject.closed else 0)
    assert not subject.closed or sent.endswith(END) or not sent
