"""Values that are derived: as valid as written ones, and what is wrong with them is told of what they follow from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgesim.deployment import Deployment, DeploymentError, as_yaml, load, load_text, names
from edgesim.scenario.discover import find

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("docs/examples/*.yaml"))
BASE: dict[str, Any] = yaml.safe_load("""
name: d
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e: [{name: expe, outer: 203.0.113.10, inner: 10.0.20.10}]
expressway_c: [{name: expc, address: 10.0.30.10}]
unified_cm: [{publisher: {name: ucm, address: 10.0.40.11}}]
im_presence: [{publisher: {name: imp, address: 10.0.40.21}}]
users: [{id: alice, password: alice-secret}]
""")


def again(deployment: Deployment) -> Deployment:
    """Return what is read of a deployment that was written out in full, as a running lab is asked for it."""
    return load_text(as_yaml(deployment, full=True, reveal=True))


@pytest.mark.parametrize("source", [*names(), *map(str, EXAMPLES)])
def test_a_deployment_written_in_full_reads_as_itself(source: str) -> None:
    deployment = load(source)
    assert again(deployment) == deployment


def test_the_deployments_of_scenarios_read_as_themselves() -> None:
    seen: set[str] = set()
    for scenario in find([], home=ROOT / "scenarios"):
        key = f"{scenario.deployment} {scenario.changes}"
        if key in seen:
            continue
        seen.add(key)
        deployment = load(scenario.deployment).changed(scenario.changes or {})
        assert again(deployment) == deployment, scenario.name
    assert len(seen) > 50


def mistakes(**changes: Any) -> list[tuple[str, int | None, str]]:
    """Return field, line and text of what is wrong with a changed deployment file."""
    text = yaml.safe_dump({**copy.deepcopy(BASE), **changes}, sort_keys=False, allow_unicode=True)
    with pytest.raises(DeploymentError) as told:
        load_text(text, "lab.yaml")
    lines = text.splitlines()
    found = [(each.field, each.line, str(each)) for each in told.value.mistakes]
    for field, line, _ in found:
        item = field.endswith("]")
        assert line is not None and ("- " if item else field.rpartition(".")[2]) in lines[line - 1], (field, line)
    return found


@pytest.mark.parametrize("user_id", ["o'brien", "alice@example.com", "müller", "x" * 60])
def test_an_invalid_derived_device_name_is_reported_at_the_user_id(user_id: str) -> None:
    ((field, _, text),) = mistakes(users=[{"id": "bob", "password": "b"}, {"id": user_id, "password": "a-secret"}])
    assert field == "users[1].id"
    assert f"CSF{user_id.upper()}" in text and text.endswith("; list devices explicitly") and "secret" not in text


@pytest.mark.parametrize("given", [{}, {"devices": ["CSFBOB"]}])
def test_a_derived_device_needs_its_profile_too(given: dict[str, Any]) -> None:
    cluster = {**BASE["unified_cm"][0], "security_profiles": [{"name": "With Digest", "digest": True}]}
    devices = [{"name": "CSFALICE", "security_profile": "With Digest"}]
    users = [*BASE["users"], {"id": "bob", "password": "bob-secret", **given}]
    ((field, _, text),) = mistakes(unified_cm=[cluster], devices=devices, users=users)
    assert field == ("users[1].devices[0]" if given else "users[1].id")
    assert "CSFBOB" in text and "known: With Digest" in text


def test_derived_names_that_are_too_long_are_reported_at_their_origin() -> None:
    with pytest.raises(DeploymentError, match="characters") as told:
        load_text(yaml.safe_dump({**BASE, "domains": {"edge": ".".join(["x" * 60] * 4)}}), "lab.yaml")
    assert {each.field for each in told.value.mistakes} >= {"unified_cm[0].publisher.name", "domains.edge"}
