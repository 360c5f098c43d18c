"""Rules about ports and peer addresses: each tripped alone, by closing as by writing rules, and beside sound ones."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.readiness.rules import rule
from tests.readiness.cases import Case

LARGE = {"expressway_e.expe.size": "large"}
PROBE = {"mra.media_probe": {"to": "inside-1"}}
EXTERNAL = ["allow tcp internet -> outer-dmz:8443,5061,5222", "allow udp internet -> outer-dmz:36002-59999"]
MEDIA = "allow udp any -> any:36002-40000"
INTERNAL = [
    "allow tcp inside -> expe:7001,7400,2222",
    "allow udp inside -> expe:2776-2777",
    "allow any inside -> internet",
]


def closed(wall: str, *ports: str) -> dict[str, Any]:
    return {f"network.firewalls.{wall}.closed": list(ports)}


def rules(wall: str, *texts: str) -> dict[str, Any]:
    return {f"network.firewalls.{wall}.rules": list(texts)}


ALIAS = {"view": "inside", "name": "edge.example.com", "type": "A", "value": "10.0.20.10"}
CLOSED = "network.firewalls[{}].closed".format
CASES = [
    Case(changes=closed("external", "tcp 8443"), rule="NET-16.https", at=CLOSED(0)),
    Case(changes=closed("external", "tcp 5061"), rule="NET-16.sip", at=CLOSED(0)),
    Case(changes=closed("external", "tcp 5222"), rule="NET-16.xmpp", at=CLOSED(0)),
    Case(changes=closed("external", "udp 36002-59999"), rule="NET-16.media", at=CLOSED(0)),
    Case(changes=closed("external", "udp 59999"), rule="NET-16.media", at=CLOSED(0)),
    Case(changes=closed("internal", "tcp 7001"), rule="NET-15.sip", at=CLOSED(1)),
    Case(changes=closed("internal", "tcp 2222"), rule="NET-15.https", at=CLOSED(1)),
    Case(changes=closed("internal", "tcp 7400"), rule="NET-15.xmpp", at=CLOSED(1)),
    Case(changes=closed("internal", "udp 2776-2777"), rule="NET-15.media", at=CLOSED(1)),
    Case(changes=closed("internal", "udp 2777"), rule="NET-15.media"),
    Case(changes={**LARGE, **closed("internal", "udp 36011")}, rule="NET-15.media"),
    # no chat, no XCP
    Case(changes={**closed("internal", "tcp 7400"), "im_presence": [], "mra.im_presence_clusters": []}),
    # the deployment's own ports
    Case(changes={"traversal_zone.port": 7003}),
    Case(changes={"traversal_zone.port": 7003, **rules("internal", *INTERNAL)}, rule="NET-15.sip"),
    # order, ranges, hosts and source ports of rules count
    Case(changes=rules("external", "drop tcp any -> outer-dmz:5061", *EXTERNAL), rule="NET-16.sip"),
    Case(changes=rules("external", *EXTERNAL, "drop tcp any -> outer-dmz:5061")),
    Case(changes=rules("external", "drop tcp jabber-2 -> expe:5222", *EXTERNAL), rule="NET-16.xmpp"),
    Case(changes=rules("external", "drop tcp 198.51.100.99 -> expe:5222", *EXTERNAL)),
    Case(changes=rules("external", EXTERNAL[0], MEDIA, "allow udp any -> expe:40001-59999")),
    Case(
        changes=rules("external", EXTERNAL[0], MEDIA, "allow udp any -> expe:40002-59999"),
        rule="NET-16.media",
        at="network.firewalls[0].rules",
    ),
    Case(changes=rules("internal", "allow tcp expc:25000-29999 -> expe:7001", "allow tcp expc -> expe:7400",
                       "allow tcp expc:30000-35999 -> expe:2222", "allow udp expc:36000-59999 -> expe:2776-2777")),
    Case(changes=rules("internal", "allow tcp expc:25000-26999 -> expe:7001", *INTERNAL[1:],
                       "allow tcp expc -> expe:7400,2222"), rule="NET-15.sip"),
    # inward
    Case(changes=rules("internal", *INTERNAL, "allow tcp expe -> expc:5061"), rule="NET-15.inbound",
         at="network.firewalls[1].rules[3]"),
    Case(changes=rules("internal", *INTERNAL, "allow udp any -> 10.0.40.0/24:53"), rule="NET-15.inbound"),
    Case(changes=rules("internal", *INTERNAL, "drop tcp expe -> expc:5061")),
    Case(changes=rules("internal", *INTERNAL, "allow tcp expe -> expc:5061")
         | {"network.firewalls.internal.otherwise": "reject"}, rule="NET-15.inbound"),
    # peer addresses
    Case(changes={"traversal_zone.peer_addresses": ["expressway.example.com"]}, rule="NET-18.peer-address",
         at="traversal_zone.peer_addresses[0]"),
    Case(changes={"traversal_zone.peer_addresses": ["10.0.20.99"]}, rule="NET-18.peer-address"),
    Case(changes={"traversal_zone.peer_addresses": ["ucm-pub.inside.example.com"]}, rule="NET-18.peer-address"),
    Case(deployment="pair", changes={"traversal_zone.peer_addresses": ["expe1.example.com", "expe3.example.com"]},
         rule="NET-18.peer-address", at="traversal_zone.peer_addresses[1]"),
    Case(changes={"traversal_zone.peer_addresses": ["expe.example.com"]}),
    # credentials of the zone
    Case(changes={"traversal_zone.server_password": "another"}, rule="NET-18.credentials",
         at="traversal_zone.server_password"),
    Case(changes={"traversal_zone.server_password": "traversal-password"}),
    # names with an underscore, written or derived
    Case(changes={"traversal_zone.peer_addresses": ["edge_1.example.com"],
                  "dns.extra": [{**ALIAS, "name": "edge_1.example.com"}],
                  "certificates": [{"host": "expe", "service": "server", "extra_names": ["edge_1.example.com"]}]},
         rule="NET-18.underscore", at="traversal_zone.peer_addresses[0]"),
    Case(changes={"expressway_e.0.name": "exp_e"}, rule="NET-18.underscore", at="expressway_e[0].name"),
    Case(changes={"dns.split": False, "expressway_e.0.inner_name": "inner_e"}, rule="NET-18.underscore",
         at="expressway_e[0].inner_name"),
    Case(changes={"expressway_c.0.name": "exp_c"}),
    # an address that is right, and no name of the certificate
    Case(changes={"traversal_zone.peer_addresses": ["10.0.20.10"]}, rule="NET-18.peer-name",
         at="traversal_zone.peer_addresses[0]"),
    Case(changes={"traversal_zone.peer_addresses": ["edge.example.com"], "dns.extra": [ALIAS]},
         rule="NET-18.peer-name"),
    Case(changes={"traversal_zone.peer_addresses": ["edge.example.com"], "dns.extra": [ALIAS],
                  "certificates": [{"host": "expe", "service": "server", "extra_names": ["edge.example.com"]}]}),
    Case(deployment="pair", changes={"traversal_zone.peer_addresses": ["expe1.example.com", "10.0.20.11"]},
         rule="NET-18.peer-name", at="traversal_zone.peer_addresses[1]"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_one_edge_of_two_predicts_nothing_but_is_named() -> None:
    changes = {"network.firewalls.external.rules": ["drop tcp any -> expe1:5061", *EXTERNAL]}
    (found,) = check(load("pair").changed(changes)).reported
    assert found.rule.name == "NET-16.sip" and found.finding.prediction is None
    assert "expe1" in found.finding.what and "expe2" not in found.finding.what


def test_media_is_predicted_where_a_probe_shows_it() -> None:
    changes = closed("internal", "udp 2776-2777")
    for probe, predicted in (({}, False), (PROBE, True)):
        (found,) = check(load("small").changed({**changes, **probe})).reported
        assert bool(found.finding.prediction) is predicted


def test_a_finding_names_firewall_machines_ports_and_rule() -> None:
    (found,) = check(load("small").changed(closed("internal", "tcp 7001"))).reported
    assert found.finding.what == ("firewall internal blocks tcp 7001 from expc to expe (drop tcp inside -> expe:7001)")
    assert found.finding.fix == "allow tcp 7001 from expc to expe on the firewall internal"
    assert rule("NET-15.sip").requires == (
        "firewalls let Expressway-C open SIP over TLS: the traversal zone to Expressway-E"
    )
