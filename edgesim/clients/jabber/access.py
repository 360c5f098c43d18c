"""Jabber's HTTP side: its headers, and what it does about a certificate that does not verify."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from edgesim.clients.common.access import Access, Headers
from edgesim.http import HttpClient, HttpTlsFailed, Response
from edgesim.node import Node
from edgesim.pki import client_context

JABBER_AGENT = "Jabber"


class JabberAccess(Access):
    """What Jabber asks over HTTP. ``accept_untrusted`` is what the user answers when Jabber asks about a certificate
    that does not verify; the answer holds for the other services of the same edge (`tls`). A certificate of its machine
    is shown where one is asked for.
    """

    def __init__(self, node: Node, user: str, password: str, keys: Sequence[str], *, accept_untrusted: bool) -> None:
        super().__init__(node, user, password, keys)
        self._asks_user = accept_untrusted and node.defaults.client.invalid_certificate == "prompt"
        self._accepted = False
        own = node.identities.get("client")
        self._verifying = client_context(node.trusts["system"], identity=own, keylog=node.keylog)
        self._lenient = client_context(None, identity=own, keylog=node.keylog)
        self._http = HttpClient(node.journal, ssl=self._verifying)
        self._despite = HttpClient(node.journal, ssl=self._lenient)

    @property
    def tls(self) -> ssl.SSLContext:
        """The context for the client's other connections: verifying, unless the user accepted a bad certificate."""
        return self._lenient if self._accepted else self._verifying

    def _headers(self, authority: str, authorization: str | None, cookies: str | None) -> list[tuple[str, str]]:
        headers = [("Host", authority), ("Accept", "*/*"), ("User-Agent", JABBER_AGENT)]
        if authorization:
            headers.append(("Authorization", authorization))
        if cookies:
            headers.append(("Cookie", cookies))
        return headers

    async def _transmit(self, method: str, url: str, headers: Headers, body: bytes) -> Response:
        timeout = self.node.defaults.client.request_timeout_s
        try:
            return await self._http.request(method, url, headers=headers, body=body, timeout=timeout, keys=self.keys)
        except HttpTlsFailed:
            if not self._asks_user:
                raise
        self._accepted = True
        return await self._despite.request(method, url, headers=headers, body=body, timeout=timeout, keys=self.keys)

    async def close(self) -> None:
        await super().close()
        await self._http.close()
        await self._despite.close()
