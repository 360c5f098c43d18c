"""Every rule's prediction is seen in a simulation: of one case that trips the rule, with ``make soak`` of each."""

from __future__ import annotations

import pytest

from edgesim.readiness.rules import RULES
from edgesim.scenario.proof import simulate
from tests import fuzz
from tests.readiness.cases import Case
from tests.readiness.test_check import ALL_CASES

USUAL = 2_000
"""Inputs of a fuzz test outside ``make soak``."""
SILENT = {
    "NET-15.inbound": "an opening that nobody uses",
    "NET-09.collab-edge-alias": "clients follow the alias all the same",
    "CERT-16.wildcard": "wildcards match, here",
    "EP-08.trusted-by-e": "a list that is looked at by nobody of the lab",
    "UC-04.one-address": "which of the two chats is not determined",
    "EP-01.jabber-release": "no release of a client refuses anything",
}
"""Rules that predict nothing on the wire by themselves, beside those about what the lab does not play."""


def predicts(case: Case) -> bool:
    """Return whether something is predicted of what the check finds in a case."""
    return any(each.finding.prediction for each in case.report().reported)


def chosen() -> list[Case]:
    """Return the first case of each rule that predicts something; with ``make soak`` all of them."""
    found: dict[str, list[Case]] = {}
    for case in ALL_CASES:
        if case.rule and (fuzz.EXAMPLES > USUAL or case.rule not in found) and predicts(case):
            found.setdefault(case.rule, []).append(case)
    return [case for cases in found.values() for case in cases]


CHOSEN = chosen()


@pytest.mark.fuzz
@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_what_a_rule_predicts_is_seen(case: Case) -> None:
    report = case.report()
    proofs = simulate(report.deployment, report, everybody=False).proofs
    assert proofs
    for proof in proofs:
        unseen = [str(matcher) for matcher, entry in proof.seen if entry is None]
        assert proof.shown, (proof.reported.rule.name, unseen, [str(matcher) for matcher, _ in proof.broken])


def test_most_rules_predict_something() -> None:
    silent = {rule.name for rule in RULES} - {case.rule for case in CHOSEN}
    assert set(SILENT) <= silent, set(SILENT) - silent
    assert len(silent) < len(RULES) / 3, silent
