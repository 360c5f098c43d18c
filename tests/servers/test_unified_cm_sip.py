"""The line side of a Unified CM node over real transports in the simulated world, against captured messages."""

from __future__ import annotations

import asyncio
import ssl
import uuid

import pytest

from edgesim.journal import events
from edgesim.pki import TrustStore, client_context
from edgesim.servers.unified_cm import remotecc
from edgesim.sip.connection import Connection
from edgesim.sip.digest import answer
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.message import Request, Response
from edgesim.sip.transports import TransportName
from tests.servers.unified_cm_lab import ADDRESS, PUB, Lab, run
from tests.sip import samples
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


PART = b"""\
--uniqueBoundary\r
Content-Type: application/x-cisco-remotecc-request+xml\r
Content-Disposition: session;handling=optional\r
\r
"""
BULK = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<x-cisco-remotecc-request>
<bulkregisterreq>
<contact all="true">
<register></register>
</contact>
</bulkregisterreq>
</x-cisco-remotecc-request>
"""
OPTIONS = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<x-cisco-remotecc-request>
  <optionsind>
    <combine max="6">
      <remotecc>
        <status></status>
      </remotecc>
      <service-control></service-control>
    </combine>
    <dialog usage="hook status">
      <unot></unot>
      <sub></sub>
    </dialog>
    <dialog usage="shared line">
      <unot></unot>
      <sub></sub>
    </dialog>
    <presence usage="blf speed dial">
      <unot></unot>
      <sub></sub>
    </presence>
    <joinreq></joinreq>
    <cfwdall-anyline></cfwdall-anyline>
    <coaching></coaching>
    <oosalarm></oosalarm>
    <rpid-orig-called></rpid-orig-called>
    <x-cisco-number></x-cisco-number>
    <bfcp></bfcp>
    <ix></ix>
    <gatewayrecording></gatewayrecording>
    <conferenceDisplayInstance></conferenceDisplayInstance>
  </optionsind>
</x-cisco-remotecc-request>
"""
REMOTECC = PART + BULK + b"\r\n" + PART + OPTIONS[:-1] + b"\r\n--uniqueBoundary--\r\n"
"""The captured body of 1313 octets: CRLF in the framing, LF inside."""


CONFIRMED = b"""\
<x-cisco-remotecc-response>
<response>
<code>200</code>
<optionsind>
<combine max="6">
<remotecc><status/></remotecc>
<service-control/>
</combine>
<dialog usage="hook status"><unot/></dialog>
<dialog usage="shared line"><unot/></dialog>
<presence usage="blf speed dial"><unot/></presence>
<joinreq></joinreq>
<ix/>
<bfcp/>
</optionsind>
</response>
</x-cisco-remotecc-response>
\r
"""
"""What Unified CM answers, octet by octet."""


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


def test_the_200_has_the_captured_headers_in_order() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        ha = contact(more=";x-cisco-mra-ha=AR_SK")
        session = ("Session-ID", "c31f584200255000a00000ddda3c0000;remote=00000000000000000000000000000000")
        first = await line.ask(register(value=ha, headers=(session,)))
        assert first.start_line == b"SIP/2.0 200 OK"
        assert names(first) == [
            *("Via", "From", "To", "Date", "Call-ID", "Server", "CSeq", "Expires", "Contact", "Supported"),
            *("Session-ID", "Content-Length"),
        ]
        assert first.get_all("Via") == [",".join(register().get_all("Via"))]  # in one line, rport as it came
        assert first.get("Server") == "Cisco-CUCM14.0"
        assert first.get("Expires") == "120"
        assert first.get("Contact") == ha + ";x-cisco-newreg"
        assert first.get("Supported") == "X-cisco-srtp-fallback,X-cisco-sis-10.0.0,X-cisco-supports-AR_SK"
        own, _, remote = (first.get("Session-ID") or "").partition(";")
        assert (uuid.UUID(own).version, remote) == (5, "remote=c31f584200255000a00000ddda3c0000")
        assert (first.to.tag or "").isdigit()
        again = await line.ask(register(102))
        assert again.get("Contact") == contact()
        assert again.get("Supported") == "X-cisco-srtp-fallback,X-cisco-sis-10.0.0"
        (trying, _) = line.provisional
        assert names(trying) == ["Via", "From", "To", "Date", "Call-ID", "CSeq", "Content-Length"]
        assert trying.to.tag is None
        registered = [entry.event for entry in lab.entries("sip.registered")]
        assert [(e.device, e.via, e.fresh) for e in registered if isinstance(e, events.Registered)] == [
            ("CSFALICE", "expc", True),
            ("CSFALICE", "expc", False),
        ]
        assert "user:alice" in lab.entries("sip.registered")[0].keys
        await line.close()

    run(main)


