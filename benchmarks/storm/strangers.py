"""Attacks of strangers, who have no account. Each method is one step of the attack of its name."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from benchmarks.storm import sip
from benchmarks.storm.ground import Ground, basic, let_go

BATCH = 500
"""Requests that one step of `Strangers.pipelining` sends."""
UNREAD = 200
"""Requests whose answers one step of `Strangers.unread` does not read."""
LORIS_S, LORIS_EVERY_S = 8, 0.25
PIECES = 100
"""Pieces of one message that `Strangers.fragments` sends."""


@dataclass(slots=True)
class Strangers(Ground):
    """Attacks without an account."""

    _pipes: list[asyncio.StreamWriter] = field(default_factory=list)

    # ---- connections that say little

    async def idle_tls(self) -> None:
        """Open TLS to a port and say nothing."""
        _, writer = await self.open(self.draw.choice((5061, 8443)))
        self.hold("idle_tls", writer)

    async def half_handshakes(self) -> None:
        """Begin a handshake and do not end it, or do not even begin."""
        port, octets = self.draw.choice(
            (
                (5061, b"\x16\x03\x01\x02\x00\x01\x00"),
                (8443, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.draw.randbytes(32)),
                (5061, b""),
                (8443, b""),
                (5222, b""),
            )
        )
        _, writer = await self.open(port, tls=False)
        writer.write(octets)
        self.hold("half_handshakes", writer)

    async def half_messages(self) -> None:
        """Begin a message and do not end it."""
        port, tls, octets = self.draw.choice(
            (
                (8443, True, b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 2000000\r\n\r\nabc"),
                (8443, True, b"GET / HTTP/1.1\r\nHost: "),
                (5061, True, b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\n"),
                (5222, False, b"<stream:stream to='example.com' xmlns='jabber:client'"),
            )
        )
        _, writer = await self.open(port, tls=tls)
        writer.write(octets)
        self.hold("half_messages", writer)

    async def slow_loris(self) -> None:
        """Send the head of a message an octet at a time, so that the connection is never idle."""
        port, tls, octets = self.draw.choice(
            (
                (8443, True, b"GET / HTTP/1.1\r\nHost: e\r\nX-Padding: " + b"p" * 99),
                (5061, True, b"OPTIONS sip:x SIP/2.0\r\nX-Padding: " + b"p" * 99),
                (5222, False, b"<?xml version='1.0'?><stream:stream xmlns='" + b"p" * 99),
            )
        )
        _, writer = await self.open(port, tls=tls)
        try:
            for place in range(int(LORIS_S / LORIS_EVERY_S)):
                writer.write(octets[place : place + 1])
                await writer.drain()
                await asyncio.sleep(LORIS_EVERY_S)
        finally:
            let_go(writer)

    # ---- much of what is cheap to send

    async def pipelining(self) -> None:
        """Send requests on a few connections faster than they are answered, and read few of the answers."""
        pipes = self._pipes
        if len(pipes) < 4:
            pipes.append((await self.open(8443))[1])
            self.hold("pipelining", pipes[-1])
        writer = self.draw.choice(pipes)
        if writer.is_closing():
            pipes.remove(writer)
            raise ConnectionResetError
        if writer.transport.get_write_buffer_size() < 1 << 20:
            asked = f"GET {self.path}/get_edge_config HTTP/1.1\r\nHost: e\r\n"
            writer.write(f"{asked}{basic(self.word(), 'x')}\r\n".encode() * BATCH)

    async def unread(self) -> None:
        """Send SIP requests that are answered, and read none of the answers."""
        reader, writer = await self.open(5061)
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # a stream reads ahead otherwise
        writer.write(b"".join(sip.request(self, "OPTIONS") for _ in range(UNREAD)))
        self.hold("unread", writer)

    async def fragments(self) -> None:
        """Send a message in many pieces, each in a record of its own."""
        reader, writer = await self.open(5061)
        try:
            whole = sip.request(self, "REGISTER", sip.contact(self.target.device))
            size = max(1, len(whole) // PIECES)
            for place in range(0, len(whole), size):
                writer.write(whole[place : place + size])
                await writer.drain()
            await sip.challenge_in(reader)
        finally:
            let_go(writer)

    async def big_posts(self) -> None:
        """Send two megabytes without credentials, with a length or in chunks."""
        reader, writer = await self.open(8443)
        try:
            head = f"POST {self.path}/get_edge_config HTTP/1.1\r\nHost: e\r\n"
            if self.draw.random() < 0.5:
                writer.write(f"{head}Content-Length: 2000000\r\n\r\n".encode() + bytes(2_000_000))
            else:
                chunk = b"4e20\r\n" + bytes(20_000) + b"\r\n"
                writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * 100 + b"0\r\n\r\n")
            await asyncio.wait_for(reader.read(1000), 5)
        finally:
            let_go(writer)

    async def malformed(self) -> None:
        """Send what is no message."""
        port, tls, octets = self.draw.choice(
            (
                (5061, True, b"REGISTER\x00\xff sip:\r\n\r\n"),
                (5061, True, self.draw.randbytes(500)),
                (8443, True, b"GET  /\x01 HTTP/9.9\r\n\r\n"),
                (8443, True, b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
                (5222, False, b"<!DOCTYPE x [<!ENTITY y 'z'>]><stream:stream>"),
                (2222, False, b"SSH-1.0-nothing\r\n" + self.draw.randbytes(100)),
            )
        )
        reader, writer = await self.open(port, tls=tls)
        try:
            writer.write(octets)
            await asyncio.wait_for(reader.read(1000), 2)
        finally:
            let_go(writer)

    # ---- where strangers have no business

    async def stranger_datagrams(self) -> None:
        """Send a datagram from a new socket to a port that is not for strangers."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.bind((self.source(), 0))
            wire.sendto(sip.request(self, "OPTIONS", who=self.word()), (self.target.inside, 5060))

    async def stranger_connections(self) -> None:
        """Connect to a port that is not for strangers, such as those of the Expressways' links."""
        inside, edge = self.target.inside, self.target.edge
        host, port = self.draw.choice(
            ((inside, 5060), (inside, 8443), (inside, 6970), (edge, 7001), (edge, 2222), (edge, 7400))
        )
        _, writer = await self.open(port, tls=False, host=host)
        try:
            writer.write(b"OPTIONS sip:x SIP/2.0\r\n\r\n")
            await asyncio.sleep(0.2)
        finally:
            let_go(writer)

    # ---- guesses

    async def guessing(self) -> None:
        """Answer a challenge with a random digest, for somebody who may be signed in."""
        reader, writer = await self.open(5061)
        user = self.draw.choice([self.target.user, *(each.user for each in self.target.victims)])
        device = sip.contact(self.target.device)
        try:
            writer.write(sip.request(self, "REGISTER", device))
            challenge = await sip.challenge_in(reader)
            guess = sip.proof(self, challenge, "REGISTER", 1, f"{self.draw.getrandbits(128):032x}", user)
            writer.write(sip.request(self, "REGISTER", device, guess))
            await sip.challenge_in(reader)
        finally:
            let_go(writer)

    async def password_guessing(self) -> None:
        """Ask for an edge configuration with somebody's name and a random password."""
        await self._ask_edge(basic(self.draw.choice(self.target.victims).user, self.word()))

    async def odd_users(self) -> None:
        """Ask for an edge configuration with names that no user has, and that no server expects."""
        names = ("", "u" * 9_000, "\u7528" * 2_000, "a:b", f"{self.word()}@{self.word()}.invalid", self.word())
        await self._ask_edge(basic(self.draw.choice(names), "x"))

    async def _ask_edge(self, authorization: str) -> None:
        reader, writer = await self.open(8443)
        try:
            path = f"{self.path}/get_edge_config?service_name=_cisco-uds"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: e\r\nX-Auth: {self.word()}\r\n{authorization}\r\n".encode())
            await reader.readuntil(b"\r\n")
        finally:
            let_go(writer)

    async def xmpp_openings(self) -> None:
        """Open a stream to some domain, encrypt it, and guess a password."""
        name = self.target.domain if self.draw.random() < 0.7 else f"{self.word()}.invalid"
        header = (
            f"<?xml version='1.0'?><stream:stream to='{name}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        ).encode()
        reader, writer = await self.open(5222, tls=False)
        try:
            writer.write(header + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            await reader.readuntil(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            await writer.start_tls(self.tls, server_hostname="storm.invalid")
            auth = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHgAeA==</auth>"
            writer.write(header + auth)
            await reader.readuntil(b"</failure>")
        finally:
            let_go(writer)
