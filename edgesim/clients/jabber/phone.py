"""The phone service of a Jabber client: it registers, refreshes before expiry, keeps alive, and registers again."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgesim.clients.jabber.registration import (
    ADAPTIVE_ROUTING,
    Dialogue,
    Registrant,
    granted_expires,
    register,
)
from edgesim.clients.jabber.stages import StageFailed
from edgesim.node import Node
from edgesim.sip import Connection, Response, SipEndpoint, SipError, WarningValue

ATTEMPTS = 3
"""How many REGISTERs one registration may take: the first, the answer to a challenge, the answer to a stale nonce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One way to a registrar: the SIP peer to connect to, the Route to preload, and the Unified CM node meant."""

    host: str
    port: int
    transport: str
    node: str
    routes: tuple[str, ...] = ()


class Phone:
    """One line of one device. ``tell`` hears of what happens after the first registration."""

    def __init__(
        self,
        node: Node,
        paths: Sequence[Path],
        who: Callable[[Path], Registrant],
        *,
        user: str,
        password: str,
        tls: ssl.SSLContext,
        delta: int,
        asked_expires: int,
        tell: Callable[[str, str], None],
    ) -> None:
        self.node = node
        self.paths = tuple(paths)
        self.registered = False
        self.path: Path | None = None
        self._who = who
        self._user, self._password = user, password
        self._tls = tls
        self._delta = delta
        self._asked = asked_expires
        self._tell = tell
        self._entropy = node.host.entropy(f"phone of {user}")
        self._endpoint = SipEndpoint(node.host, node.journal, name="phone", on_lost=self._lost)
        self._connection: Connection | None = None
        self._dialogue: Dialogue | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()

    async def register(self) -> None:
        """Register by the first path that works and stay registered from then on. Raises `StageFailed`."""
        await self._by_any_path("25 initialized")
        self._keeper = self.node.host.spawn(self._keep(), name="phone: keep registered")

    async def _by_any_path(self, alarm: str) -> None:
        reasons = []
        for path in self.paths:
            try:
                await self._by(path, alarm)
            except StageFailed as error:
                reasons.append(f"{path.host}:{path.port}: {error}")
            else:
                return
        raise StageFailed("; ".join(reasons) or "no way to a registrar is known")

    async def _by(self, path: Path, alarm: str) -> None:
        who = self._who(path)
        defaults = self.node.defaults
        try:
            connection = await self._endpoint.connect(
                path.host,
                path.port,
                "tls" if path.transport == "tls" else "tcp",
                ssl=self._tls if path.transport == "tls" else None,
                server_hostname=path.host if path.transport == "tls" else None,
                connect_timeout=defaults.client.connect_timeout_s,
            )
        except ssl.SSLCertVerificationError as error:
            raise StageFailed(f"certificate: {error.verify_message}") from error
        except (OSError, SipError) as error:
            raise StageFailed(str(error) or type(error).__name__) from error
        self._connection, self.path = connection, path
        self._broken.clear()
        self._dialogue = Dialogue.new(
            self._entropy, user=self._user, password=self._password, instance=who.instance, address=connection.local[0]
        )
        self._dialogue.alarm = alarm
        try:
            await self._exchange(who, self._asked)
        except StageFailed:
            connection.close()
            raise

    async def _exchange(self, who: Registrant, expires: int) -> int:
        """Send a REGISTER, answer challenges, and return the seconds granted. Raises `StageFailed`."""
        dialogue, connection, path = self._dialogue, self._connection, self.path
        assert dialogue is not None and connection is not None and path is not None
        for _ in range(ATTEMPTS):
            request = register(
                who,
                dialogue,
                local=connection.local,
                transport=path.transport,
                date=self.node.host.clock.http_date(),
                expires=expires,
                routes=path.routes,
            )
            try:
                response = await self._endpoint.request(request, connection)
            except SipError as error:
                raise StageFailed(str(error)) from error
            if response.status == 200:
                return self._granted(response, who, expires)
            if not dialogue.challenged(response):
                raise StageFailed(_refusal(response))
        raise StageFailed("challenged again and again")

    def _granted(self, response: Response, who: Registrant, expires: int) -> int:
        dialogue = self._dialogue
        assert dialogue is not None
        dialogue.alarm = None
        if not expires:
            self.registered = False
            return 0
        try:
            granted = granted_expires(response, who.device)
        except SipError as error:
            raise StageFailed(str(error)) from error
        self.registered = True
        self._granted_s = granted
        if self._pulse is None and ADAPTIVE_ROUTING in (response.get("Supported") or "") and who.mra:
            self._pulse = self.node.host.spawn(self._keep_alive(), name="phone: STUN keep-alive")
        return granted

    # ---- staying registered

    async def _keep(self) -> None:
        """Refresh ``delta`` seconds before expiry; when the path breaks, register again by whatever path works."""
        while True:
            broken = True
            try:
                async with asyncio.timeout(max(1, self._granted_s - self._delta)):
                    await self._broken.wait()
            except TimeoutError:
                broken = False
            try:
                if broken:
                    await self._again("14 cm-closed-tcp")
                else:
                    assert self.path is not None
                    await self._exchange(self._who(self.path), self._asked)
            except StageFailed as error:
                self.registered = False
                self._tell("refresh", str(error))
                self._break()

    async def _again(self, alarm: str) -> None:
        self._end_connection()
        while True:
            try:
                await self._by_any_path(alarm)
            except StageFailed as error:
                self._tell("registering again", str(error))
                await asyncio.sleep(self.node.defaults.client.phone_retry_s)
            else:
                self._tell("registering again", "ok")
                return

    async def _keep_alive(self) -> None:
        """Send a STUN keep-alive every 30 s inside the SIP connection; no answer within 3 s: the path is down."""
        sip = self.node.defaults.sip
        while True:
            await asyncio.sleep(sip.stun_interval_s)
            connection = self._connection
            if connection is None or not connection.open:
                continue
            try:
                answer = await connection.stun(sip.stun_timeout_s)
            except SipError as error:
                self._tell("STUN keep-alive", str(error))
                self._break()
            else:
                if answer.error is not None:
                    self._tell("STUN keep-alive", f"the path is broken: {answer.error}")
                    self._break()

    def _lost(self, connection: Connection, _: Exception | None) -> None:
        if connection is self._connection and self.registered:
            self._break()

    def _break(self) -> None:
        self.registered = False
        self._broken.set()

    def _end_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ---- the end

    async def unregister(self) -> None:
        """End the registration and close the connection; a registrar that does not answer cannot prevent it."""
        await self._stop_tasks()
        if self.registered and self._connection is not None and self.path is not None:
            try:
                async with asyncio.timeout(self.node.defaults.client.connect_timeout_s):
                    await self._exchange(self._who(self.path), 0)
            except (StageFailed, TimeoutError) as error:
                self._tell("unregister", str(error) or "no answer")
        await self.close()

    async def _stop_tasks(self) -> None:
        for task in (self._keeper, self._pulse):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._keeper = self._pulse = None

    async def close(self) -> None:
        """Let go of everything without telling the registrar."""
        await self._stop_tasks()
        self.registered = False
        self._end_connection()
        await self._endpoint.close()


def _refusal(response: Response) -> str:
    warnings = [str(value) for value in map(WarningValue.parse, response.values("Warning"))]
    return " ".join([f"{response.status} {response.reason}", *warnings])
