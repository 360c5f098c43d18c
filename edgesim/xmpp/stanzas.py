"""Builders for the stanzas of a session: bind, session, roster, presence, message, errors (RFC 6120, 6121, 3921).

Errors carry both the legacy numeric code and the condition, as the product's do; the pairs are those of XEP-0086.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgesim.xmpp.jid import Jid
from edgesim.xmpp.xml import (
    BIND,
    CLIENT,
    ROSTER,
    SESSION,
    STANZA_ERRORS,
    STREAM_MANAGEMENT,
    Element,
    element,
)

ERRORS: dict[str, tuple[str, str]] = {
    "bad-request": ("400", "modify"),
    "conflict": ("409", "cancel"),
    "feature-not-implemented": ("501", "cancel"),
    "forbidden": ("403", "auth"),
    "internal-server-error": ("500", "wait"),
    "item-not-found": ("404", "cancel"),
    "jid-malformed": ("400", "modify"),
    "not-acceptable": ("406", "modify"),
    "not-allowed": ("405", "cancel"),
    "recipient-unavailable": ("404", "wait"),
    "remote-server-not-found": ("404", "cancel"),
    "remote-server-timeout": ("504", "wait"),
    "resource-constraint": ("500", "wait"),
    "service-unavailable": ("503", "cancel"),
    "unexpected-request": ("400", "wait"),
}
"""The code and type of each stanza error condition (RFC 6120, section 8.3.3)."""

SUBSCRIPTION_TYPES = frozenset({"subscribe", "subscribed", "unsubscribe", "unsubscribed"})
PRESENCE_TYPES = SUBSCRIPTION_TYPES | {"unavailable", "probe", "error"}
IQ_TYPES = frozenset({"get", "set", "result", "error"})
MESSAGE_TYPES = frozenset({"chat", "normal", "groupchat", "headline", "error"})

BIND_FEATURE = element("bind", BIND)
SESSION_FEATURE = element("session", SESSION)
STREAM_MANAGEMENT_FEATURE = element("sm", STREAM_MANAGEMENT)


def iq(kind: str, id: str | None, *children: Element, to: str | None = None, from_: str | None = None) -> Element:
    """Return an ``<iq>`` of type ``kind``."""
    return element("iq", CLIENT, *children, id=id, type=kind, from_=from_, to=to)


def reply(request: Element, *children: Element) -> Element:
    """Return the result of a request."""
    return iq("result", request.get("id"), *children, to=request.get("from"), from_=request.get("to"))


def error(condition: str, text: str = "") -> Element:
    """Return an ``<error>``. Raises `KeyError` for a condition not in `ERRORS`."""
    code, kind = ERRORS[condition]
    details = [element(condition, STANZA_ERRORS)]
    if text:
        details.append(element("text", STANZA_ERRORS, text, **{"xml:lang": "en"}))
    return element("error", CLIENT, *details, code=code, type=kind)


def error_reply(stanza: Element, condition: str, text: str = "") -> Element:
    """Return the error response to a stanza: children echoed, addresses swapped (RFC 6120, 8.3.1)."""
    echoed = tuple(child for child in stanza.children if isinstance(child, Element))
    return element(
        stanza.name,
        stanza.namespace,
        *echoed,
        error(condition, text),
        id=stanza.get("id"),
        type="error",
        from_=stanza.get("to"),
        to=stanza.get("from"),
    )


def bind_request(id: str, resource: str | None) -> Element:
    """Return a client's request for a resource (RFC 6120, section 7)."""
    wanted = (element("resource", BIND, resource),) if resource else ()
    return iq("set", id, element("bind", BIND, *wanted))


def bind_result(id: str | None, jid: Jid) -> Element:
    """Return the result that gives the full address bound."""
    return iq("result", id, element("bind", BIND, element("jid", BIND, str(jid))))


def bind_conflict(id: str | None) -> Element:
    """Return the product's refusal of a bind: an empty bind echoed, code and condition, no addresses."""
    return iq("error", id, element("bind", BIND), error("conflict"))


def session_request(id: str) -> Element:
    """Return a client's session request (RFC 3921, section 3)."""
    return iq("set", id, element("session", SESSION))


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterItem:
    """One contact (RFC 6121, section 2.1.2): ``subscription`` is none, to, from, both or remove."""

    jid: str
    name: str = ""
    subscription: str = "none"
    asked: bool = False
    groups: tuple[str, ...] = ()

    def as_element(self) -> Element:
        """Return ``<item>``."""
        return element(
            "item",
            ROSTER,
            *(element("group", ROSTER, group) for group in self.groups),
            jid=self.jid,
            name=self.name or None,
            subscription=self.subscription,
            ask="subscribe" if self.asked else None,
        )

    @classmethod
    def from_element(cls, item: Element) -> RosterItem:
        """Parse an ``<item>`` as a contact. Raises `JidError` for an invalid or missing address."""
        jid = Jid.parse(item.get("jid") or "").bare
        groups: dict[str, None] = {
            child.text: None for child in item.elements() if child.name == "group" and child.namespace == ROSTER
        }
        return cls(
            jid=str(jid),
            name=item.get("name") or "",
            subscription=item.get("subscription") or "none",
            asked=item.get("ask") == "subscribe",
            groups=tuple(groups),
        )


def roster_request(id: str) -> Element:
    """Return a client's request for its roster."""
    return iq("get", id, element("query", ROSTER))


def roster_set(id: str, item: RosterItem) -> Element:
    """Return a client's request to change one contact, or to remove it (``subscription`` remove)."""
    changed = item.as_element()
    wanted = "remove" if item.subscription == "remove" else None
    return iq("set", id, element("query", ROSTER, changed.having(subscription=wanted, ask=None)))


def roster_result(request: Element, items: Iterable[RosterItem]) -> Element:
    """Return the roster."""
    return reply(request, element("query", ROSTER, *(item.as_element() for item in items)))


def roster_push(id: str, item: RosterItem, to: Jid) -> Element:
    """Return the push of one contact to one of the user's resources (RFC 6121, section 2.1.6)."""
    return iq("set", id, element("query", ROSTER, item.as_element()), to=str(to))


def presence(
    kind: str | None = None,
    *,
    to: str | None = None,
    from_: str | None = None,
    show: str | None = None,
    status: str | None = None,
    priority: int | None = None,
    id: str | None = None,
) -> Element:
    """Return a ``<presence>`` of type ``kind`` (None: available)."""
    parts = [("show", show), ("status", status), ("priority", None if priority is None else str(priority))]
    children = (element(name, CLIENT, text) for name, text in parts if text is not None)
    return element("presence", CLIENT, *children, id=id, type=kind, from_=from_, to=to)


def message(to: str, body: str, *, id: str | None = None, kind: str = "chat", from_: str | None = None) -> Element:
    """Return a ``<message>`` with a body."""
    return element("message", CLIENT, element("body", CLIENT, body), id=id, type=kind, from_=from_, to=to)


def priority_of(stanza: Element) -> int:
    """Return a presence's priority, -128 to 127; 0 if it is missing or invalid (RFC 6121, section 4.7.2.3)."""
    child = stanza.find("priority", CLIENT)
    text = child.text.strip() if child else ""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 3:
        return 0
    value = int(text)
    return value if -128 <= value <= 127 else 0


def address(text: str | None) -> Jid | None:
    """Return the address in an attribute, or None if it is missing. Raises `JidError`."""
    return None if text is None else Jid.parse(text)
