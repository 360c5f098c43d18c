"""Server and client together, in a simulated world, over TCP, TLS and an SSH channel."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncssh
import pytest

from edgesim.http import (
    Headers,
    HttpClient,
    HttpError,
    HttpLimits,
    HttpRefused,
    HttpReset,
    HttpServer,
    HttpTimedOut,
    HttpTlsFailed,
    HttpUnresolved,
    MalformedHttp,
    Request,
    Response,
    basic_authorization,
)
from edgesim.http.client import parse_url
from edgesim.journal import Entry, Event, Journal, events
from edgesim.pki import TrustStore, client_context, expressway_e, fixture_authorities, server_context
from edgesim.world import Host, HostState
from edgesim.world.sim import SimWorld
from tests import simrun
from tests.simrun import sim_run

E = "203.0.113.10"
NAME = "expe.example.com"
Handler = Callable[[Request], Awaitable[Response]]


async def echo(request: Request) -> Response:
    """Answer with the body; ``/wait/<seconds>`` takes its time, ``/fail`` does not answer."""
    if request.path.startswith("/wait/"):
        await asyncio.sleep(float(request.path.removeprefix("/wait/")))
    if request.path == "/fail":
        raise RuntimeError("as asked")
    headers = Headers([("Server", "CE_C ECS"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive")])
    return Response(status=200, headers=headers, body=request.body or request.path.encode())


class Lab:
    """Two hosts, a server on one and a client on the other."""

    def __init__(self, world: SimWorld, journal: Journal, server_host: Host, client_host: Host) -> None:
        self.world, self.journal, self.server_host, self.client_host = world, journal, server_host, client_host
        self.server: HttpServer
        self.client: HttpClient

    async def at_server(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work()

        return await self.server_host.run(run())

    async def raw(self, data: bytes, *, pause: float = 0.0, end: bool = False) -> bytes:
        """Send octets on a connection of their own and return what comes back until the end."""
        reader, writer = await asyncio.open_connection(E, 8443)
        for piece in (data[:20], data[20:]):
            writer.write(piece)
            await asyncio.sleep(pause)
        if end:
            writer.write_eof()
        try:
            return await reader.read()
        finally:
            writer.close()

    def of(self, kind: type[Event]) -> list[Entry[Any]]:
        return [entry for entry in self.journal if isinstance(entry.event, kind)]

    async def request(self, method: str, url: str, *, timeout: float | None = 30.0, **others: Any) -> Response:
        """Ask as the client does: a request may take half a minute."""
        return await self.client.request(method, url, timeout=timeout, **others)


def play(
    scene: Callable[[Lab], Awaitable[None]],
    *,
    handler: Handler = echo,
    limits: HttpLimits | None = None,
    server_tls: ssl.SSLContext | None = None,
    client_tls: ssl.SSLContext | None = None,
) -> Journal:
    """Set the stage, run the scene as the client's host, and return the journal."""

    async def main(world: SimWorld) -> Journal:
        server_host = await simrun.host(world, "expe", E, "internet")
        client_host = await simrun.host(world, "alice", "198.51.100.25", "internet")
        lab = Lab(world, Journal(world), server_host, client_host)
        lab.journal.session_cookie = "X-Auth"

        async def lookup(name: str) -> Sequence[str]:
            return (E,) if name == NAME else ()

        client_host.lookup = lookup

        async def serve() -> None:
            lab.server = HttpServer(lab.journal.recorder(server_host), handler, limits=limits or HttpLimits())
            await lab.server.listen(E, 8443, ssl=server_tls)

        await server_host.run(serve())

        async def act() -> None:
            lab.client = HttpClient(lab.journal.recorder(client_host), ssl=client_tls)
            await scene(lab)
            await lab.client.close()

        await client_host.run(act())
        if server_host.state is HostState.UP:
            await server_host.run(lab.server.close())
            await asyncio.sleep(1)
            assert not lab.server.connections
        return lab.journal

    return sim_run(main)


