"""Runs a story against a lab elsewhere: commands go by a carrier, and the lab's journal is followed here.

Entries of the lab are copied to the story's own journal after each command, and periodically. Their times are converted
to the story's world, so that they compare with `Lab.now`, within a millisecond and the time of a round trip. Secrets in
payloads are masked. Hosts cannot be scripted, and leaks are not checked: others may use the lab too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from edgesim.control import Carrier, Command, Describe, Status, Tail
from edgesim.deployment import load_text
from edgesim.journal import Journal
from edgesim.journal.codec import decode
from edgesim.scenario.expect import Expectations
from edgesim.scenario.stage import Lab
from edgesim.world import SECOND, World

R = TypeVar("R")
EVERY = 0.1
"""Seconds between two looks at the lab's journal."""
AT_ONCE = 1000
"""How many entries are asked for at a time."""


class Follower:
    """A carrier that also brings what the lab has written meanwhile into a journal here."""

    def __init__(self, carrier: Carrier, journal: Journal, *, after: int, offset_ns: int) -> None:
        self._carrier = carrier
        self._journal = journal
        self._after = after
        self._offset_ns = offset_ns
        self._turn = asyncio.Lock()

    async def ask(self, command: Command[R]) -> R:
        """Have a command answered; the journal has what came of it. Raises `ControlError`."""
        try:
            return await self._carrier.ask(command)
        finally:
            await self.catch_up()

    async def catch_up(self) -> None:
        """Bring the journal up to date."""
        async with self._turn:
            while True:
                found = await self._carrier.ask(Tail(after=self._after, limit=AT_ONCE))
                for line in found.lines:
                    entry = decode(line.encode())
                    at_ns = entry.at_ns + self._offset_ns
                    self._journal.append(replace(entry, at_ns=at_ns, order=len(self._journal)))
                self._after = found.next
                if not found.lines:
                    return

    async def follow(self) -> None:
        """Bring the journal up to date every now and then, until it is cancelled."""
        while True:
            await self.catch_up()
            await asyncio.sleep(EVERY)


@asynccontextmanager
async def joined(carrier: Carrier, world: World) -> AsyncIterator[Lab]:
    """Yield the lab behind a carrier, for a story; its clients are closed at the end.

    ``world`` has no hosts: it gives the story its time and random streams. Raises `ControlError`, and what the story
    raises.
    """
    status = await carrier.ask(Status())
    offset_ns = world.now() - round(status.seconds * SECOND)
    deployment = load_text((await carrier.ask(Describe())).text, source="the running lab's deployment")
    journal = Journal(world)
    follower = Follower(carrier, journal, after=status.entries, offset_ns=offset_ns)
    story = asyncio.current_task()
    assert story is not None
    expectations = Expectations(journal, lambda: _end(story))
    lab = Lab(follower, world, deployment, expectations)
    following = asyncio.get_running_loop().create_task(follower.follow(), name="follow the journal")
    try:
        yield lab
    except asyncio.CancelledError:
        if expectations.violation is None:
            raise
        story.uncancel()
        raise expectations.violation from None
    finally:
        expectations.close()
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        for wrong in await lab.clean_up():
            lab.note(f"the clean-up failed: {wrong}")


def _end(story: asyncio.Task[Any]) -> None:
    """End a story at once: something came that never must."""
    story.cancel()
