"""The proxy core (RFC 3261, section 16) shared by both Expressways.

Each request received creates a response context. The product routes it, edits a copy and passes that to
`ProxyCore.forward`, which adds our Via and gives each target its own branch, by which responses are matched. The
received request stays unchanged, except for the Via parameters that RFC 3261, 18.2.1, requires of the receiver. An
INVITE runs in transactions on both sides, so that its ACK, CANCEL and retransmissions are hop by hop. Any other request
is stored until its final response: the connections are reliable, so it is never retransmitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, NotRequired, Protocol, TypedDict, Unpack

from edgesim.sip.admission import Passage, ProxyRefusal, admit
from edgesim.sip.answering import Answers, warning_of
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.errors import SipProtocolError, SipTransportError
from edgesim.sip.framing import SipLimits, fits
from edgesim.sip.layer import TransactionLayer
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import Branches, Hop, clamp_hops, push_via, record_route, stamp_via
from edgesim.sip.proxy_state import Branch, Refusal, ResponseContext, Waiting
from edgesim.sip.rewriting import Writer, as_received
from edgesim.sip.transaction_events import State
from edgesim.world import Entropy

CALLS = 4_000
"""How many INVITE transactions an Expressway keeps."""
CALL_TAG = "X-TAATag"
"""The header in which the first Expressway on a call's path identifies it."""
DIALOG_FORMING = frozenset(("INVITE", "SUBSCRIBE", "REFER"))
"""Methods to which a proxy that stays in the path adds Record-Route (RFC 3261, 12.1; RFC 6665, 4.1)."""
CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")
INFORMATIVE = (401, 407, 415, 420, 484)
"""Refusals that say how to retry: preferred within class 4 (RFC 3261, 16.7, step 6)."""

Later = Callable[[], Coroutine[Any, Any, None]]
"""The asynchronous rest of handling a request."""


class Bounds(TypedDict):
    """The bounds of `edgesim.sip.proxy_state.Waiting`."""

    lifetime: float
    window: int
    limit: NotRequired[int]
    octets: NotRequired[int]


class Routing(Protocol):
    """The product's part: where requests are routed, and what happens to responses."""

    def hop_of(self, connection: Connection) -> Hop:
        """Return the side of the proxy on which a connection ends."""

    def route(self, context: ResponseContext) -> Later | None:
        """Forward or answer a request, now or later. Raises `ProxyRefusal`."""

    def succeeded(self, branch: Branch, answer: Response) -> None:
        """Called before a 2xx is forwarded; may edit it."""


