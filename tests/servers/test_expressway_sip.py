"""SIP through Expressway-E and Expressway-C to Unified CM: what each box sends, and what it leaves alone."""

from __future__ import annotations

import asyncio
import hashlib
import re

import pytest

from edgesim.control import InProcess
from edgesim.edge import service
from edgesim.scenario.leaks import stop_and_look
from edgesim.sip import Request, Response, parse_message
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import ROUTE, UUID, Line, masked, messages, notes, with_line, zone_states
from tests.sip import samples
from tests.sip.settings import LIMITS, TIMERS

SERVICE_ORDER = [
    "via",
    "via",
    "call-id",
    "cseq",
    "contact",
    "from",
    "to",
    "max-forwards",
    "route",
    "route",
    "user-agent",
    "date",
    "event",
    "p-asserted-identity",
    "x-taatag",
    "identity",
    "content-type",
    "content-length",
]


def test_the_challenge_of_e() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.ask(line.build())
        assert (answer.status, answer.reason) == (407, "Proxy Authentication Required")
        assert re.fullmatch(
            r'Digest realm="expe\.example\.com", nonce="[0-9a-f]{60}", opaque="[A-Za-z0-9+/]+=*", qop="auth", '
            r"stale=FALSE, algorithm=MD5",
            answer.get("Proxy-Authenticate") or "",
        )
        local = line.connection.local
        assert (answer.get("Via") or "").endswith(
            f";received={local[0]};rport={local[1]};ingress-zone=CollaborationEdgeZone"
        )
        assert answer.get("Server") == "TANDBERG/4135 (X14.3)"
        assert messages(lab, "expc", "SERVICE") == []

    run(with_line(story))


def test_service_is_the_captured_one() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        [asked] = messages(lab, "expc", "SERVICE")
        assert list(asked.names) == SERVICE_ORDER
        assert asked.uri == f"sip:serviceserver@{PUB}"
        outer, inner = asked.get_all("Via")
        assert re.fullmatch(
            r"SIP/2\.0/TLS 10\.0\.20\.10:7001;egress-zone=UCTraversal;branch=z9hG4bK[0-9a-f]+;"
            r"proxy-call-id=[0-9a-f-]{36};rport",
            outer,
        )
        assert re.fullmatch(
            r"SIP/2\.0/TCP 127\.0\.0\.1:5060;branch=z9hG4bK[0-9a-f]+;received=127\.0\.0\.1;rport=\d+;"
            r"ingress-zone=DefaultZone",
            inner,
        )
        apparent, authenticator = asked.get_all("Route")
        port = int(apparent.split(":")[2].split(";")[0])
        assert apparent == f"<sip:10.0.30.10:{port};transport=tls;apparent;ds;lr>"
        assert 25000 <= port <= 29999
        assert authenticator == "<sip:127.0.0.1:22210;transport=tcp;vcs-cate;lr>"
        assert (asked.get("Max-Forwards"), asked.get("Event")) == ("15", "service")
        question = service.parse(asked.body, asked.get("Content-Type") or "")
        assert (question.username, question.realm, question.method) == ("alice", "expe.example.com", "REGISTER")
        assert (question.uri, question.nc, question.qop) == (f"sip:{PUB}", "00000001", "auth")
        assert question.sipdomain == PUB
        assert question.certificate == lab.node("expe").identities["server"].pem()
        [answer] = messages(lab, "expe", "SERVICE", 200)
        assert list(answer.names) == [
            *("via", "via", "call-id", "cseq", "from", "to", "server", "content-type", "content-length")
        ]
        assert answer.get_all("Via")[0].endswith(
            ";received=10.0.20.10;rport=7001;ingress-zone=UCTraversal;ingress-zone-id=4"
        )
        interim = hashlib.md5(b"alice:expe.example.com:alice-secret").hexdigest()  # H(A1) of RFC 2617, 3.2.2.2
        assert f"<interim-hash>{interim}</interim-hash>".encode() in answer.body
        [entry] = [one for one in lab.entries("sip.response", "expe") if interim.encode() in one.payload]
        assert [entry.payload[start:end].decode() for start, end in entry.secrets] == [interim]

    run(with_line(story))