def test_an_older_release_says_so() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        answer = await line.ask(register(value=contact(more=";x-cisco-mra-ha=AR_SK")))
        assert answer.get("Server") == "Cisco-CUCM12.5"
        assert answer.get("Supported") == "X-cisco-srtp-fallback,X-cisco-sis-9.2.0"
        await line.close()

    run(main, changes={"unified_cm.0.release": "12.5(1)SU4"})


def test_a_captured_register_gets_the_remotecc_answer() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        message = samples.request("phone_register")
        assert message.get("Content-Length") == str(len(REMOTECC))
        message.set_body(REMOTECC)
        response = await line.ask(message)
        assert response.status == 200
        assert response.get("Content-Type") == "application/x-cisco-remotecc-response+xml"
        assert response.body == CONFIRMED
        assert len(response.body) == 381
        await line.close()

    phone = {"name": "SEP00005E005303", "type": "7821", "line": "2222"}
    run(main, changes={"devices": [phone]})


@pytest.mark.parametrize(
    "body", [b"<optionsind>", b"<x-cisco-remotecc-request><optionsind></x-cisco-remotecc-request>"]
)
def test_a_broken_remotecc_body_gets_no_answer_of_its_own(body: bytes) -> None:
    assert remotecc.answer(body) is None


@pytest.mark.parametrize("grace", [0, 10])
def test_a_registration_expires_unless_refreshed(grace: int) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        await line.ask(register())
        await asyncio.sleep(115)
        await line.ask(register(102))
        await asyncio.sleep(119 + grace)
        assert lab.entries("sip.unregistered") == []
        await asyncio.sleep(2)
        (gone,) = lab.entries("sip.unregistered")
        alarm = "EndPointUnregistered Reason=13 LastSignalReceived=SIPStationDPrimaryLineTimeout"
        assert gone.event == events.Unregistered(device="CSFALICE", reason="expired", alarm=alarm)
        assert gone.at == pytest.approx(235 + grace, abs=0.1)
        await line.close()

    run(main, changes={} if grace == 10 else {"defaults.unified_cm.expiry_grace_s": grace})


def test_a_late_refresh_finds_the_registration() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        await line.ask(register())
        await asyncio.sleep(125)
        assert "x-cisco-newreg" not in ((await line.ask(register(102))).get("Contact") or "")
        await line.close()

    run(main)


def test_unregister_and_standby_keepalive() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        standby = await line.ask(register(1, expires="0", call_id="standby@192.0.2.10"))
        assert (standby.status, standby.get("Expires"), standby.get("Contact")) == (200, "0", None)
        await line.ask(register())
        assert (await line.ask(register(102, expires="0"))).status == 200
        assert [entry.event for entry in lab.entries("sip.unregistered")] == [
            events.Unregistered(
                device="CSFALICE",
                reason="removed by the client",
                alarm="EndPointUnregistered Reason=10 (DeviceUnregistered)",
            )
        ]
        await asyncio.sleep(300)
        assert len(lab.entries("sip.unregistered")) == 1
        await line.close()

    run(main)


