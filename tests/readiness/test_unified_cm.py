"""Rules about Unified CM and IM and Presence nodes: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from tests.readiness.cases import Case

SUB_BY_IPV6 = {"unified_cm.cucm.subscribers.ucm-sub.address": "2001:db8:40::12"}
BARE = {
    "unified_cm.cucm.publisher.known_as": "host name",
    "unified_cm.cucm.subscribers.ucm-sub.known_as": "host name",
    "certificates": [
        {"host": host, "service": service, "extra_names": [host]}
        for host in ("ucm-pub", "ucm-sub")
        for service in ("tomcat", "callmanager")
    ],
}
ELSEWHERE = {
    "unified_cm.cucm.publisher.domain": "voice.example.net",
    "unified_cm.cucm.subscribers.ucm-sub.domain": "voice.example.net",
}
ALIASES = [
    {"view": "inside", "name": f"{name}.inside.example.com", "type": "CNAME", "value": f"{name}.voice.example.net"}
    for name in ("ucm-pub", "ucm-sub")
]

CASES = [
    # phone security profiles
    *(
        Case(
            changes={f"unified_cm.0.security_profiles.0.{field}": value},
            rule="CERT-10.profile-fits",
            at="unified_cm[0].security_profiles[0]",
        )
        for field, value in (
            ("mode", "authenticated"),
            ("mode", "encrypted"),
            ("oauth", True),
            ("transport", "UDP"),
            ("transport", "TLS"),
        )
    ),
    Case(changes={"unified_cm.0.security_profiles.0.transport": "TCP"}),
    Case(changes={"unified_cm.0.security_profiles": [{}, {"name": "Unused", "mode": "encrypted"}]}),
    Case(changes=SUB_BY_IPV6, rule="UC-02.ipv4", at="unified_cm[0].subscribers[0].address"),
    Case(
        changes={"im_presence.imp.publisher.address": "2001:db8:40::21"},
        rule="UC-02.ipv4",
        at="im_presence[0].publisher.address",
    ),
    Case(changes={**SUB_BY_IPV6, "mra.unified_cm_clusters": []}, rule="UC-03.added"),
    Case(changes={"unified_cm.cucm.subscribers.ucm-sub.address": "10.0.40.99"}),
    Case(changes={"unified_cm.cucm.publisher.axl": False}, rule="UC-03.axl", at="unified_cm[0].publisher.axl"),
    Case(changes={"im_presence.imp.publisher.axl": False}, rule="UC-03.axl", at="im_presence[0].publisher.axl"),
    Case(changes={"unified_cm.cucm.subscribers.ucm-sub.axl": False}),
    Case(changes={"im_presence.imp.subscribers.imp-sub.axl": False}, deployment="cluster"),
    Case(
        changes={**BARE, **ELSEWHERE},
        rule="UC-10.bare-host-name",
        at="unified_cm[0].publisher.known_as",
    ),
    Case(changes=BARE),
    Case(changes=ELSEWHERE),
    Case(changes={**BARE, **ELSEWHERE, "dns.extra": ALIASES}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_of_a_cluster_whose_publisher_is_lost_nothing_more_is_predicted() -> None:
    both = {**SUB_BY_IPV6, "unified_cm.cucm.publisher.address": "2001:db8:40::11"}
    publisher, subscriber = check(load("small").changed(both)).reported
    assert publisher.finding.prediction is not None
    assert subscriber.finding.prediction is None
