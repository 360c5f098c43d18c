"""The HTTPS side of a phone or room device: TC's headers, and certificate verification without a user.

Source: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304).
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Protocol

from edgesim.clients.common.access import Access, Headers
from edgesim.http import HttpClient, HttpError, HttpTlsFailed, Response
from edgesim.journal.keys import Key
from edgesim.node import Node
from edgesim.pki import TrustStore, client_context
from edgesim.pki.policy import WRONG_NAME, Policy

CURL = {
    "unresolved": "Couldn't resolve host name",
    "refused": "Couldn't connect to server",
    "unreachable": "Couldn't connect to server",
    "timed out": "Timeout was reached",
    "reset": "Failure when receiving data from the peer",
}
"""libcurl's texts for failed requests, which these devices log."""
NOT_AUTHENTICATED = "Peer certificate cannot be authenticated with given CA certificates"
TLS_FAILED = "SSL connect error"
DOMAIN_NOT_FOUND = (
    "[verify_edge_domain_in_san]: Edge TLS verification failed: Edge domain '{domain}' and corresponding SRVName "
    "'_collab-edge._tls.{domain}' not found in certificate SAN list"
)


class Checker(Protocol):
    """The verifying device: the edge domain, the trust store, and the User-Agent."""

    domain: str
    trust: TrustStore

    @property
    def http_agent(self) -> str: ...


class DeviceAccess(Access):
    """A device's HTTPS requests. It presents its client certificate if it has one and is asked."""

    def __init__(self, node: Node, user: str, password: str, keys: Sequence[Key], device: Checker) -> None:
        super().__init__(node, user, password, keys)
        self._device = device
        names = tuple(name.format(domain=device.domain) for name in node.defaults.client.edge_names)
        self._tls = client_context(
            device.trust,
            identity=node.identities.get("client"),
            check_hostname=False,
            policy=Policy(names=names),
            keylog=node.keylog,
        )
        self._http = HttpClient(node.journal, ssl=self._tls)

    @property
    def tls(self) -> ssl.SSLContext:
        """The context for its SIP connection: verifies the same Expressway-E in the same way."""
        return self._tls

    def _headers(self, authority: str, authorization: str | None, cookies: str | None) -> list[tuple[str, str]]:
        return [
            *([("Authorization", authorization)] if authorization else []),
            ("Host", authority),
            *([("Cookie", cookies)] if cookies else []),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "text/xml"),
            ("User-Agent", self._device.http_agent),
            ("Accept-Charset", "ISO-8859-1,utf-8"),
        ]

    async def _transmit(self, method: str, url: str, headers: Headers, body: bytes) -> Response:
        timeout = self.node.defaults.client.request_timeout_s
        name = self._server_name(url)
        return await self._http.request(
            method, url, headers=headers, body=body, timeout=timeout, keys=self.keys, server_name=name
        )

    def _untrusted(self, error: HttpTlsFailed) -> str:
        refused = error.__cause__
        if not isinstance(refused, ssl.SSLCertVerificationError):
            return f"{TLS_FAILED}: {error.reason}"
        if refused.verify_code == WRONG_NAME:
            return DOMAIN_NOT_FOUND.format(domain=self._device.domain)
        return f"{NOT_AUTHENTICATED}: {refused.verify_message}"

    def _unreached(self, error: HttpError) -> str:
        return f"{CURL.get(error.kind, 'ERROR')}: {error.reason}"

    async def close(self) -> None:
        await super().close()
        await self._http.close()