def test_a_phones_sign_of_life_to_its_standby_changes_no_binding() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        message = samples.request("standby_keepalive")
        value = message.get("Contact") or ""
        bound = register(value=value.removesuffix(";expires=0;cisco-keep-alive"), line="6836")
        assert (await line.ask(bound)).status == 200
        message.uri = f"sip:{PUB}:5060;transport=tcp"
        message.replace("Content-Length", "0")
        answer = await line.ask(message)
        assert (answer.status, answer.get("Contact")) == (200, None)
        assert lab.entries("sip.unregistered") == []
        bound.replace("CSeq", "102 REGISTER")
        bound.replace("Via", "SIP/2.0/TCP 10.0.30.10:25000;branch=z9hG4bKrefresh")
        assert "x-cisco-newreg" not in ((await line.ask(bound)).get("Contact") or "")
        await line.close()

    phone = {"name": "SEP00005E005304", "type": "8861", "line": "6836"}
    run(main, changes={"devices": [phone]})


def test_the_alarm_of_a_phone_is_accepted_as_captured() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        alarm, captured = samples.request("phone_alarm"), samples.response("alarm_accepted")
        octets = samples.octets("phone_alarm").partition(b"\r\n\r\n")[2]
        assert alarm.get("Content-Length") == str(len(octets))
        alarm.replace("Via", (alarm.get("Via") or "").replace("10.0.50.104", "10.0.30.10"))
        alarm.set_body(octets)
        answer = await line.ask(alarm)
        answer.replace("Via", captured.get("Via") or "")
        answer.replace("Date", captured.get("Date") or "")
        answer.replace("To", captured.get("To") or "")
        assert (answer.start_line, answer.lines) == (captured.start_line, captured.lines)
        await line.close()

    run(main)


def test_a_trunk_on_the_port_of_the_lines_refuses_them() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        answer = await line.ask(register())
        assert answer.start_line == b"SIP/2.0 405 Method Not Allowed"
        assert names(answer) == [
            *("Via", "From", "To", "Date", "Call-ID", "Server", "CSeq", "Warning", "Allow", "Content-Length")
        ]
        assert answer.get("Warning") == f'399 {PUB} "SIP trunk disallows REGISTER"'
        await line.close()

    run(main, changes={"unified_cm.0.sip_trunks": ["expc"]})


def test_vias_as_the_rfc_has_them() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        answer = await line.ask(register())
        port = line.connection.local[1]
        assert answer.get_all("Via")[0].endswith(f";received=10.0.30.10;rport={port}")
        assert answer.get_all("Via")[1] == register().get_all("Via")[1]
        await line.close()

    run(main, changes={"defaults.unified_cm.fills_rport": True, "defaults.unified_cm.joins_vias": False})


def test_after_a_crash_the_device_is_new_again() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        await line.ask(register())
        await lab.world.crash("ucm-pub")
        await lab.world.start("ucm-pub")
        await line.connect()
        again = await line.ask(register(102))
        assert (again.get("Contact") or "").endswith(";x-cisco-newreg")
        await line.close()

    run(main)


def test_the_second_client_of_a_device() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        await line.ask(register())
        other = contact(instance="00005e005399", client="192.0.2.77:5")
        taken = await line.ask(register(1, value=other, call_id="other"))
        assert (taken.get("Contact") or "").endswith(";x-cisco-newreg")
        (gone,) = lab.entries("sip.unregistered")
        alarm = "EndPointUnregistered Reason=29 (DeviceSwitch)"
        assert gone.event == events.Unregistered(device="CSFALICE", reason="displaced by another client", alarm=alarm)
        probe = (
            '<sip:x@10.0.50.9:5070>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-000000000000>"'
            ';+u.sip!devicename.ccm.cisco.com="CSFALICE"'
        )
        refused = await line.ask(register(1, value=probe, call_id="probe"))
        assert refused.start_line == b"SIP/2.0 403 Forbidden"
        assert refused.get("Warning") == f'399 {PUB} "Registration is active for another client"'
        await line.close()

    run(main)


