"""The messages that both Expressways write on the way of a REGISTER, field by field."""

from __future__ import annotations

import hashlib
import re

import pytest

from edgesim.edge import service
from edgesim.sip import Request, parse_message
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import ROUTE, UUID, Line, masked, messages, with_line
from tests.sip import samples

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


def test_e_challenges_as_captured() -> None:
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


def test_e_sends_service_as_captured() -> None:
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


def test_the_200_reaches_the_client_as_captured() -> None:
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
def test_both_expressways_write_a_message_as_captured(form: str) -> None:
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


def test_e_may_challenge_as_a_registrar_does() -> None:
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
