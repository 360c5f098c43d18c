"""Room devices: TC's way over the edge, its log texts, its retries, its list of CAs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.clients.common.device import DeviceStage
from edgesim.journal import events
from edgesim.sip import parse_message, remotecc
from tests.clients.desk import Desk, play

CODEC = "SEP00005E005304"
PRIVATE = {
    "certificates": [{"host": "expe", "service": "server", "signed_by": "private"}],
    "trust": [{"host": "expc", "store": "trusted-ca", "adds": ["private"]}],
}
RETRY = "EDGEProvisionUser: start retry timer for 15 seconds"


def test_register_of_a_tc_codec() -> None:
    async def story(desk: Desk) -> None:
        await desk.room().sign_in()
        request = parse_message(desk.registers("expe")[0].payload)
        assert request.get("User-Agent") == "TANDBERG/518 (TC7.3.21)"
        contact = request.get("Contact") or ""
        assert '+u.sip!model.ccm.cisco.com="604";+u.sip!serialno.ccm.cisco.com=' in contact
        assert contact.endswith(';audio=TRUE;video=TRUE;mobility="fixed";duplex="full";description="TANDBERG-SIP"')
        assert (request.get("Supported") or "").startswith(
            "replaces,100rel,timer,gruu,path,outbound,X-cisco-serviceuri"
        )
        assert request.get("Reason") is None
        options = remotecc.announced_options(request.body, request.get("Content-Type") or "")
        assert options == ("joinreq", "x-cisco-number", "ix")

    play(story, deployment="devices")


@pytest.mark.parametrize(
    ("firmware", "sip", "https"),
    [
        ("TC7.3.21", "TANDBERG/518 (TC7.3.21)", "Cisco/TC"),
        ("CE9.15.3", "TANDBERG/518 (CE9.15.3)", "Cisco/CE"),
        ("RoomOS11.5", "Cisco/RoomOS 11.5", "Cisco/RoomOS"),
    ],
)
def test_user_agents_of_each_software(firmware: str, sip: str, https: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.room().sign_in()
        assert parse_message(desk.registers("expe")[0].payload).get("User-Agent") == sip
        first = desk.entries(events.HttpRequest, "expe", peer="room-1")[0]
        assert f"User-Agent: {https}\r\n".encode() in first.payload

    device = {"devices.SEP00005E005304.type": "SX20", "devices.SEP00005E005304.firmware": firmware}
    play(story, deployment="devices", changes=device)


def test_an_unknown_ca_is_logged_and_tried_again_until_it_is_added() -> None:
    async def story(desk: Desk) -> None:
        room = desk.room()
        await room.sign_in()
        stages = desk.states("room-1")
        assert stages[1][:2] == ("edge configuration", "failed")
        assert "Peer certificate cannot be authenticated with given CA certificates" in stages[1][2]
        assert stages[2] == ("waiting to try again", "ok", RETRY)
        room.add_ca(desk.lab.authorities.trusted()["private"])
        await asyncio.sleep(14)
        assert room.attempts == 1
        await asyncio.sleep(2)
        assert room.registered and room.attempts == 2

    play(story, deployment="devices", changes=PRIVATE)


@pytest.mark.parametrize("mode", ["Off", "Auto", "CUCM", "TMS", "VCS"])
def test_any_other_mode_than_edge_knows_nothing_of_mra(mode: str) -> None:
    async def story(desk: Desk) -> None:
        room = desk.room()
        attempt = await room.sign_in()
        await asyncio.sleep(100)
        assert room.stage is DeviceStage.NO_MRA and attempt.reason == f"Provisioning Mode is {mode}"
        assert room.attempts == 1
        assert not desk.entries(events.DnsQuery, peer="room-1") and not desk.entries(events.TcpOpened, "room-1")

    play(story, deployment="devices", changes={"clients.room-1.provisioning_mode": mode})


def test_no_uds_server_in_a_200_is_a_failure() -> None:
    async def story(desk: Desk) -> None:
        room = desk.room()
        attempt = await room.sign_in()
        assert attempt.reason == "Provisioning failed: XML didnt contain UDS server addres"
        assert [entry.event.status for entry in desk.entries(events.HttpResponse, "room-1")] == [200]
        assert desk.states("room-1")[-1][2] == RETRY

    play(story, deployment="devices", changes={"users.dave.service_profile": None})


def test_a_lost_registration_starts_provisioning_over() -> None:
    async def story(desk: Desk) -> None:
        room = desk.room()
        await room.sign_in()
        await desk.lab.restart("expe")
        await asyncio.sleep(30)
        assert "[statusCheck] No active VcsE, reprovisioning!" in [detail for _, _, detail in desk.states("room-1")]
        await asyncio.sleep(470)  # C tries its zone again after 120 s, and rate control forgets
        assert room.registered and room.attempts > 1
        asked = [e for e in desk.entries(events.HttpRequest, "expe", "room-1") if "get_edge_config" in e.event.target]
        assert len(asked) > 1

    play(story, deployment="devices")


ONBOARDING: dict[str, Any] = {"mra.access.activation_code_onboarding": True}
OWN = {"certificates": [{"host": "room-1", "service": "client", "signed_by": "private"}]}
LISTED = {"trust": [{"host": "expe", "store": "activation-code", "adds": ["private"]}]}


@pytest.mark.parametrize(
    ("changes", "shown", "registered"),
    [
        ({}, None, True),
        (ONBOARDING, None, True),
        (OWN, None, True),
        (ONBOARDING | OWN | LISTED, "room-1.example.com", True),
        (ONBOARDING | OWN, None, False),
    ],
    ids=["neither", "asked, has none", "has one, not asked", "asked, listed", "asked, not listed"],
)
def test_a_client_certificate_is_shown_where_asked_for(
    changes: dict[str, Any], shown: str | None, registered: bool
) -> None:
    async def story(desk: Desk) -> None:
        room = desk.room()
        assert (await room.sign_in()).ok is registered
        up = desk.entries(events.TlsUp, "expe", peer="room-1")
        https = [entry.event.peer_subject for entry in up if entry.event.port == 8443]
        assert https == ([shown] if registered else [])
        if not registered:
            assert not desk.entries(events.HttpRequest, "expe", peer="room-1")
            alerts = [entry.event.alert for entry in desk.entries(events.TlsRefused, "room-1")]
            assert alerts == ["unknown ca"]

    play(story, deployment="devices", changes=changes)


def test_one_seed_gives_one_story() -> None:
    async def story(desk: Desk) -> list[str]:
        for machine in ("room-1", "room-2"):
            await desk.room(machine).sign_in()
        return [repr((entry.node, entry.at_ns, entry.event)) for entry in desk.lab.journal]

    assert play(story, deployment="devices", seed=7) == play(story, deployment="devices", seed=7)
