"""XML as XMPP uses it: small immutable elements, serialised as the product does.

The server writes single quotes, ``xmlns`` first if it differs from the parent's, and the prefix ``stream:`` for the
streams namespace (public captures of the IM and Presence service show all three).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

STREAMS = "http://etherx.jabber.org/streams"
CLIENT = "jabber:client"
COMPONENT = "jabber:component:accept"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAM_MANAGEMENT = "urn:xmpp:sm:3"
ROSTER = "jabber:iq:roster"
PING = "urn:xmpp:ping"
DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
DOMAIN_BASED_NAME = "urn:xmpp:domain-based-name:0"
XML = "http://www.w3.org/XML/1998/namespace"

_TEXT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_VALUE = _TEXT | {"'": "&apos;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;"}
_IN_TEXT = re.compile("[&<>\r]")
_IN_VALUE = re.compile("[&<>'\"\t\n\r]")


def escape(text: str) -> str:
    """Return text escaped as character data."""
    return _IN_TEXT.sub(lambda found: _TEXT[found[0]], text)


def escape_value(text: str) -> str:
    """Return text escaped for a quoted attribute value."""
    return _IN_VALUE.sub(lambda found: _VALUE[found[0]], text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One XML element: local name, namespace URI (may be empty), attributes in order, and children.

    Attributes without a namespace are keyed by name, those of ``xml:`` as ``xml:lang``, others as ``{uri}name``. A
    child is an `Element` or a string of character data.
    """

    name: str
    namespace: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Element | str, ...] = ()

    def get(self, attribute: str) -> str | None:
        """Return an attribute's value, or None."""
        return self.attributes.get(attribute)

    def elements(self) -> Iterator[Element]:
        """Iterate over the children that are elements."""
        return (child for child in self.children if isinstance(child, Element))

    def find(self, name: str, namespace: str | None = None) -> Element | None:
        """Return the first child element of that name, in ``namespace``, by default this element's own, or None."""
        wanted = self.namespace if namespace is None else namespace
        for child in self.elements():
            if child.name == name and child.namespace == wanted:
                return child
        return None

    def first(self) -> Element | None:
        """Return the first child element, or None."""
        return next(self.elements(), None)

    @property
    def text(self) -> str:
        """The element's own character data, joined."""
        return "".join(child for child in self.children if isinstance(child, str))

    def having(self, **attributes: str | None) -> Element:
        """Return a copy with attributes set, or removed if the value is None. ``from_`` stands for ``from``."""
        merged = dict(self.attributes)
        for key, value in attributes.items():
            name = key.rstrip("_")
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = value
        return replace(self, attributes=merged)

    def serialise(self, inherited: str = CLIENT) -> str:
        """Return the element as text within a parent whose default namespace is ``inherited``."""
        out: list[str] = []
        self._write(out, inherited)
        return "".join(out)

    def encode(self, inherited: str = CLIENT) -> bytes:
        """Return `serialise` in UTF-8."""
        return self.serialise(inherited).encode()

    def _write(self, out: list[str], inherited: str) -> None:
        if self.namespace == STREAMS:
            tag, default = f"stream:{self.name}", inherited
            out.append(f"<{tag}")
        else:
            tag, default = self.name, self.namespace
            out.append(f"<{tag}" if default == inherited else f"<{tag} xmlns='{escape_value(default)}'")
        prefixes: dict[str, str] = {}
        for name, value in self.attributes.items():
            if name.startswith("{"):
                uri, _, local = name[1:].rpartition("}")
                if uri not in prefixes:
                    prefixes[uri] = f"a{len(prefixes)}"
                    out.append(f" xmlns:{prefixes[uri]}='{escape_value(uri)}'")
                name = f"{prefixes[uri]}:{local}"
            out.append(f" {name}='{escape_value(value)}'")
        if not self.children:
            out.append("/>")
            return
        out.append(">")
        for child in self.children:
            if isinstance(child, str):
                out.append(escape(child))
            else:
                child._write(out, default)
        out.append(f"</{tag}>")


def element(name: str, namespace: str, /, *children: Element | str, **attributes: str | None) -> Element:
    """Return an `Element`; attributes whose value is None are left out; ``from_`` stands for ``from``."""
    kept = {key.rstrip("_"): value for key, value in attributes.items() if value is not None}
    return Element(name=name, namespace=namespace, attributes=kept, children=children)
