"""The TLS layer between wire and application: octets both ways, and peers and applications that do not read."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from edgesim.pki import client_context, server_context, unified_cm
from edgesim.world.tls.engine import PIECE, RECORD
from edgesim.world.tls.layer import TABLE, UNREAD, UNSENT, On, State, TlsLayer, TlsMisuse
from tests.world.tls_scene import NAME, TRUST, App, Loop, Scene, Wire
from tests.world.worlds import authorities

# ---- the table


def test_use_before_the_connection_is_made_raises() -> None:
    scene = Scene(server=True)
    for misuse in (lambda: scene.layer.data_received(b"early"), scene.layer.eof_received, scene.layer.close):
        with pytest.raises(TlsMisuse, match="in state NEW"):
            misuse()
    assert scene.app.reported == []


def test_the_table_has_a_row_indefinitelyy_event_after_the_start() -> None:
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
        scene.layer.write("text")
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


def test_a_buffered_protocol_is_served() -> None:
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


def test_before_the_handshake_nothing_is_known_of_the_peer() -> None:
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


def test_writing_goes_on_although_the_wire_is_full_again_at_once(scene: Scene) -> None:
    """As with asyncio's own: what waits here is what counts, the wire counts for itself."""
    scene.layer.pause_writing()
    scene.layer.write(bytes(UNSENT + 1))
    assert scene.app.reported == ["pause"]
    write = scene.wire.write

    def full(data: bytes) -> None:
        write(data)
        scene.layer.pause_writing()

    scene.wire.write = full
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


def test_an_application_that_pauses_gets_no_more_than_one_piece(scene: Scene) -> None:
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


def test_an_application_that_has_paused_may_close_after_the_end(scene: Scene) -> None:
    scene.layer.pause_reading()
    scene.say(b"never read")
    scene.layer.eof_received()
    scene.layer.close()
    scene.loop.run()
    assert (scene.app.received, scene.wire.ended) == (b"", "closed")


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
