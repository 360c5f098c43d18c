"""Scenarios in the live world: the same stories, on real sockets of the loopback network."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from edgesim.deployment import builtin
from edgesim.journal import events
from edgesim.lab.loopback import loopback_address
from edgesim.lab.networks import free_network, is_free
from edgesim.scenario import Lab, Note, Outcome, Verdict
from edgesim.scenario.discover import find
from edgesim.scenario.run import Options, run
from edgesim.world import Capability
from tests.scenario.stories import declared
from tests.scenario.test_scripted import refused

HOME = Path(__file__).parents[2]

OWN = Options(live=True)


def live(play: object, **options: object) -> Verdict:
    return run(declared(play, **options), OWN).verdict


def test_a_sign_in_on_the_companys_network() -> None:
    [scenario] = find(["sign_in_inside"], home=HOME / "scenarios")
    done = run(scenario, OWN)
    assert done.verdict.outcome is Outcome.PASSED, done.verdict.reason
    assert done.verdict.world == "live" and done.verdict.replay.endswith("--seed=1 --live")
    assert done.verdict.lab_seconds < 30


def test_it_goes_where_no_other_lab_is(monkeypatch: pytest.MonkeyPatch) -> None:
    small = builtin("small")
    with free_network(small) as taken, free_network(small) as other:
        assert taken != other, "a claimed network is nobody else's"
    monkeypatch.setattr("edgesim.lab.networks.NETWORKS", (taken, other))
    asked = loopback_address(small.host("ucm-sub").address, taken)
    with socket.create_server((asked, small.defaults.ports.sip)):
        assert not is_free(small, taken) and is_free(small, other)
        [scenario] = find(["sign_in_inside"], home=HOME / "scenarios")
        done = run(scenario, OWN)
    assert done.verdict.outcome is Outcome.PASSED, done.verdict.reason
    opened = [entry.event.remote for entry in done.journal if isinstance(entry.event, events.TcpOpened)]
    assert opened and {address.rsplit(".", 2)[0] for address in opened} == {other}


def test_a_scripted_node_refuses_there_too() -> None:
    options = {"without": ("expe", "expc", "imp-pub", "ucm-sub")}
    options |= {"changes": {"unified_cm.0.call_manager_group": ["ucm-sub"]}}
    from edgesim.scenario import Inside

    verdict = live(refused, clients={"alice": Inside}, **options)
    assert verdict.outcome is Outcome.PASSED, verdict.reason


def test_never_limit_and_deadlines_run_on_real_time() -> None:
    async def forbidden(lab: Lab) -> None:
        lab.never(Note(text="forbidden"))

        async def culprit() -> None:
            await lab.wait(0.05)
            lab.note("forbidden")

        await lab.together(lab.wait(20), culprit())

    async def endless(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await asyncio.Event().wait()

    async def late(lab: Lab) -> None:
        await lab.expect(Note(text="what never comes"), within=0.1)

    verdicts = [live(forbidden), live(endless, limit=0.2), live(late)]
    assert [each.outcome for each in verdicts] == [Outcome.FAILED] * 3
    assert verdicts[0].expected == "never Note(text='forbidden')" and verdicts[0].lab_seconds < 10
    assert verdicts[1].reason.startswith(
        "no end after 0.2 s of lab time; the story waits at tests/scenario/test_live.py"
    )
    assert verdicts[2].expected.endswith("within 0.1 s")


def test_leaks_show_there_too() -> None:
    kept: list[object] = []

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        host = (await lab.script("jabber-1")).node.host

        async def listen() -> None:
            loop = asyncio.get_running_loop()
            kept.append(await loop.create_server(asyncio.Protocol, host.address(), 5060))

        await host.run(listen())
        host.spawn(asyncio.sleep(500), name="too long")

    verdict = live(story)
    assert verdict.outcome is Outcome.FAILED
    assert re.search(r"jabber-1 left a tcp socket: 127\.\d+\.100\.25:5060 LISTEN", verdict.reason)
    assert "jabber-1 left a task: jabber-1: too long" in verdict.reason


@pytest.mark.parametrize("capability", [Capability.FREEZE, Capability.VIRTUAL_TIME])
def test_what_the_live_world_lacks_is_unsupported(capability: Capability) -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")

    async def freezes(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await lab.freeze("jabber-1")

    assert live(story, needs=[capability]).reason == f"unsupported: {capability.value}"
    if capability is Capability.FREEZE:
        verdict = live(freezes)
        assert verdict.outcome is Outcome.UNSUPPORTED
        assert verdict.where.startswith("tests/scenario/test_live.py:")
