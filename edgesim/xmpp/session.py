"""The server's side of one client session, from the stream header to the last stanza.

RFC 6120, 6121 and 3921, and XEP-0198 without resumption. Sans-IO: feed octets, take events until None, write what
`Session.data_to_send` gives. Where an event asks for a decision the session stands still until it gets one:

=====================  ==========================================================
event                  answer
=====================  ==========================================================
`StartTls`             write what is due, start TLS, then `Session.secured`
`Authenticate`         `Session.grant`, `Session.refuse` or `Session.hand_over`
`BindRequested`        `Session.bind` or `Session.refuse_bind`
=====================  ==========================================================

`Decoded` precedes whatever follows from an element, so that a server can journal it. `TRANSITIONS` is the whole order
of a session; a pair that it lacks is answered by a stream error, ``not-authorized`` for a stanza before authentication.
A session that comes over an XCP link was secured at the edge and starts so (``secure=True``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

from edgesim.xmpp import sasl, stanzas
from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.stream import (
    PROCEED,
    STARTTLS_REQUIRED,
    STREAM_END,
    StanzaRead,
    StreamClosed,
    StreamError,
    StreamEvent,
    StreamOpened,
    StreamParser,
    XmppLimits,
    features,
    server_header,
    stream_error,
)
from edgesim.xmpp.xml import BIND, CLIENT, PING, ROSTER, SASL, SESSION, STREAM_MANAGEMENT, TLS, Element, element


class Phase(Enum):
    """How far a session has come."""

    NEW = "new"
    TLS_OFFERED = "TLS offered"
    TLS = "TLS handshake"
    SECURE = "secure"
    SASL_OFFERED = "SASL offered"
    CHALLENGED = "challenged"
    JUDGING = "credentials being judged"
    AUTHENTICATED = "authenticated"
    BIND_OFFERED = "bind offered"
    BINDING = "resource being bound"
    BOUND = "bound"
    HANDED_OVER = "handed over to the home node"
    CLOSED = "closed"


class Input(Enum):
    """What a client can send, as far as the order of a session goes."""

    OPEN = "stream header"
    STARTTLS = "starttls"
    AUTH = "auth"
    RESPONSE = "response"
    ABORT = "abort"
    BIND = "bind"
    MANAGEMENT = "stream management"
    STANZA = "stanza"
    OTHER = "unknown element"
    CLOSE = "stream end"


TRANSITIONS: dict[tuple[Phase, Input], tuple[str, Phase]] = {
    (Phase.NEW, Input.OPEN): ("_offer_tls", Phase.TLS_OFFERED),
    (Phase.TLS_OFFERED, Input.STARTTLS): ("_proceed", Phase.TLS),
    (Phase.TLS_OFFERED, Input.AUTH): ("_encryption_required", Phase.CLOSED),
    (Phase.SECURE, Input.OPEN): ("_offer_sasl", Phase.SASL_OFFERED),
    (Phase.SASL_OFFERED, Input.AUTH): ("_auth", Phase.JUDGING),
    (Phase.CHALLENGED, Input.RESPONSE): ("_response", Phase.JUDGING),
    (Phase.CHALLENGED, Input.ABORT): ("_abort", Phase.CLOSED),
    (Phase.AUTHENTICATED, Input.OPEN): ("_offer_bind", Phase.BIND_OFFERED),
    (Phase.BIND_OFFERED, Input.BIND): ("_bind", Phase.BINDING),
    (Phase.BIND_OFFERED, Input.MANAGEMENT): ("_management_before_bind", Phase.BIND_OFFERED),
    (Phase.BOUND, Input.BIND): ("_second_bind", Phase.BOUND),
    (Phase.BOUND, Input.STANZA): ("_stanza", Phase.BOUND),
    (Phase.BOUND, Input.MANAGEMENT): ("_management", Phase.BOUND),
} | {(phase, Input.CLOSE): ("_closed_by_client", Phase.CLOSED) for phase in Phase if phase is not Phase.CLOSED}
"""What a session does with an input, and the phase it then is in unless the handler names another."""

UNEXPECTED: dict[Input, str] = {
    Input.OTHER: "unsupported-stanza-type",
    Input.BIND: "not-authorized",
    Input.STANZA: "not-authorized",
    Input.MANAGEMENT: "not-authorized",
}
"""The stream error for an input that `TRANSITIONS` has no place for; ``policy-violation`` for the rest."""

_ELEMENTS: dict[tuple[str, str], Input] = {
    (TLS, "starttls"): Input.STARTTLS,
    (SASL, "auth"): Input.AUTH,
    (SASL, "response"): Input.RESPONSE,
    (SASL, "abort"): Input.ABORT,
    (CLIENT, "iq"): Input.STANZA,
    (CLIENT, "message"): Input.STANZA,
    (CLIENT, "presence"): Input.STANZA,
}
_STANDING_STILL = frozenset({Phase.TLS, Phase.JUDGING, Phase.BINDING, Phase.CLOSED})


# ---- events


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """Base of what a session tells its server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded(SessionEvent):
    """Something was read from the client's stream."""

    event: StreamEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTls(SessionEvent):
    """``<proceed/>`` is due to be written, then the TLS handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticate(SessionEvent):
    """Credentials to judge. ``domain`` is the one that the client's stream header addressed; ``request`` is the whole
    ``<auth>`` with them, for another node to judge."""

    credentials: sasl.Credentials
    domain: str
    request: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed(SessionEvent):
    """Octets of a session that was handed over: one element, a stream header, or the stream's end."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BindRequested(SessionEvent):
    """The client wants this resource; None: the server chooses."""

    resource: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterRequested(SessionEvent):
    """The client asks for its roster; answer with `stanzas.roster_result`."""

    request: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterChanged(SessionEvent):
    """The client sets or removes a contact; answer with `stanzas.reply`."""

    request: Element
    item: RosterItem


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(SessionEvent):
    """The client's own presence, for everyone entitled to it: available, or type ``unavailable``."""

    stanza: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceDirected(SessionEvent):
    """Presence for one entity."""

    stanza: Element
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSent(SessionEvent):
    """``kind`` is subscribe, subscribed, unsubscribe or unsubscribed."""

    stanza: Element
    kind: str
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(SessionEvent):
    """A message for one entity."""

    stanza: Element
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class IqSent(SessionEvent):
    """An iq for an entity other than this server and this user."""

    stanza: Element
    to: Jid


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(SessionEvent):
    """The session is over. ``condition`` is the stream error that this side sent, None after an orderly end."""

    condition: str | None = None
    detail: str = ""


