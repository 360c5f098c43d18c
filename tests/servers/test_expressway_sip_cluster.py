"""Several Expressways: which C a request goes to, maintenance mode, and registrations that move."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.deployment import builtin
from edgesim.servers.expressway_c.sip_contacts import RegisteredContact
from tests.servers.expressway_lab import EdgeLab, run
from tests.servers.sip_lab import Line, messages, with_line, zone_states

CLUSTER_WITHOUT = ("imp-pub", "imp-sub", "phone-1", "inside-1")


def test_a_mesh_is_up_until_its_last_peer_is_gone() -> None:
    async def main(lab: EdgeLab) -> None:
        for c in ("expc1", "expc2"):
            state, reason = zone_states(lab, c)[-1]
            assert state == "TLS: Active"
            assert reason == "expe1.example.com: TLS: Active; expe2.example.com: TLS: Active"
        assert {link.address for link in lab.service("expe2").sip.zone.live()} == {"10.0.30.10", "10.0.30.11"}
        await lab.crash("expe1")
        await asyncio.sleep(1)
        state, reason = zone_states(lab, "expc1")[-1]
        assert state == "Active (1 of 2)"
        assert "expe1.example.com: Failed" in reason
        assert zone_states(lab, "expe2")[-1][0] == "TLS: Active"
        await lab.crash("expe2")
        await asyncio.sleep(1)
        assert zone_states(lab, "expc1")[-1][0] == "Failed"

    run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)


@pytest.mark.parametrize("adaptive", [True, False])
def test_when_the_c_of_the_route_is_down_adaptive_routing_takes_another(adaptive: bool) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.target = "ucm-sub.inside.example.com"
        assert (await line.register()).status == 200
        await lab.crash("expc1")
        await asyncio.sleep(1)
        request = line.build()
        if not adaptive:
            request.replace("Contact", (request.get("Contact") or "").replace(";x-cisco-mra-ha=AR_SK", ""))
        answer = await line.ask(request)
        if adaptive:
            assert answer.status == 200
            assert "@10.0.30.11:5060" in (answer.get("Contact") or "")
            assert lab.entries("sip.registered")[-1].event.as_json()["via"] == "expc2"
        else:
            assert answer.status == 503

    async def main(lab: EdgeLab) -> None:
        line = Line(lab)
        await line.signed_in("expe1.example.com")
        await line.connect("expe1")
        await story(lab, line)
        await line.close()

    run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)


def test_another_c_is_asked_about_a_user_whom_the_first_does_not_know() -> None:
    async def main(lab: EdgeLab) -> None:
        line = Line(lab)
        line.target = "ucm-sub.inside.example.com"
        await line.signed_in("expe1.example.com")
        lab.service("expc1").credentials.forget("alice")
        assert lab.service("expc2").credentials.password("alice")
        await line.connect("expe1")
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc1", "SERVICE")) == len(messages(lab, "expc2", "SERVICE")) == 1
        assert lab.entries("sip.registered")[-1].event.as_json()["via"] == "expc1"
        await line.close()

    run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)


def test_before_x12_7_e_does_not_look_for_another_c() -> None:
    async def main(lab: EdgeLab) -> None:
        line = await Line(lab).signed_in("expe1.example.com")
        line.target = "ucm-sub.inside.example.com"
        await line.connect("expe1")
        line.dialogue.challenged(await line.ask(line.build()))
        await lab.crash("expc1")
        await asyncio.sleep(1)
        assert (await line.ask(line.build())).status == 503
        await line.close()

    changes = {f"expressway_{kind}.{n}.release": "X12.6" for kind in "ec" for n in (0, 1)}
    run(main, deployment=builtin("cluster"), changes=changes, without=CLUSTER_WITHOUT)


def test_an_e_in_maintenance_mode_refuses_with_503() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        lab.service("expe").sip.maintenance = True
        answer = await line.register()
        assert (answer.status, answer.reason) == (503, "Service Unavailable")
        assert answer.get("Warning") == '382 203.0.113.10 "System in Maintenance Mode"'
        assert "Retry-After" not in answer
        lab.service("expe").sip.maintenance = False
        assert (await line.register()).status == 200

    run(with_line(story))


@pytest.mark.parametrize("peers", [1, 2])
def test_a_c_in_maintenance_mode_is_passed_over_or_refuses_with_503(peers: int) -> None:
    async def main(lab: EdgeLab) -> None:
        line = Line(lab)
        one, edge = ("expc1", "expe1") if peers == 2 else ("expc", "expe")
        await line.signed_in(f"{edge}.example.com")
        line.target = "ucm-sub.inside.example.com"
        await line.connect(edge)
        assert (await line.register()).status == 200
        lab.service(one).sip.maintenance = True
        await asyncio.sleep(1)
        answer = await line.register()
        if peers == 1:
            assert answer.status == 503
            assert answer.get("Warning") == '382 10.0.30.10 "System in Maintenance Mode"'
        else:
            assert lab.entries("sip.registered")[-1].event.as_json()["via"] == "expc2"
        lab.service(one).sip.maintenance = False
        await asyncio.sleep(1)
        assert (await line.register()).status == 200
        await line.close()

    if peers == 2:
        run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)
    else:
        run(main)


def test_registrations_move_from_a_loaded_c_to_the_other() -> None:
    async def main(lab: EdgeLab) -> None:
        loads = {"expc1": 10, "expc2": 2}
        one, other = "10.0.30.10", "10.0.30.11"  # which of them E took first depends on the seed
        for name, load in loads.items():
            side = lab.service(name).sip
            for n in range(load):
                side.contacts.held[(f"somebody-{n}", "1.2.3.4:5")] = RegisteredContact(side.zone.peers[0], "x", 1e9)
            side.zone.report()
        await asyncio.sleep(1)
        edge = lab.service("expe1").sip
        assert {link.address: edge._balance.load(link) for link in edge.zone.live()} == {one: 10, other: 2}
        lines = []
        for _ in range(6):
            line = Line(lab)
            await line.signed_in("expe1.example.com")
            line.target = "ucm-sub.inside.example.com"
            await line.connect("expe1")
            assert (await line.register()).status == 200
            lines.append(line)
        via = [entry.event.as_json()["via"] for entry in lab.entries("sip.registered")]
        assert via == ["expc2"] * 5 + ["expc1"]  # 10 is not more than 1.2 times the mean of 10 and 7
        assert {link.address: edge._balance.load(link) for link in edge.zone.live()} == {one: 11, other: 7}
        assert (await lines[0].register()).status == 200  # a refresh stays with its C, whatever its Route says
        assert lab.entries("sip.registered")[-1].event.as_json()["via"] == "expc2"
        for line in lines:
            await line.close()

    run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)


def test_a_refresh_moves_while_the_loads_are_uneven() -> None:
    async def main(lab: EdgeLab) -> None:
        line = Line(lab)
        await line.signed_in("expe1.example.com")
        line.target = "ucm-sub.inside.example.com"
        await line.connect("expe1")
        assert (await line.register()).status == 200
        side = lab.service("expc1").sip
        for n in range(5):
            side.contacts.held[(f"somebody-{n}", "1.2.3.4:5")] = RegisteredContact(side.zone.peers[0], "x", 1e9)
        side.zone.report()
        await asyncio.sleep(1)
        for _ in range(3):
            assert (await line.register()).status == 200
        via = [entry.event.as_json()["via"] for entry in lab.entries("sip.registered")]
        assert via == ["expc1", "expc2", "expc2", "expc2"]
        await line.close()

    run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)
