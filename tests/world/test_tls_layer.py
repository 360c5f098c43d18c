"""The TLS layer between wire and application: Python's own ``ssl`` is the peer, and the wire does as it is told."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from edgesim.pki import Identity, Policy, Refusal, TrustStore, client_context, server_context, unified_cm
from edgesim.world.tls.engine import PIECE, RECORD, StandardEngine
from edgesim.world.tls.layer import TABLE, UNREAD, UNSENT, On, State, TlsLayer, TlsMisuse
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


@pytest.fixture(params=[False, True], ids=["client", "server"])
def scene(request: pytest.FixtureRequest) -> Scene:
    made = Scene(server=request.param)
    made.shake()
    return made


# ---- the table


def test_what_comes_before_the_wire_is_a_mistake_of_the_caller() -> None:
    scene = Scene(server=True)
    for misuse in (lambda: scene.layer.data_received(b"early"), scene.layer.eof_received, scene.layer.close):
        with pytest.raises(TlsMisuse, match="in state NEW"):
            misuse()
    assert scene.app.reported == []


def test_once_the_wire_is_there_every_event_has_a_row() -> None:
    assert set(TABLE) == {(state, what) for state in State if state is not State.NEW for what in On}


# ---- what goes up and down


def test_octets_pass_in_both_directions(scene: Scene) -> None:
    scene.say(b"question")
    assert scene.app.received == b"question"
    for part in (b"an ", bytearray(b"ans"), memoryview(b"wer")):
        scene.layer.write(part)
    scene.layer.writelines([b" of ", b"many"])
    scene.layer.write(b"")
    assert scene.heard() == b"an answer of many"
    with pytest.raises(TypeError, match="str"):
        scene.layer.write("text")  # type: ignore[arg-type]  # the mistake in question
    assert not scene.wire.ended


def test_a_long_message_is_one_write_on_the_wire(scene: Scene) -> None:
    text = bytes(range(256)) * 1000
    before = scene.wire.writes
    scene.layer.write(text)
    assert scene.wire.writes == before + 1
    assert scene.heard() == text


def test_what_the_application_says_at_once_goes_with_the_end_of_the_handshake() -> None:
    scene = Scene(server=False)
    scene.app.at_start = lambda: scene.layer.write(b"first")
    scene.begin()
    scene.carry()
    assert scene.wire.writes == 2  # the hello, and then all the rest
    assert scene.peer.handshake() is False
    scene.peer.feed(bytes(scene.wire.out))
    scene.wire.out.clear()
    assert scene.peer.handshake()
    assert scene.peer.decrypt() == b"first"


def test_a_protocol_with_a_buffer_of_its_own_is_served() -> None:
    class Small(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.transport: Any = None
            self.space = bytearray(10)
            self.received = bytearray()

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.space

        def buffer_updated(self, nbytes: int) -> None:
            self.received += self.space[:nbytes]

    scene = Scene(server=True, app=Small())
    scene.shake()
    scene.say(b"more than ten octets")
    assert scene.app.received == b"more than ten octets"


def test_what_is_known_of_the_peer(scene: Scene) -> None:
    layer, known = scene.layer, scene.layer.get_extra_info("ssl_object")
    assert known.version() == scene.peer.ssl_object.version() == "TLSv1.3"
    assert layer.get_extra_info("cipher") == scene.peer.ssl_object.cipher()
    assert known.get_channel_binding() == scene.peer.ssl_object.get_channel_binding()
    assert layer.get_extra_info("sslcontext") is scene.layer.engine.context
    assert layer.get_extra_info("peername") == ("192.0.2.1", 5061)
    assert layer.get_extra_info("nothing", "else") == "else"
    layer.connection_lost(None)
    assert layer.get_extra_info("ssl_object") is known
    assert layer.get_extra_info("peername") is None


def test_before_the_handshake_nothing_is_known() -> None:
    scene = Scene(server=False)
    scene.begin()
    assert scene.layer.get_extra_info("ssl_object") is None
    assert scene.layer.get_extra_info("cipher", "none") == "none"


# ---- a peer that does not read


def test_a_full_wire_makes_the_application_pause_and_nothing_is_lost(scene: Scene) -> None:
    scene.layer.set_write_buffer_limits(high=40_000)
    assert scene.layer.get_write_buffer_limits() == (10_000, 40_000)
    scene.layer.write(b"a" * 1000)
    scene.layer.pause_writing()
    reported = []
    for _ in range(6):
        scene.layer.write(b"b" * 10_000)
        reported.append(list(scene.app.reported))
    assert reported == [[], [], [], ["pause"], ["pause"], ["pause"]]
    assert 60_000 < scene.layer.get_write_buffer_size() < 61_000
    assert scene.heard() == b"a" * 1000
    scene.layer.resume_writing()
    assert scene.app.reported == ["pause", "resume"]
    assert scene.layer.get_write_buffer_size() == 0
    assert scene.heard() == b"b" * 60_000


def test_a_wire_that_is_full_again_at_once_is_no_reason_not_to_go_on(scene: Scene) -> None:
    """As with asyncio's own: what waits here is what counts, the wire counts for itself."""
    scene.layer.pause_writing()
    scene.layer.write(bytes(UNSENT + 1))
    assert scene.app.reported == ["pause"]
    write = scene.wire.write

    def full(data: bytes) -> None:
        write(data)
        scene.layer.pause_writing()

    scene.wire.write = full  # type: ignore[method-assign]  # a wire whose buffer is small
    scene.layer.resume_writing()
    scene.layer.write(b"more")
    assert scene.app.reported == ["pause", "resume"]
    assert 0 < scene.layer.get_write_buffer_size() < 100
    scene.layer.resume_writing()
    assert scene.heard() == bytes(UNSENT + 1) + b"more"


