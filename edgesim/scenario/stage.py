"""What a scenario sees of its lab: steps, expectations, and verbs on hosts, paths and clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from edgesim import lab as labs
from edgesim.deployment import Deployment, closed
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.dns import Failure
from edgesim.journal import Entry, Event, events
from edgesim.journal.matchers import Matcher
from edgesim.scenario.actors import side_by_side
from edgesim.scenario.declare import Client, Outside
from edgesim.scenario.expect import Expectations
from edgesim.scenario.guards import FaultGuard, Guard
from edgesim.scenario.vocabulary import Vocabulary
from edgesim.world import Capability, Host, HostState, World
from edgesim.world.faults import Fault

if TYPE_CHECKING:
    from cryptography import x509

    from edgesim.clients.ip_phone import IpPhone
    from edgesim.clients.jabber import Jabber
    from edgesim.clients.room_device import RoomDevice
    from edgesim.lab.requests import ServiceRequest
    from edgesim.scenario.media_path import MediaPath
    from edgesim.scenario.scripted import ScriptedHost

T = TypeVar("T")
D = TypeVar("D", "IpPhone", "RoomDevice")
G = TypeVar("G", bound="Guard[Any]")
POLL = 0.1
"""Seconds between two looks at what a verb waits for."""
MAGNITUDES = 2
"""By how many orders of magnitude the moments at which actors begin differ."""
DEVICES = ("phone", "room")
"""Platforms of machines that are devices themselves."""


class CannotRun(Exception):
    """The scenario asks for something that its deployment does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """The step in which an actor is: where in the journal it began, and how deep it lies."""

    lab: Lab
    since: int
    depth: int


_step: ContextVar[_Scope | None] = ContextVar("edgesim_step", default=None)


