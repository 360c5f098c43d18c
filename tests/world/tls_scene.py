"""A TLS layer between an application and a wire that do as they are told; the peer is Python's own ``ssl``."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from edgesim.pki import Identity, Policy, TrustStore, client_context, server_context, unified_cm
from edgesim.world.tls.engine import StandardEngine
from edgesim.world.tls.layer import TlsLayer
from edgesim.world.tls.loop import TlsLoop
from tests.world.worlds import authorities

NAME = "far.example.com"
TRUST = TrustStore.of("all", *authorities().enterprise.full_chain)


class Timer:
    """A call that is due later, or never."""

    def __init__(self, delay: float, call: Callable[[], None]) -> None:
        self.delay, self.call = delay, call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop(TlsLoop):
    """What a layer needs of an event loop; nothing happens before it is asked for."""

    def __init__(self) -> None:
        self.soon: list[tuple[Any, ...]] = []
        self.timers: list[Timer] = []
        self.errors: list[dict[str, Any]] = []
        self.reported: list[BaseException | None] = []
        self.tls_observer = lambda _tls, error: self.reported.append(error)
        self.tls_tap = lambda _tls, data: data

    def call_soon(self, call: Any, *arguments: Any) -> None:
        self.soon.append((call, *arguments))

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(delay, call))
        return self.timers[-1]

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def run(self) -> None:
        while self.soon:
            call, *arguments = self.soon.pop(0)
            call(*arguments)

    def pass_time(self) -> None:
        """Let every timer fire that was not cancelled."""
        for timer in self.timers:
            if not timer.cancelled:
                timer.call()


class Wire:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.writes = 0
        self.reading = True
        self.ended = ""

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.out += data
        self.writes += 1

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("192.0.2.1", 5061)}.get(name, default)


class App(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = bytearray()
        self.reported: list[Any] = []
        self.at_data: Callable[[], None] = lambda: None
        self.at_start: Callable[[], None] = lambda: None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.at_start()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.at_data()

    def eof_received(self) -> None:
        self.reported.append("eof")

    def pause_writing(self) -> None:
        self.reported.append("pause")

    def resume_writing(self) -> None:
        self.reported.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.reported.append(("lost", exc))


class Scene:
    """A layer with its application above and its wire below, and the peer at the wire's other end."""

    def __init__(self, *, server: bool, app: Any = None, policy: Policy | None = None, peer: Any = None) -> None:
        self.loop, self.wire = Loop(), Wire()
        self.app = app if app is not None else App()
        identity = authorities().enterprise.issue(unified_cm(NAME))
        policy = policy or Policy()
        context: Any = server_context(identity, policy=policy) if server else client_context(TRUST, policy=policy)
        self.layer: TlsLayer = self.loop._tls(
            self.app, context, None, server_side=server, name=None if server else NAME,
            handshake_timeout=7.0, shutdown_timeout=3.0,
        )  # fmt: skip
        self.peer = peer or StandardEngine(
            _stock_client() if server else _stock_server(identity),
            server_side=not server,
            server_hostname=NAME if server else None,
        )

    def begin(self) -> None:
        """TCP is up, and nothing has been said."""
        self.layer.connection_made(self.wire)

    def carry(self) -> None:
        """Bring the peer what was written, and the layer the peer's answer in one piece."""
        if self.wire.out:
            self.peer.feed(bytes(self.wire.out))
            self.wire.out.clear()
        self.peer.handshake()
        if data := self.peer.outgoing():
            self.layer.data_received(data)

    def shake(self) -> None:
        """Come to the end of the handshake."""
        self.begin()
        for _ in range(4):
            self.carry()
        assert self.app.transport is self.layer
        assert self.loop.reported == [None]

    def say(self, data: bytes) -> None:
        """The peer says something, and it arrives."""
        self.peer.encrypt(data)
        self.layer.data_received(self.peer.outgoing())

    def heard(self) -> bytes:
        """Return everything that the peer reads of what was written until now."""
        self.peer.feed(bytes(self.wire.out))
        self.wire.out.clear()
        parts = []
        while part := self.peer.decrypt():
            parts.append(part)
        return b"".join(parts)


def _stock_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=TRUST.der())
    return context


def _stock_server(identity: Identity) -> ssl.SSLContext:
    import tempfile

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(identity.key_pem() + identity.pem())
        file.flush()
        context.load_cert_chain(file.name)
    return context


either_side = pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
