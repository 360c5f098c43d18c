"""Which clients a Unified CM cluster in mixed mode accepts on 5061 and 6972: those whose own certificate it holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.journal import events
from edgesim.pki import client_context
from tests.clients.desk import Desk, play

MIXED = {"unified_cm.0.mixed_mode": True}
STORES = ("callmanager-trust", "tomcat-trust")
HELD = {"trust": [{"host": "ucm-pub", "store": store, "adds": ["imp-pub/tomcat"]} for store in STORES]}


async def refusals(desk: Desk, port: int) -> list[str]:
    """Dial Unified CM with the certificate of a machine that is no Expressway, and return why it is refused."""
    node = desk.lab.node("imp-pub")

    async def dial() -> None:
        tls = client_context(node.trusts["tomcat-trust"], identity=node.identities["tomcat"], check_hostname=False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "10.0.40.11", port, ssl=tls, server_hostname="x")
        await asyncio.sleep(1)
        transport.close()
        await asyncio.sleep(1)

    await node.host.run(dial())
    return [entry.event.reason for entry in desk.entries(events.TlsRefused, "ucm-pub", "imp-pub")]


@pytest.mark.parametrize(
    ("port", "changes", "taken"),
    [
        (6972, {}, True),
        (6972, MIXED, False),
        (6972, MIXED | HELD, True),
        (5061, MIXED, False),
        (5061, MIXED | HELD, True),
    ],
    ids=["not mixed", "files, by its CA", "files, its own", "SIP, by its CA", "SIP, its own"],
)
def test_a_caller_whose_ca_is_trusted(port: int, changes: dict[str, Any], taken: bool) -> None:
    async def story(desk: Desk) -> None:
        reasons = await refusals(desk, port)
        assert (not reasons) is taken, reasons

    play(story, changes=changes)
