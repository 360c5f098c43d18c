"""How Expressway-C finds UC nodes in its DNS, and what becomes of those that it does not find."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.dns import View
from tests.servers.expressway_lab import PUB, SUB, EdgeLab, run

BY_ADDRESS = {
    "unified_cm.0.publisher.known_as": "address",
    "unified_cm.0.subscribers.0.known_as": "address",
    "mra.tls_verify_unified_cm": False,
    "expressway_c.0.release": "X14.0",
    "expressway_e.0.release": "X14.0",
}
NO_PTR = {"dns.without": ({"view": "inside", "name": "12.40.0.10.in-addr.arpa", "type": "PTR"},)}
NO_A = {"dns.without": ({"view": "inside", "name": SUB, "type": "A"},)}


def reported(lab: EdgeLab) -> list[tuple[str, str, str]]:
    found = [entry.event.as_json() for entry in lab.entries("discovery", "expc")]
    return [(one["server"], one["state"], one["detail"]) for one in found]


def nodes(lab: EdgeLab) -> list[tuple[str, str | None, str | None, str]]:
    (cluster,) = lab.service("expc").discovered.unified_cm
    return [(node.name, node.address, node.fqdn, node.problem) for node in cluster.nodes]


def test_a_node_listed_by_address_is_known_by_its_name_too() -> None:
    async def main(lab: EdgeLab) -> None:
        assert nodes(lab) == [("10.0.40.11", "10.0.40.11", PUB, ""), ("10.0.40.12", "10.0.40.12", SUB, "")]
        cookie = await lab.cookie()
        for name in ("10.0.40.12", SUB):
            answer = await lab.proxied(f"https://{name}:8443/cucm-uds/version", cookie)
            assert answer.status == 200
        assert lab.service("expc").discovered.cluster_of(SUB.upper()) is not None

    run(main, changes=BY_ADDRESS)


@pytest.mark.parametrize(
    ("changes", "listed", "address", "problem"),
    [
        ({**BY_ADDRESS, **NO_PTR}, "10.0.40.12", "10.0.40.12", "has no FQDN in reverse DNS"),
        ({**BY_ADDRESS, **NO_A}, "10.0.40.12", "10.0.40.12", "has no FQDN in reverse DNS"),
        (NO_A, SUB, None, "does not resolve"),
        ({"unified_cm.0.subscribers.0.address": "2001:db8::12"}, SUB, None, "has only an IPv6 address"),
        (
            {**BY_ADDRESS, "unified_cm.0.subscribers.0.address": "2001:db8::12"},
            "2001:db8::12",
            None,
            "has only an IPv6 address",
        ),
        (
            {"unified_cm.0.subscribers.0.known_as": "host name", "unified_cm.0.subscribers.0.domain": "v.example"},
            "ucm-sub",
            None,
            "does not resolve",
        ),
    ],
)
def test_a_node_that_cannot_be_found_is_reported_once_and_skipped(
    changes: dict[str, Any], listed: str, address: str | None, problem: str
) -> None:
    async def main(lab: EdgeLab) -> None:
        assert nodes(lab)[1] == (listed, address, None, problem)
        await asyncio.sleep(200)
        assert reported(lab).count((listed, "unusable", problem)) == 1
        cookie = await lab.cookie()
        if ":" not in listed:  # no URL of the edge leads to an IPv6 address
            assert (await lab.proxied(f"https://{listed}:8443/cucm-uds/version", cookie)).status == 403
        assert not lab.asked("ucm-sub")
        zones = {zone: (state, reason) for host, zone, state, reason in lab.zones() if host == "expc"}
        assert zones[f"CEtcp-{listed}"] == ("Failed", f"{listed} {problem}")

    run(main, changes=changes)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"unified_cm.0.publisher.address": "2001:db8::11"}, f"{PUB} has only an IPv6 address"),
        (
            {**BY_ADDRESS, "unified_cm.0.publisher.address": "2001:db8::11"},
            "2001:db8::11 has only an IPv6 address",
        ),
        ({"dns.without": ({"view": "inside", "name": PUB, "type": "A"},)}, f"{PUB} does not resolve"),
    ],
)
def test_a_publisher_that_cannot_be_found_is_not_asked(changes: dict[str, Any], detail: str) -> None:
    async def main(lab: EdgeLab) -> None:
        assert [(state, text) for _, state, text in reported(lab)] == [("failed", detail)]
        assert lab.entries("http.request", "ucm-pub") == []
        assert (await lab.config()).status == 401

    run(main, changes=changes)


def test_a_record_that_is_created_later_is_found() -> None:
    async def main(lab: EdgeLab) -> None:
        assert (SUB, "unusable", "does not resolve") in reported(lab)
        whole = lab.deployment.changed({"dns.without": ()})
        lab.service("dns-inside").views.replace(View("inside", whole.zone_records("inside"), negative_ttl=60))
        await asyncio.sleep(130)
        assert nodes(lab)[1] == (SUB, "10.0.40.12", SUB, "")
        assert reported(lab)[-1][1] == "active"
        assert SUB in reported(lab)[-1][2]
        assert (await lab.proxied(f"https://{SUB}:8443/cucm-uds/version", await lab.cookie())).status == 200

    run(main, changes=NO_A)


def test_without_the_requirement_an_address_is_enough() -> None:
    async def main(lab: EdgeLab) -> None:
        assert nodes(lab)[1] == ("10.0.40.12", "10.0.40.12", None, "")

    run(main, changes={**BY_ADDRESS, **NO_PTR, "defaults.edge.node_fqdn_required": False})
