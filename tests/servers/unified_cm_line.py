"""The line side of a Unified CM node as a test reaches it: a connection, and REGISTER as Expressway-C sends it."""

from __future__ import annotations

import ssl

from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.message import Request, Response
from edgesim.sip.transports import TransportName
from tests.servers.unified_cm_lab import ADDRESS, PUB, Lab
from tests.sip.settings import LIMITS, TIMERS

SUPPORTED = "replaces,join,X-cisco-srtp-fallback,X-cisco-sis-7.0.0,X-cisco-graceful-reg,X-cisco-duplicate-reg"


def contact(
    device: str = "CSFALICE", instance: str = "00005e005301", client: str = "192.0.2.10:58980", more: str = ""
) -> str:
    return (
        f"<sip:7514c56a-1034-a684-3299-9b956979ee5c@10.0.30.10:5060;transport=tcp;orig-hostport={client}>"
        f';+sip.instance="<urn:uuid:00000000-0000-0000-0000-{instance}>";+u.sip!devicename.ccm.cisco.com="{device}"'
        f';+u.sip!model.ccm.cisco.com="503";video;x-cisco-reg-id=1{more};+u.sip!userid.ccm.cisco.com="alice"'
    )


def register(
    cseq: int = 101,
    *,
    line: str = "1001",
    value: str | None = None,
    expires: str = "3600",
    call_id: str = "00005e00-53010005-00001bba-00007938@192.0.2.10",
    headers: tuple[tuple[str, str], ...] = (),
    via: str = "SIP/2.0/TCP 10.0.30.10:25000",
    uri: str = f"sip:{PUB}",
    method: str = "REGISTER",
    branch: str = "",
) -> Request:
    given = [
        ("Via", f"{via};branch=z9hG4bK{branch or call_id[:8]}{cseq};rport"),
        ("Via", "SIP/2.0/TLS 192.0.2.10:58980;branch=z9hG4bK00003665;received=198.51.100.25;rport=58980"),
        ("From", f"<sip:{line}@{PUB}>;tag=00005e005301000700006827-00006484"),
        ("To", f"<sip:{line}@{PUB}>"),
        ("Call-ID", call_id),
        ("Max-Forwards", "13"),
        ("CSeq", f"{cseq} {method}"),
        ("Contact", contact() if value is None else value),
        ("Supported", SUPPORTED),
        ("Expires", expires),
        *headers,
    ]
    return Request.build(method, uri, [(name, text) for name, text in given if text])


class Line:
    """A connection of Expressway-C to the node, and what came back on it."""

    def __init__(self, lab: Lab) -> None:
        self.endpoint = SipEndpoint(lab.c, lab.client.recorder, limits=LIMITS, timers=TIMERS, name="expc")
        self.provisional: list[Response] = []
        self.connection: Connection

    async def connect(
        self, transport: TransportName = "tcp", port: int = 5060, tls: ssl.SSLContext | None = None
    ) -> Line:
        self.connection = await self.endpoint.connect(
            ADDRESS, port, transport, ssl=tls, server_hostname=PUB if tls else None
        )
        return self

    async def ask(self, request: Request) -> Response:
        return await self.endpoint.request(request, self.connection, timeout=10, provisional=self.provisional.append)

    async def close(self) -> None:
        await self.endpoint.close()


def names(response: Response) -> list[str]:
    return [name for name, _ in response.items()]


def at(address: str, *more: str, device: str = "CSFALICE") -> str:
    """Return the Contact of a third-party client configured with the device's name, such as pjsua or linphone."""
    return ";".join([f"<sip:1001@{address};transport=tcp>", f'+u.sip!devicename.ccm.cisco.com="{device}"', *more])


SECURE = {
    "unified_cm.0.mixed_mode": True,
    "unified_cm.0.security_profiles": [
        {"name": "Standard SIP Non-Secure Profile"},
        {"name": "jabber.secure.example.com", "mode": "encrypted", "transport": "TLS"},
    ],
    "devices": [{"name": "CSFALICE", "security_profile": "jabber.secure.example.com"}],
}
