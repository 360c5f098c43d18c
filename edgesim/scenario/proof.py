"""Whether a deployment does what the readiness check predicts. Every user signs in from every client, simulated.

The command `edgesim check --simulate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.http import HttpClient, HttpError
from edgesim.journal import Entry, Event, Journal
from edgesim.journal.matchers import Matcher
from edgesim.pki import client_context
from edgesim.readiness import Report, Reported, facts
from edgesim.readiness.modes import PREFIX_OF
from edgesim.scenario.clients import JabberUser, SeatedUser
from edgesim.scenario.declare import CannotRun, Client
from edgesim.scenario.play import Play
from edgesim.scenario.stage import Lab
from edgesim.world.sim import SimWorld

SIGNED_IN = "signed in"
PATIENCE = 30.0
"""Seconds of lab time to wait once every user has a machine, so that retries and probes have run."""
MOST = 200
"""How many further pairs of a user and a machine are tried: some 20 s of work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The result of a simulation for one finding: each predicted matcher with its entry (None: none came), and each
    forbidden matcher with the entry that violated it."""

    reported: Reported
    seen: tuple[tuple[Matcher, Entry[Event] | None], ...]
    broken: tuple[tuple[Matcher, Entry[Event]], ...]

    @property
    def shown(self) -> bool:
        """Whether everything predicted came, and nothing that must not."""
        return bool(self.seen) and all(entry is not None for _, entry in self.seen) and not self.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A simulated sign-in, or a machine on which none could be tried (then ``user`` is empty).

    ``stage`` is the last one that was reached, in the client's own words; ``missed`` are the services that the user has
    and did not get.
    """

    machine: str
    user: str = ""
    domain: str = ""
    phone: bool = False
    chat: bool = False
    missed: tuple[str, ...] = ()
    stage: str = ""
    reason: str = ""

    @property
    def tried(self) -> bool:
        """Whether any sign-in was tried."""
        return bool(self.user)

    @property
    def good(self) -> bool:
        """Whether nothing failed: signed in with every service of the user, or not tried."""
        return not self.tried or ((self.phone or self.chat) and not self.missed)

    def __str__(self) -> str:
        if not self.tried:
            return f"{self.machine}: {self.reason}"
        who = f"{self.user}@{self.domain}" if self.domain else self.user
        if self.phone or self.chat:
            came = f"{SIGNED_IN}, without {' and '.join(self.missed)}" if self.missed else SIGNED_IN
        else:
            came = f"failed: {self.reason or 'no reason given'}"
        return f"{who} from {self.machine}: {came}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A finished simulation: who signed in and how far each came, the proofs, and the journal."""

    attempts: tuple[Attempt, ...]
    proofs: tuple[Proof, ...]
    journal: Journal

    @property
    def sign_ins(self) -> tuple[str, ...]:
        """The attempts as lines for people."""
        return tuple(map(str, self.attempts))

    @property
    def failed(self) -> int:
        """How many sign-ins failed, or missed a service."""
        return sum(not each.good for each in self.attempts)

    @property
    def unseen(self) -> int:
        """How many findings predict what did not come, or ban what came."""
        return sum(not each.shown for each in self.proofs)

    @property
    def complete(self) -> bool:
        """Whether every sign-in went through, so that nothing is hidden behind an earlier failure."""
        return not self.failed


def simulate(deployment: Deployment, report: Report, *, seed: int = 1, everybody: bool = True) -> Simulated:
    """Build a deployment in a simulated world, sign in every user from every client, and look for the predictions of
    ``report``. Raises `edgesim.scenario.play.DidNotStart` if the lab does not start.

    First every machine gets a user, all of whom stay signed in. Then the other users take turns at the machines, at
    most `MOST` sign-ins; after that, only users who had none. Without ``everybody`` only the first round is run.
    """
    world = SimWorld(seed)
    journal = Journal(world)
    play = Play(world, journal, limit=None)
    attempts = world.run(play.perform(deployment, _Stage(deployment, everybody=everybody).story))
    return Simulated(
        attempts=tuple(attempts),
        proofs=tuple(_proof(each, journal) for each in report.reported if each.finding.prediction),
        journal=journal,
    )


