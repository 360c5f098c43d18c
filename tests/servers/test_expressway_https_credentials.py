"""What authenticates a request for an inside URL: cookies, passwords, and the servers' own challenges."""

from __future__ import annotations

import asyncio

from edgesim.http import basic_authorization
from tests.servers.expressway_lab import ALICE, PUB, EdgeLab, plain, run, stub
from tests.servers.inside_web import OWN, VERSION, photos, with_photos


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


def test_where_an_edge_header_is_set_it_carries_the_credentials() -> None:
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


def test_a_challenge_of_the_server_reaches_the_client() -> None:
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
