"""Jabber's HTTP side: its headers, and its handling of certificates that do not verify."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from edgesim.clients.common.access import Access, Headers
from edgesim.http import HttpClient, HttpTlsFailed, Response
from edgesim.journal.keys import Key
from edgesim.node import Node
from edgesim.pki import Policy, client_context

JABBER_AGENT = "Jabber"


class JabberAccess(Access):
    """Jabber's HTTP requests. ``accept_untrusted`` is the user's reply to the prompt about a certificate that does not
    verify; it applies to the other services of the same edge (`tls`) too. A certificate of the machine is presented on
    request.

    In Expressway-E's SAN Jabber also requires the edge domain ("MRA Deployment Guide X12.5, Troubleshooting": a pop-up
    if it is missing).
    """

    def __init__(self, node: Node, user: str, password: str, keys: Sequence[Key], *, accept_untrusted: bool) -> None:
        super().__init__(node, user, password, keys)
        self._asks_user = accept_untrusted and node.defaults.client.invalid_certificate == "prompt"
        self._accepted = False
        self._own = node.identities.get("client")
        self._lenient = client_context(None, identity=self._own, keylog=node.keylog)
        self._despite = HttpClient(node.journal, ssl=self._lenient)
        self._verifying: dict[str | None, tuple[ssl.SSLContext, HttpClient]] = {}

    @property
    def tls(self) -> ssl.SSLContext:
        """The TLS context for the client's other connections: verifies, unless the user accepted an untrusted
        certificate.
        """
        return self._lenient if self._accepted else self._checking[0]

    def chat_tls(self, domain: str, servers: Sequence[str]) -> ssl.SSLContext:
        """Return the TLS context for XMPP: the certificate must name the presence domain (RFC 6120, section 13.7.2),
        the server connected to, or, if only its address is known, the edge domain.
        """
        if self._accepted:
            return self._lenient
        edge = self.edge
        known = tuple(servers) if edge is None else edge.chat_names(servers, self._edge_names)
        policy = Policy(names=(domain, *known))
        return client_context(self.node.trusts["system"], identity=self._own, policy=policy, keylog=self.node.keylog)

    @property
    def _checking(self) -> tuple[ssl.SSLContext, HttpClient]:
        """The verifying context and its client: by host name inside, outside by the edge domain too."""
        domain = self.edge.domain if self.edge is not None else None
        if domain not in self._verifying:
            policy = Policy(besides=self._edge_names, accepted=self._accepted_for if domain is not None else None)
            context = client_context(
                self.node.trusts["system"], identity=self._own, policy=policy, keylog=self.node.keylog
            )
            self._verifying[domain] = context, HttpClient(self.node.journal, ssl=context)
        return self._verifying[domain]

    @property
    def _edge_names(self) -> tuple[str, ...]:
        """The forms of the edge domain, of which a certificate must have one; empty inside."""
        if self.edge is None:
            return ()
        return tuple(form.format(domain=self.edge.domain) for form in self.node.defaults.client.edge_names)

    def _accepted_for(self, server_name: str) -> tuple[str, ...]:
        found = self.edge.accepted(server_name) if self.edge is not None else ()
        # For an address without a name the edge domain must match; without that, nothing would be checked.
        return found if found or self._edge_names else (server_name,)

    def _headers(self, authority: str, authorization: str | None, cookies: str | None) -> list[tuple[str, str]]:
        headers = [("Host", authority), ("Accept", "*/*"), ("User-Agent", JABBER_AGENT)]
        if authorization:
            headers.append(("Authorization", authorization))
        if cookies:
            headers.append(("Cookie", cookies))
        return headers

    async def _transmit(self, method: str, url: str, headers: Headers, body: bytes) -> Response:
        timeout = self.node.defaults.client.request_timeout_s
        name = self._server_name(url)
        try:
            http = self._checking[1]
            return await http.request(
                method, url, headers=headers, body=body, timeout=timeout, keys=self.keys, server_name=name
            )
        except HttpTlsFailed:
            if not self._asks_user:
                raise
        self._accepted = True
        return await self._despite.request(
            method, url, headers=headers, body=body, timeout=timeout, keys=self.keys, server_name=name
        )

    async def close(self) -> None:
        await super().close()
        for _, http in self._verifying.values():
            await http.close()
        await self._despite.close()
