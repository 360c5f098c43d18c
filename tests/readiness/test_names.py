"""Rules about DNS: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.scenario.proof import simulate
from tests.readiness.cases import Case


def srv(view: str, service: str, target: str = "expe.example.com") -> dict[str, Any]:
    """Return an SRV record to add."""
    return {"view": view, "name": service, "type": "SRV", "value": f"10 10 8443 {target}"}


def no(view: str, name: str, kind: str) -> dict[str, Any]:
    """Return the setting that leaves one derived record out."""
    return {"dns.without": [{"view": view, "name": name, "type": kind}]}


def instead(left_out: tuple[str, str, str], *records: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that put other records in the place of a derived one."""
    return {**no(*left_out), "dns.extra": list(records)}


def moved(name: str, address: str) -> dict[str, Any]:
    """Return the settings that give a name another address inside."""
    return instead(("inside", name, "A"), {"view": "inside", "name": name, "type": "A", "value": address})


EDGE = "_collab-edge._tls.example.com"


def edge_srv(value: str, *more: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that give the edge domain another record, and others beside it."""
    return instead(("outside", EDGE, "SRV"), {"view": "outside", "name": EDGE, "type": "SRV", "value": value}, *more)


DOOR = {"view": "outside", "name": "door.example.com", "type": "CNAME", "value": "expe2.example.com"}
LEAK = srv("outside", "_cisco-uds._tcp.example.com", "x.example.com")
UDS = srv("inside", "_cisco-uds._tcp.example.com", "ucm-pub.inside.example.com")
NO_UDS = {"dns.cisco_uds": False}
OLD = {"expressway_e.expe.release": "X12.1", "expressway_c.expc.release": "X12.1"}
LAST_OLD = {"expressway_e.expe.release": "X12.4.4", "expressway_c.expc.release": "X12.4.4"}
OLDEST = {
    "expressway_e.expe.release": "X8.7",
    "expressway_c.expc.release": "X8.7",
    "unified_cm.cucm.push_notifications": False,
}
BY_ADDRESS = {
    "unified_cm.cucm.publisher.known_as": "address",
    "unified_cm.cucm.subscribers.ucm-sub.known_as": "address",
    "mra.tls_verify_unified_cm": False,
    "expressway_e.expe.release": "X12.5",
    "expressway_c.expc.release": "X12.5",
    "certificates": [
        {"host": host, "service": "tomcat", "extra_names": [address]}
        for host, address in (("ucm-pub", "10.0.40.11"), ("ucm-sub", "10.0.40.12"))
    ],
}
ALWAYS_MRA = {**NO_UDS, "dns.collab_edge_inside": True}
TWO_DOMAINS = {"domains.enabled": [{"name": "example.com"}, {"name": "example.net"}]}
INNER_PTR = "10.20.0.10.in-addr.arpa"
OTHER_NAME = {"view": "inside", "name": INNER_PTR, "type": "PTR", "value": "old-name.example.com"}
BEFORE_X12_5 = "NET-04.cisco-uds-before-x12.5"
CHAT_OFF = {"domains.enabled": [{"name": "example.com", "im_and_presence": False}]}

CASES = [
    # _cisco-uds outside
    Case(changes={"dns.cisco_uds_outside": True}, rule="NET-14.cisco-uds-outside", at="dns.cisco_uds_outside"),
    Case(changes={"dns.extra": [LEAK]}, rule="NET-14.cisco-uds-outside", at="dns.extra[0]"),
    Case(changes={"dns.extra": [{**LEAK, "view": "inside"}]}),
    # _cisco-uds inside
    Case(changes={**NO_UDS, **OLD}, rule=BEFORE_X12_5, at="dns.cisco_uds"),
    Case(changes={**NO_UDS, **LAST_OLD, "dns.collab_edge_inside": True}, rule=BEFORE_X12_5),
    Case(
        changes={**TWO_DOMAINS, **OLD, **no("inside", "_cisco-uds._tcp.example.net", "SRV")},
        rule=BEFORE_X12_5,
        at="dns.without[0]",
    ),
    Case(changes={**NO_UDS, **OLD, "dns.extra": [UDS]}),
    Case(changes=OLD),
    Case(changes=NO_UDS, rule="NET-11.cisco-uds-inside", at="dns.cisco_uds"),
    Case(
        changes={**TWO_DOMAINS, **no("inside", "_cisco-uds._tcp.example.net", "SRV")},
        rule="NET-11.cisco-uds-inside",
        at="dns.without[0]",
    ),
    Case(changes={**NO_UDS, "dns.extra": [UDS]}),
    Case(changes=ALWAYS_MRA),
    Case(
        changes={**ALWAYS_MRA, **BY_ADDRESS}, rule="NET-05.known-by-fqdn", at="unified_cm[0].publisher.known_as"
    ),
    Case(changes={**ALWAYS_MRA, **BY_ADDRESS, "unified_cm.cucm.publisher.known_as": "fqdn"}),
    Case(changes=BY_ADDRESS),
    # _collab-edge
    Case(changes={"dns.collab_edge": False}, rule="NET-09.collab-edge", at="dns.collab_edge"),
    Case(
        changes={**TWO_DOMAINS, **no("outside", "_collab-edge._tls.example.net", "SRV")},
        rule="NET-09.collab-edge",
        at="dns.without[0]",
    ),
    Case(changes=TWO_DOMAINS),
    Case(changes={"domains.enabled": [{"name": "example.net"}]}, rule="NET-09.edge-domain", at="domains.enabled"),
    Case(
        changes={"domains.enabled": [{"name": "example.net"}], "dns.extra": [srv("outside", EDGE)]},
        rule="NET-09.domain-on-c",
        at="domains.enabled",
    ),
    Case(changes={"dns.collab_edge": False, "dns.collab_edge_inside": True}),
    Case(
        changes={"dns.extra": [srv("outside", "_collab-edge._tls.example.net")]},
        rule="NET-09.domain-on-c",
        at="domains.enabled",
    ),
    Case(changes={"dns.extra": [srv("outside", "_collab-edge._tls.example.net", "edge.elsewhere.example")]}),
    Case(
        changes=no("outside", "expe.example.com", "A"), rule="NET-09.edge-address-outside", at="dns.without[0]"
    ),
    Case(
        changes={
            **no("outside", "expe.example.com", "A"),
            "dns.extra": [{"view": "outside", "name": "expe.example.com", "type": "A", "value": "203.0.113.99"}],
        },
        rule="NET-09.edge-address-outside",
    ),
    Case(
        changes={
            **no("outside", "expe1.example.com", "A"),
            "dns.extra": [{"view": "outside", "name": "expe1.example.com", "type": "A", "value": "203.0.113.10"}],
        },
        deployment="pair",
    ),
    Case(changes=no("inside", "expe.example.com", "A"), rule="NET-09.edge-address-inside", at="dns.without[0]"),
    Case(
        changes={
            **no("outside", "_collab-edge._tls.example.com", "SRV"),
            "dns.extra": [srv("outside", "_collab-edge._tls.example.com", "expe1.example.com")],
        },
        deployment="pair",
        rule="NET-10.one-record-each",
        at="dns.without[0]",
    ),
    Case(
        changes={
            **no("outside", "_collab-edge._tls.example.com", "SRV"),
            "dns.extra": [
                srv("outside", "_collab-edge._tls.example.com", f"{name}.example.com") for name in ("expe1", "door")
            ]
            + [DOOR],
        },
        deployment="pair",
        rule="NET-09.collab-edge-name",
        at="dns.extra[1]",
    ),
    Case(
        changes={
            **no("outside", "_collab-edge._tls.example.com", "SRV"),
            "dns.extra": [
                srv("outside", "_collab-edge._tls.example.com", f"{name}.example.com") for name in ("expe1", "door")
            ]
            + [DOOR],
            "certificates": [{"host": "expe2", "service": "server", "extra_names": ["door.example.com"]}],
        },
        deployment="pair",
        rule="NET-09.collab-edge-alias",
        at="dns.extra[1]",
    ),
    # each field of a record, and its target
    Case(changes=edge_srv("10 10 443 expe.example.com"), rule="NET-09.collab-edge-port", at="dns.extra[0]"),
    Case(changes=edge_srv("0 0 0 expe.example.com"), rule="NET-09.collab-edge-port"),
    Case(changes=edge_srv("20 1 8443 expe.example.com")),
    Case(changes={**edge_srv("10 10 443 expe.example.com"), "defaults.ports.edge_https": 443}),
    Case(changes=edge_srv("10 10 8443 nowhere.example.com"), rule="NET-09.collab-edge-target", at="dns.extra[0]"),
    Case(changes=edge_srv("10 10 8443 dns-outside.example.com"), rule="NET-09.collab-edge-target"),
    Case(changes=edge_srv("10 10 8443 door.example.com", {**DOOR, "value": "expe.example.com"}),
         rule="NET-09.collab-edge-name"),
    Case(changes=edge_srv("10 10 8443 door.example.com", {**DOOR, "type": "A", "value": "203.0.113.10"}),
         rule="NET-09.collab-edge-name"),
    Case(deployment="pair", changes=edge_srv("10 10 8443 expe1.example.com", srv("outside", EDGE, "gone.example.com")),
         rule="NET-09.collab-edge-target", at="dns.extra[1]", advice=("NET-10.one-record-each",)),
    # the edge cookie
    Case(changes={"expressway_e.expe.dns_domain": "elsewhere.example"}, rule="NET-09.cookie-domain",
         at="expressway_e[0].dns_domain"),
    Case(changes={"expressway_e.expe.dns_domain": "EXAMPLE.com"}),
    Case(changes={"expressway_e.expe1.dns_domain": "elsewhere.example"}, rule="NET-09.cookie-domain",
         deployment="pair"),
    # aliases and wildcards, as the lab's DNS serves them
    Case(
        changes=instead(
            ("outside", EDGE, "SRV"),
            {"view": "outside", "name": EDGE, "type": "CNAME", "value": "_collab-edge._tls.example.net"},
            srv("outside", "_collab-edge._tls.example.net", "expe.example.com"),
        ),
    ),
    Case(
        changes=instead(
            ("outside", EDGE, "SRV"),
            {"view": "outside", "name": EDGE, "type": "CNAME", "value": "_collab-edge.services.example.com"},
            srv("outside", "_collab-edge.services.example.com", "expe.example.com"),
        )
    ),
    Case(
        changes=instead(
            ("inside", INNER_PTR, "PTR"),
            {"view": "inside", "name": INNER_PTR, "type": "CNAME", "value": "10.0/25.20.0.10.in-addr.arpa"},
            {"view": "inside", "name": "10.0/25.20.0.10.in-addr.arpa", "type": "PTR", "value": "expe.example.com"},
        )
    ),
    Case(
        changes=instead(
            ("outside", "expe.example.com", "A"),
            {"view": "outside", "name": "*.example.com", "type": "A", "value": "203.0.113.10"},
        ),
    ),
    # E in reverse
    Case(changes=no("inside", INNER_PTR, "PTR"), rule="NET-12.reverse-dns", at="dns.without[0]"),
    Case(
        changes={**no("inside", INNER_PTR, "PTR"), "dns.extra": [OTHER_NAME]}, rule="NET-12.reverse-dns"
    ),
    Case(changes={"dns.extra": [OTHER_NAME]}),
    Case(changes=no("outside", "10.113.0.203.in-addr.arpa", "PTR")),
    Case(changes={**no("inside", INNER_PTR, "PTR"), **OLDEST}),
    Case(changes={**no("inside", INNER_PTR, "PTR"), **CHAT_OFF}),
    # UC nodes, forward and in reverse
    Case(
        changes=no("inside", "ucm-sub.inside.example.com", "A"), rule="NET-13.forward", at="dns.without[0]"
    ),
    Case(changes=no("inside", "imp-pub.inside.example.com", "A"), rule="NET-13.forward", at="dns.without[0]"),
    Case(changes=moved("ucm-pub.inside.example.com", "10.0.40.99"), rule="NET-13.forward", at="dns.without[0]"),
    Case(changes=moved("imp-pub.inside.example.com", "10.0.40.11"), rule="NET-13.forward"),
    Case(changes=moved("ucm-sub.inside.example.com", "10.0.40.99"), rule="NET-13.forward"),
    Case(changes={**BY_ADDRESS, **no("inside", "ucm-sub.inside.example.com", "A")}, rule="NET-13.forward"),
    Case(changes=no("outside", "ucm-sub.inside.example.com", "A")),
    Case(
        changes={**BY_ADDRESS, **no("inside", "11.40.0.10.in-addr.arpa", "PTR")},
        rule="NET-13.reverse",
        at="dns.without[0]",
    ),
    Case(
        changes={
            "unified_cm.cucm.subscribers.ucm-sub.known_as": "host name",
            "certificates": [
                {"host": "ucm-sub", "service": service, "extra_names": ["ucm-sub"]}
                for service in ("tomcat", "callmanager")
            ],
            **no("inside", "12.40.0.10.in-addr.arpa", "PTR"),
        },
        rule="NET-13.reverse",
    ),
    Case(changes=no("inside", "11.40.0.10.in-addr.arpa", "PTR")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_one_setting_is_one_finding_however_many_domains_it_leaves_without_records() -> None:
    domains = [{"name": name} for name in ("example.com", "example.net", "example.org")]
    deployment = load("small").changed({"domains.enabled": domains, "dns.cisco_uds": False})
    (found,) = check(deployment).reported
    assert found.rule.name == "NET-11.cisco-uds-inside"
    assert all(f"_cisco-uds._tcp.{each['name']}" in found.finding.fix for each in domains)
    (proof,) = simulate(deployment, check(deployment)).proofs
    assert proof.shown, proof


def test_nothing_is_predicted_of_machines_that_are_not_there() -> None:
    """Room devices never query ``_cisco-uds``; without a client inside none can miss it."""
    leak = check(load("devices").changed({"dns.cisco_uds_outside": True})).reported[0].finding
    assert leak.prediction is not None
    assert "room-1" not in str(leak.prediction.never[0])
    (inside,) = check(load("devices").changed({"dns.cisco_uds": False})).reported
    assert inside.finding.prediction is None


def test_clients_of_a_branch_sign_in_where_they_stand() -> None:
    deployment = load("small").changed(
        {
            "network.zones": [
                *({"name": name} for name in ("internet", "outer-dmz", "dmz", "inside")),
                {"name": "branch", "outward": "inside"},
            ],
            "clients": [{"name": "laptop", "address": "10.0.60.5", "zone": "branch"}],
        }
    )
    simulated = simulate(deployment, check(deployment))
    assert {str(each.user) for each in simulated.attempts} == {"alice", "bob", "carol"}
    assert simulated.complete


@pytest.mark.parametrize("names", [["expe1"], ["expe1", "expe2"]])
def test_of_several_peers_the_zone_names_those_without_an_address(names: list[str]) -> None:
    without = [{"view": "inside", "name": f"{name}.example.com", "type": "A"} for name in names]
    deployment = load("cluster").changed({"dns.without": without})
    report = check(deployment)
    assert report.rules == ("NET-09.edge-address-inside",)
    for proof in simulate(deployment, report).proofs:
        assert proof.shown, proof
