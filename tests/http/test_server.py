"""What the server answers, and when it ends a connection."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.http import (
    HttpLimits,
    HttpReset,
    Request,
    Response,
)
from edgesim.journal import events
from tests.http.lab import E, Lab, play


def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    busy = 0

    async def handler(request: Request) -> Response:
        nonlocal busy
        busy += 1
        assert busy == 1
        await asyncio.sleep(3 if request.path == "/slow" else 0)
        busy -= 1
        return Response(status=200, body=request.path.encode() + request.body)

    async def scene(lab: Lab) -> None:
        data = b"GET /slow HTTP/1.1\r\nHost: e\r\n\r\nPOST /b HTTP/1.1\r\nHost: e\r\nContent-Length: 90000\r\n\r\n"
        data += b"x" * 90000 + b"GET /c HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"
        answers = await lab.raw(data)
        assert [line for line in answers.split(b"\r\n") if line.startswith((b"/", b"HTTP"))] == [
            b"HTTP/1.1 200 OK",
            b"/slowHTTP/1.1 200 OK",
            b"/b" + b"x" * 90000 + b"HTTP/1.1 200 OK",
            b"/c",
        ]

    play(scene, handler=handler)


def test_expect_100_continue_is_answered_before_the_body_comes() -> None:
    async def scene(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(E, 8443)
        writer.write(b"POST / HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ok")
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        writer.close()
        refused = await lab.raw(
            b"POST / HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n"
        )
        assert refused.startswith(b"HTTP/1.1 413 Content Too Large\r\n")

    play(scene)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: e\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (b"GET /" + b"a" * 100_000, 414),
        (b"GET / HTTP/1.1\r\nHost: e\r\n" + b"X: y\r\n" * 5000, 431),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_malformed_requests_are_answered_closed_and_journalled_and_disturb_no_other_connection(
    octets: bytes, status: int
) -> None:
    async def scene(lab: Lab) -> None:
        other = asyncio.ensure_future(lab.request("GET", f"http://{E}:8443/wait/20"))
        await asyncio.sleep(1)
        answer = await lab.raw(octets)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        (malformed,) = lab.of(events.Malformed)
        cause = f"{malformed.event.reason}\n".encode()
        about = b"\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(cause)
        assert answer.endswith(about + cause)
        assert malformed.event.protocol == "http"
        assert str(status) in malformed.event.answer
        assert malformed.payload == octets[: len(malformed.payload)]
        assert 0 < len(malformed.payload) <= 4096
        assert (await other).status == 200

    play(scene)


def test_a_request_cut_short_is_journalled() -> None:
    async def scene(lab: Lab) -> None:
        answer = await lab.raw(b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 10\r\n\r\nabc", end=True)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert "without sending complete" in lab.of(events.Malformed)[0].event.reason

    play(scene)


def test_slow_requests_and_idle_connections_end() -> None:
    async def scene(lab: Lab) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await lab.raw(b"GET / HTTP/1.1\r\nHost: ")).startswith(b"HTTP/1.1 408 ")
        assert 9.9 < loop.time() - began < 10.5
        began = loop.time()
        assert await lab.raw(b"") == b""
        assert 19.9 < loop.time() - began < 20.5

    play(scene, limits=HttpLimits(message=10, idle=20))


def test_a_few_octets_at_a_time_do_not_extend_the_time_limit_of_a_request() -> None:
    async def scene(lab: Lab) -> None:
        loop = asyncio.get_running_loop()
        reader, writer = await asyncio.open_connection(E, 8443)
        began = loop.time()
        answer = asyncio.ensure_future(reader.read())
        for octet in b"GET / HTTP/1.1\r\nHost: somewhere\r\n":
            if answer.done():
                break
            writer.write(bytes([octet]))
            await asyncio.sleep(1)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert 9.9 < loop.time() - began < 12
        writer.close()

    play(scene, limits=HttpLimits(message=10, idle=20))


def test_a_handler_that_fails_gives_500_closes_the_connection_and_is_reported() -> None:
    async def scene(lab: Lab) -> None:
        found = await lab.request("GET", f"http://{E}:8443/fail")
        assert (found.status, found.headers.get("Connection")) == (500, "close")
        assert (await lab.request("GET", f"http://{E}:8443/")).status == 200
        (error,) = lab.world.unhandled
        assert str(error).startswith("http: the handler failed on GET: RuntimeError: as asked: in echo")
        lab.world.unhandled.clear()

    play(scene)


def test_closing_the_server_cancels_what_it_handles() -> None:
    cancelled = []

    async def handler(request: Request) -> Response:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(request.path)
            raise
        return Response(status=200)

    async def scene(lab: Lab) -> None:
        task = asyncio.ensure_future(lab.request("GET", f"http://{E}:8443/long", timeout=None))
        await asyncio.sleep(1)
        await lab.at_server(lab.server.close)
        with pytest.raises(HttpReset):
            await task

    play(scene, handler=handler)
    assert cancelled == ["/long"]