@pytest.mark.parametrize(
    ("request_", "status", "header"),
    [
        (register(value=contact("CSFNOBODY")), 404, None),
        (register(line="9999"), 404, None),
        (register(value="*"), 400, None),
        (register(value="<sip:a@b"), 400, None),
        (register(value="*", expires="0"), 400, None),
        (register(value="*, <sip:a@b>", expires="0"), 400, None),
        (register(uri="sip:elsewhere.example.org"), 404, None),
        (register(uri="tel:+1234"), 416, None),
        (register(uri="sip:@@"), 400, None),
        (register(headers=(("Require", "path, x-unheard-of"),)), 420, ("Unsupported", "x-unheard-of")),
        (register(headers=(("Proxy-Authorization", 'Bearer token="abc"'),)), 403, ("Retry-After", "35")),
        (register(method="OPTIONS"), 200, ("Accept", "application/sdp")),
        (register(method="REFER"), 202, None),
        (register(method="BYE"), 481, None),
        (register(method="INVITE"), 405, ("Allow", "INVITE, OPTIONS, INFO, BYE, CANCEL, ACK")),
        (register(method="SUBSCRIBE"), 405, None),
        (register(method="SERVICE"), 501, None),
        (register(method="register"), 501, None),
    ],
)
def test_everything_else_gets_its_proper_answer(request_: Request, status: int, header: tuple[str, str] | None) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        response = await line.ask(request_)
        assert response.status == status
        if header is not None:
            assert (response.get(header[0]) or "").startswith(header[1])
        if status == 400 and request_.get("Expires") != "0":
            assert lab.entries("malformed")
        assert (await line.ask(register(500, call_id="fine"))).status == 200
        await line.close()

    run(main)


def test_oauth_port_mismatch_has_the_captured_form() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        response = await line.ask(register(headers=(("Proxy-Authorization", 'Bearer token="abc"'),)))
        assert names(response) == [
            *("Via", "From", "To", "Date", "Call-ID", "Server", "CSeq", "Retry-After", "Warning"),
            "Content-Length",
        ]
        assert response.get("Warning") == f'399 {PUB} "SIP OAuth Registration port Mismatch"'
        await line.close()

    run(main)


UDP_CONTACT = '<sip:1001@10.0.30.10:5060>;+u.sip!userid.ccm.cisco.com="alice"'


def test_udp_answers_to_the_source_and_absorbs_retransmissions() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("udp")
        request = register(via="SIP/2.0/UDP 10.0.50.99:9999", value=UDP_CONTACT)
        response = await line.ask(request)
        assert response.status == 200
        assert "received=10.0.30.10" in (response.get("Via") or "")
        line.connection.send_raw(bytes(request))
        await asyncio.sleep(1)
        assert len(lab.entries("sip.registered")) == 1
        await line.close()

    run(main)


def test_a_digest_profile_challenges_the_line() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        challenged = await line.ask(register())
        assert challenged.status == 401
        (challenge,) = challenged.authentication("WWW-Authenticate")
        assert (challenge.get("realm"), len(challenge.get("nonce") or "")) == ("ccmsipline", 32)

        def with_password(cseq: int, password: str) -> Request:
            credentials = answer(
                challenge,
                method="REGISTER",
                uri=f"sip:{PUB}",
                username="alice",
                password=password,
                cnonce="1",
            )
            return register(cseq, headers=(("Authorization", credentials),))

        granted = await line.ask(with_password(102, "alice-secret"))
        assert granted.status == 200
        assert (await line.ask(with_password(103, "alice-secret"))).status == 200  # a refresh with the nonce it has
        wrong = await line.ask(with_password(104, "other"))
        assert wrong.status == 401
        assert "stale" not in (wrong.get("WWW-Authenticate") or "")
        for later in (301, 600):  # too old, and long forgotten
            await asyncio.sleep(later)
            old = await line.ask(with_password(105, "alice-secret"))
            assert old.status == 401
            assert old.authentication("WWW-Authenticate")[0].get("stale") == "TRUE"
        wrong = await line.ask(with_password(106, "other"))
        assert "stale" not in (wrong.get("WWW-Authenticate") or "")
        await line.close()

    digest = {"name": "Standard SIP Non-Secure Profile", "digest": True}
    run(main, changes={"unified_cm.0.security_profiles": [digest]})


