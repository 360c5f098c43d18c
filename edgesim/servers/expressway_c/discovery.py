"""Expressway-C's discovery of Unified CM and IM and Presence servers: *Add* and *Refresh servers*, over AXL.

The administrator enters the publisher of each cluster and an account with Standard AXL API Access; C reads nodes,
releases and the cluster security mode from it, and adds itself under *Device > Expressway-C*. The result is
configuration: it survives a restart. Sources: "MRA Deployment Guide X12.6, Install MRA" and "Configure MRA"; "MRA
Deployment Guide X14.3, MRA Maintenance"; for the AXL methods "Troubleshoot Most Common Issues of Collaboration Edge"
(Cisco 118798).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from edgesim.deployment.defaults.edge import AxlMethod
from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from edgesim.edge.allow_list import DiscoveredServer
from edgesim.http import Headers, HttpClient, HttpError, basic_authorization
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import names_of
from edgesim.servers.expressway_c.locating import locate

SCHEMA = "10.0"
"""The AXL schema that C uses: that of the oldest release of Unified CM that MRA supports."""
UNIFIED_CM = "Unified CM"
IM_PRESENCE = "IM and Presence"
R = TypeVar("R", bound=messages.Response)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNode:
    """A discovered node: its name in the cluster's list, and its address, None if the name does not resolve.

    ``problem`` says why C does not use it; ``fqdn`` is the name by which C found it.
    """

    name: str
    address: str | None
    publisher: bool
    fqdn: str | None = None
    problem: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name under which clients may be told to reach it."""
        return tuple(dict.fromkeys(name for name in (self.name, self.fqdn, self.address) if name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A discovered cluster. ``name`` is C's name for it, ``version`` the full release.

    The fields after the nodes apply to Unified CM; the ports are those of SIP lines, None if unknown to C.
    """

    product: str
    name: str
    publisher: str
    version: str
    nodes: tuple[ServerNode, ...]
    mixed_mode: bool = False
    sip_oauth: bool = False
    oauth_refresh: bool = False
    tftp: tuple[str, ...] = ()
    sip_port: int | None = None
    secure_sip_port: int | None = None

    @property
    def usable(self) -> tuple[ServerNode, ...]:
        """The nodes that C resolved in its DNS."""
        return tuple(node for node in self.nodes if not node.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """All discovered servers, clusters in the order in which they were added."""

    unified_cm: tuple[Cluster, ...] = ()
    im_presence: tuple[Cluster, ...] = ()

    def cluster_of(self, host: str) -> Cluster | None:
        """Return the cluster that has a node with this name or address."""
        for cluster in (*self.unified_cm, *self.im_presence):
            if any(host.lower() in (name.lower() for name in node.names) for node in cluster.nodes):
                return cluster
        return None

    @property
    def servers(self) -> tuple[DiscoveredServer, ...]:
        """The nodes for the allow list, with every name under which clients may be told to reach them."""
        return tuple(
            DiscoveredServer(product=product, names=node.names)
            for product, clusters in (("unified_cm", self.unified_cm), ("im_presence", self.im_presence))
            for cluster in clusters
            for node in cluster.usable
        )


class DiscoveryFailed(Exception):
    """Discovery of a publisher failed; the text is the state shown on C."""


@dataclass(slots=True, kw_only=True)
class Source:
    """A cluster as the administrator added it, and the state of its last discovery."""

    product: str
    name: str
    publisher: str
    user: str
    password: str
    port: int
    found: Cluster | None = None
    state: str = ""
    detail: str = ""
    problems: dict[str, str] = field(default_factory=dict)
    """The problems of its nodes."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to discover."""
        return self.state == "active" and not self.problems


class Discovery:
    """C's list of servers. ``changed`` is called whenever it is rewritten."""

    def __init__(self, node: Node, clients: Callable[[str], HttpClient], changed: Callable[[], None]) -> None:
        self.node = node
        self._clients = clients
        self._changed = changed
        self._busy = asyncio.Lock()
        self.rewriting = False
        """Whether the list is being rewritten: meanwhile no user can sign in."""
        self.attempted = asyncio.Event()
        """Set once every server was asked, whatever the result."""
        self.sources = tuple(_sources(node))
        stored: dict[str, Cluster] = node.host.disk.setdefault("servers", {})
        self._stored = stored
        for source in self.sources:
            source.found = stored.get(f"{source.product}/{source.name}")

    @property
    def discovered(self) -> Discovered:
        """The result so far."""
        found = [source.found for source in self.sources if source.found is not None]
        return Discovered(
            unified_cm=tuple(cluster for cluster in found if cluster.product == UNIFIED_CM),
            im_presence=tuple(cluster for cluster in found if cluster.product == IM_PRESENCE),
        )

    @property
    def complete(self) -> bool:
        """Whether the last discovery of every server succeeded, and every node is usable."""
        return all(source.complete for source in self.sources)

    async def first(self) -> None:
        """Run the discovery at start."""
        await self.refresh()

    async def retry(self) -> None:
        """Repeat failed discoveries until all succeed."""
        while not self.complete:
            await asyncio.sleep(self.node.defaults.edge.discovery_retry_s)
            await self.refresh(failed_only=True)

    async def refresh(self, *, failed_only: bool = False) -> Discovered:
        """Discover from every publisher (*Refresh servers*), or only from those that failed before, and return the
        result.
        """
        async with self._busy:
            await self._pause()
            for source in self.sources:
                if failed_only and source.complete:
                    continue
                await self._refresh(source)
                self._changed()
            self.attempted.set()
            return self.discovered

    async def _pause(self) -> None:
        """Wait for the product's processing time, during which clients cannot connect."""
        seconds = self.node.defaults.edge.discovery_s
        if seconds:
            self.rewriting = True
            try:
                await asyncio.sleep(seconds)
            finally:
                self.rewriting = False

    async def _refresh(self, source: Source) -> None:
        try:
            source.found = await _Conversation(self.node, self._clients(source.product), source).discover()
        except DiscoveryFailed as failure:
            self._enter(source, "failed", str(failure))
            return
        self._stored[f"{source.product}/{source.name}"] = source.found
        names = ", ".join(node.name for node in source.found.usable)
        self._enter(source, "active", f"{source.found.version}: {names}")
        problems = {node.name: node.problem for node in source.found.nodes if node.problem}
        for name, problem in problems.items():
            if source.problems.get(name) != problem:
                event = events.Discovery(server=name, product=source.product, state="unusable", detail=problem)
                self.node.journal.emit(event)
        source.problems = problems

    def _enter(self, source: Source, state: str, detail: str) -> None:
        """Journal a state when it changes."""
        if (state, detail) != (source.state, source.detail):
            source.state, source.detail = state, detail
            event = events.Discovery(server=source.publisher, product=source.product, state=state, detail=detail)
            self.node.journal.emit(event)


def _sources(node: Node) -> list[Source]:
    deployment, ports = node.deployment, node.defaults.ports
    sources = []
    for name in deployment.mra.unified_cm_clusters:
        cluster = deployment.cluster(name)
        account, publisher = cluster.axl_account, cluster.publisher.server_name
        sources.append(
            Source(
                product=UNIFIED_CM,
                name=name,
                publisher=publisher,
                user=account.user,
                password=account.password,
                port=ports.uds,
            )
        )
    for name in deployment.mra.im_presence_clusters:
        chat = deployment.im_presence_cluster(name)
        account, publisher = chat.axl_account, chat.publisher.fqdn
        sources.append(
            Source(
                product=IM_PRESENCE,
                name=name,
                publisher=publisher,
                user=account.user,
                password=account.password,
                port=ports.soap,
            )
        )
    return sources


@dataclass(slots=True)
class _Conversation:
    """The discovery of one cluster: the AXL methods of the defaults, in that order, and their results."""

    node: Node
    client: HttpClient
    source: Source
    version: str = ""
    nodes: tuple[ServerNode, ...] = ()
    call_manager: messages.CallManager | None = None
    services: messages.ProcessNodeServices | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    async def discover(self) -> Cluster:
        source, edge = self.source, self.node.defaults.edge
        where = await locate(self.node, source.publisher)
        if where.address is None:
            raise DiscoveryFailed(f"{source.publisher} {where.problem}")
        unified_cm = source.product == UNIFIED_CM
        for method in edge.axl_methods if unified_cm else edge.axl_methods_of_im_presence:
            await _STEPS[method](self)
        if not self.nodes:
            raise DiscoveryFailed(f"{source.publisher} lists no {source.product} node")
        # The publisher has TFTP if the cluster does not list it.
        served = None if self.services is None else self.services.nodes_with(messages.TFTP_SERVICE)
        tftp = (self.nodes[0].name,) if served is None else served
        return Cluster(
            product=source.product,
            name=source.name,
            publisher=source.publisher,
            version=self.version,
            nodes=self.nodes,
            mixed_mode=self._is_on(messages.CLUSTER_SECURITY_MODE),
            sip_oauth=self._is_on(messages.SIP_OAUTH_MODE),
            oauth_refresh=self._is_on(messages.OAUTH_REFRESH),
            tftp=tftp if unified_cm else (),
            sip_port=self.call_manager.sip_port if self.call_manager else None,
            secure_sip_port=self.call_manager.secure_sip_port if self.call_manager else None,
        )

    def _is_on(self, parameter: str) -> bool:
        return self.parameters.get(parameter, "0") != "0"

    async def _get_call_manager(self) -> None:
        """Get the publisher's Cisco CallManager by its usual name; under another name the default ports apply."""
        host = self.source.publisher.partition(".")[0]
        wanted = messages.GetCallManager(name=self.node.defaults.edge.call_manager_name.format(host=host))
        with contextlib.suppress(_Fault):
            self.call_manager = await self._ask(wanted, messages.CallManager)

    async def _list_call_managers(self) -> None:
        await self._ask(messages.ListCallManager(), messages.CallManagers)

    async def _list_nodes(self) -> None:
        source = self.source
        listed = await self._ask(messages.ListProcessNode(), messages.ProcessNodes)
        rows = [row for row in listed.servers if row.is_call_processing == (source.product == UNIFIED_CM)]
        if not rows:
            raise DiscoveryFailed(f"{source.publisher} lists no {source.product} node")
        nodes = [await self._node(row) for row in rows]
        self.nodes = tuple(sorted(nodes, key=lambda node: not node.publisher))

    async def _list_services(self) -> None:
        with contextlib.suppress(_Fault):
            self.services = await self._ask(messages.ListProcessNodeService(), messages.ProcessNodeServices)

    async def _get_version(self) -> None:
        self.version = (await self._ask(messages.GetCCMVersion(), messages.CcmVersion)).version

    async def _query(self) -> None:
        """Query the certificates of both trust stores, which C does not keep, and the cluster's parameters."""
        for store in (messages.CALLMANAGER_TRUST, messages.TOMCAT_TRUST):
            await self._ask(messages.ExecuteSQLQuery(sql=messages.trust_query(store)), messages.Rows)
        answer = await self._ask(messages.ExecuteSQLQuery(sql=messages.PARAMETERS_QUERY), messages.Rows)
        self.parameters = {row.get("paramname", ""): row.get("paramvalue", "") for row in map(dict, answer.rows)}

    async def _node(self, row: messages.ProcessNode) -> ServerNode:
        where = await locate(self.node, row.name)
        return ServerNode(
            name=row.name,
            address=where.address,
            publisher=row.usage.lower() == "publisher",
            fqdn=where.fqdn,
            problem=where.problem,
        )

    async def _enter_expressway(self) -> None:
        """Add this C under *Device > Expressway-C*: its short host name, and the names in the certificate that it
        presents.
        """
        name = self.node.spec.name
        identity = self.node.identities.get("client") or self.node.identities.get("server")
        names = names_of(identity.certificate) if identity is not None else ()
        subject = ",".join(one.partition(":")[2] for one in names)
        listed = await self._ask(messages.ListExpresswayC(host=name), messages.ExpresswayCs)
        mine = [entry for entry in listed.entries if entry.host == name]
        if not mine:
            await self._ask(
                messages.AddExpresswayC(host=name, description=self.node.fqdn, subject=subject), messages.Stored
            )
        elif mine[0].subject != subject:
            await self._ask(messages.UpdateExpresswayC(host=name, subject=subject), messages.Stored)

    async def _ask(self, request: messages.Request, expected: type[R]) -> R:
        source, method = self.source, messages.METHODS[type(request)]
        where = f"{source.publisher}:{source.port}"
        headers = (
            ("Host", where),
            ("Authorization", basic_authorization(source.user, source.password)),
            ("SOAPAction", f'"{axl.soap_action(request, SCHEMA)}"'),
            ("Content-Type", axl.CONTENT_TYPE),
        )
        try:
            answer = await self.client.request(
                "POST",
                f"https://{where}{axl.TARGET}",
                headers=Headers(headers),
                body=axl.write_request(request, SCHEMA),
                timeout=self.node.defaults.links.connect_timeout_s,
            )
        except HttpError as error:
            raise DiscoveryFailed(f"{error.kind}: {error}") from None
        if answer.status in (401, 403):
            raise DiscoveryFailed(f"AXL refused the account of {source.user} ({answer.status})")
        if answer.status not in (200, 500):
            raise DiscoveryFailed(f"AXL answered {answer.status}; is the Cisco AXL Web Service running?")
        try:
            return axl.read_response(answer.body, expected)
        except axl.AxlFault as fault:
            raise _Fault(f"{method}: {fault}") from None
        except axl.AxlError as error:
            raise DiscoveryFailed(f"{method} was answered with no AXL: {error}") from None


class _Fault(DiscoveryFailed):
    """AXL returned a fault."""


_STEPS: Mapping[AxlMethod, Callable[[_Conversation], Awaitable[None]]] = {
    "getCallManager": _Conversation._get_call_manager,
    "listCallManager": _Conversation._list_call_managers,
    "listProcessNode": _Conversation._list_nodes,
    "listProcessNodeService": _Conversation._list_services,
    "getCCMVersion": _Conversation._get_version,
    "executeSQLQuery": _Conversation._query,
    "listExpresswayCConfiguration": _Conversation._enter_expressway,
}
"""The steps of a discovery by AXL method; C's own entry is added or updated according to the list."""
