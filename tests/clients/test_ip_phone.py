"""Desk phones: their messages, their trust, and that they never ask a user."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from edgesim.clients.common.device import FINAL, TRANSITIONS, Attempt, DeviceStage
from edgesim.clients.common.stages import Result
from edgesim.journal import events
from edgesim.world.faults import RefuseConnection, Selector
from tests.clients.desk import Desk, play

PHONE = "SEP00005E005302"
NETWORK = {"clients.phone-1.dhcp_tftp_option": 150}
UNCHECKED = {"devices.SEP00005E005301.activation_code_via_mra": False}
PRIVATE = {"certificates": [{"host": "expe", "service": "server", "signed_by": "private"}]}


def lines(payload: bytes) -> list[str]:
    return payload.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")


def test_every_stage_ends_in_a_legal_way() -> None:
    assert {stage for stage, _ in TRANSITIONS} == set(DeviceStage) - set(FINAL) - {DeviceStage.OFF}
    assert all((stage, Result.FAILED) in TRANSITIONS for stage, _ in TRANSITIONS if stage is not DeviceStage.START)


def test_what_a_7821_asks_over_https() -> None:
    async def story(desk: Desk) -> None:
        attempt = await desk.phone("phone-2").sign_in()
        assert attempt.ok and attempt.stage is DeviceStage.REGISTERED
        asked, fetched = desk.entries(events.HttpRequest, "expe", peer="phone-2")
        assert [line.split(":")[0] for line in lines(asked.payload)] == [
            "GET /ZXhhbXBsZS5jb20/get_edge_config/ HTTP/1.1",
            "Authorization",
            "Host",
            "Content-Type",
            "Accept",
            "User-Agent",
            "Accept-Charset",
        ]
        assert "User-Agent: Cisco-CP7821/12.1.1" in lines(asked.payload)
        assert fetched.event.target.endswith(f"/{PHONE}.cnf.xml")
        assert any(line.startswith("Cookie: X-Auth=") for line in lines(fetched.payload))
        assert not any(line.startswith("Authorization") for line in lines(fetched.payload))

    play(story, deployment="devices")


def test_register_of_a_7821_is_that_of_the_capture_over_tls() -> None:
    async def story(desk: Desk) -> None:
        await desk.phone("phone-2").sign_in()
        first, answer = desk.registers("expe")
        head = lines(first.payload)
        assert [line.partition(":")[0] for line in head[1:]] == [
            "Via", "Route", "From", "To", "Call-ID", "Max-Forwards", "Session-ID", "Date", "CSeq", "User-Agent",
            "Contact", "Supported", "Reason", "Expires", "Content-Type", "Mime-Version", "Content-Length",
        ]  # fmt: skip
        assert head[0] == "REGISTER sip:ucm-pub.inside.example.com SIP/2.0"
        text = "\n".join(head)
        assert re.search(r"^Session-ID: [0-9a-f]{8}00105000a00000005e005302;remote=0{32}$", text, re.M)
        assert re.search(r"^Call-ID: 00005e00-5302[0-9a-f]{4}-[0-9a-f]{8}-[0-9a-f]{8}@198\.51\.100\.42$", text, re.M)
        contact = next(line for line in head if line.startswith("Contact"))
        assert contact.endswith(
            ';transport=tls>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00005e005302>"'
            f';+u.sip!devicename.ccm.cisco.com="{PHONE}";+u.sip!model.ccm.cisco.com="621"'
        )
        assert "ActiveLoad=sip78xx.12-1-1.loads" in text and "Last=initialized" in text
        assert "Content-Length: 1313" in head and "X-cisco-graceful-reg" not in text
        assert b"Proxy-Authorization: Digest" in answer.payload

    play(story, deployment="devices")


def test_a_registration_is_refreshed_and_ends_with_the_sign_out() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        await phone.sign_in()
        await asyncio.sleep(400)
        granted = desk.entries(events.Registered, "ucm-pub")
        assert [entry.event.fresh for entry in granted] == [True, False, False, False]
        await phone.sign_out()
        assert [entry.event.reason for entry in desk.entries(events.Unregistered, "ucm-pub")] == [
            "removed by the client"
        ]
        assert phone.stage is DeviceStage.OFF

    play(story, deployment="devices")


@pytest.mark.parametrize("wait", [30, 60])
def test_it_looks_for_tftp_before_it_asks_for_a_domain(wait: int) -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        began = desk.now
        await phone.boot()
        assert desk.now - began == pytest.approx(wait, abs=0.01)
        assert "service domain, user name and password" in desk.states("phone-1")[0][2]

    mode = {"defaults.client.phone_mra_mode": "TFTP timeout", "defaults.client.phone_tftp_wait_s": wait}
    play(story, deployment="devices", changes={**mode, **NETWORK})


def test_it_asks_for_a_domain_at_once_where_dhcp_names_no_tftp_server() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        began = desk.now
        await phone.boot()
        assert desk.now == began
        assert "service domain, user name and password" in desk.states("phone-1")[0][2]
        assert (await phone.sign_in()).ok

    play(story, deployment="devices")


@pytest.mark.parametrize(
    ("changes", "release", "why"),
    [
        (NETWORK, "X12.7", "DHCP option 150 names a TFTP server"),
        (UNCHECKED, "X14.0", "Allow Activation Code via MRA is not checked"),
        (UNCHECKED, "X12.7.1", None),
    ],
)
def test_what_keeps_a_phone_from_mra(changes: dict[str, Any], release: str, why: str | None) -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        await phone.boot()
        attempt = await phone.sign_in()
        if why is None:
            assert attempt.ok
            return
        assert attempt.stage is DeviceStage.START and attempt.reason == why
        assert phone.stage is DeviceStage.NO_MRA
        assert {state[2] for state in desk.states("phone-1")} == {why}
        assert not desk.entries(events.DnsQuery, "phone-1") and not desk.entries(events.TcpOpened, "phone-1")

    older = {"expressway_e.expe.release": release, "expressway_c.expc.release": release}
    play(story, deployment="devices", changes={**changes, **older})


def test_a_dx_does_not_ask_for_the_checkbox() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.phone("dx-1").sign_in()).ok

    play(story, deployment="devices", changes={"devices.SEP00005E005303.activation_code_via_mra": False})


def test_a_ca_that_is_not_built_in_makes_the_phone_fail_silently() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        attempt = await phone.sign_in()
        assert not attempt.ok and attempt.stage is DeviceStage.EDGE_CONFIGURATION
        await asyncio.sleep(100)
        assert phone.attempts == 7
        refused = desk.entries(events.TlsRefused, "expe", peer="phone-1")
        assert [entry.event.alert for entry in refused] == ["unknown ca"] * 7
        assert not desk.entries(events.HttpRequest, "expe", peer="phone-1")
        assert {entry.event.port for entry in desk.entries(events.TcpOpened, "phone-1")} == {8443}

    changes = {**PRIVATE, "trust": [{"host": "expc", "store": "trusted-ca", "adds": ["private"]}]}
    play(story, deployment="devices", changes=changes)


@pytest.mark.parametrize("name", ["example.com", "SRV:_collab-edge._tls.example.com", "collab-edge.example.com"])
def test_one_form_of_the_edge_domain_in_the_san_is_enough(name: str) -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.phone().sign_in()).ok
        assert (await desk.room().sign_in()).ok

    names = ["expe.example.com", name]
    play(story, deployment="devices", changes={"certificates": [{"host": "expe", "service": "server", "names": names}]})


@pytest.mark.parametrize("name", ["example.net", "www.example.com", "SRV:_sip._tls.example.com"])
def test_another_name_in_the_san_is_not(name: str) -> None:
    async def story(desk: Desk) -> None:
        assert not (await desk.phone().sign_in()).ok
        assert not (await desk.room().sign_in()).ok
        assert not desk.entries(events.HttpRequest, "expe")

    names = ["expe.example.com", name]
    play(story, deployment="devices", changes={"certificates": [{"host": "expe", "service": "server", "names": names}]})


def test_an_expired_certificate_is_refused_by_the_phones_own_clock() -> None:
    async def story(desk: Desk) -> Attempt:
        desk.lab.skew("phone-1", 400 * 24 * 3600)
        attempt = await desk.phone().sign_in()
        await asyncio.sleep(1)
        assert [entry.event.alert for entry in desk.entries(events.TlsRefused, "expe")] == ["certificate expired"]
        return attempt

    certificate = {"host": "expe", "service": "server", "expires_after_s": 86400}
    assert not play(story, deployment="devices", changes={"certificates": [certificate]}).ok


def test_groups_are_static_first_edge_to_first_node() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        assert (await phone.sign_in()).ok and phone.line is not None
        assert [(path.host, path.node) for path in phone.line.paths] == [
            ("203.0.113.10", "ucm-pub.inside.example.com"),
            ("203.0.113.11", "ucm-sub.inside.example.com"),
        ]
        room = desk.room()
        assert (await room.sign_in()).ok and room.line is not None
        assert len(room.line.paths) == 4

    clients = [
        {"name": "phone-1", "address": "198.51.100.40", "device": "SEP00005E005301"},
        {"name": "room-1", "address": "198.51.100.41", "device": "SEP00005E005306"},
    ]
    devices = [{"name": "SEP00005E005301", "type": "8845"}, {"name": "SEP00005E005306", "type": "EX60", "owner": "bob"}]
    play(story, deployment="pair", changes={"clients": clients, "devices": devices})


def test_it_registers_again_after_its_connection_broke() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        await phone.sign_in()
        await desk.lab.restart("expe")
        await asyncio.sleep(
            500
        )  # until C's zone is tried again, and the edge's rate control has forgotten the attempts
        fresh = [entry for entry in desk.entries(events.Registered) if entry.event.fresh]
        assert len(fresh) == 2 and phone.registered
        assert any(b"Last=cm-closed-tcp" in entry.payload for entry in desk.registers("expe"))

    play(story, deployment="devices")


def test_a_wrong_password_is_tried_again_and_never_registers() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        attempt = await phone.sign_in("mistyped")
        assert attempt.reason.endswith('get_edge_config: 401 Unauthorized Basic realm="Cisco-Edge"')
        await asyncio.sleep(20)
        assert phone.attempts == 2 and not desk.entries(events.Registered)

    play(story, deployment="devices")


def test_a_crash_of_the_machine_in_the_middle_of_a_sign_in() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        signing = asyncio.create_task(phone.sign_in())
        await asyncio.sleep(0.3)
        await desk.lab.crash("phone-1")
        attempt = await signing
        assert not attempt.ok and "went down" in attempt.reason
        await phone.close()
        await desk.lab.start_host("phone-1")

    play(story, deployment="devices")


def test_closed_at_any_moment_it_leaves_nothing() -> None:
    async def story(desk: Desk) -> None:
        for moment in (0.0, 0.05, 0.15, 0.25, 0.32, 0.45):
            phone = desk.phone()
            signing = asyncio.create_task(phone.sign_in())
            await asyncio.sleep(moment)
            await phone.close()
            await signing
            await asyncio.sleep(1)
            assert desk.left("phone-1") == []

    play(story, deployment="devices")


def test_signing_in_twice_is_a_mistake_of_the_caller() -> None:
    async def story(desk: Desk) -> None:
        phone = desk.phone()
        await phone.sign_in()
        with pytest.raises(RuntimeError, match="already"):
            await phone.sign_in()

    play(story, deployment="devices")


def test_an_edge_that_refuses_connections_is_tried_again() -> None:
    async def story(desk: Desk) -> None:
        number = desk.fault(RefuseConnection(where=Selector(target="expe", port=8443)))
        phone = desk.phone()
        attempt = await phone.sign_in()
        assert "Couldn't connect to server" in attempt.reason
        desk.lab.world.faults.remove(number)
        await asyncio.sleep(17)
        assert phone.registered

    play(story, deployment="devices")
