"""Several findings in one report: none promises what another makes unreachable, and the rest comes true."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import Report, check
from edgesim.scenario.proof import simulate
from tests.readiness.cases import Case

CASES: list[Case] = []
FEW = {
    "clients": [{"name": "laptop", "address": "198.51.100.25"}],
    "users": [{"id": "alice", "password": "alice-secret", "numbers": ["1001"], "devices": ["CSFALICE"]}],
}


def closed(wall: str, *ports: int) -> dict[str, Any]:
    return {f"network.firewalls.{wall}.closed": [f"tcp {port}" for port in ports]}


NO_RECORD = {"dns.collab_edge": False}
NO_CHAT = closed("internal", 7400)
PRIVATE = {"certificates": [{"host": "expe", "service": "server", "signed_by": "private"}]}
NO_TRUST = {"trust": [{"host": "expc", "store": "trusted-ca", "lacks": ["public"]}]}
NO_A = {"view": "inside", "name": "expe.example.com", "type": "A"}
TOGETHER: list[Mapping[str, Any]] = [
    closed("internal", 7001, 2222, 7400),
    closed("internal", 7001, 2222),
    closed("internal", 2222, 7400),
    closed("external", 8443, 5061, 5222),
    {**closed("external", 8443), **closed("internal", 7001, 2222, 7400)},
    {**closed("external", 5061, 5222), **closed("internal", 7001, 7400)},
    {**closed("external", 5222), **closed("internal", 2222)},
    {**NO_RECORD, **NO_CHAT},
    {**NO_RECORD, **closed("external", 8443, 5061)},
    {**PRIVATE, **NO_CHAT},
    {**NO_TRUST, **closed("internal", 2222)},
    {**NO_CHAT, "mra.access.user_credential": False},
    {**closed("internal", 2222), "mra.access.user_credential": False},
    {**NO_CHAT, "expressway_e.0.name": "exp_e"},
    {**NO_CHAT, "mra.unified_cm_clusters": []},
    {**NO_RECORD, "mra.unified_cm_clusters": []},
    {**closed("internal", 7001), "traversal_zone.peer_addresses": ["10.0.20.99"]},
    {**NO_CHAT, "dns.without": [{"view": "inside", "name": "10.20.0.10.in-addr.arpa", "type": "PTR"}]},
    {**closed("internal", 7001, 2222, 7400), "dns.without": [NO_A]},
    {**closed("internal", 2222), "expressway_e.0.name": "exp_e"},
]


def report(changes: Mapping[str, Any]) -> Report:
    return check(load("small").changed({**FEW, **changes}))


@pytest.mark.parametrize("changes", TOGETHER, ids=str)
def test_what_is_promised_comes_and_nothing_contradicts_it(changes: Mapping[str, Any]) -> None:
    found = report(changes)
    predictions = [each.finding.prediction for each in found.reported if each.finding.prediction]
    bans = {str(ban) for each in predictions for ban in each.never}
    assert not bans.intersection(str(each) for one in predictions for each in one.awaits)
    proofs = simulate(found.deployment, found).proofs
    assert proofs, "something is left to predict"
    for proof in proofs:
        assert proof.shown, (proof.reported.rule.name, [str(each) for each, entry in proof.seen if entry is None])


def test_three_ports_of_one_firewall_give_one_state_of_the_zone() -> None:
    """The tunnel alone would leave the zone active, and 7001 alone a sign-in that ends at REGISTER."""
    found = {each.rule.name: each.finding.prediction for each in report(closed("internal", 7001, 2222, 7400)).reported}
    text = {name: " ".join(map(str, one.awaits)) if one else "" for name, one in found.items()}
    assert "Failed" in text["NET-15.sip"] and "REGISTER" not in text["NET-15.sip"]
    assert "502" in text["NET-15.https"] and "Active" not in text["NET-15.https"]
    assert "XcpLink" in text["NET-15.xmpp"] and "XmppStream" not in text["NET-15.xmpp"]
    alone = {each.rule.name: each.finding.prediction for each in report(closed("internal", 2222)).reported}
    assert "Active" in str(alone["NET-15.https"])