def at(address: str, *more: str, device: str = "CSFALICE") -> str:
    """Return the Contact of a third-party client that was told the device's name, as pjsua or linphone has it."""
    return ";".join([f"<sip:1001@{address};transport=tcp>", f'+u.sip!devicename.ccm.cisco.com="{device}"', *more])


@pytest.mark.parametrize(
    ("value", "returned"),
    [
        (at("10.0.30.10:1"), at("10.0.30.10:1", "expires=120")),
        (at("10.0.30.10:1", "expires=600", "q=1"), at("10.0.30.10:1", "expires=120", "q=1")),
        (at("10.0.30.10:1", 'expires="600"'), at("10.0.30.10:1", "expires=120")),
        (at("10.0.30.10:1", "EXPIRES=0000600"), at("10.0.30.10:1", "EXPIRES=120")),
        (at("10.0.30.10:1", "expires=soon"), at("10.0.30.10:1", "expires=120")),
        (
            'sip:1001@10.0.30.10;expires=9;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"'
            ';+u.sip!devicename.ccm.cisco.com="CSFALICE"',
            'sip:1001@10.0.30.10;expires=120;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"'
            ';+u.sip!devicename.ccm.cisco.com="CSFALICE"',
        ),
        (
            '"a;expires=1>" <sip:1001@10.0.30.10;expires=5;x-cisco-newreg>;+u.sip!devicename.ccm.cisco.com="CSFALICE"',
            '"a;expires=1>" <sip:1001@10.0.30.10;expires=5;x-cisco-newreg>;+u.sip!devicename.ccm.cisco.com="CSFALICE"'
            ";expires=120",
        ),
    ],
)
def test_the_contact_of_the_200_says_how_long_it_lasts(value: str, returned: str) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        request = register(value=value)
        request.set("Supported", "replaces, outbound, path")  # no client of Cisco's
        first = await line.ask(request)
        assert first.get("Expires") == "120"
        assert first.get("Contact") == returned + ";x-cisco-newreg"
        await line.close()

    run(main)


@pytest.mark.parametrize("value", ["as asked", "always"])
def test_where_the_lifetime_stands_is_a_setting(value: str) -> None:
    more = {"as asked": "", "always": ";expires=120"}[value]

    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        request = register()
        request.set("Supported", "replaces" if value == "as asked" else SUPPORTED)
        assert (await line.ask(request)).get("Contact") == f"{contact()}{more};x-cisco-newreg"
        await line.close()

    run(main, changes={"defaults.unified_cm.expires_in_contact": value})


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("order", [1, -1])
def test_a_client_that_moved_sends_its_new_contact_and_ends_the_old_one(separate: bool, order: int) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        old, new = at("10.0.30.10:5060"), at("10.0.30.77:5060", "expires=300")
        assert (await line.ask(register(value=old))).status == 200
        both = [new, "<sip:1001@10.0.30.10:5060;transport=tcp>;expires=0"][::order]
        if separate:
            moved = register(102, value=both[0], headers=(("Contact", both[1]),))
        else:
            moved = register(102, value=", ".join(both))
        moved.set("Supported", "replaces, outbound, path")
        answer = await line.ask(moved)
        assert answer.status == 200
        [left] = answer.contacts
        assert left.address.host == "10.0.30.77"
        assert left.parameters.get("expires") == "120"
        [binding] = lab.ucm.lines.registrar
        assert binding.contact.host == "10.0.30.77"
        several = await line.ask(register(103, value=f"{at('10.0.30.77:5060')}, {at('10.0.30.78:5060')}"))
        assert several.status == 400
        await line.close()

    run(main)


def test_a_star_of_a_restarted_client_ends_its_registration_where_it_is_taken() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        assert (await line.ask(register(value=at("10.0.30.10:5060")))).status == 200
        stale = await line.ask(register(101, value="*", expires="0"))
        assert stale.status == 500  # no later than what it would remove
        star = await line.ask(register(1, value="*", expires="0", call_id="after a restart"))
        assert (star.status, star.contacts) == (200, [])
        assert len(lab.ucm.lines.registrar) == 0
        await line.close()

    run(main, changes={"defaults.unified_cm.contact_star": "removes"})


