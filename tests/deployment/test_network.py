"""Zones and firewalls of a deployment: the documented design, what an author changes about it, and contradictions."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import Deployment, DeploymentError, as_yaml, builtin, load_text
from edgesim.lab import RunningLab, on_loopback
from edgesim.world import Capability, UnsupportedError
from edgesim.world.live import LiveWorld
from edgesim.world.nat import StaticNat

SINGLE = {
    "expressway_e.expe.outer": "10.0.10.10",
    "expressway_e.expe.inner": None,
    "expressway_e.expe.static_nat": "203.0.113.10",
}


@pytest.fixture(scope="module")
def small() -> Deployment:
    return builtin("small")


def rules(lab: Deployment) -> dict[str, list[str]]:
    return {wall.name: [str(rule) for rule in wall.rules] for wall in lab.topology.firewalls}


def reasons(lab: Deployment, changes: dict[str, Any]) -> list[str]:
    with pytest.raises(DeploymentError) as caught:
        lab.changed(changes)
    return [f"{each.field}: {each.value!r}: {each.reason}" for each in caught.value.mistakes]


def test_left_out_it_is_the_documented_design(small: Deployment) -> None:
    network = small.topology
    assert [(zone.name, zone.outward) for zone in network.zones] == [
        ("internet", None),
        ("outer-dmz", "internet"),
        ("dmz", "outer-dmz"),
        ("inside", "dmz"),
    ]
    assert rules(small) == {
        "external": [
            "allow tcp internet -> outer-dmz:8443,5061,5222",
            "allow udp internet -> outer-dmz:36002-59999",
            "allow any any -> internet",
        ],
        "internal": [
            "allow tcp inside -> expe:7001,7400,2222",
            "allow udp inside -> expe:2776-2777",
            "allow tcp inside -> expe:8443,5061,5222",
            "allow udp inside -> expe:36002-59999",
            "allow any inside -> internet",
        ],
    }
    external, internal = network.firewalls
    assert (external.outer, external.inner, internal.outer, internal.inner) == (
        "internet",
        "outer-dmz",
        "dmz",
        "inside",
    )
    assert {wall.otherwise for wall in network.firewalls} == {"drop"}
    assert (external.idle_tcp_ns, external.idle_udp_ns) == (3600 * 10**9, 120 * 10**9)
    assert not small.translates


def test_the_ports_are_those_of_the_deployment(small: Deployment) -> None:
    lab = small.changed(
        {
            "traversal_zone.port": 7002,
            "expressway_e.expe.size": "large",
            "expressway_e.expe.turn_server": True,
            "defaults.ports.edge_https": 443,
        }
    )
    assert "allow tcp inside -> expe:7002,7400,2222" in rules(lab)["internal"]
    assert "allow udp inside -> expe:36000-36011" in rules(lab)["internal"]
    assert rules(lab)["external"][0] == "allow tcp internet -> outer-dmz:443,5061,5222"
    assert rules(lab)["external"][2] == "allow udp internet -> outer-dmz:3478-3483,24000-29999"


def test_every_edge_of_a_cluster_is_reached() -> None:
    opened = rules(builtin("cluster"))["internal"]
    assert [rule for rule in opened if "7001" in rule] == [
        "allow tcp inside -> expe1:7001,7400,2222",
        "allow tcp inside -> expe2:7001,7400,2222",
    ]


def test_one_documented_port_is_closed_alone(small: Deployment) -> None:
    lab = small.changed(
        {
            "network.firewalls.internal.closed": ["tcp 7001"],
            "network.firewalls.external.closed": ["udp 40000-50000", "tcp 5222"],
            "network.firewalls.external.otherwise": "reject",
        }
    )
    assert rules(lab)["internal"][:2] == ["drop tcp inside -> expe:7001", "allow tcp inside -> expe:7001,7400,2222"]
    assert rules(lab)["external"][:4] == [
        "reject tcp internet -> outer-dmz:5222",
        "allow tcp internet -> outer-dmz:8443,5061,5222",
        "reject udp internet -> outer-dmz:40000-50000",
        "allow udp internet -> outer-dmz:36002-59999",
    ]
    assert rules(lab.changed({"traversal_zone.port": 7001})) == rules(lab)


def test_an_authors_own_network() -> None:
    lab = load_text("""
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e: [{name: expe, outer: 10.0.10.10, inner: 10.0.20.10, static_nat: 203.0.113.10}]
expressway_c: [{name: expc, address: 10.0.30.10}]
unified_cm: [{publisher: {name: ucm-pub, address: 10.0.40.11}}]
clients: [{name: laptop, address: 192.168.1.20, zone: home}]
network:
  zones:
    - {name: internet}
    - {name: home, site: "a flat in Oslo"}
    - {name: outer-dmz, outward: internet}
    - {name: dmz}
    - {name: inside, site: Head office}
  firewalls:
    - name: router
      between: [internet, home]
      rules: [allow any home -> any]
      nat: [source home -> any as 198.51.100.7]
    - {name: outer, between: [internet, outer-dmz], idle_tcp_s: 600}
    - {name: middle, between: [outer-dmz, dmz], rules: [allow any any -> any]}
    - {name: core, between: [dmz, inside], rules: ["allow   tcp expc:25000-29999 -> expe:7001", drop udp any -> any]}
