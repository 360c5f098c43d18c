"""The chat service of a node: checks credentials, binds resources, and dispatches events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edgesim.journal import Recorder, events
from edgesim.servers.im_presence.accounts import Account, Accounts, same_secret
from edgesim.servers.im_presence.messages import Messages
from edgesim.servers.im_presence.presence import Presence
from edgesim.servers.im_presence.router import HandedOver, Router
from edgesim.servers.im_presence.sessions import Carrier, ChatSession, Sessions
from edgesim.servers.im_presence.tickets import Tickets
from edgesim.world import Entropy
from edgesim.world.pace import PaceLimits
from edgesim.xmpp import sasl, stanzas
from edgesim.xmpp import session_events as asked
from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.journalling import keys_of
from edgesim.xmpp.session import Session
from edgesim.xmpp.session_events import SessionEvent
from edgesim.xmpp.xml import Element

Conflict = Literal["refuse", "replace"]
SESSIONS_PER_USER = 16


class Chat:
    """Runs the sessions of all carriers.

    ``patience`` is how many seconds a client on 5222 has to authenticate. ``conflict`` says what a bind to a resource
    in use does: it is refused, or it replaces the older session. ``intercluster_sync_broken`` makes every bind fail
    with ``conflict``, like a broken Intercluster Sync Agent.
    """

    def __init__(
        self,
        recorder: Recorder,
        accounts: Accounts,
        tickets: Tickets,
        sessions: Sessions,
        presence: Presence,
        messages: Messages,
        entropy: Entropy,
        *,
        domain: str,
        router: Router | None = None,
        peers: Sequence[Accounts] = (),
        mechanisms: tuple[str, ...] = sasl.MECHANISMS,
        hostnames: tuple[str, ...] = (),
        conflict: Conflict,
        resource_digits: int,
        stream_management: bool,
        patience: float,
        pace: PaceLimits,
        idle: float | None = None,
    ) -> None:
        self.domain = domain
        self.mechanisms = mechanisms
        self.hostnames = hostnames
        self.patience = patience
        self.pace = pace
        self.idle = idle
        self.sessions = sessions
        self.intercluster_sync_broken = False
        self._recorder = recorder
        self._accounts = accounts
        self._tickets = tickets
        self.presence = presence
        self.messages = messages
        self._entropy = entropy
        self.router = router
        self._peers = tuple(peers)
        self._conflict = conflict
        self._resource_digits = resource_digits
        self._stream_management = stream_management
        self._all: dict[int, ChatSession] = {}

    def stream_id(self) -> str:
        """Return a new stream id: 12 upper-case hexadecimal digits."""
        return self._entropy.token_hex(6).upper()

    def session(self, *, stream_id: str | None = None, domain: str = "", secure: bool = False) -> Session:
        """Return a new session; ``secure`` if its TLS ends elsewhere."""
        return Session(
            domain=domain or self.domain,
            stream_id=stream_id or self.stream_id(),
            secure=secure,
            mechanisms=self.mechanisms,
            hostnames=self.hostnames,
            stream_management=self._stream_management,
        )

    def join(self, session: Session, carrier: Carrier) -> ChatSession:
        """Add a session."""
        made = ChatSession(session, carrier)
        self._all[id(made)] = made
        return made

    def handed_over(self, chat: ChatSession) -> HandedOver | None:
        """Return the route of a session to its user's home node, or None."""
        return self.router.handed_over(chat) if self.router is not None else None

    @property
    def live(self) -> tuple[ChatSession, ...]:
        """Return every open session, bound or not."""
        return tuple(self._all.values())

    def shut_down(self) -> None:
        """End every session with ``system-shutdown``."""
        for each in self.live:
            each.close("system-shutdown")

    def handle(self, chat: ChatSession, event: SessionEvent) -> None:
        """Handle an event of a session."""
        match event:
            case asked.Authenticate():
                self._authenticate(chat, event)
            case asked.Passed() if self.router is not None and (handed := self.router.handed_over(chat)) is not None:
                handed.passed(event.data)
            case asked.BindRequested():
                self._bind(chat, event.resource)
            case asked.RosterRequested():
                self.presence.send_roster(chat, event.request)
            case asked.RosterChanged():
                self.presence.change_roster(chat, event.request, event.item)
            case asked.PresenceChanged():
                self.presence.change(chat, event.stanza)
            case asked.PresenceDirected():
                self.presence.direct(chat, event.stanza, event.to)
            case asked.SubscriptionSent():
                self.presence.subscribe(chat, event.kind, event.to)
            case asked.MessageSent():
                self.messages.send(chat, event.stanza, event.to)
            case asked.IqSent():
                self.messages.send_iq(chat, event.stanza, event.to)
            case asked.Ended():
                self._ended(chat, event)

    def arrived(self, stanza: Element, *, from_node: str) -> None:
        """Handle a stanza from another node; only its own users may send one."""
        try:
            sender, to = stanzas.address(stanza.get("from")), stanzas.address(stanza.get("to"))
        except JidError:
            return
        if sender is None or to is None or self.router is None or self.router.homes.get(sender.bare) != from_node:
            return
        if stanza.name == "presence":
            self.presence.arrived(stanza, sender, to)
        else:
            self.messages.arrived(stanza, sender, to)

    # ---- credentials

    def _authenticate(self, chat: ChatSession, event: asked.Authenticate) -> None:
        given = event.credentials
        account = self._account_named(given.user, event.domain)
        if account is not None and self.router is not None and self.router.elsewhere(account.jid):
            if not self.router.hand_over(chat, account, event.request):
                self._recorder.emit(
                    events.Note(text=f"no XCP route to {account.node}, the home node of {account.user_id}"),
                    keys=keys_of(account.jid),
                )
                chat.session.refuse("temporary-auth-failure")
            return
        refusal = self._check(account, given)
        user = account.user_id if account else given.user[:128]
        keys = keys_of(account.jid) if account else ()
        self._recorder.emit(
            events.Authentication(user=user, how=f"sasl {given.mechanism}", granted=not refusal, detail=refusal),
            peer=chat.carrier.origin or None,
            keys=keys,
        )
        if account is None or refusal:
            chat.session.refuse()
        else:
            chat.session.grant(account.jid)
            chat.carrier.identified(account.jid)

    def _account_named(self, user: str, domain: str) -> Account | None:
        """Return the user of these credentials, among those of this cluster and its peers."""
        found = self._accounts.with_sasl_name(user, domain)
        return found or next(
            (one for peer in self._peers if (one := peer.with_sasl_name(user, domain)) is not None), None
        )

    def _check(self, account: Account | None, given: sasl.Credentials) -> str:
        if account is None:
            return "unknown user or domain"
        if given.authorization and given.authorization.lower() not in (str(account.jid), account.user_id.lower()):
            return "may not act for another"
        if given.mechanism == sasl.CISCO_VTG_TOKEN:
            return self._tickets.redeem(account.user_id, given.secret) or ""
        return "" if same_secret(given.secret, account.password) else "wrong password"

    # ---- resources

    def _bind(self, chat: ChatSession, wanted: str | None) -> None:
        user = chat.session.user
        assert user is not None
        if self.intercluster_sync_broken or len(self.sessions.of(user)) >= SESSIONS_PER_USER:
            chat.session.refuse_bind()
            return
        resource = wanted or self._new_resource(user)
        holder = self.sessions.at(user.at(resource))
        if holder is not None:
            if self._conflict == "refuse":
                chat.session.refuse_bind()
                return
            holder.close("conflict", "replaced by a new session")
        jid = chat.session.bind(resource)
        self.sessions.add(jid, chat)
        self._recorder.emit(
            events.XmppSession(jid=str(jid), state="bound"), peer=chat.carrier.origin or None, keys=keys_of(jid)
        )

    def _new_resource(self, user: Jid) -> str:
        digits = self._resource_digits
        while True:
            number = self._entropy.randrange(10 ** (digits - 1), 10**digits)
            if self.sessions.at(user.at(f"jabber_{number}")) is None:
                return f"jabber_{number}"

    def _ended(self, chat: ChatSession, event: asked.Ended) -> None:
        handed = self.router.handed_over(chat) if self.router is not None else None
        if handed is not None:
            handed.close()
        if self._all.pop(id(chat), None) is None or chat.jid is None:
            return
        self.sessions.remove(chat)
        self.presence.gone(chat)
        detail = event.condition or event.detail
        state = f"ended: {detail}" if detail else "ended"
        self._recorder.emit(
            events.XmppSession(jid=str(chat.jid), state=state), peer=chat.carrier.origin or None, keys=keys_of(chat.jid)
        )
