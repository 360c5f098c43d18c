"""Provisioning of a Jabber client over HTTP before it registers: edge, home cluster, user, files.

Each stage of `stages.TRANSITIONS` has a method. Sources: "Preferred Architecture for Cisco Collaboration 12.x
Enterprise On-Premises", Collaboration Edge; UDS API reference; "Troubleshoot Jabber Log in - Common Issues" (Cisco
221845) for Jabber's texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from edgesim.clients.common.access import Access
from edgesim.clients.common.discovery import discover
from edgesim.clients.common.edge import EdgeSignIn, fetch_file
from edgesim.clients.common.habits import RegistrationPath
from edgesim.clients.common.stages import Result, StageFailed
from edgesim.edge import config_files, edge_config, uds
from edgesim.edge.edge_config import EdgeConfig
from edgesim.http import Response
from edgesim.node import Node

T = TypeVar("T")
Step = tuple[Result, str]
BUSY = 503


class Provisioning:
    """The results of one sign-in. ``prefix`` is the prefix of device names that this client may use."""

    def __init__(
        self, node: Node, access: Access, *, user: str, domain: str, prefix: str, excluded: Sequence[str]
    ) -> None:
        self.node = node
        self.access = access
        self.user_id = user
        self.domain = domain
        self.prefix = prefix
        self.excluded = tuple(excluded)
        self.outside = False
        asked = "&".join(f"service_name={name}" for name in node.defaults.client.asked_services)
        self._edge = EdgeSignIn(access, domain, f"{edge_config.RESOURCE}?{asked}")
        self.profile: uds.User | None = None
        self.device: uds.Device | None = None
        self.services: config_files.ServiceProfile | None = None
        self.config: config_files.DeviceConfig | None = None
        self._targets: tuple[tuple[str, int], ...] = ()
        self._uds: tuple[str, ...] = ()

    # ---- discovery

    async def discovery(self) -> Step:
        """Determine by DNS whether the client is inside or outside."""
        found = await discover(self.node, self.domain, excluded=self.excluded)
        self.outside = not found.inside
        targets = ", ".join(f"{host}:{port}" for host, port in found.targets)
        if found.service == "_cuplogin":
            raise StageFailed(f"{found.service} answers: {targets}: an authenticator of CUP 8.x, which is not played")
        if found.inside:
            self._uds = tuple(f"https://{host}:{port}" for host, port in found.targets)
            return Result.INSIDE, f"{found.service} answers: {targets}"
        self._targets = found.targets
        return Result.OUTSIDE, f"{found.service} answers: {targets}"

    # ---- the edge

    async def edge_configuration(self) -> Step:
        """Sign in to the edge: request `get_edge_config` from each Expressway-E in turn."""
        host = await self._edge.begin(self._targets)
        assert self.edge is not None
        service = self.edge.service("_cisco-uds")
        if service is None or not service.servers:
            raise StageFailed("the edge configuration names no _cisco-uds server")
        first = service.servers[0]
        self._uds = (f"https://{first.address}:{first.port}",)
        return Result.OK, f"from {host}; UDS at {first.address}"

    async def renew_edge(self) -> None:
        """Fetch the edge configuration, and with it the cookie, again. Raises `StageFailed`."""
        await self._edge.renew()

    def cookie_expires(self) -> float | None:
        """Return when the edge's cookie expires: Unix time in seconds by this host's clock; None without one."""
        return self._edge.cookie_expires()

    @property
    def edge(self) -> EdgeConfig | None:
        """The edge configuration, or None."""
        return self._edge.config

    def edge_server_name(self, host: str) -> str:
        """Return the TLS server name for an edge server."""
        return self._edge.server_name(host)

    # ---- UDS

    async def home_cluster(self) -> Step:
        """Find the user's home cluster."""
        response = await self._ask_uds(uds.cluster_user_target(username=self.user_id))
        if response.status != 200:
            raise StageFailed(f"Home Uds query failed responseCode =[{response.status}] HOME_UDS_QUERY_FAILED")
        found = self._parsed(uds.ClusterUser.parse, response)
        if found.home is None:
            raise StageFailed("LocatorUdsQuery has failed with result: NO_HOME_UDS_FOUND")
        answered = self._uds[0]
        home = f"https://{found.home.host}:{answered.rsplit(':', 1)[1]}"
        # Inside, the server that answered is asked again if the home node does not answer: it may be in the same
        # cluster.
        self._uds = (home,) if self.outside or home == answered else (home, answered)
        return Result.OK, found.home.host

    async def uds_version(self) -> Step:
        """Fetch the cluster's release."""
        response = self._expect(await self._ask_uds("/cucm-uds/version"))
        return Result.OK, self._parsed(uds.Version.parse, response).product

    async def uds_servers(self) -> Step:
        """Fetch the cluster's nodes. Inside, others are asked if the first does not answer.

        Over the edge there is only one UDS server (MRA Deployment Guide, "MRA Requirements and Prerequisites").
        """
        response = self._expect(await self._ask_uds("/cucm-uds/servers"))
        servers = self._parsed(uds.Servers.parse, response).servers
        if not self.outside:
            port = self._uds[0].rsplit(":", 1)[1]
            others = (f"https://{server}:{port}" for server in servers if server)
            self._uds = tuple(dict.fromkeys((self._uds[0], *others)))
        return Result.OK, ", ".join(servers)

    async def user(self) -> Step:
        """Fetch the user's own resource."""
        response = await self._ask_uds(uds.user_target(self.user_id), authenticate=True)
        if response.status == 401:
            raise StageFailed("HTTP response code 401: FAILED_TO_AUTHENTICATE_WITH_CALL_MANAGER")
        self.profile = self._parsed(uds.User.parse, self._expect(response))
        if self.profile.user_name.casefold() != self.user_id.casefold():
            raise StageFailed(f"UDS speaks of {self.profile.user_name!r}, not of {self.user_id!r}")
        return Result.OK, self.profile.display_name or self.profile.user_name

    async def devices(self) -> Step:
        """Choose this platform's device among the user's."""
        target = f"{uds.user_target(self.user_id, 'devices')}?max={self.node.defaults.client.devices_asked}"
        response = self._expect(await self._ask_uds(target, authenticate=True))
        devices = self._parsed(uds.Devices.parse, response).devices
        self.device = next((one for one in devices if one.name.startswith(self.prefix)), None)
        if self.device is None:
            return Result.OK, f"no {self.prefix} device: no phone service"
        return Result.OK, self.device.name

    async def _ask_uds(self, target: str, *, authenticate: bool = False) -> Response:
        """GET a resource of the first UDS server that answers. Raises `StageFailed`."""
        reasons: list[str] = []
        for base in self._uds:
            try:
                response = await self.access.get(base + target, authenticate=authenticate)
            except StageFailed as error:
                reasons.append(str(error))
                continue
            if response.status == BUSY and base != self._uds[-1]:
                reasons.append(f"{base}: {BUSY} {response.phrase}")
                continue
            self._uds = (base, *(other for other in self._uds if other != base))
            return response
        raise StageFailed("; ".join(reasons))

    # ---- files

    async def service_profile(self) -> Step:
        """Fetch the user's service profile."""
        uri = self.profile.service_profile if self.profile is not None else None
        if not uri:
            raise StageFailed("the user has no service profile")
        host, _, file = uri.partition("//")[2].partition("/")
        if not file:
            raise StageFailed(f"the service profile is nowhere: {uri[:200]!r}")
        response = await fetch_file(self.access, [host.rsplit(":", 1)[0], *self._tftp], file.rsplit("/", 1)[-1])
        self.services = self._parsed(config_files.ServiceProfile.parse, response)
        return Result.OK, f"IM and Presence: {', '.join(self.services.presence) or 'none'}"

    async def jabber_config(self) -> Step:
        """Fetch ``jabber-config.xml``."""
        response = await fetch_file(self.access, self._tftp, "jabber-config.xml")
        self._parsed(config_files.JabberConfig.parse, response)
        return Result.OK, "jabber-config.xml"

    async def device_file(self) -> Step:
        """Fetch the device's configuration file."""
        if self.device is None:
            return Result.NONE, "no device"
        name = config_files.device_file(self.device.name)
        found = self._parsed(config_files.DeviceConfig.parse, await fetch_file(self.access, self._tftp, name))
        if not found.lines:
            raise StageFailed(f"{name} has no line")
        self.config = found
        return Result.OK, name

    @property
    def _tftp(self) -> list[str]:
        """The file servers: those of the edge configuration, else the UDS servers."""
        if self.edge is not None and self.edge.tftp_addresses:
            return list(self.edge.tftp_addresses)
        return [base.split("//", 1)[1].rsplit(":", 1)[0] for base in self._uds]

    # ---- results

    def paths(self) -> tuple[RegistrationPath, ...]:
        """Return the registration paths: each node of the group, outside through each E and route."""
        assert self.config is not None
        nodes = self.config.call_managers[: self.node.defaults.client.node_limit]
        secure = self.config.security_mode > 1
        form = self.node.defaults.client.secure_uri if secure else None
        if self.outside and self.edge is not None:
            return tuple(
                RegistrationPath(
                    host=edge.address,
                    port=edge.port,
                    transport="tls",
                    server_name=self.edge_server_name(edge.address),
                    node=node.process_node,
                    routes=(route,) if route else (),
                    uri=form and form.format(node=node.process_node, port=node.secured_sip_port),
                )
                for node in nodes
                for edge in self.edge.sip
                for route in self.edge.routes or ("",)
            )
        return tuple(
            RegistrationPath(
                host=node.process_node,
                port=node.secured_sip_port if secure else node.sip_port,
                transport="tls" if secure else "tcp",
                node=node.process_node,
            )
            for node in nodes
        )

    def presence_servers(self) -> tuple[str, ...]:
        """Return the IM and Presence servers, the user's own first."""
        own = self.profile.im_and_presence if self.profile is not None else None
        others = self.services.presence if self.services is not None else ()
        return tuple(dict.fromkeys(server for server in (own, *others) if server))

    # ---- parsing

    def _expect(self, response: Response) -> Response:
        if response.status != 200:
            raise StageFailed(f"{response.status} {response.phrase}")
        return response

    def _parsed(self, parse: Callable[[bytes], T], response: Response) -> T:
        try:
            return parse(response.body)
        except (uds.UdsError, config_files.ConfigFileError) as error:
            raise StageFailed(f"an answer that cannot be read: {error}") from error
