"""The stream parser: the same events for any split of the input; a stream error for any fault."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.xmpp import sasl, stanzas
from edgesim.xmpp.stream import (
    PROCEED,
    STARTTLS_REQUIRED,
    StanzaRead,
    StreamClosed,
    StreamError,
    StreamEvent,
    StreamOpened,
    StreamParser,
    XmppLimits,
    client_header,
    features,
    server_header,
)
from edgesim.xmpp.xml import CLIENT, STREAMS, Element, element
from tests.each import holds_for_each
from tests.fuzz import fuzzed

HEADER = client_header("example.com")
ELEMENTS = [
    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls' cookie='0'/>",
    b"<a></a>",
    b"<b/>",
    b"<c>/></c>",
    b"<d><e/></d>",
    b"<f><![CDATA[/>]]></f>",
    b"<g x='/>' y=\"'\"/>",
    b"<message to='bob@example.com'><body>\xc3\xa9&amp;&#13;\r\n</body></message>",
]


def read_all(data: bytes, step: int, **options: XmppLimits) -> list[StreamEvent]:
    parser = StreamParser(**options)
    found: list[StreamEvent] = []
    for start in range(0, len(data), step):
        parser.feed(data[start : start + step])
        while (event := parser.next()) is not None:
            found.append(event)
    return found


def condition_of(data: bytes) -> str:
    with pytest.raises(StreamError) as caught:
        read_all(data, len(data))
    return caught.value.condition


def test_the_servers_strings_have_the_captured_lengths() -> None:
    assert server_header("example.com", "17124513C1DF") == (
        b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' "
        b"xml:lang='en-US.UTF-8' id='17124513C1DF' from='example.com' version='1.0'>"
    )
    written = [STARTTLS_REQUIRED, PROCEED, features(sasl.mechanisms()), sasl.failure()]
    assert [len(each.encode()) for each in written] == [107, 50, 167, 77]
    assert len(server_header("example.com", "17124513C1DF")) == 159
    assert sasl.failure().encode() == (b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 100_000])
def test_events_and_raw_octets_do_not_depend_on_the_pieces(step: int) -> None:
    data = HEADER + b" \n".join(ELEMENTS) + b"\n</stream:stream>what follows is ignored <"
    found = read_all(data, step)
    assert isinstance(found[0], StreamOpened)
    assert found[0].raw == HEADER
    assert (found[0].to, found[0].version) == ("example.com", "1.0")
    assert [event.raw for event in found[1:-1]] == ELEMENTS
    assert all(isinstance(event, StanzaRead) for event in found[1:-1])
    assert isinstance(found[-1], StreamClosed)
    assert found[-1].raw == b"</stream:stream>"


def test_an_element_is_given_as_soon_as_its_last_octet_is_here() -> None:
    parser = StreamParser()
    parser.feed(HEADER + b"<iq id='1' type='get'><query xmlns='jabber:iq:roster'/></iq")
    assert isinstance(parser.next(), StreamOpened)
    assert parser.next() is None
    parser.feed(b">")
    read = parser.next()
    assert isinstance(read, StanzaRead)
    assert read.element == stanzas.roster_request("1")


def test_text_attributes_and_namespaces_are_read_as_written() -> None:
    data = HEADER + (
        b"<message xml:lang='de' xmlns:p='urn:p' p:q='1'>a&lt;<p:x y='&quot;'/>b&#x20AC;<z xmlns=''/></message>"
    )
    read = read_all(data, 9)[1]
    assert isinstance(read, StanzaRead)
    message = read.element
    assert message.attributes == {"xml:lang": "de", "{urn:p}q": "1"}
    assert message.children == ("a<", element("x", "urn:p", y='"'), "b€", element("z", ""))
    again = read_all(HEADER + message.encode(), 5)[1]
    assert isinstance(again, StanzaRead)
    assert again.element == message


WRONG = [
    (b"<!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml"),
    (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "restricted-xml"),
    (HEADER + b"<!-- x -->", "restricted-xml"),
    (HEADER + b"<?x y?>", "restricted-xml"),
    (HEADER + b"<a>&foo;</a>", "restricted-xml"),
    (HEADER + b"<a b='&foo;'/>", "restricted-xml"),
    (HEADER + b"<a:b/>", "bad-namespace-prefix"),
    (HEADER + b"<a>\xff</a>", "not-well-formed"),
    (HEADER + b"<a></b>", "not-well-formed"),
    (HEADER + b"<a b='1' b='2'/>", "not-well-formed"),
    (HEADER + b"<a>\0</a>", "not-well-formed"),
    (HEADER + b"hello", "bad-format"),
    (b"<?xml version='1.0' encoding='utf-16'?><x/>", "unsupported-encoding"),
    (b"GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
    (b"\x16\x03\x01\x02\0", "not-well-formed"),
    (HEADER.replace(STREAMS.encode(), b"urn:x"), "invalid-namespace"),
    (HEADER.replace(CLIENT.encode(), b"jabber:server"), "invalid-namespace"),
    (b"<stream xmlns='jabber:client'>", "invalid-namespace"),
    (f"<s:x xmlns='{CLIENT}' xmlns:s='{STREAMS}'>".encode(), "bad-format"),
    (HEADER + b"<a>" * 40, "policy-violation"),
    (HEADER + b"<a " + b" ".join(b"a%d='1'" % n for n in range(70)) + b"/>", "policy-violation"),
    (HEADER + b"<a b='" + b"x" * 70_000, "policy-violation"),
    (HEADER + b"<a>" + b"x" * 70_000, "policy-violation"),
    (b"<stream:stream a='" + b"x" * 5_000, "policy-violation"),
    (b" " * 10_000, "policy-violation"),
]


def test_what_is_wrong_gives_its_condition() -> None:
    def check(data: bytes, condition: str) -> None:
        assert condition_of(data) == condition

    holds_for_each(check, WRONG)


def test_what_came_before_an_error_is_given_first_and_the_error_stays() -> None:
    parser = StreamParser()
    parser.feed(HEADER + b"<b/><a></b>")
    assert isinstance(parser.next(), StreamOpened)
    assert isinstance(parser.next(), StanzaRead)
    for _ in range(2):
        with pytest.raises(StreamError):
            parser.next()
    parser.feed(HEADER)
    with pytest.raises(StreamError):
        parser.next()


def test_white_space_between_stanzas_costs_no_memory() -> None:
    parser = StreamParser()
    parser.feed(HEADER)
    parser.next()
    for _ in range(1000):
        parser.feed(b" " * 1000)
        assert parser.next() is None
    parser.feed(b"<b/>")
    read = parser.next()
    assert read is not None
    assert read.raw == b"<b/>"


def test_unread_input_is_bounded() -> None:
    parser = StreamParser(limits=XmppLimits(backlog=10_000))
    parser.feed(b" " * 6_000)
    parser.feed(b" " * 6_000)
    with pytest.raises(StreamError, match="policy-violation"):
        parser.next()


def test_hostile_input_is_cheap() -> None:
    hostile = [
        HEADER + b"<a>" + b"<b/>" * 30_000,
        HEADER + b"<b/>" * 30_000,
        HEADER + b"<a>" * 30_000,
        HEADER + b"<a b='" + b"&lt;" * 30_000,
        HEADER + b"<" + b"a" * 200_000,
        HEADER + b"<a>" + b"\n" * 200_000,
        b"<?xml " * 30_000,
        b"<!DOCTYPE a [" + b"<!ENTITY a0 'x'>" * 20_000,
    ]
    for data in hostile:
        assert slowest_call(data) < 0.05, data[:200]
        tracemalloc.start()
        slowest_call(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10 * 2**20, data[:200]


def slowest_call(data: bytes) -> float:
    gc.collect()
    gc.freeze()  # garbage of earlier tests is not the parser's to collect
    worst, parser = 0.0, StreamParser()
    parser.feed(data)
    try:
        while True:
            before = time.thread_time()
            event = parser.next()
            worst = max(worst, time.thread_time() - before)
            if event is None:
                return worst
    except StreamError:
        return worst


names = st.sampled_from(["a", "iq", "message", "x-1"])
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
elements = st.recursive(
    st.builds(lambda n, t, v: element(n, CLIENT, *([t] if t else []), v=v), names, texts, texts),
    lambda inner: st.builds(
        lambda n, ns, children: element(n, ns, *children),
        names,
        st.sampled_from([CLIENT, "urn:x", ""]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=6,
)


@fuzzed
@given(what=elements, step=st.integers(1, 40))
def test_what_is_written_is_read_back(what: Element, step: int) -> None:
    read = read_all(HEADER + what.encode(), step)[1]
    assert isinstance(read, StanzaRead)
    assert read.element == what
    assert read.raw == what.encode()


fragments = st.sampled_from(
    [
        *ELEMENTS,
        HEADER,
        b"'",
        b'"',
        b"</stream:stream>",
        b"xmlns='",
        b"\xef\xbb\xbf",
        b"\xff\xfe<\0",
        b" ",
        b"\0",
        b"<",
        b">",
        b"</",
        b"/>",
        b"<a",
        b"<![CDATA[",
        b"]]>",
        b"&",
        b"&#0;",
        b"&lt;",
        b"<!",
        b"<?",
    ]
)


@fuzzed
@given(start=st.sampled_from([b"", HEADER]), parts=st.lists(fragments | st.binary(max_size=20), max_size=12))
def test_any_octets_give_events_or_a_stream_error(start: bytes, parts: list[bytes]) -> None:
    parser = StreamParser()
    parser.feed(start)
    try:
        for part in parts:
            parser.feed(part)
            while (event := parser.next()) is not None:
                assert isinstance(event, StreamEvent)
    except StreamError:
        with pytest.raises(StreamError):
            parser.next()
