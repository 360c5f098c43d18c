"""``get_edge_config`` through Expressway-E and Expressway-C, as a client outside sees it."""

from __future__ import annotations

import asyncio
import hashlib
from email.utils import formatdate
from typing import Any

import pytest

from edgesim.edge import edge_config
from edgesim.edge.descriptor import wrap
from edgesim.http import basic_authorization
from tests.servers.expressway_lab import ALICE, EDGE, PUB, SUB, EdgeLab, run

CHALLENGE = (
    b"HTTP/1.1 401 Unauthorized\r\n"
    b'WWW-Authenticate: Basic realm="Cisco-Edge"\r\n'
    b"Server: CE_C ECS\r\n"
    b"Date: Mon, 05 Jan 2026 08:00:%02d GMT\r\n"
    b"Age: 0\r\n"
    b"Transfer-Encoding: chunked\r\n"
    b"Connection: keep-alive\r\n\r\n"
)
FIRST_UDS = [
    "GET /cucm-uds/clusterUser?username=alice",
    "GET /cucm-uds/user/alice/devices",
    "GET /cucm-uds/servers",
    "GET /cucm-uds/user/alice",
]


def at(raw: bytes) -> int:
    """The second of the answer's Date."""
    return int(raw.partition(b"08:00:")[2][:2])


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({"expressway_c.expc.release": "X14.0.9"}, EDGE),
        ({"expressway_c.expc.release": "X14.1"}, "203.0.113.10"),
        ({"expressway_e.expe.static_nat": "203.0.113.77"}, "203.0.113.77"),
        ({"defaults.edge.addressed_servers": ()}, EDGE),
    ],
)
def test_how_edge_servers_are_called(changes: dict[str, Any], address: str) -> None:
    async def main(lab: EdgeLab) -> None:
        found = edge_config.parse((await lab.config()).body)
        for servers in (found.sip, found.xmpp, found.http, found.turn):
            assert [one.address for one in servers] == [address]
        assert found.uds_address == PUB

    run(main, changes={"defaults.edge.turn_server": "filled", **changes})


def test_a_sign_in_by_password() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config()
        assert [name for name, _ in answer.headers] == [
            "Content-Type",
            "Server",
            "Date",
            "Set-Cookie",
            "Age",
            "Transfer-Encoding",
            "Connection",
        ]
        assert (answer.status, answer.headers.get("Server")) == (200, "CE_C ECS")
        cookie = answer.headers.get("Set-Cookie") or ""
        value, *attributes = cookie.split("; ")
        assert len(value) == len("X-Auth=") + 64
        granted = lab.entries("auth", "expc")[-1]
        assert attributes == [
            f"Expires={formatdate(granted.host_ns // 10**9 + 8 * 3600, usegmt=True)}",
            "Domain=.example.com",
            "Path=/",
            "HttpOnly",
            "Secure",
        ]
        found = edge_config.parse(answer.body)
        assert [service.name for service in found.services] == ["_cisco-uds", "_cuplogin"]
        uds, login = found.services
        assert [(one.address, one.port, one.priority) for one in uds.servers] == [(PUB, 8443, 10), (SUB, 8443, 10)]
        assert login.error == "NameError"
        assert found.tftp == (PUB,)
        assert found.routes == ("<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>",)
        for servers, port in ((found.sip, 5061), (found.xmpp, 5222), (found.http, 8443)):
            assert [(one.address, one.port) for one in servers] == [("203.0.113.10", port)]
        assert found.uds_address == PUB
        assert lab.asked("ucm-pub") == FIRST_UDS
        assert granted.event.as_json()["granted"]
        assert "user:alice" in granted.keys
        assert f"cookie:{value.partition('=')[2]}" not in granted.keys

    run(main)


def test_without_a_query_the_default_services_are_returned() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config(resource="get_edge_config/")
        names = [service.name for service in edge_config.parse(answer.body).services]
        assert names == ["_cisco-phone-tftp", "_cuplogin", "_cisco-uds"]
        padded = await lab.request(
            f"https://{EDGE}:8443/ZXhhbXBsZS5jb20=/get_edge_config",
            headers=[("Host", f"{EDGE}:8443"), ("Authorization", ALICE)],
        )
        assert padded.status == 200

    run(main)


@pytest.mark.parametrize(
    ("authorization", "asked"),
    [
        (basic_authorization("alice", "wrong"), FIRST_UDS[:2]),
        (basic_authorization("nobody", "x"), ["GET /cucm-uds/clusterUser?username=nobody"]),
        (basic_authorization("Alice", "alice-secret"), ["GET /cucm-uds/clusterUser?username=Alice"]),
        ("Basic ???", []),
        ("Bearer e30.e30.e30", []),
        (None, []),
    ],
)
def test_refused_credentials_get_the_traced_challenge(authorization: str | None, asked: list[str]) -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config(authorization)
        assert answer.raw == CHALLENGE % at(answer.raw)
        assert answer.body == b""
        assert lab.asked("ucm-pub") == asked
        assert not lab.entries("auth", "expc")[-1].event.as_json()["granted"]

    run(main)