def test_the_200_is_the_captured_one() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.register()
        captured = samples.response("mra_registered")
        own = [name for name in answer.names if name in captured.names]
        assert own == [name for name in captured.names if name in own]
        assert set(answer.names) - set(own) == {"content-type", "content-length"}
        assert set(captured.names) - set(own) == {"session-id"}  # this client sends none
        client = f"{line.connection.local[0]}:{line.connection.local[1]}"
        assert answer.get("Contact") == (
            f"<sip:{UUID}@10.0.30.10:5060;transport=tcp;orig-hostport={client}>"
            ';+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"'
            ';+u.sip!devicename.ccm.cisco.com="CSFALICE";+u.sip!model.ccm.cisco.com="503";video'
            ';x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1;+u.sip!userid.ccm.cisco.com="alice";x-cisco-newreg'
        )
        assert len(answer.get_all("Via")) == 1
        assert "X-cisco-supports-AR_SK" in (answer.get("Supported") or "")
        [registered] = lab.entries("sip.registered", "ucm-pub")
        assert registered.event.as_json()["via"] == "expc"
        assert registered.event.as_json()["user"] == "alice"
        assert messages(lab, "jabber-1", status=100) == []  # a 100 goes no further than the next hop

    run(with_line(story))


WILD = (
    b"REGISTER sip:ucm-pub.inside.example.com SIP/2.0\r\n"
    b"v: SIP/2.0/TLS %(local)s;branch=z9hG4bK0badcafe\r\n"
    b"Route: %(route)s\r\n"
    b"f:<sip:1001@ucm-pub.inside.example.com>;tag=abc\r\n"
    b"t :\t <sip:1001@ucm-pub.inside.example.com>\r\n"
    b"CALL-ID: 00005e00-53010005-00001bba-00007938@%(host)s\r\n"
    b"Max-Forwards: 70\r\n"
    b"CSeq: 104   REGISTER\r\n"
    b"X-Folded: one\r\n  two\r\n\tthree\r\n"
    b"X-Octets: caf\xe9 \xff\xfe\r\n"
    b'm: <sip:%(uuid)s@%(local)s;transport=tls>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"'
    b';+u.sip!devicename.ccm.cisco.com="CSFALICE";video;x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1\r\n'
    b"%(authorization)s"
    b"k: replaces,X-cisco-sis-7.0.0\r\n"
    b"X-Empty:\r\n"
    b"Expires: 3600\r\n"
    b"Content-Type: text/plain\r\n"
    b"l: 9\r\n\r\n"
    b"\x00\xff body\r\n"
)
AT_C = """\
REGISTER sip:ucm-pub.inside.example.com SIP/2.0
Via: SIP/2.0/TLS 10.0.20.10:7001;egress-zone=UCTraversal;branch=[branch].[hash];proxy-call-id=[id];rport
v: SIP/2.0/TLS %(local)s;branch=z9hG4bK0badcafe;received=%(host)s;rport=%(port)s;ingress-zone=CollaborationEdgeZone
Route: %(route)s
f:<sip:1001@ucm-pub.inside.example.com>;tag=abc
t :\t <sip:1001@ucm-pub.inside.example.com>
CALL-ID: 00005e00-53010005-00001bba-00007938@%(host)s
Max-Forwards: 15
CSeq: 104   REGISTER
X-Folded: one
  two
\tthree
X-Octets: caf\\xe9 \\xff\\xfe
m: <sip:%(uuid)s@%(local)s;transport=tls>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"\
;+u.sip!devicename.ccm.cisco.com="CSFALICE";video;x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1
%(authorization)s\
k: replaces,X-cisco-sis-7.0.0
X-Empty:
Expires: 3600
Content-Type: text/plain
l: 9

\x00\\xff body
"""
AT_UNIFIED_CM = """\
REGISTER sip:ucm-pub.inside.example.com SIP/2.0
Via: SIP/2.0/TCP 10.0.30.10:5060;egress-zone=CEtcp-ucm-pub.inside.example.com;branch=[branch].[hash];\
proxy-call-id=[id];rport
Via: SIP/2.0/TLS 10.0.20.10:7001;egress-zone=UCTraversal;branch=[branch].[hash];proxy-call-id=[id];received=10.0.20.10;\
rport=7001;ingress-zone=UCTraversal;ingress-zone-id=4
v: SIP/2.0/TLS %(local)s;branch=z9hG4bK0badcafe;received=%(host)s;rport=%(port)s;ingress-zone=CollaborationEdgeZone
f:<sip:1001@ucm-pub.inside.example.com>;tag=abc
t :\t <sip:1001@ucm-pub.inside.example.com>
CALL-ID: 00005e00-53010005-00001bba-00007938@%(host)s
Max-Forwards: 14
CSeq: 104   REGISTER
X-Folded: one
  two
\tthree
X-Octets: caf\\xe9 \\xff\\xfe
m: <sip:%(uuid)s@10.0.30.10:5060;transport=tcp;orig-hostport=%(local)s>\
;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"\
;+u.sip!devicename.ccm.cisco.com="CSFALICE";video;x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1\
;+u.sip!userid.ccm.cisco.com="alice"
k: replaces,X-cisco-sis-7.0.0
X-Empty:
Expires: 3600
Content-Type: text/plain
l: 9

\x00\\xff body
"""


