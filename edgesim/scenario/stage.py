"""The lab as a scenario sees it: steps, expectations, actors and time; `edgesim.scenario.verbs` has the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from edgesim.control import Carrier, Hosts
from edgesim.deployment import Deployment, closed
from edgesim.deployment.people import User
from edgesim.journal import Entry, Event, events
from edgesim.journal.matchers import Matcher
from edgesim.scenario.actors import side_by_side
from edgesim.scenario.clients import DeviceUser, JabberUser, PhoneUser, RoomUser, SeatedUser
from edgesim.scenario.declare import CannotRun, Client, Outside
from edgesim.scenario.expect import Expectations
from edgesim.scenario.media_path import MediaPath
from edgesim.scenario.seats import Seats
from edgesim.scenario.verbs import LabVerbs
from edgesim.scenario.vocabulary import Vocabulary
from edgesim.world import Capability, World
from edgesim.world.entropy import Entropy

if TYPE_CHECKING:
    from edgesim.scenario.scripted import ScriptedHost

T = TypeVar("T")
POLL = 0.1
"""Seconds between two looks at what a verb waits for."""
MAGNITUDES = 2
"""By how many orders of magnitude the start times of actors differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """The step in which an actor is: where in the journal it began, and how deep it lies."""

    lab: Lab
    since: int
    depth: int


_step: ContextVar[_Scope | None] = ContextVar("edgesim_step", default=None)


