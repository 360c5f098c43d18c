"""Somebody who guesses passwords and breaks protocols, and who is blocked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from edgesim.edge.descriptor import control_url
from edgesim.http import HttpClient, HttpError, basic_authorization
from edgesim.pki import client_context
from edgesim.world.sim import SimWorld
from tests.hostile.lab import DOORS, HEADER, OUTSIDER, Arena, Door

TOLERATED, BLOCK_S = 5, 600


def door(port: int, address: str = "203.0.113.10") -> Door:
    (found,) = [each for each in DOORS if (each.address, each.port) == (address, port) and "udp" not in each.dialect]
    return found


def play(story: Callable[[Arena], Awaitable[None]], changes: dict[str, Any] | None = None) -> None:
    """Run a story in a lab that is protected, with alice signed in; in the end bob can sign in."""
    world = SimWorld(1)
    arena = Arena(world, protected=True, changes=changes)

    async def whole() -> None:
        await arena.start()
        await story(arena)
        await arena.bob_signs_in()
        await arena.alice.sign_out()
        await arena.lab.stop()

    world.run(whole())
    assert not world.errors(), world.unhandled


async def configuration(arena: Arena, authorization: str | None, timeout: float = 20) -> int | None:
    """Ask for the edge configuration from outside; None where nothing comes back."""

    async def ask() -> int | None:
        client = HttpClient(arena.lab.node("jabber-3").journal, ssl=client_context(None))
        headers = [("Host", "expe.example.com:8443")]
        if authorization is not None:
            headers.append(("Authorization", authorization))
        url = control_url("get_edge_config?service_name=_cisco-uds", domain="example.com", edge="expe.example.com")
        try:
            answer = await client.request("GET", url, headers=headers, address="203.0.113.10", timeout=timeout)
        except HttpError:
            return None
        finally:
            await client.close()
        return answer.status

    return await arena.outsider.run(ask())


def wrong(number: int, user: str = "carol") -> str:
    return basic_authorization(user, f"wrong-{number}")


def blocks(arena: Arena) -> list[tuple[str, str, str]]:
    return [(each.host, each.address, each.reason) for each in arena.world.admission.blocks()]


async def reached(arena: Arena, port: int) -> bool:
    """Whether a connection to a port of E opens within ten seconds."""
    try:
        async with asyncio.timeout(10):
            wire = await arena.open(door(port), raw=True)
    except TimeoutError:
        return False
    wire.hang_up()
    return True


async def digests(arena: Arena, passwords: list[str], user: str = "alice") -> list[int]:
    """Answer E's challenges with each password in turn; return the statuses that came back.

    Where there is no challenge, at first and after a 403, it asks for one.
    """
    wire = await arena.open(door(5061))
    statuses: list[int] = []
    challenge = b""
    left = list(passwords)
    for number in range(2 * len(passwords)):
        answer = ""
        nonce = re.search(rb'nonce="([^"]+)"', challenge)
        if nonce is not None:
            if not left:
                break
            password = left.pop(0)
            realm, uri = "expe.example.com", "sip:ucm-pub.inside.example.com"
            ha1 = hashlib.md5(f"{user}:{realm}:{password}".encode()).hexdigest()
            ha2 = hashlib.md5(f"REGISTER:{uri}".encode()).hexdigest()
            text = f"{ha1}:{nonce[1].decode()}:00000001:c0ffee:auth:{ha2}"
            answer = (
                f'Proxy-Authorization: Digest username="{user}",realm="{realm}",uri="{uri}",'
                f'nonce="{nonce[1].decode()}",'
                f'response="{hashlib.md5(text.encode()).hexdigest()}",qop=auth,nc=00000001,cnonce="c0ffee"\r\n'
            )
        wire.heard.clear()
        wire.send(
            (
                "REGISTER sip:ucm-pub.inside.example.com SIP/2.0\r\n"
                f"Via: SIP/2.0/TLS {OUTSIDER}:50000;branch=z9hG4bK{number}\r\n"
                "Route: <sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>\r\n"
                f"From: <sip:1001@ucm-pub.inside.example.com>;tag=1\r\nTo: <sip:1001@ucm-pub.inside.example.com>\r\n"
                f"Call-ID: guess\r\nCSeq: {number + 1} REGISTER\r\nMax-Forwards: 70\r\n"
                f"Contact: <sip:x@{OUTSIDER}:50000;transport=tls>\r\n{answer}Content-Length: 0\r\n\r\n"
            ).encode()
        )
        challenge = await wire.quiet(2)
        status = re.match(rb"SIP/2\.0 ([0-9]{3})", challenge)
        if status is None:
            break
        statuses.append(int(status[1]))
    wire.hang_up()
    return statuses


async def sasl(arena: Arena, password: str) -> bytes:
    wire = await arena.open(door(5222))
    await arena.start_tls(door(5222), wire)
    secret = base64.b64encode(f"\0carol\0{password}".encode())
    wire.heard.clear()
    wire.send(HEADER + b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + b"</auth>")
    heard = await wire.quiet()
    wire.hang_up()
    return heard