REWRITTEN_AT_C = """\
REGISTER sip:ucm-pub.inside.example.com SIP/2.0
Via: SIP/2.0/TLS 10.0.20.10:7001;egress-zone=UCTraversal;branch=[branch].[hash];proxy-call-id=[id];rport
Via: SIP/2.0/TLS %(local)s;branch=z9hG4bK0badcafe;received=%(host)s;rport=%(port)s;ingress-zone=CollaborationEdgeZone
Call-ID: 00005e00-53010005-00001bba-00007938@%(host)s
CSeq: 104 REGISTER
Contact: <sip:%(uuid)s@%(local)s;transport=tls>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"\
;+u.sip!devicename.ccm.cisco.com="CSFALICE";video;x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1
From: <sip:1001@ucm-pub.inside.example.com>;tag=abc
To: <sip:1001@ucm-pub.inside.example.com>
Max-Forwards: 15
Route: %(route)s
Expires: 3600
Supported: replaces,X-cisco-sis-7.0.0
X-Folded: one two three
X-Octets: caf\\xe9 \\xff\\xfe
%(authorization)s\
X-Empty:\x20
Content-Type: text/plain
Content-Length: 9

\x00\\xff body
"""
REWRITTEN_AT_UNIFIED_CM = """\
REGISTER sip:ucm-pub.inside.example.com SIP/2.0
Via: SIP/2.0/TCP 10.0.30.10:5060;egress-zone=CEtcp-ucm-pub.inside.example.com;branch=[branch].[hash];\
proxy-call-id=[id];rport
Via: SIP/2.0/TLS 10.0.20.10:7001;egress-zone=UCTraversal;branch=[branch].[hash];proxy-call-id=[id];received=10.0.20.10;\
rport=7001;ingress-zone=UCTraversal;ingress-zone-id=4
Via: SIP/2.0/TLS %(local)s;branch=z9hG4bK0badcafe;received=%(host)s;rport=%(port)s;ingress-zone=CollaborationEdgeZone
Call-ID: 00005e00-53010005-00001bba-00007938@%(host)s
CSeq: 104 REGISTER
Contact: <sip:%(uuid)s@10.0.30.10:5060;transport=tcp;orig-hostport=%(local)s>\
;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"\
;+u.sip!devicename.ccm.cisco.com="CSFALICE";video;x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1\
;+u.sip!userid.ccm.cisco.com="alice"
From: <sip:1001@ucm-pub.inside.example.com>;tag=abc
To: <sip:1001@ucm-pub.inside.example.com>
Max-Forwards: 14
Expires: 3600
Supported: replaces,X-cisco-sis-7.0.0
X-Folded: one two three
X-Octets: caf\\xe9 \\xff\\xfe
X-Empty:\x20
Content-Type: text/plain
Content-Length: 9

\x00\\xff body
"""
FORMS = {"rewritten": (REWRITTEN_AT_C, REWRITTEN_AT_UNIFIED_CM), "byte for byte": (AT_C, AT_UNIFIED_CM)}


