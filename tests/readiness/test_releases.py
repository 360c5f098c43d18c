"""Rules about releases: every cell of the documented tables on both sides of its gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.deployment.features import MODES, least
from edgesim.deployment.releases import JABBER, Product
from edgesim.readiness import check, modes
from edgesim.readiness.rules import rule
from tests.readiness.cases import Case

SIGNED_IN_BY: Mapping[str, Mapping[str, Any]] = {
    "MRA": {},
    "password": {"mra.access.user_credential": True},
    "legacy SSO": {"mra.access.authentication_path": "SAML SSO", "mra.access.oauth_simple": True},
    "OAuth with refresh": {"unified_cm.0.oauth_refresh": True},
    "OAuth with refresh and SSO": {"mra.access.authentication_path": "SAML SSO", "unified_cm.0.oauth_refresh": True},
    "push": {"unified_cm.0.push_notifications": True},
}
NOTHING = {
    "mra.access.user_credential": False,
    "mra.access.oauth_refresh": True,
    "unified_cm.0.saml_sso": True,
    "unified_cm.0.push_notifications": False,
}
BELOW = {
    "X8.1.1": "X8.1",
    "X8.5.1": "X8.5",
    "X8.10.1": "X8.10",
    "10.0": "9.1(2)",
    "10.5(1)": "10.0(1)",
    "11.5(1)SU3": "11.5(1)SU2",
    "9.7": "9.6.9",
    "9.6.1": "9.6",
    "9.6": "9.5.9",
    "10.6": "10.5.9",
    "11.9": "11.8.9",
}
"""The release before each gate."""
SERVERS = {
    Product.EXPRESSWAY: ("UC-01.expressway-release", "expressway_e.0.release"),
    Product.UNIFIED_CM: ("UC-01.unified-cm-release", "unified_cm.0.release"),
    Product.IM_PRESENCE: ("UC-01.im-presence-release", "im_presence.0.release"),
}
PLATFORMS = {product: platform for platform, product in modes.JABBER_OF.items()}
CELLS = [(mode, product) for mode in MODES for product in (*SERVERS, *JABBER) if least(mode, product) is not None]
STATED = {
    "MRA": "X8.1.1 10.0 10.0 9.7 9.6 9.6.1 9.6",
    "password": "X8.1.1 - - - - - -",
    "legacy SSO": "X8.5.1 10.5(1) 10.5(1) 10.6 10.6 10.6 10.6",
    "OAuth with refresh": "X8.10.1 11.5(1)SU3 11.5(1)SU3 11.9 11.9 11.9 11.9",
    "OAuth with refresh and SSO": "X8.10.1 11.5(1)SU3 11.5(1)SU3 11.9 11.9 11.9 11.9",
    "push": "X8.10.1 11.5(1)SU3 11.5(1)SU3 - - 11.9 -",
}
"""The documented table, the higher gate where two apply: Expressway, Unified CM, IM and Presence, Jabber for Windows,
Mac, iOS, Android."""


@pytest.mark.parametrize("mode", MODES)
def test_the_gates_are_those_of_the_table(mode: str) -> None:
    found = [least(mode, product) for product in (*SERVERS, *JABBER)]
    assert " ".join(str(each.since) if each else "-" for each in found) == STATED[mode]


def _at(mode: str, product: Product, release: str) -> tuple[list[str], str]:
    """Return what the product's rule says of a deployment with one mode and one release, and the field's path."""
    name, path = SERVERS.get(product, ("EP-01.jabber-release", "clients.0.release"))
    changes = {**NOTHING, **SIGNED_IN_BY[mode], path: release}
    if product in JABBER:
        changes["clients.0.platform"] = PLATFORMS[product]
    deployment = load("small").changed(changes)
    return [each.finding.what for each in check(deployment, [rule(name)]).reported], path


@pytest.mark.parametrize(("mode", "product"), CELLS, ids=lambda each: getattr(each, "value", each))
def test_each_cell_on_both_sides_of_its_gate(mode: str, product: Product) -> None:
    gate = least(mode, product)
    assert gate is not None
    since = str(gate.since)
    assert _at(mode, product, since)[0] == []
    (what,) = _at(mode, product, BELOW[since])[0]
    assert f"{mode} needs {product.value} {since}" in what


VOICEMAIL = {"publisher": {"name": "cuc", "address": "10.0.40.31"}}
LEGACY_SSO = {**SIGNED_IN_BY["legacy SSO"], "unified_cm.0.saml_sso": True}
SIMPLE = {"mra.access.user_credential": False}


def _voicemail(release: str, sso: str = "none") -> dict[str, Any]:
    return {"unity_connection": [{**VOICEMAIL, "release": release, "sso": sso}]}


MOBILES = {"users.alice.devices": ["TCTALICE"]}
WITHOUT_PUSH = {"unified_cm.0.push_notifications": False}
DESKTOPS = {f"users.{user}.devices": [f"CSF{user.upper()}"] for user in ("alice", "bob", "carol")}
OLD_MAC = {"clients.0.platform": "mac", **WITHOUT_PUSH}

CASES = [
    Case(changes={"expressway_c.0.release": "X8.10"}, rule="UC-01.expressway-release", at="expressway_c[0].release"),
    Case(changes={"expressway_e.0.release": "X8.10"}, rule="UC-01.expressway-release", at="expressway_e[0].release"),
    Case(changes={"expressway_e.0.release": "X8.10.1", "expressway_c.0.release": "X8.10.1"}),
    Case(changes={"unified_cm.0.release": "11.5(1)SU2"}, rule="UC-01.unified-cm-release", at="unified_cm[0].release"),
    Case(changes={"unified_cm.0.release": "11.5(1)SU3"}),
    Case(changes={"unified_cm.0.release": "11.5(1)SU2", **WITHOUT_PUSH}),
    Case(changes={"unified_cm.0.release": "9.1(2)", **WITHOUT_PUSH}, rule="UC-01.unified-cm-release"),
    Case(changes={"im_presence.0.release": "11.5(1)SU2"}, rule="UC-01.im-presence-release"),
    Case(changes={"im_presence.0.release": "11.5(1)SU3"}),
    Case(changes={"im_presence.0.release": "9.1(1)", "mra.im_presence_clusters": []}, rule="UC-03.chat-added"),
    # Unity Connection: MRA, then single sign-on in each of its three forms
    Case(changes=_voicemail("9.1(2)"), rule="UC-01.unity-connection-release", at="unity_connection[0].release"),
    Case(changes=_voicemail("10.0")),
    Case(changes={**LEGACY_SSO, **_voicemail("11.0(1)", "cluster-wide")}, rule="UC-01.unity-connection-release"),
    Case(changes={**LEGACY_SSO, **_voicemail("11.5(1)", "cluster-wide")}),
    Case(changes={**LEGACY_SSO, **_voicemail("10.0", "per node, SAML")}, rule="UC-01.unity-connection-release"),
    Case(changes={**LEGACY_SSO, **_voicemail("10.0(1)", "per node, SAML")}),
    Case(changes={**LEGACY_SSO, **_voicemail("8.6(2)", "per node, OpenAM")}, rule="UC-01.unity-connection-release"),
    Case(changes={**LEGACY_SSO, **_voicemail("10.0", "per node, OpenAM")}),
    Case(changes=_voicemail("10.0", "cluster-wide")),
    # Jabber may use any way that is allowed and that it knows
    Case(changes={"clients.0.release": "9.6.9"}, rule="EP-01.jabber-release", at="clients[0].release"),
    Case(changes={"clients.0.release": "9.7"}),
    Case(changes={"clients.0.release": "11.8", "unified_cm.0.oauth_refresh": True}),
    Case(
        changes={"clients.0.release": "11.8", "unified_cm.0.oauth_refresh": True, **SIMPLE}, rule="EP-01.jabber-release"
    ),
    Case(changes={"clients.0.release": "11.9", "unified_cm.0.oauth_refresh": True, **SIMPLE}),
    Case(changes={"clients.0.release": "11.8", "clients.0.platform": "ios"}, rule="EP-01.jabber-release"),
    Case(changes={"clients.0.release": "11.8", "clients.0.platform": "android"}),
    Case(changes={"clients.3.release": "9.0"}),
    Case(
        changes={**OLD_MAC, "expressway_c.0.release": "X8.1.1"},
        rule="EP-01.jabber-for-mac",
        at="expressway_c[0].release",
    ),
    Case(changes={**OLD_MAC, "expressway_c.0.release": "X8.2"}),
    Case(changes={**WITHOUT_PUSH, "expressway_c.0.release": "X8.1.1"}),
    # push notifications
    Case(changes=WITHOUT_PUSH, rule="UC-07.push-notifications", at="unified_cm[0].push_notifications"),
    Case(
        changes={"unified_cm.0.cloud_onboarding": False},
        rule="UC-07.push-notifications",
        at="unified_cm[0].cloud_onboarding",
    ),
    Case(changes={**WITHOUT_PUSH, **DESKTOPS}),
    Case(changes={**WITHOUT_PUSH, **DESKTOPS, "clients.0.platform": "android"}, rule="UC-07.push-notifications"),
    Case(changes={**WITHOUT_PUSH, **DESKTOPS, "clients.3.platform": "ios"}),
    # single sign-on
    Case(
        changes={"mra.access.authentication_path": "SAML SSO and UCM/LDAP"},
        rule="UC-09.sso-on-unified-cm-first",
        at="unified_cm[0].saml_sso",
    ),
    Case(changes={"mra.access.authentication_path": "SAML SSO and UCM/LDAP", "unified_cm.0.saml_sso": True}),
    Case(changes={"unified_cm.0.saml_sso": True}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_a_finding_says_every_way_that_a_release_does_not_have() -> None:
    deployment = load("small").changed({"unified_cm.0.release": "9.1(2)", "unified_cm.0.oauth_refresh": True})
    (reported,) = check(deployment, [rule("UC-01.unified-cm-release")]).reported
    assert reported.finding.what == (
        "cluster cucm runs 9.1(2): MRA needs Unified CM 10.0; OAuth with refresh needs Unified CM 11.5(1)SU3; "
        "push needs Unified CM 11.5(1)SU3"
    )
    assert "11.5(1)SU3" in reported.finding.fix
