"""Other requests of a registered desk phone: an alarm after registration, keep-alives to its standby node.

The alarm is a REFER with the headers and body of "Troubleshoot Extension Mobility Cross Cluster" (Cisco 214535), in
which a 7821 lists its trust lists. Over the edge it also has the registration's Route and a response to the edge's
challenge, which are our own addition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgesim.clients.common.habits import RegistrationPath
from edgesim.clients.common.register import NO_SESSION, Dialogue, Registrant, register
from edgesim.sip import Connection, Request, Response, SipEndpoint, SipError

ALLOW = "ACK,BYE,CANCEL,INVITE,NOTIFY,OPTIONS,REFER,REGISTER,UPDATE,SUBSCRIBE"
SEQUENCE = 1000
EXPIRES = 10
TYPE = "application/x-cisco-alarm+xml"
_BODY = """\
<?xml version="1.0" encoding="UTF-8"?>
<x-cisco-alarm>
<Alarm Name="DeviceTLInfo">
<ParameterList>
<String name="DeviceName">{device}</String>
<String name="IPv4Address">{address}</String>
<String name="IPv6Address"></String>
<String name="CTL_Signature">{ctl}</String>
<String name="CTL_TFTP_Server">{ctl_server}</String>
<String name="ITL_Signature">{itl}</String>
<String name="ITL_TFTP_Server">{itl_server}</String>
<String name="StatusCode">3</String>
</ParameterList>
</Alarm>
</x-cisco-alarm>"""


def alarm_body(
    device: str,
    address: str,
    *,
    ctl: tuple[str, str] = ("Not Installed", "N/A"),
    itl: tuple[str, str] = ("Not Installed", "N/A"),
) -> bytes:
    """Return the alarm about a phone's trust lists: the signature of each, and the server it came from."""
    text = _BODY.format(device=device, address=address, ctl=ctl[0], ctl_server=ctl[1], itl=itl[0], itl_server=itl[1])
    return text.encode()


def alarm(
    who: Registrant,
    dialogue: Dialogue,
    body: bytes,
    *,
    local: tuple[str, int],
    transport: str,
    date: str,
    routes: Sequence[str] = (),
) -> Request:
    """Build the REFER that carries an alarm, outside the registration's dialogue."""
    ids, uri = dialogue.identifiers, f"sip:{who.node}"
    here, name = f"{local[0]}:{local[1]}", f"{dialogue.entropy.token_hex(4)}@{local[0]}"
    phone = f'"{who.number}" <sip:{who.number}@{local[0]}>'
    contact = f'<sip:{who.contact_user}@{here};transport={transport}>;+u.sip!devicename.ccm.cisco.com="{who.device}"'
    credentials = dialogue.credentials(uri, "REFER")
    headers = [
        ("Via", f"SIP/2.0/{transport.upper()} {here};branch=z9hG4bK{dialogue.entropy.token_hex(4)}"),
        *(("Route", route) for route in routes),
        ("From", f"{phone};tag={ids.tag()}"),
        ("To", f"<{uri}>"),
        ("Call-ID", ids.call_id(local[0])),
        *([("Session-ID", f"{dialogue.session};remote={NO_SESSION}")] if dialogue.session else []),
        ("Date", date),
        ("CSeq", f"{SEQUENCE} REFER"),
        ("User-Agent", who.agent),
        ("Expires", str(EXPIRES)),
        ("Max-Forwards", "70"),
        ("Contact", contact),
        *([(dialogue.header, credentials)] if credentials else []),
        ("Require", "norefersub"),
        ("Referred-By", phone),
        ("Refer-To", f"cid:{name}"),
        ("Content-Id", f"<{name}>"),
        ("Allow", ALLOW),
        ("Content-Length", str(len(body))),
        ("Content-Type", TYPE),
        ("Content-Disposition", "session;handling=required"),
    ]
    return Request.build("REFER", uri, headers, body)


async def send_alarm(
    endpoint: SipEndpoint, connection: Connection, who: Registrant, dialogue: Dialogue, way: RegistrationPath
) -> Response | None:
    """Send the alarm; return the last response, None without one. One challenge is answered."""

    def made() -> Request:
        return alarm(
            who,
            dialogue,
            alarm_body(who.device, connection.local[0]),
            local=connection.local,
            transport=way.transport,
            date=endpoint.host.clock.http_date(),
            routes=way.routes,
        )

    return await _asked(endpoint, connection, dialogue, made)


async def standby_keepalive(
    endpoint: SipEndpoint, connection: Connection, who: Registrant, dialogue: Dialogue, way: RegistrationPath
) -> Response | None:
    """Send a keep-alive to a standby node; return the last response, None without one. One challenge is answered."""

    def made() -> Request:
        return register(
            who,
            dialogue,
            local=connection.local,
            transport=way.transport,
            date=endpoint.host.clock.http_date(),
            expires=0,
            routes=way.routes,
            keep_alive=True,
        )

    return await _asked(endpoint, connection, dialogue, made)


async def _asked(
    endpoint: SipEndpoint, connection: Connection, dialogue: Dialogue, made: Callable[[], Request]
) -> Response | None:
    """Send a request, and after a challenge once more."""
    answer: Response | None = None
    for _ in range(2):
        try:
            answer = await endpoint.request(made(), connection)
        except SipError:
            return None
        if not dialogue.challenged(answer):
            return answer
    return answer
