"""SERVICE: how E, which knows no passwords, has a C check a client's digest.

The message is that of "Mobile and Remote Access phone services failing due to source IP translation" (Cisco 212347),
header by header: also the inner Via of E's own authentication process, and the two Routes, of which the first names C's
connection by the address and port that E sees.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from edgesim.edge import service
from edgesim.node import Node
from edgesim.pki.keys import sign_sha1
from edgesim.servers.expressway_e.zone import TraversalLink
from edgesim.sip.digest import DigestCredentials
from edgesim.sip.message import Request
from edgesim.sip.proxy import MAGIC, Hop

AUTHENTICATOR = "<sip:127.0.0.1:22210;transport=tcp;vcs-cate;lr>"
"""The Route to C's own authentication process."""


class ServiceClient:
    """Makes the SERVICE requests of one E. ``side`` is E's side towards a C.

    E's own authentication process connects to E's proxy from a source port of SIP.
    """

    def __init__(self, node: Node, side: Callable[[TraversalLink], Hop], agent: str) -> None:
        self._node = node
        self._side = side
        self._agent = agent
        ports = node.defaults.ports
        self._entropy = node.host.entropy("SERVICE")
        self._sequence = self._entropy.randrange(1, 5000)
        self._port = self._entropy.randint(ports.sip_source_first, ports.sip_source_last)
        self._identity = node.identities["server"]
        self._certificate = self._identity.pem()

    def request(self, credentials: DigestCredentials, *, method: str, host: str, link: TraversalLink) -> Request:
        """Return the SERVICE about a client's digest for a request to the Unified CM node ``host``, for one C."""
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
        """Return the signature over ``text`` by E's key, with SHA-1 as in RFC 4474; always the same for one text."""
        return base64.b64encode(sign_sha1(self._identity.key, text)).decode()
