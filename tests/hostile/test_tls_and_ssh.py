"""Below the protocols: half-open and broken TLS, callers without a certificate, SSH that is none; and crowds."""

from __future__ import annotations

import ssl

import pytest

from edgesim.pki import client_context
from tests.hostile.case import Case
from tests.hostile.lab import DOORS, Arena, Door, under_attack

HELLO = (
    bytes.fromhex("16030100c8010000c40303") + b"\xaa" * 32 + b"\x00" + bytes.fromhex("0004c02bc02f0100") + b"\0" * 20
)


def _tls(name: str, *pieces: bytes, **more: object) -> Case:
    return Case(name=name, pieces=pieces, closes=True, **more)


TLS = [
    _tls("HTTP in the clear", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", never=b"HTTP/1."),
    _tls("SIP in the clear", b"OPTIONS sip:x SIP/2.0\r\n\r\n", never=b"SIP/2.0"),
    _tls("XML in the clear", b"<?xml version='1.0'?><stream:stream>", never=b"<stream"),
    _tls("half a hello", HELLO[:40]),
    _tls("a hello that says too much", HELLO[:3] + b"\xff\xff" + HELLO[5:] + b"\0" * 70_000),
    _tls("a hello of nonsense", HELLO),
    _tls("a record of length 0", b"\x16\x03\x01\x00\x00" * 100),
    _tls("an alert", b"\x15\x03\x03\x00\x02\x02\x28"),
    _tls("data before the handshake", b"\x17\x03\x03\x00\x10" + b"\0" * 16),
    _tls("a heartbeat", b"\x18\x03\x02\x00\x03\x01\x40\x00"),
    _tls("SSL 2", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x01\x00\x80" * 7 + b"\0" * 16),
    _tls("a version from the future", b"\x16\x7f\x7f\x00\x05\x01\x00\x00\x01\x00"),
    _tls("drop by drop", *[bytes([octet]) for octet in HELLO[:60]], pause=3.0),
    _tls("nothing", ends=True),
    _tls("silence"),
]


@pytest.mark.parametrize("door", [door for door in DOORS if door.tls], ids=str)
def test_broken_tls(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, TLS, raw=True)
        await arena.alice_refreshes()

    under_attack(story)


@pytest.mark.parametrize("door", [door for door in DOORS if door.mutual], ids=str)
def test_a_caller_without_a_certificate_that_is_trusted(door: Door) -> None:
    async def story(arena: Arena) -> None:
        stranger = arena.stranger()
        for context in (client_context(None), client_context(None, identity=stranger)):
            start = len(arena.journal)
            arena.context = lambda _, context=context: context
            try:
                wire = await arena.open(door)
            except (ssl.SSLError, OSError):
                pass
            else:
                wire.send(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
                assert await wire.over(70)
                assert not wire.heard, "nothing is said to a stranger"
            assert arena.entries("tls.failed", start)

    under_attack(story)


SSH = [
    _tls("garbage", bytes(range(128, 256)) * 100),
    _tls("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    _tls("a TLS hello", HELLO),
    _tls("SSH 1", b"SSH-1.5-OpenSSH_1.2\r\n"),
    _tls("a version without end", b"SSH-2.0-" + b"a" * 100_000),
    _tls("lines without end before the version", b"hello\r\n" * 50_000),
    _tls("a packet of nonsense", b"SSH-2.0-x\r\n" + b"\0\0\0\x10" + bytes(range(200, 220))),
    _tls("a packet of four gigabytes", b"SSH-2.0-x\r\n" + b"\xff\xff\xff\xff" + b"\0" * 10_000),
    _tls("a packet of nothing", b"SSH-2.0-x\r\n" + b"\0" * 1_000),
    _tls("an empty key exchange", b"SSH-2.0-x\r\n" + b"\0\0\0\x0c\x0a\x14" + b"\0" * 10),
    _tls("a disconnect", b"SSH-2.0-x\r\n" + b"\0\0\0\x0c\x06\x01" + b"\0\0\0\x0b" + b"\0" * 6),
    _tls(
        "a service request before keys", b"SSH-2.0-x\r\n" + b"\0\0\0\x14\x02\x05" + b"\0\0\0\x0cssh-userauth" + b"\0\0"
    ),
    _tls("a version alone", b"SSH-2.0-x\r\n"),
    _tls("drop by drop", *[bytes([octet]) for octet in b"SSH-2.0-slow"], pause=3.0),
    _tls("nothing", ends=True),
    _tls("silence"),
]


@pytest.mark.parametrize("door", [door for door in DOORS if door.dialect == "ssh"], ids=str)
def test_what_is_no_ssh(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, SSH)
        await arena.alice_refreshes()
        states = [entry.event.as_json()["state"] for entry in arena.entries("ssh.tunnel")]
        assert states.count("down") == 0, "the tunnel of C stands"

    under_attack(story)


@pytest.mark.parametrize("door", [door for door in DOORS if not door.dialect.endswith("-udp")], ids=str)
def test_crowds(door: Door) -> None:
    """Many connections a port, one after the other and at once: who is honest gets through."""

    async def story(arena: Arena) -> None:
        await arena.crowd(door, 60, together=False)
        await arena.crowd(door, 30, together=False, octets=b"\x16")
        await arena.crowd(door, 60, together=True)

    under_attack(story)


def test_thousands_at_the_edge() -> None:
    """500 half-open connections on each of the ports that the internet reaches, all at once."""

    async def story(arena: Arena) -> None:
        outside = [door for door in DOORS if door.host == "expe" and arena.attacker(door) is arena.outsider]
        assert len(outside) == 3
        wires = [await arena.open(door, raw=True) for door in outside for _ in range(500)]
        await arena.bob_signs_in()
        await arena.alice_refreshes()
        for wire in wires:
            wire.hang_up()

    under_attack(story)
