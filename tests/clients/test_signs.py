"""The other requests of a registered desk phone, octet by octet, and their fate through both Expressways."""

from __future__ import annotations

import asyncio
import re

from edgesim.clients.common.register import PHONE_SESSION, Dialogue, Identifiers, Registrant, register
from edgesim.clients.common.signs import alarm, alarm_body
from edgesim.clients.ip_phone.phone import BODY, SUPPORTED
from edgesim.journal import events
from edgesim.sip import Request, parse_message
from edgesim.world import Entropy
from tests.clients.desk import Desk, play
from tests.sip import samples

INSTANCE = "00005e005303"
LOCAL = ("10.0.50.104", 51778)
DATE = "Sat, 09 Mar 2019 18:32:45 GMT"
PHONE = Registrant(
    node="10.0.40.11",
    number="2222",
    contact_user="04984998-fe29-08c0-6d47-5593bf4ce606",
    device="SEP00005E005303",
    model=621,
    instance=INSTANCE,
    agent="Cisco-CP7821/12.1.1",
    load="sip78xx.12-1-1-12.loads",
    supported=SUPPORTED,
    body=BODY,
)
RANDOM = (
    (r"branch=z9hG4bK[0-9a-f]{8}", "branch=[branch]"),
    (r"tag=00005e005303([0-9a-f]{4})[0-9a-f]{8}-[0-9a-f]{8}", "tag=[tag]"),
    (r"00005e00-5303[0-9a-f]{4}-[0-9a-f]{8}-[0-9a-f]{8}@", "[call]@"),
    (r"[0-9a-f]{8}00105000a00000005e005303", "[session]"),
    (r"(cid:|<)[0-9a-f]{8}@", r"\1[content]@"),
)


def masked(octets: bytes) -> str:
    text = octets.decode()
    for pattern, name in RANDOM:
        text = re.sub(pattern, name, text)
    return text


def dialogue() -> Dialogue:
    return Dialogue.new(
        Entropy(1, "phone"),
        user="jdoe",
        password="secret",
        instance=INSTANCE,
        address=LOCAL[0],
        session=PHONE_SESSION,
    )


def made(talk: Dialogue) -> Request:
    return register(PHONE, talk, local=LOCAL, transport="tcp", date=DATE, expires=3600)


def number_of(request: Request) -> int:
    return int((request.from_.tag or "")[12:16], 16)


def test_the_alarm_is_the_captured_one() -> None:
    itl = ("1B A1 C9 07 E9 9E 4D 3C 53 9D C8 14 24 AF 6C 9F 7D CE 4D 6D ", "cucm-115.home.lab")
    body = alarm_body(PHONE.device, LOCAL[0], itl=itl)
    request = alarm(PHONE, dialogue(), body, local=LOCAL, transport="tcp", date=DATE)
    assert masked(bytes(request)) == masked(samples.octets("phone_alarm"))


def test_the_first_register_is_the_captured_one_and_the_refresh_is_shorter() -> None:
    talk = dialogue()
    talk.alarm = "23 reset-restart"
    first = made(talk)
    captured = masked(samples.octets("phone_register")).replace(
        "InactiveLoad=sip78xx.10-3-1", "InactiveLoad=sip78xx.12-1-1"
    )
    assert (
        masked(bytes(first)).partition("\r\n\r\n")[0].replace("CSeq: 101", "CSeq: 113")
        == captured.partition("\r\n\r\n")[0]
    )
    talk.alarm = None
    talk.refresh()
    again = made(talk)
    gone = ("reason", "content-type", "mime-version", "expires", "content-length")
    assert again.names == (*(name for name in first.names if name not in gone), "content-length", "expires")
    assert again.lines[-3:] == (b"Supported: " + SUPPORTED.encode(), b"Content-Length: 0", b"Expires: 3600")
    assert (again.body, again.call_id, again.cseq.number) == (b"", first.call_id, 102)
    assert number_of(again) == number_of(first) + 1
    talk.refresh()
    assert number_of(made(talk)) == number_of(first) + 2


def test_identifiers_count() -> None:
    ids = Identifiers(Entropy(1, "x"), INSTANCE)
    assert [int(ids.tag()[12:16], 16) for _ in range(3)] == [1, 2, 3]
    assert [int(ids.call_id("h").split("-")[1][4:], 16) for _ in range(3)] == [1, 2, 3]


# ---- in a lab


def requests(desk: Desk, node: str, method: str) -> list[Request]:
    entries = desk.entries(events.SipRequest, node)
    found = [parse_message(entry.payload) for entry in entries if entry.event.method == method]
    return [one for one in found if isinstance(one, Request)]


def test_an_alarm_goes_through_both_expressways_and_is_accepted() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.phone("phone-2").sign_in()).ok
        await asyncio.sleep(1)
        [at_e], [at_ucm] = requests(desk, "expe", "REFER"), requests(desk, "ucm-pub", "REFER")
        assert at_e.names[:6] == ("via", "route", "from", "to", "call-id", "session-id")
        assert at_ucm.get("Require") == "norefersub"
        assert "Proxy-Authorization" in at_e and "Proxy-Authorization" not in at_ucm
        assert at_ucm.body == at_e.body and b'<Alarm Name="DeviceTLInfo">' in at_e.body
        answers = desk.entries(events.SipResponse, "phone-2")
        [accepted] = [parse_message(one.payload) for one in answers if one.event.method == "REFER"]
        assert accepted.start_line == b"SIP/2.0 202 Accepted"
        assert accepted.get("Contact") == "<sip:10.0.40.11:5060;transport=tcp>"
        assert "Server" not in accepted

    play(story, deployment="devices")


def test_phones_may_send_no_alarm() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.phone("phone-2").sign_in()).ok
        await asyncio.sleep(1)
        assert requests(desk, "expe", "REFER") == []

    play(story, deployment="devices", changes={"defaults.client.phone_alarm": False})


PAIR = {
    "clients": [{"name": "phone-1", "address": "198.51.100.40", "device": "SEP00005E005301"}],
    "devices": [{"name": "SEP00005E005301", "type": "8845"}],
}


def test_a_phone_shows_its_standby_node_that_it_lives() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        assert (await phone.sign_in()).ok
        await asyncio.sleep(250)
        signs = requests(desk, "ucm-sub", "REGISTER")
        assert len(signs) == 2
        assert len({one.call_id for one in signs}) == 2
        for one in signs:
            assert (one.get("Contact") or "").partition(";+u.sip!userid")[0].endswith(";expires=0;cisco-keep-alive")
            assert one.get("Expires") == "0"
        assert {entry.node for entry in desk.entries(events.Registered)} == {"ucm-pub"}
        assert desk.entries(events.Unregistered) == []
        assert phone.registered

    play(story, deployment="pair", changes=PAIR)


def test_a_standby_that_is_gone_is_no_matter() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        assert (await phone.sign_in()).ok
        await desk.lab.crash("expe2")
        await asyncio.sleep(250)
        assert phone.registered and requests(desk, "ucm-sub", "REGISTER") == []
        await phone.close()
        assert desk.left("phone-1") == []

    play(story, deployment="pair", changes=PAIR)


def test_phones_may_send_no_signs_of_life() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.phone().sign_in()).ok
        await asyncio.sleep(250)
        assert requests(desk, "ucm-sub", "REGISTER") == []

    play(story, deployment="pair", changes=PAIR | {"defaults.client.standby_keepalive": False})
