"""The documented flows of a deployment, and what its firewalls make of them."""

from __future__ import annotations

import random
import time
from typing import Any

import dns.rdatatype
import pytest

from edgesim.deployment import load, names
from edgesim.deployment.flows import KINDS, Numbers, kind, ports_text
from edgesim.deployment.reach import ALL, FirewallAnalysis, Flow, flows, openings, resolved
from edgesim.dns import served
from edgesim.dns.records import absolute
from edgesim.world.firewall import End
from tests.each import holds_for_each


def blocked(changes: dict[str, Any], name: str = "small") -> dict[str, tuple[str, ...]]:
    """Return which ports of which flows are blocked, by the flow's text."""
    found = flows(load(name).changed(changes))
    return {str(flow): tuple(ports_text(each.ports) for each in flow.blocked) for flow in found if not flow.open}


def the(flow: str, name: str = "small", changes: dict[str, Any] | None = None) -> list[Flow]:
    lab = load(name).changed(changes) if changes else load(name)
    return list(FirewallAnalysis(lab).flows(kind(flow)))


@pytest.mark.parametrize("name", names())
def test_the_documented_design_passes_every_documented_flow(name: str) -> None:
    assert [str(flow) for flow in flows(load(name)) if not flow.open] == []


@pytest.mark.parametrize("size", ["medium", "large"])
def test_the_documented_design_passes_what_the_turn_server_of_each_size_needs(size: str) -> None:
    changes = {"expressway_e.expe.turn_server": True, "expressway_e.expe.size": size}
    (control, *_) = the("turn", changes=changes)
    assert ports_text(control.ports) == {"medium": "3478", "large": "3478-3483"}[size]
    assert blocked(changes) == {}


def test_the_documented_external_firewall_opens_the_documented_ports_and_no_other() -> None:
    lab = load("small")
    (wall,) = [each for each in lab.topology.firewalls if each.name == "external"]
    stranger = End(address="198.51.100.77", port=40000, zone="internet")

    def accepted(protocol: str) -> list[int]:
        return [
            port
            for port in range(1, 65536)
            if wall.check(protocol, stranger, End(address="203.0.113.10", port=port, zone="outer-dmz", host="expe"))[0]
            == "accept"
        ]

    numbers = Numbers.of(lab)
    listed: dict[str, list[int]] = {"tcp": [], "udp": []}
    for each in KINDS:
        if each.rows == ("NET-16",):
            listed[each.protocol] += [port for first, last in each.ports(numbers) for port in range(first, last + 1)]
    for protocol, ports in listed.items():
        assert accepted(protocol) == sorted(ports)


def test_ports_are_those_of_the_deployment() -> None:
    (zone,) = the("traversal-sip", changes={"traversal_zone.port": 7010})
    (media,) = the("traversal-media", changes={"expressway_e.expe.size": "large"})
    assert (zone.ports, zone.source_ports) == (((7010, 7010),), ((25000, 29999),))
    assert (media.ports, media.source_ports) == (((36000, 36011),), ((36000, 59999),))


def test_a_partly_blocking_rule_is_reported_with_that_part() -> None:
    assert blocked({"network.firewalls.external.closed": ["udp 40000,50000-50001"]}) == {
        f"jabber-{number} -> expe udp 36002-59999": ("40000,50000-50001",) for number in (1, 2, 3)
    }


def test_source_ports_count() -> None:
    rules = ["allow tcp expc:25000-27000 -> expe:7001", "allow any inside -> any"]
    (zone,) = the("traversal-sip", changes={"network.firewalls.internal.rules": ["drop tcp expc:29000 -> any", *rules]})
    (shut,) = zone.blocked
    assert (shut.source_ports, shut.rule) == (((29000, 29000),), "drop tcp expc:29000 -> any")


def test_rules_for_one_host_concern_that_host() -> None:
    rules = ["drop tcp jabber-2 -> any:5222", "allow any any -> any"]
    assert list(blocked({"network.firewalls.external.rules": rules})) == ["jabber-2 -> expe tcp 5222"]


