"""Whether a deployment does what the readiness check predicts. Every client signs in, simulated.

The command `edgesim check --simulate`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from edgesim.deployment import Deployment
from edgesim.journal import Entry, Event, Journal
from edgesim.journal.matchers import Matcher
from edgesim.readiness import Report, Reported
from edgesim.scenario.declare import Client
from edgesim.scenario.play import Play
from edgesim.scenario.stage import DEVICES, CannotRun, Lab
from edgesim.world.sim import SimWorld

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
        users = itertools.cycle(deployment.users)
        machines = [spec for spec in deployment.host_specs() if spec.kind == "client"]
        for spec in machines if deployment.users else ():
            user = next(users)
            inside = spec.interfaces[0].zone == "inside"
            platform: Any = getattr(spec.spec, "platform", "windows")
            try:
                if platform in DEVICES:
                    client: Any = lab.phone(spec.name) if platform == "phone" else lab.room(spec.name)
                    user = client.user
                else:
                    client = lab.client(user, Client(where="inside" if inside else "outside", platform=platform))
            except CannotRun as error:
                told.append(f"{user.id}: {error}")
                continue
            async with lab.step(f"{user.id} signs in from {client.node.name}"):
                told.append(f"{user.id} from {client.node.name}: {_came_to(await client.sign_in())}")
        await lab.wait(PATIENCE)
        return told

    sign_ins = world.run(play.perform(deployment, story))
    return Simulated(
        sign_ins=tuple(sign_ins),
        proofs=tuple(_proof(each, journal) for each in report.reported if each.finding.prediction),
        journal=journal,
    )


def _came_to(outcome: object) -> str:
    if getattr(outcome, "ok", False):
        chat = getattr(outcome, "chat", None)
        return "signed in" if chat is None or chat else "signed in, without chat"
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