# ---- the session


class Session:
    """One client's session on a server.

    ``domain`` answers a header that addresses none. Any other domain is taken as it is: a wrong domain shows at
    authentication, as a wrong user or password does. ``mechanisms`` and ``hostnames`` fill the offer of mechanisms;
    ``stream_management`` offers XEP-0198 after authentication.
    """

    def __init__(
        self,
        *,
        domain: str,
        stream_id: str,
        secure: bool = False,
        mechanisms: tuple[str, ...] = sasl.MECHANISMS,
        hostnames: tuple[str, ...] = (),
        stream_management: bool = True,
        limits: XmppLimits | None = None,
    ) -> None:
        self.domain = domain
        self.stream_id = stream_id
        self.phase = Phase.SECURE if secure else Phase.NEW
        self.user: Jid | None = None
        self.jid: Jid | None = None
        self.managed = False
        self.restarted = False
        """Set when the client must open a new stream next; whoever cares (an XCP link) takes it back."""
        self._mechanisms = mechanisms
        self._hostnames = hostnames
        self._stream_management = stream_management
        self._parser = StreamParser(limits=limits)
        self._events: deque[SessionEvent] = deque()
        self._out = bytearray()
        self._header_sent = False
        self._mechanism = ""
        self._bind_id: str | None = None
        self._handled = 0
        self._sent = 0

    # -- for the server

    @property
    def closed(self) -> bool:
        """Whether the session is over: write what is due, then close."""
        return self.phase is Phase.CLOSED

    @property
    def partial(self) -> bool:
        """Whether a part of an element has come."""
        return not self._parser.idle

    def feed(self, data: bytes) -> None:
        """Take octets from the client; during the TLS handshake they are none of the stream's and are dropped."""
        if self.phase not in (Phase.TLS, Phase.CLOSED):
            self._parser.feed(data)

    def next_event(self) -> SessionEvent | None:
        """Return the next event, or None until more octets, or a decision, come."""
        while not self._events:
            if self.phase in _STANDING_STILL:
                return None
            try:
                read = self._parser.next()
                if read is None:
                    return None
                self._events.append(Decoded(event=read))
                if self.phase is Phase.HANDED_OVER:
                    self._events.append(Passed(data=read.raw))
                else:
                    self._step(read)
            except StreamError as error:
                self.close(error.condition, error.text)
        return self._events.popleft()

    def data_to_send(self) -> bytes:
        """Return, and forget, the octets that are due to the client."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def secured(self) -> None:
        """Say that TLS is up. The client opens a new stream; its id stays."""
        self._expect(Phase.TLS)
        self._restart(Phase.SECURE)

    def grant(self, user: Jid) -> None:
        """Accept the credentials: the session is that user's."""
        self._expect(Phase.JUDGING)
        self.user = user.bare
        self.domain = user.domain
        self._write(sasl.SUCCESS)
        self._restart(Phase.AUTHENTICATED)

    def refuse(self, condition: str = "not-authorized") -> None:
        """Refuse the credentials: the stream ends."""
        self._expect(Phase.JUDGING)
        self._write(sasl.failure(condition))
        self._finish(Ended(detail=f"authentication refused: {condition}"))

    def hand_over(self) -> None:
        """Leave the credentials, and all that follows, to another node: what the client sends comes as `Passed`."""
        self._expect(Phase.JUDGING)
        self.phase = Phase.HANDED_OVER

    def downward(self, data: bytes, *, restart: bool = False) -> None:
        """Pass the other node's octets to the client; with ``restart`` the client opens a new stream after them."""
        if self.phase is Phase.HANDED_OVER:
            self._out += data
            self._header_sent = True
            if restart:
                self._restart(Phase.HANDED_OVER)

    def closed_behind(self, condition: str | None = None) -> None:
        """Say that the session at the other node is gone; ``condition``: without a word to the client."""
        if self.phase is Phase.HANDED_OVER and condition is None:
            self.phase = Phase.CLOSED
            self._events.append(Ended(detail="closed by the home node"))
        elif self.phase is Phase.HANDED_OVER:
            self.close(condition, "the home node is gone")

    def bind(self, resource: str) -> Jid:
        """Accept the bind and return the full address."""
        self._expect(Phase.BINDING)
        assert self.user is not None
        self.jid = self.user.at(resource)
        self._write(stanzas.bind_result(self._bind_id, self.jid))
        self.phase = Phase.BOUND
        return self.jid

    def refuse_bind(self) -> None:
        """Answer the bind with ``conflict``; the client may ask again."""
        self._expect(Phase.BINDING)
        self._write(stanzas.bind_conflict(self._bind_id))
        self.phase = Phase.BIND_OFFERED

    def send(self, stanza: Element) -> None:
        """Write a stanza. Does nothing once the session is over."""
        if self.phase is not Phase.CLOSED:
            self._sent = (self._sent + 1) % 2**32
            self._write(stanza)

    def close(self, condition: str | None = None, text: str = "") -> None:
        """End the stream, with a stream error if ``condition`` is given. Does nothing if it is over already."""
        if self.phase is Phase.CLOSED:
            return
        if condition is not None:
            if not self._header_sent:
                self._out += server_header(self.domain, self.stream_id)
                self._header_sent = True
            self._write(stream_error(condition, text))
        self._finish(Ended(condition=condition, detail=text))

    # -- the order of things

    def _step(self, read: StreamEvent) -> None:
        what = _input_of(read)
        row = TRANSITIONS.get((self.phase, what))
        if row is None:
            raise StreamError(UNEXPECTED.get(what, "policy-violation"), f"{what.value} in phase: {self.phase.value}")
        handler, after = row
        instead: Phase | None = getattr(self, handler)(read)
        if self.phase is not Phase.CLOSED:
            self.phase = instead or after

    def _open(self, header: StreamOpened) -> None:
        try:
            if header.to is not None:
                self.domain = Jid.parse(header.to).domain
        except JidError:
            raise StreamError("improper-addressing", "bad to") from None
        if header.major < 1:
            raise StreamError("unsupported-version", "XMPP 1.0 is needed")
        self._out += server_header(self.domain, self.stream_id)
        self._header_sent = True

    def _offer_tls(self, header: StreamOpened) -> None:
        self._open(header)
        self._write(STARTTLS_REQUIRED)

    def _proceed(self, _: StanzaRead) -> None:
        self._write(PROCEED)
        self._events.append(StartTls())

    def _encryption_required(self, _: StanzaRead) -> None:
        self._write(sasl.failure("encryption-required"))
        self._finish(Ended(detail="authentication before TLS"))

    def _offer_sasl(self, header: StreamOpened) -> None:
        self._open(header)
        self._write(features(sasl.mechanisms(self._mechanisms, self._hostnames)))

    def _auth(self, read: StanzaRead) -> Phase | None:
        self._mechanism = read.element.get("mechanism") or ""
        if self._mechanism not in self._mechanisms:
            self._refuse_sasl("invalid-mechanism")
        elif not read.element.text:
            self._write(element("challenge", SASL))
            return Phase.CHALLENGED
        else:
            self._credentials(read.element.text)
        return None

    def _response(self, read: StanzaRead) -> None:
        self._credentials(read.element.text)

    def _credentials(self, text: str) -> None:
        try:
            credentials = sasl.decode(self._mechanism, text)
        except sasl.SaslError as error:
            self._refuse_sasl(error.condition)
        else:
            request = element("auth", SASL, text, mechanism=self._mechanism)
            self._events.append(Authenticate(credentials=credentials, domain=self.domain, request=request))

    def _refuse_sasl(self, condition: str) -> None:
        self._write(sasl.failure(condition))
        self._finish(Ended(detail=f"authentication refused: {condition}"))

    def _abort(self, _: StanzaRead) -> None:
        self._refuse_sasl("aborted")

    def _offer_bind(self, header: StreamOpened) -> None:
        owner = self.domain
        self._open(header)
        self.domain = owner
        offered = [stanzas.BIND_FEATURE, stanzas.SESSION_FEATURE]
        if self._stream_management:
            offered.append(stanzas.STREAM_MANAGEMENT_FEATURE)
        self._write(features(*offered))

    def _bind(self, read: StanzaRead) -> Phase | None:
        request = read.element
        wanted = request.find("bind", BIND)
        assert wanted is not None
        self._bind_id = request.get("id")
        named = wanted.find("resource", BIND)
        resource = named.text if named else ""
        try:
            if resource:
                Jid.parse(f"x@x/{resource}")
        except JidError:
            self._write(stanzas.error_reply(request, "bad-request"))
            return Phase.BIND_OFFERED
        self._events.append(BindRequested(resource=resource or None))
        return None

    def _second_bind(self, read: StanzaRead) -> None:
        self._handled = (self._handled + 1) % 2**32
        self.send(stanzas.error_reply(read.element, "not-allowed"))

    def _closed_by_client(self, _: StreamClosed) -> None:
        self._finish(Ended())

    # -- XEP-0198, as far as acknowledgements go: no resumption

    def _management_before_bind(self, read: StanzaRead) -> None:
        condition = "item-not-found" if read.element.name == "resume" else "unexpected-request"
        self._write(_management_failed(condition))

    def _management(self, read: StanzaRead) -> None:
        asked = read.element
        if asked.name == "enable" and self._stream_management and not self.managed:
            self.managed = True
            self._handled = self._sent = 0
            self._write(element("enabled", STREAM_MANAGEMENT))
        elif asked.name == "r" and self.managed:
            self._write(element("a", STREAM_MANAGEMENT, h=str(self._handled)))
        elif asked.name == "a" and self.managed:
            handled = asked.get("h") or ""
            if not (handled.isascii() and handled.isdigit() and len(handled) <= 10):
                raise StreamError("bad-format", "h is no number")
            if int(handled) > self._sent:
                raise StreamError("undefined-condition", "more stanzas acknowledged than were sent")
        else:
            self._write(_management_failed("unexpected-request"))

    # -- stanzas of a bound session

    def _stanza(self, read: StanzaRead) -> None:
        self._handled = (self._handled + 1) % 2**32
        assert self.jid is not None
        stanza = read.element
        try:
            sender = stanzas.address(stanza.get("from"))
        except JidError:
            raise StreamError("invalid-from") from None
        if sender is not None and sender not in (self.jid, self.jid.bare):
            raise StreamError("invalid-from")
        stanza = stanza.having(from_=str(self.jid))
        try:
            to = stanzas.address(stanza.get("to"))
        except JidError:
            if stanza.get("type") != "error":
                self.send(stanzas.error_reply(stanza.having(to=None), "jid-malformed").having(to=str(self.jid)))
            return
        getattr(self, f"_{stanza.name}")(stanza, to)

    def _message(self, stanza: Element, to: Jid | None) -> None:
        assert self.user is not None
        self._events.append(MessageSent(stanza=stanza, to=to or self.user))

    def _presence(self, stanza: Element, to: Jid | None) -> None:
        kind = stanza.get("type")
        if kind is not None and kind not in stanzas.PRESENCE_TYPES:
            self.send(stanzas.error_reply(stanza, "bad-request"))
        elif kind in stanzas.SUBSCRIPTION_TYPES:
            if to is None:
                self.send(stanzas.error_reply(stanza, "bad-request"))
            else:
                self._events.append(SubscriptionSent(stanza=stanza, kind=kind, to=to.bare))
        elif kind == "probe":
            return  # probes are the servers' own (RFC 6121, section 4.3.1)
        elif to is not None:
            self._events.append(PresenceDirected(stanza=stanza, to=to))
        elif kind != "error":
            self._events.append(PresenceChanged(stanza=stanza))

    def _iq(self, stanza: Element, to: Jid | None) -> None:
        kind = stanza.get("type")
        child = stanza.first()
        elements = sum(1 for _ in stanza.elements())
        if kind not in stanzas.IQ_TYPES or not stanza.get("id") or (kind in ("get", "set") and elements != 1):
            if kind not in ("result", "error"):
                self.send(stanzas.error_reply(stanza, "bad-request"))
            return
        ours = to is None or to == self.user or to == Jid(local="", domain=self.domain)
        if not ours and to is not None:
            self._events.append(IqSent(stanza=stanza, to=to))
        elif kind in ("get", "set") and child is not None:
            handler = _QUERIES.get((kind, child.namespace, child.name))
            if handler is None:
                self.send(stanzas.error_reply(stanza, "service-unavailable"))
            else:
                getattr(self, handler)(stanza, child)

    def _session_query(self, stanza: Element, _: Element) -> None:
        self.send(stanzas.reply(stanza))

    def _roster_get(self, stanza: Element, _: Element) -> None:
        self._events.append(RosterRequested(request=stanza))

    def _roster_set(self, stanza: Element, query: Element) -> None:
        items = [child for child in query.elements() if child.name == "item" and child.namespace == ROSTER]
        try:
            if len(items) != 1:
                raise JidError("one item is needed")
            item = RosterItem.from_element(items[0])
        except JidError:
            self.send(stanzas.error_reply(stanza, "bad-request"))
        else:
            self._events.append(RosterChanged(request=stanza, item=item))

    # -- small parts

    def _write(self, what: Element) -> None:
        self._out += what.encode()

    def _restart(self, phase: Phase) -> None:
        self._parser.restart()
        self._header_sent = False
        self.restarted = True
        self.phase = phase

    def _finish(self, end: Ended) -> None:
        self._out += STREAM_END if self._header_sent or end.condition else b""
        self.phase = Phase.CLOSED
        self._events.append(end)

    def _expect(self, phase: Phase) -> None:
        if self.phase is not phase:
            raise RuntimeError(f"session is {self.phase.value}, not {phase.value}")


_QUERIES: dict[tuple[str, str, str], str] = {
    ("set", SESSION, "session"): "_session_query",
    ("get", PING, "ping"): "_session_query",
    ("get", ROSTER, "query"): "_roster_get",
    ("set", ROSTER, "query"): "_roster_set",
}
"""Requests to the server or on the user's own behalf, by type, namespace and name; any other: service-unavailable."""


def _management_failed(condition: str) -> Element:
    return element("failed", STREAM_MANAGEMENT, element(condition, "urn:ietf:params:xml:ns:xmpp-stanzas"))


def _input_of(read: StreamEvent) -> Input:
    if isinstance(read, StreamOpened):
        return Input.OPEN
    if isinstance(read, StanzaRead):
        what = read.element
        if what.namespace == STREAM_MANAGEMENT:
            return Input.MANAGEMENT
        if what.namespace == CLIENT and what.name == "iq" and what.get("type") == "set" and what.find("bind", BIND):
            return Input.BIND
        return _ELEMENTS.get((what.namespace, what.name), Input.OTHER)
    return Input.CLOSE