def test_a_kept_connection_carries_several_exchanges() -> None:
    async def scene(lab: Lab) -> None:
        for body in (b"one", b"two"):
            found = await lab.request("POST", f"http://{E}:8443/a", body=body)
            assert (found.status, found.phrase, found.body) == (200, "OK", body)
            assert found.headers.items[0] == ("Server", "CE_C ECS")
        head = await lab.request("HEAD", f"http://{E}:8443/a")
        assert (head.status, head.body) == (200, b"")
        assert len(lab.server.connections) == 1

    journal = play(scene)
    kinds = [(entry.node, entry.kind) for entry in journal]
    assert kinds == [("expe", "http.request"), ("alice", "http.response")] * 3


def test_the_journal_has_octets_keys_and_secrets() -> None:
    async def handler(request: Request) -> Response:
        assert request.peer is not None
        assert request.peer[0] == "198.51.100.25"
        assert request.local == (E, 8443)
        assert request.basic() is not None
        cookie = ("Set-Cookie", "X-Auth=fresh; Path=/; Secure")
        return Response(status=200, headers=Headers([cookie]), body=b'{"access_token": "tok"}')

    async def scene(lab: Lab) -> None:
        await lab.request(
            "POST",
            f"http://{E}:8443/x?password=pass1",
            headers=[
                ("Authorization", basic_authorization("jdoe", "secret")),
                ("Host", NAME),
                ("Cookie", "X-Auth=stale; J=1"),
                ("TrackingID", "t-1"),
            ],
            body=b"<pin>1234</pin>&password=p&x=y",
            keys=["device:CSFJDOE"],
        )

    request, response = play(scene, handler=handler)
    assert isinstance(request.event, events.HttpRequest)
    assert request.direction == "in"
    assert request.peer == "alice"
    assert request.keys == ("tracking:t-1", "cookie:stale", "user:jdoe")
    secrets = [request.payload[start:end] for start, end in request.secrets]
    assert secrets == [b"pass1", b"amRvZTpzZWNyZXQ=", b"stale", b"1", b"1234", b"p"]
    assert request.payload.startswith(b"POST /x?password=pass1 HTTP/1.1\r\nAuthorization: Basic ")
    assert request.payload.endswith(b"Content-Length: 30\r\n\r\n<pin>1234</pin>&password=p&x=y")
    assert isinstance(response.event, events.HttpResponse)
    assert response.event.target == "/x?password=pass1"
    assert response.keys == ("tracking:t-1", "cookie:stale", "user:jdoe", "device:CSFJDOE", "cookie:fresh")
    assert [response.payload[start:end] for start, end in response.secrets] == [b"fresh", b"tok"]


def test_towards_a_stranger_what_is_sent_is_journalled_too() -> None:
    async def scene(lab: Lab) -> None:
        known = {E: lab.server_host}
        lab.world.peer = lambda host, end: known.get(end[0])  # type: ignore[method-assign]  # the client is a stranger
        await lab.request("GET", f"http://{E}:8443/a")

    journal = play(scene)
    assert [(e.node, e.kind, e.direction) for e in journal][:2] == [
        ("expe", "http.request", "in"),
        ("expe", "http.response", "out"),
    ]
    sent = list(journal)[1]
    assert sent.peer is not None
    assert sent.peer.startswith("198.51.100.25:")
    assert sent.payload.endswith(b"\r\n\r\n/a")


def tls(name: str = NAME) -> tuple[ssl.SSLContext, TrustStore]:
    from edgesim.world import Entropy

    authorities = fixture_authorities(Entropy(1, "http tests"))
    identity = authorities.public.issue(expressway_e(name))
    return server_context(identity), authorities.trust()


def test_tls_with_the_right_name() -> None:
    server, trust = tls()

    async def handler(request: Request) -> Response:
        assert request.secure
        assert request.peer_certificate is None
        return Response(status=204)

    async def scene(lab: Lab) -> None:
        assert (await lab.request("GET", f"https://{NAME}:8443/")).status == 204
        assert (await lab.request("GET", f"https://{NAME}:8443/")).status == 204
        assert len(lab.server.connections) == 1

    play(scene, handler=handler, server_tls=server, client_tls=client_context(trust))


