"""A simulated Jabber: the sign-in of `stages.TRANSITIONS`, one method a stage, and what a signed-in user can do."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from edgesim.clients.jabber.access import Access, Edge
from edgesim.clients.jabber.chat import Chat, soap_login
from edgesim.clients.jabber.discovery import discover
from edgesim.clients.jabber.phone import Path, Phone
from edgesim.clients.jabber.registration import Registrant
from edgesim.clients.jabber.stages import FINAL, TRANSITIONS, Result, SignIn, Stage, StageFailed
from edgesim.deployment.people import DEVICE_TYPES, JABBER_PREFIXES, User
from edgesim.dns import Resolver
from edgesim.edge import config_files, cookie, edge_config, uds
from edgesim.edge.edge_config import EdgeConfig
from edgesim.http import Response
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import client_context

T = TypeVar("T")
Platform = Literal["windows", "mac", "ios", "android"]
PLATFORMS: dict[str, tuple[str, str, str]] = {
    "windows": ("CSF", "jabber_desktop", "Jabber_for_Windows-14.1.0"),
    "mac": ("CSF", "jabber_desktop", "Jabber_for_Mac-14.1.0"),
    "ios": ("TCT", "jabber_iphone", "Jabber_for_iOS-14.1.0"),
    "android": ("BOT", "jabber_android", "Jabber_for_Android-14.1.0"),
}
"""Each platform's device-name prefix, the default that holds its SIP User-Agent, and its load."""
CONFIGURATION_PORT = 6972
"""HTTPS port of configuration files on Unified CM 11 and later."""


