"""An HTTP server's connection: every pair of state and event. RFC 9112, section 9.3.2: answers go in the order of
requests, and one request is served at a time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgesim.http import Headers, HttpLimits, Request, Response, server
from edgesim.http.server import CLOSING, READING, SERVING, WAITING, On, State
from tests.http.lab import E, Lab, play

Pair = tuple[State, On]
Story = Callable[[asyncio.StreamReader, asyncio.StreamWriter, list[str]], Awaitable[None]]
LIMITS = HttpLimits(requests=1, per_second=0.5, waiting=200, modest=200, linger=5.0)
"""Two requests at once, then one in two seconds."""


def get(path: str, *, last: bool = False) -> bytes:
    """Return a request; the answer to one of ``/slow`` takes a second."""
    return f"GET {path} HTTP/1.1\r\nHost: e\r\n{'Connection: close' + chr(13) + chr(10) if last else ''}\r\n".encode()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return the path in the next response."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return await reader.readexactly(6)


async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    whole = get("/one..")
    writer.write(whole[:20])
    await asyncio.sleep(1)
    assert not served
    writer.write(whole[20:])
    assert await answer(reader) == b"/one.."


async def end_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/one..")[:20])
    await asyncio.sleep(1)
    writer.write_eof()
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    assert not served


async def asked_while_served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/slow1"))
    await asyncio.sleep(0.5)
    writer.write(get("/two.."))
    await asyncio.sleep(0.2)
    assert served == ["/slow1"]
    assert [await answer(reader), await answer(reader)] == [b"/slow1", b"/two.."]


async def half_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/slow1"))
    await asyncio.sleep(0.5)
    writer.write_eof()
    assert await answer(reader) == b"/slow1"
    assert await reader.read() == b""


async def last_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/one..", last=True) + get("/two.."))
    assert await answer(reader) == b"/one.."
    assert await reader.read() == b""
    assert served == ["/one.."]


async def too_fast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for path in ("/one..", "/two..", "/three", "/four."):
        writer.write(get(path))
        await asyncio.sleep(0.1)  # the third waits, while the fourth arrives
    assert served == ["/one..", "/two.."]
    assert [await answer(reader) for _ in range(4)] == [b"/one..", b"/two..", b"/three", b"/four."]
    assert loop.time() - began == pytest.approx(4, abs=0.5)  # one in two seconds


async def gone_while_it_waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/one..") + get("/two..") + get("/three"))
    assert [await answer(reader), await answer(reader)] == [b"/one..", b"/two.."]
    writer.write_eof()
    assert await reader.read() == b""
    await asyncio.sleep(5)
    assert served == ["/one..", "/two.."]


async def too_much_while_it_waits(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]
) -> None:
    writer.write(get("/one..") + get("/two.."))
    assert [await answer(reader), await answer(reader)] == [b"/one..", b"/two.."]
    writer.write(get("/three" + "x" * LIMITS.modest))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
    await asyncio.sleep(4)  # its turn would have come, and the answer still lingers
    assert served == ["/one..", "/two.."]


async def gone_while_served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/slow1"))
    await asyncio.sleep(0.5)
    writer.transport.abort()
    await asyncio.sleep(1)
    assert served == ["/slow1"]


async def gone_before_its_last(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(get("/slow1", last=True))
    await asyncio.sleep(0.5)
    writer.transport.abort()
    await asyncio.sleep(1)
    assert served == ["/slow1"]


async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: list[str]) -> None:
    writer.write(b"\x16\x03\x01 not this\r\n\r\n")
    await asyncio.sleep(0.1)
    writer.write(get("/one.."))
    writer.write_eof()
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    await asyncio.sleep(1)
    assert not served


STORIES: dict[Pair, Story] = {
    (READING, On.DATA): in_pieces,
    (READING, On.END): end_in_the_middle,
    (SERVING, On.DATA): asked_while_served,
    (SERVING, On.END): half_closed,
    (SERVING, On.ANSWERED): asked_while_served,
    (SERVING, On.ANSWERED_LAST): last_request,
    (WAITING, On.DATA): too_fast,
    (WAITING, On.TURN): too_fast,
    (WAITING, On.END): gone_while_it_waits,
    (CLOSING, On.TURN): too_much_while_it_waits,
    (CLOSING, On.END): no_http,
    (CLOSING, On.ANSWERED): gone_while_served,
    (CLOSING, On.ANSWERED_LAST): gone_before_its_last,
}


class Met(dict[Pair, Any]):
    """A table that notes which pairs were looked up."""

    def __init__(self) -> None:
        super().__init__(server.TABLE)
        self.pairs: set[Pair] = set()

    def __getitem__(self, pair: Pair) -> Any:
        self.pairs.add(pair)
        return super().__getitem__(pair)


@pytest.mark.parametrize("pair", STORIES, ids=lambda pair: f"{pair[0].name} {pair[1].name}")
def test_a_connection(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Met()
    monkeypatch.setattr(server, "TABLE", table)
    served: list[str] = []

    async def handler(request: Request) -> Response:
        served.append(request.path)
        if request.path.startswith("/slow"):
            await asyncio.sleep(1)
        return Response(status=200, headers=Headers([("Content-Length", "6")]), body=request.path.encode())

    async def scene(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(E, 8443)
        await STORIES[pair](reader, writer, served)
        writer.close()

    play(scene, handler=handler, limits=LIMITS)
    assert pair in table.pairs


def test_any_other_pair_raises() -> None:
    assert set(server.TABLE) == set(STORIES)

    async def scene(lab: Lab) -> None:
        connection = lab.server.protocol()
        for state, what in set(itertools.product(State, On)) - set(STORIES):
            connection._state = state
            with pytest.raises(KeyError):
                connection._apply(what)

    play(scene)
