"""A service that a sign-in missed is not forgotten: it is tried again, unless the credentials were refused."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.clients.jabber import Jabber
from edgesim.journal import events
from edgesim.world.faults import Rewrite, Selector
from tests.clients.desk import OUTSIDE, Desk, play


async def until_whole(alice: Jabber, within: float) -> float | None:
    """Return after how many seconds phone and chat are both up, or None."""
    for second in range(int(within)):
        if alice.phone is not None and alice.phone.registered and alice.chat is not None:
            return second
        await asyncio.sleep(1)
    return None


def attempts(desk: Desk, stage: str) -> list[float]:
    """Return when a stage of alice's client ended, in seconds."""
    return [e.at for e in desk.entries(events.ClientState, OUTSIDE) if e.event.stage == stage]


def test_chat_comes_when_its_server_does() -> None:
    async def story(desk: Desk) -> None:
        await desk.lab.crash("imp-pub")
        alice = desk.jabber("alice")
        signed = await alice.sign_in()
        assert signed.ok and signed.phone and not signed.chat
        await asyncio.sleep(200)
        assert alice.chat is None
        await desk.lab.restart("imp-pub")
        assert await until_whole(alice, 700) is not None
        waits = [b - a for a, b in zip(attempts(desk, "chat login"), attempts(desk, "chat login")[1:], strict=False)]
        assert [round(wait, -1) for wait in waits[:2]] == [60, 120]  # twice as long each time

    play(story)


def test_a_configuration_file_that_did_not_come() -> None:
    async def story(desk: Desk) -> None:
        lost = desk.fault(
            Rewrite(name="no file", where=Selector(target="jabber-1"), find=b"<device", replace=b"<xevice", times=None)
        )
        alice = desk.jabber("alice")
        signed = await alice.sign_in()
        assert signed.ok and signed.chat and not signed.phone
        desk.lab.world.faults.remove(lost)
        after = await until_whole(alice, 120)
        assert after is not None and 50 < after < 70
        # and it stays so: it refreshes as any registration does
        before = len(desk.registers("ucm-pub"))
        await asyncio.sleep(300)
        assert len(desk.registers("ucm-pub")) > before

    play(story)


def test_refused_credentials_are_not_tried_again() -> None:
    async def story(desk: Desk) -> None:
        desk.fault(
            Rewrite(name="wrong", where=Selector(target="imp-pub"), find=b"alice-secret", replace=b"other-secret")
        )
        alice = desk.jabber("alice")
        signed = await alice.sign_in()
        assert signed.ok and signed.phone and not signed.chat and "LERR_CUP_AUTH" in signed.reason
        await asyncio.sleep(1500)
        assert len(attempts(desk, "chat login")) == 1

    play(story)


def test_signing_out_ends_the_attempts() -> None:
    async def story(desk: Desk) -> None:
        await desk.lab.crash("imp-pub")
        alice = desk.jabber("alice")
        assert (await alice.sign_in()).ok
        await alice.sign_out()
        before = len(attempts(desk, "chat login"))
        await asyncio.sleep(1500)
        assert len(attempts(desk, "chat login")) == before
        assert not desk.left(OUTSIDE)

    play(story)


@pytest.mark.parametrize("node", ["expe1", "expc1"])
@pytest.mark.parametrize("after", [0.3, 1.0, 1.8, 2.4])
def test_a_node_of_two_goes_during_a_sign_in(node: str, after: float) -> None:
    """Regardless of the stage, a signed-in user ends up with both services, through the other node."""

    async def story(desk: Desk) -> None:
        alice = desk.jabber("alice")

        async def failing() -> None:
            await asyncio.sleep(after)
            await desk.lab.crash(node)

        signed, _ = await asyncio.gather(alice.sign_in(), failing())
        if not signed.ok:
            signed = await alice.sign_in()
        assert signed.ok
        assert await until_whole(alice, 1200) is not None, signed

    play(story, deployment="pair")


def asked_for_chat(desk: Desk) -> list[str]:
    """Return from which Expressway-C chat logins came."""
    asked = desk.entries(events.HttpRequest)
    return [str(one.peer) for one in asked if one.event.target.startswith("/EPASSoap/")]


def test_an_expressway_c_loses_power_during_the_chat_login() -> None:
    """The client is not notified: its request gets no response, and chat works through the other C a minute later."""

    async def story(desk: Desk) -> None:
        alice = desk.jabber("alice")

        async def failing() -> None:
            while not (peers := asked_for_chat(desk)):  # noqa: ASYNC110 - nothing else says when
                await asyncio.sleep(0.001)
            await desk.lab.world.power_off(peers[0])

        signed, _ = await asyncio.gather(alice.sign_in(), failing())
        assert signed.ok and signed.phone and not signed.chat
        after = await until_whole(alice, 1200)
        assert after is not None and after > 50
        await asyncio.sleep(1000)  # unanswered connections are given up

    play(story, deployment="pair")
