"""The connected clients of E: authenticated users, and the connection of each contact."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from edgesim.servers.expressway_e.zone import TraversalLink
from edgesim.sip.addresses import SipUri
from edgesim.sip.connection import Connection
from edgesim.sip.message import Request
from edgesim.sip.text import comparable_host, comparable_user

USERS_PER_CLIENT = 16
CONTACTS_PER_CLIENT = 64
DIALOGS = 50_000

Target = tuple[str, str]
"""The user part and ``host:port`` of a contact."""


@dataclass(slots=True, eq=False)
class Client:
    """One TLS connection from outside.

    ``proved`` are the users that authenticated on it; ``challenges`` counts consecutive challenges. ``link`` is the C
    by which the client last registered, ``named`` the C that its Route then named, ``node`` the Unified CM node.
    """

    connection: Connection
    proved: dict[str, None] = field(default_factory=dict)
    challenges: int = 0
    link: TraversalLink | None = None
    named: str = ""
    node: str = ""
    contacts: dict[Target, None] = field(default_factory=dict)

    def sends_from(self, target: Target) -> bool:
        """Return whether a contact is the address and port from which this client is connected."""
        host, port = self.connection.peer
        return target[1] == f"{comparable_host(host)}:{port}"

    def grant(self, user: str) -> None:
        """Record that ``user`` authenticated."""
        self.challenges = 0
        self.proved.pop(user, None)
        while len(self.proved) >= USERS_PER_CLIENT:
            del self.proved[next(iter(self.proved))]
        self.proved[user] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingChange:
    """The change requested by a forwarded REGISTER: the contacts that ``user`` registers and removes."""

    client: Client
    user: str
    added: tuple[Target, ...]
    removed: tuple[Target, ...]

    @classmethod
    def of(cls, request: Request, client: Client, user: str) -> BindingChange:
        """Parse the Contacts of a REGISTER. Raises `SipProtocolError`."""
        added: list[Target] = []
        removed: list[Target] = []
        leaving = _is_zero(request.get("Expires"))
        for contact in request.contacts:
            own = contact.parameters.get("expires")
            zero = leaving if own is None else _is_zero(own)
            (removed if zero else added).append(target_of(contact.address))
        return cls(client=client, user=user, added=tuple(added), removed=tuple(removed))


def _is_zero(expires: str | None) -> bool:
    """Return whether a lifetime is zero; an invalid number counts as positive (RFC 3261, 20.10)."""
    return expires is not None and expires.isascii() and expires.isdecimal() and not expires.strip("0")


def target_of(uri: SipUri) -> Target:
    """Return the identity of a contact."""
    host = comparable_host(uri.host)
    return comparable_user(uri.user or ""), host if uri.port is None else f"{host}:{uri.port}"


class Clients:
    """All connected clients. A contact belongs to the user who registered it while the connection is open.

    A client connected from the address that a contact names has the better claim: another user cannot register it
    beforehand.
    """

    def __init__(self) -> None:
        self._contacts: dict[Target, tuple[Client, str]] = {}
        self._dialogs: OrderedDict[str, Client] = OrderedDict()

    @property
    def registered(self) -> int:
        """The number of contacts registered through open connections."""
        return len(self._contacts)

    def refuses(self, change: BindingChange) -> bool:
        """Return whether a contact to register or remove belongs to another user."""
        return any(self._belongs_to_another(target, change) for target in (*change.added, *change.removed))

    def _belongs_to_another(self, target: Target, change: BindingChange) -> bool:
        holder = self._contacts.get(target)
        return holder is not None and holder[1] != change.user and not change.client.sends_from(target)

    def registered_at(self, change: BindingChange) -> None:
        """A registration was granted: requests for its contacts are sent to its client from now on.

        A contact that another user registered meanwhile stays that user's.
        """
        for target in change.removed:
            self._drop(target, change.user)
        for target in change.added:
            if self._belongs_to_another(target, change):
                continue
            holder = self._contacts.get(target)
            if holder is not None:
                self._drop(target, holder[1])
            change.client.contacts[target] = None
            self._contacts[target] = (change.client, change.user)
            if len(change.client.contacts) > CONTACTS_PER_CLIENT:
                first = next(iter(change.client.contacts))
                self._drop(first, self._contacts[first][1])

    def unregistered(self, change: BindingChange) -> None:
        """A registration ended."""
        for target in (*change.added, *change.removed):
            self._drop(target, change.user)

    def _drop(self, target: Target, user: str) -> None:
        holder = self._contacts.get(target)
        if holder is not None and holder[1] == user:
            del self._contacts[target]
            holder[0].contacts.pop(target, None)

    def joined(self, client: Client, proxy_call_id: str) -> None:
        """Record the client of a request that may create a dialog."""
        self._dialogs[proxy_call_id] = client
        if len(self._dialogs) > DIALOGS:
            self._dialogs.popitem(last=False)

    def of_dialog(self, proxy_call_id: str) -> Client | None:
        """Return the client of a dialog, by the ``proxy-call-id`` in our Record-Route."""
        return self._dialogs.get(proxy_call_id)

    def at(self, uri: SipUri) -> Client | None:
        """Return the client that registered the contact ``uri``."""
        holder = self._contacts.get(target_of(uri))
        return holder[0] if holder is not None else None

    def lost(self, client: Client) -> None:
        """Remove everything about a closed connection."""
        for target in list(client.contacts):
            holder = self._contacts.get(target)
            if holder is not None and holder[0] is client:
                del self._contacts[target]
        client.contacts.clear()
        for dialog in [dialog for dialog, owner in self._dialogs.items() if owner is client]:
            del self._dialogs[dialog]

    def clear(self) -> None:
        """Remove all clients."""
        self._contacts.clear()
        self._dialogs.clear()
