"""Rules about other uses of an Expressway: each violated alone, and each with a valid deployment."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.readiness.rules import rule
from tests.readiness.cases import Case


def _presence(count: int, release: str, **more: Any) -> dict[str, Any]:
    domains = [f"d{number}.example.com" for number in range(count)]
    return {
        "im_presence.0.presence_domains": domains,
        "expressway_e.0.release": release,
        "expressway_c.0.release": release,
        "unified_cm.0.push_notifications": not release.startswith("X8."),
        **more,
    }


def _deployments(*names: str) -> dict[str, Any]:
    """Put each presence domain into a deployment of C."""
    domains = [{"name": f"d{number}.example.com", "deployment": name} for number, name in enumerate(names)]
    return {"domains.enabled": [{"name": "example.com"}, *domains]}


def _web_proxy(name: str, configured: str = "after MRA") -> dict[str, Any]:
    return {"cms_web_proxy": {"guest_account_client_uri": name, "configured": configured}}


def _domain(registrations: bool, chat: bool) -> dict[str, Any]:
    other = {"name": "other.example", "unified_cm_registrations": registrations, "im_and_presence": chat}
    return {"domains.enabled": [{"name": "example.com"}, {**other, "xmpp_federation": True}]}


UNPUBLISHED = {"view": "outside", "name": "_collab-edge._tls.other.example", "type": "SRV"}
NUMBER = "EXP-10.number-of-presence-domains"
BALANCED = "EXP-02.load-balancer"
BALANCER = {"name": "balancer", "address": "203.0.113.20"}
NAMED = {
    "certificates": [
        {"host": edge, "service": "server", "extra_names": ["balancer.example.com"]} for edge in ("expe1", "expe2")
    ]
}
FEDERATED = {"domains.enabled": [{"name": "example.com", "xmpp_federation": True}]}
HSM = {"vendor": "nShield Plus"}

CASES = [
    Case(changes={"expressway_e.0.also_serves": ["Jabber Guest"]}, rule="EXP-04.jabber-guest"),
    Case(
        changes={"expressway_c.0.also_serves": ["B2B calls", "Jabber Guest"]},
        rule="EXP-04.jabber-guest",
        at="expressway_c[0].also_serves",
    ),
    Case(changes={"expressway_c.0.also_serves": ["B2B calls"]}),
    Case(
        changes={"expressway_c.0.also_serves": ["Microsoft gateway"]},
        rule="EXP-05.microsoft-gateway",
        at="expressway_c[0].also_serves",
    ),
    # the Web Proxy for Meeting Server
    Case(changes=_web_proxy("join.example.com")),
    Case(
        changes=_web_proxy("Example.com"),
        rule="NET-08.guest-account-client-uri",
        at="cms_web_proxy.guest_account_client_uri",
    ),
    Case(changes=_web_proxy("example.com", "before MRA"), rule="NET-08.guest-account-client-uri"),
    Case(changes={**_web_proxy("other.example"), **_domain(False, False), "dns.without": [UNPUBLISHED]}),
    Case(changes={**_web_proxy("other.example"), **_domain(True, False)}, rule="NET-08.guest-account-client-uri"),
    Case(changes={**_web_proxy("other.example"), **_domain(False, True)}, rule="NET-08.guest-account-client-uri"),
    # load balancers
    Case(changes={"load_balancer": BALANCER}, rule=BALANCED, at="load_balancer", deployment="pair"),
    Case(changes={"load_balancer": {**BALANCER, "affinity": "none"}, **NAMED}, rule=BALANCED, deployment="pair"),
    Case(changes={"load_balancer": BALANCER, **NAMED}, rule=BALANCED, deployment="pair"),
    Case(changes={"load_balancer": BALANCER}, rule=BALANCED),
    Case(changes=NAMED, deployment="pair"),
    # presence domains: before X8.5, on X8.5, as a preview, supported
    Case(changes=_presence(1, "X8.1.1")),
    Case(changes=_presence(2, "X8.1.1"), rule="EXP-10.presence-domains", at="im_presence[0].presence_domains"),
    Case(changes=_presence(2, "X8.1.1", **_deployments("one", "two")), rule="EXP-10.presence-domains"),
    Case(changes=_presence(2, "X8.5", **_deployments("one", "two"))),
    Case(changes=_presence(3, "X8.5", **_deployments("one", "two", "two")), rule="EXP-10.presence-domains"),
    Case(changes=_presence(2, "X8.5.1")),
    Case(changes=_presence(49, "X8.5.1")),
    Case(changes=_presence(50, "X8.5.1"), rule=NUMBER),
    Case(changes=_presence(50, "X12.6.2"), rule=NUMBER),
    Case(changes=_presence(50, "X12.6.3")),
    Case(changes=_presence(75, "X12.6.3")),
    Case(changes=_presence(76, "X12.6.3"), rule=NUMBER),
    Case(changes=_presence(76, "X12.6.3", **_deployments("another"))),
    # federation
    Case(changes=FEDERATED),
    Case(changes={"domains.federated_elsewhere": True}),
    Case(
        changes={**FEDERATED, "domains.federated_elsewhere": True},
        rule="EXP-10.one-federation",
        at="domains.enabled[0].xmpp_federation",
    ),
    # hardware security modules
    Case(changes={"expressway_e.0.hsm": HSM}),
    Case(changes={"expressway_e.0.licensing": "smart"}),
    Case(
        changes={"expressway_e.0.hsm": HSM, "expressway_e.0.licensing": "smart"},
        rule="EXP-19.smart-licensing",
        at="expressway_e[0].licensing",
    ),
    Case(
        changes={"expressway_c.0.hsm": {"vendor": "SafeNet Luna"}},
        rule="EXP-19.safenet-luna",
        at="expressway_c[0].hsm.vendor",
    ),
    Case(
        changes={"expressway_e.0.hsm": {**HSM, "option_key": False}},
        rule="EXP-19.option-key",
        at="expressway_e[0].hsm.option_key",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_a_load_balancer_breaks_what_its_affinity_and_the_certificates_leave() -> None:
    awaited = []
    older = {f"expressway_c.{peer}.release": "X14.0.9" for peer in (0, 1)}
    older |= {f"expressway_e.{peer}.release": "X14.0.9" for peer in (0, 1)}
    stories = (("none", {}), ("none", {**NAMED, **older}), ("source address", NAMED), ("none", NAMED))
    for affinity, changes in stories:
        deployment = load("pair").changed({"load_balancer": {**BALANCER, "affinity": affinity}, **changes})
        (reported,) = check(deployment, [rule(BALANCED)]).reported
        assert reported.finding.prediction is not None
        awaited.append(str(reported.finding.prediction.awaits[0]))
    assert "TlsRefused" in awaited[0] and "port=8443" in awaited[0]
    assert "TlsRefused" in awaited[1] and "port" not in awaited[1]
    assert "HttpRequest" in awaited[2] and "peer='balancer'" in awaited[2]
    assert awaited[3] == awaited[2]  # clients come past it by the addresses of E