def test_a_query_is_told_the_client_s_own_bindings_whatever_its_call() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        assert (await line.ask(register(value=at("10.0.30.10:5060")))).status == 200
        await asyncio.sleep(20)
        own = await line.ask(register(1, value="", call_id="another call"))
        assert own.status == 200
        [left] = own.contacts
        assert 99 <= int(left.parameters.get("expires") or "0") <= 100
        assert (await line.ask(register(102, value=at("10.0.99.9:5060")))).status == 200
        assert (await line.ask(register(2, value="", call_id="another call"))).contacts == []
        assert len((await line.ask(register(103, value=""))).contacts) == 1
        assert (await line.ask(register(1, value="", line="9999"))).status == 404
        await line.close()

    run(main)


@pytest.mark.parametrize(
    ("supported", "confirmed"),
    [
        (["replaces, X-cisco-supports-AR_SK"], True),
        (["replaces", "X-cisco-supports-AR_SK"], True),
        (["replaces", "x-cisco-supports-ar_sk,gruu"], True),
        (["replaces", "X-cisco-supports-AR_SK-not"], False),
    ],
)
def test_a_list_may_stand_in_several_lines(supported: list[str], confirmed: bool) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        request = register()
        request.remove("Supported")
        for value in supported:
            request.append("Supported", value)
        answer = await line.ask(request)
        assert ("X-cisco-supports-AR_SK" in answer.values("Supported")) is confirmed
        await line.close()

    run(main)


@pytest.mark.parametrize(("number", "status"), [("1001", 200), ("%31001", 200), ("%31%30%30%31", 200), ("%32001", 404)])
def test_escapes_are_taken_off_the_line(number: str, status: int) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        answer = await line.ask(register(line=number))
        assert answer.status == status
        assert answer.to.uri == f"sip:{number}@{PUB}"  # as spelled
        await line.close()

    run(main)


@pytest.mark.parametrize("uri", [f"sip:{PUB}.", f"sip:{PUB.upper()}", f"SIP:{PUB}.:05060"])
def test_a_host_may_be_rooted(uri: str) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        assert (await line.ask(register(uri=uri))).status == 200
        await line.close()

    run(main)


@pytest.mark.parametrize(
    ("via", "returned"),
    [
        (';x="q"', ';x="q";branch=z9hG4bK1;received=10.0.30.10;rport=%d'),
        (";received=192.0.2.1;rport=9", ";received=10.0.30.10;rport=%d;branch=z9hG4bK1"),
        (" ; RPORT ", ";received=10.0.30.10;rport=%d;branch=z9hG4bK1"),
    ],
)
def test_received_and_rport_are_what_is_seen(via: str, returned: str) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        request = register()
        more = ";rport" if "port" not in via.lower() else ""
        request.replace("Via", f"SIP/2.0/TCP 192.0.2.7:25000{via};branch=z9hG4bK1{more}")
        answer = await line.ask(request)
        assert answer.get_all("Via")[0] == "SIP/2.0/TCP 192.0.2.7:25000" + returned % line.connection.local[1]
        await line.close()

    run(main, changes={"defaults.unified_cm.fills_rport": True, "defaults.unified_cm.joins_vias": False})


def test_received_is_what_is_seen_even_where_it_need_not_be_said() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        request = register()
        request.replace("Via", "SIP/2.0/TCP 10.0.30.10:25000;received=192.0.2.1;branch=z9hG4bK1;rport")
        answer = await line.ask(request)
        assert answer.values("Via")[0] == "SIP/2.0/TCP 10.0.30.10:25000;branch=z9hG4bK1;rport"
        await line.close()

    run(main)


