"""Steps that nest, actors side by side, barriers, and clean-up in its order."""

from __future__ import annotations

import asyncio
import contextlib

from edgesim.journal import Journal, events
from edgesim.scenario import Lab, Note, Outcome
from tests.scenario.stories import judged, played


def steps(journal: Journal) -> list[tuple[str, str, int]]:
    """Return the journal's steps: text, state, depth."""
    found = [entry.event for entry in journal.select(kind=events.Step.kind)]
    return [(event.text, event.state, event.depth) for event in found if isinstance(event, events.Step)]


# ---- steps


def test_steps_nest_in_the_journal_and_in_the_verdict() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        async with lab.step("outer"):
            async with lab.step("inner"):
                await lab.wait(1)
            async with lab.step("second"):
                pass
        async with lab.step("last"):
            lab.check(False, "it holds")

    run = played(story)
    assert steps(run.journal) == [
        ("outer", "began", 0),
        ("inner", "began", 1),
        ("inner", "ended", 1),
        ("second", "began", 1),
        ("second", "ended", 1),
        ("outer", "ended", 0),
        ("last", "began", 0),
        ("last", "failed", 0),
    ]
    assert run.verdict.steps == ("outer", "  inner", "  second", "last")


def test_expectations_look_back_to_the_beginning_of_their_own_step() -> None:
    async def story(lab: Lab) -> None:
        lab.note("before")
        async with lab.step("outer"):
            lab.note("outer")
            async with lab.step("inner"):
                lab.check(lab.match(Note(text="outer")) is None, "the inner step sees only its own")
            lab.check(lab.match(Note(text="outer")), "after it, the outer step sees all of its own")
            lab.check(not lab.match(Note(text="before")), "but nothing before")
        lab.check(lab.match(Note(text="before")), "outside all steps everything counts")

    assert judged(story).outcome is Outcome.PASSED


def test_actors_side_by_side_have_steps_of_their_own() -> None:
    async def early(lab: Lab) -> None:
        async with lab.step("early"):
            await lab.wait(3)
            lab.check(lab.match(Note(text="at one")), "the early step began before the note")

    async def late(lab: Lab) -> None:
        await lab.wait(2)
        async with lab.step("late"):
            lab.check(not lab.match(Note(text="at one")), "the late step began after the note")
            await lab.wait(2)

    async def writer(lab: Lab) -> None:
        await lab.wait(1)
        lab.note("at one")

    async def story(lab: Lab) -> None:
        async with lab.step("together"):
            await lab.together(early(lab), late(lab), writer(lab))

    run = played(story)
    assert run.verdict.outcome is Outcome.PASSED, run.verdict.reason
    depths = {text: depth for text, _, depth in steps(run.journal)}
    assert depths == {"together": 0, "early": 1, "late": 1}


# ---- together


async def returns(value: int, after: float) -> int:
    await asyncio.sleep(after)
    return value


async def fails(text: str, after: float) -> int:
    await asyncio.sleep(after)
    raise ValueError(text)


def test_results_come_in_the_order_of_the_actors() -> None:
    async def story(lab: Lab) -> None:
        results = await lab.together(returns(1, 3), returns(2, 1), returns(3, 2))
        lab.check(results == [1, 2, 3] and lab.now == 3, "in order, side by side")
        lab.check(await lab.together() == [], "nobody is no trouble")

    assert judged(story).outcome is Outcome.PASSED


def test_the_failure_that_comes_first_in_time_ends_the_others() -> None:
    ended: list[str] = []

    async def patient(name: str) -> int:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(name)
        return 0

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        try:
            await lab.together(patient("first"), fails("second", 2), fails("third", 1), patient("fourth"))
        finally:
            lab.report(at=lab.now)

    verdict = judged(story)
    assert verdict.reason.startswith("ValueError: third (")
    assert verdict.reports == {"at": 1.0}
    assert ended == ["first", "fourth"]


