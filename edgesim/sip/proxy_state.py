"""The state of a proxy: response contexts, branches, and the branches that await a final response.

All of it is bounded: in number, octets and time (timer C), and per client by a window.
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
"""The maximum number of pending requests."""
OCTETS = 1 << 26
"""The maximum of their octets in total; beyond it requests get 503."""


class ResponseContext:
    """A received request and its branches (RFC 3261, 16.2 and 16.7).

    ``hop`` is the side it arrived on; ``via`` and ``loop_hash`` are its top Via and hash as received. ``answered``: a
    final response was sent.
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
"""Final responses other than 2xx, without our Via, and whether we generated them."""


class BranchUser(Protocol):
    """The user of branches: `edgesim.sip.proxy_core.ProxyCore`."""

    @property
    def lost_status(self) -> int:
        """The status for a request whose next hop is gone."""

    def received(self, branch: Branch, response: Response) -> None:
        """A response arrived."""

    def failed(self, branch: Branch, status: int) -> None:
        """No response will arrive, which counts as a refusal."""


class Branch:
    """One target of a request, forwarded on ``connection``. ``owner_data`` belongs to the product.

    ``over``: its final response arrived, or never will.
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
        """Whether it counts against the window of the connection that the request arrived on."""

    # ---- client transaction user

    def answered(self, response: Response) -> None:
        """A response arrived."""
        self.core.received(self, response)

    def timed_out(self) -> None:
        """No response in time, which counts as a 408 (RFC 3261, 16.8 and 16.9)."""
        self.core.failed(self, 408)

    def failed(self) -> None:
        """The connection is gone."""
        if self.transaction is None:
            self.over = True  # The request was not even sent.
        else:
            self.core.failed(self, self.core.lost_status)


class Waiting:
    """The branches that await a final response. ``overdue`` is called when timer C of an INVITE fires.

    ``lifetime`` is how long a response is awaited, in seconds (timer C of RFC 3261, 16.6, step 11); ``window`` is how
    many requests of one connection may be pending before it is no longer read.
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
        """Return the branch by token and method."""
        return self._branches.get(key)

    def concerning(self, connection: Connection) -> list[Branch]:
        """Return the branches whose request arrived or was forwarded on a connection."""
        return [each for each in self._branches.values() if connection in (each.connection, each.context.connection)]

    def check_room(self, now: float) -> None:
        """Drop overdue branches, and raise `ProxyRefusal` if there is still no room."""
        self._purge(now)
        if len(self._branches) >= self._limit or self._held >= self._octets:
            raise ProxyRefusal(503, "too many requests without an answer")

    def add(self, branch: Branch) -> None:
        """Add a branch; a repeated request replaces the first."""
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
        """Restart timer C."""
        if branch.counted:
            branch.at = self._loop.time()
            self._branches.move_to_end(branch.key)

    def end(self, branch: Branch) -> None:
        """Remove a branch."""
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
        """Remove all branches."""
        while self._branches:
            self.end(next(iter(self._branches.values())))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _purge(self, now: float) -> None:
        """Fire timer C for the oldest branches; they are in order of age.

        A request other than INVITE is dropped: it is too late for a response (RFC 4320).
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
        """Schedule the next purge."""
        if self._timer is None and self._branches:
            due = next(iter(self._branches.values())).at + self._lifetime
            self._timer = self._loop.call_at(due, self._expire, due)

    def _expire(self, due: float) -> None:
        self._timer = None
        # Rounding must not make a deadline that was reached appear to lie ahead.
        self._purge(max(self._loop.time(), due))
        self._arm()
