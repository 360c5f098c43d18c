"""How the client reaches an inside HTTP server: directly, or wrapped into URLs of an Expressway-E."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgesim.clients.jabber.stages import StageFailed
from edgesim.edge import cookie, descriptor
from edgesim.http import HttpClient, HttpError, HttpTlsFailed, Response
from edgesim.http.message import basic_authorization
from edgesim.node import Node
from edgesim.pki import client_context

JABBER_AGENT = "Jabber"


@dataclass(slots=True, kw_only=True)
class Edge:
    """The edge through which a client outside goes: the domain of its descriptors and the E hosts, best first."""

    domain: str
    hosts: list[tuple[str, int]] = field(default_factory=list)


class Access:
    """A client's HTTP side: credentials, the edge cookie, the policy on certificates, one E after the other.

    ``accept_untrusted`` is what the user answers when Jabber asks about a certificate that does not verify.
    """

    def __init__(self, node: Node, user: str, password: str, keys: Sequence[str], *, accept_untrusted: bool) -> None:
        self.node = node
        self.user = user
        self.keys = tuple(keys)
        self.edge: Edge | None = None
        self.cookies = cookie.CookieStore(node.host.clock.time)
        self._authorization = basic_authorization(user, password)
        self._accept_untrusted = accept_untrusted
        self._trusting = HttpClient(node.journal, ssl=client_context(node.trusts["system"], keylog=node.keylog))
        self._lenient = HttpClient(node.journal, ssl=client_context(None, keylog=node.keylog))

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
        last: StageFailed | None = None
        for host, port in list(self.edge.hosts):
            wrapped = descriptor.wrap(url, domain=self.edge.domain, edge=host, port=port)
            try:
                return await self._send(method, wrapped, authenticate=authenticate, headers=headers, body=body)
            except StageFailed as error:
                last = error
        raise last or StageFailed("no Expressway-E is known")

    async def control(self, resource: str, host: str, port: int) -> Response:
        """GET a control resource of one Expressway-E, with the user's credentials. Raises `StageFailed`."""
        assert self.edge is not None
        url = descriptor.control_url(resource, domain=self.edge.domain, edge=host, port=port)
        return await self._send("GET", url, authenticate=True, headers=(), body=b"")

    async def _send(
        self, method: str, url: str, *, authenticate: bool, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Response:
        host = url.split("/", 3)[2].rsplit(":", 1)[0]
        sent = [("Host", url.split("/", 3)[2]), ("Accept", "*/*"), ("User-Agent", JABBER_AGENT)]
        if authenticate:
            sent.append(("Authorization", self._authorization))
        if cookies := self.cookies.header(host=host, secure=url.startswith("https:")):
            sent.append(("Cookie", cookies))
        sent.extend(headers)
        timeout = self.node.defaults.client.request_timeout_s
        try:
            response = await self._trusting.request(
                method, url, headers=sent, body=body, timeout=timeout, keys=self.keys
            )
        except HttpTlsFailed as error:
            if not self._accept_untrusted:
                raise StageFailed(f"CERTIFICATE_VALIDATION_ERROR: {error.reason}") from error
            response = await self._despite(method, url, sent, body)
        except HttpError as error:
            raise StageFailed(f"{_NAMES.get(error.kind, 'ERROR')}: {error.reason}") from error
        self.cookies.take(response.headers.get_all("Set-Cookie"), host=host)
        return response

    async def _despite(self, method: str, url: str, headers: list[tuple[str, str]], body: bytes) -> Response:
        timeout = self.node.defaults.client.request_timeout_s
        try:
            return await self._lenient.request(method, url, headers=headers, body=body, timeout=timeout, keys=self.keys)
        except HttpError as error:
            raise StageFailed(f"{_NAMES.get(error.kind, 'ERROR')}: {error.reason}") from error

    async def close(self) -> None:
        """Close every connection and forget the cookies."""
        self.cookies.clear()
        await self._trusting.close()
        await self._lenient.close()


_NAMES = {
    "unresolved": "UNRESOLVED_HOST_ERROR",
    "refused": "HOST_UNREACHABLE_ERROR",
    "unreachable": "HOST_UNREACHABLE_ERROR",
    "timed out": "HOST_UNREACHABLE_ERROR",
    "reset": "HOST_UNREACHABLE_ERROR",
}
"""Jabber's own words for how a request failed ("Troubleshoot Jabber Log in - Common Issues", Cisco 221845)."""
