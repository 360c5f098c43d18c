"""Inside URLs through the edge: what reaches the server, what comes back, and what is refused on the way."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment import builtin
from edgesim.edge import edge_config
from edgesim.edge.descriptor import encode, wrap
from edgesim.http import Headers, HttpClient, HttpError, Request, Response, basic_authorization
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.servers.expressway_c.cluster import ClusterError, read_records, write_records
from edgesim.servers.expressway_c.credentials import Issued, SignIn
from edgesim.servers.expressway_c.user_data import Account, UdsServer
from edgesim.world import Service
from tests.fuzz import fuzzed
from tests.servers.expressway_lab import ALICE, EDGE, PUB, SUB, EdgeLab, Stub, plain, run, stub

VERSION = f"https://{PUB}:8443/cucm-uds/version"
OWN = "http://photos.inside.example.com:8080/"


def echo(_: Request) -> Response:
    return plain(b"hello", 200, ("X-Kept", "a , b"), ("Connection", "X-Hop, close"), ("X-Hop", "1"))


PHOTO = {"mra.allow_list": ({"url": OWN, "methods": ("GET", "POST", "HEAD")},)}


def photos(lab: EdgeLab) -> Stub:
    """The stub that runs as ucm-sub, under the name of the photo server."""
    service = lab.service("ucm-sub")
    assert isinstance(service, Stub)
    return service


def with_photos(**changes: object) -> dict[str, object]:
    """A rule of the administrator's own, for a host whose name is ucm-sub's address."""
    record = {"view": "inside", "name": "photos.inside.example.com", "type": "A", "value": "10.0.40.12"}
    return {**PHOTO, "dns.extra": (record,), **changes}


def test_the_golden_copy_of_a_forwarded_request() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        answer = await lab.proxied(
            OWN + "a%20b//c?x=%2F&y",
            headers=[
                ("user-AGENT", "WebEx/0.0.0.0"),
                ("Accept", "*/*"),
                ("X-Odd", "  two   blanks\t, \xe9"),
                ("X-Odd", ""),
                ("Authorization", "Basic Og=="),
                ("Connection", "keep-alive, X-Hop"),
                ("Keep-Alive", "timeout=5"),
                ("X-Hop", "stays here"),
                ("TE", "trailers"),
                ("X-Forwarded-For", "127.0.0.1"),
                ("Client-ip", "127.0.0.1"),
                ("TrackingID", "forged"),
                ("Cookie", f'a=1; {cookie}; b="2 2"'),
            ],
        )
        (request,) = photos(lab).requests
        tracking = request.headers.get("TrackingID")
        ids = lab.deployment.pkid("expressway", "expe"), lab.deployment.pkid("expressway", "expc")
        assert request.raw == (
            "GET /a%20b//c?x=%2F&y HTTP/1.1\r\n"
            "Host: photos.inside.example.com:8080\r\n"
            "user-AGENT: WebEx/0.0.0.0\r\n"
            "Accept: */*\r\n"
            "X-Odd: two   blanks\t, \xe9\r\n"
            "X-Odd:\r\n"
            "Authorization: Basic Og==\r\n"
            f'Cookie: a=1; {cookie}; b="2 2"\r\n'
            f"TrackingID: {tracking}\r\n"
            "Client-ip: 198.51.100.25\r\n"
            "X-Forwarded-For: 198.51.100.25, 127.0.0.1\r\n"
            f"Via: https/1.1 vcs[{ids[0]}] (ATS), http/1.1 vcs[{ids[1]}] (ATS)\r\n\r\n"
        ).encode("latin-1")
        assert answer.raw == (
            b"HTTP/1.1 200 OK\r\n"
            b"Content-Type: text/plain\r\n"
            b"X-Kept: a , b\r\n"
            b"Age: 0\r\n"
            b"Transfer-Encoding: chunked\r\n"
            b"Connection: keep-alive\r\n\r\n"
        )
        assert answer.body == b"hello"
        for node in ("expe", "expc", "ucm-sub"):
            assert any(f"tracking:{tracking}" in entry.keys for entry in lab.entries("http.request", node)), node
        assert len(str(tracking)) == 36

    run(main, changes=with_photos(), builds={"ucm-sub": stub(echo, 8080)})


@pytest.mark.parametrize("framing", ["Content-Length", "Transfer-Encoding"])
def test_bodies_and_methods_pass(framing: str) -> None:
    def answer(request: Request) -> Response:
        if request.target == "/nothing":
            return Response(status=204)
        if request.target == "/same":
            return Response(status=304)
        return plain(request.method.encode() + b" " + request.body)

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        headers = [("Transfer-Encoding", "chunked")] if framing == "Transfer-Encoding" else []
        body = bytes(range(256)) * 4000
        posted = await lab.proxied(OWN, cookie, method="POST", headers=headers, body=body)
        assert posted.body == b"POST " + body
        head = await lab.proxied(OWN, cookie, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers.get("Content-Length") == "5"
        for path, status in (("nothing", 204), ("same", 304)):
            bare = await lab.proxied(OWN + path, cookie)
            assert (bare.status, bare.body) == (status, b"")
            assert "Transfer-Encoding" not in bare.headers
        expecting = await lab.proxied(OWN, cookie, method="POST", headers=[("Expect", "100-continue")], body=b"x")
        assert expecting.body == b"POST x"

    run(main, changes=with_photos(), builds={"ucm-sub": stub(answer, 8080)})


def test_without_any_credentials_e_refuses() -> None:
    async def main(lab: EdgeLab) -> None:
        before = len(lab.asked("expc"))
        answer = await lab.proxied(VERSION)
        date = answer.headers.get("Date")
        assert answer.raw.decode() == (
            "HTTP/1.1 401 Unauthorized\r\n"
            f"Date: {date}\r\n"
            "Connection: close\r\n"
            "Server: CE_E\r\n"
            'WWW-Authenticate: Basic realm="Cisco-Edge"\r\n'
            "Content-Length: 0\r\n\r\n"
        )
        assert len(lab.asked("expc")) == before

    run(main)


def test_a_forged_cookie_is_refused_by_c_whatever_else_is_shown() -> None:
    async def main(lab: EdgeLab) -> None:
        for cookie in ("X-Auth=" + "0" * 64, "X-Auth="):
            answer = await lab.proxied(VERSION, cookie, headers=[("Authorization", ALICE)])
            assert answer.status == 401
            assert answer.headers.get("WWW-Authenticate") == 'Basic realm="Cisco-Edge"'
            assert answer.headers.get("Server") == "CE_C ECS"
        detail = lab.entries("auth", "expc")[-1].event.as_json()
        assert (detail["how"], detail["detail"]) == ("cookie", "unknown cookie")
        assert lab.asked("ucm-pub") == []

    run(main)


def test_a_cookie_lives_eight_hours_on_the_clock_of_c() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        await asyncio.sleep(8 * 3600 - 60)
        assert (await lab.proxied(VERSION, cookie)).status == 200
        await asyncio.sleep(60)
        answer = await lab.proxied(VERSION, cookie)
        assert (answer.status, answer.headers.get("Server")) == (401, "CE_C ECS")
        assert lab.entries("auth", "expc")[-1].event.as_json()["detail"] == "expired cookie"
        assert (await lab.proxied(VERSION, await lab.cookie())).status == 200

    run(main)


def test_a_password_authenticates_a_proxied_request_by_itself() -> None:
    async def main(lab: EdgeLab) -> None:
        own = f"https://{PUB}:8443/cucm-uds/user/alice"
        assert (await lab.proxied(own, headers=[("Authorization", ALICE)])).status == 200
        wrong = await lab.proxied(own, headers=[("Authorization", basic_authorization("alice", "x"))])
        assert wrong.headers.get("WWW-Authenticate") == 'Basic realm="Cisco-Edge"'

    run(main)


def test_a_header_for_the_edge_alone_where_one_is_set() -> None:
    async def main(lab: EdgeLab) -> None:
        bob = ("Authorization", basic_authorization("bob", "bob-secret"))
        answer = await lab.proxied(OWN, headers=[("X-Edge-Auth", ALICE), bob])
        assert answer.status == 200
        (request,) = photos(lab).requests
        assert request.headers.get("Authorization") == bob[1]
        assert "X-Edge-Auth" not in request.headers
        assert lab.entries("auth", "expc")[-1].event.as_json()["user"] == "alice"

    changes = with_photos(**{"defaults.edge.edge_auth_header": "X-Edge-Auth"})
    run(main, changes=changes, builds={"ucm-sub": stub(lambda _: plain(), 8080)})


def test_the_servers_own_challenge_passes() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        answer = await lab.proxied(f"https://{PUB}:8443/cucm-uds/user/alice", cookie)
        assert answer.status == 401
        assert answer.headers.get("WWW-Authenticate") == 'Basic realm="Cisco Web Services Realm"'
        assert b"401" in answer.body
        assert answer.headers.get("Age") == "0"
        bob = [("Authorization", basic_authorization("bob", "bob-secret"))]
        other = await lab.proxied(f"https://{PUB}:8443/cucm-uds/user/alice", cookie, headers=bob)
        assert (other.status, other.headers.get("WWW-Authenticate")) == (401, None)

    run(main)


@pytest.mark.parametrize(
    ("url", "method"),
    [
        ("https://photos.example.com/", "GET"),
        (f"https://{PUB}:9999/cucm-uds/version", "GET"),
        (f"http://{PUB}:8443/cucm-uds/version", "GET"),
        (f"https://{PUB}:8443/axl/", "POST"),
        (f"https://{PUB}:8443/cucm-uds/../axl/", "POST"),
        (f"https://{PUB}:8443/cucm-uds/%2e%2e/axl/", "POST"),
        (f"https://{PUB}:8443/cucm-uds/version", "PATCH"),
        (f"https://{PUB}:8443/cucm-uds/version", "PUT"),
        (f"https://{PUB}:8443/cucm-uds/other", "GET"),
        (f"https://{PUB}:8443/cucm-uds/user/alice/devices", "POST"),
        (f"http://{PUB}:6970/CSFALICE.cnf.xml", "DELETE"),
        ("https://127.0.0.1:8443/cucm-uds/version", "GET"),
        ("http://127.0.0.1:8443/.greeting", "POST"),
    ],
)
def test_what_the_allow_list_lacks_is_refused_by_c(url: str, method: str) -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        before = len(lab.entries("http.request", "ucm-pub"))
        answer = await lab.proxied(url, cookie, method=method, body=b"x" if method == "POST" else b"")
        assert answer.status == 403
        assert answer.headers.without("Date").items == (
            ("Server", "CE_C"),
            ("Content-Length", "0"),
            ("Age", "0"),
            ("Connection", "keep-alive"),
        )
        assert len(lab.entries("http.request", "ucm-pub")) == before
        assert "allow list" in lab.entries("note", "expc")[-1].event.as_json()["text"]

    run(main)


def permits(lab: EdgeLab) -> list[str]:
    texts = [entry.event.as_json()["text"] for entry in lab.entries("note", "expc")]
    return [text for text in texts if text.startswith('Event="Request Allowed"')]


def test_c_logs_the_rule_that_allows_a_request() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        assert permits(lab) == []
        url = f"https://{PUB}:8443/cucm-uds/user/alice/devices?max=100"
        assert (await lab.proxied(url, cookie, headers=[("Authorization", ALICE)])).status == 200
        assert permits(lab) == [
            'Event="Request Allowed" Detail="Access allowed" Reason="In allow list" Username="alice" Deployment="1" '
            f'Method="GET" Request="https://{PUB}:8443/cucm-uds/user/alice/devices" '
            f'Rule="https://{PUB}:8443/cucm-uds/user/" Match="prefix" '
            'Type="Automatically generated rule for CUCM server"'
        ]
        logged, received = lab.entries("note", "expc")[-1], lab.entries("http.request", "ucm-pub")[-1]
        assert "user:alice" in logged.keys
        tracking = [key for key in logged.keys if key.startswith("tracking:")]
        assert set(tracking) <= set(received.keys)
        assert logged.order < received.order
        assert (await lab.proxied(f"https://{PUB}:8443/ccmadmin/", cookie)).status == 403
        assert len(permits(lab)) == 1
        await lab.proxied(OWN, cookie)
        assert f'Rule="{OWN}" Match="prefix" Type="Manually added rule"' in permits(lab)[-1]

    run(main, changes=PHOTO)


def test_discovered_servers_are_allowed_by_name_and_address() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        assert (await lab.proxied("http://10.0.40.11:6970/CSFALICE.cnf.xml", cookie)).status == 200
        secure = await lab.proxied(f"https://{PUB.upper()}:6972/CSFALICE.cnf.xml", cookie)
        assert secure.status == 200
        ports = {
            int(entry.event.as_json()["local"].rpartition(":")[2])
            for entry in lab.entries("tcp.open", "expc")
            if entry.event.as_json()["port"] in (2222, 6970, 6972, 8443)
        }
        assert ports
        assert all(30000 <= port <= 35999 for port in ports)

    run(main)


def failing(host: str) -> tuple[str, list[str]]:
    return f"https://{host}:8443/cucm-uds/version", ["Server", "Date", "Content-Length", "Cache-Control", "Age"]


def test_what_fails_behind_c_is_told_apart() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        url, names = failing(SUB)
        await lab.crash("ucm-sub")
        answer = await lab.proxied(url, cookie)
        assert (answer.status, answer.reason) == (502, "connect failed")
        assert [name for name, _ in answer.headers] == [*names, "Connection"]
        assert answer.headers.get("Server") == "CE_C"
        assert answer.headers.get("Cache-Control") == "no-store"
        assert answer.headers.get("Connection") == "keep-alive"
        posted = await lab.proxied(f"https://{SUB}:8443/cucm-uds/private/users", cookie, method="POST", body=b"x")
        assert (posted.status, posted.headers.get("Connection")) == (502, "close")
        await lab.power_off("ucm-pub")
        silent = await lab.proxied(VERSION, cookie, timeout=100)
        assert (silent.status, silent.reason) == (504, "Connection Timed Out")
        assert (await lab.config()).status == 200

    run(main)


@pytest.mark.parametrize(
    ("octets", "status", "reason"),
    [
        (b"", 502, "Server Hangup"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", 502, "Server Hangup"),
        (b"SIP/2.0 200 OK\r\n\r\n", 502, "Invalid HTTP Response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 502, "Invalid HTTP Response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel...", 504, "Maximum Transaction Time Exceeded"),
        (b"...", 504, "Connection Timed Out"),
    ],
)
def test_a_server_that_answers_badly(octets: bytes, status: int, reason: str) -> None:
    class Raw:
        def __init__(self, node: Node) -> None:
            self.node = node

        async def start(self) -> Raw:
            self.server = await asyncio.start_server(self._serve, self.node.host.address(), 8080)
            return self

        async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            hangs = octets.endswith(b"...")
            writer.write(octets.removesuffix(b"..."))
            if hangs:
                await asyncio.sleep(3600)
            writer.close()

        async def stop(self) -> None:
            self.server.close()

    async def build(node: Node) -> Service:
        return await Raw(node).start()

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        answer = await lab.proxied(OWN, cookie, method="POST", timeout=100)
        assert (answer.status, answer.reason) == (status, reason)

    run(main, changes=with_photos(), builds={"ucm-sub": build})


def test_a_name_that_c_cannot_resolve() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied("http://nowhere.inside.example.com:8080/", await lab.cookie())
        assert (answer.status, answer.reason) == (500, "Cannot find server.")

    run(main, changes={"mra.allow_list": ({"url": "http://nowhere.inside.example.com:8080/"},)})


def test_a_c_that_is_silent_is_a_504_of_e() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        await lab.freeze("expc")
        answer = await lab.proxied(VERSION, cookie, timeout=100)
        assert (answer.status, answer.reason) == (504, "Next Hop Timeout")
        assert answer.headers.get("Server") == "CE_E"

    changes = {"defaults.edge.next_hop_timeout_s": 2.0}
    run(main, changes=changes)


def test_the_inner_request_is_in_absolute_form() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.config()
        heads = [entry.payload for entry in lab.entries("http.request", "expc")]
        assert heads[-1].startswith(b"GET http://vcs_control.inside.example.com:8443/ZXhhbXBsZS5jb20/get_edge_config?")

    run(main)
    plainly = {"defaults.edge.inner_request": "origin form"}

    async def other(lab: EdgeLab) -> None:
        await lab.config()
        assert lab.entries("http.request", "expc")[-1].payload.startswith(b"GET /ZXhhbXBsZS5jb20/")

    run(other, changes=plainly)


def test_a_servers_own_502_is_not_ours() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied(OWN, await lab.cookie())
        assert (answer.status, answer.reason, answer.body) == (502, "Bad Gateway", b"mine")

    run(
        main,
        changes=with_photos(),
        builds={"ucm-sub": stub(lambda _: plain(b"mine", 502), 8080)},
    )


@pytest.mark.parametrize(
    ("release", "mode", "origin", "status"),
    [
        ("X14.2", False, True, 502),
        ("X14.2", False, False, 200),
        ("X14.2", True, False, 502),
        ("X14.0.2", False, True, 200),
        ("X14.0.2", True, True, 502),
    ],
)
def test_c_verifies_the_servers_behind_it_in_tls_verify_mode_and_from_x14_2_on_without_it(
    release: str, mode: bool, origin: bool, status: int
) -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        answer = await lab.proxied(f"https://{SUB}:6972/CSFALICE.cnf.xml", cookie)
        assert answer.status == status
        if status == 502:
            assert answer.reason == "connect failed"
            assert "SSL connection failed" in lab.entries("note", "expc")[-1].event.as_json()["text"]
            tries = [entry.at_ns for entry in lab.entries("tls.failed", "expc")]
            assert len(tries) == 2
            assert 0.01 <= (tries[1] - tries[0]) / 1e9 < 0.1

    run(
        main,
        changes={
            "expressway_c.0.release": release,
            "mra.tls_verify_unified_cm": mode,
            "mra.verify_origin_server": origin,
            "certificates": ({"host": "ucm-sub", "service": "tomcat", "names": ("other.inside.example.com",)},),
        },
        builds={"ucm-sub": stub(lambda _: plain(), 6972)},
    )


TRUSTED = ("enterprise", "enterprise-issuing", "public", "public-issuing")
CORE = f"WARNING: Core server certificate verification failed for ({SUB}). Action=Terminate Error="


@pytest.mark.parametrize(
    ("certificate", "warning"),
    [
        ({"names": ("other.inside.example.com",)}, f"WARNING: SNI ({SUB}) not in certificate. Action=Terminate "),
        ({"signed_by": "self-signed"}, CORE + "self signed certificate "),
        ({"signed_by": "private"}, CORE + "unable to get local issuer certificate "),
    ],
)
def test_c_logs_what_it_does_not_accept_of_a_server(certificate: dict[str, object], warning: str) -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied(f"https://{SUB}:6972/CSFALICE.cnf.xml", await lab.cookie())
        assert (answer.status, answer.reason) == (502, "connect failed")
        reported, then = [entry.event.as_json()["text"] for entry in lab.entries("note", "expc")[-2:]]
        end = "" if "SNI" in warning else " depth=0"
        assert reported == f"{warning}server={SUB}(10.0.40.12){end}"
        assert f"SSL connection failed for '{SUB}'" in then

    changes = {
        "certificates": ({"host": "ucm-sub", "service": "tomcat", **certificate},),
        "trust": ({"host": "expc", "store": "trusted-ca", "holds": TRUSTED},),
    }
    run(main, changes=changes, builds={"ucm-sub": stub(lambda _: plain(), 6972)})


@pytest.mark.parametrize(("release", "shown"), [("X14.0.2", True), ("X12.7", False)])
def test_c_shows_its_certificate_where_a_server_asks(release: str, shown: bool) -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied(f"https://{SUB}:6972/CSFALICE.cnf.xml", await lab.cookie())
        assert answer.status == 200
        (request,) = photos(lab).requests
        assert (request.peer_certificate is not None) is shown

    async def asking(node: Node) -> Stub:
        return await Stub(node, lambda _: plain(), (6972,)).start(trust=node.trusts["tomcat-trust"], ask_client=True)

    run(main, changes={"expressway_c.0.release": release}, builds={"ucm-sub": asking})


def test_unified_cm_that_does_not_trust_c_gives_no_files() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        assert (await lab.proxied(VERSION, cookie)).status == 200
        assert (await lab.proxied(f"https://{PUB}:6972/CSFALICE.cnf.xml", cookie)).status == 502
        note = lab.entries("note", "expc")[-1].event.as_json()["text"]
        assert f"SSL connection failed for '{PUB}'" in note
        assert "unknown ca" in note.lower()

    stores = tuple(
        {"host": "ucm-pub", "store": store, "holds": ("public",)} for store in ("tomcat-trust", "callmanager-trust")
    )
    run(main, changes={"trust": stores})


def test_a_connection_serves_one_request_after_the_other() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        for _ in range(3):
            assert (await lab.proxied(VERSION, cookie)).status == 200
        opened = [entry for entry in lab.entries("tcp.open", "jabber-1") if entry.event.as_json()["port"] == 8443]
        assert len(opened) == 1
        closing = await lab.proxied(VERSION, cookie, headers=[("Connection", "close")])
        assert closing.headers.get("Connection") == "close"
        await asyncio.gather(*(lab.proxied(VERSION, cookie) for _ in range(10)))

    run(main)


class Slow(Stub):
    """A server that never answers."""

    async def _handle(self, request: Request) -> Response:
        await asyncio.sleep(10_000)
        return await super()._handle(request)


def test_a_slow_server_is_a_504_in_time() -> None:
    async def slow(node: Node) -> Stub:
        return await Slow(node, lambda _: plain(), (8443,)).start()

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        begun = lab.world.now()
        assert (await lab.proxied(f"https://{SUB}:8443/cucm-uds/version", cookie, timeout=100)).status == 504
        assert (lab.world.now() - begun) / 1e9 < 31

    run(main, builds={"ucm-sub": slow})


def test_malformed_requests_get_their_answer_and_disturb_nobody() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        node = lab.node("jabber-1")
        context = client_context(node.trusts["system"])

        async def send(octets: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(EDGE, 8443, ssl=context)
            writer.write(octets)
            got = await reader.read(-1)
            writer.close()
            return got

        for octets, status in (
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
            (b"\x00\x01\x02\x03", b"400"),
            (b"GET /" + b"a" * 10_000, b"414"),
            (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"501"),
        ):
            answer = await node.host.run(send(octets))
            assert answer.split()[1] == status
            assert b"\r\nServer: CE_E\r\n" in answer
        assert (await lab.proxied(VERSION, cookie)).status == 200
        assert len(lab.entries("malformed", "expe")) == 4

    run(main)


def test_any_target_gets_an_answer_of_e_or_c() -> None:
    """Damaged URLs of every kind, straight into both proxies: always an answer, hardly ever one of the inside."""

    async def main(lab: EdgeLab) -> None:
        entropy = lab.world.entropy("damaged targets")
        cookie = await lab.cookie()
        forwarded = len(lab.entries("http.request", "ucm-pub"))
        expe, expc = lab.service("expe"), lab.service("expc")
        link = expc.tunnels.links[0]
        seeds = [wrap(url, domain="example.com", edge=EDGE).partition("8443")[2] for url in (VERSION, OWN + "a")]
        seeds += ["/ZXhhbXBsZS5jb20/get_edge_config?service_name=_cisco-uds", "/%5a", "/=/", "/.greeting"]
        for _ in range(2000):
            target = list(entropy.choice(seeds))
            for _ in range(entropy.randint(1, 4)):
                at = entropy.randrange(1, len(target))
                target[at : at + entropy.randint(0, 2)] = entropy.choice("/?=%&;.-_+~AZaz09#\\@:!é")
            request = Request(
                method=entropy.choice(("GET", "POST", "TRACE")),
                target="".join(target),
                headers=Headers([("Host", "h"), ("Cookie", entropy.choice((cookie, "X-Auth=", "a")))]),
                peer=("198.51.100.25", 50000),
            )
            for node, handle in (("expe", expe.https.handle(request)), ("expc", expc.proxy.handle(request, link))):
                answer = await lab.node(node).host.run(handle)
                assert answer.status in (200, 400, 401, 403, 404, 405, 502), (node, request.target, answer)
        assert len(lab.entries("http.request", "ucm-pub")) - forwarded < 100
        assert (await lab.proxied(VERSION, cookie)).status == 200

    run(main, changes={"defaults.protection.intrusion_protection_on_e": False})


def two_of_each() -> dict[str, object]:
    small = builtin("small")
    return {
        "expressway_e": (
            {"name": "expe", "outer": "203.0.113.10", "inner": "10.0.20.10"},
            {"name": "expe2", "outer": "203.0.113.11", "inner": "10.0.20.11"},
        ),
        "expressway_c": ({"name": "expc", "address": "10.0.30.10"}, {"name": "expc2", "address": "10.0.30.11"}),
        "mra": small.plan.mra.model_dump(exclude_unset=True),
    }


def test_clusters_share_the_work_and_a_cookie_stays_with_its_c() -> None:
    async def main(lab: EdgeLab) -> None:
        cookies = [await lab.cookie() for _ in range(2)]
        asked = {name: len([one for one in lab.asked(name) if "get_edge_config" in one]) for name in ("expc", "expc2")}
        assert asked == {"expc": 1, "expc2": 1}
        for cookie in (*cookies, *cookies):
            assert (await lab.proxied(VERSION, cookie)).status == 200
        answer = await lab.config(edge="expe2.example.com")
        found = edge_config.parse(answer.body)
        for servers in (found.sip, found.xmpp, found.http):  # who was asked comes first
            assert [one.address for one in servers] == ["203.0.113.11", "203.0.113.10"]

    run(main, changes=two_of_each())


def test_the_peers_of_a_cluster_share_what_they_know_of_users() -> None:
    async def main(lab: EdgeLab) -> None:
        cookies = [await lab.cookie(), await lab.cookie(basic_authorization("bob", "bob-secret"))]
        other = {"expc": "alice", "expc2": "bob"}
        await asyncio.sleep(1)
        for name, user in other.items():
            assert lab.service(name).credentials.password(user) == f"{user}-secret"
        for name in ("expc", "expc2"):
            await lab.crash(name)
            for cookie in cookies:
                for edge in (EDGE, "expe2.example.com"):
                    assert (await lab.proxied(VERSION, cookie, edge=edge)).status == 200
            await lab.start_host(name)
            await lab.linked()
            assert lab.service(name).credentials.password("alice") == "alice-secret"

    run(main, changes=two_of_each())


def test_a_request_goes_to_another_c_when_its_tunnel_breaks() -> None:
    class Hesitant(Stub):
        async def _handle(self, request: Request) -> Response:
            self.requests.append(request)
            if len(self.requests) == 1:
                await asyncio.sleep(10_000)
            return plain(request.method.encode())

    async def hesitant(node: Node) -> Stub:
        return await Hesitant(node, lambda _: plain(), (8080,)).start()

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        await asyncio.sleep(1)
        for method, status in (("GET", 200), ("POST", 502)):
            photos(lab).requests.clear()
            asking = asyncio.ensure_future(lab.proxied(OWN, cookie, method=method))
            await asyncio.sleep(1)
            (request,) = photos(lab).requests
            name = lab.world.host_at(request.peer[0] if request.peer else "")
            assert name is not None
            await lab.crash(name.name)
            assert (await asking).status == status
            await lab.start_host(name.name)
            await lab.linked()

    run(main, changes={**two_of_each(), **with_own_rule()}, builds={"ucm-sub": hesitant})


def with_own_rule() -> dict[str, object]:
    """The administrator's rule beside the settings of the small lab."""
    changes = with_photos()
    mra = dict(two_of_each()["mra"])  # type: ignore[call-overload]  # a mapping, as above
    return {"dns.extra": changes["dns.extra"], "mra": {**mra, "allow_list": PHOTO["mra.allow_list"]}}


