"""A story plays at a lab whose hosts are processes, over HTTP, as it does in one process."""

from __future__ import annotations

from pathlib import Path

from edgesim.control import Crash, HttpCarrier, StartHost
from edgesim.scenario import ClientState, Outside, Registered, XmppStanza, containing
from edgesim.scenario.discover import scenarios_in
from edgesim.scenario.remote import joined
from edgesim.world.live import LiveWorld
from tests.processes.lab import Lab, lab

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def test_the_story_of_a_first_sign_in(tmp_path: Path) -> None:
    (first,) = (
        each for each in scenarios_in(SCENARIOS / "sign_in" / "first_sign_in.py") if each.name == "first_sign_in"
    )
    with lab(tmp_path) as running:
        world = LiveWorld(1)

        async def main() -> None:
            async with joined(carrier(running), world) as there:
                await first.play(there, there.seated("alice", Outside))

        world.run(main())


def test_users_talk_and_a_machine_that_crashed_has_forgotten_its_client(tmp_path: Path) -> None:
    with lab(tmp_path) as running:
        world = LiveWorld(1)

        async def main() -> None:
            async with joined(carrier(running), world) as there:
                alice, bob = there.client("alice"), there.client("bob")
                for came in await there.together(alice.sign_in(), bob.sign_in()):
                    assert came.phone and came.chat, came
                await alice.say("bob", "lunch?")
                await there.expect(XmppStanza(node=bob.machine, name="message", payload=containing("lunch?")))
                assert await bob.messages() == [("alice@example.com", "lunch?")]
                await there.ask(Crash(host=bob.machine))
                await there.ask(StartHost(host=bob.machine))
                assert (await bob.sign_in()).ok
                await there.expect(Registered(device="CSFBOB"))
                assert await bob.messages() == [], "its process ended with it"
                again = there.never(ClientState(node=alice.machine, outcome="failed"))
                assert await alice.registered()
                again()

        world.run(main())


def carrier(running: Lab) -> HttpCarrier:
    return HttpCarrier(running.told["control"]["url"], running.told["control"]["token"])
