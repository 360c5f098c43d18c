"""Rules about ICE passthrough: the four combinations of mixed mode and SIP OAuth, profiles, TURN behind static NAT."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from tests.readiness.cases import Case

PROFILES = [
    {"name": "plain"},
    {"name": "secure.example.com", "mode": "encrypted", "transport": "TLS"},
    {"name": "token.example.com", "mode": "encrypted", "transport": "TLS", "oauth": True},
]


def _ice(kind: str, profile: str, *, mixed: bool, oauth: bool, **more: Any) -> dict[str, Any]:
    """ICE passthrough for one user with one device, a phone or Jabber, of one security profile."""
    name = "SEP00005E005301" if kind == "phone" else "CSFALICE"
    device = {"name": name, "type": "8845" if kind == "phone" else "desktop", "security_profile": profile}
    return {
        "mra.ice_passthrough": True,
        "unified_cm.0.mixed_mode": mixed,
        "unified_cm.0.sip_oauth": oauth,
        "unified_cm.0.security_profiles": PROFILES,
        "users": [{"id": "alice", "password": "secret", "numbers": ["1001"], "devices": [name]}],
        "devices": [device],
        **more,
    }


SECURE, TOKEN = "secure.example.com", "token.example.com"
SOUND = _ice("Jabber", TOKEN, mixed=False, oauth=True)


def _turn(release: str, deployment: str = "small", *, turn: bool = True) -> dict[str, Any]:
    edges = len(load(deployment).expressway_e)
    changes = {"expressway_e.0.turn_server": turn, "expressway_e.0.static_nat": "203.0.113.200", **SOUND}
    if deployment == "pair":
        changes["clients"] = [{"name": "jabber-1", "address": "198.51.100.25"}]
    return {**changes, **{f"expressway_e.{index}.release": release for index in range(edges)}}


FAR = ["allow tcp any -> far-dmz:5061,5222,8443", "allow udp any -> far-dmz:3478,24000-29999,36002-59999"]


def _two_dmzs(second: str) -> dict[str, Any]:
    """Two Expressway-Es, the first a TURN server behind static NAT; the other's outer interface is in ``second``."""
    zones = [{"name": "internet"}, {"name": "outer-dmz"}, {"name": "dmz"}, {"name": "inside"}]
    firewalls = [
        {"name": "external", "between": ["internet", "outer-dmz"]},
        {"name": "internal", "between": ["dmz", "inside"]},
        {"name": "far", "between": ["internet", "far-dmz"], "rules": [*FAR, "allow any far-dmz -> any"]},
    ]
    first = {"name": "expe", "outer": "10.0.10.10", "inner": "10.0.20.10", "static_nat": "203.0.113.10"}
    other = {"name": "expe2", "outer": "10.0.11.11", "inner": "10.0.20.11", "static_nat": "203.0.113.11"}
    return {
        **SOUND,
        "network": {"zones": [*zones, {"name": "far-dmz", "outward": "internet"}], "firewalls": firewalls},
        "expressway_e": [{**first, "turn_server": True}, {**other, "outer_zone": second}],
    }


UNFIT = ("CERT-10.profile-fits",)
"""Another effect of a secure profile without mixed mode: the device does not register at all."""
CASES = [
    # EXP-18: physical devices need mixed mode; Jabber may use SIP OAuth instead
    Case(changes=_ice("phone", SECURE, mixed=True, oauth=False)),
    Case(changes=_ice("phone", SECURE, mixed=True, oauth=True)),
    Case(
        changes=_ice("phone", SECURE, mixed=False, oauth=True),
        rule="EXP-18.mixed-mode",
        at="unified_cm[0].mixed_mode",
        advice=UNFIT,
    ),
    Case(changes=_ice("phone", SECURE, mixed=False, oauth=False), rule="EXP-18.mixed-mode", advice=UNFIT),
    Case(changes=_ice("Jabber", SECURE, mixed=True, oauth=False)),
    Case(changes=_ice("Jabber", SECURE, mixed=True, oauth=True)),
    Case(changes=SOUND),
    Case(
        changes=_ice("Jabber", SECURE, mixed=False, oauth=False),
        rule="EXP-18.sip-oauth",
        at="unified_cm[0].sip_oauth",
        advice=UNFIT,
    ),
    Case(
        changes=_ice("Jabber", "plain", mixed=True, oauth=True),
        rule="EXP-18.security-profile",
        at="unified_cm[0].security_profiles[0]",
    ),
    Case(changes=_ice("Jabber", SECURE, mixed=False, oauth=True), rule="EXP-18.security-profile", advice=UNFIT),
    Case(changes=_ice("phone", "plain", mixed=True, oauth=False), rule="EXP-18.security-profile"),
    Case(changes={**_ice("phone", "plain", mixed=False, oauth=False), "mra.ice_passthrough": False}),
    # who may not come through the edge does not matter
    Case(
        changes=_ice(
            "phone",
            "plain",
            mixed=False,
            oauth=False,
            **{
                "unified_cm.0.user_profiles": [
                    {"name": "Standard (Factory Default) User Profile", "mobile_and_remote_access": False}
                ]
            },
        )
    ),
    # UC-13: releases
    Case(changes={**SOUND, "expressway_c.0.release": "X12.4"}, rule="UC-13.releases", at="expressway_c[0].release"),
    Case(changes={**SOUND, "expressway_c.0.release": "X12.5"}),
    Case(
        changes={**SOUND, "unified_cm.0.release": "11.0(1)", "unified_cm.0.push_notifications": False},
        rule="UC-13.releases",
    ),
    # EXP-14: static NAT before a TURN server
    Case(changes=_turn("X12.5.2"), rule="EXP-14.static-nat", at="expressway_e[0].static_nat"),
    Case(changes=_turn("X12.5.3")),
    Case(changes=_turn("X12.5.2", turn=False)),
    Case(changes=_turn("X12.5.4", "pair"), rule="EXP-14.static-nat", deployment="pair"),
    Case(changes=_turn("X12.5.5", "pair"), deployment="pair"),
    Case(changes=_two_dmzs("far-dmz"), rule="EXP-14.turn-peer", at="expressway_e[0].outer"),
    Case(changes=_two_dmzs("outer-dmz")),
    Case(changes={**_two_dmzs("far-dmz"), "mra.ice_passthrough": False}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_phones_and_jabber_on_one_cluster_are_separate_findings() -> None:
    changes = {"mra.ice_passthrough": True}
    report = check(load("pair").changed(changes))
    assert report.rules == ("EXP-18.mixed-mode", "EXP-18.sip-oauth")
    mixed, oauth = (each.finding.what for each in report.reported)
    assert "SEP00005E005301" in mixed
    assert "SEP00005E005301" not in oauth
