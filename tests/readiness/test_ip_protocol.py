"""Rules about the IP protocol of the Expressways: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from tests.readiness.cases import Case

SIX = {"expressway_e.expe.outer_ipv6": "2001:db8:10::10"}
NO_AAAA = {"dns.without": [{"view": "outside", "name": "expe.example.com", "type": "AAAA"}]}
DUAL = {"clients.jabber-2.ipv6": "2001:db8:25::26"}

CASES = [
    Case(
        changes={**SIX, "expressway_e.expe.ip_protocol": "IPv6"},
        rule="EXP-07.ipv6-only",
        at="expressway_e[0].ip_protocol",
    ),
    Case(changes={"expressway_c.expc.ip_protocol": "IPv6"}, rule="EXP-07.ipv6-only", at="expressway_c[0].ip_protocol"),
    Case(changes={"expressway_c.expc.ip_protocol": "Both"}),
    Case(
        changes={**SIX, "expressway_e.expe.ip_protocol": "Both"}, rule="EXP-07.both", at="expressway_e[0].ip_protocol"
    ),
    Case(changes={**SIX, **NO_AAAA, "expressway_e.expe.ip_protocol": "Both"}),
    Case(changes={"expressway_e.expe.ip_protocol": "Both"}),
    Case(changes={**SIX, **DUAL}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_what_is_predicted_of_both_protocols_is_of_clients_that_have_ipv6() -> None:
    both = {**SIX, "expressway_e.expe.ip_protocol": "Both"}
    for changes, clients in ((both, None), ({**both, **DUAL}, "jabber-2")):
        (found,) = check(load("small").changed(changes)).reported
        prediction = found.finding.prediction
        assert (prediction is None) is (clients is None)
        assert prediction is None or all(str(clients) in str(each) for each in prediction.awaits)
