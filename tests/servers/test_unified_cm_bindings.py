"""The bindings of a Unified CM node: how long they last, who replaces, ends and sees them, and whose they are."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.journal import events
from tests.servers.unified_cm_lab import PUB, Lab, run
from tests.servers.unified_cm_line import SUPPORTED, Line, at, contact, register
from tests.sip import samples


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
def test_the_place_of_the_lifetime_is_a_setting(value: str) -> None:
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


def test_a_query_returns_the_clients_own_bindings_for_any_call_id() -> None:
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