def test_tls_with_another_name_is_told_apart() -> None:
    server, trust = tls("other.example.com")

    async def scene(lab: Lab) -> None:
        with pytest.raises(HttpTlsFailed) as failed:
            await lab.request("GET", f"https://{NAME}:8443/")
        assert isinstance(failed.value.__cause__, ssl.SSLCertVerificationError)
        assert failed.value.kind == "tls"

    play(scene, server_tls=server, client_tls=client_context(trust))


def test_a_client_certificate_reaches_the_handler_and_its_lack_is_a_tls_failure() -> None:
    from edgesim.world import Entropy

    authorities = fixture_authorities(Entropy(1, "http tests"))
    identity = authorities.public.issue(expressway_e(NAME))
    server = server_context(identity, trust=authorities.trust(), require_client=True)
    seen = []

    async def handler(request: Request) -> Response:
        seen.append(request.peer_certificate)
        return Response(status=200)

    async def scene(lab: Lab) -> None:
        await lab.request("GET", f"https://{NAME}:8443/")
        bare = HttpClient(lab.journal.recorder(lab.client_host), ssl=client_context(authorities.trust()))
        with pytest.raises(HttpTlsFailed):
            await bare.request("GET", f"https://{NAME}:8443/", timeout=30)

    play(scene, handler=handler, server_tls=server, client_tls=client_context(authorities.trust(), identity=identity))
    assert seen == [identity.der]


def test_failures_are_told_apart() -> None:
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


def test_a_crash_in_the_middle_is_a_reset() -> None:
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
def test_what_a_broken_server_sends(octets: bytes, kind: type[HttpError]) -> None:
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


def test_octets_that_nobody_asked_for_end_a_kept_connection() -> None:
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


def test_a_reader_that_does_not_read_holds_back_only_itself() -> None:
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
def test_hostile_input_is_answered_closed_journalled_and_bothers_nobody_else(octets: bytes, status: int) -> None:
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


def test_drops_of_octets_do_not_prolong_a_request() -> None:
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


def test_a_client_lets_idle_connections_go() -> None:
    async def scene(lab: Lab) -> None:
        await lab.request("GET", f"http://{E}:8443/")
        assert len(lab.server.connections) == 1
        await asyncio.sleep(121)
        assert not lab.server.connections

    play(scene, limits=HttpLimits(idle=1000))


def test_a_handler_that_fails_gives_a_500_and_a_closed_connection_and_is_told() -> None:
    async def scene(lab: Lab) -> None:
        found = await lab.request("GET", f"http://{E}:8443/fail")
        assert (found.status, found.headers.get("Connection")) == (500, "close")
        assert (await lab.request("GET", f"http://{E}:8443/")).status == 200
        (error,) = lab.world.unhandled
        assert str(error).startswith("http: the handler failed on GET: RuntimeError: as asked: in echo")
        lab.world.unhandled.clear()

    play(scene)


def test_too_many_connections_are_turned_away() -> None:
    async def scene(lab: Lab) -> None:
        _, one = await asyncio.open_connection(E, 8443)
        _, two = await asyncio.open_connection(E, 8443)
        assert await lab.raw(b"GET / HTTP/1.1\r\nHost: e\r\n\r\n") == b""
        one.close()
        two.close()

    play(scene, limits=HttpLimits(connections=2))


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


def test_the_same_seed_gives_the_same_journal() -> None:
    async def scene(lab: Lab) -> None:
        await asyncio.gather(*(lab.request("POST", f"http://{E}:8443/{n}", body=b"x" * n) for n in range(20)))

    def lines() -> list[object]:
        return [(entry.id, entry.at_ns, entry.payload) for entry in play(scene)]

    assert lines() == lines()


