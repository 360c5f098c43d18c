"""The journal's view of XMPP: an event for each thing read, correlation keys, and the spans of secrets."""

from __future__ import annotations

import re

from edgesim.journal import Event, Recorder, events
from edgesim.journal.keys import Key, jid_key, user_key
from edgesim.xmpp import sasl
from edgesim.xmpp.jid import Jid, JidError
from edgesim.xmpp.stream import StanzaRead, StreamEvent, StreamOpened
from edgesim.xmpp.xml import BIND, CLIENT, SASL, STREAMS, Element, element

_TAG_END = re.compile(rb"""<(?:[^<>"']|"[^"]*"|'[^']*')*>""")
_ESCAPED = re.compile(rb"&lt;(?:[\w.-]{1,32}:)?(?:auth|response)\b(?:(?!&gt;|&lt;).)*&gt;(.+)</route>", re.S)
_AUTH = re.compile(rb"""<auth\b[^<>]*?mechanism=['"]([A-Z0-9_-]{1,20})['"][^<>]*>([A-Za-z0-9+/=]{1,2048})</auth>""")
_BRIEF = re.compile(rb"""<([!?/]?[\w:.-]{1,40})(?:[^<>]*?\stype=['"](\w{1,20})['"])?""")
_MOST = 200


class Scribe:
    """Journals what a host reads from one stream, with the user's keys once the stream has shown them."""

    def __init__(self, recorder: Recorder, peer: str | tuple[str, int] | None) -> None:
        self.recorder = recorder
        self.peer = peer
        self.domain: str | None = None
        self.keys: tuple[Key, ...] = ()

    def identify(self, jid: Jid) -> None:
        """Set the user of this stream."""
        self.keys = keys_of(jid)

    def received(self, read: StreamEvent) -> None:
        """Journal an event of the stream."""
        if isinstance(read, StreamOpened):
            self.domain = read.to or self.domain
        elif isinstance(read, StanzaRead):
            self._look_at(read.element)
        self.recorder.received(
            describe(read, self.domain), peer=self.peer, payload=read.raw, keys=self.keys, secrets=secret_spans(read)
        )

    def malformed(self, condition: str, detail: str, payload: bytes = b"") -> None:
        """Journal malformed input that a stream error answered."""
        event = events.Malformed(protocol="xmpp", reason=detail or condition, answer=f"stream error {condition}")
        self.recorder.received(event, peer=self.peer, payload=payload, keys=self.keys)

    def _look_at(self, what: Element) -> None:
        if (what.namespace, what.name) == (SASL, "auth"):
            jid = claimed(what, self.domain)
        elif (what.namespace, what.name) == (CLIENT, "iq") and (bound := what.find("bind", BIND)):
            named = bound.find("jid", BIND)
            jid = _jid(named.text) if named else None
        else:
            return
        if jid is not None:
            self.identify(jid)


def keys_of(jid: Jid) -> tuple[Key, ...]:
    """Return the correlation keys of a user's address."""
    return (jid_key(jid.bare), user_key(jid.user_id)) if jid.local else ()


def claimed(auth: Element, domain: str | None) -> Jid | None:
    """Return the user that an ``<auth>`` claims to be, or None if it does not say."""
    try:
        user = sasl.decode(auth.get("mechanism") or "", auth.text).user
    except sasl.SaslError:
        return None
    return _jid(user if "@" in user else f"{user}@{domain or 'unknown'}")


def secret_spans(read: StreamEvent) -> tuple[tuple[int, int], ...]:
    """Return the span of a client's SASL message within the octets of its element."""
    if not isinstance(read, StanzaRead) or read.element.namespace != SASL:
        return ()
    if read.element.name not in ("auth", "response") or not read.element.text:
        return ()
    tag = _TAG_END.match(read.raw)
    start, end = (tag.end() if tag else 0), read.raw.rfind(b"</")
    return ((start, end if end > start else len(read.raw)),)


def route_secrets(raw: bytes) -> tuple[tuple[int, int], ...]:
    """Return the span of a client's SASL message within an XCP route, where the element is escaped."""
    found = _ESCAPED.search(raw)
    return (found.span(1),) if found else ()


def claimed_in(data: bytes, domain: str | None) -> Jid | None:
    """Return the user that the ``<auth>`` in a session's octets claims to be, or None."""
    found = _AUTH.search(data)
    if found is None:
        return None
    return claimed(element("auth", SASL, found[2].decode(), mechanism=found[1].decode()), domain)


def brief(data: bytes) -> str:
    """Return a short description of a session's octets: the first tag and its type."""
    found = _BRIEF.search(data)
    if found is None:
        return ""
    kind = f" {found[2].decode()}" if found[2] else ""
    return f"<{found[1].decode(errors='replace')}{kind}>"


def describe(read: StreamEvent, domain: str | None = None) -> Event:
    """Return the journal's event for an event of a stream."""
    if isinstance(read, StreamOpened):
        return events.XmppStream(
            element="open", domain=read.to or read.from_, detail=f"to {read.to}" if read.to else ""
        )
    if not isinstance(read, StanzaRead):
        return events.XmppStream(element="close", domain=domain)
    what = read.element
    if what.namespace == CLIENT and what.name in ("iq", "message", "presence"):
        child = next((each for each in what.elements() if each.name != "error"), None)
        return events.XmppStanza(
            name=what.name,
            type=what.get("type"),
            from_=what.get("from"),
            to=what.get("to"),
            id=what.get("id"),
            child=_child(child),
        )
    return events.XmppStream(element=what.name[:_MOST], domain=domain, detail=_detail(what))


def _child(child: Element | None) -> str | None:
    if child is None:
        return None
    return child.name if child.namespace in (CLIENT, "") else f"{child.name} {child.namespace}"[:_MOST]


def _detail(what: Element) -> str:
    if what.namespace == SASL and what.name == "auth":
        return (what.get("mechanism") or "")[:_MOST]
    if what.namespace == STREAMS and what.name == "features":
        return ", ".join(_feature(child) for child in what.elements())[:_MOST]
    if what.name in ("failure", "failed") or (what.namespace, what.name) == (STREAMS, "error"):
        first = what.first()
        return first.name[:_MOST] if first else ""
    return (what.get("h") or "")[:_MOST]


def _feature(feature: Element) -> str:
    if feature.name != "mechanisms":
        return feature.name
    return "mechanisms " + " ".join(child.text for child in feature.elements() if child.name == "mechanism")


def _jid(text: str) -> Jid | None:
    try:
        return Jid.parse(text)
    except JidError:
        return None
