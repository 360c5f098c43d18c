"""One contract for both worlds: TCP, TLS and UDP behave the same for whoever uses asyncio's interface."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any

import pytest

from edgesim.world import Host, HostState, Interface, World, here
from edgesim.world.events import ConnectionClosed, ConnectionOpened, TlsEstablished, TlsFailed
from edgesim.world.lifecycle import HostLifecycle
from edgesim.world.topology import outward_only
from tests.simrun import idle
from tests.world.worlds import FAR, NEAR, OUTSIDE, authorities, both, play, tls_pair

layered = pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])


class Talk(asyncio.Protocol):
    """Keeps what a connection tells it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.transport: Any = None
        self.eof = False
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self.paused = 0
        self.host: Host | None = None
        self.keep_open = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.host = here()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.eof = True
        return self.keep_open

    def pause_writing(self) -> None:
        self.paused += 1

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self.lost.done():
            self.lost.set_result(exc)


async def until(holds: Any) -> None:
    """Wait for a condition, at most ten seconds of lab time."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the conditions are about both worlds' sockets, which set no event
            await asyncio.sleep(0.002)


async def connect(
    near: Host, far: Host, secure: bool = False, port: int = 4000, contexts: Any = (None, None)
) -> tuple[Talk, Talk, Any]:
    """Return both ends of a connection from near to far, and the listening server."""
    accepted: list[Talk] = []
    contexts = tls_pair() if secure else contexts

    def accept() -> Talk:
        accepted.append(Talk())
        return accepted[-1]

    async def listen() -> Any:
        return await asyncio.get_running_loop().create_server(accept, FAR, port, ssl=contexts[0])

    async def dial() -> Talk:
        options: dict[str, Any] = {"ssl": contexts[1], "server_hostname": "far.example.com"} if contexts[1] else {}
        _, protocol = await asyncio.get_running_loop().create_connection(Talk, FAR, port, **options)
        return protocol

    server = await far.run(listen())
    client = await near.run(dial())
    await until(lambda: accepted and accepted[0].transport is not None)
    return client, accepted[0], server


@both
@layered
def test_bytes_arrive_in_order_in_both_directions(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        for number in range(200):
            client.transport.write(b"%d," % number)
            server.transport.write(b"%d;" % number)
        await until(lambda: server.received.endswith(b"199,") and client.received.endswith(b"199;"))
        assert server.received == b"".join(b"%d," % number for number in range(200))
        assert client.received == b"".join(b"%d;" % number for number in range(200))
        client.transport.close()
        assert await server.lost is None

    play(kind, story)


@both
@layered
def test_a_long_message_arrives_whole(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        text = bytes(range(256)) * 8192
        client.transport.write(text)
        await until(lambda: len(server.received) == len(text))
        assert server.received == text
        client.transport.close()
        await server.lost

    play(kind, story)


@both
@layered
def test_the_source_address_and_the_running_host_are_those_of_each_side(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        assert client.transport.get_extra_info("peername")[:2] == (FAR, 4000)
        assert server.transport.get_extra_info("peername")[0] == NEAR
        assert client.transport.get_extra_info("sockname")[0] == NEAR
        assert (client.host, server.host) == (near, far)
        client.transport.close()
        await server.lost

    play(kind, story)


@both
def test_half_close_lets_the_other_side_answer(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)
        server.keep_open = True
        client.transport.write(b"question")
        client.transport.write_eof()
        await until(lambda: server.eof)
        assert server.received == b"question"
        server.transport.write(b"answer")
        server.transport.close()
        await client.lost
        assert client.received == b"answer"

    play(kind, story)


@both
@layered
def test_an_abort_is_seen_as_the_end_of_the_connection(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        client.transport.abort()
        assert await client.lost is None
        await asyncio.wait_for(server.lost, 10)

    play(kind, story)


@both
@layered
def test_who_closes_twice_can_still_ask_and_abort(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        server.transport.pause_reading()
        client.transport.write(bytes(16 * 1024 * 1024))
        for _ in range(3):
            client.transport.close()
        assert client.transport.is_closing()
        assert client.transport.get_write_buffer_size() > 0
        client.transport.abort()
        await asyncio.wait_for(client.lost, 10)
        server.transport.resume_reading()
        await asyncio.wait_for(server.lost, 10)

    play(kind, story)


@both
def test_what_is_written_to_a_connection_that_is_over_is_no_news(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure=True)
        client.transport.abort()
        await asyncio.wait_for(server.lost, 10)
        for _ in range(20):
            server.transport.write(b"x")
            client.transport.write(b"x")
        assert client.transport.get_write_buffer_size() == server.transport.get_write_buffer_size() == 0

    play(kind, story)
    assert caplog.records == []


@both
@layered
def test_a_reader_that_pauses_makes_the_writer_pause(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far, secure)
        server.transport.pause_reading()
        await asyncio.sleep(0.01)
        text = bytes(16 * 1024 * 1024)
        for start in range(0, len(text), 1 << 20):
            client.transport.write(text[start : start + (1 << 20)])
            await asyncio.sleep(0)
        assert client.paused == 1
        await asyncio.sleep(0.05)
        assert len(server.received) < len(text)
        server.transport.resume_reading()
        await until(lambda: len(server.received) == len(text))
        client.transport.close()
        await server.lost

    play(kind, story)


@both
def test_a_port_without_a_listener_refuses(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        async def dial() -> None:
            await asyncio.open_connection(FAR, 4001)

        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())

    play(kind, story)


@both
def test_a_closed_listener_refuses_and_its_connections_go_on(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, listener = await connect(near, far)
        listener.close()
        await asyncio.sleep(0.05)

        async def dial() -> None:
            await asyncio.open_connection(FAR, 4000)

        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())
        client.transport.write(b"still here")
        await until(lambda: server.received == b"still here")
        client.transport.close()
        await server.lost

    play(kind, story)


@both
def test_a_port_cannot_be_had_twice(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        await connect(near, far)

        async def again() -> None:
            await asyncio.get_running_loop().create_server(Talk, FAR, 4000)

        with pytest.raises(OSError) as caught:
            await far.run(again())
        assert caught.value.errno == errno.EADDRINUSE

    play(kind, story)


@both
def test_an_untrusted_certificate_ends_in_an_alert_that_both_sides_report(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> list[Any]:
        reported: list[Any] = []
        world.observe(reported.append)
        server_side, client_side = tls_pair(trusted=False)

        async def listen() -> None:
            await asyncio.get_running_loop().create_server(Talk, FAR, 4000, ssl=server_side)

        async def dial() -> None:
            await asyncio.open_connection(FAR, 4000, ssl=client_side, server_hostname="far.example.com")

        await far.run(listen())
        with pytest.raises(ssl.SSLCertVerificationError):
            await near.run(dial())
        await until(lambda: sum(isinstance(event, TlsFailed) for event in reported) == 2)
        return [event for event in reported if isinstance(event, TlsFailed)]

    failures = {event.role: event for event in play(kind, story)}
    assert "certificate verify failed" in failures["client"].reason
    assert failures["server"].alert == "unknown ca"


@both
def test_a_wrong_name_is_refused(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        server_side, client_side = tls_pair()

        async def listen() -> None:
            await asyncio.get_running_loop().create_server(Talk, FAR, 4000, ssl=server_side)

        async def dial() -> None:
            await asyncio.open_connection(FAR, 4000, ssl=client_side, server_hostname="other.example.com")

        await far.run(listen())
        with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example\.com"):
            await near.run(dial())

    play(kind, story)


@both
def test_a_context_of_pythons_own_is_taken_too(kind: str) -> None:
    """As aiohttp and others bring along; who runs the host need not know whose context it is."""

    async def story(world: World, near: Host, far: Host) -> None:
        reported: list[Any] = []
        world.observe(reported.append)
        client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client_side.load_verify_locations(cadata=authorities().trust().der())
        client, server, _ = await connect(near, far, contexts=(tls_pair()[0], client_side))
        text = bytes(1 << 20)
        client.transport.write(text)
        server.transport.write(b"an answer")
        await until(lambda: len(server.received) == len(text) and client.received == b"an answer")
        assert client.transport.get_extra_info("peercert")["subjectAltName"] == (("DNS", "far.example.com"),)
        client.transport.close()
        assert await server.lost is None
        assert await client.lost is None
        assert sorted(each.role for each in reported if isinstance(each, TlsEstablished)) == ["client", "server"]

    play(kind, story)


def test_a_socket_of_ones_own_may_have_tls_in_the_live_world() -> None:
    """As aiohttp opens connections: it connects a socket, and asks for TLS over it."""

    async def story(world: World, near: Host, far: Host) -> None:
        client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client_side.load_verify_locations(cadata=authorities().trust().der())

        async def dial() -> Any:
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((NEAR, 0))
            await asyncio.get_running_loop().sock_connect(sock, (FAR, 4000))
            return await asyncio.open_connection(sock=sock, ssl=client_side, server_hostname="far.example.com")

        async def listen() -> Any:
            return await asyncio.get_running_loop().create_server(Talk, FAR, 4000, ssl=tls_pair()[0])

        await far.run(listen())
        _, writer = await near.run(dial())
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.close()
        await writer.wait_closed()

    play("live", story)


@both
def test_tls_can_begin_in_the_middle_of_a_connection(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        server_side, client_side = tls_pair()
        seen: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await reader.readline())
            writer.write(b"proceed\n")
            await writer.drain()
            await writer.start_tls(server_side)
            seen.append(await reader.readline())
            writer.write(b"encrypted answer\n")
            await writer.drain()
            writer.close()

        async def listen() -> None:
            await asyncio.start_server(serve, FAR, 4000)

        async def dial() -> bytes:
            reader, writer = await asyncio.open_connection(FAR, 4000)
            writer.write(b"starttls\n")
            assert await reader.readline() == b"proceed\n"
            await writer.start_tls(client_side, server_hostname="far.example.com")
            writer.write(b"encrypted question\n")
            answer = await reader.readline()
            writer.close()
            return answer

        await far.run(listen())
        answer = await near.run(dial())
        assert seen == [b"starttls\n", b"encrypted question\n"]
        return answer

    assert play(kind, story) == b"encrypted answer\n"


@both
@pytest.mark.parametrize("when", ["before", "at once"])
def test_tls_does_not_begin_on_a_connection_that_is_over(kind: str, when: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)

        async def begin() -> None:
            if when == "before":
                client.transport.close()
            else:
                asyncio.get_running_loop().call_soon(client.transport.abort)
            async with asyncio.timeout(5):
                await asyncio.get_running_loop().start_tls(client.transport, client, tls_pair()[1], server_hostname="x")

        with pytest.raises(ConnectionError):
            await near.run(begin())
        await server.lost
        await until(lambda: not [row for row in world.sockets() if row.state != "LISTEN"])

    play(kind, story)


@both
@layered
def test_the_world_tells_of_every_connection(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> list[Any]:
        reported: list[Any] = []
        world.observe(reported.append)
        client, server, _ = await connect(near, far, secure)
        client.transport.close()
        await server.lost
        await until(lambda: sum(isinstance(event, ConnectionClosed) for event in reported) == 2)
        return reported

    reported = play(kind, story)
    opened = [event for event in reported if isinstance(event, ConnectionOpened)]
    assert [(event.host, event.remote) for event in opened] == [("near", (FAR, 4000))]
    assert sorted(event.host for event in reported if isinstance(event, ConnectionClosed)) == ["far", "near"]
    handshakes = {event.role: event for event in reported if isinstance(event, TlsEstablished)}
    assert set(handshakes) == ({"client", "server"} if secure else set())
    if secure:
        assert handshakes["client"].peer_names == ("far.example.com",)


@both
def test_datagrams_reach_who_is_bound(kind: str) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(b"echo " + data, addr)

    class Keep(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.got: list[tuple[bytes, str]] = []

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.got.append((data, addr[0]))

    async def story(world: World, near: Host, far: Host) -> list[tuple[bytes, str]]:
        loop = asyncio.get_running_loop()

        async def listen() -> Any:
            return (await loop.create_datagram_endpoint(Echo, local_addr=(FAR, 4000)))[0]

        async def ask() -> Keep:
            transport, protocol = await loop.create_datagram_endpoint(Keep, remote_addr=(FAR, 4000))
            assert transport.get_extra_info("sockname")[0] == NEAR
            transport.sendto(b"one")
            transport.sendto(b"two")
            await until(lambda: len(protocol.got) == 2)
            transport.close()
            return protocol

        server = await far.run(listen())
        protocol = await near.run(ask())
        server.close()
        await asyncio.sleep(0.01)
        assert world.sockets() == []
        return protocol.got

    assert play(kind, story) == [(b"echo one", FAR), (b"echo two", FAR)]


@both
def test_only_answers_come_inward_through_a_firewall(kind: str) -> None:
    """An unconnected socket inside gets what answers its datagram, from there alone; others meet the firewall."""

    class Keep(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.got: list[bytes] = []
            self.heard = asyncio.Event()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.got.append(data)
            self.heard.set()

    async def story(world: World, near: Host, far: Host) -> None:
        world.paths.install(outward_only(("dmz", "inside")))
        outside = world.add_host("outside", [Interface(name="lan1", address=OUTSIDE, zone="dmz")], idle)
        await world.start("outside")
        loop = asyncio.get_running_loop()

        async def bind(address: str, port: int) -> Keep:
            made: Keep = (await loop.create_datagram_endpoint(Keep, local_addr=(address, port)))[1]
            return made

        inner, asked = await near.run(bind(NEAR, 4000)), await outside.run(bind(OUTSIDE, 4000))
        other = await outside.run(bind(OUTSIDE, 4001))
        asked.transport.sendto(b"too early", (NEAR, 4000))
        inner.transport.sendto(b"question", (OUTSIDE, 4000))
        async with asyncio.timeout(5):
            await asked.heard.wait()
        other.transport.sendto(b"from another port", (NEAR, 4000))
        asked.transport.sendto(b"answer", (NEAR, 4000))
        async with asyncio.timeout(5):
            await inner.heard.wait()
        await asyncio.sleep(0.1)
        assert inner.got == [b"answer"]
        for each in (inner, asked, other):
            each.transport.close()

    play(kind, story)


@both
def test_a_datagram_to_nobody_is_reported_to_a_connected_socket(kind: str) -> None:
    class Hear(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.error: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

        def error_received(self, exc: Exception) -> None:
            if not self.error.done():
                self.error.set_result(exc)

    async def story(world: World, near: Host, far: Host) -> Exception:
        async def ask() -> Exception:
            transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                Hear, remote_addr=(FAR, 4009)
            )
            transport.sendto(b"anybody?")
            try:
                return await asyncio.wait_for(protocol.error, 10)
            finally:
                transport.close()

        return await near.run(ask())

    assert isinstance(play(kind, story), ConnectionRefusedError)


@both
@layered
def test_a_crash_ends_connections_and_tasks_and_a_restart_listens_again(kind: str, secure: bool) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, _, _ = await connect(near, far, secure)
        ended: list[str] = []

        async def forever() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append("unwound")

        far.spawn(forever(), name="forever")
        await asyncio.sleep(0.01)
        await world.crash("far")
        await asyncio.wait_for(client.lost, 10)
        assert ended == ["unwound"]
        assert not [row for row in world.sockets("far") if row.state != "CLOSING"]

        async def dial() -> None:
            await asyncio.open_connection(FAR, 4000)

        with pytest.raises(ConnectionRefusedError):
            await near.run(dial())
        await world.start("far")
        assert far.incarnation == 2
        again, _, _ = await connect(near, far, secure)
        again.transport.close()
        await asyncio.wait_for(again.lost, 10)

    play(kind, story)


@both
def test_a_host_starts_once_and_a_state_that_cannot_follow_is_refused(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        with pytest.raises(RuntimeError, match="far is up already"):
            await world.start("far")
        await world.crash("far")
        await world.crash("far")  # there is nothing left to end
        assert far.state is HostState.CRASHED
        assert isinstance(world, HostLifecycle)
        for state in (HostState.UP, HostState.FROZEN, HostState.STOPPED, HostState.OFF):
            with pytest.raises(RuntimeError, match=f"far is crashed: it cannot become {state.value}"):
                world._enter(far, state)
        assert far.state is HostState.CRASHED

    play(kind, story)


@both
def test_names_are_resolved_by_the_running_host(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> bytes:
        async def lookup(name: str) -> list[str]:
            return [FAR] if name == "far.example.com" else []

        near.lookup = lookup

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"found")
            writer.close()

        async def listen() -> None:
            await asyncio.start_server(serve, FAR, 4000)

        async def dial() -> bytes:
            reader, writer = await asyncio.open_connection("far.example.com", 4000)
            answer = await reader.read()
            writer.close()
            with pytest.raises(OSError, match="not known"):
                await asyncio.open_connection("nowhere.example.com", 4000)
            return answer

        await far.run(listen())
        return await near.run(dial())

    assert play(kind, story) == b"found"


@both
def test_a_partition_keeps_new_connections_out(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        client, server, _ = await connect(near, far)

        async def dial() -> None:
            async with asyncio.timeout(0.3):
                await asyncio.open_connection(FAR, 4000)

        with world.paths.partitioned("near", "far"), pytest.raises(TimeoutError):
            await near.run(dial())
        async with asyncio.timeout(10):
            reader = await near.run(_opened())
        reader.close()
        client.transport.close()
        await server.lost

    async def _opened() -> Any:
        _, writer = await asyncio.open_connection(FAR, 4000)
        return writer

    play(kind, story)
