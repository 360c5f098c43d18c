"""Stories about the links between the servers: what keeps them up, and what E makes of their failures."""

from __future__ import annotations

import asyncio
import ssl

from edgesim.edge.protection import Category
from edgesim.http import HttpClient
from edgesim.pki import TlsOptions, client_context
from tests.deployment.probes.base import edge
from tests.servers.expressway_lab import EdgeLab
from tests.servers.test_expressway_https_cluster import two_of_each
from tests.servers.test_long_san import MANY, OWN


@edge({"links.tunnel_keepalive_count": 1})
async def expressway_c_falls_silent(lab: EdgeLab) -> None:
    await lab.freeze("expc")
    await asyncio.sleep(90)


@edge({"links.cluster_retry_s": 2.0}, two_of_each())
async def a_peer_that_is_away(lab: EdgeLab) -> None:
    await lab.crash("expc2")
    await lab.cookie()
    await asyncio.sleep(20)


@edge(
    {"tls.san_limit_characters": 2000}, {"certificates": [{"host": "expc", "service": "server", "names": [*MANY, OWN]}]}
)
async def the_name_of_expressway_c_comes_late(lab: EdgeLab) -> None:
    await asyncio.sleep(10)


@edge({"ports.http_source_last": 30004})
async def connections_from_ports_in_turn(lab: EdgeLab) -> None:
    await lab.config()


@edge({"tls.minimum_version": "TLSv1.3"})
async def a_client_of_tls_1_2(lab: EdgeLab) -> None:
    node = lab.node("jabber-1")
    old = TlsOptions(maximum=ssl.TLSVersion.TLSv1_2)
    lab.client = HttpClient(node.journal, ssl=client_context(node.trusts["system"], options=old))
    await lab.config()


@edge({"protection.rate_period_s": 100})
async def more_sign_ins_than_a_user_may(lab: EdgeLab) -> None:
    for _ in range(10):
        await lab.config()
    await asyncio.sleep(200)
    await lab.config()


@edge({"protection.exempt_servers": False})
async def expressway_c_with_keys_that_are_not_known(lab: EdgeLab) -> None:
    protection = lab.service("expe").protection
    for _ in range(7):
        protection.count(Category.SSH_AUTHORIZATION, ("10.0.30.10", 30000))
    await asyncio.sleep(30)
