"""A lab: a deployment put into a world. It knows its hosts by name and hands out nodes; products share nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from edgesim.deployment import Deployment, HostSpec
from edgesim.dns import Resolver, options_of
from edgesim.edge.link_state import LinkState
from edgesim.journal import Entry, Event, Journal, events
from edgesim.journal.world_events import watch_world
from edgesim.lab import doors
from edgesim.lab.abilities import DialsLinks
from edgesim.lab.certificates import Certificates
from edgesim.lab.clients import Clients
from edgesim.lab.held import Held
from edgesim.lab.products import PRODUCTS
from edgesim.node import Node
from edgesim.pki import Authorities, Validity, fixture_authorities
from edgesim.pki.installation import validity_from
from edgesim.world import SECOND, Capability, Host, HostState, Service, UnsupportedError, World
from edgesim.world.api import BecomesReady, HostFactory

NOT_YET = "no connection since the host was started"
"""Why a zone counts as failed of which a started host has said nothing yet."""


class RunningLab:
    """The hosts of a deployment in a world.

    Build it before anything runs; `start` brings the servers up in order and waits until their links are up or
    ``settle`` seconds of lab time have passed: a lab that is broken on purpose starts too. Leaf certificates are valid
    for ``validity``, left out from a day before the world's start for as long as a public CA allows. The deployment's
    firewalls apply from the start. ``certificates`` are those of `minted`, where several processes share them. Raises
    `UnsupportedError` for address translation that the world lacks.
    """

    def __init__(
        self,
        world: World,
        deployment: Deployment,
        *,
        journal: Journal | None = None,
        authorities: Authorities | None = None,
        validity: Validity | None = None,
        keylog: str | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self.world = world
        self.deployment = deployment
        self.journal = journal if journal is not None else Journal(world)
        watch_world(self.journal)
        recording = deployment.defaults.journal
        self.journal.record_payloads(whole=recording.whole_bytes, beginning=recording.beginning_bytes)
        self.journal.session_cookie = deployment.defaults.edge.cookie_name
        self._zones: dict[tuple[str, str], tuple[int, str, str]] = {}
        self.journal.listen(self._hear)
        self.certificates = certificates or minted(world, deployment, authorities, validity)
        self.authorities = self.certificates.authorities
        self.keylog = keylog
        self.nodes: dict[str, Node] = {}
        self.clients = Clients()
        self.held = Held()
        if deployment.translates and Capability.NAT not in world.capabilities:
            raise UnsupportedError(Capability.NAT)
        world.paths.install(deployment.topology)
        world.lay(deployment.wires)
        doors.install(world, deployment)
        for spec in deployment.host_specs():
            self._add(spec)

    def _add(self, spec: HostSpec) -> None:
        host = self.world.add_host(spec.name, spec.interfaces, self._factory(spec))
        recorder = self.journal.recorder(host)
        port = self.deployment.defaults.ports.dns
        options = replace(
            options_of(self.deployment.defaults),
            search=_search(spec),
            weighted="srv" not in self.deployment.network.pinned,
            ipv6=_is_dual(spec),
        )
        servers = [(server, port) for server in self.deployment.dns_servers(spec.name)]
        resolver = Resolver(host, recorder, servers, options=options)
        host.lookup = resolver.lookup
        self.nodes[spec.name] = Node(
            host=host,
            journal=recorder,
            deployment=self.deployment,
            spec=spec,
            resolver=resolver,
            identities=self.certificates.identities(spec.name),
            trusts=self.certificates.trusts(spec.name),
            uploads=self.certificates.uploads(spec.name),
            keylog=self.keylog,
        )

    def _factory(self, spec: HostSpec) -> HostFactory:
        build = PRODUCTS[spec.kind]

        async def factory(host: Host) -> Service:
            node = self.nodes[spec.name]
            if host.incarnation > 1:  # what a deployment calls pending waits through the first start
                self.take_up(node)
            return await build(node)

        return factory

    def take_up(self, node: Node) -> None:
        """Put in effect what was uploaded to a host: it starts again."""
        node.installed.take_up()

    # ---- the whole

    async def start(self, *, without: Sequence[str] = (), settle: float = 10.0) -> None:
        """Start every host but those in ``without``, and wait for the links between the Expressways and the servers.

        In virtual time hosts start at different times, as the machines of a rack do; the seed decides the times, and so
        the order, unless the deployment pins them.
        """
        began = self.world.now()
        for moment, name in self._moments():
            if name not in without:
                await asyncio.sleep((began + moment - self.world.now()) / SECOND)
                await self.world.start(name)
        await self.settle(settle)

    def _moments(self) -> list[tuple[int, str]]:
        """Return when each host starts, in nanoseconds from now, and its name, in that order."""
        names = [spec.name for spec in self.deployment.host_specs()]
        if "start" in self.deployment.network.pinned or Capability.VIRTUAL_TIME not in self.world.capabilities:
            return [(0, name) for name in names]
        spread = self.deployment.defaults.network.start_spread_s * SECOND
        return sorted((round(self.world.entropy(f"start {name}").random() * spread), name) for name in names)

    async def settle(self, within: float = 10.0) -> bool:
        """Wait until every Expressway reports that its links are up; return False after ``within`` seconds of lab
        time.
        """
        waiting = [name for name in self._edges() if self.world.hosts[name].state is HostState.UP]
        try:
            async with asyncio.timeout(within):
                for name in waiting:
                    await self.ready(name)
        except TimeoutError:
            return False
        return True

    async def ready(self, name: str) -> None:
        """Wait until a host reports that its links are up; return at once for one that has none to keep up."""
        service = self.node(name).host.service
        if isinstance(service, BecomesReady):
            await service.ready()

    def _edges(self) -> list[str]:
        return [spec.name for spec in self.deployment.host_specs() if spec.kind in ("expressway_c", "expressway_e")]

    async def stop(self) -> None:
        """Stop every running host gracefully, clients first."""
        for spec in reversed(self.deployment.host_specs()):
            if self.world.hosts[spec.name].state is HostState.UP:
                await self.world.stop(spec.name)

    # ---- one host

    def node(self, name: str) -> Node:
        """Return a host's node. Raises `LookupError` with the names there are."""
        try:
            return self.nodes[name]
        except KeyError:
            raise LookupError(f"no host {name!r}; known: {', '.join(self.nodes)}") from None

    async def crash(self, name: str) -> None:
        """End a host's processes at once; its peers see resets."""
        await self.world.crash(self.node(name).name)

    async def power_off(self, name: str) -> None:
        """Cut a host's power; its peers get no answer."""
        await self.world.power_off(self.node(name).name)

    async def start_host(self, name: str) -> None:
        """Start a host that is down."""
        await self.world.start(self.node(name).name)

    async def stop_host(self, name: str) -> None:
        """Stop a host gracefully."""
        await self.world.stop(self.node(name).name)

    async def restart(self, name: str) -> None:
        """Stop a host gracefully and start it again."""
        await self.world.restart(self.node(name).name)

    async def freeze(self, name: str) -> None:
        """Stop a host's time."""
        await self.world.freeze(self.node(name).name)

    async def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
        await self.world.thaw(self.node(name).name)

    def skew(self, name: str, seconds: float) -> None:
        """Put a host's clock ahead (or, negative, behind) by ``seconds``."""
        node = self.node(name)
        self.world.skew(node.name, round(seconds * SECOND))
        node.journal.emit(events.Note(text=f"clock {abs(seconds):g} s {'behind' if seconds < 0 else 'ahead'}"))

    def can(self, capability: Capability) -> bool:
        """Return whether this lab's world has a capability."""
        return capability in self.world.capabilities

    # ---- views

    def zones(self) -> list[tuple[str, str, str, str]]:
        """Return the last known state of every Expressway zone: host, zone, state, reason.

        A restarted host has no state of a zone until a link comes up; the states of its former life do not count.
        """
        failed = self.deployment.defaults.links.failed
        return [
            (host, zone, *((state, reason) if life == self.world.hosts[host].incarnation else (failed, NOT_YET)))
            for (host, zone), (life, state, reason) in self._zones.items()
        ]

    def links(self) -> list[tuple[str, LinkState]]:
        """Return the links that running Expressways keep up, each with the host that dials."""
        return [
            (name, link)
            for name in self._edges()
            if self.world.hosts[name].state is HostState.UP
            for link in self.links_of(name)
        ]

    def links_of(self, name: str) -> Sequence[LinkState]:
        """Return the links that a running host keeps up: zones, SSH tunnels, XCP. Only Expressway-C dials any."""
        host = self.node(name).host
        service = host.service
        return host.context().run(service.links) if isinstance(service, DialsLinks) else ()

    def retry_links(self, name: str) -> int:
        """Have an Expressway-C try its links now in place of waiting; return how many waited. Raises `LookupError`."""
        service = self.node(name).host.service
        if not isinstance(service, DialsLinks):
            raise LookupError(f"{name} dials no links: Expressway-C does")
        return service.retry_links()

    def discovered(self, name: str) -> tuple[str, ...]:
        """Return the names of the IM and Presence clusters that a running host has discovered: Expressway-C does."""
        service = self.node(name).host.service
        return tuple(each.name for each in service.discovered.im_presence) if isinstance(service, DialsLinks) else ()

    def _hear(self, entry: Entry[Event]) -> None:
        """Remember the states of zones: the journal need not keep every entry."""
        event = entry.event
        if type(event) is events.ZoneState:
            self._zones[entry.node, event.zone] = (entry.incarnation, event.state, event.reason)


def minted(
    world: World, deployment: Deployment, authorities: Authorities | None = None, validity: Validity | None = None
) -> Certificates:
    """Mint every certificate of a deployment for a world; see `RunningLab`."""
    minting = world.entropy("pki")
    start = datetime.fromtimestamp(world.epoch_ns // SECOND, UTC)
    dates = validity or validity_from(start, deployment.defaults.tls.certificate_days)
    signers = authorities or fixture_authorities(minting)
    return Certificates(deployment, signers, minting, validity=dates, start=start)


def _search(spec: HostSpec) -> tuple[str, ...]:
    """Return the domain that a host appends to a bare name: its own, unless it is a client at home."""
    at_home = spec.kind == "client" and spec.view == "outside"
    return () if at_home or not spec.spec.domain else (spec.spec.domain,)


def _is_dual(spec: HostSpec) -> bool:
    """Return whether a host is a client with both kinds of address."""
    return spec.kind == "client" and len({":" in each.address for each in spec.interfaces}) == 2
