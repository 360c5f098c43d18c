"""What E remembers of the clients that are connected to it: who proved to be whom, and which contact is where."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from edgesim.servers.expressway_e.zone import Link
from edgesim.sip.connection import Connection
from edgesim.sip.message import Request
from edgesim.sip.values import SipUri

USERS_PER_CLIENT = 16
CONTACTS_PER_CLIENT = 64
DIALOGS = 50_000

Target = tuple[str, str]
"""The user part and ``host:port`` of a contact."""


@dataclass(slots=True, eq=False)
class Client:
    """One TLS connection from outside.

    ``granted`` are the users that C vouched for and until when (loop time) E believes it; ``link`` is the C by which
    the client last registered, ``named`` the C that its Route then named, ``node`` the Unified CM node.
    """

    connection: Connection
    granted: dict[str, float] = field(default_factory=dict)
    link: Link | None = None
    named: str = ""
    node: str = ""
    contacts: dict[Target, None] = field(default_factory=dict)
    contact_line: bytes = b""
    contact: Target | None = None

    def grant(self, user: str, until: float) -> None:
        """Remember that a C vouched for ``user``."""
        while len(self.granted) >= USERS_PER_CLIENT:
            del self.granted[next(iter(self.granted))]
        self.granted[user] = until

    def contact_of(self, request: Request) -> Target | None:
        """Return where the first Contact of a REGISTER points to; a refresh repeats it to the octet."""
        line = request.raw_line("Contact")
        if line is None:
            return None
        if line != self.contact_line:
            contacts = request.contacts
            self.contact = target_of(contacts[0].address) if contacts else None
            self.contact_line = line
        return self.contact


def target_of(uri: SipUri) -> Target:
    """Return what tells one contact from another."""
    return uri.user or "", uri.hostport.lower()


class Clients:
    """All connected clients."""

    def __init__(self) -> None:
        self._contacts: dict[Target, Client] = {}
        self._dialogs: OrderedDict[str, Client] = OrderedDict()

    @property
    def registered(self) -> int:
        """How many contacts are registered through connections that stand."""
        return len(self._contacts)

    def registered_at(self, client: Client, target: Target) -> None:
        """A registration was granted: requests for ``target`` go to ``client`` from now on."""
        client.contacts[target] = None
        self._contacts[target] = client
        if len(client.contacts) > CONTACTS_PER_CLIENT:
            self.unregistered(client, next(iter(client.contacts)))

    def unregistered(self, client: Client, target: Target) -> None:
        """A registration ended."""
        client.contacts.pop(target, None)
        if self._contacts.get(target) is client:
            del self._contacts[target]

    def joined(self, client: Client, proxy_call_id: str) -> None:
        """A request that may begin a dialog was sent for, or to, ``client``."""
        self._dialogs[proxy_call_id] = client
        if len(self._dialogs) > DIALOGS:
            self._dialogs.popitem(last=False)

    def of_dialog(self, proxy_call_id: str) -> Client | None:
        """Return the client of a dialog, by the ``proxy-call-id`` of our Record-Route."""
        return self._dialogs.get(proxy_call_id)

    def at(self, uri: SipUri) -> Client | None:
        """Return the client that registered the contact ``uri``."""
        return self._contacts.get(target_of(uri))

    def lost(self, client: Client) -> None:
        """A connection ended, and with it every way to its client."""
        for target in list(client.contacts):
            self.unregistered(client, target)
        for dialog in [dialog for dialog, owner in self._dialogs.items() if owner is client]:
            del self._dialogs[dialog]

    def clear(self) -> None:
        """Forget everybody."""
        self._contacts.clear()
        self._dialogs.clear()
