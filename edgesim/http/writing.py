"""Requests and responses as octets, written exactly: captured messages must be reproduced octet for octet.

h11 would move ``Host`` to the front and rewrite ``Connection``.
"""

from __future__ import annotations

from edgesim.http.message import Headers, Request, Response


def encode_request(request: Request) -> bytes:
    """Return the octets of a request; its headers must describe the framing of its body."""
    head = f"{request.method} {request.target} HTTP/{request.version}\r\n".encode("latin-1")
    chunked = "chunked" in request.headers.tokens("Transfer-Encoding")
    return head + request.headers.encode() + b"\r\n" + (as_chunk(request.body) if chunked else request.body)


def encode_response(response: Response, *, request: Request | None, close: bool) -> tuple[bytes, bytes, bool]:
    """Return a response's head, its framed body, and whether the connection closes after it.

    ``request`` is the request answered (None after an unreadable one), ``close`` forces the connection to close. Raises
    `ValueError` for headers that contradict the body.
    """
    headers, body = response.headers, response.body
    close = close or request is None or request.version == "1.0" or "close" in headers.tokens("Connection")
    if close and "close" not in headers.tokens("Connection"):
        headers = headers.replaced("Connection", "close")
    chunked = "chunked" in headers.tokens("Transfer-Encoding")
    if chunked and request is not None and request.version == "1.0":
        headers = Headers(
            ("Content-Length", str(len(body))) if name.lower() == "transfer-encoding" else (name, value)
            for name, value in headers
        )
        chunked = False
    head_only = request is not None and request.method == "HEAD"
    if response.status in (204, 304) or response.status < 200:
        if body:
            raise ValueError(f"a {response.status} has no body")
        headers, chunked, head_only = headers.without("Transfer-Encoding"), False, True
    elif not chunked and "Content-Length" not in headers and (body or not head_only):
        headers = headers.added("Content-Length", str(len(body)))
    length = headers.get("Content-Length")
    if chunked and length is not None:
        raise ValueError("both Content-Length and Transfer-Encoding")
    if length is not None and not head_only and length != str(len(body)):
        raise ValueError(f"Content-Length {length} for a body of {len(body)}")
    head = f"HTTP/1.1 {response.status:03d} {response.phrase}\r\n".encode("latin-1") + headers.encode() + b"\r\n"
    if head_only:
        return head, b"", close
    return head, as_chunk(body) if chunked else body, close


def as_chunk(body: bytes) -> bytes:
    """Return a body as one chunk and the last chunk (RFC 9112, section 7.1)."""
    return (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
