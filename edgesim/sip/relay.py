"""Forwarding over connections: our Via goes on top, and the answer finds its way back by the branch in it.

Both Expressways forward like this. A message is sent on as soon as it is read; what is remembered of a request is where
its answers belong (RFC 3261, 16.6, 16.7), so that a peer can neither answer what it was not asked nor be answered
twice.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.connection import Connection
from edgesim.sip.errors import SipTransportError
from edgesim.sip.framing import SipLimits, fits
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import Branches, Place, clamp_hops, push_via
from edgesim.sip.rewriting import Writer, as_received
from edgesim.sip.values import Via
from edgesim.world import Entropy

LIFETIME = 180.0
"""Seconds for which an answer is awaited: timer C (RFC 3261, 16.6, step 11)."""
LIMIT = 100_000
"""How many requests may be without an answer."""
OCTETS = 1 << 26
"""Octets of all of them together; more are refused with 503."""
WINDOW = 32
"""How many requests of one connection may be without an answer; the next is not read before one is answered."""
CALL_TAG = "X-TAATag"
"""The header in which the first Expressway that a call comes to names it."""
DIALOG_FORMING = frozenset(("INVITE", "SUBSCRIBE", "REFER"))
"""Requests into which a proxy that wants to stay in the path puts Record-Route (RFC 3261, 12.1; RFC 6665, 4.1)."""


@dataclass(slots=True)
class Forwarded:
    """A request that was sent on, with our Via on top. ``note`` is the product's own."""

    request: Request
    ingress: Connection
    egress: Connection
    at: float
    note: Any = None
    octets: int = 0
    counted: bool = True
    """Whether it counts against the window of the connection that it came from."""


