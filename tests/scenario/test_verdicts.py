"""Every verdict, and that each can be had only in its own way."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from edgesim.scenario import (
    DnsQuery,
    FaultFired,
    HostDown,
    HostStateChanged,
    JabberUser,
    Lab,
    Mutation,
    Note,
    Outcome,
    Registered,
    Setting,
    Test,
    Verdict,
    WithFault,
    containing,
)
from edgesim.scenario.declare import DeclarationError, scenario
from edgesim.scenario.report import failure
from edgesim.scenario.run import Options, run
from edgesim.scenario.verdict import exit_code
from edgesim.world import Capability, UnsupportedError
from edgesim.world.faults import DropDatagram, Selector
from tests.scenario.stories import declared, judged, line, played

HERE = "tests/scenario/test_verdicts.py"


def test_a_story_that_asserts_and_ends_passes() -> None:
    async def story(lab: Lab) -> None:
        """What it is about.

        And more."""
        await lab.wait(2.5)
        lab.check(lab.now == 2.5, "time passes as asked")
        lab.report(waited=lab.now)

    verdict = judged(story)
    assert verdict.outcome is Outcome.PASSED, verdict.reason
    assert (verdict.title, verdict.world, verdict.seed) == ("What it is about.", "sim", 1)
    assert verdict.reports == {"waited": 2.5}
    assert verdict.replay == f"edgesim run {HERE}::story --seed=1"
    assert verdict.as_json()["outcome"] == "passed" and "reason" not in verdict.as_json()


def test_a_story_that_asserts_nothing_is_refused() -> None:
    async def story(lab: Lab) -> None:
        lab.note("looks busy")
        assert lab.match(Note(text="looks busy"))

    verdict = judged(story)
    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert verdict.reason.startswith("the scenario asserts nothing")


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


# ---- errors of the story


@pytest.mark.parametrize("kind", ["story", "actor", "callback"])
def test_a_story_that_never_gives_way_is_ended_by_the_machines_clock(kind: str) -> None:
    where = ""

    def spin() -> None:
        nonlocal where
        where = line(2)
        while True:
            try:
                pass
            except Exception:
                continue

    async def actor() -> None:
        spin()

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        if kind == "story":
            spin()
        elif kind == "actor":
            await lab.together(actor(), lab.wait(1))
        else:
            asyncio.get_running_loop().call_later(1, spin)
            await lab.wait(2)

    verdict = run(declared(story), Options(patience=0.3)).verdict
    assert verdict.outcome is Outcome.FAILED
    if kind == "callback":
        assert "Stuck" in verdict.reason and f"{HERE}:" in verdict.reason
    else:
        assert verdict.reason.startswith(
            "nothing went on for 0.3 s of the machine's time: tests/scenario/test_verdicts"
        )
        assert verdict.reason.endswith("never gives way to anything else")


def test_a_mistake_in_the_code_is_shown_with_its_line_and_without_a_ladder() -> None:
    async def story(lab: Lab) -> None:
        lab.note("something that a ladder would show")
        lab.expct(Note(text="x"))  # type: ignore[attr-defined]  # the mistake under test

    done = played(story)
    assert done.verdict.outcome is Outcome.FAILED
    head, code = done.verdict.reason.splitlines()
    assert head.startswith(f"AttributeError: 'Lab' object has no attribute 'expct' ({HERE}:")
    assert code.strip().startswith('lab.expct(Note(text="x"))')
    told = failure(done.verdict, done.journal)
    assert "lab.expct" in told and "ladder" not in told
    assert len(told.splitlines()) < 10


def test_what_a_client_says_of_its_own_failure_is_told() -> None:
    async def story(lab: Lab, alice: JabberUser) -> None:
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"), within=5)

    done = run(scenario(changes={"dns.collab_edge": False})(story), Options())
    assert done.verdict.outcome is Outcome.FAILED
    assert done.verdict.stages and "alice, service discovery: failed" in done.verdict.stages[0]
    assert f"clients   {done.verdict.stages[0]}" in failure(done.verdict, done.journal)


def test_an_unexpected_error_names_the_scenarios_line_and_the_innermost() -> None:
    where = ""

    async def story(lab: Lab) -> None:
        nonlocal where
        where = line(1)
        lab.address("no-such-host")

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.startswith("LookupError: no host is called 'no-such-host' (")
    assert verdict.where.startswith(f"{HERE}{where}, by way of edgesim/deployment/inventory.py:")


def test_a_plain_assert_fails_but_counts_as_no_assertion() -> None:
    async def red(lab: Lab) -> None:
        assert lab.now == 1, "not yet"

    async def green(lab: Lab) -> None:
        assert lab.now == 0

    assert judged(red).reason.startswith("AssertionError: not yet")
    assert judged(green).outcome is Outcome.COULD_NOT_RUN


def test_a_host_that_goes_down_under_the_story_fails_it() -> None:
    async def idle() -> None:
        await asyncio.sleep(50)

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        host = (await lab.script("jabber-1")).node.host

        async def crash() -> None:
            await lab.wait(1)
            await lab.crash("jabber-1")

        await lab.together(host.run(idle()), crash())

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.startswith("what the story waited for was cancelled")


def test_reaching_for_the_world_outside_fails() -> None:
    import time

    async def story(lab: Lab) -> None:
        lab.check(time.time() > 0, "the real clock")

    assert judged(story).reason.startswith("TripwireError: tests.scenario.test_verdicts called time.time")


# ---- could not run, unsupported


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"deployment": "no-such"}, "no-such"),
        ({"changes": {"mra.no_such": 1}}, "no_such"),
        ({"changes": {"clients": "none"}}, "clients"),
    ],
)
def test_a_deployment_that_cannot_be_had_could_not_run(options: dict[str, Any], reason: str) -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")

    verdict = judged(story, **options)
    assert verdict.outcome is Outcome.COULD_NOT_RUN and reason in verdict.reason


def test_more_clients_than_machines_could_not_run() -> None:
    async def story(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
        lab.client("alice")

    verdict = judged(story)
    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert verdict.reason == "deployment 'small' has no free client machine in zone 'internet'"
    assert verdict.where.startswith(HERE)

    async def unknown(lab: Lab, zoe: JabberUser) -> None:
        lab.check(True, "an assertion")

    assert "zoe" in judged(unknown).reason


def test_a_lab_that_does_not_start_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgesim.lab import products

    async def broken(_: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setitem(products.PRODUCTS, "client", broken)

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")

    verdict = judged(story)
    assert verdict.outcome is Outcome.COULD_NOT_RUN
    assert verdict.reason.startswith("the lab did not start: RuntimeError: out of order")


def test_what_the_world_lacks_is_unsupported() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")

    async def asks(lab: Lab) -> None:
        raise UnsupportedError(Capability.EXTERNAL_CLIENTS)

    for verdict in (judged(story, needs=[Capability.EXTERNAL_CLIENTS]), judged(asks)):
        assert verdict.outcome is Outcome.UNSUPPORTED
        assert verdict.reason.endswith("clients that are real programs")
    assert judged(story, worlds=["live"]).reason == "unsupported: it is not meant for the sim world"


def test_declarations_that_cannot_work_are_refused() -> None:
    with pytest.raises(DeclarationError, match="must be an async function"):
        scenario()(lambda lab: None)  # type: ignore[arg-type,return-value]  # the mistake under test

    async def without_lab(world: Lab) -> None: ...

    async def good(lab: Lab) -> None: ...

    with pytest.raises(DeclarationError, match="first parameter must be called lab"):
        scenario()(without_lab)
    with pytest.raises(DeclarationError, match=r"clients names \['bob'\]"):
        scenario(clients={"bob": object()})(good)  # type: ignore[dict-item]  # only the name matters here


# ---- mutations and faults


NO_DNS = DropDatagram(name="no questions", where=Selector(target="dns-outside", protocol="udp"))


async def _asks(lab: Lab) -> None:
    await lab.resolve("jabber-1", "expe.example.com")
    await lab.expect(DnsQuery(node="dns-outside", name=containing("expe")), within=1)


def test_mutations_turn_a_story_red_and_say_so() -> None:
    assert judged(_asks).outcome is Outcome.PASSED
    for mutation in (WithFault(NO_DNS), HostDown("dns-outside")):
        verdict = judged(_asks, mutation=mutation)
        assert verdict.outcome is Outcome.FAILED, verdict
        assert verdict.mutation == mutation.name
    assert judged(_asks, mutation=Mutation()).outcome is Outcome.PASSED


def test_a_setting_changes_the_deployment() -> None:
    async def story(lab: Lab) -> None:
        lab.check(lab.deployment.users_by_id["alice"].password == "alice-secret", "alice has her password")

    assert judged(story).outcome is Outcome.PASSED
    verdict = judged(story, mutation=Setting("users.alice.password", "other"))
    assert verdict.outcome is Outcome.FAILED and verdict.mutation == "users.alice.password = 'other'"
    verdict = judged(story, mutation=Setting("users.nobody.password", "other"))
    assert verdict.outcome is Outcome.COULD_NOT_RUN, "a mutation that cannot be made shows nothing"


def test_a_mutation_whose_fault_never_fires_shows_nothing() -> None:
    elsewhere = replace(NO_DNS, where=Selector(target="ucm-pub"))

    async def red(lab: Lab) -> None:
        lab.check(False, "something else")

    for story in (_asks, red):
        verdict = judged(story, mutation=WithFault(elsewhere))
        assert verdict.outcome is Outcome.COULD_NOT_RUN
        assert verdict.reason == "the mutation did nothing: no questions never fired"


def test_each_firing_of_a_fault_is_journalled_and_can_be_expected() -> None:
    async def story(lab: Lab) -> None:
        async with lab.fault(replace(NO_DNS, times=1)):
            await _asks(lab)
            fired = await lab.expect(FaultFired(fault="no questions", fault_kind="DropDatagram", node="jabber-1"))
            lab.check(len(lab.matches(FaultFired())) == 1, "its budget is one")
            second = await lab.expect(DnsQuery(node="dns-outside"))
            lab.check(second.order > fired.order, "the second question gets through")

    run = played(story)
    assert run.verdict.outcome is Outcome.PASSED, run.verdict.reason


def test_hosts_that_the_lab_starts_can_be_expected_outside_steps() -> None:
    async def story(lab: Lab) -> None:
        await lab.expect(HostStateChanged(node="jabber-1", state="up"), within=0.1)
        async with lab.step("nothing starts any more"):
            lab.never(HostStateChanged(state="up"))

    assert judged(story).outcome is Outcome.PASSED


def test_exit_codes() -> None:
    def of(*outcomes: Outcome) -> int:
        return exit_code([Verdict(scenario="s", title="s", world="sim", seed=1, outcome=each) for each in outcomes])

    assert of(Outcome.PASSED, Outcome.PASSED) == 0
    assert of(Outcome.PASSED, Outcome.UNSUPPORTED) == 0
    assert of(Outcome.UNSUPPORTED) == 3
    assert of(Outcome.FAILED, Outcome.UNSUPPORTED) == 1
    assert of(Outcome.FAILED, Outcome.COULD_NOT_RUN, Outcome.PASSED) == 2