def test_a_password_is_worth_nothing_where_passwords_are_not_accepted() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config()
        assert answer.raw == CHALLENGE % at(answer.raw)
        assert lab.asked("ucm-pub") == []

    run(main, changes={"mra.access.user_credential": False})


def test_an_unknown_domain_is_refused_by_e_itself() -> None:
    async def main(lab: EdgeLab) -> None:
        before = len(lab.asked("expc"))
        answer = await lab.config(domain="other.example.net")
        assert answer.raw == (
            b"HTTP/1.1 403 Forbidden\r\n"
            b"Date: Mon, 05 Jan 2026 08:00:%02d GMT\r\n"
            b"Connection: close\r\n"
            b"Server: CE_E\r\n"
            b"Content-Length: 0\r\n\r\n" % at(answer.raw)
        )
        assert len(lab.asked("expc")) == before
        assert (await lab.config(domain="EXAMPLE.com")).status == 200

    run(main)


def test_c_refuses_a_domain_that_it_did_not_enable_whatever_e_lets_through() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        lab.service("expe").tunnels.domains = ("example.com", "other.example.net")
        before = len(lab.entries("http.request", "expc"))
        for answer in (
            await lab.config(domain="other.example.net"),
            await lab.request(
                wrap(f"https://{PUB}:8443/cucm-uds/version", domain="other.example.net", edge=EDGE),
                headers=[("Host", f"{EDGE}:8443"), ("Cookie", cookie)],
            ),
        ):
            assert answer.status == 403
        assert len(lab.entries("http.request", "expc")) == before + 2

    run(main)


def test_without_a_tunnel_nothing_can_be_asked() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.crash("expc")
        answer = await lab.config()
        assert answer.raw == (
            b"HTTP/1.1 502 Next Hop Connection Failed\r\n"
            b"Date: Mon, 05 Jan 2026 08:00:%02d GMT\r\n"
            b"Connection: keep-alive\r\n"
            b"Server: CE_E\r\n"
            b"Cache-Control: no-store\r\n"
            b"Content-Length: 0\r\n\r\n" % at(answer.raw)
        )
        assert (await lab.config(domain="other.example.net")).status == 403
        await lab.start_host("expc")
        await lab.linked()
        assert (await lab.config()).status == 200

    run(main)


def test_accepted_credentials_are_cached_for_eight_hours() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.config()
        await lab.config()
        assert lab.asked("ucm-pub") == FIRST_UDS
        assert (await lab.config(basic_authorization("alice", "wrong"))).status == 401
        await asyncio.sleep(8 * 3600)
        assert (await lab.config()).status == 200
        assert lab.asked("ucm-pub").count(FIRST_UDS[0]) == 3

    run(main)


def test_the_digest_secret_is_that_of_the_last_sign_in() -> None:
    async def main(lab: EdgeLab) -> None:
        credentials = lab.service("expc").credentials
        assert credentials.password("alice") is None
        await lab.config(basic_authorization("alice", "wrong"))
        assert credentials.ha1("alice", EDGE) is None
        await lab.config()
        assert credentials.password("alice") == "alice-secret"
        assert credentials.password("Alice") is None
        assert credentials.ha1("alice", EDGE) == hashlib.md5(f"alice:{EDGE}:alice-secret".encode()).hexdigest()
        await asyncio.sleep(12 * 3600)
        assert credentials.password("alice") is None

    run(main)


def test_a_sign_in_that_is_asked_for_again_serves_on() -> None:
    async def main(lab: EdgeLab) -> None:
        credentials = lab.service("expc").credentials
        await lab.config()
        await asyncio.sleep(7 * 3600)
        await lab.config()
        await asyncio.sleep(6 * 3600)
        assert credentials.password("alice") == "alice-secret"
        await asyncio.sleep(6 * 3600)
        assert credentials.password("alice") is None

    run(main)


def test_one_user_is_authorized_so_often_and_no_more() -> None:
    async def main(lab: EdgeLab) -> None:
        statuses = [(await lab.config()).status for _ in range(9)]
        assert statuses == [200] * 8 + [429]
        answer = await lab.config()
        assert answer.headers.without("Date").items == (
            ("Server", "CE_C ECS"),
            ("Content-Length", "0"),
            ("Age", "0"),
            ("Connection", "close"),
        )
        assert (await lab.config(basic_authorization("bob", "bob-secret"))).status == 200
        await asyncio.sleep(301)
        assert (await lab.config()).status == 200

    run(main)


def test_a_user_without_services_gets_empty_addresses_and_a_200() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config()
        assert answer.status == 200
        assert b"<service><name>tftpServer</name><address></address><address></address></service>" in answer.body
        assert (
            b"<turnEdgeServer/> <userUdsServer><server><address></address><tlsPort>8443</tlsPort></server>"
            b"</userUdsServer> </edgeConfig>" in answer.body
        )

    run(main, changes={"users.0.service_profile": None})