class Jabber:
    """One user's Jabber on one machine.

    ``accept_untrusted`` is the user's answer to the question about a certificate that does not verify. ``excluded``
    are services left out of discovery: ``CUCM``, ``CUP``.
    """

    def __init__(
        self,
        node: Node,
        user: User,
        *,
        platform: Platform = "windows",
        domain: str | None = None,
        accept_untrusted: bool = False,
        excluded: tuple[str, ...] = (),
        progress: Callable[[Stage, str, str], None] | None = None,
    ) -> None:
        self.node = node
        self.user = user
        self.platform = platform
        self.domain = domain or node.deployment.domains.edge
        self.accept_untrusted = accept_untrusted
        self.excluded = excluded
        self.progress = progress
        self.stage = Stage.SIGNED_OUT
        self.messages: list[tuple[str, str]] = []
        self.outside = False
        self.phone: Phone | None = None
        self.chat: Chat | None = None
        self._access: Access | None = None
        self._password = user.password
        self._entropy = node.host.entropy(f"jabber of {user.id}")
        self._problems: dict[Stage, str] = {}
        self._edge: EdgeConfig | None = None
        self._uds = ""
        self._profile: uds.User | None = None
        self._device: uds.Device | None = None
        self._services: config_files.ServiceProfile | None = None
        self._config: config_files.DeviceConfig | None = None
        self._soap: tuple[str, str] | None = None
        self._targets: tuple[tuple[str, int], ...] = ()
        self._chat_server = ""
        resolver = node.resolver
        if isinstance(resolver, Resolver):
            resolver.keys = self.keys  # one machine, one user

    @property
    def keys(self) -> tuple[str, ...]:
        """What correlates this client's entries."""
        return (f"user:{self.user.id}",)

    @property
    def device(self) -> str:
        """The name of the device that this client registers."""
        prefix = PLATFORMS[self.platform][0]
        own = next((name for name in self.user.devices or () if name.startswith(prefix)), None)
        return own or f"{prefix}{self.user.id.upper()}"

    # ---- signing in

    async def sign_in(self, password: str | None = None) -> SignIn:
        """Sign in with name and password (the user's own, unless given); never raises for what the network does."""
        return await self.node.host.run(self._sign_in(password), name=f"sign-in of {self.user.id}")

    async def _sign_in(self, password: str | None) -> SignIn:
        self._password = self.user.password if password is None else password
        self._problems.clear()
        self._access = Access(
            self.node, self.user.id, self._password, self.keys, accept_untrusted=self.accept_untrusted
        )
        self.stage = Stage.SIGNED_OUT
        self._go(Result.OK, "")
        while self.stage not in FINAL:
            stage = self.stage
            try:
                result, detail = await self._work[stage](self)
            except StageFailed as error:
                result, detail = Result.FAILED, str(error)
                self._problems[stage] = detail
            self._tell(stage, result, detail)
            self._go(result, detail)
        return self._outcome()

    def _go(self, result: Result, _: str) -> None:
        self.stage = TRANSITIONS[self.stage, result]

    def _tell(self, stage: Stage, result: Result, detail: str) -> None:
        event = events.ClientState(user=self.user.id, stage=stage.value, outcome=result.value, detail=detail)
        self.node.journal.emit(event, keys=self.keys)
        if self.progress is not None:
            self.progress(stage, result.value, detail)

    def _outcome(self) -> SignIn:
        phone = self.phone is not None and self.phone.registered
        chat = self.chat is not None and not self.chat.ended.is_set()
        stage, reason = next(iter(self._problems.items()), (self.stage, ""))
        failed = self.stage is Stage.FAILED or not (phone or chat)
        if failed:
            self.stage = Stage.FAILED
        ok = not failed
        return SignIn(ok=ok, phone=phone, chat=chat, outside=self.outside, stage=stage, reason=reason)

    # ---- the stages

    async def _discovery(self) -> tuple[Result, str]:
        found = await discover(self.node, self.domain, excluded=self.excluded)
        self.outside = not found.inside
        self._targets = found.targets
        targets = ", ".join(f"{host}:{port}" for host, port in found.targets)
        if found.inside:
            self._uds = f"https://{found.targets[0][0]}:{found.targets[0][1]}"
            return Result.INSIDE, f"{found.service} answers: {targets}"
        return Result.OUTSIDE, f"{found.service} answers: {targets}"

    async def _edge_configuration(self) -> tuple[Result, str]:
        access = self._http
        access.edge = Edge(domain=self.domain, hosts=list(self._targets))
        asked = "&".join(f"service_name={name}" for name in self.node.defaults.client.asked_services)
        reasons: list[str] = []
        for host, port in self._targets:
            try:
                response = await access.control(f"{edge_config.RESOURCE}?{asked}", host, port)
            except StageFailed as error:
                reasons.append(f"{host}: {error}")
                continue
            self._edge = self._judge_edge_configuration(response, host)
            servers = [(server.address, server.port) for server in self._edge.http]
            ordered = [(host, port), *(server for server in servers if server[0] != host)]
            access.edge = Edge(domain=self.domain, hosts=ordered)
            uds_service = self._edge.service("_cisco-uds")
            if uds_service is None or not uds_service.servers:
                raise StageFailed("the edge configuration names no _cisco-uds server")
            first = uds_service.servers[0]
            self._uds = f"https://{first.address}:{first.port}"
            return Result.OK, f"from {host}; UDS at {first.address}"
        raise StageFailed("; ".join(reasons))

    def _judge_edge_configuration(self, response: Response, host: str) -> EdgeConfig:
        if response.status != 200:
            realm = response.headers.get("WWW-Authenticate") or response.headers.get("Server") or ""
            raise StageFailed(f"get_edge_config: {response.status} {response.phrase} {realm}".rstrip())
        try:
            self._http.cookies.edge_cookie(host)
        except cookie.EdgeCookieUnusable as error:
            raise StageFailed(f"{error} {cookie.EDGE_CONFIG_FAILED}") from error
        try:
            return edge_config.parse(response.body)
        except edge_config.EdgeConfigError as error:
            raise StageFailed(f"{cookie.EDGE_CONFIG_FAILED} ({error})") from error

    async def _home_cluster(self) -> tuple[Result, str]:
        response = await self._http.get(self._uds + uds.cluster_user_target(username=self.user.id))
        if response.status != 200:
            raise StageFailed(f"Home Uds query failed responseCode =[{response.status}]")
        found = self._parsed(uds.ClusterUser.parse, response)
        if found.home is None:
            raise StageFailed("LocatorUdsQuery has failed with result: NO_HOME_UDS_FOUND")
        port = self._uds.rsplit(":", 1)[1]
        self._uds = f"https://{found.home.host}:{port}"
        return Result.OK, found.home.host

    async def _uds_version(self) -> tuple[Result, str]:
        response = await self._expect(await self._http.get(f"{self._uds}/cucm-uds/version"))
        return Result.OK, self._parsed(uds.Version.parse, response).product

    async def _uds_servers(self) -> tuple[Result, str]:
        response = await self._expect(await self._http.get(f"{self._uds}/cucm-uds/servers"))
        return Result.OK, ", ".join(self._parsed(uds.Servers.parse, response).servers)

    async def _user(self) -> tuple[Result, str]:
        response = await self._http.get(self._uds + uds.user_target(self.user.id), authenticate=True)
        if response.status == 401:
            raise StageFailed("HTTP response code 401: FAILED_TO_AUTHENTICATE_WITH_CALL_MANAGER")
        self._profile = self._parsed(uds.User.parse, await self._expect(response))
        return Result.OK, self._profile.display_name or self._profile.user_name

    async def _devices(self) -> tuple[Result, str]:
        target = uds.user_target(self.user.id, "devices")
        response = await self._expect(await self._http.get(self._uds + target, authenticate=True))
        devices = self._parsed(uds.Devices.parse, response).devices
        wanted = PLATFORMS[self.platform][0]
        self._device = next((one for one in devices if one.name.startswith(wanted)), None)
        if self._device is None:
            return Result.OK, f"no {wanted} device: no phone service"
        return Result.OK, self._device.name

    async def _service_profile(self) -> tuple[Result, str]:
        uri = self._profile.service_profile if self._profile is not None else None
        if not uri:
            raise StageFailed("the user has no service profile")
        host, file = uri.split("/", 3)[2].rsplit(":", 1)[0], uri.rsplit("/", 1)[-1]
        response = await self._file(host, file)
        self._services = self._parsed(config_files.ServiceProfile.parse, response)
        return Result.OK, f"IM and Presence: {', '.join(self._services.presence) or 'none'}"

    async def _jabber_config(self) -> tuple[Result, str]:
        response = await self._file(self._tftp, "jabber-config.xml")
        self._parsed(config_files.JabberConfig.parse, response)
        return Result.OK, "jabber-config.xml"

    async def _device_file(self) -> tuple[Result, str]:
        if self._device is None:
            return Result.NONE, "no device"
        name = config_files.device_file(self._device.name)
        self._config = self._parsed(config_files.DeviceConfig.parse, await self._file(self._tftp, name))
        return Result.OK, name

    @property
    def _tftp(self) -> str:
        if self._edge is not None and self._edge.tftp_addresses:
            return self._edge.tftp_addresses[0]
        return self._uds.split("//", 1)[1].rsplit(":", 1)[0]

    async def _file(self, host: str, name: str) -> Response:
        return await self._expect(await self._http.get(f"https://{host}:{CONFIGURATION_PORT}/{name}"))

    async def _phone(self) -> tuple[Result, str]:
        self.phone = Phone(
            self.node,
            self._paths(),
            self._registrant,
            user=self.user.id,
            password=self._password,
            tls=client_context(self.node.trusts["system"], keylog=self.node.keylog),
            delta=self._config.timers.register_delta if self._config else 5,
            asked_expires=self._config.timers.register_expires if self._config else 3600,
            tell=lambda what, how: self._tell(Stage.PHONE, Result.NONE, f"{what}: {how}"),
        )
        await self.phone.register()
        path = self.phone.path
        assert path is not None
        return Result.OK, f"{self.device} at {path.node} through {path.host}"

    def _paths(self) -> list[Path]:
        """Return the ways to a registrar: each node of the group, through each E where the client is outside."""
        assert self._config is not None
        nodes = self._config.call_managers[: self.node.defaults.client.node_limit]
        if self.outside and self._edge is not None:
            routes = self._edge.routes
            return [
                Path(host=edge.address, port=edge.port, transport="tls", node=node.process_node, routes=routes[:1])
                for node in nodes
                for edge in self._edge.sip
            ]
        secure = self._config.security_mode > 1
        return [
            Path(
                host=node.process_node,
                port=node.secured_sip_port if secure else node.sip_port,
                transport="tls" if secure else "tcp",
                node=node.process_node,
            )
            for node in nodes
        ]

    def _registrant(self, path: Path) -> Registrant:
        assert self._config is not None and self._device is not None
        line = self._config.lines[0]
        prefix, agent, load = PLATFORMS[self.platform]
        instance = hashlib.sha256(f"{self.node.name}/{self._device.name}".encode()).hexdigest()[:12]
        return Registrant(
            node=path.node,
            number=line.name,
            contact_user=line.contact,
            device=self._device.name,
            model=DEVICE_TYPES[JABBER_PREFIXES[prefix]].model,
            instance=instance,
            agent=str(getattr(self.node.defaults.agents, agent)),
            load=load,
            mra=self.outside and self.node.defaults.client.adaptive_routing,
        )

    async def _chat_login(self) -> tuple[Result, str]:
        servers = self._services.presence if self._services is not None else ()
        own = self._profile.im_and_presence if self._profile is not None else None
        if not servers and not own:
            return Result.NONE, "no IM and Presence server"
        kind = self.node.defaults.client.soap_client_type
        server = own or servers[0]
        self._soap = await soap_login(self._http, server, self.user.id, self._password, kind)
        self._chat_server = server
        return Result.OK, f"{server}, presence domain {self._soap[0]}"

    async def _chat(self) -> tuple[Result, str]:
        assert self._soap is not None
        domain, once = self._soap
        jid = f"{self.user.id}@{domain}"
        self.chat = Chat(
            self.node,
            jid,
            once,
            tls=client_context(self.node.trusts["system"], keylog=self.node.keylog),
            entropy=self._entropy,
            keys=(*self.keys, f"jid:{jid}"),
            heard=lambda sender, text: self.messages.append((sender, text)),
        )
        if self.outside and self._edge is not None and self._edge.xmpp:
            host, port = self._edge.xmpp[0].address, self._edge.xmpp[0].port
        else:
            host, port = self._chat_server, self.node.defaults.ports.im_presence_client
        await self.chat.open(host, port, self.node.defaults.client.xmpp_timeout_s)
        return Result.OK, str(self.chat.boundjid)

    _work: dict[Stage, Callable[[Jabber], Awaitable[tuple[Result, str]]]] = {  # noqa: RUF012 - a constant table
        Stage.DISCOVERY: _discovery,
        Stage.EDGE_CONFIGURATION: _edge_configuration,
        Stage.HOME_CLUSTER: _home_cluster,
        Stage.UDS_VERSION: _uds_version,
        Stage.UDS_SERVERS: _uds_servers,
        Stage.USER: _user,
        Stage.DEVICES: _devices,
        Stage.SERVICE_PROFILE: _service_profile,
        Stage.JABBER_CONFIG: _jabber_config,
        Stage.DEVICE_FILE: _device_file,
        Stage.PHONE: _phone,
        Stage.CHAT_LOGIN: _chat_login,
        Stage.CHAT: _chat,
    }

    @property
    def _http(self) -> Access:
        assert self._access is not None
        return self._access

    async def _expect(self, response: Response) -> Response:
        if response.status != 200:
            raise StageFailed(f"{response.status} {response.phrase}")
        return response

    def _parsed(self, parse: Callable[[bytes], T], response: Response) -> T:
        try:
            return parse(response.body)
        except (uds.UdsError, config_files.ConfigFileError) as error:
            raise StageFailed(f"an answer that cannot be read: {error}") from error

    # ---- signed in

    async def say(self, to: str, text: str) -> None:
        """Send a one-to-one message to a user id or a JID. Raises `StageFailed` without a chat session."""
        chat = self.chat
        if chat is None or chat.ended.is_set():
            raise StageFailed("no chat session")
        address = to if "@" in to else f"{to}@{chat.boundjid.domain}"

        async def send() -> None:
            chat.say(address, text)

        await self.node.host.run(send(), name="say")

    async def sign_out(self) -> None:
        """End the registration and the chat session, and forget the cookies."""
        if self.stage is not Stage.SIGNED_OUT:
            await self.node.host.run(self._sign_out(), name=f"sign-out of {self.user.id}")

    async def _sign_out(self) -> None:
        if self.phone is not None:
            await self.phone.unregister()
        await self._close()
        self._tell(Stage.SIGNED_OUT, Result.OK, "")
        self.stage = Stage.SIGNED_OUT

    async def close(self) -> None:
        """Let go of everything; no error if the client was never used."""
        if self.node.host.life.fenced:
            return
        await self.node.host.run(self._close(), name=f"close {self.user.id}")

    async def _close(self) -> None:
        if self.phone is not None:
            await self.phone.close()
            self.phone = None
        if self.chat is not None:
            await self.chat.leave()
            self.chat = None
        if self._access is not None:
            await self._access.close()
            self._access = None
