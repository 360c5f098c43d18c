"""How a connection over the TLS layer ends, and how its handshake fails."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from edgesim.pki import Policy, Refusal
from edgesim.world.tls.engine import PIECE
from tests.world.tls_scene import Scene, either_side

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


def test_an_abort_ends_the_connection_at_once(scene: Scene) -> None:
    scene.layer.write(b"said")
    scene.layer.abort()
    assert (scene.wire.ended, scene.layer.is_closing()) == ("aborted", True)
    scene.layer.write(b"unsaid")
    scene.say(b"unheard")
    scene.layer.connection_lost(None)
    scene.loop.run()
    assert (scene.heard(), scene.app.received, scene.app.reported) == (b"said", b"", [("lost", None)])


def test_an_application_that_closes_while_it_reads_gets_the_rest_and_then_the_end(scene: Scene) -> None:
    scene.app.at_data = scene.layer.close
    scene.say(bytes(3 * PIECE))
    assert len(scene.app.received) == 3 * PIECE
    assert scene.heard() == b""
    assert scene.peer.peer_closed
    assert scene.wire.ended == ""


def test_an_application_that_raises_ends_its_connection_and_is_reported(scene: Scene) -> None:
    def breaks() -> None:
        raise LookupError("no such state")

    scene.app.at_data = breaks
    scene.say(b"hello")
    assert scene.wire.ended == "aborted"
    assert [str(each["exception"]) for each in scene.loop.errors] == ["no such state"]


def test_a_record_that_was_changed_on_the_way_is_reported_and_answered_with_an_alert(scene: Scene) -> None:
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
def test_a_handshake_has_a_time_limit(server: bool) -> None:
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


def test_a_check_that_raises_is_an_error_of_the_program() -> None:
    def check(*_: Any) -> Refusal | None:
        raise LookupError("no such setting")

    scene = Scene(server=False, policy=Policy(check=check))
    scene.begin()
    scene.carry()
    assert scene.wire.ended == "closed"
    assert [str(each["exception"]) for each in scene.loop.errors] == ["no such setting"]
