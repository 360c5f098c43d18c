"""The neighbour zones from C to Unified CM: how they come up, fail and come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import IDENTITY, Line, messages, with_line, zone_states


def test_a_unified_cm_node_that_is_down_fails_its_zone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.target = "ucm-sub.inside.example.com"
        zone = "CEtcp-ucm-sub.inside.example.com"
        assert (await line.register()).status == 200
        assert zone_states(lab, "expc", zone) == [("TCP: Active", "")]
        await lab.crash("ucm-sub")
        await asyncio.sleep(1)
        assert zone_states(lab, "expc", zone)[-1] == ("Failed", "connection lost")
        assert (await line.register()).status == 503
        await lab.start_host("ucm-sub")
        await asyncio.sleep(1)
        assert (await line.register()).status == 200  # connected on demand
        assert zone_states(lab, "expc", zone)[-1] == ("TCP: Active", "")

    run(with_line(story))


def test_a_keep_alive_of_a_registered_path_asks_for_unified_cm_too() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.target = "ucm-sub.inside.example.com"
        assert (await line.register()).status == 200
        assert (await line.node.host.run(line.connection.stun(3))).mapped == line.connection.local
        await lab.crash("ucm-sub")
        await asyncio.sleep(1)
        assert (await line.node.host.run(line.connection.stun(3))).error == (500, "Server Error")
        await lab.start_host("ucm-sub")
        await asyncio.sleep(1)
        assert (await line.node.host.run(line.connection.stun(3))).error == (500, "Server Error")
        await asyncio.sleep(1)  # the question made C try again
        assert (await line.node.host.run(line.connection.stun(3))).error is None

    run(with_line(story))


def test_the_zone_alone_may_answer_for_the_path() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.target = "ucm-sub.inside.example.com"
        assert (await line.register()).status == 200
        await lab.crash("ucm-sub")
        await asyncio.sleep(1)
        assert (await line.node.host.run(line.connection.stun(3))).error is None

    run(with_line(story), changes={"defaults.sip.stun_registered_path": False})


def test_a_failed_neighbour_zone_is_tried_again() -> None:
    async def main(lab: EdgeLab) -> None:
        zone = "CEtcp-ucm-sub.inside.example.com"
        await lab.crash("ucm-sub")
        await asyncio.sleep(1)
        await lab.start_host("ucm-sub")
        await asyncio.sleep(125)
        assert zone_states(lab, "expc", zone)[-1] == ("TCP: Active", "")

    run(main)


def test_the_zone_of_a_unified_cm_that_answers_no_stun_fails_and_comes_back() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        lab.service("ucm-pub")._endpoint.on_stun = lambda *_: None
        assert (await line.register()).status == 200
        await asyncio.sleep(40)
        zone = f"CEtcp-{PUB}"
        state, reason = zone_states(lab, "expc", zone)[-1]
        assert state == "Failed"
        assert "no STUN answer within 3.0 s" in reason
        assert (await line.register()).status == 200  # until the next keep-alive: it flaps
        await asyncio.sleep(40)
        assert [one[0] for one in zone_states(lab, "expc", zone)][-4:] == [
            "TCP: Active",
            "Failed",
        ] * 2

    run(with_line(story))


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({}, True),
        ({"mra.stun_keepalive": False}, False),
        ({"unified_cm.0.release": "12.5(1)"}, False),
        ({"expressway_c.0.release": "X12.7", "expressway_e.0.release": "X12.7"}, False),
    ],
    ids=["all new", "switched off", "old Unified CM", "old Expressway"],
)
def test_c_keeps_neighbour_zones_alive_by_release(changes: dict[str, Any], sent: bool) -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(65)
        forms = [entry.event.as_json()["form"] for entry in lab.entries("sip.keepalive", "ucm-pub")]
        assert forms == (["STUN request"] * 2 if sent else [])
        assert zone_states(lab, "expc", f"CEtcp-{PUB}") == [("TCP: Active", "")]

    run(main, changes=changes)


@pytest.mark.parametrize(("uri", "transport"), [(f"sip:{PUB};transport=tls", "tls"), (f"sip:{PUB}", "tcp")])
def test_the_transport_of_the_request_uri_chooses_the_zone_of_the_node(uri: str, transport: str) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        before = len(messages(lab, "ucm-pub", "OPTIONS"))
        assert (await line.ask(line.authorized(line.request("OPTIONS", uri)))).status == 200
        got = messages(lab, "ucm-pub", "OPTIONS")[before]
        name = "CEtls" if transport == "tls" else "CEtcp"
        port = 5061 if transport == "tls" else 5060
        assert (got.get("Via") or "").startswith(
            f"SIP/2.0/{transport.upper()} 10.0.30.10:{port};egress-zone={name}-{PUB};"
        )

    run(with_line(story), changes={"unified_cm.0.mixed_mode": True})


def test_a_neighbour_whose_certificate_does_not_verify_fails_its_zone() -> None:
    async def main(lab: EdgeLab) -> None:
        state, reason = zone_states(lab, "expc", f"CEtls-{PUB}")[-1]
        assert state == "Failed"
        assert reason == f"Failed to establish SSL connection: {IDENTITY}"
        assert zone_states(lab, "expc", f"CEtcp-{PUB}")[-1][0] == "TCP: Active"

    changes = {
        "unified_cm.0.mixed_mode": True,
        "certificates": [{"host": "ucm-pub", "service": "callmanager", "names": ["x.inside.example.com"]}],
    }
    run(main, changes=changes)
