"""What expect, never and none await, and how a story that waits comes to its end."""

from __future__ import annotations

import asyncio
import contextlib

from edgesim.scenario import DnsQuery, HostStateChanged, Lab, Note, Outcome, Test
from tests.scenario.stories import judged, line, played

HERE = "tests/scenario/test_expectations.py"


# ---- expect


def test_what_never_comes_fails_with_what_came_instead() -> None:
    where = ""

    async def story(lab: Lab) -> None:
        nonlocal where
        lab.note("hello")
        where = line(1)
        await lab.expect(DnsQuery(name="example.com"), within=3)

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.expected == "DnsQuery(name='example.com') within 3 s"
    assert verdict.instead[0] == "no dns.query entry came at all; the last entries were"
    assert verdict.instead[-1].endswith("scenario: hello")
    assert verdict.where == HERE + where
    assert verdict.lab_seconds == 3


def test_near_misses_are_ranked_and_say_what_differs() -> None:
    async def story(lab: Lab) -> None:
        for number in range(9):
            lab.note(f"number {number}")
        await lab.expect(Note(text="number 9", node="scenario"), within=1)

    run = played(story)
    verdict = run.verdict
    assert run.journal[verdict.around - 1].event.summary() == "number 8", "the ladder is drawn around the nearest"
    assert verdict.instead[0] == "9 note entries came, none that fits; the nearest were"
    assert len(verdict.instead) == 1 + 2 * 5
    assert verdict.instead[2].strip() == "but text was 'number 8'", "of those that differ as much, the latest"


def test_what_differs_least_is_nearest_however_long_ago_it_came() -> None:
    async def story(lab: Lab) -> None:
        await lab.crash("jabber-1")
        await lab.crash("jabber-2")
        await lab.wait(1)
        await lab.crash("dns-inside")
        await lab.expect(HostStateChanged(node="jabber-1", state="frozen"), within=1)

    differing = [text.strip() for text in judged(story).instead if text.strip().startswith("but ")]
    assert differing[:3] == [f"but state was '{state}'" for state in ("crashed", "up", "starting")]
    assert differing[3:5] == [f"but node was '{host}', state was 'crashed'" for host in ("dns-inside", "jabber-2")]


def test_what_comes_at_the_very_deadline_is_in_time() -> None:
    async def late(lab: Lab) -> None:
        await lab.wait(2)
        lab.note("now")

    async def story(lab: Lab) -> None:
        await lab.together(late(lab), lab.expect(Note(text="now"), within=2))

    assert judged(story).outcome is Outcome.PASSED

    async def too_late(lab: Lab) -> None:
        await lab.together(late(lab), lab.expect(Note(text="now"), within=1.999999))

    assert judged(too_late).outcome is Outcome.FAILED


def test_after_an_entry_means_later_than_that_entry() -> None:
    async def story(lab: Lab) -> None:
        lab.note("one")
        first = await lab.expect(Note(text="one"))
        await lab.expect(Note(text="one"), within=1, after=first)

    assert judged(story).outcome is Outcome.FAILED


def test_a_condition_that_raises_is_the_scenarios_error_and_no_hosts() -> None:
    broken = Test("broken", lambda _: bool(1 / 0))

    async def meanwhile(lab: Lab) -> None:
        await lab.wait(1)
        lab.note("hit it")
        lab.check(True, "whoever wrote the entry goes on")

    async def waits(lab: Lab) -> None:
        await lab.together(lab.expect(Note(text=broken)), meanwhile(lab))

    async def forbids(lab: Lab) -> None:
        lab.never(Note(text=broken))
        await meanwhile(lab)
        await lab.wait(1)

    for story in (waits, forbids):
        verdict = judged(story)
        assert verdict.outcome is Outcome.FAILED
        assert verdict.reason.startswith("ZeroDivisionError: division by zero"), verdict.reason


def test_what_happens_while_the_lab_starts_can_be_expected_outside_steps() -> None:
    async def story(lab: Lab) -> None:
        await lab.expect(HostStateChanged(node="jabber-1", state="up"), within=0.1)
        async with lab.step("nothing starts any more"):
            lab.never(HostStateChanged(state="up"))

    assert judged(story).outcome is Outcome.PASSED