class ProxyCore:
    """The requests of one proxy and their responses. ``own`` are its sent-by values.

    ``write`` serialises forwarded messages; ``warnings`` are the Warning texts by status, and ``warned_by`` their
    agent, by default the side that received the request. ``lost_status`` answers a request whose next hop is gone.
    ``tags_calls`` says whether an INVITE without a call identifier gets one. ``message_limits`` are what the next hop
    accepts, ``bounds`` limit pending requests.
    """

    def __init__(
        self,
        entropy: Entropy,
        own: Collection[str],
        routing: Routing,
        answers: Answers,
        *,
        write: Writer = as_received,
        warnings: Iterable[tuple[int, str]] = (),
        warned_by: Hop | None = None,
        lost_status: int,
        message_limits: SipLimits,
        tags_calls: bool = False,
        **bounds: Unpack[Bounds],
    ) -> None:
        self.own = frozenset(own)
        self.lost_status = lost_status
        self._routing = routing
        self._answers = answers
        self._write = write
        self._warnings = tuple(warnings)
        self._warned_by = warned_by
        self._tags_calls = tags_calls
        self._branches = Branches(entropy)
        self._entropy = entropy
        self._message_limits = message_limits
        self._waiting = Waiting(self._overdue, **bounds)
        self._loop = asyncio.get_running_loop()
        self._layer: TransactionLayer

    def __len__(self) -> int:
        return len(self._waiting)

    def serve(self, endpoint: SipEndpoint) -> None:
        """Attach to an endpoint, which must be stateful for ``"INVITE"``."""
        self._layer = endpoint.layer
        endpoint.on_request = self.on_request
        endpoint.on_response = self.on_response

    def close(self) -> None:
        """Drop all state."""
        self._waiting.clear()

    def call_id(self) -> str:
        """Return a fresh ``proxy-call-id``."""
        digits = self._entropy.randbytes(16).hex()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

    # ---- requests

    def on_request(self, request: Request, connection: Connection) -> Coroutine[Any, Any, None] | None:
        """Handle a request: for `SipEndpoint.on_request`."""
        context = ResponseContext(request, connection, self._routing.hop_of(connection))
        stamp_via(request, connection.peer, context.hop)
        if request.method == "INVITE":
            self._layer.remember(request, context)
        elif request.method == "CANCEL" and self._cancelled(context):
            return None
        try:
            later = self._routing.route(context)
        except ProxyRefusal as refusal:
            self._refuse_as(refusal, context)
            return None
        return self._do_later(later, context) if later is not None else None

    async def _do_later(self, later: Later, context: ResponseContext) -> None:
        try:
            await later()
        except ProxyRefusal as refusal:
            self._refuse_as(refusal, context)

    def admit(self, context: ResponseContext) -> None:
        """Run the checks of RFC 3261, 16.3. Raises `ProxyRefusal`."""
        admit(context.request, Passage(own=self.own, loop=context.loop_hash))

    def refuse(
        self, context: ResponseContext, status: int, *headers: tuple[str, str], why: tuple[int, str] | None = None
    ) -> None:
        """Refuse a request; ``why`` is the Warning, by default that of the status."""
        if context.request.method == "ACK":
            return
        warning = warning_of(status, why, self._warned_by or context.hop, self._warnings)
        self.answer(context, self._answers.make(context.request, status, *headers, warning=warning))

    def _refuse_as(self, refusal: ProxyRefusal, context: ResponseContext) -> None:
        self.refuse(context, refusal.status, *refusal.headers, why=refusal.warning)

    def answer(self, context: ResponseContext, response: Response) -> None:
        """Send a final response of our own, unless one was sent. Raises `SipTransportError`."""
        if not context.answered:
            context.answered = True
            self._send(context, response)

    def _send(self, context: ResponseContext, response: Response) -> None:
        if context.request.method == "INVITE":
            context.connection.send(response)
        else:
            context.connection.send_now(response)

    def _cancelled(self, context: ResponseContext) -> bool:
        """Handle a CANCEL (RFC 3261, 16.10): answer it, and cancel each branch of its INVITE.

        Return False if the INVITE is unknown: then the CANCEL is forwarded. A CANCEL on another connection than its
        INVITE matches nothing.
        """
        cancel = context.request
        transaction = self._layer.transactions.cancelled(cancel)
        if transaction is None:
            return False
        if transaction.user is not context.connection:
            self.refuse(context, 481)
            return True
        self.answer(context, self._answers.make(cancel, 200))
        invite: ResponseContext | None = transaction.context
        if invite is not None and not invite.answered:
            if not invite.branches:
                self.answer(invite, self._answers.make(invite.request, 487))
            self._cancel_pending(invite)
        return True

    def _cancel_pending(self, context: ResponseContext) -> None:
        for branch in context.branches:
            if not branch.over and branch.transaction is not None:
                self._layer.cancel(branch.transaction)

    def forward(
        self,
        context: ResponseContext,
        outgoing: Request,
        connection: Connection,
        hop: Hop,
        *,
        unreachable: int,
        owner_data: Any = None,
    ) -> str:
        """Forward a copy of a request by ``hop``, and return its ``proxy-call-id``.

        The sender of an INVITE gets a 100 (RFC 3261, 16.2). A request may be forked to several targets, in one turn.
        Raises `ProxyRefusal` if the request may not be forwarded, if our headers made it too long (the next hop would
        close the shared connection), or with status ``unreachable`` if the connection is gone; `SipProtocolError` if it
        is malformed.
        """
        now = self._loop.time()
        self._waiting.check_room(now)
        method = outgoing.method
        call_id = self.call_id()
        if method in DIALOG_FORMING:
            record_route(outgoing, egress=hop, ingress=context.hop, proxy_call_id=call_id)
        clamp_hops(outgoing, hop.hop_count)
        if method == "INVITE":
            if not context.branches:
                context.connection.send(self._answers.trying(context.request))
            if self._tags_calls and CALL_TAG not in outgoing:
                outgoing.append(CALL_TAG, self.call_id())
        found = context.loop_hash if hop.loop_hash else None
        token = self._branches.make(outgoing, via=context.via, loop_hash=found, nth=len(context.branches))
        push_via(outgoing, hop, branch=token, proxy_call_id=call_id)
        written = self._write(outgoing)
        if not fits(written, self._message_limits):
            raise ProxyRefusal(513, "too long for the next hop")
        branch = Branch(self, context, connection, (token, method), now, len(bytes(written)), owner_data)
        try:
            self._send_on(branch, written)
        except SipTransportError:
            raise ProxyRefusal(unreachable, "the next hop is gone") from None
        if method != "ACK":
            context.branches.append(branch)
            self._waiting.add(branch)
        context.connection.follow(connection)
        return call_id

    def _send_on(self, branch: Branch, written: Request) -> None:
        if written.method != "INVITE":
            branch.connection.send_now(written)
            return
        try:
            branch.transaction = self._layer.request(written, branch)
        except ValueError:
            raise ProxyRefusal(482, "this INVITE is already in progress") from None
        if branch.over:
            raise SipTransportError("not sent")

    # ---- responses

    def on_response(self, response: Response, connection: Connection) -> None:
        """Handle a response to a request other than INVITE: for `SipEndpoint.on_response`.

        A response that matches nothing forwarded on that connection is dropped.
        """
        branch = self._waiting.get((response.top_via.branch or "", response.cseq.method))
        if branch is not None and branch.connection is connection and branch.transaction is None:
            self.received(branch, response)

    def received(self, branch: Branch, response: Response) -> None:
        """Handle a response on a branch (RFC 3261, 16.7)."""
        context, status = branch.context, response.status
        if status == 100 or response.top_via.sent_by not in self.own:
            return
        answer = response.copy()
        answer.pop_value("Via")
        if "Via" not in answer:
            return
        if status < 200:
            if branch.transaction is not None:
                self._waiting.renew(branch)
            if not context.answered:
                self._send_back(context, answer)
            return
        self._waiting.end(branch)
        if status < 300:
            if context.request.method == "INVITE" or not context.answered:
                self._routing.succeeded(branch, answer)
                self._send_back(context, answer)
                self._cancel_pending(context)
        else:
            self._refused(context, answer, own=False)

    def failed(self, branch: Branch, status: int) -> None:
        """Treat a branch that gets no response as refused with ``status`` (RFC 3261, 16.9)."""
        if not branch.over:
            self._waiting.end(branch)
            self._refused(branch.context, self._answers.make(branch.context.request, status), own=True)

    def _refused(self, context: ResponseContext, answer: Response, *, own: bool) -> None:
        """Store a final response; once every branch has one, forward the best (RFC 3261, 16.7, steps 5 and 6)."""
        if context.answered:
            return
        context.refusals.append((answer, own))
        if answer.status >= 600:
            self._cancel_pending(context)
        if all(branch.over for branch in context.branches):
            best, made = best_of(context.refusals)
            if best.status == 503 and len(context.branches) > 1:
                # Another target might accept the next request (RFC 3261, 16.7, step 6).
                best, made = self._answers.make(context.request, 500), True
            self._send_back(context, best, own=made)

    def _send_back(self, context: ResponseContext, answer: Response, *, own: bool = False) -> None:
        """Send a response back to the sender of the request, if still connected.

        If it is malformed or too long for the sender, a 502 replaces it; a provisional one is dropped. A 2xx after the
        first final response bypasses the terminated transaction (RFC 3261, 16.7, step 9).
        """
        again, context.answered = context.answered, context.answered or answer.status >= 200
        if not context.connection.open:
            return
        try:
            written = answer if own else self._write(answer)
        except SipProtocolError:
            if answer.status >= 200 and not again:
                self._send(context, context.request.response(502))
            raise
        if not fits(written, self._message_limits):
            if written.status < 200:
                return
            written = context.request.response(502)
        if again:
            context.connection.send_now(written)
        else:
            self._send(context, written)

    def lost(self, connection: Connection) -> None:
        """Fail what a lost connection will no longer answer, and forget what it sent."""
        for branch in self._waiting.concerning(connection):
            if branch.connection is connection:
                self.failed(branch, self.lost_status)
            else:
                self._waiting.end(branch)

    def _overdue(self, branch: Branch) -> None:
        """Timer C fired: a ringing INVITE is cancelled, one without any response fails (16.8)."""
        transaction = branch.transaction
        if transaction is not None and transaction.state is State.CALLING:
            self._layer.forget(transaction)
            self.failed(branch, 408)
        elif transaction is not None:
            self._layer.cancel(transaction)

    def leaks(self) -> list[str]:
        """Return what is still pending, one line each."""
        return [f"{len(self._waiting)} SIP requests without an answer"] if self._waiting else []


def best_of(refusals: list[Refusal]) -> Refusal:
    """Return the best of final responses other than 2xx; a challenge gets the others' challenges too.

    RFC 3261, 16.7, steps 6 and 7: any of class 6, else one of the lowest class; in class 4 those that say how to retry
    come first, in class 5 a 503 comes last.
    """

    def rank(refusal: Refusal) -> tuple[bool, int, bool]:
        status = refusal[0].status
        last = status not in INFORMATIVE if status // 100 == 4 else status == 503
        return status < 600, status // 100, last

    best = min(refusals, key=rank)
    answer, _ = best
    if answer.status in (401, 407):
        for other, _ in refusals:
            if other is not answer and other.status in (401, 407):
                for name in CHALLENGES:
                    for value in other.get_all(name):
                        answer.append(name, value)
    return best