@pytest.mark.parametrize(
    ("users", "status"),
    [
        ([], 200),
        (["alice"], 200),
        (["bob"], 403),
        (["alice", "bob"], 403),
        (["alice", "alice"], 403),
    ],
)
def test_only_its_own_user_registers_a_device(users: list[str], status: int) -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        named = "".join(f';+u.sip!userid.ccm.cisco.com="{user}"' for user in users)
        answer = await line.ask(register(value=at("10.0.30.10") + named))
        assert answer.status == status
        if status != 200:
            assert lab.entries("sip.registered") == []
            [note] = lab.entries("note")
            assert "DeviceName=CSFALICE Reason=35 (AuthorizationError)" in note.event.summary()
        await line.close()

    run(main)


def test_whether_the_user_counts_is_a_setting() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        named = at("10.0.30.10", '+u.sip!userid.ccm.cisco.com="bob"')
        assert (await line.ask(register(value=named))).status == 200
        await line.close()

    run(main, changes={"defaults.unified_cm.authorizes_user": False})


SECURE = {
    "unified_cm.0.mixed_mode": True,
    "unified_cm.0.security_profiles": [
        {"name": "Standard SIP Non-Secure Profile"},
        {"name": "jabber.secure.example.com", "mode": "encrypted", "transport": "TLS"},
    ],
    "devices": [{"name": "CSFALICE", "security_profile": "jabber.secure.example.com"}],
}


def test_an_encrypted_device_registers_over_tls_with_its_profile_in_the_certificate() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        assert (await line.ask(register())).status == 200
        other = await line.ask(register(1, value=contact("CSFBOB"), line="1002", call_id="bob"))
        assert other.status == 403
        plain = await Line(lab).connect()
        assert (await plain.ask(register(1, call_id="plain"))).status == 403
        await line.close()
        await plain.close()

    run(main, changes=SECURE, c_names=("jabber.secure.example.com",))


def test_without_the_profile_in_the_certificate_the_connection_ends() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        with pytest.raises(ConnectionError):
            await line.ask(register())
        (note,) = [entry.event for entry in lab.entries("note")]
        assert isinstance(note, events.Note)
        assert note.text == (
            "TLS InvalidX509NameInCertificate, Rcvd=expc.inside.example.com, Expected=jabber.secure.example.com"
        )
        assert lab.entries("sip.registered") == []
        await line.close()

    run(main, changes=SECURE)


def test_the_name_mismatch_may_be_answered_instead() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        response = await line.ask(register())
        assert response.get("Warning") == f'399 {PUB} "TLS authentication failure"'
        await line.close()

    run(main, changes={**SECURE, "defaults.unified_cm.certificate_name_mismatch": "403"})


def test_the_secure_port_is_closed_unless_the_cluster_is_mixed() -> None:
    async def main(lab: Lab) -> None:
        line = Line(lab)
        with pytest.raises(ConnectionRefusedError):
            await line.connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        await line.close()

    run(main)


def test_the_secure_port_wants_a_certificate_that_callmanager_trust_knows() -> None:
    def nobody(name: str, held: TrustStore) -> TrustStore:
        return TrustStore.of(name) if name == "callmanager-trust" else held

    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        with pytest.raises(ConnectionError):
            await line.ask(register())
        assert any("unknown ca" in repr(event).lower().replace("_", " ") for event in lab.happened)
        await line.close()

    run(main, changes=SECURE, trusts=nobody, c_names=("jabber.secure.example.com",))


def test_garbage_is_journalled_and_harms_nobody_else() -> None:
    async def main(lab: Lab) -> None:
        good, bad = await Line(lab).connect(), await Line(lab).connect()
        assert (await good.ask(register())).status == 200
        bad.connection.send_raw(b"REGISTER sip:x SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(1)
        assert lab.entries("malformed")
        assert not bad.connection.open
        assert (await good.ask(register(102))).status == 200
        await good.close()
        await bad.close()

    run(main)


def test_stun_keepalives_are_answered_from_release_14_on() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect()
        answer = await line.connection.stun(3.0)
        assert answer.mapped == line.connection.local
        await line.close()

    async def silent(lab: Lab) -> None:
        line = await Line(lab).connect()
        with pytest.raises(TimeoutError):
            await line.connection.stun(3.0)
        await line.close()

    run(main)
    run(silent, changes={"unified_cm.0.release": "12.5(1)"})