@pytest.mark.parametrize("form", FORMS)
def test_a_message_through_both_boxes(form: str) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert line.dialogue.challenged(await line.ask(line.build()))
        host, port = line.connection.local
        authorization = f"Proxy-Authorization: {line.dialogue.credentials(f'sip:{PUB}')}\r\n"
        known = {
            "local": f"{host}:{port}",
            "host": host,
            "port": str(port),
            "uuid": UUID,
            "route": ROUTE,
            "authorization": authorization,
        }
        raw = WILD % {name.encode(): value.encode() for name, value in known.items()}
        wild = parse_message(raw)
        assert isinstance(wild, Request)
        assert (await line.ask(wild)).status == 200
        assert bytes(messages(lab, "expe", "REGISTER")[-1]) == raw  # what arrived stays what it was
        for node, expected in zip(("expc", "ucm-pub"), FORMS[form], strict=True):
            got = masked(bytes(messages(lab, node, "REGISTER")[-1]))
            assert got == (expected % known).replace("\r\n", "\n").replace("\n", "\r\n")

    run(with_line(story), changes={"defaults.sip.forwarding": form})


def test_a_branch_may_go_without_its_hash_into_the_traversal_zone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        branches = {}
        for node in ("expc", "ucm-pub"):
            via = messages(lab, node, "REGISTER")[-1].get_all("Via")[0]
            branches[node] = re.sub(
                "[0-9a-f]{32}", "*", re.sub(r"\*[0-9]+", "*", via.split("branch=")[1].split(";")[0])
            )
        assert branches["expc"].count("*") == 1 and branches["ucm-pub"].endswith(".*")

    run(with_line(story), changes={"defaults.sip.branch_hash": "not into the traversal zone"})


def test_a_refresh_on_the_same_connection_asks_no_c() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        for _ in range(3):
            assert (await line.register()).status == 200
            await asyncio.sleep(100)
        assert len(messages(lab, "expc", "SERVICE")) == 1
        assert len(messages(lab, "ucm-pub", "REGISTER")) == 3
        await asyncio.sleep(100)  # the nonce is stale by now, the 200 to SERVICE not forgotten
        answer = await line.ask(line.build())
        assert answer.status == 407
        assert "stale=TRUE" in (answer.get("Proxy-Authenticate") or "")
        assert line.dialogue.challenged(answer)
        assert (await line.ask(line.build())).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 1

    run(with_line(story))


def test_the_hash_that_c_gave_serves_on_every_connection_for_ten_minutes() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await asyncio.sleep(595)
        await line.connect()
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 1
        await asyncio.sleep(10)
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 2

    run(with_line(story))


@pytest.mark.parametrize(("path", "value", "kept"), [("sip.digest_cache_check_s", 60.0, 1), ("", None, 2)])
def test_hashes_that_are_over_are_dropped_in_time(path: str, value: float | None, kept: int) -> None:
    """Alice's hash lasts for 30 s. Bob's request comes after 100: the cache is looked through then, or after 600."""

    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await asyncio.sleep(100)
        other = await Line(lab, user="bob").signed_in()
        await other.connect()
        assert (await other.register()).status == 200
        assert len(lab.service("expe").sip._digests) == kept
        await other.close()

    changes = {"defaults.sip.digest_cache_s": 30.0} | ({f"defaults.{path}": value} if path else {})
    run(with_line(story), changes=changes)


def test_without_the_cache_c_judges_every_request() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        for asked in (1, 2, 3):
            assert (await line.register()).status == 200
            assert len(messages(lab, "expc", "SERVICE")) == asked
        assert [answer.body for answer in messages(lab, "expe", "SERVICE", 200)] == [b""] * 3

    run(with_line(story), changes={"defaults.sip.digest_cache": False})