def test_another_node_answers_for_one_that_is_down_from_x14_2_on() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.crash("ucm-pub")
        answer = await lab.config()
        assert answer.status == 200
        found = edge_config.parse(answer.body)
        uds = found.service("_cisco-uds")
        assert uds is not None
        assert [one.address for one in uds.servers] == [SUB]
        assert found.uds_address == SUB
        attempts = len(lab.entries("tcp.failed", "expc"))
        assert (await lab.config(basic_authorization("bob", "bob-secret"))).status == 200
        assert len(lab.entries("tcp.failed", "expc")) == attempts

    run(main)


def test_before_x14_2_the_sign_in_fails_with_its_node() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.crash("ucm-pub")
        answer = await lab.config()
        assert answer.raw == CHALLENGE % at(answer.raw)
        assert lab.asked("ucm-sub") == []
        await lab.start_host("ucm-pub")
        assert (await lab.config()).status == 200

    run(main, changes={"expressway_c.0.release": "X14.0"})


def test_with_unified_cm_down_every_sign_in_gets_the_challenge() -> None:
    async def main(lab: EdgeLab) -> None:
        for name in ("ucm-pub", "ucm-sub"):
            await lab.power_off(name)
        answer = await lab.config()
        assert answer.raw == CHALLENGE % at(answer.raw)
        reason = lab.entries("auth", "expc")[-1].event.as_json()["detail"]
        assert reason == "no Unified CM node answers"

    run(main)


def test_c_that_started_before_unified_cm_asks_again_or_not() -> None:
    async def main(lab: EdgeLab) -> None:
        assert (await lab.config()).status == 401
        for name in ("ucm-pub", "ucm-sub"):
            await lab.start_host(name)
        await asyncio.sleep(120)
        sticks = lab.deployment.defaults.edge.unreachable_at_start == "refused until restart"
        await lab.power_off("ucm-sub")
        before = len(lab.asked("ucm-pub"))
        answer = await lab.config(basic_authorization("bob", "bob-secret"))
        assert answer.status == (401 if sticks else 200)
        if sticks:
            assert len(lab.asked("ucm-pub")) == before
            lab.service("expc").restart_edge_configuration()
            assert (await lab.config(basic_authorization("bob", "bob-secret"))).status == 200

    down = ("ucm-pub", "ucm-sub", "jabber-2", "jabber-3", "inside-1", "inside-2")
    run(main, without=down, settle=60)
    run(
        main,
        without=down,
        settle=60,
        changes={"defaults.edge.unreachable_at_start": "refused until restart"},
    )


def test_the_cookie_is_for_the_domain_of_e() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config(edge="expe.edge.example.net")
        assert "; Domain=.edge.example.net;" in (answer.headers.get("Set-Cookie") or "")

    run(main, changes={"expressway_e.0.domain": "edge.example.net"})


@pytest.mark.parametrize(("release", "known"), [("X12.5", True), ("X8.11", False)])
def test_uds_that_does_not_resolve_inside(release: str, known: bool) -> None:
    async def main(lab: EdgeLab) -> None:
        found = edge_config.parse((await lab.config()).body).service("_cisco-uds")
        assert found is not None
        assert [one.address for one in found.servers] == ([PUB, SUB] if known else [])
        assert found.error == (None if known else "NameError")

    run(main, changes={"dns.cisco_uds": False, "expressway_c.0.release": release})


def test_where_the_clocks_of_c_and_e_differ_e_refuses() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        lab.skew("expc", 3600)
        answer = await lab.config()
        assert (answer.status, answer.headers.get("Server")) == (403, "CE_E")
        assert (await lab.proxied(f"https://{PUB}:8443/cucm-uds/version", cookie)).status == 403
        lab.skew("expc", 0)
        assert (await lab.config()).status == 200
        assert (await lab.proxied(f"https://{PUB}:8443/cucm-uds/version", cookie)).status == 200

    run(main)


def test_bad_requests_for_the_edge_configuration() -> None:
    async def main(lab: EdgeLab) -> None:
        many = "&".join(f"service_name=_s{number}" for number in range(40))
        assert (await lab.config(resource=f"get_edge_config?{many}")).status == 400
        assert (await lab.config(resource="get_edge_confi")).status == 404
        assert (await lab.config(resource="")).status == 404
        for path in ("/", "//", "/!!!/get_edge_config", "/AAAA/get_edge_config", "/.greeting", "/" + "A" * 3000):
            answer = await lab.request(f"https://{EDGE}:8443{path}", headers=[("Authorization", ALICE)])
            assert (answer.status, answer.headers.get("Server")) == (404, "CE_E"), path
        posted = await lab.request(f"https://{EDGE}:8443/ZXhhbXBsZS5jb20/get_edge_config", method="POST")
        assert posted.status == 405
        assert (await lab.config()).status == 200

    run(main)
