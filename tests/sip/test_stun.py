"""STUN keep-alives: the test vectors of RFC 5769 and what a Binding server answers."""

from __future__ import annotations

import pytest

from edgesim.sip import SipProtocolError
from edgesim.sip.stun import Attribute, StunClass, StunMessage, binding, respond

RFC5769_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
RFC5769_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa"
    "a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)


def test_the_vectors_of_rfc_5769() -> None:
    four, six = StunMessage.decode(RFC5769_IPV4), StunMessage.decode(RFC5769_IPV6)
    assert (four.cls, four.method) == (StunClass.SUCCESS, 0x001)
    assert four.mapped == ("192.0.2.1", 32853)
    assert six.mapped == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert four.get(Attribute.SOFTWARE) == b"test vector"
    assert len(bytes(four)) == len(RFC5769_IPV4)
    # Padding is ours to choose: the vector's is a space, ours is zero.
    assert StunMessage.decode(bytes(four)) == four


def test_binding_and_its_answers() -> None:
    request = binding(b"0123456789ab")
    assert bytes(request) == b"\x00\x01\x00\x00\x21\x12\xa4\x420123456789ab"
    for peer in (("198.51.100.25", 58980), ("2001:db8::1", 1)):
        success = respond(request, peer)
        assert success is not None
        assert StunMessage.decode(bytes(success)).mapped == peer
        assert success.transaction == request.transaction
        assert respond(success, peer) is None
    refusal = StunMessage.decode(bytes(request.failure(500)))
    assert (refusal.cls, refusal.error) == (StunClass.ERROR, (500, "Server Error"))
    assert refusal.mapped is None
    assert request.error is None


def test_what_a_binding_server_refuses() -> None:
    unknown = StunMessage(cls=StunClass.REQUEST, transaction=b"0" * 12, attributes=((0x7777, b"x"), (0x9999, b"")))
    answer = respond(unknown, ("192.0.2.1", 1))
    assert answer is not None
    assert answer.error == (420, "Unknown Attribute")
    assert answer.get(Attribute.UNKNOWN_ATTRIBUTES) == b"\x77\x77"
    other = StunMessage(cls=StunClass.REQUEST, transaction=b"0" * 12, method=0x003)
    answer = respond(other, ("192.0.2.1", 1))
    assert answer is not None
    assert answer.error == (400, "Bad Request")
    assert (
        StunMessage.decode(bytes(StunMessage(cls=StunClass.INDICATION, transaction=b"0" * 12, method=0xABC))).method
        == 0xABC
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01",
        b"\x40" + bytes(binding(b"0" * 12))[1:],
        bytes(binding(b"0" * 12)) + b"\0\0\0\0",
        b"\x00\x01\x00\x04\x21\x12\xa4\x42" + b"0" * 12 + b"\0\x01\0\x09",
    ],
)
def test_bad_stun(data: bytes) -> None:
    with pytest.raises(SipProtocolError):
        StunMessage.decode(data)


def test_bad_attributes() -> None:
    for kind, value in ((Attribute.XOR_MAPPED_ADDRESS, b"\0\x01\0"), (Attribute.ERROR_CODE, b"\0\0\x02\x00")):
        message = StunMessage(cls=StunClass.ERROR, transaction=b"0" * 12, attributes=((kind, value),))
        with pytest.raises(SipProtocolError):
            _ = message.mapped or message.error
