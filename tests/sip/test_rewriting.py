"""How an Expressway writes what it sends on, checked against captured messages of C and E."""

from __future__ import annotations

import time

import pytest

from edgesim.deployment.defaults import Defaults
from edgesim.sip import Request, Response, parse_message
from edgesim.sip.answering import Answers, warning_of
from edgesim.sip.proxy import Hop, push_via, record_route, stamp_via
from edgesim.sip.rewriting import Rewriter, as_received
from tests.sip import samples

SIP = Defaults().sip
write = Rewriter(SIP.header_order, SIP.headers_apart)

UNIFIED_CM_INVITE = """\
INVITE sip:jdoe@example.com SIP/2.0
Via: SIP/2.0/TCP 10.0.40.11:5065;branch=z9hG4bK1c8c419938648
From: "Jane Doe" <sip:5010@example.com>;tag=505817~c9cc7ddc-9592-49e8-a13c-79e26f48eebc-30106972
To: <sip:jdoe@example.com>
Date: Mon, 25 Sep 2017 15:26:02 GMT
Call-ID: d58f2680-9c91200a-1c7ba-1501a8c0@10.0.40.11
Supported: timer,resource-priority,replaces
Min-SE:  1800
User-Agent: Cisco-CUCM11.5
Allow: INVITE, OPTIONS, INFO, BYE, CANCEL, ACK, PRACK, UPDATE, REFER, SUBSCRIBE, NOTIFY
CSeq: 101 INVITE
Expires: 180
Allow-Events: presence
Supported: X-cisco-srtp-fallback,X-cisco-original-called
X-TAATag: 8e8c014d-5d01-4581-8108-5cb096778fc5
Call-Info: <urn:x-cisco-remotecc:callinfo>; x-cisco-video-traffic-class=DESKTOP
Session-ID: 75957d4fb66a13e835c10737aa505813;remote=00000000000000000000000000000000
Cisco-Guid: 3582928512-0000065536-0000000240-0352430272
Session-Expires:  1800
Remote-Party-ID: "Jane Doe" <sip:5010@example.com>;party=calling;screen=yes;privacy=off
Contact: <sip:5010@10.0.40.11:5065;transport=tcp>;video;audio
Max-Forwards: 16
Content-Type: application/sdp
Content-Length: 714

"""


def parsed(text: str) -> Request:
    message = parse_message(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"v" * 714)
    assert isinstance(message, Request)
    return message


def head(message: Request | Response) -> list[bytes]:
    return [message.start_line, *message.lines]


def test_an_invite_of_unified_cm_is_forwarded_as_captured() -> None:
    request = parsed(UNIFIED_CM_INVITE)
    received = bytes(request)
    sent = request.copy()
    at_5060 = Hop(address="10.0.30.10", port=5060, transport="tcp", zone="CUCM11", fills_rport=False)
    at_5061 = Hop(address="10.0.30.10", port=5061, transport="tls", zone="Hybrid Call Service Traversal")
    stamp_via(sent, ("10.0.40.11", 50211), at_5060)
    call_id = "f79b8631-947b-46d4-a888-911bf0150bfe"
    record_route(sent, egress=at_5061, ingress=at_5060, proxy_call_id=call_id)
    sent.replace("Max-Forwards", "15")
    branch = "z9hG4bK1c7bf93ff08014ca5e00bb0b5f8b184b272412.a81f2992e3863ac202a000a3dd599763"
    push_via(sent, at_5061, branch=branch, proxy_call_id=call_id)
    assert head(write(sent)) == head(samples.request("forwarded_invite"))
    assert bytes(request) == received


@pytest.mark.parametrize("name", ["forwarded_invite", "service", "mra_registered", "policy_response"])
def test_what_an_expressway_wrote_is_written_alike(name: str) -> None:
    captured = samples.octets(name).partition(b"\r\n\r\n")[0]
    message = samples.response(name) if captured.startswith(b"SIP/2.0") else samples.request(name)
    again = write(message)
    assert [again.start_line, *again.lines] == captured.split(b"\r\n")


