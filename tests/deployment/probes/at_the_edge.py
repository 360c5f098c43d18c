"""Stories over HTTPS, at the two Expressways."""

from __future__ import annotations

import asyncio

from edgesim.http import basic_authorization
from tests.deployment.probes.base import edge
from tests.servers.expressway_lab import ALICE, EDGE, PUB, WITHOUT, EdgeLab

VERSION = f"https://{PUB}:8443/cucm-uds/version"


@edge(
    {
        "edge.upstream_timeout_status": 502,
        "edge.upstream_timeout_reason": "another",
    }
)
async def a_silent_expressway_c(lab: EdgeLab) -> None:
    cookie = await lab.cookie()
    await lab.freeze("expc")
    await lab.proxied(VERSION, cookie, timeout=100)


@edge({"edge.unauthenticated_status": 403, "edge.edge_auth_header": "X-Edge"})
async def no_cookie(lab: EdgeLab) -> None:
    await lab.proxied(VERSION)
    await lab.proxied(VERSION, headers=[("X-Edge", ALICE)])


@edge({"protection.http_challenges_count": True})
async def nobody_says_who(lab: EdgeLab) -> None:
    for _ in range(7):
        await lab.config(None)


WRONG = basic_authorization("alice", "wrong")


@edge({"protection.detection_window_s": 1200})
async def failures_far_apart(lab: EdgeLab) -> None:
    for _ in range(5):
        await lab.config(WRONG)
    await asyncio.sleep(700)
    for _ in range(2):
        await lab.config(WRONG)


@edge({"protection.count_resource_access": True})
async def what_is_not_there(lab: EdgeLab) -> None:
    for _ in range(7):
        await lab.request(f"https://{EDGE}:8443/nothing")


@edge({"protection.alarm_lowered": "never"}, {"expressway_e.0.release": "X15.0", "expressway_c.0.release": "X15.0"})
async def a_block_that_ends(lab: EdgeLab) -> None:
    for _ in range(6):
        await lab.config(WRONG)
    await asyncio.sleep(700)
    await lab.config()


@edge({"uds.user_id_limit": 4})
async def a_short_name(lab: EdgeLab) -> None:
    await lab.config()


@edge(
    {
        "edge.axl_methods": ["getCallManager", "listCallManager", "listProcessNode"],
        "edge.addressed_servers": [],
    }
)
async def a_good_sign_in(lab: EdgeLab) -> None:
    await lab.config()


@edge({"edge.unreachable_at_start": "refused until restart"}, without=(*WITHOUT, "ucm-pub", "ucm-sub"))
async def no_unified_cm_at_first(lab: EdgeLab) -> None:
    await asyncio.sleep(10)
    for name in ("ucm-pub", "ucm-sub"):
        await lab.world.start(name)
    await asyncio.sleep(300)
    await lab.config()


@edge({"protection.rated_edge_ports": [9443]})
async def many_at_once(lab: EdgeLab) -> None:
    await asyncio.gather(*(lab.config(None) for _ in range(30)), return_exceptions=True)


@edge({"edge.cookie_cleanup_min": 1})
async def a_user_who_is_forgotten(lab: EdgeLab) -> None:
    cookie = await lab.cookie()
    await asyncio.sleep(120)
    await lab.config(None, headers=[("Cookie", cookie)])


@edge({"edge.failed_node_s": 60.0})
async def a_node_that_failed_a_while_ago(lab: EdgeLab) -> None:
    for name in ("ucm-pub", "ucm-sub"):
        await lab.freeze(name)
    await lab.config()
    await asyncio.sleep(100)
    await lab.config()


@edge({"journal.whole_bytes": 1024, "journal.beginning_bytes": 100})
async def a_long_request(lab: EdgeLab) -> None:
    await lab.proxied(VERSION, await lab.cookie(), method="POST", body=b"x" * 100_000)