class _Stage:
    """The order of sign-ins: users and machines."""

    def __init__(self, deployment: Deployment, *, everybody: bool) -> None:
        self.deployment = deployment
        self.everybody = everybody
        self.jabbers = tuple(each for each in deployment.clients if each.jabber_platform is not None)
        self.served = {each.name for each in facts.mra_domains(deployment)}
        self.turns: dict[str, int] = {}

    async def story(self, lab: Lab) -> list[Attempt]:
        """Let all of them sign in; return how far each came."""
        came: list[Attempt] = []
        done: set[tuple[str, str]] = set()
        seated: dict[str, JabberUser] = {}
        for machine in self.deployment.clients:
            if machine.jabber_platform is None:
                came.append(await self._device(lab, machine))
            elif (user := self._next(machine)) is None:
                came.append(Attempt(machine=machine.name, reason="no user has a device for its platform, or chat"))
            else:
                done.add((user.id, machine.name))
                client = lab.client(user, Client(platform=machine.platform), machine=machine.name)
                seated[machine.name] = client
                came.append(await self._sign_in(lab, client, machine))
        await lab.wait(PATIENCE)
        for user, machine, domain in self._others(done):
            if machine.name in seated:
                await lab.leave(seated.pop(machine.name))
            client = lab.client(user, Client(platform=machine.platform), machine=machine.name)
            if domain:
                client.domain = domain
            if domain and domain not in self.served:
                client.accept_untrusted = True  # the edge's certificate does not name such a domain
            try:
                came.append(await self._sign_in(lab, client, machine, domain))
            finally:
                await lab.leave(client)
        await self._guest(lab)
        return came

    async def _guest(self, lab: Lab) -> None:
        """Open the guests' page of the Web Proxy for Meeting Server, where there is one."""
        web_proxy, outside = self.deployment.cms_web_proxy, self._outside()
        if web_proxy is None or outside is None:
            return
        name, browser = web_proxy.guest_account_client_uri, await lab.script(outside.name)
        node = browser.node

        async def visit() -> None:
            web = HttpClient(node.journal, ssl=client_context(node.trusts["system"], keylog=node.keylog))
            try:
                for address in (await node.resolver.lookup(name))[:1]:
                    headers = [("Host", name)]
                    await web.request("GET", f"https://{name}/", headers=headers, address=address, timeout=PATIENCE)
            except (OSError, HttpError):
                pass  # the journal has what came of it
            finally:
                await web.close()

        async with lab.step(f"a guest opens the page of {name} from {outside.name}"):
            await browser.run(visit())

    def _outside(self) -> ClientHost | None:
        """Return the first machine outside that a user can use."""
        return next((each for each in self.jabbers if each.view == "outside" and self._users(each)), None)

    def _users(self, machine: ClientHost) -> tuple[User, ...]:
        """Return those who have something to sign in to on this machine."""
        prefix = PREFIX_OF[machine.platform]
        users = self.deployment.users
        owners = tuple(user for user in users if any(name.startswith(prefix) for name in user.devices))
        return owners + tuple(user for user in users if user.im_presence_node and user not in owners)

    def _next(self, machine: ClientHost) -> User | None:
        """Return the next of those who can sit at a machine of this platform."""
        users = self._users(machine)
        turn = self.turns.get(machine.platform, 0)
        self.turns[machine.platform] = turn + 1
        return users[turn % len(users)] if users else None

    def _others(self, done: set[tuple[str, str]]) -> Iterator[tuple[User, ClientHost, str]]:
        """Yield users without a machine so far, and for each further domain a user outside who signs in with it."""
        pairs = [
            (user, machine)
            for machine in self.jabbers
            for user in self._users(machine)
            if (user.id, machine.name) not in done and self.everybody
        ]
        if len(pairs) > MOST:
            seen = {user for user, _ in done}
            pairs = [pair for pair in {user.id: (user, machine) for user, machine in pairs}.values()
                     if pair[0].id not in seen][:MOST]  # fmt: skip
        for user, machine in pairs:
            yield user, machine, ""
        outside = self._outside()
        for domain in facts.sign_in_domains(self.deployment) if outside is not None else ():
            if domain != self.deployment.domains.edge and outside is not None:
                yield self._users(outside)[0], outside, domain

    async def _device(self, lab: Lab, machine: ClientHost) -> Attempt:
        if machine.device is None:
            return Attempt(
                machine=machine.name, reason=f"a {machine.platform} that is not one of the deployment's devices"
            )
        if machine.view == "inside":
            return Attempt(machine=machine.name, reason="on premises, where devices do not need the edge")
        try:
            client = lab.device(machine.name)
        except CannotRun as error:
            return Attempt(machine=machine.name, reason=str(error))
        return await self._sign_in(lab, client, machine)

    async def _sign_in(self, lab: Lab, client: SeatedUser, machine: ClientHost, domain: str = "") -> Attempt:
        user: User = client.user
        who = f"{user.id}@{domain}" if domain else user.id
        async with lab.step(f"{who} signs in from {machine.name}"):
            outcome = await client.sign_in()
        if machine.device is None:
            device = any(name.startswith(PREFIX_OF[machine.platform]) for name in user.devices)
            has = {"phone": device, "chat": user.im_presence_node is not None}
            got = {"phone": outcome.phone, "chat": outcome.chat}
            stage = outcome.stage
        else:
            has, got, stage = {"phone": True}, {"phone": bool(outcome.ok)}, ""
        return Attempt(
            machine=f"{machine.name} ({self.deployment.device(machine.device).type})"
            if machine.device
            else machine.name,
            user=user.id,
            domain=domain,
            phone=got["phone"],
            chat=got.get("chat", False),
            missed=tuple(name for name, there in has.items() if there and not got[name]),
            stage=stage,
            reason=outcome.reason or "",
        )


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