class _Tunnel(asyncssh.SSHServer):
    """The far end of a tunnel whose channels end in an `HttpServer`."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server

    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        return self._server.protocol(local=("127.0.0.1", dest_port))


def test_over_an_ssh_channel() -> None:
    key = asyncssh.import_private_key(_KEY)

    async def scene(lab: Lab) -> None:
        await lab.at_server(
            lambda: asyncssh.create_server(lambda: _Tunnel(lab.server), E, 2222, server_host_keys=[key])
        )
        async with asyncssh.connect(E, 2222, known_hosts=None, username="c", client_keys=None, config=None) as conn:

            async def through(factory: Any, host: str, port: int, *, tls: Any, server_name: Any) -> tuple[Any, Any]:
                assert tls is None
                return await conn.create_connection(factory, host, port)

            client = HttpClient(lab.journal.recorder(lab.client_host), connect=through)
            for body in (b"one", b"two" * 50_000):
                found = await client.request("POST", "http://127.0.0.1:8443/x", body=body, timeout=30)
                assert found.body == body
            assert len(lab.server.connections) == 1
            request = lab.of(events.HttpRequest)[0]
            assert (request.node, request.peer) == ("expe", "alice")
            await client.close()

    play(scene)


def test_an_answer_to_a_channel_that_its_peer_has_closed_is_dropped() -> None:
    """While reading is paused a channel does not say that its peer has closed it, and takes no octets any more."""
    key = asyncssh.import_private_key(_KEY)

    async def scene(lab: Lab) -> None:
        await lab.at_server(
            lambda: asyncssh.create_server(lambda: _Tunnel(lab.server), E, 2222, server_host_keys=[key])
        )
        async with asyncssh.connect(E, 2222, known_hosts=None, username="c", client_keys=None, config=None) as conn:
            channel, _ = await conn.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 8443)
            channel.write(b"GET /wait/2 HTTP/1.1\r\nHost: c\r\n\r\n" + b"x" * 200_000)
            await asyncio.sleep(1)
            channel.abort()
            await asyncio.sleep(2)
            assert not lab.server.connections

    assert not [entry for entry in play(scene) if isinstance(entry.event, events.HttpResponse)]


_KEY = asyncssh.generate_private_key("ssh-ed25519").export_private_key()


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("http://a", "a", 80, "/"),
        ("HTTPS://a.b:8443/x//y?z=/%20", "a.b", 8443, "/x//y?z=/%20"),
        ("https://[::1]/?q#frag", "::1", 443, "/?q"),
        ("http://a?q", "a", 80, "/?q"),
    ],
)
def test_urls_are_split_and_not_changed(url: str, host: str, port: int, target: str) -> None:
    found = parse_url(url)
    assert (found.host, found.port, found.target) == (host, port, target)


@pytest.mark.parametrize(
    "url", ["", "a", "ftp://a/", "http://u:p@a/", "http://a:0/", "http://a:99999/", "http://a/ b", "http://a/\r\nX: y"]
)
def test_urls_that_cannot_be_asked_for(url: str) -> None:
    with pytest.raises(ValueError):
        parse_url(url)


PIPELINED = b"GET /%04d HTTP/1.1\r\nHost: e\r\n\r\n"


@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
def test_a_flood_of_pipelined_requests_waits_in_the_sender(secure: bool) -> None:
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


def test_a_connection_that_asks_too_often_waits_and_nobody_else_does() -> None:
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


def test_bodies_that_are_still_coming_are_bounded_in_all() -> None:
    async def scene(lab: Lab) -> None:
        head = b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 100000\r\n\r\n"
        half = [await asyncio.open_connection(E, 8443) for _ in range(4)]
        for _, writer in half:
            writer.write(head + bytes(30_000))
        await asyncio.sleep(1)
        assert 90_000 < lab.server.waiting < 130_000
        refused = [reader for reader, _ in half if lab.server.waiting and reader._buffer]  # type: ignore[attr-defined]
        assert len(refused) == 1
        assert (await refused[0].readuntil(b"\r\n")).startswith(b"HTTP/1.1 503 ")
        small = await lab.request("POST", f"http://{E}:8443/", body=bytes(5_000))
        assert small.status == 200
        for _, writer in half:
            writer.close()
        await asyncio.sleep(1)
        assert lab.server.waiting == 0

    play(scene, limits=HttpLimits(waiting=100_000, modest=10_000))