class Lab:
    """The lab as a scenario uses it. Outside a step, expectations look at everything since the lab started."""

    def __init__(self, inner: labs.RunningLab, expectations: Expectations, written: Deployment | None = None) -> None:
        self.inner = inner
        self.written = written or inner.deployment
        self.symptoms: list[str] = []
        self._bans: dict[str, list[Callable[[], None]]] = {}
        self.expectations = expectations
        self.reports: dict[str, Any] = {}
        self.steps: list[str] = []
        self._scripts: dict[str, ScriptedHost] = {}
        self._cleanups: list[Callable[[], Awaitable[Any]]] = []
        self._clients: dict[str, Jabber | IpPhone | RoomDevice] = {}
        self._busy: list[str] = []
        self._guards: list[Guard[Any]] = []
        self.expectations.vocabulary = Vocabulary(self.written)
        self._together = 0

    @property
    def world(self) -> World:
        """The world in which the lab runs."""
        return self.inner.world

    @property
    def deployment(self) -> Deployment:
        """What was built."""
        return self.inner.deployment

    def has(self, feature: str) -> bool:
        """Say whether the releases of this lab have a feature: all its gates are open (`edgesim.deployment.gates`).

        A story that runs on both sides of a gate asks this, and expects accordingly.
        """
        return not closed(feature, self.deployment.releases())

    @property
    def actors(self) -> int:
        """How many clients take part: Jabbers, phones and room devices."""
        return len(self._clients)

    @property
    def now(self) -> float:
        """Lab time in seconds."""
        return self.world.now() / 1e9

    # ---- the story

    @asynccontextmanager
    async def step(self, text: str) -> AsyncIterator[None]:
        """Tell what happens next; expectations inside look at what came since the step began.

        Steps nest; actors that run side by side have steps of their own.
        """
        depth = self._scope.depth
        self.steps.append("  " * depth + text)
        self._tell(events.Step(text=text, state="began", depth=depth))
        token = _step.set(_Scope(lab=self, since=len(self.inner.journal), depth=depth + 1))
        state = "failed"
        try:
            yield
            state = "ended"
        finally:
            _step.reset(token)
            self._tell(events.Step(text=text, state=state, depth=depth))

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

    def note(self, text: str) -> None:
        """Write a line into the journal."""
        self._tell(events.Note(text=text))

    def _tell(self, event: Event) -> None:
        self.inner.journal.record("scenario", event)

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
        """Assert anything else; ``text`` says what ought to hold."""
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
        """Run actors side by side and return their results in order.

        In virtual time each begins a moment after another, which the seed draws: no two people press a key at the same
        instant. A moment is as likely of one order of magnitude as of another, so that one may be a packet ahead, or a
        whole exchange. The first failure ends the others and is raised; what else failed stands in its
        notes.
        """
        self._together += 1
        spread = self.deployment.defaults.client.together_spread_s
        if Capability.VIRTUAL_TIME not in self.world.capabilities or "actors" in self.deployment.network.pinned:
            spread = 0.0
        names = (f"actor {number} of {self._together}" for number in range(len(actors)))
        delays = [spread * 10 ** -self.world.entropy(name).uniform(0, MAGNITUDES) for name in names]
        return await side_by_side(actors, delays)

    def barrier(self, parties: int) -> asyncio.Barrier:
        """Return a barrier at which so many actors wait for each other."""
        return asyncio.Barrier(parties)

    def cleanup(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Run ``work`` at the end, whatever happens; the last one registered runs first."""
        self._cleanups.append(work)

    async def clean_up(self) -> list[str]:
        """Run what `cleanup` collected, end scripts, let every client go; return what went wrong, one text each.

        Nothing that fails keeps the rest from its turn. Frozen hosts go on first: their clients could not let go.
        """
        wrong: list[str] = []
        for name, host in self.world.hosts.items():
            if host.state is HostState.FROZEN:
                await self.inner.thaw(name)
        work = [*reversed(self._cleanups), *(script.close for script in self._scripts.values())]
        work += [client.close for client in self._clients.values()]
        self._cleanups.clear()
        for each in work:
            try:
                await each()
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
        return wrong

    # ---- hosts, paths, faults

    def host(self, name: str) -> Host:
        """Return a host by name."""
        return self.inner.node(name).host

    async def crash(self, name: str) -> None:
        """End a host's processes at once; its peers see resets."""
        await self.inner.crash(name)

    async def power_off(self, name: str) -> None:
        """Cut a host's power; its peers see silence."""
        await self.inner.power_off(name)

    async def start(self, name: str) -> None:
        """Start a host that is down."""
        await self.inner.start_host(name)

    async def restart(self, name: str) -> None:
        """Stop a host in good order and start it again."""
        await self.inner.restart(name)

    async def freeze(self, name: str) -> None:
        """Stop a host's time."""
        await self.inner.freeze(name)

    async def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
        await self.inner.thaw(name)

    async def settle(self, within: float = 10.0) -> bool:
        """Wait until the Expressways' links stand."""
        return await self.inner.settle(within)

    def skew(self, name: str, seconds: float) -> None:
        """Put a host's clock ahead, or behind."""
        self.inner.skew(name, seconds)

    def partition(self, one: str, other: str, *, both_ways: bool = True) -> AbstractContextManager[None]:
        """Cut the way between two hosts for the length of a ``with`` block. Raises `UnknownName`."""
        for name in (one, other):
            self.expectations.vocabulary.host(name, "lab.partition")
        cut = self.world.paths.partitioned(one, other, both_ways=both_ways)
        return self._guarded(Guard(f"partition of {one} and {other}", cut))

    def close_ports(self, firewall: str, *ports: str) -> None:
        """Have a firewall close just these of its openings from now on, each as ``tcp 8443`` or ``udp 36002-59999``.

        As in a stateful firewall whose rules change: flows that are open stay open. Raises `DeploymentError` for a
        firewall or an opening that is not there.
        """
        changed = self.deployment.changed({f"network.firewalls.{firewall}.closed": list(ports)})
        self.world.paths.install(changed.topology)
        self.note(f"firewall {firewall}: {', '.join(ports) or 'nothing'} closed")

    def fault(self, fault: Fault, *, may_stay_idle: bool = False) -> AbstractContextManager[int]:
        """Keep a fault rule in force for the length of a ``with`` block, in which it must fire.

        ``may_stay_idle`` is for one that need not. Raises `UnknownName` for a host that the deployment does not have.
        """
        self.expectations.vocabulary.fault(fault)
        rule = self.world.faults.during(fault)
        return self._guarded(FaultGuard(fault, rule, self.inner.journal, may_stay_idle=may_stay_idle))

    def dns_failure(
        self,
        server: str,
        name: str | None = None,
        type: str | None = None,
        *,
        rcode: str | None = "SERVFAIL",
        times: int | None = None,
    ) -> AbstractContextManager[None]:
        """Have a name server fail for the length of a ``with`` block: questions for ``name`` (``*.example.com``: all
        below; None: all), of ``type`` (``SRV``; None: all), at most ``times``. ``rcode`` None is silence.

        Raises `UnknownName` for a host that the deployment does not have, `CannotRun` for one that is no name server.
        """
        self.expectations.vocabulary.host(server, "lab.dns_failure")
        views = getattr(self.host(server).service, "views", None)
        if views is None:
            raise CannotRun(f"{server} is no name server")
        failure = Failure(name=name, type=type, rcode=rcode, times=times)

        @contextmanager
        def failing() -> Iterator[None]:
            lift = views.fail(failure)
            try:
                yield
            finally:
                lift()

        what = f"{rcode or 'silence'} of {server} for {name or 'any name'} {type or ''}".rstrip()
        return self._guarded(Guard(what, failing()))

    def _guarded(self, guard: G) -> G:
        self._guards.append(guard)
        return guard

    def never_entered(self) -> list[str]:
        """Return the faults and partitions that were made and never entered, one line each."""
        return [f"{each.words} was never entered: with lab..." for each in self._guards if not each.entered]

    # ---- certificates of running hosts

    async def request(self, name: str, service: str | None = None) -> ServiceRequest:
        """Have a host make a signing request for a service (its first), with the names that it knows of now.

        The request's ``pem`` goes to a CA, `sign`. Raises `RequestRefused` where the product makes none.
        """
        discovered = [cluster for each in self.deployment.expressway_c for cluster in self.inner.discovered(each.name)]
        return self.inner.request(name, service, discovered)

    def sign(self, csr: bytes, *, by: str = "enterprise", strip: Sequence[str] = ()) -> bytes:
        """Sign a request in PEM as one of the lab's authorities, which drops the usages in ``strip`` (``client auth``).

        Returns the certificate in PEM.
        """
        return self.inner.sign(csr, by=by, strip=strip)

    async def upload_trust(self, name: str, store: str, what: str | bytes | x509.Certificate) -> None:
        """Append a CA to a host's trust store: by its name, as a certificate or PEM. It counts after a restart."""
        self.inner.upload_trust(name, store, what)

    async def upload_certificate(
        self, name: str, pem: bytes | None = None, service: str | None = None, *, copied: bool = False
    ) -> bool:
        """Upload a service's certificate (of the first service) and say whether the host takes it.

        The journal's `CertificateUpload` has the reason of a refusal. ``copied`` is "Upload server certificate file as
        client certificate". What was taken is shown after a restart.
        """
        return not self.inner.upload_certificate(name, pem, service, copied=copied)

    async def configure_web_proxy(self, name: str, guest_account_client_uri: str) -> bool:
        """Configure the Web Proxy for Meeting Server on a running Expressway-E; say whether it gets its domain."""
        return await self.inner.configure_web_proxy(name, guest_account_client_uri)

    async def restart_service(self, name: str, service: str) -> None:
        """Restart one service of Unified CM (``Cisco Tomcat``, ``Cisco CallManager``, ``Cisco TFTP``,
        ``Cisco HAProxy``) or of IM and Presence (``Cisco Tomcat``, ``Cisco XCP Router``); ``Cisco`` may be left out.
        """
        await self.inner.restart_service(name, service)

    # ---- media

    async def media_path(self, client: str | Jabber) -> MediaPath:
        """Open both ends of the deployment's ``mra.media_probe``: on a client's machine, and on the inside host.

        C opens the way to E when it starts, and again a little later where E was not there yet: that much it gets.
        Raises `CannotRun` where the deployment has none.
        """
        from edgesim.scenario.media_path import MediaPath

        if self.deployment.mra.media_probe is None:
            raise CannotRun(f"deployment {self.deployment.name!r} has no mra.media_probe")
        node = self.inner.node(client if isinstance(client, str) else client.node.name)
        await self._opened()
        path = await MediaPath.open(self.inner, node)
        self.cleanup(path.close)
        return path

    async def _opened(self) -> None:
        """Wait until C's way to E is open, for no longer than C's second attempt takes: it may never be."""
        from edgesim.journal.matchers import MediaFlow

        opened = MediaFlow(leg="multiplexed", state="open")
        patience = 2 * self.deployment.defaults.links.probe_retry_s
        while patience > 0 and self.expectations.match(opened, since=0) is None:
            await asyncio.sleep(POLL)
            patience -= POLL

    # ---- scripts and clients

    async def script(self, name: str) -> ScriptedHost:
        """Take a host's place, to play it by hand; a product that runs there is stopped first.

        The script's clean-up is the lab's. Raises `LookupError` for a name that the deployment does not have.
        """
        from edgesim.scenario.scripted import ScriptedHost

        if name not in self._scripts:
            self._scripts[name] = await ScriptedHost.take(self.inner, name, self.expectations)
            self._busy.append(name)
        return self._scripts[name]

    def unread(self) -> list[str]:
        """Return what scripted hosts got and nobody read, one line each."""
        return [line for script in self._scripts.values() for line in script.unread()]

    def client(self, user: str | User, seat: Client = Outside, *, machine: str | None = None) -> Jabber:
        """Return a simulated Jabber on a free machine in the right zone, or on the one that is named; a `User` may be
        one whom nobody knows."""
        from edgesim.clients.jabber import Jabber

        platform = seat.platform
        if platform == "phone" or platform == "room":
            raise CannotRun(f"Jabber does not run on a {platform}: lab.phone and lab.room return devices")
        who = self.deployment.user(user) if isinstance(user, str) else user
        self.expectations.vocabulary.users.add(who.id)
        for spec in self._machines(seat) if machine is None else self._free(machine):
            if spec.platform not in DEVICES:
                self._busy.append(spec.name)
                client = Jabber(self.inner.node(spec.name), who, platform=platform)
                self._clients[f"{who.id}@{spec.name}"] = client
                return client
        zone = "inside" if seat.where == "inside" else "internet"
        which = f"free client machine {machine!r}" if machine else f"free client machine in zone {zone!r}"
        raise CannotRun(f"deployment {self.deployment.name!r} has no {which}")

    def _free(self, name: str) -> Iterator[ClientHost]:
        return (each for each in self.deployment.clients if each.name == name and name not in self._busy)

    def _machines(self, seat: Client) -> Iterator[ClientHost]:
        """Yield the machines of clients in the right zone that nobody sits at yet."""
        zone = "inside" if seat.where == "inside" else "internet"
        for machine in self.deployment.clients:
            if machine.name not in self._busy and machine.zone == zone:
                yield machine

    def phone(self, machine: str) -> IpPhone:
        """Return the desk phone that a machine of the deployment is, with its owner in front of it."""
        from edgesim.clients.ip_phone import IpPhone

        return self._device(machine, IpPhone, "phone")

    def room(self, machine: str) -> RoomDevice:
        """Return the room device that a machine of the deployment is, set up with its owner's name and password."""
        from edgesim.clients.room_device import RoomDevice

        return self._device(machine, RoomDevice, "room")

    def _device(self, name: str, kind: type[D], platform: str) -> D:
        node = self.inner.node(name)
        machine = node.spec.spec
        if not isinstance(machine, ClientHost) or machine.device is None or machine.platform != platform:
            raise CannotRun(f"{name} is no {platform} of deployment {self.deployment.name!r}")
        if name in self._busy:
            raise CannotRun(f"somebody sits at {name} already")
        device = self.deployment.device(machine.device)
        if device.owner is None:
            raise CannotRun(f"{device.name} belongs to nobody")
        self._busy.append(name)
        found = kind(node, device, self.deployment.user(device.owner))
        self._clients[f"{device.owner}@{name}"] = found
        return found

    def authority(self, name: str) -> x509.Certificate:
        """Return the certificate of one of the lab's CAs (``public``, ``enterprise``, ``private`` ...), as one who adds
        it to a list of trusted CAs holds it in hand.
        """
        return self.inner.authorities.trusted()[name]

    def seated(self, user: str, seat: Client) -> Jabber | IpPhone | RoomDevice:
        """Return the client of a user at a seat: a Jabber, or the device of that kind that the user owns."""
        if seat.platform not in DEVICES:
            return self.client(user, seat)
        owned = {device.name for device in self.deployment.devices_of(user)}
        for machine in self._machines(seat):
            if machine.platform == seat.platform and machine.device in owned:
                return self.phone(machine.name) if seat.platform == "phone" else self.room(machine.name)
        raise CannotRun(f"{user} owns no {seat.platform} {seat.where} in deployment {self.deployment.name!r}")
