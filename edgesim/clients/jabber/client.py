"""A simulated Jabber: the sign-in of `stages.TRANSITIONS`, and the actions of a signed-in user.

A real Jabber also watches the network and moves between inside and outside; this one stays where it signed in.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence

from edgesim.clients.common.edge import keep_signed_in
from edgesim.clients.common.habits import RegistrationPath
from edgesim.clients.common.line import Line
from edgesim.clients.common.reactions import Unregistered
from edgesim.clients.common.register import Registrant
from edgesim.clients.common.stages import Result, StageFailed, next_stage
from edgesim.clients.jabber.access import JabberAccess
from edgesim.clients.jabber.chat import Chat
from edgesim.clients.jabber.chat_service import ChatService
from edgesim.clients.jabber.missed import MissedServices
from edgesim.clients.jabber.platforms import PLATFORMS, announces_adaptive_routing
from edgesim.clients.jabber.provisioning import Provisioning, Step
from edgesim.clients.jabber.registration import habits_of, registrant_of
from edgesim.clients.jabber.soap_login import SoapClient, SoapSession
from edgesim.clients.jabber.stages import FINAL, TRANSITIONS, SignIn, Stage
from edgesim.deployment import Release
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.deployment.releases import DEFAULT_JABBER
from edgesim.deployment.settings import JabberPlatform
from edgesim.dns import Resolver
from edgesim.journal import events
from edgesim.journal.keys import Key, jid_key, user_key
from edgesim.node import Node
from edgesim.world.api import Incarnation

GONE = "the client's own machine went down"
CLOSED = "the client was closed"
NOTHING_THERE = "the user has neither a device of this platform nor IM and Presence"


class Jabber:
    """One user's Jabber on one host.

    ``accept_untrusted`` is the user's reply to the prompt about an untrusted certificate, ``take_over`` the reply if
    another client uses the device. ``excluded`` are services left out of discovery: ``CUCM``, ``CUP``. ``progress`` is
    called with each stage, its result and a line of text; ``on_message`` with the bare JID of the sender and the text
    of each message.
    """

    def __init__(
        self,
        node: Node,
        user: User,
        *,
        platform: JabberPlatform = "windows",
        domain: str | None = None,
        accept_untrusted: bool = False,
        take_over: bool = True,
        excluded: Sequence[str] = (),
        progress: Callable[[Stage, str, str], None] | None = None,
        on_message: Callable[[str, str], None] | None = None,
    ) -> None:
        self.node = node
        self.user = user
        self.platform = platform
        self.traits = PLATFORMS[platform]
        machine = node.spec.spec
        self.release: Release = machine.release if isinstance(machine, ClientHost) else DEFAULT_JABBER
        self.domain = domain or node.deployment.domains.edge
        self.accept_untrusted = accept_untrusted
        self.take_over = take_over
        self.excluded = tuple(excluded)
        self.progress = progress
        self.on_message = on_message
        self.stage = Stage.SIGNED_OUT
        self.messages: list[tuple[str, str]] = []
        self.phone: Line | None = None
        self._password = user.password
        self._problems: dict[Stage, StageFailed] = {}
        self._unregistered: Unregistered | None = None
        self._life: Incarnation | None = None
        self._signing: asyncio.Task[SignIn] | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._missed: asyncio.Task[None] | None = None
        self._access: JabberAccess | None = None
        self._learned: Provisioning | None = None
        self._chat: ChatService | None = None
        resolver = node.resolver
        if isinstance(resolver, Resolver):
            resolver.keys = self.keys  # one host, one user

    @property
    def keys(self) -> tuple[Key, ...]:
        """The correlation keys of this client's entries."""
        return (user_key(self.user.id),)

    @property
    def device(self) -> str:
        """The name of the device that this client registers."""
        prefix = self.traits.prefix
        own = next((name for name in self.user.devices if name.startswith(prefix)), None)
        return own or f"{prefix}{self.user.id.upper()}"

    @property
    def outside(self) -> bool:
        """Whether the last discovery found the client outside."""
        return self._learned is not None and self._learned.outside

    @property
    def chat(self) -> Chat | None:
        """The chat session, or None."""
        return self._chat.stream if self._chat is not None and self._chat.connected else None

    # ---- signing in

    async def sign_in(self, password: str | None = None) -> SignIn:
        """Sign in with name and password (by default the user's own); never raises for network failures."""
        if self._signing is not None:
            raise RuntimeError(f"{self.user.id} is signing in already")
        if self._is_gone:
            self._forget()
        self._life = self.node.host.life
        if self._is_gone:
            return self._ended(GONE)
        task = self._signing = self.node.host.spawn(self._sign_in(password), name=f"sign-in of {self.user.id}")
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            return self._ended(GONE if self._is_gone else CLOSED)
        finally:
            self._signing = None

    def _ended(self, reason: str) -> SignIn:
        stage, self.stage = self.stage, Stage.FAILED
        return SignIn(ok=False, phone=False, chat=False, outside=self.outside, stage=stage, reason=reason)

    async def _sign_in(self, password: str | None) -> SignIn:
        await self._let_go()
        self._password = self.user.password if password is None else password
        self._problems.clear()
        self._unregistered = None
        self._access = access = JabberAccess(
            self.node, self.user.id, self._password, self.keys, accept_untrusted=self.accept_untrusted
        )
        self._learned = Provisioning(
            self.node,
            access,
            user=self.user.id,
            domain=self.domain,
            prefix=self.traits.prefix,
            excluded=self.excluded,
        )
        self.stage = next_stage(TRANSITIONS, Stage.SIGNED_OUT, Result.OK)
        while self.stage not in FINAL:
            stage = self.stage
            try:
                result, detail = await self._work[stage](self)
            except StageFailed as error:
                result, detail = Result.FAILED, str(error)
                self._problems[stage] = error
            self._report(stage, result, detail)
            if stage is Stage.EDGE_CONFIGURATION and result is Result.OK:
                access.renew = self._learned.renew_edge
            self.stage = next_stage(TRANSITIONS, stage, result)
        return self._outcome()

    def _report(self, stage: Stage, result: Result, detail: str) -> None:
        event = events.ClientState(user=self.user.id, stage=stage.value, outcome=result.value, detail=detail)
        self.node.journal.emit(event, keys=self.keys)
        if self.progress is not None:
            self.progress(stage, result.value, detail)

    def _outcome(self) -> SignIn:
        phone = self.phone is not None and self.phone.registered
        chat = self._chat is not None and self._chat.connected
        stage, problem = next(iter(self._problems.items()), (self.stage, None))
        reason = str(problem) if problem is not None else ""
        failed = self.stage is Stage.FAILED or not (phone or chat)
        if failed and not reason:
            reason = NOTHING_THERE
        if failed:
            self.stage = Stage.FAILED
        else:
            if self.outside:
                self._upkeep = self.node.host.spawn(self._keep_edge(), name="edge: keep signed in")
            self._persist()
            missed = MissedServices(self.node, self._problems, self._again)
            if missed.open:
                self._missed = self.node.host.spawn(missed.run(), name="missed services")
        return SignIn(ok=not failed, phone=phone, chat=chat, outside=self.outside, stage=stage, reason=reason)

    def _persist(self) -> None:
        """Leave a phone without registrar to its line, which keeps trying."""
        if self.phone is not None and self._unregistered is not None:
            self.phone.persist(self._unregistered)
            self._unregistered = None

    async def _again(self, stage: Stage) -> Result:
        """Repeat a stage that the sign-in missed."""
        try:
            result, detail = await self._work[stage](self)
        except StageFailed as error:
            self._report(stage, Result.FAILED, f"again: {error}")
            self._persist()
            raise
        self._report(stage, result, detail)
        return result

    # ---- the stages; the first ones are those of `Provisioning`

    @property
    def _found(self) -> Provisioning:
        assert self._learned is not None
        return self._learned

    @property
    def _http(self) -> JabberAccess:
        assert self._access is not None
        return self._access

    async def _register(self) -> Step:
        config = self._found.config
        assert config is not None
        self.phone = Line(
            self.node,
            self._found.paths(),
            self._registrant,
            user=self.user.id,
            password=self._password,
            tls=self._http.tls,
            habits=habits_of(
                self.node, config, self.release, adaptive=self._adaptive, outside=self.outside, take_over=self.take_over
            ),
            report=lambda result, detail: self._report(Stage.PHONE, result, detail),
            provision=self._provision_again,
        )
        try:
            await self.phone.register()
        except Unregistered as error:
            self._unregistered = error
            raise
        path = self.phone.path
        assert path is not None
        return Result.OK, f"{self.device} at {path.node} through {path.host}"

    @property
    def _adaptive(self) -> bool:
        wanted = self.node.defaults.client.adaptive_routing
        return self.outside and wanted and announces_adaptive_routing(self.traits.product, self.release)

    def _registrant(self, path: RegistrationPath) -> Registrant:
        found = self._found
        assert found.config is not None and found.device is not None
        return registrant_of(
            self.node,
            found.config,
            self.release,
            path=path,
            device=found.device.name,
            traits=self.traits,
            adaptive=self._adaptive,
        )

    async def _log_in_to_chat(self) -> Step:
        servers = self._found.presence_servers()
        if not servers:
            return Result.NONE, "no IM and Presence server"
        entropy = self.node.host.entropy(f"chat of {self.user.id}")
        kind, path = self.node.defaults.client.soap_client_type, self.node.defaults.im.soap_path
        chat = self._chat = ChatService(
            self.node,
            SoapClient(self._http, self.user.id, self._password, client_type=kind, path=path),
            servers,
            peers=self._xmpp_peers,
            server_name=lambda host: self._found.edge_server_name(host) if self.outside else None,
            make_stream=lambda jid, once: Chat(
                self.node,
                jid,
                once,
                tls=self._chat_tls(str(jid).rpartition("@")[2]),
                entropy=entropy,
                keys=(*self.keys, jid_key(jid)),
                heard=self._heard,
            ),
            user=self.user.id,
            entropy=entropy,
            report=lambda result, detail: self._report(Stage.CHAT, result, detail),
        )
        await chat.login()
        assert chat.session is not None
        return Result.OK, f"{chat.session.server}, presence domain {chat.session.domain}"

    def _chat_tls(self, domain: str) -> ssl.SSLContext:
        session = self._chat.session if self._chat is not None else None
        return self._http.chat_tls(domain, [host for host, _ in self._xmpp_peers(session)] if session else ())

    def _xmpp_peers(self, session: SoapSession) -> list[tuple[str, int]]:
        """Return the XMPP peers: over the edge always an Expressway-E."""
        edge = self._found.edge
        if self.outside and edge is not None and edge.xmpp:
            return [(server.address, server.port) for server in edge.xmpp]
        port = self.node.defaults.ports.im_presence_client
        return [(server, port) for server in (session.primary, session.secondary) if server]

    async def _connect_to_chat(self) -> Step:
        assert self._chat is not None
        await self._chat.connect()
        return Result.OK, str(self._chat.stream.boundjid) if self._chat.stream is not None else ""

    def _heard(self, sender: str, text: str) -> None:
        self.messages.append((sender, text))
        if self.on_message is not None:
            self.on_message(sender, text)

    _work: dict[Stage, Callable[[Jabber], Awaitable[Step]]] = {  # noqa: RUF012 - a constant table
        Stage.DISCOVERY: lambda self: self._found.discovery(),
        Stage.EDGE_CONFIGURATION: lambda self: self._found.edge_configuration(),
        Stage.HOME_CLUSTER: lambda self: self._found.home_cluster(),
        Stage.UDS_VERSION: lambda self: self._found.uds_version(),
        Stage.UDS_SERVERS: lambda self: self._found.uds_servers(),
        Stage.USER: lambda self: self._found.user(),
        Stage.DEVICES: lambda self: self._found.devices(),
        Stage.SERVICE_PROFILE: lambda self: self._found.service_profile(),
        Stage.JABBER_CONFIG: lambda self: self._found.jabber_config(),
        Stage.DEVICE_FILE: lambda self: self._found.device_file(),
        Stage.PHONE: _register,
        Stage.CHAT_LOGIN: _log_in_to_chat,
        Stage.CHAT: _connect_to_chat,
    }

    # ---- staying signed in

    async def _provision_again(self) -> tuple[RegistrationPath, ...]:
        """Fetch edge configuration and device file again, if possible, and return the registration paths."""
        found = self._found
        with contextlib.suppress(StageFailed):
            if self.outside:
                await found.renew_edge()
            await found.device_file()
        return found.paths()

    async def _keep_edge(self) -> None:
        """Fetch the edge configuration again before its cookie expires."""
        found = self._found
        await keep_signed_in(self.node, found.cookie_expires, found.renew_edge, self._renewed)

    def _renewed(self, problem: str) -> None:
        if problem:
            self._report(Stage.EDGE_CONFIGURATION, Result.FAILED, f"refresh: {problem}")
            return
        self._report(Stage.EDGE_CONFIGURATION, Result.OK, "refreshed")
        if self.phone is not None:
            self.phone.paths = self._found.paths()

    # ---- signed in

    async def say(self, to: str, text: str) -> None:
        """Send a one-to-one message to a user id or JID. Raises `StageFailed` without a chat session."""
        chat = self._session()

        async def send() -> None:
            chat.say(self._jid_of(to), text)

        await self.node.host.run(send(), name="say")

    async def add_contact(self, user: str) -> None:
        """Add a user (id or JID) to the roster and request presence. Raises `StageFailed`."""
        await self.node.host.run(self._session().add_contact(self._jid_of(user), user), name="add a contact")

    def presence_of(self, user: str) -> str:
        """Return a user's availability as this client knows it: ``available``, ``away`` ... ``unavailable``."""
        chat = self.chat
        return chat.presence_of(self._jid_of(user)) if chat is not None else "unavailable"

    async def appear(self, show: str, status: str = "") -> None:
        """Send presence: ``available``, ``chat``, ``away``, ``xa``, ``dnd``. Raises `StageFailed`."""
        chat = self._session()

        async def send() -> None:
            chat.send_presence(pshow=None if show == "available" else show, pstatus=status or None)

        await self.node.host.run(send(), name="appear")

    @property
    def contacts(self) -> dict[str, str]:
        """The roster: bare JID to subscription (``both``, ``to`` ...)."""
        return dict(self.chat.contacts) if self.chat is not None else {}

    def _session(self) -> Chat:
        if self.chat is None:
            raise StageFailed("no chat session")
        return self.chat

    def _jid_of(self, user: str) -> str:
        domain = self._chat.session.domain if self._chat is not None and self._chat.session is not None else self.domain
        return user if "@" in user else f"{user}@{domain}"

    # ---- sign-out and close

    async def sign_out(self) -> None:
        """End the registration, then the chat session, and delete the cookies; a sign-in in progress ends first."""
        await self._stop_signing_in()
        if self._is_gone:
            self._forget()
        elif self.stage is not Stage.SIGNED_OUT:
            await self.node.host.run(self._sign_out(), name=f"sign-out of {self.user.id}")

    async def _sign_out(self) -> None:
        if self.phone is not None:
            await self.phone.unregister()
        await self._let_go()
        self._report(Stage.SIGNED_OUT, Result.OK, "")

    async def close(self) -> None:
        """Release everything, in any state; not an error if the client was never used or its host is gone."""
        await self._stop_signing_in()
        if self._is_gone:
            self._forget()
        elif self._life is not None:
            await self.node.host.run(self._let_go(), name=f"close {self.user.id}")

    @property
    def _is_gone(self) -> bool:
        """Whether the host has restarted since the sign-in."""
        return self._life is not None and (self._life.fenced or self._life is not self.node.host.life)

    async def _stop_signing_in(self) -> None:
        task = self._signing
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _let_go(self) -> None:
        """Close all parts, each even if another one fails."""
        async with contextlib.AsyncExitStack() as parts:
            upkeep, phone, chat, access = self._upkeep, self.phone, self._chat, self._access
            missed = self._missed
            self._forget()
            if access is not None:
                parts.push_async_callback(access.close)
            if chat is not None:
                parts.push_async_callback(chat.close)
            if phone is not None:
                parts.push_async_callback(phone.close)
            for task in (upkeep, missed):
                if task is not None:
                    task.cancel()

    def _forget(self) -> None:
        self._upkeep = self._missed = self.phone = self._chat = self._access = None
        self.stage = Stage.SIGNED_OUT
