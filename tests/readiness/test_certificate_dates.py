"""Rules about dates and host names in certificates: each tripped alone, beside sound neighbours, and come true."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.scenario.proof import simulate
from tests.readiness.cases import Case


def certificate(host: str, service: str, **what: Any) -> dict[str, Any]:
    """Return the change that writes one certificate."""
    return {"certificates": [{"host": host, "service": service, **what}]}


VALIDITY, NAME = "CERT-16.validity", "CERT-16.host-name"
SERVERS = [
    ("expe", "server"),
    ("ucm-pub", "tomcat"),
    ("ucm-pub", "callmanager"),
    ("imp-pub", "tomcat"),
    ("imp-pub", "cup-xmpp"),
]
OTHER_NAMES = {"expe": ["elsewhere.example.com", "example.com"], "imp-pub": ["elsewhere.example.com", "example.com"]}

CASES = [
    *(
        Case(changes=certificate(host, service, validity=validity), rule=VALIDITY, at="certificates[0]")
        for host, service in [*SERVERS, ("expc", "server"), ("ucm-sub", "tomcat")]
        for validity in ("expired", "not yet valid")
    ),
    Case(changes=certificate("expe", "server", expires_after_s=3600)),
    *(
        Case(changes=certificate(host, service, server_auth=False), rule="CERT-16.server-auth", at="certificates[0]")
        for host, service in SERVERS[1:]
    ),
    Case(changes=certificate("ucm-pub", "tomcat", strips=["server auth"]), rule="CERT-16.server-auth"),
    Case(changes=certificate("ucm-pub", "tomcat", client_auth=False)),
    *(
        Case(changes=certificate(host, service, key="rsa-1024"), rule="CERT-16.key", at="certificates[0]")
        for host, service in [*SERVERS, ("expc", "server")]
    ),
    Case(changes=certificate("expe", "server", key="rsa-2048")),
    *(
        Case(changes=certificate(host, service, names=OTHER_NAMES.get(host, ["elsewhere.example.com"])), rule=NAME)
        for host, service in SERVERS
    ),
    Case(changes=certificate("expe", "server", names=["EXPE.example.com", "example.com"])),
    # Unified CM is verified by the name under which System > Server lists it
    Case(changes={"unified_cm.cucm.publisher.known_as": "address"}, rule=NAME),
    Case(changes={"unified_cm.cucm.publisher.known_as": "host name"}, rule=NAME),
    Case(changes={"unified_cm.cucm.subscribers.ucm-sub.known_as": "address"}, rule=NAME),
    Case(changes={"unified_cm.cucm.publisher.known_as": "address", "certificates": [
        {"host": "ucm-pub", "service": service, "extra_names": ["IP:10.0.40.11"]}
        for service in ("tomcat", "callmanager")]}),
    Case(changes={"unified_cm.cucm.publisher.known_as": "address", "mra.tls_verify_unified_cm": False,
                  "mra.verify_origin_server": False, "clients": [{"name": "jabber-1", "address": "198.51.100.25"}]}),
    Case(changes={"dns.split": False, "expressway_e.expe.inner_name": "expe-inner",
                  **certificate("expe", "server", without_names=["expe-inner.example.com"])}, rule=NAME),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


@pytest.mark.parametrize("case", [case for case in CASES if case.rule], ids=str)
def test_what_is_predicted_comes(case: Case) -> None:
    deployment = load(case.deployment).changed(case.changes)
    simulated = simulate(deployment, check(deployment))
    for proof in simulated.proofs:
        assert proof.shown, (proof, simulated.sign_ins)
