"""Every default is named, reasoned and tagged; every gap has its default."""

from __future__ import annotations

import typing

import pytest

from edgesim.deployment import Deployment, builtin
from edgesim.deployment.defaults import Defaults, grounds
from edgesim.deployment.defaults.known import Tag
from edgesim.deployment.loading import load_data

CLOSED = ("D-12", "D-20", "I-16", "I-17", "S-10", "S-15", "S-16", "S-17")
"""Gaps that a public document has filled since."""
NUMBERED = {"D": 24, "S": 22, "I": 21}
GAPS = [gap for part, last in NUMBERED.items() for n in range(1, last + 1) if (gap := f"{part}-{n:02}") not in CLOSED]


def test_every_default_has_its_grounds() -> None:
    for each in grounds():
        assert len(each.why) > 5, each
        assert each.tag in typing.get_args(Tag), each


def test_every_gap_has_a_default() -> None:
    assert sorted({each.gap for each in grounds() if each.gap}) == sorted(GAPS)


def test_a_gap_is_never_called_documented() -> None:
    assert [each.path for each in grounds() if each.gap and each.tag in ("doc", "trace", "impl")] == []


def test_grounds_show_in_the_json_schema() -> None:
    schema = Deployment.model_json_schema()
    field = schema["$defs"]["EdgeDefaults"]["properties"]["unauthenticated_status"]
    assert (field["tag"], field["gap"], field["default"]) == ("proposed", "D-08", 401)
    assert schema["$defs"]["User"]["properties"]["password"]["secret"] is True


def test_documented_numbers() -> None:
    defaults = Defaults()
    assert (defaults.sip.stun_interval_s, defaults.sip.stun_timeout_s) == (30, 3)
    assert (defaults.unified_cm.keepalive_interval_s, defaults.unified_cm.register_delta_s) == (120, 5)
    assert (defaults.edge.cookie_lifetime_min, defaults.edge.cookie_cleanup_min) == (480, 720)
    assert (defaults.protection.trigger_level, defaults.protection.block_s) == (5, 600)
    assert (defaults.oauth.access_token_min, defaults.oauth.refresh_token_days) == (60, 60)
    assert (defaults.recovery.relogin_lower_s, defaults.recovery.relogin_upper_s) == (120, 537)


def test_a_deployment_overrides_one_default_and_keeps_the_others() -> None:
    lab = builtin("small").changed({"defaults.sip.challenge": "401", "defaults.edge.retry_after_s": 30})
    assert lab.defaults.sip.challenge == 401
    assert lab.defaults.edge.retry_after_s == 30
    assert lab.defaults.sip.t1_s == Defaults().sip.t1_s


def test_latency_between_zones() -> None:
    network = Defaults().network
    assert network.latency_ms("inside", "dmz") == network.latency_ms("dmz", "inside") == 0.5
    assert network.latency_ms("inside", "inside") == network.same_zone_ms
    assert network.latency_ms("inside", "branch") == network.other_zone_ms
    assert network.latency_ms("internet", "internet") == 20.0, "two homes"


def test_infinite_timers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a number"):
        builtin("small").changed({"defaults.sip.t1_s": "inf"})
    with pytest.raises(ValueError, match="required"):
        load_data({"defaults": {}})
