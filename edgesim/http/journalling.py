"""The journal's view of an HTTP message: its event, correlation keys, and the spans of secrets."""

from __future__ import annotations

import re

from edgesim.http.message import Headers, Request, Response
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key, cookie_key, tracking_key, user_key

_CREDENTIALS = re.compile(
    rb"^(?:Proxy-)?Authorization:[ \t]*(?:[A-Za-z]+[ \t]+)?([^\r\n]+)", re.IGNORECASE | re.MULTILINE
)
_COOKIE = re.compile(rb"^Cookie:[ \t]*([^\r\n]*[^\r\n \t]|)", re.IGNORECASE | re.MULTILINE)
_SET_COOKIE = re.compile(rb"^Set-Cookie:[^=;\r\n]*=([^;\r\n]+)", re.IGNORECASE | re.MULTILINE)
_COOKIE_VALUE = re.compile(rb"=([^;]+)")
_SECRET_NAME = (
    rb"(?:(?:[A-Za-z0-9]{1,16}[_-])?(?:password|passwd)|pin|client_secret|access_token|refresh_token|id_token"
    rb"|session-key|code_verifier|assertion)"
)
_TEXT = rb"(?:\s{0,8}<!\[CDATA\[((?:(?!\]\]>)[\s\S])+)|([^<]+))"
_IN_QUERY = re.compile(rb"(?:^|[?&\s#])" + _SECRET_NAME + rb"=([^&\s#\"']+)", re.IGNORECASE)
_IN_ATTRIBUTE = re.compile(rb"\s" + _SECRET_NAME + rb"\s{0,8}=\s{0,8}(?:\"([^\"]+)|'([^']+))", re.IGNORECASE)
_IN_JSON = re.compile(
    rb'"' + _SECRET_NAME + rb'"\s{0,8}:\s{0,8}(?:"((?:[^"\\]|\\.)+)|([^\s",{}\[\]]+))', re.IGNORECASE | re.DOTALL
)
_IN_XML = re.compile(rb"<(?:[\w.-]{1,32}:)?" + _SECRET_NAME + rb"(?:\s[^<>]{0,200})?>" + _TEXT, re.IGNORECASE)
_CREDENTIAL_XML = re.compile(
    rb"<(?:[\w.-]{1,32}:)?credential\s{1,8}type\s{0,8}=\s{0,8}[\"'](?:pin|password)[\"']\s{0,8}>" + _TEXT, re.IGNORECASE
)
_PATTERNS = (_IN_QUERY, _IN_ATTRIBUTE, _IN_JSON, _IN_XML, _CREDENTIAL_XML)
_HINTS = (b"pass", b"pin", b"_secret", b"_token", b"session-key", b"code_verifier", b"assertion", b"credential")
"""Every body that the patterns can match contains one of these."""

SEARCHED = 256 * 1024
"""The octets of a body that are searched for secrets; the journal omits the rest."""
SECRETS = 100
"""How many secrets of a body, or cookies of a line, are marked individually; with more of them it is omitted whole."""


def marked(recorder: Recorder, head: bytes, body: bytes) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """Return a message's octets and the spans of secrets in what the journal records of them."""
    recorded = recorder.recorded(len(head) + len(body))
    return head + body, secret_spans(head, body[: max(recorded - len(head), 0)])


def secret_spans(head: bytes, body: bytes) -> tuple[tuple[int, int], ...]:
    """Return ``(start, end)`` spans of the secrets in ``head + body``: credentials, cookie values, password fields.

    Spans are sorted and do not overlap.
    """
    spans: list[tuple[int, int]] = []
    lower = head.lower()
    if b"authorization:" in lower:
        spans += [match.span(1) for match in _CREDENTIALS.finditer(head)]
    if b"cookie:" in lower:
        spans += [match.span(1) for match in _SET_COOKIE.finditer(head)]
        for line in _COOKIE.finditer(head):
            values = [match.span(1) for match in _COOKIE_VALUE.finditer(head, line.start(1), line.end(1))]
            spans += values if len(values) <= SECRETS else [line.span(1)]
    start_line = head[: head.find(b"\r\n") + 1]
    spans += [match.span(1) for match in _IN_QUERY.finditer(start_line)]
    spans += [(start + len(head), end + len(head)) for start, end in _in_body(body)]
    return _joined(sorted(spans))


def _in_body(body: bytes) -> list[tuple[int, int]]:
    searched = body[:SEARCHED]
    spans = [] if len(body) <= SEARCHED else [(SEARCHED, len(body))]
    lower = searched.lower()
    if not any(hint in lower for hint in _HINTS):
        return spans
    for pattern in _PATTERNS:
        for match in pattern.finditer(searched):
            spans.append(match.span(match.lastindex or 0))
            if len(spans) > SECRETS:
                return [(0, len(body))]
    return spans


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return sorted spans, overlapping ones merged."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def request_keys(request: Request, session_cookie: str) -> tuple[Key, ...]:
    """Return the correlation keys of a request; one is the value of the cookie of this name."""
    keys: list[Key] = []
    if tracking := request.headers.get("TrackingID"):
        keys.append(tracking_key(tracking))
    if session_cookie and (cookie := request.cookie(session_cookie)):
        keys.append(cookie_key(cookie))
    if credentials := request.basic():
        keys.append(user_key(credentials.user))
    return tuple(keys)


def response_keys(headers: Headers, session_cookie: str) -> tuple[Key, ...]:
    """Return the additional correlation keys of a response."""
    pairs = [value.split(";", 1)[0].split()[:1] for value in headers.get_all("Set-Cookie")]
    found = [pair[0].partition("=") for pair in pairs if pair]
    cookies = [value for name, _, value in found if name == session_cookie and value]
    tracking = map(tracking_key, headers.get_all("TrackingID"))
    return (*tracking, *map(cookie_key, cookies))


def request_event(request: Request, decoded: str | None = None) -> events.HttpRequest:
    """Return the journal's event for a request."""
    return events.HttpRequest(
        method=request.method, target=request.target, headers=request.headers.items, decoded=decoded
    )


def response_event(response: Response, request: Request) -> events.HttpResponse:
    """Return the journal's event for the response to a request."""
    return events.HttpResponse(
        status=response.status,
        reason=response.phrase,
        headers=response.headers.items,
        method=request.method,
        target=request.target,
    )


def merged(*groups: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return all keys in order, without duplicates."""
    return tuple(dict.fromkeys(key for group in groups for key in group))