""")
    router, outer, _, core = lab.topology.firewalls
    assert [zone.site for zone in lab.topology.zones] == ["", "a flat in Oslo", "", "", "Head office"]
    assert router.inner == "home"
    assert outer.nat == (StaticNat(public="203.0.113.10", private="10.0.10.10"),), "from E's own setting"
    assert outer.idle_tcp_ns == 600 * 10**9
    assert str(outer.rules[0]) == "allow tcp any -> outer-dmz:8443,5061,5222", "home is outside too"
    assert [str(rule) for rule in core.rules] == ["allow tcp expc:25000-29999 -> expe:7001", "drop udp any -> any"]
    assert lab.translates
    for text in (as_yaml(lab, reveal=True), as_yaml(lab, full=True, reveal=True)):
        assert load_text(text).topology == lab.topology


def test_an_edge_with_one_interface_is_reached_by_its_public_address(small: Deployment) -> None:
    lab = small.changed(SINGLE)
    inside = {(each.name, each.type): each.value for each in lab.zone_records("inside")}
    assert inside["expe.example.com", "A"] == "203.0.113.10", "with split DNS too"
    assert [(each.address, each.zone) for each in lab.host("expe").interfaces] == [("10.0.10.10", "outer-dmz")]
    assert [str(nat) for nat in lab.topology.firewalls[0].nat] == ["static 203.0.113.10 = 10.0.10.10"]
    assert "allow tcp inside -> expe:7001,7400,2222" in rules(lab)["internal"]
    assert lab.topology.firewalls[0].reflection is False
    turned = lab.changed({"network.firewalls.external.reflection": True})
    assert turned.topology.firewalls[0].reflection is True
    assert rules(turned) == rules(lab)


WALL = {"name": "wall", "between": ["dmz", "inside"]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"network.zones": [{"name": "internet"}, {"name": "dmz"}, {"name": "dmz"}]}, "duplicate zone"),
        (
            {"network.zones": [{"name": "internet"}, {"name": "a", "outward": "b"}]},
            "no such zone; known: internet, a",
        ),
        (
            {"network.zones": [{"name": "a", "outward": "b"}, {"name": "b", "outward": "a"}]},
            "does not lead outward to internet",
        ),
        ({"clients.jabber-1.zone": "moon"}, "clients[0].zone: 'moon': no such zone; known: internet,"),
        ({"network.firewalls": [WALL, WALL]}, "duplicate firewall"),
        ({"network.firewalls": [WALL, {**WALL, "name": "b"}]}, "'dmz, inside': wall is already between these zones"),
        ({"network.firewalls": [{**WALL, "between": ["inside", "dmz"]}]}, "expected the outer zone first"),
        ({"network.firewalls": [{**WALL, "between": ["internet", "dmz"]}]}, "these zones are not adjacent"),
        ({"network.firewalls": [{**WALL, "between": ["moon", "dmz"]}]}, "between[0]: 'moon': no such zone"),
        (
            {"network.firewalls": [{**WALL, "rules": ["drop any any -> any", "allow tcp inside -> expx:7001"]}]},
            "network.firewalls[0].rules[1]: 'allow tcp inside -> expx:7001': no zone or host is called expx",
        ),
        (
            {"network.firewalls": [{**WALL, "nat": ["source expx -> any as 10.9.9.9"]}]},
            "no zone or host is called expx",
        ),
        (
            {"clients.jabber-1.name": "dmz", "network.firewalls": [{**WALL, "rules": ["allow tcp any -> dmz"]}]},
            "dmz is both a zone and a host",
        ),
        (
            {"network.firewalls.external.closed": ["tcp 7001"]},
            "its rules open tcp 8443,5061,5222; udp 36002-59999",
        ),
        (
            {"network.firewalls.external.nat": ["static 203.0.113.53 = 203.0.113.10"]},
            "203.0.113.53 is already the address of dns-outside in internet",
        ),
        (
            {"network.firewalls.external.nat": ["static 203.0.113.9 = 198.51.100.25"]},
            "no host on the inner side of external has the address 198.51.100.25",
        ),
        (
            {
                "network.firewalls.external.nat": [
                    "static 203.0.113.9 = 203.0.113.10",
                    "static 203.0.113.9 = 10.0.20.10",
                ]
            },
            "203.0.113.9 is already mapped to 203.0.113.10",
        ),
        (
            {
                "network.firewalls.external.nat": [
                    "static 203.0.113.8 = 10.0.20.10",
                    "static 203.0.113.9 = 10.0.20.10",
                ]
            },
            "10.0.20.10 is already mapped to 203.0.113.8",
        ),
        (
            {"expressway_e.expe.outer_zone": "internet", "expressway_e.expe.static_nat": "203.0.113.9"},
            "no firewall outward of internet translates it",
        ),
        (
            {
                "expressway_e.expe.static_nat": "203.0.113.9",
                "network.firewalls.external.nat": ["static 203.0.113.9 = 10.0.20.10"],
            },
            "a firewall maps it to 10.0.20.10",
        ),
        ({"clients.jabber-1.address": "10.0.30.10"}, "clients[0].address: '10.0.30.10': already the address of expc"),
        ({"clients.inside-1.address": "10.0.30.10"}, "clients[3].address: '10.0.30.10': already the address of expc"),
    ],
)
def test_contradictions_are_reported_with_field_value_and_reason(
    small: Deployment, changes: dict[str, Any], expected: str
) -> None:
    found = reasons(small, changes)
    assert any(expected in each for each in found), found


def test_one_address_in_two_zones_needs_translation_between_them(small: Deployment) -> None:
    nat = {"network.firewalls.internal.nat": ["source inside -> dmz as 10.0.20.1"]}
    lab = small.changed({**nat, "clients.jabber-1.address": "10.0.30.10"})
    assert lab.translates
    assert lab.host("jabber-1").address == lab.host("expc").address


def test_invalid_rules_are_reported_at_their_place() -> None:
    text = as_yaml(builtin("small"), reveal=True) + (
        "network:\n  firewalls:\n    - name: wall\n      between: [dmz, inside]\n      rules:\n"
        "        - allow tcp inside -> expe:70000\n      nat: [static a = b]\n      closed: [tcp]\n"
    )
    with pytest.raises(DeploymentError) as caught:
        load_text(text, source="lab.yaml")
    lines = [str(each).partition(": ")[2] for each in caught.value.mistakes]
    assert lines[0] == (
        "network.firewalls[0].rules[0]: 'allow tcp inside -> expe:70000': "
        "expected ports from 1 to 65535, the lower first, got '70000'"
    )
    assert "network.firewalls[0].nat[0]: 'static a = b': expected an address such as 203.0.113.10" in lines[1]
    assert "network.firewalls[0].closed[0]: 'tcp': expected a protocol and its ports" in lines[2]


def test_addresses_in_rules_move_with_the_hosts(small: Deployment) -> None:
    plan = [
        {
            "name": "wall",
            "between": ["dmz", "inside"],
            "rules": [
                "allow tcp 10.0.30.10:25000-29999 -> 10.0.20.10:7001",
                "allow any 10.0.40.0/24 -> any",
                "drop any 192.0.2.0/24 -> inside",
            ],
        }
    ]
    moved = on_loopback(small.changed({"network.firewalls": plan}), dns_port=10053)
    assert rules(moved)["wall"] == [
        "allow tcp 127.0.30.10:25000-29999 -> 127.0.20.10:7001",
        "allow any 127.0.40.0/24 -> any",
        "drop any 192.0.2.0/24 -> inside",
    ]


def test_the_live_world_does_not_translate(small: Deployment) -> None:
    lab = small.changed(SINGLE)
    with pytest.raises(UnsupportedError) as caught:
        on_loopback(lab)
    assert caught.value.capability is Capability.NAT
    world = LiveWorld(1)
    try:
        with pytest.raises(UnsupportedError):
            RunningLab(world, lab)
    finally:
        world.loop.close()
