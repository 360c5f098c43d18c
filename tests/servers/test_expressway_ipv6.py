"""Expressways and IPv6: what E does with clients that come by it, and how hosts choose between addresses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.deployment import DeploymentError, builtin
from edgesim.http import HttpError
from edgesim.lab.loopback import on_loopback
from tests.servers.expressway_lab import ALICE, EdgeLab, run

SIX = "2001:db8:10::10"
CLIENT = "2001:db8:25::25"
BOTH = {"expressway_e.0.ip_protocol": "Both", "expressway_e.0.outer_ipv6": SIX}
ALWAYS: dict[str, Any] = {**BOTH, "clients.jabber-1.ipv6": CLIENT, "defaults.client.resolution_delay_s": 1.0}


def dialled(lab: EdgeLab, node: str) -> list[str]:
    return [str(entry.event.as_json()["remote"]) for entry in lab.entries("tcp.open", node)]


def test_a_client_by_ipv6_gets_502_whatever_it_asks() -> None:
    async def main(lab: EdgeLab) -> None:
        answers = [await lab.config(), await lab.config(None), await lab.request("https://expe.example.com:8443/")]
        for answer in answers:
            assert (answer.status, answer.reason) == (502, "Next Hop Connection Failed")
            assert answer.headers.get("Server") == "CE_E"
        assert lab.asked("expc") == ["POST /.greeting"]
        assert all(SIX in remote for remote in dialled(lab, "jabber-1"))
        (first, *_) = lab.entries("http.request", "expe")
        assert first.peer == "jabber-1"

    run(main, changes=ALWAYS)


def test_or_its_connection_is_closed() -> None:
    async def main(lab: EdgeLab) -> None:
        with pytest.raises(HttpError):
            await lab.config()

    run(main, changes={**ALWAYS, "defaults.edge.ipv6_client": "closed"})


def test_other_services_are_not_offered_by_ipv6_and_the_client_continues_by_ipv4() -> None:
    async def main(lab: EdgeLab) -> None:
        async def dial(port: int) -> str:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, "expe.example.com", port
            )
            found = str(transport.get_extra_info("peername")[0])
            transport.close()
            return found

        host = lab.node("jabber-1").host
        assert [await host.run(dial(port)) for port in (8443, 5061, 5222)] == [SIX, "203.0.113.10", "203.0.113.10"]

    run(main, changes=ALWAYS)


def test_a_host_without_ipv6_never_asks_for_it() -> None:
    async def main(lab: EdgeLab) -> None:
        assert (await lab.config(ALICE)).status == 200
        kinds = {entry.event.as_json()["qtype"] for entry in lab.entries("dns.query", "dns-outside")}
        assert "AAAA" not in kinds

    run(main, changes=BOTH)


def test_records_follow_the_protocol() -> None:
    lab = builtin("small")
    for protocol, kinds in (("IPv4", ["A"]), ("Both", ["A", "AAAA"]), ("IPv6", ["AAAA"])):
        changed = lab.changed({**BOTH, "expressway_e.0.ip_protocol": protocol})
        of_e = [each.type for each in changed.zone_records("outside") if each.name == "expe.example.com"]
        assert of_e == kinds
        addresses = [each.address for each in changed.host("expe").interfaces]
        assert (SIX in addresses, "203.0.113.10" in addresses) == ("AAAA" in kinds, "A" in kinds)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expressway_e.0.ip_protocol": "IPv6"}, "expressway_e[0].ip_protocol"),
        ({"expressway_e.0.outer_ipv6": "203.0.113.11"}, "expressway_e[0].outer_ipv6"),
        ({"clients.0.ipv6": "198.51.100.99"}, "clients[0].ipv6"),
    ],
)
def test_mistakes_are_reported(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        builtin("small").changed(changes)
    assert [mistake.field for mistake in caught.value.mistakes] == [field]


def test_live_labs_are_of_ipv4() -> None:
    with pytest.raises(ValueError, match="live labs are of IPv4"):
        on_loopback(builtin("small").changed(BOTH))