# ---- never and none


def test_never_interrupts_at_once() -> None:
    where = ""
    reached = False

    async def culprit(lab: Lab) -> None:
        await lab.wait(1)
        lab.note("forbidden")

    async def patient(lab: Lab) -> None:
        nonlocal reached
        await lab.wait(100)
        reached = True

    async def story(lab: Lab) -> None:
        nonlocal where
        where = line(1)
        lab.never(Note(text="forbidden"))
        await lab.together(patient(lab), culprit(lab))

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED and not reached
    assert verdict.expected == "never Note(text='forbidden')"
    assert verdict.instead == ("it came at 1.000000 s at scenario: forbidden",)
    assert verdict.where == HERE + where
    assert verdict.lab_seconds == 1


def test_never_looks_back_to_where_its_step_began() -> None:
    async def story(lab: Lab) -> None:
        lab.note("forbidden")
        async with lab.step("later"):
            lab.never(Note(text="forbidden"))
        lab.never(Note(text="forbidden"))

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED and verdict.steps == ("later",)


def test_a_ban_that_was_lifted_forbids_nothing() -> None:
    async def story(lab: Lab) -> None:
        lift = lab.never(Note(text="x"))
        lift()
        lift()
        lab.note("x")
        await lab.wait(1)

    assert judged(story).outcome is Outcome.PASSED


def test_none_waits_and_then_lets_it_come() -> None:
    async def good(lab: Lab) -> None:
        await lab.none(Note(text="x"), during=5)
        lab.note("x")
        lab.check(lab.now == 5, "it waited")

    async def culprit(lab: Lab) -> None:
        await lab.wait(4.9)
        lab.note("x")

    async def bad(lab: Lab) -> None:
        await lab.together(lab.none(Note(text="x"), during=5), culprit(lab))

    assert judged(good).outcome is Outcome.PASSED
    assert judged(bad).outcome is Outcome.FAILED


def test_what_never_must_come_wins_over_what_its_interruption_causes() -> None:
    async def story(lab: Lab) -> None:
        lab.never(Note(text="forbidden"))
        try:
            lab.note("forbidden")
            await lab.wait(10)
        finally:
            raise ValueError("while unwinding")

    verdict = judged(story)
    assert verdict.expected == "never Note(text='forbidden')"


def test_a_story_that_swallows_its_interruption_ends_all_the_same() -> None:
    async def story(lab: Lab) -> None:
        lab.never(Note(text="forbidden"))
        lab.note("forbidden")
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED and verdict.expected == "never Note(text='forbidden')"
    assert verdict.lab_seconds == 60


# ---- limit, deadlock, livelock


def test_the_limit_says_where_the_story_waits() -> None:
    where = ""

    async def story(lab: Lab) -> None:
        nonlocal where
        lab.check(True, "an assertion")
        async with asyncio.timeout(10_000):
            where = line(1)
            await asyncio.Event().wait()

    verdict = judged(story, limit=90)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.startswith(f"no end after 90 s of lab time; the story waits at {HERE}{where} in story")
    assert verdict.lab_seconds == 90


def test_when_nothing_is_scheduled_the_limit_calls_it_a_deadlock_and_names_who_waits() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await asyncio.Event().wait()

    verdict = judged(story, limit=90)
    assert "deadlock: nothing is scheduled, but these wait:" in verdict.reason
    assert "the story: waits in Event.wait" in verdict.reason

    verdict = judged(story, limit=None)
    assert verdict.outcome is Outcome.FAILED and verdict.reason.startswith("deadlock: ")
    assert verdict.lab_seconds < 1, "without a limit it is found at once"


def test_a_timeout_of_the_storys_own_is_not_the_limit() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        raise TimeoutError("my own")

    assert judged(story).reason.startswith("TimeoutError: my own (")


def test_callbacks_without_end_at_one_instant_are_a_livelock() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        while lab.now == 0:
            await lab.wait(0)

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert "more than 100000 callbacks at" in verdict.reason and "the story" in verdict.reason
