"""What the server bounds: connections, requests and octets that wait, and how long a peer may take to read."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from edgesim.http import (
    Headers,
    HttpLimits,
    HttpServer,
    Request,
    Response,
)
from edgesim.pki import client_context
from tests.http.lab import NAME, PIPELINED, E, Lab, play, tls


def test_connections_beyond_the_limit_are_turned_away() -> None:
    async def scene(lab: Lab) -> None:
        _, one = await asyncio.open_connection(E, 8443)
        _, two = await asyncio.open_connection(E, 8443)
        assert await lab.raw(b"GET / HTTP/1.1\r\nHost: e\r\n\r\n") == b""
        one.close()
        two.close()

    play(scene, limits=HttpLimits(connections=2))


def test_a_client_that_does_not_read_holds_up_only_itself() -> None:
    big = b"y" * 1_000_000
    handled = []

    async def handler(request: Request) -> Response:
        handled.append(request.path)
        return Response(status=200, body=big)

    async def scene(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(E, 8443, limit=1000)
        writer.write(b"GET /1 HTTP/1.1\r\nHost: e\r\n\r\n" * 2)
        await asyncio.sleep(10)
        assert handled == ["/1"]
        assert (await lab.request("GET", f"http://{E}:8443/other")).body == big
        received = 0
        while received < 2 * len(big):
            received += len(await reader.read(65536))
        assert handled == ["/1", "/other", "/1"]
        writer.close()

    play(scene, handler=handler)


@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
def test_a_flood_of_pipelined_requests_waits_at_the_sender(secure: bool) -> None:
    """However fast requests come, those that wait at the server stay within its bound, and each is answered in turn."""
    held: list[int] = []

    async def handler(request: Request) -> Response:
        await asyncio.sleep(0.01)
        held.extend(connection._reader.buffered for connection in lab_server[0].connections)
        return Response(status=200, headers=Headers([("Content-Length", "0"), ("X-Path", request.path)]))

    lab_server: list[HttpServer] = []
    server_tls, trust = tls()
    context = client_context(trust) if secure else None

    async def scene(lab: Lab) -> None:
        lab_server.append(lab.server)
        reader, writer = await asyncio.open_connection(E, 8443, ssl=context, server_hostname=NAME if secure else None)
        count = 20_000
        writer.write(b"".join(PIPELINED % number for number in range(count)))
        for number in range(3000):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"X-Path: /%04d\r\n" % number in head
        writer.transport.abort()

    play(scene, handler=handler, limits=HttpLimits(header_block=4096), server_tls=server_tls if secure else None)
    assert max(held) > 4096
    assert max(held) <= 4096 + 256 * 1024  # one reading of the transport beyond; 640 KB were sent


def test_a_connection_beyond_its_request_rate_waits_and_no_other_does() -> None:
    async def handler(request: Request) -> Response:
        return Response(status=200, headers=Headers([("Content-Length", "0"), ("X-Path", request.path)]))

    async def scene(lab: Lab) -> None:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(E, 8443)
        writer.write(b"".join(PIPELINED % number for number in range(30)))
        began, took = loop.time(), []
        for number in range(30):
            assert b"X-Path: /%04d\r\n" % number in await reader.readuntil(b"\r\n\r\n")
            took.append(loop.time() - began)
            if number == 20:
                asked = loop.time()
                other, another = await asyncio.open_connection(E, 8443)
                another.write(PIPELINED % 1)
                await other.readuntil(b"\r\n\r\n")
                assert loop.time() - asked < 0.5
                another.transport.abort()
        assert took[9] < 0.5
        assert [round(later - earlier, 1) for earlier, later in itertools.pairwise(took[10:])] == [0.5] * 19
        await asyncio.sleep(20)
        began = loop.time()
        writer.write(b"".join(PIPELINED % number for number in range(10)))
        for _ in range(10):
            await reader.readuntil(b"\r\n\r\n")
        assert loop.time() - began < 0.5, "what was not asked for is saved"
        writer.transport.abort()

    play(scene, handler=handler, limits=HttpLimits(requests=10, per_second=2))


def test_a_peer_that_does_not_read_its_answers_is_dropped() -> None:
    async def handler(request: Request) -> Response:
        return Response(status=200, headers=Headers([("Content-Length", "1000000")]), body=bytes(1_000_000))

    async def scene(lab: Lab) -> None:
        loop = asyncio.get_running_loop()
        _, writer = await asyncio.open_connection(E, 8443, limit=1024)
        writer.transport.pause_reading()
        writer.write((PIPELINED % 1) * 50)
        began = loop.time()
        await asyncio.sleep(5)
        (connection,) = lab.server.connections
        assert connection._transport.get_write_buffer_size() < 1_000_000 + 64 * 1024  # one answer, not fifty
        await asyncio.sleep(24)
        assert lab.server.connections
        await asyncio.sleep(3)
        assert not lab.server.connections
        assert loop.time() - began == pytest.approx(32)
        writer.transport.abort()

    play(scene, handler=handler)


def test_a_peer_that_reads_slowly_gets_its_whole_answer() -> None:
    body = bytes(2_000_000)

    async def handler(request: Request) -> Response:
        return Response(status=200, headers=Headers([("Content-Length", str(len(body)))]), body=body)

    async def scene(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(E, 8443, limit=16 * 1024)
        writer.write(PIPELINED % 1)
        await reader.readuntil(b"\r\n\r\n")
        got = 0
        while got < len(body):
            got += len(await reader.read(20_000))
            await asyncio.sleep(1)  # some 100 s in all
        assert got == len(body)
        writer.close()

    play(scene, handler=handler)


def test_the_octets_of_all_unfinished_bodies_are_bounded_together() -> None:
    async def scene(lab: Lab) -> None:
        head = b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 100000\r\n\r\n"
        half = [await asyncio.open_connection(E, 8443) for _ in range(4)]
        for _, writer in half:
            writer.write(head + bytes(30_000))
        await asyncio.sleep(1)
        assert 90_000 < lab.server.waiting < 130_000
        refused = [reader for reader, _ in half if lab.server.waiting and reader._buffer]
        assert len(refused) == 1
        assert (await refused[0].readuntil(b"\r\n")).startswith(b"HTTP/1.1 503 ")
        small = await lab.request("POST", f"http://{E}:8443/", body=bytes(5_000))
        assert small.status == 200
        for _, writer in half:
            writer.close()
        await asyncio.sleep(1)
        assert lab.server.waiting == 0

    play(scene, limits=HttpLimits(waiting=100_000, modest=10_000))
