"""The journal's view of SIP: events, correlation keys, and the spans of secrets."""

from __future__ import annotations

import re

from edgesim.journal import Event, events
from edgesim.journal.keys import Key, call_id_key, device_key, user_key
from edgesim.sip.message import Message, Request, Response
from edgesim.sip.stun import StunClass, StunMessage

_DEVICE = re.compile(rb'\+u\.sip!devicename\.ccm\.cisco\.com="([^";\s]{1,128})"', re.IGNORECASE).search
_USER = re.compile(rb'\+u\.sip!userid\.ccm\.cisco\.com="([^";\s]{1,128})"', re.IGNORECASE).search
_USERNAME = re.compile(rb'\busername\s*=\s*"([^"]{1,128})"', re.IGNORECASE).search
_SCHEME = re.compile(rb":[ \t\r\n]*([^ \t\r\n]+)[ \t\r\n]+").search
_DIGEST_SECRET = re.compile(rb'\bresponse\s*=\s*"?([^",\s]+)', re.IGNORECASE).finditer
_BEARER_SECRET = re.compile(rb'\btoken\s*=\s*"?([^",\s]+)', re.IGNORECASE).finditer
_SERVICE_SECRET = re.compile(rb"<response>([^<]*)</response>").finditer
_SERVICE_HASH = re.compile(rb">([0-9a-f]{32})<").finditer
"""H(A1) in the answer to a SERVICE: equivalent to the password."""
_SERVICE_USER = re.compile(rb"<username>([^<]{1,128})</username>").search
_CREDENTIALS = ("authorization", "proxy-authorization")


def text(value: str) -> str:
    """Return text safe for any file: octets that are not UTF-8 become backslash escapes."""
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def event_of(message: Request | Response, transport: str) -> Event:
    """Return the event of a valid message (see `Message.check`); ``transport`` is ``tcp``, ``tls`` or ``udp``."""
    cseq = message.get("CSeq") or ""
    from_ = text(message.get("From") or "")
    to = text(message.get("To") or "")
    call_id = text(message.get("Call-ID") or "")
    if isinstance(message, Request):
        return events.SipRequest(
            method=message.method,
            uri=text(message.uri),
            call_id=call_id,
            cseq=cseq,
            from_=from_,
            to=to,
            transport=transport,
        )
    return events.SipResponse(
        status=message.status,
        reason=text(message.reason),
        method=cseq.rpartition(" ")[2],
        call_id=call_id,
        cseq=cseq,
        from_=from_,
        to=to,
        transport=transport,
    )


def keys_of(message: Message) -> tuple[Key, ...]:
    """Return the ``call-id:`` key and, if the message shows them, ``device:`` and ``user:``."""
    names = message.names
    keys = [call_id_key(text(message.get("Call-ID") or ""))]
    contact = message.raw_line("Contact")
    user = None
    if contact is not None and b"+u.sip!" in contact:
        device = _DEVICE(contact)
        if device:
            keys.append(device_key(_plain(device[1])))
        user = _USER(contact)
    if user is None:
        for name in _CREDENTIALS:
            if user is None and name in names:
                user = _USERNAME(message.raw_line(name) or b"")
    if user is None and isinstance(message, Request) and message.method == "SERVICE":
        user = _SERVICE_USER(message.body)
    if user is not None:
        keys.append(user_key(_plain(user[1])))
    return tuple(keys)


def secrets_of(message: Message) -> tuple[tuple[int, int], ...]:
    """Return the spans of digest responses and bearer tokens in the message's octets."""
    names = message.names
    spans: list[tuple[int, int]] = []
    if "authorization" in names or "proxy-authorization" in names:
        position = len(message.start_line) + 2
        for name, line in zip(names, message.lines, strict=True):
            if name in _CREDENTIALS:
                spans += [(position + start, position + end) for start, end in _secrets_in(line)]
            position += len(line) + 2
    if isinstance(message, Request) and message.method == "SERVICE":
        offset = len(bytes(message)) - len(message.body)
        spans += [(offset + match.start(1), offset + match.end(1)) for match in _SERVICE_SECRET(message.body)]
    elif isinstance(message, Response) and message.body and (message.get("CSeq") or "").endswith("SERVICE"):
        offset = len(bytes(message)) - len(message.body)
        spans += [(offset + match.start(1), offset + match.end(1)) for match in _SERVICE_HASH(message.body)]
    return tuple(spans)


def _secrets_in(line: bytes) -> list[tuple[int, int]]:
    scheme = _SCHEME(line)
    if scheme is None:
        return []
    kind = scheme[1].lower()
    pattern = {b"digest": _DIGEST_SECRET, b"bearer": _BEARER_SECRET}.get(kind)
    found = [match.span(1) for match in pattern(line, scheme.end())] if pattern else []
    if not found and kind != b"digest":
        found = [(scheme.end(), len(line))]
    return found


def _plain(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


_STUN_FORMS = {
    StunClass.REQUEST: "STUN request",
    StunClass.INDICATION: "STUN indication",
    StunClass.SUCCESS: "STUN success",
    StunClass.ERROR: "STUN error",
}


def stun_event(message: StunMessage, transport: str) -> Event:
    """Return the event of a STUN keep-alive."""
    return events.SipKeepalive(form=_STUN_FORMS[message.cls], transport=transport)
