"""A REGISTER as Unified CM reads it: device and line, client, and path.

Unified CM identifies a device by parameters of Contact: ``+u.sip!devicename.ccm.cisco.com``, ``+sip.instance`` (whose
last twelve digits are a MAC address), and the user that the edge adds. Behind Expressway-C, Contact's host is that of C
and ``orig-hostport`` keeps the client's, or, with SIP Path headers, ``Path`` names C and Contact is unchanged.

Sources: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304); "How Phone Services Failover
works for Jabber 14 over MRA" (Cisco 217244); RFC 3261, section 10; RFC 3327; RFC 5626.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from edgesim.sip.addresses import NameAddr, SipUri
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import Request
from edgesim.sip.proxy import ABILITIES, USER_PARAMETER, announces_adaptive
from edgesim.sip.text import MAX_REMEMBERED, comparable_user, unquote
from edgesim.sip.values import delta_seconds

NO_INSTANCE = "000000000000"
"""The instance of a probe, which asks whether the device is free."""
KEEP_ALIVE = "cisco-keep-alive"
REMEMBERED = 4096
MALFORMED_EXPIRES = 3600
EXTENDED = "x-cisco-sis"

_PORT = re.compile(r":[0-9]+$")
_INSTANCE = re.compile(r"<urn:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-([0-9a-fA-F]{12})>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One Contact: its text, and the fields that Unified CM uses.

    ``client`` is the client's own host and port, ``host`` the one in the URI (Expressway-C's, if C rewrote it).
    ``instance`` is the twelve digits, or None. ``expires`` is the parameter of that name, in seconds. ``users`` are all
    users in the Contact; the edge adds one.
    """

    value: str
    host: str
    client: str
    device: str | None
    instance: str | None
    model: str | None
    users: tuple[str, ...]
    rewritten: bool
    adaptive: bool
    expires: int | None
    keeps_alive: bool = False
    """A phone's keep-alive to a node that it would fail over to: no binding changes."""

    @property
    def user(self) -> str | None:
        """The user that the edge added, or None."""
        return self.users[0] if self.users else None

    @property
    def is_probe(self) -> bool:
        """Return whether the client only asks if the device is free."""
        return self.instance == NO_INSTANCE

    @property
    def client_host(self) -> str:
        """The client's own host, without its port."""
        return _PORT.sub("", self.client)

    @classmethod
    def of(cls, value: str) -> Contact:
        """Parse a Contact. Raises `SipProtocolError`."""
        address = NameAddr.parse(value)
        uri = address.address
        parameters = address.parameters
        instance = _INSTANCE.fullmatch(parameters.get("+sip.instance") or "")
        original = uri.parameters.get("orig-hostport")
        expires = parameters.get("expires")
        return cls(
            value=value,
            host=uri.host,
            client=original or uri.hostport,
            device=parameters.get("+u.sip!devicename.ccm.cisco.com"),
            instance=instance[1].lower() if instance else None,
            model=parameters.get("+u.sip!model.ccm.cisco.com"),
            users=tuple(unquote(text or "") for name, text in parameters if name.lower() == USER_PARAMETER),
            rewritten=original is not None,
            adaptive="AR_SK" in (parameters.get(ABILITIES) or "").split(","),
            expires=None if expires is None else _lifetime(expires),
            keeps_alive=KEEP_ALIVE in parameters,
        )


def _lifetime(text: str) -> int:
    """Parse a lifetime in seconds; an invalid number counts as an hour (RFC 3261, 20.10)."""
    try:
        return delta_seconds(text)
    except SipProtocolError:
        return MALFORMED_EXPIRES


# A refresh repeats its Contact octet for octet, so the parsed value is cached.
_remembered = lru_cache(REMEMBERED)(Contact.of)


def _contact(value: str) -> Contact:
    return _remembered(value) if len(value) <= MAX_REMEMBERED else Contact.of(value)


def _line(request: Request) -> str:
    """Return the directory number in To, with escapes decoded (RFC 3261, 10.3, step 5)."""
    line = comparable_user(request.to.address.user or "")
    if not line:
        raise SipProtocolError("To without a directory number")
    return line


Cause = Literal["expired", "removed", "reset", "displaced", "moved"]
"""Why a registration ends: ``reset`` if a client leaves to restart, ``moved`` if it has another address."""
RESET = " Last=reset-"
"""The Reason texts of a REGISTER with which a phone leaves for a reset (reset-reset) or a restart (reset-restart)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The content of a REGISTER.

    ``contacts`` are those to bind, ``leaving`` those to remove; both are empty for a query of the bindings, and for
    ``Contact: *`` (``everything``). ``expires`` is in seconds, None if the client leaves it to the registrar. ``path``
    is the host that Path names, ``source`` the address the request came from. ``cause`` is why a client leaves,
    ``reset`` if its Reason says so. ``extended``: whether the client supports Cisco's line interface (``X-cisco-sis-``
    in Supported).
    """

    line: str
    contacts: tuple[Contact, ...]
    everything: bool
    expires: int | None
    call_id: str
    cseq: int
    leaving: tuple[Contact, ...] = ()
    path: str | None = None
    adaptive: bool = False
    extended: bool = False
    source: str = ""
    cause: Cause = "removed"

    @property
    def contact(self) -> Contact | None:
        """The Contact that the request is about: the one to bind, else the one to remove."""
        return next(iter((*self.contacts, *self.leaving)), None)

    @property
    def users(self) -> tuple[str, ...]:
        """The users in the Contacts, each once."""
        return tuple(dict.fromkeys(user for each in (*self.contacts, *self.leaving) for user in each.users))

    @property
    def over_edge(self) -> bool:
        """Return whether the request came through Expressway-C."""
        return self.path is not None or (self.contact is not None and self.contact.rewritten)

    @property
    def via(self) -> str:
        """The address that Unified CM shows as the device's: Expressway-C's if it is behind it, else the client's."""
        return self.path or (self.contact.host if self.contact else "")

    @classmethod
    def of(cls, request: Request, source: str = "") -> Registration:
        """Parse a REGISTER. Raises `SipProtocolError` if it violates RFC 3261, sections 10.2 and 10.3."""
        header = request.get("Expires")
        expires = None if header is None else _lifetime(header)
        values = request.values("Contact")
        everything = values == ["*"]
        if "*" in values and (not everything or expires != 0):
            raise SipProtocolError("Contact * with another Contact, or with an Expires other than 0")
        contacts: list[Contact] = []
        leaving: list[Contact] = []
        for contact in () if everything else map(_contact, values):
            (leaving if (expires if contact.expires is None else contact.expires) == 0 else contacts).append(contact)
        if contacts:
            expires = contacts[0].expires if contacts[0].expires is not None else expires
        elif leaving:
            expires = 0
        paths = request.values("Path") if "Path" in request else []
        return cls(
            line=_line(request),
            contacts=tuple(contacts),
            leaving=tuple(leaving),
            everything=everything,
            expires=expires,
            call_id=request.call_id,
            cseq=request.cseq.number,
            path=_path_host(paths[0]) if paths else None,
            adaptive=announces_adaptive(request),
            extended=any(tag.lower().startswith(EXTENDED) for tag in request.values("Supported")),
            source=source,
            cause="reset" if RESET in (request.get("Reason") or "") else "removed",
        )


def _path_host(value: str) -> str:
    uri: SipUri = NameAddr.parse(value).address
    return uri.host
