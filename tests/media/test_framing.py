"""The framing of multiplexed ports: packets round-trip, and anything else is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.media import Frame, MediaError, MediaLimits, pack, unpack
from tests.fuzz import fuzzed

LIMITS = MediaLimits(packet=1500)


def test_a_frame_is_the_channels_number_and_the_packet() -> None:
    assert pack(Frame(channel=258, packet=b"\x80\x00rtp"), LIMITS) == b"\x00\x00\x01\x02\x80\x00rtp"
    assert unpack(b"\x00\x00\x01\x02\x80\x00rtp", LIMITS) == Frame(channel=258, packet=b"\x80\x00rtp")


def test_a_frame_without_a_packet_is_a_keepalive() -> None:
    assert unpack(pack(Frame(channel=7, packet=b""), LIMITS), LIMITS).keepalive
    assert not unpack(pack(Frame(channel=7, packet=b"x"), LIMITS), LIMITS).keepalive


@pytest.mark.parametrize("datagram", [b"", b"\x00", b"\x00\x00\x01", bytes(4), bytes(4) + b"media", bytes(1505)])
def test_an_invalid_frame_is_refused(datagram: bytes) -> None:
    with pytest.raises(MediaError):
        unpack(datagram, LIMITS)


@pytest.mark.parametrize("frame", [(0, b""), (-1, b""), (2**32, b""), (1, bytes(1501))])
def test_what_cannot_be_framed_is_refused(frame: tuple[int, bytes]) -> None:
    with pytest.raises(MediaError):
        pack(Frame(channel=frame[0], packet=frame[1]), LIMITS)


def test_the_largest_packet_is_the_limits_own() -> None:
    limits = MediaLimits(packet=10)
    assert unpack(pack(Frame(channel=1, packet=bytes(10)), limits), limits).packet == bytes(10)
    with pytest.raises(MediaError, match="11 octets"):
        unpack(b"\x00\x00\x00\x01" + bytes(11), limits)


@fuzzed
@given(st.binary(max_size=3000))
def test_any_datagram_is_a_frame_or_an_error(datagram: bytes) -> None:
    with contextlib.suppress(MediaError):
        assert pack(unpack(datagram, LIMITS), LIMITS) == datagram
