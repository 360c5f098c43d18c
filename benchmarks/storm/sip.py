"""The SIP messages of a storm, put together by hand, and a connection of somebody who has an account."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from benchmarks.storm.ground import drain, let_go

if TYPE_CHECKING:
    from benchmarks.storm.ground import Ground

NONCE_SERVES = 100
"""Requests with one nonce, after which the attacker begins anew; servers give out a new one after some more."""
INSTANCE = "00000000-0000-0000-0000-0000000000aa"


def request(
    ground: Ground, method: str, *more: str, number: str = "", uri: str = "", body: bytes = b"", who: str = ""
) -> bytes:
    """Return a request of the attacker's about a line, the own one unless told otherwise."""
    target, count = ground.target, next(ground.numbers)
    line, host = number or target.number, target.node
    lines = [
        f"{method} {uri or f'sip:{host}'} SIP/2.0",
        f"Via: SIP/2.0/TLS 198.51.100.1:5061;branch=z9hG4bK{method[0]}{count}",
        "Max-Forwards: 70",
        f"Route: {target.route}",
        f"From: <sip:{who or line}@{host}>;tag=storm",
        f"To: <sip:{line}@{host}>",
        f"Call-ID: storm-{method}-{id(ground)}",
        f"CSeq: {count} {method}",
        *more,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def contact(device: str, uri: str = "sip:storm@198.51.100.1:5061;transport=tls", instance: str = INSTANCE) -> str:
    """Return the Contact of a device."""
    return (
        f'Contact: <{uri}>;+sip.instance="<urn:uuid:{instance}>";+u.sip!devicename.ccm.cisco.com="{device}"'
        ";expires=3600"
    )


def proof(
    ground: Ground, challenge: dict[str, str], method: str, count: int, response: str = "", user: str = ""
) -> str:
    """Return the answer to a challenge: the right one for the attacker's account, or another."""
    target = ground.target
    uri, user = f"sip:{target.node}", user or target.user
    if not response:
        first = _md5(f"{user}:{challenge['realm']}:{target.password}")
        second = _md5(f"{method}:{uri}")
        response = _md5(f"{first}:{challenge['nonce']}:{count:08x}:0a1b2c3d:auth:{second}")
    return (
        f'{challenge["answer"]}: Digest username="{user}", realm="{challenge["realm"]}", '
        f'nonce="{challenge["nonce"]}", uri="{uri}", response="{response}", algorithm=MD5, qop=auth, '
        f'cnonce="0a1b2c3d", nc={count:08x}'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Line:
    """A connection of the attacker's whose account was accepted, for as many requests as a nonce serves."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._count = 1
        self._challenge: dict[str, str] = {}
        self._drained: asyncio.Future[None] | None = None
        self.writer: asyncio.StreamWriter

    async def __aenter__(self) -> Line:
        ground = self._ground
        reader, self.writer = await ground.open(5061)
        device = contact(ground.target.device)
        self.writer.write(request(ground, "REGISTER", device))
        self._challenge = await challenge_in(reader)
        self.writer.write(request(ground, "REGISTER", device, proof(ground, self._challenge, "REGISTER", 1)))
        if not (await _final(reader)).startswith(b"SIP/2.0 200"):
            let_go(self.writer)
            raise ValueError("not registered")
        self._drained = asyncio.ensure_future(drain(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._drained is not None:
            self._drained.cancel()
        let_go(self.writer)

    @property
    def goes_on(self) -> bool:
        """Whether there may be more requests."""
        return self._drained is not None and not self._drained.done() and self._count < NONCE_SERVES

    async def send(self, method: str, *more: str, response: str = "", **others: str | bytes) -> None:
        """Send a request with a proof."""
        self._count += 1
        proved = proof(self._ground, self._challenge, method, self._count, response)
        self.writer.write(request(self._ground, method, proved, *more, **others))  # type: ignore[arg-type]  # body alone is octets
        await self.writer.drain()


async def challenge_in(reader: asyncio.StreamReader) -> dict[str, str]:
    """Return the challenge in the next final answer. Raises `ValueError` without one."""
    head = (await _final(reader)).decode("utf-8", "replace")
    for line in head.split("\r\n"):
        name, _, value = line.partition(": ")
        if name in ("Proxy-Authenticate", "WWW-Authenticate"):
            found = {}
            for part in value.removeprefix("Digest ").split(","):
                key, _, text = part.strip().partition("=")
                found[key] = text.strip('"')
            found["answer"] = "Proxy-Authorization" if name.startswith("Proxy") else "Authorization"
            return found
    raise ValueError(head[:40])


async def _final(reader: asyncio.StreamReader) -> bytes:
    while (head := await _head_of(reader)).startswith(b"SIP/2.0 1"):
        pass
    return head


async def _head_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return head
