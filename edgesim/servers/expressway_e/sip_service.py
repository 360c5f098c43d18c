"""SERVICE on E: has a C check a client's digest, since E knows no passwords.

The message is that of "Mobile and Remote Access phone services failing due to source IP translation" (Cisco 212347),
header by header, including the inner Via of E's authentication process, and the two Routes, of which the first names
C's connection by the address and port that E sees.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable

from edgesim.edge import service
from edgesim.node import Node
from edgesim.pki.keys import sign_sha1
from edgesim.servers.expressway_e.sip_digests import DigestCache
from edgesim.servers.expressway_e.zone import TraversalLink
from edgesim.sip.digest import DigestCredentials
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.errors import SipError
from edgesim.sip.framing import fits
from edgesim.sip.message import Request
from edgesim.sip.proxy import MAGIC, Hop

AUTHENTICATOR = "<sip:127.0.0.1:22210;transport=tcp;vcs-cate;lr>"
"""The Route to C's authentication process."""


class ServiceClient:
    """Has Cs check digests. ``side`` is E's side towards a C; ``digests`` stores the hashes that Cs return.

    E's authentication process connects to E's proxy from a SIP source port.
    """

    def __init__(
        self,
        node: Node,
        endpoint: SipEndpoint,
        side: Callable[[TraversalLink], Hop],
        agent: str,
        digests: DigestCache,
    ) -> None:
        self._node = node
        self._endpoint = endpoint
        self._side = side
        self._agent = agent
        self._digests = digests
        self._loop = asyncio.get_running_loop()
        ports = node.defaults.ports
        self._entropy = node.host.entropy("SERVICE")
        self._sequence = self._entropy.randrange(1, 5000)
        self._port = self._entropy.randint(ports.sip_source_first, ports.sip_source_last)
        self._identity = node.identities["server"]
        self._certificate = self._identity.pem()

    async def check(
        self, credentials: DigestCredentials, *, method: str, host: str, links: Iterable[TraversalLink]
    ) -> int:
        """Ask each C in turn until one knows the user; return the status of its response.

        The digest is of a request to the Unified CM node ``host``.
        """
        status = 0
        for link in links:
            status = await self._ask(self.request(credentials, method=method, host=host, link=link), credentials, link)
            if status != self._node.defaults.sip.service_unknown_status:
                break
        return status

    async def _ask(self, asked: Request, credentials: DigestCredentials, link: TraversalLink) -> int:
        """Send a SERVICE, store the hash of a 200, and return the status of the response.

        Credentials that no SERVICE can carry are refused without asking.
        """
        sip = self._node.defaults.sip
        if not fits(asked, link.connection.endpoint.limits):
            return 513
        try:
            answer = await self._endpoint.request(asked, link.connection)
            if answer.status == 200:
                interim = service.parse_answer(answer.body, element=sip.service_hash_element)
                if interim is not None:
                    self._digests.learn(credentials.username, interim, self._loop.time())
        except (SipError, service.ServiceError):
            return sip.service_lost_status
        return answer.status

    def request(self, credentials: DigestCredentials, *, method: str, host: str, link: TraversalLink) -> Request:
        """Return the SERVICE to one C about a client's digest, for a request to the Unified CM node ``host``."""
        draw, zone = self._entropy, self._node.deployment.traversal_zone
        self._sequence += 1
        boundary = service.new_boundary(draw)
        question = service.DigestAuth(
            username=credentials.username,
            realm=credentials.realm,
            nonce=credentials.nonce,
            qop=credentials.qop or "",
            cnonce=credentials.cnonce or "",
            nc=credentials.nc or "",
            response=credentials.response,
            uri=credentials.uri,
            method=method,
            id=str(draw.randrange(10**7, 10**8)),
            msgid=str(draw.randrange(10**10, 10**11)),
            sipdomain=host,
            certificate=self._certificate,
        )
        body = service.build(question, boundary)
        proxy = f"<sip:serviceproxy@{host}>"
        from_, to = f"{proxy};tag={draw.token_hex(7)}", f"<sip:serviceserver@{host}>"
        call_id, cseq = f"{draw.token_hex(6)}@127.0.0.1", f"{self._sequence} SERVICE"
        date = self._node.host.clock.http_date()
        hop, (address, port) = self._side(link), link.connection.peer
        signed = service.signed_text(from_=from_, to=to, call_id=call_id, cseq=cseq, date=date, body=body)
        hops = min(self._node.defaults.sip.hop_count, zone.hop_count)
        headers = (
            (
                "Via",
                f"SIP/2.0/TLS {hop.sent_by};egress-zone={zone.name.replace(' ', '')};"
                f"branch={MAGIC}{draw.token_hex(16)}{draw.randrange(10**6, 10**7)};proxy-call-id={draw.uuid()};rport",
            ),
            (
                "Via",
                f"SIP/2.0/TCP 127.0.0.1:5060;branch={MAGIC}{draw.token_hex(16)};received=127.0.0.1;rport={self._port};"
                "ingress-zone=DefaultZone",
            ),
            ("Call-ID", call_id),
            ("CSeq", cseq),
            ("Contact", proxy),
            ("From", from_),
            ("To", to),
            ("Max-Forwards", str(hops)),
            ("Route", f"<sip:{address}:{port};transport=tls;apparent;ds;lr>"),
            ("Route", AUTHENTICATOR),
            ("User-Agent", self._agent),
            ("Date", date),
            ("Event", "service"),
            ("P-Asserted-Identity", proxy),
            ("X-TAATag", draw.uuid()),
            ("Identity", f'"{self._sign(signed)}"'),
            ("Content-Type", service.content_type(boundary)),
        )
        return Request.build("SERVICE", f"sip:serviceserver@{host}", headers, body)

    def _sign(self, text: bytes) -> str:
        """Return the signature over ``text`` by E's key, with SHA-1 as in RFC 4474; deterministic."""
        return base64.b64encode(sign_sha1(self._identity.key, text)).decode()
