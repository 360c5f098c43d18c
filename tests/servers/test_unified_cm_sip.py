"""The line side of a Unified CM node over real transports in the simulated world, against captured messages."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from edgesim.journal import events
from edgesim.servers.unified_cm import remotecc
from edgesim.sip.digest import answer
from edgesim.sip.message import Request
from tests.servers.unified_cm_lab import PUB, Lab, run
from tests.servers.unified_cm_line import Line, contact, names, register
from tests.sip import samples

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
def test_a_broken_remotecc_body_gets_no_separate_answer(body: bytes) -> None:
    assert remotecc.answer(body) is None


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


@pytest.mark.parametrize(
    ("supported", "confirmed"),
    [
        (["replaces, X-cisco-supports-AR_SK"], True),
        (["replaces", "X-cisco-supports-AR_SK"], True),
        (["replaces", "x-cisco-supports-ar_sk,gruu"], True),
        (["replaces", "X-cisco-supports-AR_SK-not"], False),
    ],
)
def test_a_list_may_have_several_lines(supported: list[str], confirmed: bool) -> None:
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


def test_garbage_is_journalled_and_affects_no_other() -> None:
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
