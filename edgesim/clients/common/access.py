"""A client's access to inside HTTP servers: directly, or by URLs wrapped for an Expressway-E.

Sources: "Troubleshoot Jabber for Windows auto-update over MRA" (Cisco 212180) for the URLs, one per Expressway-E, with
the next one on failure; "Troubleshoot Jabber Log in - Common Issues" (Cisco 221845) for the clients' own texts.
"""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from edgesim.clients.common.edge_hosts import Edge
from edgesim.clients.common.stages import StageFailed
from edgesim.edge import cookie, descriptor
from edgesim.http import HttpError, HttpTlsFailed, Response
from edgesim.http.client import parse_url
from edgesim.http.message import basic_authorization
from edgesim.journal import events
from edgesim.journal.keys import Key
from edgesim.node import Node

Headers = Sequence[tuple[str, str]]
EDGE_REALM = 'realm="Cisco-Edge"'
"""The realm of a refusal by the edge rather than by a server behind it."""
EDGE_DOWN = (502, 503)
"""Statuses of an Expressway-E that reaches nothing inside: another one may."""
_NAMES = {
    "unresolved": "UNRESOLVED_HOST_ERROR",
    "refused": "HOST_UNREACHABLE_ERROR",
    "unreachable": "HOST_UNREACHABLE_ERROR",
    "timed out": "HOST_UNREACHABLE_ERROR",
    "reset": "HOST_UNREACHABLE_ERROR",
}
"""Jabber's own texts for failed requests."""
CERTIFICATE_ERROR = "CERTIFICATE_VALIDATION_ERROR"


class Access(ABC):
    """A client's HTTP side: credentials, the edge cookie, and the Expressway-Es in turn.

    A client family defines its headers (`_headers`) and its trust (`_transmit`). ``renew`` signs in to the edge again:
    it is called once for a request that the edge refuses with 401.
    """

    def __init__(self, node: Node, user: str, password: str, keys: Sequence[Key]) -> None:
        self.node = node
        self.user = user
        self.keys = tuple(keys)
        self.edge: Edge | None = None
        self.renew: Callable[[], Awaitable[None]] | None = None
        self.cookies = cookie.CookieStore(node.host.clock.time)
        self._authorization = basic_authorization(user, password)

    @property
    @abstractmethod
    def tls(self) -> ssl.SSLContext:
        """The TLS context for the client's other connections."""

    @abstractmethod
    def _headers(self, authority: str, authorization: str | None, cookies: str | None) -> list[tuple[str, str]]:
        """Return the headers of a request in the client's order; the last two are omitted if None."""

    @abstractmethod
    async def _transmit(self, method: str, url: str, headers: Headers, body: bytes) -> Response:
        """Send a request unchanged. Raises `HttpError` and `ValueError`."""

    async def get(self, url: str, *, authenticate: bool = False) -> Response:
        """GET an inside URL. Raises `StageFailed`."""
        return await self.request("GET", url, authenticate=authenticate)

    async def request(
        self, method: str, url: str, *, authenticate: bool = False, headers: Headers = (), body: bytes = b""
    ) -> Response:
        """Send a request to an inside URL, through the edge if the client is outside. Raises `StageFailed`."""
        if self.edge is None:
            return await self._send(method, url, authenticate=authenticate, headers=headers, body=body)
        response = await self._by_any_edge(method, url, authenticate, headers, body)
        if self.renew is not None and refused_by_edge(response):
            await self.renew()
            response = await self._by_any_edge(method, url, authenticate, headers, body)
        return response

    async def _by_any_edge(self, method: str, url: str, authenticate: bool, headers: Headers, body: bytes) -> Response:
        """Try each E in turn; the one that answers comes first from now on. Raises `StageFailed`."""
        edge = self.edge
        assert edge is not None
        hosts = list(edge.hosts)
        last: StageFailed | None = None
        for host, port in hosts:
            try:
                wrapped = descriptor.wrap(url, domain=edge.domain, edge=host, port=port)
            except descriptor.DescriptorError as error:  # an unusable URL from a document
                raise StageFailed(f"ERROR: {error}") from error
            if (host, port) != hosts[0]:
                self.node.journal.emit(events.Note(text=f"switching to next url: {wrapped}"), keys=self.keys)
            try:
                response = await self._send(method, wrapped, authenticate=authenticate, headers=headers, body=body)
            except StageFailed as error:
                last = error
                continue
            if response.status in EDGE_DOWN and (host, port) != hosts[-1]:
                continue
            edge.hosts = [(host, port), *(other for other in hosts if other != (host, port))]
            return response
        raise last or StageFailed("no Expressway-E is known")

    def edge_cookie(self, host: str) -> cookie.Cookie:
        """Return the edge's cookie for a host. Raises `EdgeCookieUnusable` if none has a known expiry."""
        return self.cookies.edge_cookie(host, self.node.defaults.edge.cookie_name)

    async def control(self, resource: str, host: str, port: int) -> Response:
        """GET a control resource of one Expressway-E, with the user's credentials. Raises `StageFailed`."""
        assert self.edge is not None
        url = descriptor.control_url(resource, domain=self.edge.domain, edge=host, port=port)
        return await self._send("GET", url, authenticate=True, headers=(), body=b"")

    async def _send(self, method: str, url: str, *, authenticate: bool, headers: Headers, body: bytes) -> Response:
        authority = url.split("/", 3)[2]
        host = authority.rsplit(":", 1)[0]
        host = self.edge.cookie_host(host) if self.edge is not None else host
        cookies = self.cookies.header(host=host, secure=url.startswith("https:"))
        own = self._headers(authority, self._authorization if authenticate else None, cookies)
        try:
            response = await self._transmit(method, url, [*own, *headers], body)
        except HttpTlsFailed as error:
            raise StageFailed(self._untrusted(error)) from error
        except HttpError as error:
            raise StageFailed(self._unreached(error)) from error
        except ValueError as error:  # as above, inside
            raise StageFailed(f"ERROR: {error}") from error
        self.cookies.take(response.headers.get_all("Set-Cookie"), host=host)
        return response

    def _server_name(self, url: str) -> str | None:
        """Return the TLS server name for the URL's host; None for the host itself."""
        return self.edge.server_name(parse_url(url).host) if self.edge is not None else None

    def _untrusted(self, error: HttpTlsFailed) -> str:
        """Return the client's text for a failed handshake."""
        return f"{CERTIFICATE_ERROR}: {error.reason}"

    def _unreached(self, error: HttpError) -> str:
        """Return the client's text for an exchange without a response."""
        return f"{_NAMES.get(error.kind, 'ERROR')}: {error.reason}"

    async def close(self) -> None:
        """Close every connection and delete the cookies."""
        self.renew = None
        self.cookies.clear()


def refused_by_edge(response: Response) -> bool:
    """Return whether a 401 is the edge's own rather than a server's behind it."""
    return response.status == 401 and EDGE_REALM in (response.headers.get("WWW-Authenticate") or "")
