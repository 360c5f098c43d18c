"""Stories about what the XMPP side waits for and holds back."""

from __future__ import annotations

import asyncio
import contextlib

from edgesim.xmpp import sasl, stanzas
from tests.deployment.probes.base import im_presence
from tests.servers import im_presence_lab


@im_presence({"im.client_octets_per_s": 8192.0}, {"defaults.im.client_octets_burst": 1024})
async def more_messages_than_the_burst(lab: im_presence_lab.Lab) -> None:
    client = await lab.sign_in("alice")
    for _ in range(20):
        client.send(stanzas.message("bob@example.com", "hello"))
    await client.quiet()
    await client.end()


@im_presence({"im.handshake_patience_s": 20.0})
async def a_slow_sign_in(lab: im_presence_lab.Lab) -> None:
    client = await lab.connect()
    await asyncio.sleep(40)
    with contextlib.suppress(EOFError):
        await client.auth("PLAIN", sasl.encode_plain("alice", "alice-secret"))
    await lab.sign_in("bob")


@im_presence({"im.unread_s": 10.0})
async def a_client_that_does_not_read(lab: im_presence_lab.Lab) -> None:
    alice, bob = await lab.sign_in("alice"), await lab.sign_in("bob")
    bob._writer.transport.pause_reading()
    for _ in range(100):
        alice.send(stanzas.message("bob@example.com", "x" * 8000))
        await asyncio.sleep(0.1)
    await asyncio.sleep(60)
    await alice.quiet()
