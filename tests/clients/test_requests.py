"""What the client puts on the wire, to the octet."""

from __future__ import annotations

import re

import pytest

from edgesim.clients.common.register import JABBER_SESSION, Dialogue, Registrant, register
from edgesim.clients.jabber.platforms import SUPPORTED, supported_by
from edgesim.clients.jabber.registration import JabberRegistrant
from edgesim.deployment import Product, Release
from edgesim.journal import events
from edgesim.sip import Response, parse_message, remotecc
from edgesim.world import Entropy
from tests.clients.desk import INSIDE, OUTSIDE, Desk, play

INSTANCE = "00005e005301"
HEX8, DATE = "[0-9a-f]{8}", r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"


def who(**changes: object) -> Registrant:
    values: dict[str, object] = {
        "node": "ucm-pub.inside.example.com",
        "number": "10001",
        "contact_user": "7514c56a-1034-a684-3299-9b956979ee5c",
        "device": "CSFJDOE",
        "model": 503,
        "instance": INSTANCE,
        "agent": "Cisco-CSF",
        "load": "Jabber_for_Windows-12.8.0.51973",
        "mra": True,
        "reg_id": "1",
    }
    return JabberRegistrant(**(values | changes))


def dialogue(**options: str) -> Dialogue:
    return Dialogue.new(
        Entropy(1, "test"), user="jdoe", password="secret", instance=INSTANCE, address="192.0.2.10", **options
    )


def lines(request: object) -> list[str]:
    return bytes(request).decode().split("\r\n\r\n", 1)[0].split("\r\n")


