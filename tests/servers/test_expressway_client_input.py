"""A client's input affects only that client: no server or link counts as failed because of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest

from edgesim.edge import edge_config
from edgesim.http import Headers, Request, Response, basic_authorization
from edgesim.node import Node
from edgesim.servers.unified_cm import UnifiedCm
from edgesim.sip import Request as Request_
from edgesim.world import Service
from tests.servers.expressway_lab import PUB, SUB, Build, EdgeLab, plain, run, stub
from tests.servers.sip_lab import Line, messages, with_line

CAROL = basic_authorization("carol", "carol-secret")
ODD_USERS = {
    "empty": "",
    "blank": " ",
    "as long as a user id gets": "u" * 128,
    "longer": "u" * 129,
    "longer than a request line": "u" * 9_000,
    "chinese, as long as a user id gets": "\u4e00" * 128,
    "chinese": "\u4e00" * 2_000,
    "beyond the basic plane": "\U0001f600" * 128,
    "control characters": "a\x00b\x1b\r\nc",
    "a path": "../alice/devices",
    "dots": "..",
    "a second parameter": "alice&email=bob@example.com",
    "percent": "%zz%00",
    "a fragment": "alice#?",
    "markup": "<a b='\"&;>",
    "surrogates as octets": "\udced\udca0\udc80".encode("utf-8", "surrogateescape").decode("latin-1"),
}


@pytest.mark.parametrize("user", ODD_USERS.values(), ids=ODD_USERS.keys())
def test_an_odd_user_name_is_refused_and_affects_no_other_client(user: str) -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.config(basic_authorization(user, "x"))
        assert answer.status == 401
        assert answer.headers.get("WWW-Authenticate") == 'Basic realm="Cisco-Edge"'
        good = await lab.config(CAROL)
        assert good.status == 200
        uds = edge_config.parse(good.body).service("_cisco-uds")
        assert uds is not None
        assert [one.address for one in uds.servers] == [PUB, SUB]

    run(main)


def test_a_user_id_that_is_too_long_is_neither_asked_about_nor_kept() -> None:
    async def main(lab: EdgeLab) -> None:
        for length in (129, 20_000):
            assert (await lab.config(basic_authorization("u" * length, "x"))).status == 401
        assert lab.asked("ucm-pub") == lab.asked("ucm-sub") == []
        for entry in lab.entries("auth", "expc"):
            assert len(entry.event.as_json()["user"]) <= 128

    run(main)


def judging(check: Callable[[Request], Response | None]) -> dict[str, Build]:
    """Both Unified CM nodes, whose UDS answers by ``judge``, or normally if that returns None."""

    async def build(node: Node) -> Service:
        product = UnifiedCm(node)
        real = product.uds.handle
        product.uds.handle = lambda request: check(request) or real(request)
        await product.start()
        return product

    return {"ucm-pub": build, "ucm-sub": build}


@pytest.mark.parametrize(
    ("status", "failed"), [(400, 0), (404, 0), (414, 0), (415, 0), (429, 0), (500, 2), (502, 2), (503, 2)]
)
def test_only_a_status_of_500_and_above_says_that_a_node_failed(status: int, failed: int) -> None:
    def check(request: Request) -> Response | None:
        return plain(b"", status) if "mallory" in request.target else None

    async def main(lab: EdgeLab) -> None:
        assert (await lab.config(basic_authorization("mallory", "x"))).status == 401
        assert len(lab.asked("ucm-pub")) + len(lab.asked("ucm-sub")) == (failed or 1)
        assert (await lab.config(CAROL)).status == (401 if failed else 200)

    run(main, builds=judging(check))


def test_an_answer_that_cannot_be_read_has_another_node_asked_and_marks_none() -> None:
    def check(request: Request) -> Response | None:
        return plain(b"<html>") if "mallory" in request.target else None

    async def main(lab: EdgeLab) -> None:
        assert (await lab.config(basic_authorization("mallory", "x"))).status == 401
        assert [len(lab.asked(node)) for node in ("ucm-pub", "ucm-sub")] == [1, 1]
        assert (await lab.config(CAROL)).status == 200

    run(main, builds=judging(check))


def test_a_server_that_calls_itself_edge_configuration_does_not_set_cs_clock() -> None:
    forged = Headers([("Server", "CE_C ECS"), ("Date", "Mon, 05 Jan 1998 08:00:00 GMT")])

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        for _ in range(2):
            assert (await lab.proxied("http://photos.inside.example.com:8080/", cookie)).status == 200
        assert (await lab.proxied(f"https://{PUB}:8443/cucm-uds/version", cookie)).status == 200

    changes = {
        "mra.allow_list": ({"url": "http://photos.inside.example.com:8080/"},),
        "dns.extra": ({"view": "inside", "name": "photos.inside.example.com", "type": "A", "value": "10.0.40.12"},),
    }
    run(main, changes=changes, builds={"ucm-sub": stub(lambda _: Response(status=200, headers=forged), 8080)})


# ---- SIP: all users share a connection between the products


def quiet(story: Callable[[EdgeLab, Line], Awaitable[None]]) -> Callable[[EdgeLab, Line], Awaitable[None]]:
    """Return the story with what must hold after it: no zone changed, and another user can register."""

    async def reported(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        before = len(lab.entries("zone.state"))
        await story(lab, line)
        await asyncio.sleep(5)
        assert len(lab.entries("zone.state")) == before
        other = Line(lab, "jabber-1", "bob")
        await other.signed_in()
        await other.connect()
        assert (await other.register()).status == 200
        await other.close()

    return reported


@pytest.mark.parametrize("octets", [31_000, 31_400, 31_600, 31_800, 31_900, 32_000])
def test_a_request_that_gets_too_long_on_its_way_is_refused(octets: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        request = line.authorized(line.request("MESSAGE", None, ("X-Big", "x" * octets)))
        line.connection.send(request)
        await asyncio.sleep(5)
        answers = [entry.event.as_json()["status"] for entry in lab.entries("sip.response", "jabber-1")]
        assert answers[-1] in {31_000: (405,), 32_000: (513,)}.get(octets, (405, 513))

    run(with_line(quiet(story)))


@pytest.mark.parametrize("lines", [100, 240, 246, 247, 248])
def test_a_request_of_too_many_lines_is_refused(lines: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.connection.send(line.authorized(line.request("MESSAGE", None, *[("X-Many", "x")] * lines)))

    run(with_line(quiet(story)))


@pytest.mark.parametrize("where", ["request", "answer"])
def test_one_line_that_becomes_many_goes_no_further(where: str) -> None:
    many = ("Record-Route", ",".join(f"<sip:{number}>" for number in range(300)))

    async def story(lab: EdgeLab, line: Line) -> None:
        if where == "request":
            answer = await line.ask(line.authorized(line.request("MESSAGE", None, many)))
            assert answer.status == 513
            return
        line.answers = (many,)
        contact = messages(lab, "ucm-pub", "REGISTER")[-1].contacts[0].address
        ucm = lab.node("ucm-pub")
        (zone,) = [c for c in lab.service("ucm-pub")._endpoint.connections if c.peer[0] == "10.0.30.10"]
        asked = Request_.build(
            "OPTIONS",
            str(contact),
            [
                ("Via", "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bKmany"),
                ("From", f"<sip:{PUB}>;tag=1"),
                ("To", f"<{contact}>"),
                ("Call-ID", "many@10.0.40.11"),
                ("CSeq", "1 OPTIONS"),
                ("Max-Forwards", "70"),
            ],
        )
        answer = await ucm.host.run(lab.service("ucm-pub")._endpoint.request(asked, zone))
        assert answer.status == 502

    run(with_line(quiet(story)))


@pytest.mark.parametrize("length", [3_000, 20_000, 29_000])
@pytest.mark.parametrize("name", ["username", "cnonce"])
def test_credentials_that_no_service_request_can_hold_are_refused(name: str, length: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.challenged(await line.ask(line.build()))
        request = line.authorized(line.request("MESSAGE"))
        header = request.get("Proxy-Authorization") or ""
        value = re.sub(rf'{name}="[^"]*"', f'{name}="{"x" * length}"', header)
        assert value != header
        request.replace("Proxy-Authorization", value)
        line.connection.send(request)

    run(with_line(quiet(story)))


@pytest.mark.parametrize("length", [300, 4_000])
def test_a_keep_alive_of_a_path_to_a_host_with_an_endless_name(length: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        request = line.build()
        long = Request_.build(request.method, f"sip:{'x' * length}", list(request.items()), request.body)
        line.connection.send(line.authorized(long))
        await asyncio.sleep(1)
        answer = await line.node.host.run(line.connection.stun(3.0))
        assert answer.error is not None

    run(with_line(quiet(story)))