class Relay:
    """The requests that one proxy has sent on and whose answers it awaits. ``own`` are its sent-by values.

    ``write`` says how a message that goes on is written, ``trying`` makes the 100 for the sender of an INVITE, and
    ``tags_calls`` says whether an INVITE without a name gets one. ``message_limits`` is what the next hop takes.
    """

    def __init__(
        self,
        entropy: Entropy,
        own: Collection[str],
        *,
        write: Writer = as_received,
        trying: Callable[[Request], Response] | None = None,
        tags_calls: bool = False,
        lifetime: float = LIFETIME,
        limit: int = LIMIT,
        message_limits: SipLimits | None = None,
        octets: int = OCTETS,
        window: int = WINDOW,
    ) -> None:
        self.own = frozenset(own)
        self._write = write
        self._trying = trying or _trying
        self._tags_calls = tags_calls
        self._branches = Branches(entropy)
        self._entropy = entropy
        self._lifetime = lifetime
        self._limit = limit
        self._message_limits = message_limits or SipLimits()
        self._octets = octets
        self._window = window
        self._waiting: OrderedDict[tuple[str, str], Forwarded] = OrderedDict()
        self._held = 0
        self._open: dict[Connection, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def call_id(self) -> str:
        """Return a fresh ``proxy-call-id``."""
        digits = self._entropy.randbytes(16).hex()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

    def forward(
        self,
        request: Request,
        ingress: Connection,
        egress: Connection,
        *,
        place: Place,
        zone: str,
        hop_count: int,
        proxy_call_id: str,
        now: float,
        via: Via | None = None,
        loop_hash: str | None = None,
        note: Any = None,
    ) -> None:
        """Send a request on into ``zone``; the sender of an INVITE gets a 100 (RFC 3261, 16.2).

        ``via`` is the top Via as received, where the caller has it at hand.

        Raises `ProxyRefusal` if it may go no further or got too long on the way here (the next hop would end the
        connection, which others share), `SipProtocolError` if it is unsound, `SipTransportError`.
        """
        self._purge(now)
        if len(self._waiting) >= self._limit or self._held >= self._octets:
            raise ProxyRefusal(503, "too many requests without an answer")
        clamp_hops(request, hop_count)
        if request.method == "INVITE":
            ingress.send_now(self._trying(request))
            if self._tags_calls and CALL_TAG not in request:
                request.append(CALL_TAG, self.call_id())
        branch = self._branches.make(request, via=via, loop_hash=loop_hash)
        push_via(request, place, zone=zone, branch=branch, proxy_call_id=proxy_call_id)
        written = self._write(request)
        if not fits(written, self._message_limits):
            request.pop_value("Via")
            raise ProxyRefusal(513, "too long for the next hop")
        try:
            egress.send_now(written)
        except SipTransportError:
            request.pop_value("Via")  # so that the caller can answer
            raise
        if request.method != "ACK":
            octets = len(bytes(written))
            self._await((branch, request.method), Forwarded(request, ingress, egress, now, note, octets))
        ingress.follow(egress)

    def answered(self, response: Response, connection: Connection) -> Forwarded | None:
        """Take our Via off a response and return what it answers.

        None means that it goes no further: it answers nothing of ours, or it is a 100 (RFC 3261, 16.7, step 5). Raises
        `SipProtocolError` for a response whose headers are unsound.
        """
        via = response.top_via
        key = (via.branch or "", response.cseq.method)
        found = self._waiting.get(key)
        if found is None or response.status == 100 or found.egress is not connection or via.sent_by not in self.own:
            return None
        response.pop_value("Via")
        if "Via" not in response:
            return None
        if response.status >= 200:
            self._uncount(found)
            if not (found.request.method == "INVITE" and response.status < 300):
                self._drop(key)
        return found

    def back(self, forwarded: Forwarded, response: Response) -> None:
        """Send an answer, from which our Via is gone, to whom the request came from, if he is there.

        In place of one that is too long for him goes a 502; a provisional one is dropped.
        """
        if not forwarded.ingress.open:
            return
        written = self._write(response)
        if not fits(written, self._message_limits):
            if response.status < 200:
                return
            written = forwarded.request.response(502)
            written.pop_value("Via")
        forwarded.ingress.send_now(written)

    def lost(self, connection: Connection) -> list[Forwarded]:
        """Forget what a connection that ended had to do with; return the requests that it will answer no more."""
        over = [(key, one) for key, one in self._waiting.items() if connection in (one.egress, one.ingress)]
        for key, _ in over:
            self._drop(key)
        return [one for _, one in over if one.egress is connection and one.ingress.open]

    def clear(self) -> None:
        """Forget everything."""
        while self._waiting:
            self._drop(next(iter(self._waiting)))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _await(self, key: tuple[str, str], forwarded: Forwarded) -> None:
        self._held += forwarded.octets
        self._waiting[key] = forwarded
        count = self._open[forwarded.ingress] = self._open.get(forwarded.ingress, 0) + 1
        if count >= self._window and not forwarded.ingress.shared:
            forwarded.ingress.hold(self)
            self._arm()

    def _drop(self, key: tuple[str, str]) -> None:
        forwarded = self._waiting.pop(key)
        self._held -= forwarded.octets
        self._uncount(forwarded)

    def _uncount(self, forwarded: Forwarded) -> None:
        if not forwarded.counted:
            return
        forwarded.counted = False
        count = self._open[forwarded.ingress] = self._open[forwarded.ingress] - 1
        if not count:
            del self._open[forwarded.ingress]
        if count < self._window:
            forwarded.ingress.release(self)

    def _purge(self, now: float) -> None:
        """Forget requests that nobody will answer any more; they are in the order in which they were sent on."""
        while self._waiting:
            oldest = next(iter(self._waiting))
            if now - self._waiting[oldest].at < self._lifetime:
                return
            self._drop(oldest)

    def _arm(self) -> None:
        """Purge in time, so that whoever waits for its window goes on even if nobody else sends anything."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._lifetime, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._purge(asyncio.get_running_loop().time())
        if self._waiting:
            self._arm()


def _trying(request: Request) -> Response:
    return request.response(100)
