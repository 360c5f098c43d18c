"""A REGISTER as Unified CM reads it: which device and line, which client, by which way.

Unified CM knows a device by parameters of Contact: ``+u.sip!devicename.ccm.cisco.com``, ``+sip.instance`` (whose last
twelve digits are a MAC address), and the user that the edge adds. Behind Expressway-C, Contact's host is that of C and
``orig-hostport`` keeps the client's, or, with SIP Path headers, ``Path`` names C and Contact is untouched.

Sources: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304); "How Phone Services Failover
works for Jabber 14 over MRA" (Cisco 217244); RFC 3261, section 10; RFC 3327; RFC 5626.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import Request
from edgesim.sip.values import NameAddr, SipUri, delta_seconds

NO_INSTANCE = "000000000000"
"""The instance of a probe: it asks whether the device is free."""
KEEP_ALIVE = "cisco-keep-alive"
REMEMBERED = 4096

_PORT = re.compile(r":[0-9]+$")
_INSTANCE = re.compile(r"<urn:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-([0-9a-fA-F]{12})>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One Contact: its text, and what Unified CM takes from it.

    ``client`` is the client's own host and port, ``host`` the one that the URI names (Expressway-C's, if C rewrote it).
    ``instance`` is the twelve digits, or None. ``expires`` is the parameter of that name.
    """

    value: str
    host: str
    client: str
    device: str | None
    instance: str | None
    model: str | None
    user: str | None
    rewritten: bool
    adaptive: bool
    expires: int | None
    keeps_alive: bool = False
    """A phone's sign of life to a node that it would fail over to: no binding changes."""

    @property
    def is_probe(self) -> bool:
        """Say whether the client asks if the device is free, before it takes it."""
        return self.instance == NO_INSTANCE

    @property
    def client_host(self) -> str:
        """The client's own host, without its port."""
        return _PORT.sub("", self.client)

    @classmethod
    def of(cls, value: str) -> Contact:
        """Read a Contact. Raises `SipProtocolError`."""
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
            user=parameters.get("+u.sip!userid.ccm.cisco.com"),
            rewritten=original is not None,
            adaptive="AR_SK" in (parameters.get("x-cisco-mra-ha") or "").split(","),
            expires=None if expires is None else delta_seconds(expires),
            keeps_alive=KEEP_ALIVE in parameters,
        )


# A refresh repeats To and Contact of the one before it to the octet: what was read of them is remembered.
_contacts: dict[str, Contact] = {}
_lines: dict[bytes, str] = {}


def _contact(value: str) -> Contact:
    known = Contact.of(value)
    if len(_contacts) >= REMEMBERED:
        _contacts.clear()
    _contacts[value] = known
    return known


def _line(request: Request) -> str:
    raw = request.raw_line("To") or b""
    line = _lines.get(raw)
    if line is None:
        line = request.to.address.user or ""
        if not line:
            raise SipProtocolError("To without a directory number")
        if len(_lines) >= REMEMBERED:
            _lines.clear()
        _lines[raw] = line
    return line


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a REGISTER asks for.

    ``contact`` is None for a request that only asks which bindings there are, and for ``Contact: *`` (``everything``).
    ``expires`` is in seconds, None where the client leaves it to the registrar. ``path`` is the host that Path names.
    """

    line: str
    contact: Contact | None
    everything: bool
    expires: int | None
    call_id: str
    cseq: int
    path: str | None = None
    adaptive: bool = False

    @property
    def over_edge(self) -> bool:
        """Say whether the request came through Expressway-C."""
        return self.path is not None or (self.contact is not None and self.contact.rewritten)

    @property
    def via(self) -> str:
        """The address that Unified CM shows as the device's: of Expressway-C, behind it, else of the client."""
        return self.path or (self.contact.host if self.contact else "")

    @classmethod
    def of(cls, request: Request) -> Registration:
        """Read a REGISTER. Raises `SipProtocolError` where it breaks RFC 3261, sections 10.2 and 10.3."""
        line = _line(request)
        header = request.get("Expires")
        expires = None if header is None else delta_seconds(header)
        lines = request.get_all("Contact")
        contact = _contacts.get(lines[0]) if len(lines) == 1 else None
        everything = False
        if contact is None and lines:
            values = request.values("Contact")
            everything = values == ["*"]
            if everything and expires != 0:
                raise SipProtocolError("Contact * with an Expires other than 0")
            if not everything:
                if len(values) > 1:
                    raise SipProtocolError("more than one Contact")
                contact = _contact(values[0])
        if contact is not None and contact.expires is not None:
            expires = contact.expires
        paths = request.values("Path") if "Path" in request else []
        supported = request.get("Supported")
        return cls(
            line=line,
            contact=contact,
            everything=everything,
            expires=expires,
            call_id=request.call_id,
            cseq=request.cseq.number,
            path=_path_host(paths[0]) if paths else None,
            adaptive=(contact is not None and contact.adaptive) or (supported is not None and "AR_SK" in supported),
        )


def _path_host(value: str) -> str:
    uri: SipUri = NameAddr.parse(value).address
    return uri.host