def test_a_message_says_the_same_when_written_anew() -> None:
    request = parsed(
        "OPTIONS sip:a@b SIP/2.0\nv: SIP/2.0/TLS h ; branch = z9hG4bK1 , SIP/2.0/UDP i;branch=z9hG4bK2\n"
        'X-One: 1\nf: "a;  b, c" <sip:a@b ;x=" = ">  ;\n tag = 1\nt: sip:b@c\ni: c@d\nX-Two: 2\nCSEQ: 7  \t OPTIONS\n'
        'm: <sip:a@b>, "x, y"  <sip:c@d>\nX-One:   3\nl: 714\nRequire: a , b\nm: <sip:e@f>\nContent-Length: 714\n\n'
    )
    sent = write(request)
    assert sent.names == (
        *("via", "via", "call-id", "cseq", "contact", "from", "to", "x-one", "x-two", "x-one", "require"),
        "content-length",
    )
    assert sent.lines[:7] == (
        b"Via: SIP/2.0/TLS h;branch=z9hG4bK1",
        b"Via: SIP/2.0/UDP i;branch=z9hG4bK2",
        b"Call-ID: c@d",
        b"CSeq: 7 OPTIONS",
        b'Contact: <sip:a@b>,"x, y" <sip:c@d>,<sip:e@f>',
        b'From: "a;  b, c" <sip:a@b ;x=" = ">;tag=1',
        b"To: sip:b@c",
    )
    assert sent.lines[7:] == (b"X-One: 1", b"X-Two: 2", b"X-One: 3", b"Require: a,b", b"Content-Length: 714")
    assert (sent.body, sent.cseq, sent.from_.tag, sent.top_via) == (request.body, request.cseq, "1", request.top_via)
    assert as_received(request) is request


def test_what_must_not_be_joined_is_not() -> None:
    lines = ['Digest realm="a",  nonce="b"', 'Digest realm="c", nonce="d"']
    for name in ("WWW-Authenticate", "Proxy-Authenticate", "Authorization", "Proxy-Authorization"):
        request = Request.build("OPTIONS", "sip:a@b", [("To", "<sip:a@b>"), *((name, line) for line in lines)])
        assert write(request).get_all(name) == lines


def test_octets_that_are_no_text_stay() -> None:
    request = Request.build("OPTIONS", "sip:a@b", [("To", "<sip:a@b>")])
    request.append("X-Octets", "\udcff\udcfe caf\udce9")
    assert write(request).raw_line("X-Octets") == b"X-Octets: \xff\xfe caf\xe9"


def test_an_order_of_ones_own() -> None:
    own = Rewriter(("To", "Call-ID"), ())
    request = Request.build("OPTIONS", "sip:a@b", [("Call-ID", "c"), ("Via", "x"), ("X-Y", "z"), ("t", "<sip:a@b>")])
    assert own(request).names == ("to", "call-id", "via", "x-y", "content-length")


# ---- responses of the proxy


def test_the_refusal_of_e_is_the_captured_one() -> None:
    captured = samples.response("policy_response")
    request = samples.request("forwarded_invite")
    hop = Hop(address="203.0.113.10", port=7003, transport="tls", zone="Hybrid Call Service Traversal")
    stamp_via(request, ("10.0.30.10", 25675), hop)
    answers = Answers("TANDBERG/4135 (X8.10.2)", lambda: "10d2cfbc45e4373f")
    answer = answers.make(request, 404, warning=warning_of(404, None, hop, SIP.warnings))
    assert head(answer) == head(captured)


def test_the_answer_of_c_that_timed_out_is_the_captured_one() -> None:
    request = samples.request("service")
    hop = Hop(address="10.0.30.10", port=5061, transport="tls", zone="UC Traversal", zone_id=4)
    stamp_via(request, ("203.0.113.10", 7003), hop)
    answers = Answers("TANDBERG/4132 (X8.7.2)", lambda: "0987654321bbbb")
    answer = answers.make(request, 408, warning=warning_of(408, None, hop, SIP.warnings))
    assert answer.lines == samples.response("service_timeout").lines


def test_a_100_is_in_the_order_of_the_other_answers() -> None:
    request = samples.request("forwarded_invite")
    trying = Answers("TANDBERG/4135 (X14.3)", lambda: "tag").trying(request)
    assert trying.names == ("via", "via", "call-id", "cseq", "from", "to", "server", "content-length")
    assert trying.to.tag is None


def test_a_session_of_none_is_not_answered() -> None:
    request = samples.request("forwarded_invite")
    assert "Session-ID" not in Answers("a", lambda: "t", sessions=False).make(request, 404)
    request.remove("Session-ID")
    assert "Session-ID" not in Answers("a", lambda: "t").make(request, 404)


@pytest.mark.parametrize(
    "value", [b"a" + b" " * 30_000 + b"\r\n b", b'"' * 30_000, b"<" * 30_000, b'"\\' * 15_000, b" ; " * 10_000]
)
def test_no_value_takes_long_to_write(value: bytes) -> None:
    request = Request.build("OPTIONS", "sip:a@b", [("Call-ID", "c")])
    request = request.with_lines([b"To: " + value], ["to"])
    before = time.process_time()
    write(request)
    assert time.process_time() - before < 0.5