def test_no_failure_is_lost() -> None:
    async def sour() -> int:
        try:
            await asyncio.sleep(100)
        finally:
            raise KeyError("while unwinding")
        return 0

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await lab.together(sour(), fails("first", 1), fails("at the same time", 1))

    lines = judged(story).reason.splitlines()
    assert lines[0].startswith("ValueError: first (")
    assert "actor fails failed too: ValueError: at the same time" in lines
    assert any(text.endswith("sour failed too: KeyError: 'while unwinding'") for text in lines)


def test_an_unmet_expectation_of_one_actor_is_the_verdict() -> None:
    async def story(lab: Lab) -> None:
        await lab.together(lab.expect(Note(text="never"), within=5), returns(1, 100))

    verdict = judged(story)
    assert verdict.expected == "Note(text='never') within 5 s"
    assert verdict.lab_seconds == 5


def test_an_actor_that_does_not_end_is_named() -> None:
    async def stubborn() -> int:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await lab.together(stubborn(), fails("first", 1))

    verdict = judged(story)
    assert "stubborn did not end within 30 s of its cancellation" in verdict.reason
    assert verdict.lab_seconds == 31


def test_the_limit_ends_actors_and_clients_alike() -> None:
    ended: list[float] = []

    async def patient(lab: Lab) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(lab.now)

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await lab.together(patient(lab), patient(lab))

    assert judged(story, limit=10).reason.startswith("no end after 10 s of lab time")
    assert ended == [10, 10]


def test_actors_wait_for_each_other_at_a_barrier() -> None:
    async def story(lab: Lab) -> None:
        barrier = lab.barrier(3)
        met: list[tuple[int, float]] = []

        async def actor(number: int) -> None:
            await lab.wait(number)
            await barrier.wait()
            met.append((number, lab.now))

        await lab.together(actor(1), actor(5), actor(3))
        lab.check([at for _, at in met] == [5, 5, 5], "all go on when the last one is there")
        lab.check(sorted(number for number, _ in met) == [1, 3, 5], "all of them")

    assert judged(story).outcome is Outcome.PASSED


def test_an_actor_that_fails_frees_those_at_the_barrier() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        barrier = lab.barrier(2)

        async def waits() -> int:
            await barrier.wait()
            return 0

        await lab.together(waits(), fails("on the way", 7))

    verdict = judged(story)
    assert verdict.reason.startswith("ValueError: on the way") and verdict.lab_seconds == 7


# ---- clean-up


def test_clean_up_runs_backwards_whatever_happens() -> None:
    order: list[str] = []

    def work(name: str, error: Exception | None = None) -> object:
        async def do() -> None:
            order.append(name)
            if error is not None:
                raise error

        return do

    def story(last: Exception | None, holds: bool) -> object:
        async def play(lab: Lab) -> None:
            lab.cleanup(work("first"))
            lab.cleanup(work("second", last))
            lab.cleanup(work("third"))
            lab.check(holds, "the story")

        return play

    verdict = judged(story(None, True))
    assert verdict.outcome is Outcome.PASSED and order == ["third", "second", "first"]

    order.clear()
    verdict = judged(story(ValueError("stuck"), True))
    assert order == ["third", "second", "first"], "one that fails keeps no other from its turn"
    assert verdict.outcome is Outcome.FAILED
    assert "the clean-up failed: ValueError: stuck" in verdict.reason

    order.clear()
    verdict = judged(story(ValueError("stuck"), False))
    assert order == ["third", "second", "first"]
    assert verdict.expected == "the story", "what the story failed for comes first"


def test_a_clean_up_without_end_is_cut_off() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        lab.cleanup(asyncio.Event().wait)

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert "the clean-up did not end within 60 s of lab time" in verdict.reason


def test_frozen_hosts_go_on_before_their_clients_let_go() -> None:
    async def story(lab: Lab) -> None:
        lab.client("alice")
        await lab.freeze("jabber-1")
        lab.check(True, "an assertion")

    assert judged(story).outcome is Outcome.PASSED
