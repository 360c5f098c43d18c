"""The chat service of a Jabber client: signs in, and again when the stream is lost.

The states are those of "Configuration and Administration of the IM and Presence Service", Redundancy and High
Availability: P is the primary node, S the secondary one; a SESSION state uses the existing session key, the plain one
signs in again. After all states have failed the client makes no further attempt until the user signs in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

from edgesim.clients.common.stages import Result, StageFailed, next_stage
from edgesim.clients.jabber.chat import Chat
from edgesim.clients.jabber.soap_login import SoapClient, SoapSession
from edgesim.node import Node
from edgesim.world import Entropy
from edgesim.xmpp.jid import Jid, JidError


class ChatState(Enum):
    """The states of the chat service."""

    SIGNED_OUT = "signed out"
    SOAPCONNECT_SESSION_P = "session at the primary"
    SOAPCONNECT_SESSION_S = "session at the secondary"
    SOAPCONNECT_P = "login at the primary"
    SOAPCONNECT_S = "login at the secondary"
    SOAPCONNECTED = "one-time password received"
    XMPPCONNECT_P = "XMPP at the primary"
    XMPPCONNECT_S = "XMPP at the secondary"
    XMPPCONNECTED = "connected"
    FAILOVER = "waiting for its turn to sign in again"


CHAT_TRANSITIONS: dict[tuple[ChatState, bool], ChatState] = {
    (ChatState.SIGNED_OUT, True): ChatState.SOAPCONNECT_P,
    (ChatState.XMPPCONNECTED, False): ChatState.FAILOVER,
    (ChatState.FAILOVER, True): ChatState.SOAPCONNECT_SESSION_P,
    (ChatState.SOAPCONNECT_SESSION_P, True): ChatState.SOAPCONNECTED,
    (ChatState.SOAPCONNECT_SESSION_P, False): ChatState.SOAPCONNECT_SESSION_S,
    (ChatState.SOAPCONNECT_SESSION_S, True): ChatState.SOAPCONNECTED,
    (ChatState.SOAPCONNECT_SESSION_S, False): ChatState.SOAPCONNECT_P,
    (ChatState.SOAPCONNECT_P, True): ChatState.SOAPCONNECTED,
    (ChatState.SOAPCONNECT_P, False): ChatState.SOAPCONNECT_S,
    (ChatState.SOAPCONNECT_S, True): ChatState.SOAPCONNECTED,
    (ChatState.SOAPCONNECT_S, False): ChatState.SIGNED_OUT,
    (ChatState.SOAPCONNECTED, True): ChatState.XMPPCONNECT_P,
    (ChatState.XMPPCONNECT_P, True): ChatState.XMPPCONNECTED,
    (ChatState.XMPPCONNECT_P, False): ChatState.XMPPCONNECT_S,
    (ChatState.XMPPCONNECT_S, True): ChatState.XMPPCONNECTED,
    (ChatState.XMPPCONNECT_S, False): ChatState.SIGNED_OUT,
}
"""The next state after success (True) or failure."""

Peers = Callable[[SoapSession], Sequence[tuple[str, int]]]
"""The XMPP peers: the primary, and the secondary if there is one."""


class ChatService:
    """Keeps one user's chat session alive. ``nodes`` are IM and Presence servers, the user's own first.

    ``server_name`` returns the TLS server name for a peer. ``make_stream`` creates a `Chat` for a JID and a one-time
    password. ``report`` is called with events after sign-in.
    """

    def __init__(
        self,
        node: Node,
        soap: SoapClient,
        nodes: Sequence[str],
        *,
        peers: Peers,
        server_name: Callable[[str], str | None],
        make_stream: Callable[[str, str], Chat],
        user: str,
        entropy: Entropy,
        report: Callable[[Result, str], None],
    ) -> None:
        self.node = node
        self.nodes = tuple(nodes)
        self.state = ChatState.SIGNED_OUT
        self.session: SoapSession | None = None
        self.stream: Chat | None = None
        self._soap = soap
        self._peers = peers
        self._server_name = server_name
        self._make_stream = make_stream
        self._user = user
        self._entropy = entropy
        self._report = report
        self._password: str | None = None
        self._problems: list[str] = []
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether a session is established."""
        return self.stream is not None and not self.stream.ended.is_set() and self.state is ChatState.XMPPCONNECTED

    async def login(self) -> None:
        """Sign in as far as a one-time password. Raises `StageFailed`."""
        self.state = ChatState.SIGNED_OUT
        await self._run(until=ChatState.SOAPCONNECTED)

    async def connect(self) -> None:
        """Open the XMPP session and keep it from then on. Raises `StageFailed`."""
        await self._run(until=ChatState.XMPPCONNECTED)
        self._keeper = self.node.host.spawn(self._keep(), name="chat: keep connected")

    async def close(self) -> None:
        """Close the session cleanly."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        stream, self.stream = self.stream, None
        self.state = ChatState.SIGNED_OUT
        if stream is not None:
            await stream.leave()

    # ---- the state machine

    async def _run(self, *, until: ChatState) -> None:
        """Run the states. Raises `StageFailed` with all failures if it ends signed out."""
        self._problems.clear()
        refused = False
        while True:
            work = self._work.get(self.state)
            worked = True
            if work is not None:
                try:
                    await work(self)
                except StageFailed as error:
                    worked = False
                    refused = refused or error.refused
                    if str(error) and str(error) not in self._problems:
                        self._problems.append(str(error))
            self.state = next_stage(CHAT_TRANSITIONS, self.state, worked)
            if self.state is until:
                return
            if self.state is ChatState.SIGNED_OUT:
                raise StageFailed("; ".join(self._problems), refused=refused)

    async def _wait(self) -> None:
        """Wait a random time within the limits of Client Re-Login, so that clients do not all return at once."""
        limits = self.node.defaults.recovery
        await asyncio.sleep(self._entropy.uniform(limits.relogin_lower_s, limits.relogin_upper_s))

    async def _ask_with_key(self, position: int) -> None:
        session = self.session
        if session is None or position > 0:  # only the node that issued the key knows it
            raise StageFailed("")
        self._password = await self._soap.one_time_password(session)

    async def _log_in(self, position: int) -> None:
        if position >= len(self.nodes):
            raise StageFailed("")
        self.session = await self._soap.login(self.nodes[position])
        self._password = await self._soap.one_time_password(self.session)

    async def _open(self, position: int) -> None:
        session = self.session
        assert session is not None
        peers = self._peers(session)
        if position >= len(peers):
            raise StageFailed("")
        password, self._password = self._password, None
        if password is None:  # the first attempt used it up
            password = await self._soap.one_time_password(session)
        try:
            address = str(Jid.of_user(self._user, session.domain))
        except JidError as error:
            raise StageFailed(f"{self._user!r} has no address in {session.domain}: {error}") from None
        stream = self.stream = self._make_stream(address, password)
        host, port = peers[position]
        await stream.open(host, port, self.node.defaults.client.xmpp_timeout_s, self._server_name(host))

    async def _keep(self) -> None:
        """Keep the stream alive, and reconnect when it is lost."""
        interval = self.node.defaults.im.whitespace_keepalive_s
        while True:
            stream = self.stream
            assert stream is not None
            while not stream.ended.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(interval):
                        await stream.ended.wait()
                        break
                stream.send_space()
            stream.drop()
            self._report(Result.FAILED, f"chat lost: {stream.problem}")
            self.state = next_stage(CHAT_TRANSITIONS, self.state, False)
            try:
                await self._run(until=ChatState.XMPPCONNECTED)
            except StageFailed as error:
                self._report(Result.FAILED, f"chat stays down until the user signs in: {error}")
                return
            self._report(Result.OK, f"chat is back as {self.stream.boundjid if self.stream else ''}")

    _work: dict[ChatState, Callable[[ChatService], Awaitable[None]]] = {  # noqa: RUF012 - a constant table
        ChatState.FAILOVER: _wait,
        ChatState.SOAPCONNECT_SESSION_P: lambda self: self._ask_with_key(0),
        ChatState.SOAPCONNECT_SESSION_S: lambda self: self._ask_with_key(1),
        ChatState.SOAPCONNECT_P: lambda self: self._log_in(0),
        ChatState.SOAPCONNECT_S: lambda self: self._log_in(1),
        ChatState.XMPPCONNECT_P: lambda self: self._open(0),
        ChatState.XMPPCONNECT_S: lambda self: self._open(1),
    }
