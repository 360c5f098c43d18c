"""A line that registers, over the edge or directly, refreshes before expiry, keeps alive, and registers again.

"How Phone Services Failover works for Jabber 14 over MRA" (Cisco 217244) for a client whose path through the edge
breaks; the published ancestor of the client's SIP stack (SIPCC) for its timers, and for the keep-alives of desk phones
to their standby node. The fallback of this stack to a recovered node is not implemented: a client stays with the
registrar that it found.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from edgesim.clients.common import signs
from edgesim.clients.common.habits import Habits, RegistrationPath
from edgesim.clients.common.reactions import Loss, Reaction, Unregistered
from edgesim.clients.common.register import CONNECTION_LOST, DEVICE_RESET, INITIALIZED, Registrant
from edgesim.clients.common.registering import Redirected, Registering
from edgesim.clients.common.stages import Result
from edgesim.node import Node
from edgesim.sip import Connection, Response, SipError, SipTimeout


def _close(connection: Connection) -> None:
    connection.close()


def _abort(connection: Connection) -> None:
    connection.abort()


def _other_peers_first(paths: tuple[RegistrationPath, ...], last: RegistrationPath) -> tuple[RegistrationPath, ...]:
    return tuple(sorted(paths, key=lambda path: path.peer == last.peer))


def _same_path_first(paths: tuple[RegistrationPath, ...], last: RegistrationPath) -> tuple[RegistrationPath, ...]:
    at = paths.index(last)
    return paths[at:] + paths[:at]


def _next_path_first(paths: tuple[RegistrationPath, ...], last: RegistrationPath) -> tuple[RegistrationPath, ...]:
    at = paths.index(last) + 1
    return paths[at:] + paths[:at]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The recovery from a loss: Reason in the next REGISTER, how the connection ends, and the order of the paths."""

    alarm: str
    end: Callable[[Connection], None] | None
    order: Callable[[tuple[RegistrationPath, ...], RegistrationPath], tuple[RegistrationPath, ...]]


RECOVERIES: dict[Loss, Recovery] = {
    Loss.CONNECTION: Recovery(alarm=CONNECTION_LOST, end=_close, order=_other_peers_first),
    Loss.SILENCE: Recovery(alarm=CONNECTION_LOST, end=_abort, order=_other_peers_first),
    Loss.PATH: Recovery(alarm=DEVICE_RESET, end=None, order=_same_path_first),
    Loss.REFRESH: Recovery(alarm=DEVICE_RESET, end=None, order=_next_path_first),
}


