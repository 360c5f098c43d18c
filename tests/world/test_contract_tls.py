"""One contract for both worlds: TLS, by contexts of ours and of Python's own."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from edgesim.world import Host, World
from edgesim.world.events import TlsEstablished, TlsFailed
from tests.world.connections import Talk, connect, until
from tests.world.worlds import FAR, NEAR, authorities, both, play, tls_pair


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
def test_a_context_of_pythons_ssl_is_accepted(kind: str) -> None:
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


def test_tls_may_run_over_a_socket_of_the_caller_in_the_live_world() -> None:
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
def test_tls_cannot_begin_on_a_connection_that_has_ended(kind: str, when: str) -> None:
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