def test_nobody_but_a_peer_gets_the_clusters_credentials() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.cookie()
        for name, fits in (("ucm-pub", False), ("expc2", True)):
            node = lab.node(name)
            identity = node.identities.get("server") or node.identities["tomcat"]
            trust = node.trusts.get("trusted-ca") or node.trusts["tomcat-trust"]
            client = HttpClient(node.journal, ssl=client_context(trust, identity=identity))
            url = "https://expc.inside.example.com:4372/credentials"
            answer = await node.host.run(client.request("GET", url, timeout=30))
            assert answer.status == (200 if fits else 403)
            assert (b"alice-secret" in answer.body) is fits
            bad = await node.host.run(client.request("POST", url, body=b'[{"user": 1}]', timeout=30))
            assert bad.status == (400 if fits else 403)
            await node.host.run(client.close())
            bare = HttpClient(node.journal, ssl=client_context(trust))
            with pytest.raises(HttpError):
                await node.host.run(bare.request("GET", url, timeout=30))
        for entry in lab.journal:
            shown = bytearray(entry.payload)
            for start, end in entry.secrets:
                shown[start:end] = b"*" * (end - start)
            assert b"alice-secret" not in shown

    run(main, changes=two_of_each())


RECORDS: list[SignIn | Issued] = [
    SignIn(
        account=Account(user="é", home=UdsServer(host=PUB, port=8443), servers=(PUB,), served=True),
        password='"',
        at=1.5,
    ),
    Issued(value="0" * 64, user="é", expires=2.0),
]


@fuzzed
@given(
    st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps))
)
def test_records_come_back_as_they_were_and_nothing_else_does(found: bytes | str) -> None:
    assert read_records(write_records(RECORDS)) == RECORDS
    with contextlib.suppress(ClusterError):
        read_records(found.encode() if isinstance(found, str) else found)


def test_names_with_their_final_dot_are_the_same_names() -> None:
    async def main(lab: EdgeLab) -> None:
        host = ("Host", f"{EDGE}:8443")
        rooted = f"https://{EDGE}:8443/{encode('example.com.')}/get_edge_config?service_name=_cisco-uds"
        answer = await lab.request(rooted, headers=[host, ("Authorization", ALICE)])
        assert answer.status == 200
        cookie = ("Cookie", (answer.headers.get("Set-Cookie") or "").partition(";")[0])
        server = encode(f"example.com./https/{PUB}./8443")
        inside = await lab.request(f"https://{EDGE}:8443/{server}/cucm-uds/servers", headers=[host, cookie])
        assert inside.status == 200

    run(main)
