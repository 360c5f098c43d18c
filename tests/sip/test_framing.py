"""Streams: messages, keep-alives and STUN in any segmentation, and what breaks a stream."""

from __future__ import annotations

import pytest

from edgesim.sip import Framer, KeepAlive, Request, SipProtocolError, StunData
from edgesim.sip.remotecc import register_body
from edgesim.sip.stun import binding
from tests.each import holds_for_each
from tests.sip import samples
from tests.sip.settings import LIMITS, limited

STUN = bytes(binding(b"transaction!"))


def phone_register() -> bytes:
    return samples.octets("phone_register") + register_body()


def drain(framer: Framer) -> list[object]:
    events: list[object] = []
    while (event := framer.next_event()) is not None:
        events.append(event)
    return events


def consume(framer: Framer, data: bytes, step: int) -> list[object]:
    events: list[object] = []
    for start in range(0, len(data), step):
        framer.receive(data[start : start + step])
        events += drain(framer)
    return events


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 1400, 100_000])
def test_any_segmentation(step: int) -> None:
    one = phone_register()
    two = samples.octets("service_timeout")
    stream = one + STUN + two + b"\r\n\r\n" + one + one
    framer = Framer(LIMITS)
    events = consume(framer, stream, step)
    assert framer.buffered == 0
    wanted = [one, STUN, two, one, one]
    # A ping in two segments looks like a pong first; it is known as a ping when its second half comes.
    kept = [event for event in events if not isinstance(event, KeepAlive)]
    assert [event.data if isinstance(event, StunData) else bytes(event) for event in kept] == wanted
    assert events.count(KeepAlive.PING) == 1


def test_pings_and_pongs() -> None:
    framer = Framer(LIMITS)
    framer.receive(b"\r\n\r\n\r\n\r\n")
    assert drain(framer) == [KeepAlive.PING, KeepAlive.PING]
    framer.receive(b"\r\n")
    assert drain(framer) == [KeepAlive.PONG]
    framer.receive(b"\r\n")
    assert drain(framer) == [KeepAlive.PING]
    framer.receive(b"\r")
    assert drain(framer) == []
    framer.receive(b"\n")
    assert drain(framer) == [KeepAlive.PONG]


def test_the_body_is_waited_for_and_the_head_parsed_once() -> None:
    framer = Framer(LIMITS)
    data = phone_register()
    framer.receive(data[:-1])
    assert framer.next_event() is None
    pending = framer._pending
    framer.receive(data[-1:])
    event = framer.next_event()
    assert pending is not None
    assert event is pending[0]
    assert isinstance(event, Request)
    assert len(event.body) == 1313
    assert event.body == register_body()


HEAD = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
)


BROKEN = [
    (HEAD + b"\r\n", "missing Content-Length", 400, True),
    (HEAD + b"l: 1\r\nContent-Length: 2\r\n\r\n", "conflicting", 400, True),
    (HEAD + b"Content-Length: 40000\r\n\r\n", "body longer", 413, True),
    (HEAD + b"X: " + b"y" * 40_000, "headers longer", 513, True),
    (HEAD + b"X: " + b"y" * 40_000 + b"\r\n\r\n", "headers longer", 513, True),
    (HEAD + b"x: y\r\n" * 300 + b"l: 0\r\n\r\n", "too many", 513, True),
    (HEAD.replace(b"\r\n", b"\n") + b"\n", "bare LF", 400, False),
    (HEAD + b"Subject: a\nb", "bare LF", 400, True),
    (HEAD.replace(b"SIP/2.0\r\nVia", b"SIP/4.0\r\nVia") + b"\r\n", "version", 505, True),
    (HEAD.replace(b"SIP/2.0\r\nVia", b"SIP/4.0\r\nVia") + b"l: 40000\r\n\r\n", "version", 505, True),
    (b"GET / HTTP/1.1\r\nHost: x", "not a SIP message", None, False),
    (b"\x16\x03\x01\x02\x00\x01\x00", "not SIP", None, False),
    (b"\x80\x90\xff", "not SIP", None, False),
    (b"\r\r", "bare CR", None, False),
    (b"A" * 9000, "start line", None, False),
    (b"\x00\x01\x00\x00abcd", "neither SIP nor STUN", None, False),
    (b"\x00\x01\x00\x03\x21\x12\xa4\x42" + b"t" * 12, "invalid length", None, False),
    (b"\x00\x01\xff\xfc\x21\x12\xa4\x42" + b"t" * 12, "invalid length", None, False),
]


def test_what_breaks_a_stream() -> None:
    def check(data: bytes, reason: str, status: int | None, answerable: bool, step: int) -> None:
        framer = Framer(LIMITS)
        with pytest.raises(SipProtocolError, match=reason) as caught:
            consume(framer, data, step)
        assert caught.value.status == status
        assert (caught.value.request is not None) == answerable
        assert caught.value.data
        framer.receive(phone_register())
        with pytest.raises(SipProtocolError):
            framer.next_event()
        assert framer.buffered == 0

    holds_for_each(check, ((*row, step) for step in [1000, 100_000] for row in BROKEN))


def test_messages_before_the_break_are_delivered() -> None:
    framer = Framer(LIMITS)
    framer.receive(phone_register() + b"\xff\xff")
    assert isinstance(framer.next_event(), Request)
    with pytest.raises(SipProtocolError):
        framer.next_event()


def test_stun_switched_off_is_garbage() -> None:
    framer = Framer(LIMITS, stun=False)
    framer.receive(STUN)
    with pytest.raises(SipProtocolError, match="not SIP"):
        framer.next_event()


def test_limits_are_settings() -> None:
    framer = Framer(limited(message=2000))
    framer.receive(phone_register())
    with pytest.raises(SipProtocolError) as caught:
        framer.next_event()
    assert caught.value.status == 413


@pytest.mark.parametrize("step", [1, 7, 100, 100_000])
def test_a_message_with_a_faulty_start_line_is_passed_over(step: int) -> None:
    faulty = HEAD.replace(b"SIP/2.0\r\nVia", b"SIP/4.0\r\nVia") + b"l: 12\r\n\r\nOPTIONS x\r\n\r"
    faulty = faulty.replace(b"l: 12", b"l: 012")
    framer, events = Framer(LIMITS), []
    stream = phone_register() + faulty + phone_register()
    for start in range(0, len(stream), step):
        framer.receive(stream[start : start + step])
        while True:
            try:
                event = framer.next_event()
            except SipProtocolError as error:
                event = error
            if event is None:
                break
            events.append(event)
    first, error, last = events
    assert isinstance(error, SipProtocolError)
    assert (error.status, error.framed) == (505, True)
    assert bytes(first) == bytes(last) == phone_register()
    assert framer.buffered == 0
