"""Every verdict, and that each can be had only in its own way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.scenario import JabberUser, Lab, Note, Outcome, Registered, Verdict
from edgesim.scenario.declare import DeclarationError, scenario
from edgesim.scenario.report import failure
from edgesim.scenario.run import Options, run
from edgesim.scenario.verdict import exit_code
from edgesim.world import Capability, UnsupportedError
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
        assert verdict.reason.startswith("no progress for 0.3 s of the machine's time: tests/scenario/test_verdicts")
        assert verdict.reason.endswith("never yields")


def test_a_mistake_in_the_code_is_shown_with_its_line_and_without_a_ladder() -> None:
    async def story(lab: Lab) -> None:
        lab.note("something that a ladder would show")
        lab.expct(Note(text="x"))

    done = played(story)
    assert done.verdict.outcome is Outcome.FAILED
    head, code = done.verdict.reason.splitlines()
    assert head.startswith(f"AttributeError: 'Lab' object has no attribute 'expct' ({HERE}:")
    assert code.strip().startswith('lab.expct(Note(text="x"))')
    told = failure(done.verdict, done.journal)
    assert "lab.expct" in told and "ladder" not in told
    assert len(told.splitlines()) < 10


def test_a_clients_own_failure_is_reported() -> None:
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
        scenario()(lambda lab: None)

    async def without_lab(world: Lab) -> None: ...

    async def good(lab: Lab) -> None: ...

    with pytest.raises(DeclarationError, match="first parameter must be called lab"):
        scenario()(without_lab)
    with pytest.raises(DeclarationError, match=r"clients names \['bob'\]"):
        scenario(clients={"bob": object()})(good)


def test_the_exit_code_is_that_of_the_worst_outcome() -> None:
    def of(*outcomes: Outcome) -> int:
        return exit_code([Verdict(scenario="s", title="s", world="sim", seed=1, outcome=each) for each in outcomes])

    assert of(Outcome.PASSED, Outcome.PASSED) == 0
    assert of(Outcome.PASSED, Outcome.UNSUPPORTED) == 0
    assert of(Outcome.UNSUPPORTED) == 3
    assert of(Outcome.FAILED, Outcome.UNSUPPORTED) == 1
    assert of(Outcome.FAILED, Outcome.COULD_NOT_RUN, Outcome.PASSED) == 2