def test_register_over_the_edge_is_that_of_the_capture() -> None:
    talk = dialogue(session=JABBER_SESSION)
    talk.alarm = "25 initialized"
    route = "<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>"
    made = lines(
        register(
            who(),
            talk,
            local=("192.0.2.10", 58980),
            transport="tls",
            date="Thu, 24 Jun 2021 19:09:09 GMT",
            expires=3600,
            routes=(route,),
        )
    )
    expected = [
        r"REGISTER sip:ucm-pub\.inside\.example\.com SIP/2\.0",
        rf"Via: SIP/2\.0/TLS 192\.0\.2\.10:58980;branch=z9hG4bK{HEX8}",
        re.escape(f"Route: {route}"),
        rf"From: <sip:10001@ucm-pub\.inside\.example\.com>;tag={INSTANCE}[0-9a-f]{{12}}-{HEX8}",
        r"To: <sip:10001@ucm-pub\.inside\.example\.com>",
        rf"Call-ID: 00005e00-5301[0-9a-f]{{4}}-{HEX8}-{HEX8}@192\.0\.2\.10",
        r"Max-Forwards: 70",
        rf"Session-ID: {HEX8}00255000a000{HEX8}0000;remote=0{{32}}",
        r"Date: Thu, 24 Jun 2021 19:09:09 GMT",
        r"CSeq: 101 REGISTER",
        r"User-Agent: Cisco-CSF",
        re.escape(
            "Contact: <sip:7514c56a-1034-a684-3299-9b956979ee5c@192.0.2.10:58980;transport=tls>"
            ';+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005301>"'
            ';+u.sip!devicename.ccm.cisco.com="CSFJDOE";+u.sip!model.ccm.cisco.com="503";video'
            ";x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1"
        ),
        re.escape(f"Supported: {SUPPORTED}"),
        re.escape(
            'Reason: SIP;cause=200;text="cisco-alarm:25 Name=CSFJDOE ActiveLoad=Jabber_for_Windows-12.8.0.51973 '
            'InactiveLoad=Jabber_for_Windows-12.8.0.51973 Last=initialized"'
        ),
        r"Expires: 3600",
        r"Content-Type: multipart/mixed; boundary=uniqueBoundary",
        r"Mime-Version: 1\.0",
        r"Content-Length: 1271",
    ]
    assert len(made) == len(expected)
    for line, pattern in zip(made, expected, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_register_inside_has_neither_route_nor_adaptive_routing_and_12_8_no_session_persist() -> None:
    old = Release.parse("12.8.0.51973", Product.JABBER_WINDOWS)
    talk = dialogue()
    made = lines(
        register(
            who(mra=False, supported=supported_by(old)),
            talk,
            local=("10.0.50.10", 62162),
            transport="tls",
            date="x",
            expires=3600,
        )
    )
    assert [line.split(":")[0] for line in made[1:]] == [
        "Via", "From", "To", "Call-ID", "Max-Forwards", "Date", "CSeq", "User-Agent", "Contact", "Supported",
        "Expires", "Content-Type", "Mime-Version", "Content-Length",
    ]  # fmt: skip
    assert made[9].endswith('="503";video')
    assert made[10] == (
        "Supported: replaces,join,sdp-anat,norefersub,resource-priority,extended-refer,X-cisco-callinfo,"
        "X-cisco-serviceuri,X-cisco-escapecodes,X-cisco-service-control,X-cisco-srtp-fallback,X-cisco-monrec,"
        "X-cisco-config,X-cisco-sis-7.0.0,X-cisco-xsi-8.5.1,X-cisco-graceful-reg,X-cisco-duplicate-reg"
    )


def test_credentials_are_between_contact_and_supported_and_count_up() -> None:
    talk = dialogue()
    challenge = (
        b"SIP/2.0 407 Proxy Authentication Required\r\nVia: SIP/2.0/TLS a\r\n"
        b'Proxy-Authenticate: Digest realm="expe.example.com", nonce="aa", opaque="bb", qop="auth", stale=FALSE, '
        b"algorithm=MD5\r\nContent-Length: 0\r\n\r\n"
    )
    message = parse_message(challenge)
    assert isinstance(message, Response) and talk.challenged(message)
    for count in (1, 2):
        made = lines(register(who(), talk, local=("1.2.3.4", 5), transport="tls", date="x", expires=3600))
        names = [line.split(":")[0] for line in made]
        at = names.index("Proxy-Authorization")
        assert names[at - 1] == "Contact" and names[at + 1] == "Supported"
        assert f"nc={count:08x}" in made[at] and 'username="jdoe"' in made[at]


def test_the_last_register_ends_the_registration_without_a_body() -> None:
    made = lines(register(who(), dialogue(), local=("1.2.3.4", 5), transport="tls", date="x", expires=0))
    assert made[-2:] == ["Expires: 0", "Content-Length: 0"]


def test_the_body_is_as_long_as_the_captured_one() -> None:
    assert len(remotecc.register_body(remotecc.JABBER_OPTIONS)) == 1271


@pytest.mark.parametrize(
    ("platform", "device", "agent", "model", "load", "expires"),
    [
        ("windows", "CSFALICE", "Cisco-CSF", "503", "Jabber_for_Windows-14.1.0", 120),
        ("mac", "CSFALICE", "Cisco-CSF", "503", "Jabber_for_Mac-14.1.0", 120),
        ("ios", "TCTALICE", "Cisco-TCT", "562", "Jabber_for_iOS-14.1.0", 3600),
        ("android", "BOTALICE", "Cisco-SOUNDWAVE", "575", "Jabber_for_Android-14.1.0", 3600),
    ],
)
def test_each_platform_registers_its_own_device(
    platform: str, device: str, agent: str, model: str, load: str, expires: int
) -> None:
    async def story(desk: Desk) -> None:
        outcome = await desk.jabber(platform=platform).sign_in()
        assert outcome.phone, outcome
        text = desk.registers("ucm-pub")[-1].payload.decode()
        assert f"User-Agent: {agent}\r\n" in text
        assert f'devicename.ccm.cisco.com="{device}";+u.sip!model.ccm.cisco.com="{model}"' in text
        assert f"Name={device} ActiveLoad={load} " in text
        granted = desk.entries(events.Registered)[-1].event
        assert granted.expires == expires, "a dual-mode phone lives by the SIP profile, the others by the keep-alive"

    play(story, changes={"users.alice.devices": [device]})


def test_an_old_release_announces_nothing_that_it_cannot_do() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.jabber().sign_in()).phone
        text = desk.registers("ucm-pub")[-1].payload.decode()
        assert "AR_SK" not in text and "Session-ID" not in text and "sessionpersist" not in text
        assert not desk.entries(events.SipKeepalive, "expe", OUTSIDE)

    play(story, changes={"clients.jabber-1.release": "12.8"})