class Lab(LabVerbs):
    """The lab as a scenario uses it. Outside a step, expectations look at everything since the lab started.

    It reaches the lab by ``carrier`` alone; ``world`` gives time and chance to the story itself. ``take`` takes the
    place of a host for a script, where the lab runs in the process of the story.
    """

    def __init__(
        self,
        carrier: Carrier,
        world: World,
        deployment: Deployment,
        expectations: Expectations,
        *,
        written: Deployment | None = None,
        take: Callable[[str, Expectations], Awaitable[ScriptedHost]] | None = None,
    ) -> None:
        super().__init__(carrier, world, deployment, expectations)
        self.written = written or deployment
        self.symptoms: list[str] = []
        self.reports: dict[str, Any] = {}
        self.steps: list[str] = []
        self._bans: dict[str, list[Callable[[], None]]] = {}
        self._scripts: dict[str, ScriptedHost] = {}
        self._take = take
        self._cleanups: list[Callable[[], Awaitable[Any]]] = []
        self._seats = Seats(carrier, deployment)
        self.expectations.vocabulary = Vocabulary(self.written)
        self._together = 0

    def has(self, feature: str) -> bool:
        """Return whether the releases of this lab have a feature: all its gates are open (`edgesim.deployment.gates`).

        A story that runs on both sides of a gate asks this, and expects accordingly.
        """
        return not closed(feature, self.deployment.releases())

    @property
    def actors(self) -> int:
        """How many clients take part: Jabbers, phones and room devices."""
        return len(self._seats.users)

    @property
    def now(self) -> float:
        """Lab time in seconds."""
        return self._world.now() / 1e9

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self._world.seed

    def entropy(self, purpose: str) -> Entropy:
        """Return a stream of randomness for a purpose of the story's own; it follows from the seed and the name."""
        return self._world.entropy(purpose)

    # ---- the story

    @asynccontextmanager
    async def step(self, text: str) -> AsyncIterator[None]:
        """Name what happens next; expectations inside consider entries since the step began.

        Steps nest; concurrent actors have separate steps.
        """
        depth = self._scope.depth
        self.steps.append("  " * depth + text)
        self._emit(events.Step(text=text, state="began", depth=depth))
        self.expectations.journal.catch_up()
        token = _step.set(_Scope(lab=self, since=len(self.expectations.journal), depth=depth + 1))
        state = "failed"
        try:
            yield
            state = "ended"
        finally:
            _step.reset(token)
            self._emit(events.Step(text=text, state=state, depth=depth))

    @property
    def _scope(self) -> _Scope:
        found = _step.get()
        return found if found is not None and found.lab is self else _Scope(lab=self, since=0, depth=0)

    @property
    def _since(self) -> int:
        return self._scope.since

    def report(self, **values: Any) -> None:
        """Put figures into the verdict, e.g. how long a recovery took."""
        self.reports.update(values)

    # ---- what must and must not come

    async def expect(
        self, matcher: Matcher, *, within: float = 10.0, after: Entry[Event] | None = None
    ) -> Entry[Event]:
        """Wait for an entry, at most ``within`` seconds of lab time; ``after`` narrows to what came later than that."""
        since = self._since if after is None else after.order + 1
        return await self.expectations.expect(matcher, within=within, since=since)

    def match(self, matcher: Matcher) -> Entry[Event] | None:
        """Return the first entry that fits so far, or None. It asserts nothing."""
        return self.expectations.match(matcher, since=self._since)

    def matches(self, matcher: Matcher) -> list[Entry[Event]]:
        """Return all entries that fit so far. It asserts nothing."""
        return self.expectations.matches(matcher, since=self._since)

    def never(self, matcher: Matcher) -> Callable[[], None]:
        """Fail the scenario as soon as an entry fits, until the end or until the returned function is called."""
        return self.expectations.never(matcher, since=self._since)

    async def none(self, matcher: Matcher, *, during: float) -> None:
        """Wait ``during`` seconds of lab time and fail if an entry fits meanwhile."""
        await self.expectations.none(matcher, during=during, since=self._since)

    def check(self, holds: object, text: str) -> None:
        """Assert anything else; ``text`` says what should hold."""
        self.expectations.check(holds, text)

    async def symptom(self, rule: str, *, within: float | None = None) -> list[Entry[Event]]:
        """Await what the readiness rule ``rule`` predicts for this deployment; return the entries that came.

        The prediction is that of the deployment as it was written: a mutation that fixes it changes what happens, not
        what is awaited. What came before the present step counts too, and bans hold until the end. Raises `CannotRun`
        where the rule finds nothing to predict.
        """
        from edgesim.readiness import check
        from edgesim.readiness.rules import rule as named

        predictions = [each.finding.prediction for each in check(self.written, [named(rule)]).reported]
        if not any(predictions):
            raise CannotRun(f"{rule} predicts nothing for deployment {self.deployment.name!r}")
        self.symptoms.append(rule)
        found: list[Entry[Event]] = []
        for prediction in predictions:
            if prediction is not None:
                self._bans.setdefault(rule, []).extend(self.never(ban) for ban in prediction.never)
                for matcher in prediction.awaits:
                    limit = within or prediction.within
                    found.append(await self.expectations.expect(matcher, within=limit, since=0))
        return found

    def fixed(self, rule: str) -> None:
        """Say that the story is about to fix what a rule reports: what its symptom banned may come from now on."""
        for lift in self._bans.pop(rule, ()):
            lift()

    # ---- actors and time

    async def wait(self, duration: float) -> None:
        """Let lab time pass, in seconds."""
        await asyncio.sleep(duration)

    async def together(self, *actors: Coroutine[Any, Any, T]) -> list[T]:
        """Run actors concurrently and return their results in order.

        In virtual time each begins after a random delay, since no two people press a key at the same instant. The
        delay's order of magnitude is uniform, so that one actor may be ahead by a packet or by a whole exchange. The
        first failure ends the others and is raised; further failures are in its notes.
        """
        self._together += 1
        spread = self.deployment.defaults.client.together_spread_s
        if Capability.VIRTUAL_TIME not in self._world.capabilities or "actors" in self.deployment.network.pinned:
            spread = 0.0
        names = (f"actor {number} of {self._together}" for number in range(len(actors)))
        delays = [spread * 10 ** -self._world.entropy(name).uniform(0, MAGNITUDES) for name in names]
        return await side_by_side(actors, delays)

    def barrier(self, parties: int) -> asyncio.Barrier:
        """Return a barrier for ``parties`` actors."""
        return asyncio.Barrier(parties)

    def cleanup(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Run ``work`` at the end in any case; the last one registered runs first."""
        self._cleanups.append(work)

    async def clean_up(self) -> list[str]:
        """Run the registered clean-ups, end scripts, close every client; return what went wrong, one text each.

        A failure does not stop the rest. Frozen hosts are thawed first, so that their clients can close.
        """
        wrong: list[str] = []
        for host in (await self.ask(Hosts())).hosts:
            if host.state == "frozen":
                await self.thaw(host.name)
        work = [*reversed(self._cleanups), *(script.close for script in self._scripts.values())]
        work += [user.close for user in self._seats.users.values()]
        self._cleanups.clear()
        for each in work:
            try:
                await each()
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
        return wrong

    # ---- media

    async def media_path(self, client: str | JabberUser) -> MediaPath:
        """Open both ends of the deployment's ``mra.media_probe``: on a client's machine, and on the inside host.

        C opens the way to E when it starts, and again a little later where E was not there yet: that much it gets.
        Raises `CannotRun` where the deployment has none.
        """
        if self.deployment.mra.media_probe is None:
            raise CannotRun(f"deployment {self.deployment.name!r} has no mra.media_probe")
        await self._opened()
        machine = client if isinstance(client, str) else client.machine
        path = await MediaPath.open(self._carrier, self.deployment, machine)
        self.cleanup(path.close)
        return path

    async def _opened(self) -> None:
        """Wait until C has its links to E, at most until C's second attempt: they may never come up."""
        from edgesim.journal.matchers import MediaFlow

        opened = MediaFlow(leg="multiplexed", state="open")
        patience = 2 * self.deployment.defaults.links.probe_retry_s
        while patience > 0 and self.expectations.match(opened, since=0) is None:
            await asyncio.sleep(POLL)
            patience -= POLL

    # ---- scripts and users

    async def script(self, name: str) -> ScriptedHost:
        """Take a host's place, to play it by hand; a product that runs there is stopped first.

        The script's clean-up is the lab's. Raises `LookupError` for a name that the deployment does not have, and
        `CannotRun` where the lab does not run in the process of the story.
        """
        if name not in self._scripts:
            if self._take is None:
                raise CannotRun(f"{name} cannot be played by hand: the lab runs elsewhere")
            self._scripts[name] = await self._take(name, self.expectations)
            self._seats.take(name)
        return self._scripts[name]

    def unread(self) -> list[str]:
        """Return what scripted hosts got and did not read, one line each."""
        return [line for script in self._scripts.values() for line in script.unread()]

    def client(self, user: str | User, seat: Client = Outside, *, machine: str | None = None) -> JabberUser:
        """Seat a user at a simulated Jabber, on a free machine in the right zone or on the one that is named; a `User`
        may be an unknown one."""
        who = self.deployment.user(user) if isinstance(user, str) else user
        self.expectations.vocabulary.users.add(who.id)
        return self._seats.jabber(who, seat, machine)

    def phone(self, machine: str) -> PhoneUser:
        """Seat its owner at the desk phone that a machine of the deployment is."""
        return self._seats.device_of(machine, PhoneUser)

    def room(self, machine: str) -> RoomUser:
        """Seat its owner at the room device that a machine of the deployment is."""
        return self._seats.device_of(machine, RoomUser)

    def device(self, machine: str) -> DeviceUser:
        """Seat the owner of a machine that is a device at it, a phone or a room device."""
        return self._seats.device(machine)

    def seated(self, user: str, seat: Client) -> SeatedUser:
        """Seat a user of the deployment: at a Jabber, or at the device of that kind that the user owns."""
        return self._seats.at(user, seat)

    async def leave(self, user: SeatedUser) -> None:
        """Have a user close the client, and leave the machine to the next."""
        await self._seats.leave(user)
