"""The server's side of one client session, from the stream header to the last stanza.

RFC 6120, 6121 and 3921, and XEP-0198 without resumption. `TABLE` is the complete state table of a session; a session
over an XCP link was secured at the edge and starts with ``secure=True``. `edgesim.xmpp.server_stream` describes how a
stream is run, `edgesim.xmpp.session_events` its events.
"""

from __future__ import annotations

from collections.abc import Callable

from edgesim.xmpp import sasl, stanzas
from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.server_stream import Input, Phase, ServerStream, Table, Verb
from edgesim.xmpp.session_events import (
    Authenticate,
    BindRequested,
    IqSent,
    MessageSent,
    PresenceChanged,
    PresenceDirected,
    RosterChanged,
    RosterRequested,
    SubscriptionSent,
)
from edgesim.xmpp.stanzas import RosterItem
from edgesim.xmpp.stream import StreamError, StreamEvent, StreamOpened, XmppLimits, features
from edgesim.xmpp.xml import BIND, PING, ROSTER, SASL, SESSION, STREAM_MANAGEMENT, Element, element


class Session(ServerStream):
    """One client's session on a server.

    ``domain`` is used to answer a header without ``to``. Any other domain is accepted: a wrong domain fails at
    authentication, like a wrong user or password. ``mechanisms`` and ``hostnames`` fill the offer of mechanisms;
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
        phase = Phase.SECURE if secure else Phase.NEW
        super().__init__(domain=domain, stream_id=stream_id, phase=phase, limits=limits)
        self.user: Jid | None = None
        self.jid: Jid | None = None
        self.managed = False
        self._mechanisms = mechanisms
        self._hostnames = hostnames
        self._stream_management = stream_management
        self._mechanism = ""
        self._bind_id: str | None = None
        self._handled = 0
        self._sent = 0

    # -- called by the server

    def grant(self, user: Jid) -> None:
        """Accept the credentials for that user."""
        self._asked(Verb.GRANT)
        self.user = user.bare
        self.domain = user.domain
        self._write(sasl.SUCCESS)
        self._restart()

    def refuse(self, condition: str = "not-authorized") -> None:
        """Refuse the credentials: the stream ends."""
        self._asked(Verb.REFUSE)
        self._refuse_sasl(condition)

    def hand_over(self) -> None:
        """Leave the credentials, and all later input, to another node: client input is reported as `Passed`."""
        self._asked(Verb.HAND_OVER)

    def bind(self, resource: str) -> Jid:
        """Accept the bind and return the full address."""
        self._asked(Verb.BIND)
        assert self.user is not None
        self.jid = self.user.at(resource)
        self._write(stanzas.bind_result(self._bind_id, self.jid))
        return self.jid

    def refuse_bind(self) -> None:
        """Answer the bind with ``conflict``; the client may try again."""
        self._asked(Verb.REFUSE_BIND)
        self._write(stanzas.bind_conflict(self._bind_id))

    def send(self, stanza: Element) -> None:
        """Write a stanza. Does nothing once the session has ended."""
        if self._asked(Verb.SEND):
            self._sent = (self._sent + 1) % 2**32
            self._write(stanza)

    # -- negotiation

    def _step(self, read: StreamEvent) -> None:
        self._follow(TABLE, read)

    def _offer_sasl(self, header: StreamOpened) -> None:
        self._open(header)
        self._write_header()
        self._write(features(sasl.mechanisms(self._mechanisms, self._hostnames)))

    def _offer_bind(self, header: StreamOpened) -> None:
        owner = self.domain
        self._open(header)
        self._write_header()
        self.domain = owner
        offered = [stanzas.BIND_FEATURE, stanzas.SESSION_FEATURE]
        if self._stream_management:
            offered.append(stanzas.STREAM_MANAGEMENT_FEATURE)
        self._write(features(*offered))

    def _encryption_required(self, _: Element) -> None:
        self._refuse_sasl("encryption-required")

    def _auth(self, auth: Element) -> Phase | None:
        self._mechanism = auth.get("mechanism") or ""
        if self._mechanism not in self._mechanisms:
            self._refuse_sasl("invalid-mechanism")
        elif not auth.text:
            self._write(element("challenge", SASL))
            return Phase.CHALLENGED
        else:
            self._response(auth)
        return None

    def _response(self, response: Element) -> None:
        text = response.text
        try:
            credentials = sasl.decode(self._mechanism, text)
        except sasl.SaslError as error:
            self._refuse_sasl(error.condition)
        else:
            request = element("auth", SASL, text, mechanism=self._mechanism)
            self._events.append(Authenticate(credentials=credentials, domain=self.domain, request=request))

    def _abort(self, _: Element) -> None:
        self._refuse_sasl("aborted")

    def _bind(self, request: Element) -> Phase | None:
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

    def _second_bind(self, request: Element) -> None:
        self._handled = (self._handled + 1) % 2**32
        self.send(stanzas.error_reply(request, "not-allowed"))

    # -- XEP-0198: acknowledgements only, no resumption

    def _management_before_bind(self, asked: Element) -> None:
        condition = "item-not-found" if asked.name == "resume" else "unexpected-request"
        self._write(_management_failed(condition))

    def _management(self, asked: Element) -> None:
        if asked.name == "enable" and self._stream_management and not self.managed:
            self.managed = True
            self._handled = self._sent = 0
            self._write(element("enabled", STREAM_MANAGEMENT))
        elif asked.name == "r" and self.managed:
            self._write(element("a", STREAM_MANAGEMENT, h=str(self._handled)))
        elif asked.name == "a" and self.managed:
            handled = asked.get("h") or ""
            if not (handled.isascii() and handled.isdigit() and len(handled) <= 10):
                raise StreamError("bad-format", "h is not a number")
            if int(handled) > self._sent:
                raise StreamError("undefined-condition", "more stanzas acknowledged than were sent")
        else:
            self._write(_management_failed("unexpected-request"))

    # -- stanzas of a bound session

    def _stanza(self, stanza: Element) -> None:
        self._handled = (self._handled + 1) % 2**32
        assert self.jid is not None
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
        STANZAS[stanza.name](self, stanza, to)

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
            return  # only servers send probes (RFC 6121, section 4.3.1)
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
            answer = QUERIES.get((kind, child.namespace, child.name))
            if answer is None:
                self.send(stanzas.error_reply(stanza, "service-unavailable"))
            else:
                answer(self, stanza, child)

    def _acknowledge(self, stanza: Element, _: Element) -> None:
        self.send(stanzas.reply(stanza))

    def _roster_get(self, stanza: Element, _: Element) -> None:
        self._events.append(RosterRequested(request=stanza))

    def _roster_set(self, stanza: Element, query: Element) -> None:
        items = [child for child in query.elements() if child.name == "item" and child.namespace == ROSTER]
        try:
            if len(items) != 1:
                raise JidError("expected exactly one item")
            item = RosterItem.from_element(items[0])
        except JidError:
            self.send(stanzas.error_reply(stanza, "bad-request"))
        else:
            self._events.append(RosterChanged(request=stanza, item=item))


TABLE: Table[Session] = Table(
    headers={
        Phase.NEW: (Session._offer_tls, Phase.TLS_OFFERED),
        Phase.SECURE: (Session._offer_sasl, Phase.SASL_OFFERED),
        Phase.AUTHENTICATED: (Session._offer_bind, Phase.BIND_OFFERED),
    },
    elements={
        (Phase.TLS_OFFERED, Input.STARTTLS): (Session._proceed, Phase.TLS),
        (Phase.TLS_OFFERED, Input.AUTH): (Session._encryption_required, Phase.CLOSED),
        (Phase.SASL_OFFERED, Input.AUTH): (Session._auth, Phase.CHECKING),
        (Phase.CHALLENGED, Input.RESPONSE): (Session._response, Phase.CHECKING),
        (Phase.CHALLENGED, Input.ABORT): (Session._abort, Phase.CLOSED),
        (Phase.BIND_OFFERED, Input.BIND): (Session._bind, Phase.BINDING),
        (Phase.BIND_OFFERED, Input.MANAGEMENT): (Session._management_before_bind, Phase.BIND_OFFERED),
        (Phase.BOUND, Input.BIND): (Session._second_bind, Phase.BOUND),
        (Phase.BOUND, Input.STANZA): (Session._stanza, Phase.BOUND),
        (Phase.BOUND, Input.MANAGEMENT): (Session._management, Phase.BOUND),
    },
    refused={
        Input.OTHER: "unsupported-stanza-type",
        Input.NEGOTIATION: "unsupported-stanza-type",
        Input.BIND: "not-authorized",
        Input.STANZA: "not-authorized",
        Input.MANAGEMENT: "not-authorized",
    },
)

STANZAS: dict[str, Callable[[Session, Element, Jid | None], None]] = {
    "message": Session._message,
    "presence": Session._presence,
    "iq": Session._iq,
}
"""The handlers of a bound session's stanzas."""

QUERIES: dict[tuple[str, str, str], Callable[[Session, Element, Element], None]] = {
    ("set", SESSION, "session"): Session._acknowledge,
    ("get", PING, "ping"): Session._acknowledge,
    ("get", ROSTER, "query"): Session._roster_get,
    ("set", ROSTER, "query"): Session._roster_set,
}
"""Requests to the server or the user's own account, by type, namespace and name; any other: service-unavailable."""


def _management_failed(condition: str) -> Element:
    return element("failed", STREAM_MANAGEMENT, element(condition, "urn:ietf:params:xml:ns:xmpp-stanzas"))
