"""The answers that Expressway-C gives itself, header lines in the traced order.

Source: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304). ``Age`` and ``Connection`` are
added by E's proxy on the way to the client.
"""

from __future__ import annotations

from edgesim.http import Headers, Response
from edgesim.node import Node


def unauthorized(node: Node) -> Response:
    """Return the edge's challenge, octet for octet as traced."""
    edge = node.defaults.edge
    headers = (
        ("WWW-Authenticate", f'Basic realm="{edge.realm}"'),
        ("Server", edge.server_of_configuration),
        ("Date", node.host.clock.http_date()),
        ("Transfer-Encoding", "chunked"),
    )
    return Response(status=401, headers=Headers(headers))


def too_many(node: Node) -> Response:
    """Return the answer of authorization rate control."""
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


def refused(node: Node, status: int, reason: str | None = None, *, server: str | None = None) -> Response:
    """Return an empty answer of C's proxy, or of ``server``."""
    headers = (
        ("Server", server or node.defaults.edge.server_of_c),
        ("Date", node.host.clock.http_date()),
        ("Content-Length", "0"),
    )
    return Response(status=status, reason=reason, headers=Headers(headers))


def unreachable(node: Node) -> Response:
    """Return what tells E that C could not reach or verify the inside server."""
    edge = node.defaults.edge
    return refused(node, edge.upstream_failure_status, edge.upstream_failure_reason)


def unverified(node: Node) -> Response:
    """Return the answer where C does not trust the certificate of an inside server."""
    status = node.defaults.tls.unverified_server_status
    return unreachable(node) if status == node.defaults.edge.upstream_failure_status else refused(node, status)
