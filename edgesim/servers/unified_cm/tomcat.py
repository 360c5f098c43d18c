"""The common part of Unified CM's web applications: Tomcat's headers, Basic authentication, error pages.

The header sets and their order are those of public captures: a success with ``X-Frame-Options`` and an empty
``Server``, a 401 in the order logged by Expressway-C. ``Expires`` is the epoch in the server's time zone, which is GMT
in the lab.

Source: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304); RFC 7617.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape

from edgesim.http import Headers, Request, Response
from edgesim.http.message import standard_reason
from edgesim.world import Entropy, HostClock

EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"
HTML = "text/html;charset=utf-8"
SHOWN = 200
"""The maximum length of a message in an error page, in characters."""


class Tomcat:
    """Builds the responses of one node; without ``phrases`` their status lines have no reason phrase.

    ``cookie`` is the name of the single sign-on cookie, empty for none; its values come from ``entropy``.
    """

    def __init__(
        self, clock: HostClock, realm: str, *, phrases: bool = True, cookie: str = "", entropy: Entropy | None = None
    ) -> None:
        self._cookie = cookie
        self._entropy = entropy
        self._clock = clock
        self._reason = None if phrases else ""
        self.realm = realm

    def document(self, body: bytes, content_type: str = "application/xml", status: int = 200) -> Response:
        """Return a document of an application."""
        headers = [
            ("Cache-Control", "private"),
            ("Expires", EPOCH),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Content-Type", content_type),
            ("Content-Length", str(len(body))),
            ("Date", self._clock.http_date()),
            ("Server", ""),
        ]
        return Response(status=status, reason=self._reason, headers=Headers(headers), body=body)

    def signed_in(self, request: Request, response: Response) -> Response:
        """Return the response to a request with valid credentials: with the cookie, unless the request has one.

        Tomcat's authenticator writes its fields first: Cache-Control, Expires, then the cookie.
        """
        if not self._cookie or self._entropy is None or request.cookie(self._cookie) is not None:
            return response
        value = f"{self._cookie}={self._entropy.token_hex(16).upper()}; Path=/; Secure; HttpOnly"
        fields = list(response.headers)
        at = next((number for number, (name, _) in enumerate(fields, 1) if name == "Expires"), 0)
        return replace(response, headers=Headers([*fields[:at], ("Set-Cookie", value), *fields[at:]]))

    def nothing(self) -> Response:
        """Return a 204."""
        headers = [
            ("Cache-Control", "private"),
            ("Expires", EPOCH),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("Date", self._clock.http_date()),
            ("Server", ""),
        ]
        return Response(status=204, reason=self._reason, headers=Headers(headers))

    def unauthorized(self, *, challenge: bool = True) -> Response:
        """Return a 401 with the challenge, or, for a known user who requests another's data, without it."""
        body = page(401, "This request requires HTTP authentication.")
        headers = [
            ("Expires", EPOCH),
            ("Server", ""),
            ("Cache-Control", "private"),
            ("Date", self._clock.http_date()),
            ("Content-Type", HTML),
            *([("WWW-Authenticate", f'Basic realm="{self.realm}"')] if challenge else []),
            ("Content-Length", str(len(body))),
        ]
        return Response(status=401, reason=self._reason, headers=Headers(headers), body=body)

    def error(self, status: int, message: str, *, allow: tuple[str, ...] = ()) -> Response:
        """Return an error page of Tomcat; ``allow`` is the Allow of a 405."""
        response = self.document(page(status, message), HTML, status)
        return (
            Response(
                status=status,
                reason=self._reason,
                headers=response.headers.added("Allow", ", ".join(allow)),
                body=response.body,
            )
            if allow
            else response
        )


def page(status: int, message: str) -> bytes:
    """Return the HTML of an error page."""
    message = escape(message[:SHOWN])
    title = f"HTTP Status {status} - {standard_reason(status)}"
    return (
        f"<html><head><title>{title}</title></head><body><h1>{title}</h1><hr/>"
        f"<p><b>type</b> Status report</p><p><b>description</b> {message}</p><hr/></body></html>"
    ).encode()