def test_flows_go_to_the_address_that_is_dialled() -> None:
    changes = {"traversal_zone.peer_addresses": ["10.0.20.10"]}
    assert {each.target.address for each in the("xcp", changes=changes)} == {"10.0.20.10"}
    assert {each.target.address for each in the("edge-https")} == {"203.0.113.10"}
    outer = {"dns.split": False}
    assert {each.target.address for each in the("xcp", changes=outer)} == {"203.0.113.10"}


def test_a_deployment_without_clients_is_checked_for_strangers() -> None:
    flow, *others = the("edge-https", changes={"clients": []})
    assert not others and not flow.source.known and flow.open


def test_optional_flows_come_with_their_features() -> None:
    assert "turn" not in {flow.kind.name for flow in flows(load("small"))}
    found = {flow.kind.name for flow in flows(load("small").changed({"expressway_e.expe.turn_server": True}))}
    assert {"turn", "turn-relay"} <= found


def test_names_resolve_as_the_inside_dns_has_them() -> None:
    alias = [{"view": "inside", "name": "edge.example.com", "type": "CNAME", "value": "expe.example.com"}]
    lab = load("small").changed({"dns.extra": alias})
    assert resolved(lab, "Edge.example.com") == "10.0.20.10"
    assert resolved(lab, "10.9.9.9") == "10.9.9.9"
    assert resolved(lab, "nobody.example.com") is None


def test_a_loop_of_aliases_resolves_to_nothing() -> None:
    extra = [
        {"view": "inside", "name": f"{one}.example.com", "type": "CNAME", "value": f"{other}.example.com"}
        for one, other in (("a", "b"), ("b", "a"))
    ]
    assert resolved(load("small").changed({"dns.extra": extra}), "a.example.com") is None


def test_names_resolve_as_the_lab_serves_them() -> None:
    """Aliases and wildcards among few names, against the view that the name server answers from."""

    def check(seed: int) -> None:
        draw = random.Random(seed)
        names = [f"{left}.{right}" for left in ("*", "a", "b", "c.a") for right in ("example.com", "a.example.com")]
        records = [
            {"view": "inside", "name": name, **draw.choice(({"type": "A", "value": f"192.0.2.{place}"},
                                                            {"type": "CNAME", "value": draw.choice(names[2:])}))}
            for place, name in enumerate(draw.sample(names, 5))
        ]  # fmt: skip
        lab = load("small").changed({"dns.extra": records})
        view = served(lab, "inside")
        for name in (*names, "z.example.com", "z.a.example.com", "y.z.b.example.com", "expe.example.com"):
            found = view.find(absolute(name), dns.rdatatype.A).answer
            addresses = [rdata.to_text() for rrset in found for rdata in rrset if rrset.rdtype == dns.rdatatype.A]
            assert resolved(lab, name) == (addresses[0] if addresses else None), (name, records)

    holds_for_each(check, ((seed,) for seed in range(40)))


@pytest.mark.parametrize("name", names())
def test_nothing_is_opened_inward_before_expressway_c(name: str) -> None:
    assert openings(load(name)) == ()


def test_inward_openings_are_reported_once_for_each_rule() -> None:
    rules = ["allow any inside -> any", "allow tcp expe -> expc:5061,5070-5072", "allow any any -> 10.0.40.0/24"]
    first, *others = openings(load("small").changed({"network.firewalls.internal.rules": rules}))
    assert (first.firewall, first.protocol, first.sources, first.targets) == ("internal", "tcp", ("expe",), ("expc",))
    assert ports_text(first.ports) == "5061,5070-5072"
    assert [(each.protocol, each.ports, each.sources) for each in others] == [
        (protocol, ALL, ("expe", "a stranger")) for protocol in ("tcp", "udp")
    ]
    assert others[0].targets == ("dns-inside", "ucm-pub", "ucm-sub", "imp-pub")


def test_checking_flows_is_quick() -> None:
    lab = load("cluster")
    began = time.thread_time()
    assert len(list(flows(lab))) > 80
    openings(lab)
    assert time.thread_time() - began < 0.1