def test_a_nonce_serves_128_requests_and_then_is_stale() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        for _ in range(127):
            assert (await line.ask(line.build())).status == 200
        answer = await line.ask(line.build())
        assert (answer.status, "stale=TRUE" in (answer.get("Proxy-Authenticate") or "")) == (407, True)
        assert line.dialogue.challenged(answer)
        assert (await line.ask(line.build())).status == 200

    run(with_line(story))


@pytest.mark.parametrize("away", [20, 2000])
def test_a_nonce_is_stale_and_not_wrong_after_a_restart_of_e(away: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        dialogue = line.dialogue
        await asyncio.sleep(290)
        await lab.restart("expe")
        await asyncio.sleep(away)
        await line.connect()
        line.dialogue = dialogue
        answer = await line.ask(line.build())
        assert (answer.status, "stale=TRUE" in (answer.get("Proxy-Authenticate") or "")) == (407, True)

    run(with_line(story))


def test_with_path_headers_contact_stays_and_path_names_c() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        sent = line.build()
        assert line.dialogue.challenged(await line.ask(sent))
        sent = line.build()
        contact = sent.get("Contact")
        assert (await line.ask(sent)).status == 200
        [got] = messages(lab, "ucm-pub", "REGISTER")
        assert got.get("Contact") == f'{contact};+u.sip!userid.ccm.cisco.com="alice"'
        assert got.get("Path") == "<sip:10.0.30.10:5060;transport=tcp;lr>"
        [granted] = messages(lab, "expe", "REGISTER", 200)
        assert granted.get("Path") == "<sip:10.0.30.10:5060;transport=tcp;lr>"
        [registered] = lab.entries("sip.registered", "ucm-pub")
        assert registered.event.as_json()["via"] == "expc"

    run(with_line(story), changes={"mra.sip_path_headers": True})


def test_path_headers_may_leave_the_contact_as_it_is_and_the_response_alone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        [got] = messages(lab, "ucm-pub", "REGISTER")
        assert "userid" not in (got.get("Contact") or "")
        assert "Path" not in messages(lab, "expe", "REGISTER", 200)[0]

    defaults = {"defaults.sip.path_adds_user": False, "defaults.sip.path_in_response": False}
    run(with_line(story), changes={"mra.sip_path_headers": True, **defaults})


def test_a_challenge_as_of_a_registrar() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.ask(line.build())
        assert answer.status == 401
        assert "WWW-Authenticate" in answer
        assert (await line.register()).status == 200
        [got] = messages(lab, "ucm-pub", "REGISTER")
        assert "Authorization" not in got

    run(with_line(story), changes={"defaults.sip.challenge": 401})


def test_c_may_be_the_one_that_confirms_adaptive_routing() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert "X-cisco-supports-AR_SK" in ((await line.register()).get("Supported") or "")
        [granted] = messages(lab, "expc", "REGISTER", 200)
        assert "AR_SK" not in (granted.get("Supported") or "")

    run(with_line(story), changes={"defaults.sip.ar_sk_inserted_by": "expressway_c"})


def test_c_may_leave_the_route() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        assert messages(lab, "ucm-pub", "REGISTER")[0].get_all("Route") == [ROUTE]

    run(with_line(story), changes={"defaults.sip.c_drops_route": False})


def test_update_is_refused_by_the_b2bua_of_c() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        answer = await line.ask(line.authorized(line.request("UPDATE")))
        assert answer.status == 405
        assert answer.get("Allow") == "INVITE,ACK,BYE,CANCEL,INFO,OPTIONS,REFER,SUBSCRIBE,NOTIFY"
        assert answer.get("Server") == "TANDBERG/4352 (X14.3-b2bua-1.0)"
        assert messages(lab, "ucm-pub", "UPDATE") == []

    run(with_line(story))


# ---- downwards


async def notify(lab: EdgeLab, uri: str, *headers: tuple[str, str], via_own_connection: bool = False) -> Response:
    """Send a NOTIFY from Unified CM, on the connection that C opened or on one of its own."""
    ucm = lab.service("ucm-pub")
    node = lab.node("ucm-pub")
    endpoint = ucm._endpoint
    [connection] = endpoint.connections
    if via_own_connection:
        connection = await node.host.run(endpoint.connect("10.0.30.10", 5060))
    request = Request.build(
        "NOTIFY",
        uri,
        [
            (
                "Via",
                f"SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bK{node.host.entropy(str(len(lab.journal))).token_hex(5)}",
            ),
            *headers,
            ("From", "<sip:1001@10.0.40.11>;tag=1"),
            ("To", "<sip:1001@10.0.30.10>"),
            ("Call-ID", f"n-{len(lab.journal)}@10.0.40.11"),
            ("CSeq", "101 NOTIFY"),
            ("Max-Forwards", "70"),
            ("Event", "message-summary"),
            ("Subscription-State", "active"),
            ("Contact", "<sip:1001@10.0.40.11:5060>"),
        ],
        b"Messages-Waiting: no\r\n",
    )
    answer: Response = await node.host.run(endpoint.request(request, connection))
    return answer


@pytest.mark.parametrize("own", [False, True])
def test_a_notify_of_unified_cm_reaches_the_phone(own: bool) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.register()
        target = answer.contacts[0].uri
        assert (await notify(lab, target, via_own_connection=own)).status == 200
        [got] = line.requests
        host, port = line.connection.local
        assert got.uri == f"sip:{UUID}@{host}:{port};transport=tls"
        assert [re.sub(r"[0-9a-f]{10,}|[0-9a-f-]{36}|rport=\d+", "*", via) for via in got.get_all("Via")] == [
            "SIP/2.0/TLS 203.0.113.10:5061;egress-zone=CollaborationEdgeZone;branch=z9hG4bK*.*;proxy-call-id=*;rport",
            "SIP/2.0/TLS 10.0.30.10:5061;egress-zone=UCTraversal;branch=z9hG4bK*.*;proxy-call-id=*;"
            "received=10.0.30.10;*;ingress-zone=UCTraversal;ingress-zone-id=3",
            "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bK*;received=10.0.40.11;"
            "ingress-zone=CEtcp-ucm-pub.inside.example.com",
        ]
        assert got.get("Max-Forwards") == "14"
        assert got.body == b"Messages-Waiting: no\r\n"

    run(with_line(story))


def test_with_path_headers_unified_cm_puts_c_into_a_route() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.register()
        route = ("Route", "<sip:10.0.30.10:5060;transport=tcp;lr>")
        assert (await notify(lab, answer.contacts[0].uri, route)).status == 200
        assert "Route" not in line.requests[0]

    run(with_line(story), changes={"mra.sip_path_headers": True})


def test_a_request_for_a_phone_that_is_gone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        assert (await notify(lab, f"{target};x=1".replace(UUID, "somebody"))).status == 480
        line.connection.abort()
        await asyncio.sleep(1)
        assert (await notify(lab, target)).status == 480
        await line.connect()
        target = (await line.register()).contacts[0].uri
        assert (await notify(lab, target)).status == 200
        assert (await line.register(expires=0)).status == 200
        assert (await notify(lab, target)).status == 480

    run(with_line(story))


def test_strangers_are_refused_on_the_ports_of_c() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        inside = lab.node("dns-inside")
        endpoint = line.endpoint.__class__(inside.host, inside.journal, limits=LIMITS, timers=TIMERS, stateful=False)
        connection = await inside.host.run(endpoint.connect("10.0.30.10", 5060))
        request = line.request("OPTIONS")
        assert (await inside.host.run(endpoint.request(request, connection))).status == 403
        await inside.host.run(endpoint.close())

    run(with_line(story))


# ---- the rest


def test_what_the_views_show() -> None:
    async def main(lab: EdgeLab) -> None:
        c, e = lab.service("expc").sip, lab.service("expe").sip
        assert c.zones() == [
            ("UCTraversal", "Unified Communications traversal client", "TLS: Active", "expe.example.com"),
            (f"CEtcp-{PUB}", "Neighbor", "TCP: Active", ""),
            ("CEtls-ucm-pub.inside.example.com", "Neighbor", "TLS: Active", ""),
            ("CEtcp-ucm-sub.inside.example.com", "Neighbor", "TCP: Active", ""),
            ("CEtls-ucm-sub.inside.example.com", "Neighbor", "TLS: Active", ""),
        ]
        assert next((rule.name, rule.priority, rule.target, rule.editable) for rule in c.search_rules()) == (
            f"CEtcp-{PUB}",
            45,
            f"CEtcp-{PUB}",
            False,
        )
        assert len(c.search_rules()) == 4
        assert [row[:3] for row in e.zones()] == [
            ("CollaborationEdgeZone", "Collaboration Edge", "Active"),
            ("UCTraversal", "Unified Communications traversal server", "TLS: Active"),
        ]
        [link] = e.zone.live()
        assert link.usage is not None
        assert (link.usage.registrations, link.usage.non_traversal_calls) == (2494, 750)

    run(main, changes={"unified_cm.0.mixed_mode": True})


def test_c_tells_e_how_many_registrations_it_has_left() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        await asyncio.sleep(61)
        [link] = lab.service("expe").sip.zone.live()
        assert link.usage.registrations == 2493
        await asyncio.sleep(120)  # the registration lapsed
        assert link.usage.registrations == 2494

    run(with_line(story))


def test_options_every_minute_with_a_fresh_nonce() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(185)
        pings = messages(lab, "expe", "OPTIONS")
        assert len(pings) == 8
        assert pings[0].uri == "sip:10.0.20.10:7001;transport=tls"
        assert pings[0].get("Max-Forwards") == "0"
        assert pings[0].get("Supported") == "com.tandberg.vcs.resourceusage"
        assert len(pings[0].body) == 250
        answers = [ping.authentication("Authorization")[0] for ping in pings[1::2]]
        assert [answer.get("nc") for answer in answers] == ["00000001"] * 4
        assert len({answer.get("nonce") for answer in answers}) == 4
        assert len(answers[0].get("cnonce") or "") == 60

    run(main)


def test_the_same_seed_gives_the_same_messages() -> None:
    taken: list[list[bytes]] = []

    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        await asyncio.sleep(115)
        await line.register()
        taken.append([entry.payload for entry in lab.journal if entry.kind.startswith("sip.")])

    run(with_line(story))
    run(with_line(story))
    run(with_line(story), seed=2)
    assert taken[0] == taken[1] != taken[2]


def test_nothing_is_left_behind() -> None:
    async def main(lab: EdgeLab) -> None:
        line = Line(lab)
        await line.signed_in()
        await line.connect()
        await line.register()
        await line.close()
        assert lab.client is not None
        await lab.node("jabber-1").host.run(lab.client.close())
        lab.client = None
        assert [
            one for one in await stop_and_look(InProcess(lab), lab.world.kind) if "expe" in one or "expc" in one
        ] == []

    run(main)


def test_zone_states_are_journalled_once() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(300)
        assert zone_states(lab, "expc") == [("TLS: Active", "expe.example.com")]
        assert zone_states(lab, "expe") == [("TLS: Active", "10.0.30.10")]
        assert notes(lab, "expc") == []

    run(main)


def test_without_stun_keepalive_clients_are_not_told_that_they_may_use_it() -> None:
    def supported(keepalive: bool) -> list[str | None]:
        found: list[str | None] = []

        async def story(lab: EdgeLab, line: Line) -> None:
            found.append((await line.register()).get("Supported"))

        run(with_line(story), changes={"mra.stun_keepalive": keepalive})
        return found

    assert supported(True) == ["X-cisco-srtp-fallback,X-cisco-sis-10.0.0,X-cisco-supports-AR_SK"]
    assert supported(False) == ["X-cisco-srtp-fallback,X-cisco-sis-10.0.0"]
