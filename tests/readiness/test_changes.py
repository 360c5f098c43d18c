"""One field of a sound deployment is changed at random: where users end with less, the check has said what of."""

from __future__ import annotations

import re

import pytest

from edgesim.deployment import Deployment
from edgesim.readiness import check
from tests import fuzz
from tests.readiness import changes
from tests.readiness.changes import Change

USUAL, MOST = 2_000, 3_000
SEEDS = 80 if fuzz.EXAMPLES <= USUAL else min(fuzz.EXAMPLES // 100, MOST)
GROUPS = 20


@pytest.mark.parametrize("base", changes.BASES)
def test_a_base_is_valid_and_signs_every_user_in(base: str) -> None:
    report = check(changes.sound(base))
    assert report.clean, report.rules
    assert not changes.signed_in(base).failed, changes.signed_in(base).sign_ins


@pytest.mark.fuzz
@pytest.mark.parametrize("group", range(GROUPS))
def test_what_makes_a_sign_in_worse_is_found(group: int) -> None:
    wrong = []
    for seed in range(group, SEEDS, GROUPS):
        if reported := changes.tried(seed)[1].wrong:
            wrong.append(f"#{seed} {reported}")
    assert not wrong, "\n".join(wrong)


def test_most_draws_change_something_and_some_do_harm() -> None:
    drawn = [changes.tried(seed) for seed in range(SEEDS)]
    assert sum(verdict.applied for _, verdict in drawn) > 0.6 * SEEDS
    assert sum(verdict.reported for _, verdict in drawn) > 0.15 * SEEDS
    assert len({change.path for change, _ in drawn if change is not None}) > 30


DESK = {"host": "desk", "store": "system"}
CHAT = {"host": "imp-pub", "service": "cup-xmpp"}


@pytest.mark.parametrize(
    "change",
    [
        Change(base="small", path="domains.enabled.0.name", value="elsewhere.example", words=()),
        Change(base="small", path="trust", value=DESK | {"lacks": ["enterprise"]}, words=()),
        Change(base="small", path="trust", value=DESK | {"holds": ["public"]}, words=()),
        Change(
            base="small", path="certificates", value=CHAT | {"signed_by": "private"}, words=("cup-xmpp of imp-pub",)
        ),
    ],
    ids=str,
)
def test_a_change_that_draws_seldom_meet_is_found_too(change: Change) -> None:
    verdict = changes.verdict(change)
    assert verdict.reported and not verdict.wrong


@pytest.mark.parametrize("pattern", changes.LEFT_OUT)
def test_what_is_left_out_is_there_and_has_a_reason(pattern: str) -> None:
    def paths(lab: Deployment) -> list[str]:
        return [changes.dotted(path) for path, _, _ in changes.leaves(lab)]

    assert len(changes.LEFT_OUT[pattern]) > 10
    known = {path for base in changes.BASES for path in paths(changes.sound(base))}
    if not re.match(r"unity|certificates|\(dns", pattern):
        assert any(re.fullmatch(pattern, path) for path in known), pattern


def test_a_check_that_does_not_look_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle: without its rules a check reports nothing of a deployment in which chat is lost."""
    change = Change(base="small", path="mra.im_presence_clusters", value=[], words=())
    assert changes.verdict(change).wrong == ""
    monkeypatch.setattr("edgesim.readiness.rules.RULES", ())
    assert "lost" in changes.verdict(change).wrong
