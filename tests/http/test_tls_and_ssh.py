"""HTTP over TLS, and in a channel of an SSH connection."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import asyncssh
import pytest

from edgesim.http import (
    HttpClient,
    HttpServer,
    HttpTlsFailed,
    Request,
    Response,
)
from edgesim.journal import events
from edgesim.pki import client_context, expressway_e, fixture_authorities, server_context
from tests.http.lab import NAME, E, Lab, play, tls


def test_a_certificate_for_the_name_that_was_asked_for_is_accepted() -> None:
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


def test_a_certificate_for_another_name_is_a_tls_failure() -> None:
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


_KEY = asyncssh.generate_private_key("ssh-ed25519").export_private_key()


class _Tunnel(asyncssh.SSHServer):
    """The far end of a tunnel whose channels end in an `HttpServer`."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server

    def begin_auth(self, username: str) -> bool:
        return False

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        return self._server.protocol(local=("127.0.0.1", dest_port))


def test_http_runs_in_a_channel_of_ssh() -> None:
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
