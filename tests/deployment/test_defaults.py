"""Every default is named, reasoned and tagged; every gap has its default."""

from __future__ import annotations

import ast
import typing
from pathlib import Path

import pytest

from edgesim.deployment import Plan, builtin
from edgesim.deployment.defaults import Defaults, grounds
from edgesim.deployment.defaults.known import Tag
from edgesim.deployment.defaults.planned import SUBJECTS
from edgesim.deployment.loading import load_data

EDGESIM = Path(__file__).parents[2] / "edgesim"

CLOSED = ("D-12", "D-20", "I-16", "I-17", "S-10", "S-15", "S-16", "S-17")
"""Gaps that a public document has filled since."""
NUMBERED = {"D": 24, "S": 22, "I": 21}
GAPS = [gap for part, last in NUMBERED.items() for n in range(1, last + 1) if (gap := f"{part}-{n:02}") not in CLOSED]


def test_every_default_has_its_grounds() -> None:
    for each in grounds():
        assert len(each.why) > 5, each
        assert each.tag in typing.get_args(Tag), each


def test_a_setting_has_a_choice() -> None:
    """What can be one way only is fixed or planned, not a setting."""
    alone = []
    for group, outer in Defaults.model_fields.items():
        for name, field in type(outer.default).model_fields.items():
            for each in (field.annotation, *typing.get_args(field.annotation)):
                if typing.get_origin(each) is typing.Literal and len(typing.get_args(each)) == 1:
                    alone.append(f"{group}.{name}")
    assert [path for path in alone if path not in SUBJECTS] == []


def test_every_gap_has_a_default() -> None:
    assert sorted({each.gap for each in grounds() if each.gap}) == sorted(GAPS)


def test_a_gap_is_never_called_documented() -> None:
    assert [each.path for each in grounds() if each.gap and each.tag in ("doc", "trace", "impl")] == []


def test_grounds_show_in_the_json_schema() -> None:
    schema = Plan.model_json_schema()
    field = schema["$defs"]["EdgeDefaults"]["properties"]["unauthenticated_status"]
    assert (field["tag"], field["gap"], field["default"]) == ("proposed", "D-08", 401)
    assert schema["$defs"]["User"]["properties"]["password"]["secret"] is True


def test_documented_numbers() -> None:
    defaults = Defaults()
    assert (defaults.sip.stun_interval_s, defaults.sip.stun_timeout_s) == (30, 3)
    assert (defaults.unified_cm.keepalive_interval_s, defaults.unified_cm.register_delta_s) == (120, 5)
    assert (defaults.edge.cookie_lifetime_min, defaults.edge.cookie_cleanup_min) == (480, 720)
    assert (defaults.protection.trigger_level, defaults.protection.block_s) == (5, 600)
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


def read_names() -> tuple[set[str], set[str]]:
    """Return what the package's code reads as an attribute, and what it names in a string, as for ``getattr``."""
    declared = EDGESIM / "deployment" / "defaults"
    attributes, strings = set(), set()
    for path in EDGESIM.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}  # methods, which no default is
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in called:
                attributes.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and declared not in path.parents:
                strings.add(node.value)
    return attributes, strings


def test_a_default_is_read_or_planned() -> None:
    attributes, strings = read_names()
    names = {each.path: each.path.split(".")[1] for each in grounds() if not each.fixed}
    families = {name.rpartition("_")[0] for name in attributes | strings}  # ranges are named without _first and _last
    unread = {path for path, name in names.items() if name not in attributes | strings}
    assert {path for path in unread if not path.endswith(("_first", "_last")) or names[path] in families} <= set(
        SUBJECTS
    )
    shared = {name for path, name in names.items() if path not in SUBJECTS}  # read for a setting of another group
    assert [path for path in SUBJECTS if names[path] in attributes - shared] == []


@pytest.mark.parametrize(("path", "subject"), sorted(SUBJECTS.items()))
def test_what_is_planned_cannot_be_changed(path: str, subject: str) -> None:
    group, name = path.split(".")
    value = getattr(getattr(Defaults(), group), name)
    other = {bool: not value, str: "another", tuple: ("another",)}.get(type(value), 7 if value is None else value)
    if value == other:
        other = value + 100
    with pytest.raises(ValueError, match=rf"defaults\.{group}\.{name}: .*(planned for {subject}|expected)"):
        builtin("small").changed({f"defaults.{path}": other})


def test_what_is_fixed_is_no_setting() -> None:
    for each in grounds():
        if each.fixed:
            with pytest.raises(ValueError, match="no field is called"):
                builtin("small").changed({f"defaults.{each.path}": each.value})
