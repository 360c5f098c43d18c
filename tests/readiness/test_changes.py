"""One field of a sound deployment is changed at random: where users end with less, the check has said what of."""

from __future__ import annotations

import re

import pytest

from edgesim.deployment import Deployment
from edgesim.readiness import check
from edgesim.scenario.proof import Simulated, simulate
from tests import fuzz
from tests.readiness import changes
from tests.readiness.changes import Change

USUAL, MOST = 2_000, 3_000
SEEDS = 200 if fuzz.EXAMPLES <= USUAL else min(fuzz.EXAMPLES // 100, MOST)
GROUPS = 20
SOUND: dict[str, Simulated] = {}
"""What each base deployment comes to, simulated once."""


@pytest.mark.parametrize("base", changes.BASES)
def test_a_base_is_sound_and_signs_everybody_in(base: str) -> None:
    lab = changes.sound(base)
    report = check(lab)
    assert report.clean, report.rules
    SOUND[base] = simulate(lab, report)
    assert not SOUND[base].failed, SOUND[base].sign_ins


@pytest.mark.fuzz
@pytest.mark.parametrize("group", range(GROUPS))
def test_what_makes_a_sign_in_worse_is_found(group: int) -> None:
    wrong = []
    for seed in range(group, SEEDS, GROUPS):
        change = changes.drawn(seed)
        if change is not None and (told := changes.judge(change, SOUND)):
            wrong.append(f"#{seed} {told}")
    assert not wrong, "\n".join(wrong)


def test_most_draws_change_something_and_some_do_harm() -> None:
    drawn = [change for seed in range(200) if (change := changes.drawn(seed)) is not None]
    applied = [lab for change in drawn if (lab := changes.apply(change)) is not None]
    assert len(applied) > 120, (len(drawn), len(applied))
    assert sum(bool(check(lab).reported) for lab in applied) > 30
    assert len({change.path for change in drawn}) > 60


@pytest.mark.parametrize("pattern", changes.LEFT_OUT)
def test_what_is_left_out_is_there_and_has_a_reason(pattern: str) -> None:
    def paths(lab: Deployment) -> list[str]:
        return [changes.written(lab, path) for path, _, _ in changes.leaves(lab)]

    assert len(changes.LEFT_OUT[pattern]) > 10
    known = {path for base in changes.BASES for path in paths(changes.sound(base))}
    if not re.match(r"unity|certificates|\(dns", pattern):
        assert any(re.fullmatch(pattern, path) for path in known), pattern


def test_a_check_that_does_not_look_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle: without its rules a check says nothing of a deployment in which nobody has chat any more."""
    change = Change(base="small", path="mra.im_presence_clusters", value=[], words=())
    assert changes.judge(change, SOUND) == ""
    monkeypatch.setattr("edgesim.readiness.rules.RULES", ())
    assert "lost" in changes.judge(change, SOUND)
