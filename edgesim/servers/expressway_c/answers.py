"""The responses that Expressway-C generates, with header lines in the captured order.

Source: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304). E's proxy adds ``Age`` and
``Connection`` on the way to the client.
"""

from __future__ import annotations

from edgesim.edge.forwarding import connection_after
from edgesim.http import Headers, HttpError, HttpTlsFailed, Request, Response, cause_text
from edgesim.node import Node


def unauthorized(node: Node) -> Response:
    """Return the edge's challenge, octet for octet as captured."""
    edge = node.defaults.edge
    headers = (
        ("WWW-Authenticate", f'Basic realm="{edge.realm}"'),
        ("Server", edge.server_of_configuration),
        ("Date", node.host.clock.http_date()),
        ("Transfer-Encoding", "chunked"),
    )
    return Response(status=401, headers=Headers(headers))


def too_many(node: Node) -> Response:
    """Return the response of authorization rate control."""
    edge = node.defaults.edge
    headers = [
        ("Date", node.host.clock.http_date()),
        ("Connection", "close"),
        ("Server", edge.server_of_configuration),
        ("Content-Length", "0"),
    ]
    if edge.retry_after_s is not None:
        headers.append(("Retry-After", str(edge.retry_after_s)))
    return Response(status=429, headers=Headers(headers))


def refused(
    node: Node, status: int, reason: str | None = None, *, server: str | None = None, cause: str = ""
) -> Response:
    """Return a response of C's proxy, or of ``server``; its body is the cause, if any."""
    body = cause_text(cause)
    headers = (
        ("Server", server or node.defaults.edge.server_of_c),
        ("Date", node.host.clock.http_date()),
        *((("Content-Type", "text/plain"),) if body else ()),
        ("Content-Length", str(len(body))),
    )
    return Response(status=status, reason=reason, headers=Headers(headers), body=body)


def failed(node: Node, request: Request, error: Exception) -> Response:
    """Return the response after the server behind C failed, by the kind of failure."""
    kind = error.kind if isinstance(error, HttpError) else HttpError.kind
    if isinstance(error, HttpTlsFailed):
        return unverified(node, request)
    table = {name: (status, reason) for name, status, reason in node.defaults.edge.server_failures}
    return _error(node, request, *(table.get(kind) or table[HttpError.kind]))


def unverified(node: Node, request: Request) -> Response:
    """Return the response if C does not trust the certificate of an inside server."""
    tls = node.defaults.tls
    return _error(node, request, tls.unverified_server_status, tls.unverified_server_reason)


def _error(node: Node, request: Request, status: int, reason: str) -> Response:
    """Return an error in the form of the proxy software."""
    answer = refused(node, status, reason)
    headers = answer.headers.added("Cache-Control", "no-store")
    if connection_after(request) == "close":
        headers = headers.added("Connection", "close")
    return Response(status=status, reason=reason, headers=headers)
