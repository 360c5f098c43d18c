"""STUN messages (RFC 5389) as far as keep-alives need them: Binding requests, success and error responses.

Cisco's registration failover sends them inside the SIP connection; RFC 5626, 4.4.2, does the same over UDP.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from enum import IntEnum

from edgesim.sip.errors import SipProtocolError

COOKIE = 0x2112A442
BINDING = 0x001


class StunClass(IntEnum):
    """The two class bits of a message type."""

    REQUEST = 0b00
    INDICATION = 0b01
    SUCCESS = 0b10
    ERROR = 0b11


class Attribute(IntEnum):
    """Attribute types (RFC 5389, 18.2)."""

    MAPPED_ADDRESS = 0x0001
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    XOR_MAPPED_ADDRESS = 0x0020
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    REGISTERED_PATH = 0xC5E0
    """The testbed's own, between two Expressways: the host of the registrar at the far end of a client's path.
    Comprehension-optional: others ignore it (RFC 5389, 15).
    """


_REASONS = {400: "Bad Request", 420: "Unknown Attribute", 500: "Server Error"}
_KNOWN = frozenset(int(attribute) for attribute in Attribute)


@dataclass(frozen=True, slots=True, kw_only=True)
class StunMessage:
    """A STUN message; attributes are ``(type, value)`` pairs in order, values without padding."""

    cls: StunClass
    transaction: bytes
    method: int = BINDING
    attributes: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> StunMessage:
        """Decode one complete message. Raises `SipProtocolError`."""
        if len(data) < 20:
            raise SipProtocolError("STUN message shorter than its header", status=None)
        kind, length, cookie = struct.unpack_from("!HHI", data)
        if kind & 0xC000 or cookie != COOKIE:
            raise SipProtocolError("not STUN", status=None)
        if length % 4 or length + 20 != len(data):
            raise SipProtocolError("STUN message with an invalid length", status=None)
        attributes: list[tuple[int, bytes]] = []
        position = 20
        while position < len(data):
            attribute, size = struct.unpack_from("!HH", data, position)
            if position + 4 + size > len(data):
                raise SipProtocolError("STUN attribute exceeds its message", status=None)
            attributes.append((attribute, data[position + 4 : position + 4 + size]))
            position += 4 + (size + 3) // 4 * 4
        return cls(
            cls=StunClass((kind >> 7 & 0b10) | (kind >> 4 & 0b01)),
            method=(kind & 0x000F) | (kind >> 1 & 0x0070) | (kind >> 2 & 0x0F80),
            transaction=data[8:20],
            attributes=tuple(attributes),
        )

    def __bytes__(self) -> bytes:
        body = b"".join(
            struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4) for kind, value in self.attributes
        )
        method = (self.method & 0x000F) | (self.method & 0x0070) << 1 | (self.method & 0x0F80) << 2
        kind = method | (self.cls & 0b10) << 7 | (self.cls & 0b01) << 4
        return struct.pack("!HHI", kind, len(body), COOKIE) + self.transaction + body

    def get(self, attribute: int) -> bytes | None:
        """Return the first attribute of a type, or None."""
        return next((value for kind, value in self.attributes if kind == attribute), None)

    @property
    def mapped(self) -> tuple[str, int] | None:
        """The address and port in XOR-MAPPED-ADDRESS, or None. Raises `SipProtocolError` if malformed."""
        value = self.get(Attribute.XOR_MAPPED_ADDRESS)
        if value is None:
            return None
        if (len(value), value[1:2]) not in ((8, b"\x01"), (20, b"\x02")):
            raise SipProtocolError("malformed XOR-MAPPED-ADDRESS", status=None)
        port = struct.unpack_from("!H", value, 2)[0] ^ COOKIE >> 16
        return str(ipaddress.ip_address(self._xor(value[4:]))), port

    @property
    def error(self) -> tuple[int, str] | None:
        """The code and reason in ERROR-CODE, or None. Raises `SipProtocolError` if malformed."""
        value = self.get(Attribute.ERROR_CODE)
        if value is None:
            return None
        if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
            raise SipProtocolError("malformed ERROR-CODE", status=None)
        return (value[2] & 7) * 100 + value[3], value[4:].decode("utf-8", "replace")

    def _xor(self, address: bytes) -> bytes:
        pad = COOKIE.to_bytes(4, "big") + self.transaction
        return bytes(left ^ right for left, right in zip(address, pad, strict=False))

    def success(self, peer: tuple[str, int]) -> StunMessage:
        """Return the Binding success for a request that came from ``peer``."""
        address = ipaddress.ip_address(peer[0]).packed
        family = 1 if len(address) == 4 else 2
        value = struct.pack("!BBH", 0, family, peer[1] ^ COOKIE >> 16) + self._xor(address)
        return StunMessage(
            cls=StunClass.SUCCESS,
            method=self.method,
            transaction=self.transaction,
            attributes=((Attribute.XOR_MAPPED_ADDRESS, value),),
        )

    def failure(self, code: int, reason: str | None = None) -> StunMessage:
        """Return an error response with a code from 300 to 699."""
        text = (_REASONS.get(code, "") if reason is None else reason).encode()
        value = struct.pack("!HBB", 0, code // 100, code % 100) + text
        return StunMessage(
            cls=StunClass.ERROR,
            method=self.method,
            transaction=self.transaction,
            attributes=((Attribute.ERROR_CODE, value),),
        )

    def unknown(self) -> tuple[int, ...]:
        """Return the unknown comprehension-required attributes (RFC 5389, 7.3.1)."""
        return tuple(kind for kind, _ in self.attributes if kind < 0x8000 and kind not in _KNOWN)


def binding(transaction: bytes, attributes: tuple[tuple[int, bytes], ...] = ()) -> StunMessage:
    """Return a Binding request; ``transaction`` is 12 octets."""
    return StunMessage(cls=StunClass.REQUEST, transaction=transaction, attributes=attributes)


def respond(request: StunMessage, peer: tuple[str, int]) -> StunMessage | None:
    """Respond as a Binding server: success, 420 or 400 according to RFC 5389, 7.3; None for other messages."""
    if request.cls is not StunClass.REQUEST:
        return None
    if request.method != BINDING:
        return request.failure(400)
    unknown = request.unknown()
    if unknown:
        refusal = request.failure(420)
        listed = struct.pack(f"!{len(unknown)}H", *unknown)
        return StunMessage(
            cls=refusal.cls,
            method=refusal.method,
            transaction=refusal.transaction,
            attributes=(*refusal.attributes, (Attribute.UNKNOWN_ATTRIBUTES, listed)),
        )
    return request.success(peer)
