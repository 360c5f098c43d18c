"""Whether a deployment does what the readiness check predicts. Every client signs in, simulated.

The command `edgesim check --simulate`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from edgesim.clients.jabber.platforms import PLATFORMS, Platform
from edgesim.deployment import Deployment
from edgesim.deployment.people import User
from edgesim.journal import Entry, Event, Journal
from edgesim.journal.matchers import Matcher
from edgesim.readiness import Report, Reported
from edgesim.scenario.declare import Client
from edgesim.scenario.play import Play
from edgesim.scenario.stage import DEVICES, CannotRun, Lab
from edgesim.world.sim import SimWorld

SIGNED_IN = "signed in"
PATIENCE = 30.0
"""Seconds of lab time that pass after the last sign-in: retries and probes have had a turn by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a simulation showed of one finding: each predicted matcher with the entry that fits (None: none came), and
    each ban with the entry that broke it."""

    reported: Reported
    seen: tuple[tuple[Matcher, Entry[Event] | None], ...]
    broken: tuple[tuple[Matcher, Entry[Event]], ...]

    @property
    def shown(self) -> bool:
        """Whether everything predicted came, and nothing that must not."""
        return bool(self.seen) and all(entry is not None for _, entry in self.seen) and not self.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A finished simulation: who signed in and how far each came, the proofs, and the journal."""

    sign_ins: tuple[str, ...]
    complete: bool
    """Whether every sign-in went through, so that nothing is hidden behind an earlier failure."""
    proofs: tuple[Proof, ...]
    journal: Journal


def simulate(deployment: Deployment, report: Report, *, seed: int = 1) -> Simulated:
    """Put a deployment into a simulated world, let every client machine sign one user in, and look for what ``report``
    predicts. Raises `edgesim.scenario.play.DidNotStart` where the lab does not start."""
    world = SimWorld(seed)
    journal = Journal(world)
    play = Play(world, journal, limit=None)

    async def story(lab: Lab) -> list[str]:
        told = []
        seats = _Seats(deployment)
        for machine in deployment.clients:
            where: Literal["inside", "outside"] = "inside" if machine.view == "inside" else "outside"
            platform: Any = machine.platform
            if platform in DEVICES and where == "inside":
                told.append(f"{machine.name}: on premises, where devices do not need the edge")
                continue
            try:
                if platform in DEVICES:
                    client: Any = lab.phone(machine.name) if platform == "phone" else lab.room(machine.name)
                elif (user := seats.next(platform)) is None:
                    continue
                else:
                    client = lab.client(user, Client(where=where, platform=platform), machine=machine.name)
            except CannotRun as error:
                told.append(f"{machine.name}: {error}")
                continue
            name = f"{client.user.id} from {_known(client.node.name, deployment)}"
            async with lab.step(f"{client.user.id} signs in from {client.node.name}"):
                told.append(f"{name}: {_came_to(await client.sign_in(), client.user)}")
        await lab.wait(PATIENCE)
        return told

    sign_ins = world.run(play.perform(deployment, story))
    return Simulated(
        sign_ins=tuple(sign_ins),
        complete=all(line.endswith(f": {SIGNED_IN}") for line in sign_ins),
        proofs=tuple(_proof(each, journal) for each in report.reported if each.finding.prediction),
        journal=journal,
    )


class _Seats:
    """Who sits at the machines that run Jabber: one user after the other, of those with a device of its platform."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._queues: dict[str, Iterator[User]] = {}

    def next(self, platform: Platform) -> User | None:
        """Return the next one; None where there are no users at all."""
        prefix = PLATFORMS[platform].prefix
        if prefix not in self._queues:
            users = self._deployment.users
            owners = [user for user in users if any(name.startswith(prefix) for name in user.devices or ())]
            self._queues[prefix] = itertools.cycle(owners or users)
        return next(self._queues[prefix], None)


def _known(machine: str, deployment: Deployment) -> str:
    """Return the name of a machine, with the model where it is a device."""
    spec = next(each for each in deployment.clients if each.name == machine)
    return f"{machine} ({deployment.device(spec.device).type})" if spec.device else machine


def _came_to(outcome: object, user: User) -> str:
    if getattr(outcome, "ok", False):
        chat = getattr(outcome, "chat", None)
        missed = chat is False and user.im_presence_node is not None
        return f"{SIGNED_IN}, without chat" if missed else SIGNED_IN
    return f"failed: {getattr(outcome, 'reason', '') or 'no reason given'}"


def _proof(reported: Reported, journal: Journal) -> Proof:
    prediction = reported.finding.prediction
    assert prediction is not None
    found = [(matcher, _first(matcher, journal)) for matcher in prediction.awaits]
    bans = [(matcher, _first(matcher, journal)) for matcher in prediction.never]
    return Proof(
        reported=reported,
        seen=tuple(found),
        broken=tuple((matcher, entry) for matcher, entry in bans if entry is not None),
    )


def _first(matcher: Matcher, journal: Journal) -> Entry[Event] | None:
    return next((entry for entry in journal.select(kind=matcher.event.kind) if matcher.matches(entry)), None)
