"""The contacts that Unified CM accepted through Expressway-C, and the Expressway-E behind which each is.

A contact belongs to the user who registered it for as long as it is registered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from edgesim.servers.expressway_c.zone import Peer
from edgesim.sip.addresses import NameAddr, SipUri
from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import restored
from edgesim.sip.text import comparable_host, comparable_user
from edgesim.sip.values import Via, delta_seconds

CONTACTS = 100_000
Target = tuple[str, str]
"""The user part and ``host:port`` of a client's own contact."""


@dataclass(frozen=True, slots=True)
class RegisteredContact:
    """A contact that a user registered through a peer; ``until`` is its expiry in the loop's time."""

    peer: Peer
    user: str | None
    until: float


@dataclass(frozen=True, slots=True)
class BindingChange:
    """The change requested by a forwarded REGISTER: the contacts that ``user`` registers through a peer.

    ``source`` is the client's address and port as seen by E.
    """

    targets: tuple[Target, ...]
    peer: Peer
    user: str | None
    source: str | None


class Contacts:
    """The registered contacts, in order of registration. ``now`` returns the loop's time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.held: OrderedDict[Target, RegisteredContact] = OrderedDict()
        self._now = now

    def count(self) -> int:
        """Return the number of contacts."""
        now = self._now()
        while self.held and next(iter(self.held.values())).until <= now:
            self.held.popitem(last=False)
        return len(self.held)

    def forget(self, peer: Peer) -> None:
        """Remove the contacts registered through a peer."""
        for target in [target for target, held in self.held.items() if held.peer is peer]:
            del self.held[target]

    def clear(self) -> None:
        """Remove all contacts."""
        self.held.clear()

    def peer_of(self, uri: SipUri) -> Peer | None:
        """Return the peer through which a contact was registered."""
        held = self.held.get(_target(uri))
        return held.peer if held is not None else None

    def change(self, request: Request, peer: Peer, user: str | None) -> BindingChange | None:
        """Return the change that a REGISTER of ``user`` requests, or None if a contact belongs to another user."""
        targets = tuple(_target(contact.address) for contact in request.contacts)
        source = _seen_at(request)
        if any(self._is_taken(target, user, source) for target in targets):
            return None
        return BindingChange(targets, peer, user, source)

    def registered(self, response: Response, change: BindingChange) -> None:
        """Record the owners and expiry of the contacts in a 200 to REGISTER."""
        until = self._now() + delta_seconds(response.get("Expires") or "0")
        granted = {_target(restored(contact.address, "tls")) for contact in response.contacts}
        for target in change.targets:
            if self._is_taken(target, change.user, change.source):
                continue
            self.held.pop(target, None)
            if until > self._now() and target in granted:
                self.held[target] = RegisteredContact(change.peer, change.user, until)
                if len(self.held) > CONTACTS:
                    self.held.popitem(last=False)

    def keep_own(self, response: Response, user: str | None) -> None:
        """Remove other users' contacts from the response to a query: Unified CM selects only by Call-ID or line."""
        own = []
        for value in response.values("Contact"):
            held = self.held.get(_target(restored(NameAddr.parse(value).address, "tls")))
            if held is not None and held.user == user and held.until > self._now():
                own.append(value)
        if len(own) < len(response.values("Contact")):
            response.remove("Contact")
            for value in own:
                response.append("Contact", value)

    def _is_taken(self, target: Target, user: str | None, source: str | None) -> bool:
        """Return whether a contact is another user's. The address from which a client is seen cannot be taken."""
        held = self.held.get(target)
        return held is not None and held.user != user and held.until > self._now() and target[1] != source


def _seen_at(request: Request) -> str | None:
    """Return the client's address and port as seen by E, which recorded it in the client's Via, below its own."""
    vias = request.values("Via")
    if len(vias) < 2:
        return None
    via = Via.parse(vias[1])
    host, port = via.parameters.get("received"), via.parameters.get("rport")
    return f"{comparable_host(host)}:{port}" if host and port else None


def _target(uri: SipUri) -> Target:
    """Return the identity of a contact."""
    host = comparable_host(uri.host)
    return comparable_user(uri.user or ""), host if uri.port is None else f"{host}:{uri.port}"
