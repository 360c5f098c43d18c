"""Rules about addresses between C and E: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.scenario.proof import simulate
from tests.readiness.cases import Case

PUBLIC = "203.0.113.10"
EXTERNAL: dict[str, Any] = {"name": "external", "between": ["internet", "outer-dmz"]}
INTERNAL: dict[str, Any] = {"name": "internal", "between": ["dmz", "inside"]}
TWO = {"expressway_e": [{"name": "expe", "outer": "10.0.10.10", "inner": "10.0.20.10", "static_nat": PUBLIC}]}
ONE = {"expressway_e": [{"name": "expe", "outer": "10.0.10.10", "static_nat": PUBLIC}]}
REFLECTING = {**EXTERNAL, "reflection": True, "keeps_source": True}
MANAGEMENT = [
    {"name": "internet"},
    {"name": "outer-dmz"},
    {"name": "dmz"},
    {"name": "inside"},
    {"name": "management", "outward": "dmz"},
]
APART = {"expressway_e": [{"name": "expe", "outer": PUBLIC, "inner": "10.0.99.10", "inner_zone": "management"}]}


def behind(*nat: str, external: dict[str, Any] = EXTERNAL) -> dict[str, Any]:
    """Return the change that gives the internal firewall these translations."""
    return {"network.firewalls": [external, {**INTERNAL, "nat": list(nat)}]}


CASES = [
    Case(changes=TWO),
    Case(changes={**TWO, **behind(f"source expc -> dmz as {PUBLIC}")}, rule="NET-01.shared-address",
         at="network.firewalls[1].nat[0]"),
    Case(changes={**TWO, **behind("source expc -> dmz as 10.0.20.99")}, rule="NET-17.translated-source",
         at="network.firewalls[1].nat[0]"),
    Case(changes={**TWO, **behind("source inside -> outer-dmz as 10.0.10.99")}),  # not the way to the inner interface
    Case(changes={**TWO, **behind("source inside-1 -> dmz as 10.0.20.99")}),  # another host's
    Case(changes={**ONE, "network.firewalls": [REFLECTING, INTERNAL]}),
    Case(changes={**ONE, "network.firewalls": [{**EXTERNAL, "reflection": True}, INTERNAL]},
         rule="NET-17.translated-source"),
    Case(changes={**TWO, "network.firewalls": [EXTERNAL, {
        **INTERNAL, "nat": ["source expc -> dmz as 10.0.20.99"],
        "rules": ["allow tcp expc:25000-29999 -> expe:7001", "allow tcp inside -> expe:2222,7400",
                  "allow udp inside -> expe:2776-2777"]}]}, rule="NET-17.translated-source"),  # by C's source ports
    Case(changes=behind("source inside -> dmz as 10.0.20.99"), deployment="cluster", rule="NET-17.translated-source"),
    Case(changes=ONE, rule="NET-20.no-reflection", at="network.firewalls[0].reflection"),
    Case(changes={"dns.split": False, "expressway_e.expe.inner_name": "expe-inner"}),
    Case(changes={**TWO, "dns.split": False}, rule="NET-19.inner-name", at="dns.split"),
    Case(changes={**APART, "network.zones": MANAGEMENT, "dns.split": False}, rule="LIM-02.xcp-interface",
         at="dns.split"),
    Case(changes={**APART, "network.zones": MANAGEMENT, "dns.split": False, "im_presence": []}),
]  # fmt: skip


APART_TWICE = {
    "network.zones": MANAGEMENT,
    "dns.split": False,
    "expressway_e": [
        {"name": f"expe{n}", "outer": f"203.0.113.{9 + n}", "inner": f"10.0.99.{9 + n}", "inner_zone": "management"}
        for n in (1, 2)
    ],
}


def test_every_expressway_e_of_one_cause_is_named() -> None:
    (reported,) = Case(changes=APART_TWICE, deployment="pair").report().reported
    assert reported.rule.name == "LIM-02.xcp-interface"
    assert reported.finding.what == (
        "expc1 and expc2 reach expe1 and expe2 on the external interfaces, and XCP uses only the internal ones "
        "(10.0.99.10 in zone management and 10.0.99.11 in zone management)"
    )
    assert "inner_name of expe1 and expe2" in reported.finding.fix


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        (behind("source inside -> dmz as 10.0.20.99"), 1),
        ({f"expressway_e.expe{n}.{key}": value for n in (1, 2) for key, value in
          (("inner", None), ("outer", f"10.0.10.{n}"), ("static_nat", f"203.0.113.{n}"))}, 1),
        ({"dns.split": False}, 1),  # the one setting that hides the inner interface of each
    ],
    ids=["translation", "reflection", "split"],
)  # fmt: skip
def test_one_cause_is_one_finding_however_many_peers_meet_it(changes: dict[str, Any], count: int) -> None:
    deployment = load("cluster").changed(changes)
    report = check(deployment)
    assert len(report.reported) == count, report.as_json()
    for proof in simulate(deployment, report).proofs:
        assert proof.shown, proof


def test_connections_that_end_each_other_are_not_opened_without_end() -> None:
    deployment = load("cluster").changed(behind("source inside -> dmz as 10.0.20.99"))
    simulated = simulate(deployment, check(deployment))
    lost = [entry for entry in simulated.journal.select(kind="zone.state") if "connection lost" in entry.event.reason]
    assert 0 < len(lost) < 100
