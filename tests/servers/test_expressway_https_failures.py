"""What a client gets when the server behind C is down, silent or broken."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.http import Request, Response
from edgesim.node import Node
from edgesim.world import Service
from tests.servers.expressway_lab import SUB, EdgeLab, Stub, plain, run, stub
from tests.servers.inside_web import OWN, VERSION, with_photos


def failing(host: str) -> tuple[str, list[str]]:
    return f"https://{host}:8443/cucm-uds/version", ["Server", "Date", "Content-Length", "Cache-Control", "Age"]


def test_each_failure_behind_c_has_its_own_answer() -> None:
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
def test_a_broken_answer_of_a_server_is_a_502_and_an_unfinished_one_a_504(
    octets: bytes, status: int, reason: str
) -> None:
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


def test_a_name_that_c_cannot_resolve_is_a_502() -> None:
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


def test_a_502_of_the_server_passes_unchanged() -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied(OWN, await lab.cookie())
        assert (answer.status, answer.reason, answer.body) == (502, "Bad Gateway", b"mine")

    run(
        main,
        changes=with_photos(),
        builds={"ucm-sub": stub(lambda _: plain(b"mine", 502), 8080)},
    )


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
