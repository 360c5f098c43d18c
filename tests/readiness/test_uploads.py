"""Rules about uploads and restarts: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from tests.readiness.cases import Case

USAGES, EXPRESSWAY, UNIFIED_CM = "CERT-12.usages", "CERT-14.not-restarted", "CERT-02.not-restarted"
SERVER_ONLY: dict[str, Any] = {"service": "server", "client_auth": False}


def _on(release: str, host: str = "expc", /, **more: Any) -> dict[str, Any]:
    """Return Expressways of a release, one of which has a server-only certificate."""
    return {
        "expressway_e.0.release": release,
        "expressway_c.0.release": release,
        "certificates": [{"host": host, **SERVER_ONLY}],
        **more,
    }


def _pending(host: str, store: str, *names: str) -> dict[str, Any]:
    return {"trust": [{"host": host, "store": store, "pending": list(names)}]}


OWN_CLIENT = [
    {"host": "expc", **SERVER_ONLY},
    {"host": "expc", "service": "client"},
]
COPIED = [{"host": "expc", "service": "client", "client_auth": False}]
SWITCH = "expressway_e.0.server_eku_upload"
ONBOARDING = "mra.access.activation_code_onboarding"
LOADED = [{"host": "room-1", "service": "client", "signed_by": "private"}]
XMPP_FORM = {"certificates": [{"host": "expc", "service": "server", "chat_alias_form": "XMPPAddress"}]}
FEDERATED = {"domains.enabled": [{"name": "example.com", "xmpp_federation": True}]}

CASES = [
    # usages, by release
    Case(changes=_on("X14.3"), rule=USAGES),
    Case(changes=_on("X14.3", "expe"), rule=USAGES, at="certificates[0]"),
    Case(changes=_on("X15.3", "expe", **{SWITCH: True}), rule=USAGES),
    Case(changes=_on("X15.4", "expe"), rule=USAGES),
    Case(changes=_on("X15.4", "expe", **{SWITCH: True})),
    Case(changes=_on("X15.4", **{"expressway_c.0.server_eku_upload": True}), rule=USAGES),
    Case(changes=_on("X15.5", "expe")),
    Case(changes=_on("X15.5"), rule=USAGES),
    Case(changes=_on("X15.5", certificates=OWN_CLIENT)),
    Case(changes=_on("X15.5", certificates=COPIED), rule=USAGES),
    Case(changes={"certificates": [{"host": "expe", "service": "server", "server_auth": False}]}, rule=USAGES),
    Case(changes={"certificates": [{"host": "ucm-pub", "service": "callmanager", "client_auth": False}]}),
    # uploaded, not restarted
    Case(changes=_pending("expc", "trusted-ca", "public"), rule=EXPRESSWAY, at="trust[0]"),
    Case(changes=_pending("expc", "trusted-ca", "enterprise-issuing"), rule=EXPRESSWAY),
    Case(changes=_pending("expe", "trusted-ca", "enterprise"), rule=EXPRESSWAY),
    Case(changes=_pending("expe", "trusted-ca", "private")),
    Case(changes=_pending("ucm-pub", "tomcat-trust", "enterprise-issuing"), rule=UNIFIED_CM, at="trust[0]"),
    Case(changes=_pending("ucm-pub", "callmanager-trust", "enterprise"), rule=UNIFIED_CM),
    Case(changes=_pending("ucm-pub", "callmanager-trust", "private")),
    Case(changes=_pending("imp-pub", "cup-xmpp-trust", "enterprise"), rule="CERT-03.not-restarted"),
    Case(
        changes=_pending("room-1", "ca-list", "public"), rule="EP-06.not-restarted", at="trust[0]", deployment="devices"
    ),
    Case(changes=_pending("jabber-1", "system", "public"), rule="EP-06.not-restarted", at="trust[0]"),
    Case(changes=_pending("room-1", "ca-list", "private"), deployment="devices"),
    # aliases of chat nodes
    Case(changes=FEDERATED),
    Case(changes={**FEDERATED, **XMPP_FORM}, rule="CERT-13.alias-form"),
    Case(changes=XMPP_FORM),
    # the list for mutual TLS
    Case(
        changes={
            "certificates": LOADED,
            ONBOARDING: True,
            "trust": [{"host": "expe", "store": "activation-code", "pending": ["private"]}],
        },
        deployment="devices",
        rule=EXPRESSWAY,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_what_is_pending_breaks_what_its_absence_would() -> None:
    lab = load("small")
    pending = check(lab.changed(_pending("expc", "trusted-ca", "public"))).reported
    missing = check(lab.changed({"trust": [{"host": "expc", "store": "trusted-ca", "lacks": ["public"]}]})).reported
    assert pending and pending[0].finding.prediction and missing[0].finding.prediction
    assert str(pending[0].finding.prediction) == str(missing[0].finding.prediction)
    assert "restart expc" in pending[0].finding.fix
