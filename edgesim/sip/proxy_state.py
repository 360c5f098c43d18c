"""What a proxy remembers of requests: response contexts, branches, and which of them wait for an answer.

All of it is bounded: by number, by octets, by time (timer C), and for each client by a window.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.connection import Connection
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import Hop, loop_hash
from edgesim.sip.transaction import ClientTransaction
from edgesim.sip.values import Via

LIMIT = 100_000
"""How many requests may be without an answer."""
OCTETS = 1 << 26
"""Octets of all of them together; more are refused with 503."""


class ResponseContext:
    """A request that arrived, where it goes, and what became of it (RFC 3261, 16.2 and 16.7).

    ``hop`` is our side by which it came; ``via`` and ``loop_hash`` are its top Via and its hash as they arrived.
    ``answered``: a final response was sent.
    """

    __slots__ = ("answered", "branches", "connection", "hop", "loop_hash", "refusals", "request", "via")

    def __init__(self, request: Request, connection: Connection, hop: Hop) -> None:
        self.request = request
        self.connection = connection
        self.hop = hop
        self.via: Via = request.top_via
        self.loop_hash = loop_hash(request)
        self.branches: list[Branch] = []
        self.refusals: list[Refusal] = []
        self.answered = False


Refusal = tuple[Response, bool]
"""A final response other than 2xx, without our Via, and whether we made it ourselves."""


class BranchUser(Protocol):
    """Who sends requests on and hears of the answers: `edgesim.sip.proxy_core.ProxyCore`."""

    @property
    def lost_status(self) -> int:
        """What answers a request whose next hop is gone."""

    def received(self, branch: Branch, response: Response) -> None:
        """A response came."""

    def failed(self, branch: Branch, status: int) -> None:
        """None will come, which counts as a refusal."""


class Branch:
    """One target of a request, which was sent on by ``connection``. ``owner_data`` is the product's own.

    ``over``: its final response came, or will not come any more.
    """

    __slots__ = (
        "at",
        "connection",
        "context",
        "core",
        "counted",
        "key",
        "octets",
        "over",
        "owner_data",
        "transaction",
    )

    def __init__(
        self,
        core: BranchUser,
        context: ResponseContext,
        connection: Connection,
        key: tuple[str, str],
        at: float,
        octets: int,
        owner_data: Any,
    ) -> None:
        self.core = core
        self.context = context
        self.connection = connection
        self.key = key
        self.at = at
        self.octets = octets
        self.owner_data = owner_data
        self.transaction: ClientTransaction | None = None
        self.over = False
        self.counted = False
        """Whether it counts against the window of the connection that the request came from."""

    # ---- as the user of a client transaction

    def answered(self, response: Response) -> None:
        """A response came."""
        self.core.received(self, response)

    def timed_out(self) -> None:
        """None came in time, which counts as a 408 (RFC 3261, 16.8 and 16.9)."""
        self.core.failed(self, 408)

    def failed(self) -> None:
        """The connection is gone."""
        if self.transaction is None:
            self.over = True  # it could not even be sent
        else:
            self.core.failed(self, self.core.lost_status)


class Waiting:
    """The branches that wait for a final response. ``overdue`` is called for an INVITE when its timer C fires.

    ``lifetime`` is how long an answer is awaited, in seconds (timer C of RFC 3261, 16.6, step 11), ``window`` how many
    requests of one connection may be without one: the next is not read before one is answered.
    """

    def __init__(
        self,
        overdue: Callable[[Branch], None],
        *,
        lifetime: float,
        window: int,
        limit: int = LIMIT,
        octets: int = OCTETS,
    ) -> None:
        self._overdue = overdue
        self._lifetime = lifetime
        self._limit = limit
        self._octets = octets
        self._window = window
        self._branches: OrderedDict[tuple[str, str], Branch] = OrderedDict()
        self._held = 0
        self._open: dict[Connection, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._branches)

    def get(self, key: tuple[str, str]) -> Branch | None:
        """Return the branch of a token and a method."""
        return self._branches.get(key)

    def concerning(self, connection: Connection) -> list[Branch]:
        """Return the branches that came, or went on, by a connection."""
        return [each for each in self._branches.values() if connection in (each.connection, each.context.connection)]

    def check_room(self, now: float) -> None:
        """Forget what is overdue, and raise `ProxyRefusal` if there is no room for more."""
        self._purge(now)
        if len(self._branches) >= self._limit or self._held >= self._octets:
            raise ProxyRefusal(503, "too many requests without an answer")

    def add(self, branch: Branch) -> None:
        """Wait for the answer to what a branch sent on; one that is sent again takes the place of the first."""
        old = self._branches.get(branch.key)
        if old is not None:
            self.end(old)
        self._held += branch.octets
        self._branches[branch.key] = branch
        ingress = branch.context.connection
        branch.counted = True
        count = self._open[ingress] = self._open.get(ingress, 0) + 1
        if count >= self._window and not ingress.shared:
            ingress.hold(self)
        self._arm()

    def renew(self, branch: Branch) -> None:
        """Set timer C again."""
        if branch.counted:
            branch.at = self._loop.time()
            self._branches.move_to_end(branch.key)

    def end(self, branch: Branch) -> None:
        """A branch waits for no final response any more."""
        branch.over = True
        if not branch.counted:
            return
        branch.counted = False
        del self._branches[branch.key]
        self._held -= branch.octets
        ingress = branch.context.connection
        count = self._open[ingress] = self._open[ingress] - 1
        if not count:
            del self._open[ingress]
        if count < self._window:
            ingress.release(self)

    def clear(self) -> None:
        """Forget everything."""
        while self._branches:
            self.end(next(iter(self._branches.values())))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _purge(self, now: float) -> None:
        """Let timer C fire for whoever waits longest; the branches are in the order in which they began to wait.

        A request that is no INVITE is forgotten: it is too late for an answer (RFC 4320).
        """
        while self._branches:
            oldest = next(iter(self._branches.values()))
            if now - oldest.at < self._lifetime:
                return
            if oldest.transaction is None:
                self.end(oldest)
            else:
                oldest.at = now
                self._branches.move_to_end(oldest.key)
                self._overdue(oldest)

    def _arm(self) -> None:
        """Purge in time, even if nothing else is sent."""
        if self._timer is None and self._branches:
            due = next(iter(self._branches.values())).at + self._lifetime
            self._timer = self._loop.call_at(due, self._expire, due)

    def _expire(self, due: float) -> None:
        self._timer = None
        # Rounding must not make a deadline that was reached look like one to come.
        self._purge(max(self._loop.time(), due))
        self._arm()
