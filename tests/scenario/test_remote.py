"""A story plays at a lab that runs elsewhere, by commands over HTTP and the journal that it follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edgesim.control import ControlServer, HttpCarrier, InProcess
from edgesim.deployment import builtin
from edgesim.lab import RunningLab
from edgesim.scenario import DnsQuery, ExpectationError, Lab, Note, Outside, Registered, remote
from edgesim.scenario.declare import CannotRun
from edgesim.scenario.discover import scenarios_in
from edgesim.scenario.remote import joined
from edgesim.world.live import LiveWorld
from tests.live.lab import own_network

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def elsewhere(story: Callable[[Lab, RunningLab], Awaitable[None]]) -> None:
    """Play a story at a live lab, which it reaches over HTTP; ``story`` also gets the lab, to see what is true."""
    with own_network(builtin("small")) as deployment:
        world = LiveWorld(1)
        running = RunningLab(world, deployment)

        async def main() -> None:
            await running.start()
            server = ControlServer(world, InProcess(running), "the-token")
            await server.start()
            try:
                async with joined(HttpCarrier(server.url, "the-token"), world) as lab:
                    await story(lab, running)
            finally:
                await server.close()
                await running.stop()

        world.run(main())


def test_the_story_of_a_first_sign_in_plays_over_http() -> None:
    file = SCENARIOS / "sign_in" / "first_sign_in.py"
    (first,) = (each for each in scenarios_in(file) if each.name == "first_sign_in")

    async def story(lab: Lab, running: RunningLab) -> None:
        alice = lab.seated("alice", Outside)
        await first.play(lab, alice)
        await alice.sign_in()
        registered = lab.matches(Registered(device="CSFALICE"))
        own = [each for each in running.journal if Registered(device="CSFALICE").matches(each)]
        assert len(registered) == len(own) >= 2, "what a command brought about is here with its reply"
        assert all(abs(one.at - other.at) < 0.1 for one, other in zip(registered, own, strict=True)), "at its time"
        assert (await alice.look()).registered and running.clients.used(running.node(alice.machine)) is not None
        with pytest.raises(CannotRun, match="the lab runs elsewhere"):
            await lab.script("ucm-pub")

    elsewhere(story)


def test_what_a_command_brings_about_is_in_the_journal_with_its_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "EVERY", 60.0)

    async def story(lab: Lab, running: RunningLab) -> None:
        await lab.wait(0.1)  # the first look is over
        await lab.resolve("jabber-1", "expe.example.com")
        assert lab.match(DnsQuery(node="dns-outside", name="expe.example.com")) is not None

    elsewhere(story)


def test_what_never_must_come_ends_a_story_elsewhere_too() -> None:
    async def story(lab: Lab, running: RunningLab) -> None:
        lab.never(Note(text="forbidden"))
        running.journal.record("ucm-pub", Note(text="forbidden").event(text="forbidden"))
        await lab.wait(5)
        raise AssertionError("not reached")

    with pytest.raises(ExpectationError, match="never Note"):
        elsewhere(story)
