"""How the client reaches an inside HTTP server: directly, or wrapped into URLs of an Expressway-E.

Sources: "Troubleshoot Jabber for Windows auto-update over MRA" (Cisco 212180) for the URLs, one for each Expressway-E,
and the next one on failure; "Troubleshoot Jabber Log in - Common Issues" (Cisco 221845) for Jabber's own words.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from edgesim.clients.jabber.stages import StageFailed
from edgesim.edge import cookie, descriptor
from edgesim.http import HttpClient, HttpError, HttpTlsFailed, Response
from edgesim.http.message import basic_authorization
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import client_context

JABBER_AGENT = "Jabber"
EDGE_REALM = 'realm="Cisco-Edge"'
"""Who refused, when it was the edge and not a server behind it."""
EDGE_DOWN = (502, 503)
"""Answers of an Expressway-E that cannot reach anything inside: another one may."""
_NAMES = {
    "unresolved": "UNRESOLVED_HOST_ERROR",
    "refused": "HOST_UNREACHABLE_ERROR",
    "unreachable": "HOST_UNREACHABLE_ERROR",
    "timed out": "HOST_UNREACHABLE_ERROR",
    "reset": "HOST_UNREACHABLE_ERROR",
}
"""Jabber's own words for how a request failed."""
CERTIFICATE_ERROR = "CERTIFICATE_VALIDATION_ERROR"


@dataclass(slots=True, kw_only=True)
class Edge:
    """The edge through which a client outside goes: the domain of its descriptors and the E hosts, best first."""

    domain: str
    hosts: list[tuple[str, int]] = field(default_factory=list)


class Access:
    """A client's HTTP side: credentials, the edge cookie, the policy on certificates, one E after the other.

    ``accept_untrusted`` is what the user answers when Jabber asks about a certificate that does not verify; the answer
    holds for the other services of the same edge (`tls`). ``renew`` signs in to the edge again: it is called once for
    a request that the edge refuses with 401.
    """

    def __init__(self, node: Node, user: str, password: str, keys: Sequence[str], *, accept_untrusted: bool) -> None:
        self.node = node
        self.user = user
        self.keys = tuple(keys)
        self.edge: Edge | None = None
        self.renew: Callable[[], Awaitable[None]] | None = None
        self.cookies = cookie.CookieStore(node.host.clock.time)
        self._authorization = basic_authorization(user, password)
        self._asks_user = accept_untrusted and node.defaults.client.invalid_certificate == "prompt"
        self._accepted = False
        self._verifying = client_context(node.trusts["system"], keylog=node.keylog)
        self._lenient = client_context(None, keylog=node.keylog)
        self._http = HttpClient(node.journal, ssl=self._verifying)
        self._despite = HttpClient(node.journal, ssl=self._lenient)

    @property
    def tls(self) -> ssl.SSLContext:
        """The context for the client's other connections: verifying, unless the user accepted a bad certificate."""
        return self._lenient if self._accepted else self._verifying

    async def get(self, url: str, *, authenticate: bool = False) -> Response:
        """GET an inside URL. Raises `StageFailed`."""
        return await self.request("GET", url, authenticate=authenticate)

    async def request(
        self,
        method: str,
        url: str,
        *,
        authenticate: bool = False,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Send a request to an inside URL, through the edge if the client is outside. Raises `StageFailed`."""
        if self.edge is None:
            return await self._send(method, url, authenticate=authenticate, headers=headers, body=body)
        response = await self._by_any_edge(method, url, authenticate, headers, body)
        if self.renew is not None and refused_by_edge(response):
            await self.renew()
            response = await self._by_any_edge(method, url, authenticate, headers, body)
        return response

    async def _by_any_edge(
        self, method: str, url: str, authenticate: bool, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Response:
        """Try one E after the other; the one that answered is the first from now on. Raises `StageFailed`."""
        edge = self.edge
        assert edge is not None
        hosts = list(edge.hosts)
        last: StageFailed | None = None
        for host, port in hosts:
            try:
                wrapped = descriptor.wrap(url, domain=edge.domain, edge=host, port=port)
            except descriptor.DescriptorError as error:  # a URL from a document that cannot be asked for
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

    async def control(self, resource: str, host: str, port: int) -> Response:
        """GET a control resource of one Expressway-E, with the user's credentials. Raises `StageFailed`."""
        assert self.edge is not None
        url = descriptor.control_url(resource, domain=self.edge.domain, edge=host, port=port)
        return await self._send("GET", url, authenticate=True, headers=(), body=b"")

    async def _send(
        self, method: str, url: str, *, authenticate: bool, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Response:
        authority = url.split("/", 3)[2]
        host = authority.rsplit(":", 1)[0]
        sent = [("Host", authority), ("Accept", "*/*"), ("User-Agent", JABBER_AGENT)]
        if authenticate:
            sent.append(("Authorization", self._authorization))
        if cookies := self.cookies.header(host=host, secure=url.startswith("https:")):
            sent.append(("Cookie", cookies))
        sent.extend(headers)
        timeout = self.node.defaults.client.request_timeout_s
        try:
            try:
                response = await self._http.request(
                    method, url, headers=sent, body=body, timeout=timeout, keys=self.keys
                )
            except HttpTlsFailed:
                if not self._asks_user:
                    raise
                self._accepted = True
                response = await self._despite.request(
                    method, url, headers=sent, body=body, timeout=timeout, keys=self.keys
                )
        except HttpTlsFailed as error:
            raise StageFailed(f"{CERTIFICATE_ERROR}: {error.reason}") from error
        except HttpError as error:
            raise StageFailed(f"{_NAMES.get(error.kind, 'ERROR')}: {error.reason}") from error
        except ValueError as error:  # the same, inside
            raise StageFailed(f"ERROR: {error}") from error
        self.cookies.take(response.headers.get_all("Set-Cookie"), host=host)
        return response

    async def close(self) -> None:
        """Close every connection and forget the cookies."""
        self.renew = None
        self.cookies.clear()
        await self._http.close()
        await self._despite.close()


def refused_by_edge(response: Response) -> bool:
    """Say whether a 401 is of the edge itself and not of a server behind it."""
    return response.status == 401 and EDGE_REALM in (response.headers.get("WWW-Authenticate") or "")