def test_limits_are_those_that_asyncio_describes(scene: Scene) -> None:
    for given, limits in (
        ({}, (UNSENT // 4, UNSENT)),
        ({"high": 100}, (25, 100)),
        ({"low": 100}, (100, 400)),
        ({"high": 0}, (0, 0)),
        ({"high": 100, "low": 7}, (7, 100)),
    ):
        scene.layer.set_write_buffer_limits(**given)
        assert scene.layer.get_write_buffer_limits() == limits
    with pytest.raises(ValueError, match="must be >= low"):
        scene.layer.set_write_buffer_limits(high=1, low=2)


def test_lower_limits_count_at_once(scene: Scene) -> None:
    scene.layer.pause_writing()
    scene.layer.write(bytes(5000))
    scene.layer.set_write_buffer_limits(high=1000)
    assert scene.app.reported == ["pause"]
    scene.layer.set_write_buffer_limits(high=100_000)
    assert scene.app.reported == ["pause", "resume"]


# ---- an application that does not read


def test_who_pauses_gets_no_more_than_one_piece(scene: Scene) -> None:
    scene.app.at_data = scene.layer.pause_reading
    scene.say(bytes(4 * PIECE))
    assert PIECE <= len(scene.app.received) < PIECE + RECORD
    assert not scene.layer.is_reading()
    for _ in range(4):
        scene.layer.resume_reading()
        scene.loop.run()
    assert len(scene.app.received) == 4 * PIECE


def test_the_wire_pauses_once_too_much_waits_and_goes_on_when_it_is_read(scene: Scene) -> None:
    scene.layer.pause_reading()
    waiting = 0
    while scene.wire.reading:
        assert waiting < UNREAD
        scene.say(bytes(10_000))
        waiting += 10_000
    assert waiting > UNREAD - 20_000
    assert scene.app.received == b""
    scene.layer.resume_reading()
    scene.loop.run()
    assert scene.wire.reading
    assert len(scene.app.received) == waiting


def test_the_end_of_the_connection_waits_for_an_application_that_has_paused(scene: Scene) -> None:
    scene.layer.pause_reading()
    scene.say(b"the last words")
    assert scene.layer.eof_received() is True, "the connection stays"
    assert (scene.app.reported, scene.wire.ended) == ([], "")
    scene.layer.resume_reading()
    scene.loop.run()
    assert scene.app.received == b"the last words"
    assert (scene.app.reported, scene.wire.ended) == (["eof"], "closed")


def test_who_has_paused_may_close_after_the_end(scene: Scene) -> None:
    scene.layer.pause_reading()
    scene.say(b"never read")
    scene.layer.eof_received()
    scene.layer.close()
    scene.loop.run()
    assert (scene.app.received, scene.wire.ended) == (b"", "closed")


# ---- ends


def test_closing_is_mutual_and_begins_here(scene: Scene) -> None:
    scene.layer.write(b"goodbye")
    scene.layer.close()
    assert scene.layer.is_closing()
    assert scene.wire.ended == ""
    assert scene.heard() == b"goodbye"
    assert scene.peer.peer_closed
    assert scene.peer.close()
    scene.carry()
    scene.loop.run()
    assert (scene.app.reported, scene.wire.ended) == (["eof"], "closed")
    assert all(timer.cancelled for timer in scene.loop.timers)
    scene.layer.connection_lost(None)
    scene.loop.run()
    assert scene.app.reported == ["eof", ("lost", None)]


def test_closing_is_mutual_and_begins_there(scene: Scene) -> None:
    scene.peer.encrypt(b"goodbye")
    assert not scene.peer.close()
    scene.layer.data_received(scene.peer.outgoing())
    scene.loop.run()
    assert (scene.app.received, scene.app.reported, scene.wire.ended) == (b"goodbye", ["eof"], "closed")
    scene.peer.feed(bytes(scene.wire.out))
    assert scene.peer.close(), "our close_notify went before the connection"


def test_what_waits_for_a_full_wire_goes_before_the_connection_closes(scene: Scene) -> None:
    scene.layer.pause_writing()
    scene.layer.write(b"late")
    scene.layer.close()
    assert scene.wire.out == b""
    scene.layer.resume_writing()
    assert scene.heard() == b"late"
    assert scene.peer.peer_closed


def test_nothing_is_sent_after_the_close_notify(scene: Scene) -> None:
    scene.layer.close()
    scene.layer.write(b"too late")
    scene.layer.close()
    assert scene.heard() == b""


def test_data_that_crosses_our_close_notify_resets_the_connection(scene: Scene) -> None:
    scene.layer.close()
    scene.say(b"have you heard?")
    assert scene.wire.ended == "aborted"
    assert scene.loop.reported == [None], "it is no matter of the handshake"
    scene.layer.connection_lost(None)
    scene.loop.run()
    ((_, error),) = scene.app.reported
    assert isinstance(error, ssl.SSLError)


def test_a_peer_that_never_closes_is_dropped(scene: Scene) -> None:
    scene.layer.close()
    (timer,) = [timer for timer in scene.loop.timers if not timer.cancelled]
    assert timer.delay == 3.0
    scene.loop.pass_time()
    assert scene.wire.ended == "aborted"
    scene.layer.connection_lost(None)
    scene.loop.run()
    ((_, error),) = scene.app.reported
    assert isinstance(error, TimeoutError)


def test_an_end_of_tcp_ends_tls(scene: Scene) -> None:
    assert not scene.layer.eof_received()
    scene.loop.run()
    assert (scene.app.reported, scene.wire.ended) == (["eof"], "closed")


def test_an_abort_takes_no_time(scene: Scene) -> None:
    scene.layer.write(b"said")
    scene.layer.abort()
    assert (scene.wire.ended, scene.layer.is_closing()) == ("aborted", True)
    scene.layer.write(b"unsaid")
    scene.say(b"unheard")
    scene.layer.connection_lost(None)
    scene.loop.run()
    assert (scene.heard(), scene.app.received, scene.app.reported) == (b"said", b"", [("lost", None)])


def test_who_closes_while_reading_gets_the_rest_and_then_the_end(scene: Scene) -> None:
    scene.app.at_data = scene.layer.close
    scene.say(bytes(3 * PIECE))
    assert len(scene.app.received) == 3 * PIECE
    assert scene.heard() == b""
    assert scene.peer.peer_closed
    assert scene.wire.ended == ""


def test_a_mistake_of_the_application_ends_its_connection_and_is_told(scene: Scene) -> None:
    def breaks() -> None:
        raise LookupError("no such state")

    scene.app.at_data = breaks
    scene.say(b"hello")
    assert scene.wire.ended == "aborted"
    assert [str(each["exception"]) for each in scene.loop.errors] == ["no such state"]


def test_a_record_that_was_changed_on_the_way_is_told_and_answered_with_an_alert(scene: Scene) -> None:
    scene.peer.encrypt(b"hello")
    data = bytearray(scene.peer.outgoing())
    data[-1] ^= 1
    scene.layer.data_received(bytes(data))
    assert isinstance(scene.loop.reported[-1], ssl.SSLError)
    assert scene.wire.ended == "aborted"
    with pytest.raises(ssl.SSLError, match="bad record mac"):
        scene.heard()


# ---- handshakes that fail


@either_side
def test_a_handshake_has_its_time(server: bool) -> None:
    scene = Scene(server=server)
    scene.begin()
    assert [timer.delay for timer in scene.loop.timers] == [7.0]
    scene.loop.pass_time()
    scene.layer.connection_lost(None)
    scene.loop.run()
    assert scene.wire.ended == "aborted"
    assert [str(error) for error in scene.loop.reported] == ["no end of the TLS handshake within 7.0 s"]
    assert scene.app.reported == [], "it never knew of the connection"


@either_side
def test_a_connection_may_end_during_the_handshake(server: bool) -> None:
    for ends in (lambda layer: layer.eof_received(), lambda layer: layer.connection_lost(None)):
        scene = Scene(server=server)
        scene.begin()
        ends(scene.layer)
        scene.loop.run()
        ((error),) = scene.loop.reported
        assert isinstance(error, ConnectionResetError)
        assert all(timer.cancelled for timer in scene.loop.timers)
        assert scene.app.reported == []


def test_a_refusal_goes_out_as_an_alert_before_the_connection_closes() -> None:
    refuse = Policy(check=lambda *_: Refusal(10, "we do not like it"))
    scene = Scene(server=False, policy=refuse)
    scene.begin()
    scene.carry()
    (error,) = scene.loop.reported
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert scene.wire.ended == "closed"
    scene.peer.feed(bytes(scene.wire.out))
    with pytest.raises(ssl.SSLError, match="certificate expired"):
        scene.peer.handshake()


def test_a_judge_that_breaks_is_a_mistake_in_the_program() -> None:
    def check(*_: Any) -> Refusal | None:
        raise LookupError("no such setting")

    scene = Scene(server=False, policy=Policy(check=check))
    scene.begin()
    scene.carry()
    assert scene.wire.ended == "closed"
    assert [str(each["exception"]) for each in scene.loop.errors] == ["no such setting"]


# ---- what it costs


def test_an_idle_connection_keeps_no_buffers() -> None:
    """asyncio's own keeps 256 KiB; OpenSSL's part is not counted here."""
    kept = [_idle() for _ in range(3)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept += [_idle() for _ in range(20)]
        each = (tracemalloc.get_traced_memory()[0] - before) / 20
    finally:
        tracemalloc.stop()
    assert each < 4096


IDENTITY = authorities().enterprise.issue(unified_cm(NAME))
IDLE_LOOP = Loop()


def _idle() -> TlsLayer:
    one, other = (
        IDLE_LOOP._tls(App(), context, None, server_side=server, name=None if server else NAME)
        for context, server in ((client_context(TRUST), False), (server_context(IDENTITY), True))
    )
    ends = [(one, Wire()), (other, Wire())]
    for layer, wire in reversed(ends):
        layer.connection_made(wire)
    for _ in range(3):
        for (_, wire), (layer, _) in (ends, ends[::-1]):
            data = bytes(wire.out)
            wire.out.clear()
            if data:
                layer.data_received(data)
    other.connection_lost(None)
    IDLE_LOOP.soon.clear()
    IDLE_LOOP.timers.clear()
    IDLE_LOOP.reported.clear()
    assert one._app.transport is one
    return one
