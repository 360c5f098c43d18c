"""The REGISTERs of one line: the connection, the dialogue, and the reactions to responses.

The reactions are those of the published ancestor of the client's SIP stack (SIPCC).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace

from edgesim.clients.common.habits import Habits, RegistrationPath
from edgesim.clients.common.reactions import (
    Reaction,
    Unregistered,
    min_expires,
    reaction_to,
    redirected_to,
    refusal,
    retry_after,
    warns,
)
from edgesim.clients.common.register import (
    ADAPTIVE_ROUTING,
    FORCED,
    INITIALIZED,
    PROBE,
    Dialogue,
    Identifiers,
    Registrant,
    granted_expires,
    register,
)
from edgesim.node import Node
from edgesim.sip import Connection, Response, SipEndpoint, SipError, SipTimeout
from edgesim.sip.settings import limits_of, timers_of

ATTEMPTS = 3
"""The maximum number of REGISTERs for one registration: the first, and those after a challenge and a stale nonce."""
DETOURS = 5
"""How many redirections and longer intervals are followed."""


class Redirected(Exception):
    """The registrar redirected the client."""

    def __init__(self, path: RegistrationPath) -> None:
        super().__init__(f"redirected to {path.host}:{path.port}")
        self.path = path


class Registering:
    """Registers one line with one registrar at a time. ``who`` returns the registrant for a path."""

    def __init__(
        self,
        node: Node,
        who: Callable[[RegistrationPath], Registrant],
        *,
        user: str,
        password: str,
        tls: ssl.SSLContext,
        habits: Habits,
        on_lost: Callable[[Connection, Exception | None], None],
    ) -> None:
        self.node = node
        self.registered = False
        self.path: RegistrationPath | None = None
        self.habits = habits
        self._who = who
        self._user, self._password = user, password
        self._tls = tls
        self._entropy = node.host.entropy(f"phone of {user}")
        self._endpoint = SipEndpoint(
            node.host,
            node.journal,
            limits=limits_of(node.defaults.sip),
            timers=timers_of(node.defaults.sip),
            name="phone",
            on_lost=on_lost,
        )
        self._connection: Connection | None = None
        self._identifiers: Identifiers | None = None
        self._dialogue: Dialogue | None = None
        self._granted_s = 0
        self._adapts = False
        self._overloaded = False

    async def _by_any(self, paths: Sequence[RegistrationPath], alarm: str | None) -> None:
        """Register by the first path that works; only a broken path leads to the next."""
        reasons: list[str] = []
        for path in paths:
            try:
                await self._by(path, alarm)
            except Unregistered as error:
                reasons.append(f"{path.host}:{path.port}: {error}")
                if error.reaction is not Reaction.NEXT_PATH:
                    raise Unregistered("; ".join(reasons), error.reaction, after=error.after) from error
            else:
                return
        raise Unregistered("; ".join(reasons) or "no way to a registrar is known", Reaction.NEXT_PATH)

    async def _by(self, path: RegistrationPath, alarm: str | None) -> None:
        for _ in range(DETOURS):
            try:
                await self._at(path, alarm)
            except Redirected as redirection:
                path = redirection.path
            else:
                return
        raise Unregistered("redirected again and again", Reaction.REJECTED)

    async def _at(self, path: RegistrationPath, alarm: str | None) -> None:
        connection = await self._connected(path)
        who = self._who(path)
        self.path = path
        self._begin(who, alarm)
        try:
            if self.habits.graceful and alarm == INITIALIZED:
                await self._ask_whether_free(who)
            await self._exchange(who, self.habits.asked_expires)
        except (Unregistered, Redirected):
            connection.close()
            raise

    async def _connected(self, path: RegistrationPath) -> Connection:
        """Return a connection to the path's peer, the current one if possible. Raises `Unregistered`."""
        present, current = self._connection, self.path
        if present is not None and present.open and current is not None and current.peer == path.peer:
            return present
        connection = await self._open(path)
        if present is not None:
            present.close()
        self._connection = connection
        return connection

    async def _open(self, path: RegistrationPath) -> Connection:
        """Open a new connection to the path's peer. Raises `Unregistered`."""
        name = path.host if path.server_name is None else path.server_name
        try:
            return await self._endpoint.connect(
                path.host,
                path.port,
                "tls" if path.transport == "tls" else "tcp",
                ssl=self._tls if path.transport == "tls" else None,
                server_hostname=name if path.transport == "tls" else None,
                connect_timeout=self.node.defaults.client.connect_timeout_s,
                handshake_timeout=self.node.defaults.sip.tls_handshake_timeout_s,
            )
        except ssl.SSLCertVerificationError as error:
            raise Unregistered(f"certificate: {error.verify_message}", Reaction.NEXT_PATH) from error
        except (OSError, SipError) as error:
            raise Unregistered(str(error) or type(error).__name__, Reaction.NEXT_PATH) from error

    def _begin(self, who: Registrant, alarm: str | None) -> None:
        """Start a new Call-ID."""
        assert self._connection is not None
        self._dialogue = self._new_dialogue(who, self._connection)
        self._dialogue.alarm = alarm

    def _new_dialogue(self, who: Registrant, connection: Connection) -> Dialogue:
        if self._identifiers is None:
            self._identifiers = Identifiers(self._entropy, who.instance, self.habits.session)
        return Dialogue.new(
            self._entropy,
            user=self._user,
            password=self._password,
            instance=who.instance,
            address=connection.local[0],
            identifiers=self._identifiers,
        )

    async def _ask_whether_free(self, who: Registrant) -> None:
        """Send the probe of a graceful registration; the next REGISTER takes over the device. Raises `Unregistered`."""
        dialogue = self._dialogue
        assert dialogue is not None
        try:
            await self._exchange(replace(who, instance=PROBE), self.habits.asked_expires)
        except Unregistered as error:
            taken = self.node.defaults.unified_cm.warnings[0]
            if taken not in str(error) or not self.habits.take_over:
                raise
        dialogue.alarm = FORCED

    async def _exchange(self, who: Registrant, expires: int) -> None:
        """Send a REGISTER and react to its responses. Raises `Unregistered`, `Redirected`."""
        longer = 0
        challenged = 0
        while True:
            response = await self._ask(who, expires)
            match reaction_to(response, adaptive=self.habits.adaptive):
                case Reaction.GRANTED:
                    self._granted(response, who, expires)
                    return
                case Reaction.ANSWER:
                    challenged += 1
                    assert self._dialogue is not None
                    if challenged >= ATTEMPTS or not self._dialogue.challenged(response):
                        raise Unregistered(refusal(response), Reaction.REJECTED)
                case Reaction.INTERVAL if (least := min_expires(response)) and least > expires and longer < DETOURS:
                    longer += 1
                    expires = least
                    self._begin(who, self._dialogue.alarm if self._dialogue else None)
                case Reaction.REDIRECT if (target := redirected_to(response)) is not None:
                    assert self.path is not None
                    transport = target.parameters.get("transport") or self.path.transport
                    port = target.port or (5061 if transport == "tls" else 5060)
                    other = replace(self.path, host=target.host, port=port, transport=transport.lower())
                    raise Redirected(replace(other, server_name=None))
                case Reaction.WAIT:
                    raise Unregistered(refusal(response), Reaction.WAIT, after=retry_after(response))
                case Reaction.NEXT_PATH:
                    raise Unregistered(refusal(response), Reaction.NEXT_PATH)
                case _:
                    raise Unregistered(refusal(response), Reaction.REJECTED)

    async def _ask(self, who: Registrant, expires: int) -> Response:
        dialogue, connection, path = self._dialogue, self._connection, self.path
        assert dialogue is not None and connection is not None and path is not None
        try:
            request = register(
                who,
                dialogue,
                local=connection.local,
                transport=path.transport,
                date=self.node.host.clock.http_date(),
                expires=expires,
                routes=path.routes,
                uri=path.uri,
            )
        except SipError as error:
            raise Unregistered(str(error), Reaction.REJECTED) from error
        try:
            return await self._endpoint.request(request, connection)
        except SipError as error:
            if isinstance(error, SipTimeout):
                connection.abort()
            raise Unregistered(str(error), Reaction.NEXT_PATH) from error

    def _granted(self, response: Response, who: Registrant, expires: int) -> None:
        assert self._dialogue is not None
        self._dialogue.alarm = None
        if not expires:
            self.registered = False
            return
        try:
            self._granted_s = granted_expires(response, who.device)
        except SipError as error:
            raise Unregistered(str(error), Reaction.REJECTED) from error
        self.registered = True
        client, sip = self.node.defaults.client, self.node.defaults.sip
        self._overloaded = warns(response, sip.imbalance_warning) and (
            client.honours_imbalance == "all" or (client.honours_imbalance == "AR_SK only" and who.mra)
        )
        self._adapts = who.mra and ADAPTIVE_ROUTING in (response.get("Supported") or "")