def test_requests_of_a_sign_in_outside() -> None:
    async def story(desk: Desk) -> list[bytes]:
        await desk.jabber().sign_in()
        return [entry.payload for entry in desk.entries(events.HttpRequest, "expe", OUTSIDE)]

    sent = play(story)
    assert re.fullmatch(
        rb"GET /ZXhhbXBsZS5jb20/get_edge_config\?service_name=_cisco-uds&service_name=_cuplogin HTTP/1\.1\r\n"
        rb"Host: expe\.example\.com:8443\r\nAccept: \*/\*\r\nUser-Agent: Jabber\r\n"
        rb"Authorization: Basic YWxpY2U6YWxpY2Utc2VjcmV0\r\n\r\n",
        sent[0],
    )
    assert re.fullmatch(
        rb"GET /ZXhhbXBsZS5jb20vaHR0cHMvdWNtLXB1Yi5pbnNpZGUuZXhhbXBsZS5jb20vODQ0Mw/cucm-uds/clusterUser"
        rb"\?username=alice HTTP/1\.1\r\nHost: expe\.example\.com:8443\r\nAccept: \*/\*\r\nUser-Agent: Jabber\r\n"
        rb"Cookie: X-Auth=[0-9a-f]{64}\r\n\r\n",
        sent[1],
    )
    targets = [line.split(b" ")[1].rpartition(b"/")[2] for line in sent]
    assert targets[2:9] == [
        b"version", b"servers", b"alice", b"devices?max=100", b"SPDefault.cnf.xml",
        b"jabber-config.xml", b"CSFALICE.cnf.xml",
    ]  # fmt: skip
    with_password = [b"\r\nAuthorization: Basic " in request for request in sent]
    assert with_password == [True, False, False, False, True, True, *[False] * (len(sent) - 6)]
    assert all(b"\r\nCookie: X-Auth=" in request for request in sent[1:])


def test_order_of_a_sign_out() -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        await client.sign_in()
        count = len(desk.lab.journal)
        await client.sign_out()
        after = list(desk.lab.journal)[count:]
        unregistered = next(entry.at for entry in after if isinstance(entry.event, events.Unregistered))
        closed = next(entry.at for entry in after if isinstance(entry.event, events.XmppSession))
        assert unregistered < closed
        last = desk.registers("ucm-pub")[-1].payload
        assert b"\r\nExpires: 0\r\n" in last and b"\r\nReason:" not in last

    play(story)


def test_inside_a_graceful_registration_asks_first() -> None:
    async def story(desk: Desk) -> None:
        await desk.jabber(where=INSIDE).sign_in()
        probe, taking = (entry.payload.decode() for entry in desk.registers("ucm-pub"))
        assert "urn:uuid:00000000-0000-0000-0000-000000000000" in probe and "alarm:25" in probe
        assert "000000000000>" not in taking and "alarm:111" in taking and "Last=Application-Requested-Des" in taking

    play(story)


def test_outside_it_does_not() -> None:
    async def story(desk: Desk) -> None:
        await desk.jabber().sign_in()
        assert all(b"-000000000000>" not in entry.payload for entry in desk.registers("expe"))
        assert len(desk.registers("ucm-pub")) == 1

    play(story)


@pytest.mark.parametrize("take_over", [True, False])
def test_a_device_in_use_inside_is_taken_only_if_the_user_says_so(take_over: bool) -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.jabber(where=INSIDE).sign_in()).phone
        second = await desk.jabber(where="inside-2", take_over=take_over).sign_in()
        assert second.phone is take_over
        refused = [entry.payload for entry in desk.entries(events.SipResponse, "inside-2") if entry.event.status == 403]
        assert len(refused) == 1
        assert re.search(rb'Warning: 399 \S+ "Registration is active for another client"\r\n', refused[0])
        gone = [entry.event.reason for entry in desk.entries(events.Unregistered)]
        assert gone == (["displaced by another client"] if take_over else [])
        if not take_over:
            assert "Registration is active for another client" in second.reason

    play(story)
