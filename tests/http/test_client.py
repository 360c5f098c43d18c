"""What the client makes of the answers, failures and connections that it meets."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.http import (
    HttpError,
    HttpLimits,
    HttpRefused,
    HttpReset,
    HttpTimedOut,
    HttpUnresolved,
    MalformedHttp,
)
from edgesim.http.client import parse_url
from edgesim.journal import events
from tests.http.lab import E, Lab, play


def test_each_failure_raises_its_own_error() -> None:
    async def scene(lab: Lab) -> None:
        started = asyncio.get_running_loop().time()
        for url, kind in [
            (f"http://{E}:9/", HttpRefused),
            ("http://nowhere.example.com:8443/", HttpUnresolved),
            (f"http://{E}:8443/wait/100", HttpTimedOut),
        ]:
            with pytest.raises(kind):
                await lab.request("GET", url, timeout=7)
        assert 7 <= asyncio.get_running_loop().time() - started < 7.5
        await lab.world.power_off("expe")
        with pytest.raises(HttpTimedOut):
            await lab.request("GET", f"http://{E}:8443/", timeout=3)

    play(scene)


def test_a_server_that_crashes_before_it_answers_is_a_reset() -> None:
    async def scene(lab: Lab) -> None:
        task = asyncio.ensure_future(lab.request("GET", f"http://{E}:8443/wait/100"))
        await asyncio.sleep(5)
        await lab.world.crash("expe")
        with pytest.raises(HttpReset):
            await task

    play(scene)


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", MalformedHttp),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", MalformedHttp),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", MalformedHttp),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", MalformedHttp),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", HttpReset),
        (b"HTTP/1.1 200", HttpReset),
        (b"", HttpReset),
    ],
)
def test_a_broken_answer_is_malformed_and_a_cut_one_is_a_reset(octets: bytes, kind: type[HttpError]) -> None:
    async def scene(lab: Lab) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(octets)
            writer.close()

        await lab.at_server(lambda: asyncio.start_server(answer, E, 80))
        with pytest.raises(HttpError) as failed:
            await lab.request("GET", f"http://{E}/")
        assert type(failed.value) is kind
        assert len(lab.of(events.Malformed)) == (kind is MalformedHttp)

    play(scene)


def test_an_answer_without_length_ends_with_the_connection() -> None:
    async def scene(lab: Lab) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nhalf ")
            await asyncio.sleep(1)
            writer.write(b"and half")
            writer.close()

        await lab.at_server(lambda: asyncio.start_server(answer, E, 80))
        assert (await lab.request("GET", f"http://{E}/")).body == b"half and half"

    play(scene)


def test_a_kept_connection_that_ended_is_replaced_for_requests_that_may_be_repeated() -> None:
    async def scene(lab: Lab) -> None:
        served = 0

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            served += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await reader.read(1)  # the next request arrives, and finds the connection closed
            writer.close()

        await lab.at_server(lambda: asyncio.start_server(once, E, 80))
        assert (await lab.request("GET", f"http://{E}/")).status == 204
        assert (await lab.request("GET", f"http://{E}/")).status == 204
        assert served == 2
        with pytest.raises(HttpReset):
            await lab.request("POST", f"http://{E}/", body=b"x")
        assert served == 2

    play(scene)


def test_a_kept_connection_with_octets_beyond_the_answer_is_not_used_again() -> None:
    async def scene(lab: Lab) -> None:
        async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright")
            await asyncio.sleep(1)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            await asyncio.sleep(100)

        await lab.at_server(lambda: asyncio.start_server(twice, E, 80))
        assert (await lab.request("GET", f"http://{E}/")).body == b"right"
        await asyncio.sleep(5)
        assert (await lab.request("GET", f"http://{E}/")).body == b"right"

    play(scene)


def test_the_client_closes_idle_connections() -> None:
    async def scene(lab: Lab) -> None:
        await lab.request("GET", f"http://{E}:8443/")
        assert len(lab.server.connections) == 1
        await asyncio.sleep(121)
        assert not lab.server.connections

    play(scene, limits=HttpLimits(idle=1000))


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://a", "a", 80, "/"),
        ("HTTPS://a.b:8443/x//y?z=/%20", "a.b", 8443, "/x//y?z=/%20"),
        ("https://[::1]/?q#frag", "::1", 443, "/?q"),
        ("http://a?q", "a", 80, "/?q"),
    ],
)
def test_a_url_is_split_without_change(url: str, host: str, port: int, target: str) -> None:
    found = parse_url(url)
    assert (found.host, found.port, found.target) == (host, port, target)


@pytest.mark.parametrize(
    "url", ["", "a", "ftp://a/", "http://u:p@a/", "http://a:0/", "http://a:99999/", "http://a/ b", "http://a/\r\nX: y"]
)
def test_a_url_that_is_not_http_or_not_well_formed_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parse_url(url)
