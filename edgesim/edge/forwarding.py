"""The header fields that the two HTTP proxies of the edge add, change and remove; all others pass unchanged.

Towards the inside server, "Troubleshoot Common Issues with Certificate Renewal in CUCM" (Cisco 225746) shows::

    TrackingID: <uuid>
    Client-ip: <client ip>
    X-Forwarded-For: <client ip>, 127.0.0.1
    Via: https/1.1 vcs[<uuid of E>] (ATS), http/1.1 vcs[<uuid of C>] (ATS)

Towards the client, "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304) shows ``Age: 0``,
``Transfer-Encoding: chunked`` and ``Connection: keep-alive`` at the end. Hop-by-hop fields: RFC 9110, section 7.6.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.http import Headers, Request, Response

TRACKING = "TrackingID"
CLIENT_IP = "Client-ip"
FORWARDED_FOR = "X-Forwarded-For"
VIA = "Via"
HOP_BY_HOP = (
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Expect",
)
_STAYS = frozenset({"host", "content-length", "cookie", "authorization"})
"""Fields that a client's ``Connection`` header cannot remove: the proxies rely on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A proxy as it appears in ``Via``: the scheme on which the request reached it, and its UUID."""

    scheme: str
    uuid: str

    def __str__(self) -> str:
        return f"{self.scheme}/1.1 vcs[{self.uuid}] (ATS)"


def end_to_end(headers: Headers) -> Headers:
    """Return the end-to-end fields, unchanged."""
    named = [token for token in headers.tokens("Connection") if token not in _STAYS]
    return headers.without(*HOP_BY_HOP, *named)


def at_first_hop(request: Request, *, tracking: str, hop: Hop) -> Headers:
    """Return the fields of a client's request as forwarded by E; forged values of its own fields are dropped."""
    client = request.peer[0] if request.peer else ""
    signed = [*request.headers.get_all(VIA), str(hop)]
    headers = end_to_end(request.headers).without(TRACKING, CLIENT_IP, FORWARDED_FOR, VIA)
    added = ((TRACKING, tracking), (CLIENT_IP, client), (FORWARDED_FOR, client), (VIA, ", ".join(signed)))
    return Headers((*headers, *added))


def at_second_hop(request: Request, *, host: str, hop: Hop, previous: str, cookie: str | None = None) -> Headers:
    """Return the fields of a request as C forwards it to ``host``.

    ``previous`` is the address C received it from. The cookie called ``cookie`` is removed, others stay unchanged.
    """
    headers = end_to_end(request.headers)
    headers = headers.replaced("Host", host) if "Host" in headers else Headers((("Host", host), *headers))
    if cookie is not None:
        headers = without_cookie(headers, cookie)
    for name, value in ((FORWARDED_FOR, previous), (VIA, str(hop))):
        headers = headers.replaced(name, ", ".join([*headers.get_all(name), value]))
    return headers


def without_cookie(headers: Headers, name: str) -> Headers:
    """Return the fields without one cookie; an emptied ``Cookie`` line is removed."""
    kept = []
    for key, value in headers:
        if key.lower() == "cookie":
            pairs = value.split(";")
            others = [pair for pair in pairs if pair.partition("=")[0].strip() != name]
            if len(others) != len(pairs):
                value = ";".join(others).strip()
                if not value:
                    continue
        kept.append((key, value))
    return Headers(kept)


def from_server(response: Response, *, head: bool = False, chunked: bool = True) -> Headers:
    """Return the fields of an inside server's response as forwarded by C.

    ``head`` marks a response to HEAD, whose length describes a body that is not sent. With ``chunked`` the body is
    chunked, as in every captured proxied response; otherwise it keeps its length, if any.
    """
    headers = end_to_end(response.headers)
    if head or response.status in (204, 304):
        return headers
    if chunked:
        headers = headers.without("Content-Length")
    return headers if "Content-Length" in headers else headers.added("Transfer-Encoding", "chunked")


def to_client(response: Response, *, keep_alive: bool = True) -> Headers:
    """Return the fields of a response as E forwards it to the client."""
    headers = end_to_end(response.headers)
    if "Age" not in headers:
        headers = headers.added("Age", "0")
    if "Content-Length" not in headers and response.status not in (204, 304):
        headers = headers.added("Transfer-Encoding", "chunked")
    return headers.added("Connection", "keep-alive" if keep_alive else "close")


def connection_after(request: Request) -> str:
    """Return the ``Connection`` of an error response: after a request with a body the proxy closes the connection."""
    return "close" if request.body or "close" in request.headers.tokens("Connection") else "keep-alive"