class Line(Registering):
    """One line of one device, registered with one registrar.

    ``report`` is called with events after the first registration. ``provision`` fetches the configuration again, as a
    rejected client does, and returns the paths.
    """

    def __init__(
        self,
        node: Node,
        paths: Sequence[RegistrationPath],
        who: Callable[[RegistrationPath], Registrant],
        *,
        user: str,
        password: str,
        tls: ssl.SSLContext,
        habits: Habits,
        report: Callable[[Result, str], None],
        provision: Callable[[], Awaitable[Sequence[RegistrationPath]]],
    ) -> None:
        super().__init__(node, who, user=user, password=password, tls=tls, habits=habits, on_lost=self._connection_lost)
        self.paths = tuple(paths)
        self._report = report
        self._provision = provision
        self._loss: Loss | None = None
        self._lost = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._pulse: asyncio.Task[None] | None = None
        self._beside: dict[str, asyncio.Task[None]] = {}

    # ---- registration

    async def register(self) -> None:
        """Register by the first path that works and stay registered. Raises `Unregistered`."""
        await self._by_any(self.paths, INITIALIZED)
        self._keeper = self.node.host.spawn(self._keep(), name="phone: keep registered")

    def persist(self, problem: Unregistered) -> None:
        """Keep trying after a sign-in without registration."""
        if self._keeper is None:
            self._keeper = self.node.host.spawn(self._begin_late(problem), name="phone: keep registered")

    async def _at(self, path: RegistrationPath, alarm: str | None) -> None:
        await super()._at(path, alarm)
        self._start_side_tasks(path)

    def _begin(self, who: Registrant, alarm: str | None) -> None:
        self._loss = None
        self._lost.clear()
        super()._begin(who, alarm)

    def _granted(self, response: Response, who: Registrant, expires: int) -> None:
        super()._granted(response, who, expires)
        if expires and self._adapts and self._pulse is None:
            self._pulse = self.node.host.spawn(self._keep_alive(), name="phone: STUN keep-alive")

    # ---- staying registered

    async def _keep(self) -> None:
        """Refresh until the registration is lost, register again by any path that works, and repeat."""
        while True:
            loss, problem = await self._stay()
            self._leave(loss)
            await self._recover(self._in_order(loss, problem), problem, RECOVERIES[loss].alarm)

    async def _begin_late(self, problem: Unregistered) -> None:
        if problem.reaction is Reaction.NEXT_PATH:
            await asyncio.sleep(self.node.defaults.client.phone_retry_s)
        await self._recover(self.paths, problem, INITIALIZED)
        await self._keep()

    async def _stay(self) -> tuple[Loss, Unregistered]:
        """Refresh ``delta`` seconds before expiry; return how the registration was lost."""
        habits = self.habits
        while True:
            if self._overloaded:
                await self._move()
            interval = self._granted_s - habits.delta
            if interval < habits.least_refresh:
                await self._end()
                text = f"a grant of {self._granted_s} s is too short"
                return Loss.REFRESH, Unregistered(text, Reaction.WAIT, after=habits.asked_expires)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._lost.wait()
            if self._loss is not None:
                return self._loss, Unregistered(self._loss.value, Reaction.NEXT_PATH)
            try:
                assert self.path is not None and self._dialogue is not None
                if habits.short_refresh:
                    self._dialogue.refresh()
                await self._exchange(self._who(self.path), habits.asked_expires)
            except (Unregistered, Redirected) as error:
                self.registered = False
                again = error if isinstance(error, Unregistered) else Unregistered(str(error), Reaction.REJECTED)
                self._report(Result.FAILED, f"refresh: {error}")
                return self._loss or Loss.REFRESH, again

    async def _recover(self, paths: Sequence[RegistrationPath], problem: Unregistered, alarm: str) -> None:
        """Register again: by the next path at once, or when the server said, or after a wait and provisioning."""
        client = self.node.defaults.client
        wait = client.phone_retry_s
        while True:
            if problem.reaction is Reaction.WAIT:
                await asyncio.sleep(problem.after or 0)
            elif problem.reaction is not Reaction.NEXT_PATH:
                await asyncio.sleep(wait)
                wait = min(2 * wait, client.phone_retry_most_s)
                paths = self.paths = tuple(await self._provision())
            try:
                await self._by_any(paths, alarm)
            except Unregistered as error:
                self._report(Result.FAILED, f"registering again: {error}")
                problem = error
                if error.reaction is Reaction.NEXT_PATH:  # no path left
                    await asyncio.sleep(client.phone_retry_s)
                    paths = self.paths
            else:
                assert self.path is not None
                self._report(Result.OK, f"registered again at {self.path.node} through {self.path.host}")
                return

    def _leave(self, loss: Loss) -> None:
        """Close a connection that is no longer needed."""
        self.registered = False
        end = RECOVERIES[loss].end
        if self._connection is not None and end is not None:
            end(self._connection)
            self._connection = None

    def _in_order(self, loss: Loss, problem: Unregistered) -> tuple[RegistrationPath, ...]:
        """Return the paths in the order in which to try them after a loss."""
        paths, last = self.paths, self.path
        if last is None or last not in paths:
            return paths
        if loss is Loss.REFRESH and problem.reaction is Reaction.WAIT:
            return _same_path_first(paths, last)
        return RECOVERIES[loss].order(paths, last)

    async def _move(self) -> None:
        """After an Expressway-E warns of uneven load, register through another one, or stay."""
        self._overloaded = False
        connection, path, dialogue = self._connection, self.path, self._dialogue
        others = [other for other in self.paths if path is not None and other.host != path.host]
        if not others:
            return
        self._connection = None
        try:
            await self._by_any(others, None)
        except Unregistered as error:
            self._report(Result.FAILED, f"moving to another Expressway-E: {error}")
            self._connection, self.path, self._dialogue = connection, path, dialogue
        else:
            assert self.path is not None
            self._report(Result.OK, f"moved to {self.path.host}")
            if connection is not None:
                connection.close()

    async def _keep_alive(self) -> None:
        """Send a STUN keep-alive every 30 s inside the SIP connection; without a response in 3 s the path is down."""
        sip = self.node.defaults.sip
        while True:
            await asyncio.sleep(sip.stun_interval_s)
            connection = self._connection
            if not (self.registered and self._adapts) or connection is None or not connection.open:
                continue
            try:
                answer = await connection.stun(sip.stun_timeout_s)
            except SipError as error:
                self._lose(connection, Loss.SILENCE if isinstance(error, SipTimeout) else Loss.CONNECTION)
            else:
                if answer.error is not None:
                    self._lose(connection, Loss.PATH)

    # ---- keep-alives and alarms

    def _start_side_tasks(self, path: RegistrationPath) -> None:
        """Start what a desk phone sends after registration; none of it can end the registration."""
        spawn, dialogue, connection = self.node.host.spawn, self._dialogue, self._connection
        assert dialogue is not None and connection is not None
        if self.habits.alarm and not self._has_side_tasks("alarm"):
            telling = signs.send_alarm(self._endpoint, connection, self._who(path), dialogue, path)
            self._beside["alarm"] = spawn(_done(telling), name="phone: alarm")
        if self.habits.standby_s is not None and not self._has_side_tasks("standby"):
            self._beside["standby"] = spawn(self._keep_standby_alive(self.habits.standby_s), name="phone: standby node")

    def _has_side_tasks(self, what: str) -> bool:
        return what in self._beside and not self._beside[what].done()

    async def _keep_standby_alive(self, interval: float) -> None:
        """Send keep-alives to the next node of the group, on a separate connection, whatever it answers."""
        connection: Connection | None = None
        to: RegistrationPath | None = None
        while True:
            await asyncio.sleep(interval)
            standby = next((each for each in self.paths if self.path and each.node != self.path.node), None)
            if connection is not None and (standby != to or not connection.open):
                connection.close()
                connection = None
            to = standby
            if standby is None or not self.registered:
                continue
            try:
                connection = connection or await self._open(standby)
            except Unregistered:
                continue
            who = self._who(standby)
            await signs.standby_keepalive(self._endpoint, connection, who, self._new_dialogue(who, connection), standby)

    def _connection_lost(self, connection: Connection, _: Exception | None) -> None:
        self._lose(connection, Loss.CONNECTION)

    def _lose(self, connection: Connection, loss: Loss) -> None:
        if connection is self._connection and self.registered and self._loss is None:
            self.registered = False
            self._loss = loss
            self._report(Result.FAILED, f"registration lost: {loss.value}")
            self._lost.set()

    # ---- end

    async def unregister(self) -> None:
        """End the registration and close the connection, even if the registrar does not answer."""
        await self._stop_tasks()
        await self._end()
        await self.close()

    async def _end(self) -> None:
        if self.registered and self._connection is not None and self.path is not None:
            try:
                async with asyncio.timeout(self.node.defaults.client.connect_timeout_s):
                    await self._exchange(self._who(self.path), 0)
            except (Unregistered, Redirected, TimeoutError) as error:
                self._report(Result.FAILED, f"unregister: {error or 'no answer'}")
            self.registered = False

    async def _stop_tasks(self) -> None:
        tasks = (self._keeper, self._pulse, *self._beside.values())
        self._keeper = self._pulse = None
        self._beside.clear()
        for task in tasks:
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def close(self) -> None:
        """Release everything without notifying the registrar."""
        await self._stop_tasks()
        self.registered = False
        self._connection = None
        await self._endpoint.close()


async def _done(work: Awaitable[object]) -> None:
    await work
