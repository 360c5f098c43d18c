"""The traversal zone and the neighbour zones: how they come up, fail, and come back; which way requests then go."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from edgesim.deployment import builtin
from edgesim.journal import events
from edgesim.node import Node
from edgesim.servers.expressway_c.sip import RegisteredContact
from edgesim.sip import Connection, Request, Response, SipEndpoint, SipTransportError
from edgesim.world import Service
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import Line, messages, notes, with_line, zone_states, zone_times
from tests.sip.settings import LIMITS, TIMERS

IDENTITY = "Peer's TLS certificate identity was unacceptable"
CLUSTER_WITHOUT = ("imp-pub", "imp-sub", "phone-1", "inside-1")


# ---- bringing the zone up


@pytest.mark.parametrize(
    ("changes", "realm"),
    [
        ({"traversal_zone.name": "traversal (cluster 1)"}, "traversal (cluster 1)"),
        ({"defaults.sip.zone_realm": "{fqdn}"}, "expe.example.com"),
    ],
)
def test_the_options_of_c_are_the_captured_ones(changes: dict[str, Any], realm: str) -> None:
    async def main(lab: EdgeLab) -> None:
        asked, again = messages(lab, "expe", "OPTIONS")[:2]
        assert asked.uri == "sip:10.0.20.10:7001;transport=tls"
        assert (asked.get("From") or "").startswith("<sip:10.0.30.10>;tag=")
        assert asked.get("To") == "<sip:10.0.20.10:7001>"
        assert "Authorization" not in asked
        assert re.fullmatch(
            rf'Digest nonce="[0-9a-f]{{60}}", realm="{re.escape(realm)}", opaque="[^"]+", algorithm=MD5, '
            r'uri="sip:10\.0\.20\.10:7001;transport=tls", username="[^"]+", response="[0-9a-f]{32}", qop=auth, '
            r'cnonce="[0-9a-f]{60}", nc=00000001',
            again.get("Authorization") or "",
        )
        assert zone_states(lab, "expc", lab.deployment.traversal_zone.name)[-1][0] == "TLS: Active"

    run(main, changes=changes)


def test_a_wrong_zone_password() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert [state for state, _ in zone_states(lab, "expc")] == ["Failed"]
        assert [state for state, _ in zone_states(lab, "expe")] == ["Failed"]
        assert notes(lab, "expe")[0].startswith('Event="Authentication Failed" Service="SIP" Src-ip="10.0.30.10"')
        assert (
            'Detail="Incorrect authentication credential for user" Protocol="TLS" Method="OPTIONS"'
            in (notes(lab, "expe")[0])
        )
        assert (await line.register()).status == 503

    async def main(lab: EdgeLab) -> None:
        line = Line(lab)  # the HTTPS side is down as well: nobody can sign in
        await line.connect()
        await story(lab, line)
        await line.close()

    run(main, changes={"traversal_zone.server_password": "another"})


def test_a_wrong_subject_name() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expe")[0][0] == "Failed"
        assert IDENTITY in zone_states(lab, "expe")[0][1]
        assert notes(lab, "expe")[0].startswith(
            'Event="Inbound TLS Negotiation Error" Service="SIP" Src-ip="10.0.30.10"'
        )
        assert f'Detail="{IDENTITY}"' in notes(lab, "expe")[0]
        assert zone_states(lab, "expc")[0][0] == "Failed"

    run(main, changes={"traversal_zone.tls_verify_subject_name": "cluster-c.inside.example.com"})


def test_the_common_name_of_c_does_not_count() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expe")[0][0] == "Failed"

    changes = {"certificates": [{"host": "expc", "service": "server", "names": ["something-else.inside.example.com"]}]}
    run(main, changes=changes)


def test_e_lacks_the_name_by_which_c_dials_it() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expc") == [("Failed", IDENTITY)]
        [note] = notes(lab, "expc")
        assert note.startswith('Event="Outbound TLS Negotiation Error" Service="SIP" Src-ip="10.0.30.10"')
        assert 'Dst-port="7001"' in note
        assert note.endswith(f'Detail="{IDENTITY}" Protocol="TLS" Common-name="10.0.20.10"')

    run(main, changes={"traversal_zone.peer_addresses": ["10.0.20.10"]})


def test_c_does_not_trust_the_authority_of_e() -> None:
    async def main(lab: EdgeLab) -> None:
        [(state, reason)] = zone_states(lab, "expc")
        assert state == "Failed"
        assert "issuer certificate" in reason

    run(
        main,
        changes={"trust": [{"host": "expc", "store": "trusted-ca", "holds": ["enterprise", "enterprise-issuing"]}]},
    )


def test_e_does_not_trust_the_authority_of_c() -> None:
    async def main(lab: EdgeLab) -> None:
        [(state, reason)] = zone_states(lab, "expc")
        assert state == "Failed"
        assert "E refused the certificate" in reason
        assert zone_states(lab, "expe") == [("Failed", "unable to get local issuer certificate")]
        assert 'Event="Inbound TLS Negotiation Error"' in lab.entries("note", "expe")[-1].event.as_json()["text"]

    run(main, changes={"trust": [{"host": "expe", "store": "trusted-ca", "holds": ["public"]}]})


def test_a_peer_address_that_does_not_resolve() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expc") == [("Failed", "nowhere.example.com does not resolve")]

    run(main, changes={"traversal_zone.peer_addresses": ["nowhere.example.com"]})


def test_e_is_not_there_and_is_tried_again() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(11)  # silence: 10 s for TCP
        assert zone_states(lab, "expc") == [("Failed", "connection timed out")]
        await lab.start_host("expe")
        await asyncio.sleep(125)
        assert zone_states(lab, "expc")[1:] == [("TLS: Active", "expe.example.com")]
        failed, active = zone_times(lab, "expc")
        assert 120 <= active - failed < 121  # whenever C started

    run(main, without=("imp-pub", "expe", "jabber-2", "jabber-3", "inside-1", "inside-2"))


def test_nothing_is_taken_before_the_peer_proved_itself() -> None:
    async def main(lab: EdgeLab) -> None:
        node = lab.node("expc")
        side = lab.service("expc").sip
        endpoint = SipEndpoint(node.host, node.journal, limits=LIMITS, timers=TIMERS, stateful=False)
        connection = await node.host.run(
            endpoint.connect("10.0.20.10", 7001, "tls", ssl=side.zone.context, server_hostname="expe.example.com")
        )
        headers = [
            ("Via", "SIP/2.0/TLS 10.0.30.10:5061;branch=z9hG4bK1"),
            ("From", "<sip:a@x>;tag=1"),
            ("To", "<sip:b@x>"),
            ("Call-ID", "1"),
            ("CSeq", "1 INVITE"),
        ]
        request = Request.build("INVITE", "sip:uuid@198.51.100.25:5061", headers)
        assert (await node.host.run(endpoint.request(request, connection))).status == 403
        await asyncio.sleep(32)  # and who says nothing is cut off
        assert not connection.open
        await node.host.run(endpoint.close())
        assert lab.service("expe").sip.zone.live()

    run(main)


# ---- losing it


def test_e_restarts() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await lab.crash("expe")
        await asyncio.sleep(1)
        assert not line.connection.open
        assert zone_states(lab, "expc")[1:] == [
            ("Failed", "connection lost"),
            ("Failed", "connection refused"),
        ]
        await lab.start_host("expe")
        await asyncio.sleep(121)
        assert zone_states(lab, "expc")[-1][0] == "TLS: Active"
        await line.connect()
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 2

    run(with_line(story))


def test_c_restarts() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await lab.crash("expc")
        await asyncio.sleep(1)
        assert zone_states(lab, "expe")[-1] == ("Failed", "no connection")
        assert (await line.register()).status == 503
        await lab.start_host("expc")
        await asyncio.sleep(5)
        assert zone_states(lab, "expe")[-1][0] == "TLS: Active"
        assert (await line.register()).status == 200  # E still believes the SERVICE of before

    run(with_line(story))


def test_a_request_on_its_way_when_c_dies_is_answered() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        lab.service("expc").sip._endpoint.on_request = lambda *_: None
        task = line.node.host.spawn(line.ask(line.build()), name="ask")
        await asyncio.sleep(1)
        await lab.crash("expc")
        answer = await task
        assert answer.status == 503
        assert len(answer.get_all("Via")) == 1

    run(with_line(story))


def test_a_c_that_falls_silent_is_noticed() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await lab.freeze("expc")
        await asyncio.sleep(60)
        assert zone_states(lab, "expe")[-1] == ("Failed", "no connection")
        assert "no sign of 10.0.30.10" in notes(lab, "expe")[-1]

    run(with_line(story))


def test_an_e_that_falls_silent_is_noticed() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.freeze("expe")
        await asyncio.sleep(33)
        assert zone_states(lab, "expc")[-1] == ("Failed", "connection lost")

    run(main)


# ---- a cluster


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
def test_the_c_of_the_route_is_down(adaptive: bool) -> None:
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


def test_maintenance_mode_of_e() -> None:
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
def test_maintenance_mode_of_c(peers: int) -> None:
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
                side._contacts[(f"somebody-{n}", "1.2.3.4:5")] = RegisteredContact(side.zone.peers[0], "x", 1e9)
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
        assert (await lines[0].register()).status == 200  # a refresh stays where it is, whatever its Route says
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
            side._contacts[(f"somebody-{n}", "1.2.3.4:5")] = RegisteredContact(side.zone.peers[0], "x", 1e9)
        side.zone.report()
        await asyncio.sleep(1)
        for _ in range(3):
            assert (await line.register()).status == 200
        via = [entry.event.as_json()["via"] for entry in lab.entries("sip.registered")]
        assert via == ["expc1", "expc2", "expc2", "expc2"]
        await line.close()

    run(main, deployment=builtin("cluster"), without=CLUSTER_WITHOUT)


# ---- neighbour zones


def test_a_unified_cm_node_that_is_down() -> None:
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


def test_a_unified_cm_that_answers_no_stun() -> None:
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
def test_which_releases_keep_alive(changes: dict[str, Any], sent: bool) -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(65)
        forms = [entry.event.as_json()["form"] for entry in lab.entries("sip.keepalive", "ucm-pub")]
        assert forms == (["STUN request"] * 2 if sent else [])
        assert zone_states(lab, "expc", f"CEtcp-{PUB}") == [("TCP: Active", "")]

    run(main, changes=changes)


@pytest.mark.parametrize(("uri", "transport"), [(f"sip:{PUB};transport=tls", "tls"), (f"sip:{PUB}", "tcp")])
def test_which_zone_of_a_node(uri: str, transport: str) -> None:
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


def test_a_neighbour_whose_certificate_does_not_verify() -> None:
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


# ---- dialogs


class Callee:
    """A stand-in for a Unified CM node: it answers INVITE with 200, or lets it ring, and keeps what it got."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.requests: list[Request] = []
        self.connection: Any = None
        self.rings = False
        self.endpoint = SipEndpoint(node.host, node.journal, limits=LIMITS, timers=TIMERS, on_request=self._heard)

    async def start(self) -> Callee:
        await self.endpoint.listen(self.node.host.address(), 5060)
        return self

    async def stop(self) -> None:
        await self.endpoint.close()

    def _heard(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        self.connection = connection
        if self.rings:
            connection.send(request.response(180, to_tag="callee"))
        elif request.method != "ACK":
            contact = ("Contact", "<sip:1002@10.0.40.12:5060;transport=tcp>")
            layout = ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq", contact)
            connection.send(request.response(200, to_tag="callee", layout=layout))


async def build_callee(node: Node) -> Service:
    return await Callee(node).start()


def test_a_dialog_stays_on_its_path_in_both_directions() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        sub = "ucm-sub.inside.example.com"
        local = line.connection.local
        contact = ("Contact", f"<sip:x@{local[0]}:{local[1]};transport=tls>")
        invite = line.authorized(line.request("INVITE", f"sip:1002@{sub}", contact))
        provisional: list[Response] = []
        answer = await line.ask(invite, provisional=provisional.append)
        assert [one.status for one in provisional] == [100]
        assert answer.status == 200
        callee = lab.service("ucm-sub")
        recorded = answer.values("Record-Route")
        places = [one.split("@")[1] for one in recorded]
        assert places == [
            "10.0.30.10:5060;transport=tcp;lr>",
            "10.0.30.10:5061;transport=tls;lr>",
            "10.0.20.10:7001;transport=tls;lr>",
            "203.0.113.10:5061;transport=tls;lr>",
        ]
        ids = [one.split("@")[0].removeprefix("<sip:proxy-call-id=") for one in recorded]
        assert ids[0] == ids[1] != ids[2] == ids[3]
        [got] = callee.requests
        [at_c] = messages(lab, "expc", "INVITE")
        assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", at_c.get("X-TAATag") or "")
        assert got.get_all("X-TAATag") == at_c.get_all("X-TAATag")  # the first box names the call
        assert provisional[0].names == ("via", "call-id", "cseq", "from", "to", "server", "content-length")
        assert [via.split("proxy-call-id=")[1].split(";")[0] for via in got.get_all("Via")[:2]] == ids[1:3]

        line.routes = tuple(reversed(recorded))
        to = answer.get("To") or ""
        ack = line.request("ACK", answer.contacts[0].uri)
        ack.replace("To", to)
        line.connection.send(ack)
        await asyncio.sleep(1)
        assert callee.requests[-1].method == "ACK"
        assert callee.requests[-1].get_all("Route") == []
        info = line.authorized(line.request("INFO", answer.contacts[0].uri))
        assert (await line.ask(info)).status == 200
        assert callee.requests[-1].method == "INFO"

        bye = line.request("BYE", f"sip:x@{local[0]}:{local[1]};transport=tls", routes=False)
        bye.replace("Via", "SIP/2.0/TCP 10.0.40.12:5060;branch=z9hG4bKbye")
        for route in reversed(recorded):
            bye.insert_after("Via", "Route", route)
        assert (await callee.node.host.run(callee.endpoint.request(bye, callee.connection))).status == 200
        assert line.requests[-1].method == "BYE"
        assert line.requests[-1].get_all("Route") == []

    run(with_line(story), builds={"ucm-sub": build_callee})


def statuses(lab: EdgeLab, line: Line) -> list[int]:
    """Return the statuses of all responses that came to a phone."""
    heard = (entry.event for entry in lab.journal if entry.node == line.node.name)
    return [event.status for event in heard if isinstance(event, events.SipResponse)]


def test_a_call_that_was_answered_is_over_for_both_expressways() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        invite = line.authorized(line.request("INVITE", "sip:1002@ucm-sub.inside.example.com"))
        assert (await line.ask(invite)).status == 200
        heard = len(statuses(lab, line))
        for name in ("expe", "expc"):
            assert [each for each in lab.service(name).sip.leaks() if "without an answer" in each] == []
        lab.service("ucm-sub").connection.abort()
        await asyncio.sleep(1)
        [link] = lab.service("expe").sip.zone.live()
        link.connection.abort()
        await asyncio.sleep(1)
        assert statuses(lab, line)[heard:] == []

    run(with_line(story), builds={"ucm-sub": build_callee})


def test_a_call_is_cancelled_from_hop_to_hop() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        callee = lab.service("ucm-sub")
        callee.rings = True
        invite = line.authorized(line.request("INVITE", "sip:1002@ucm-sub.inside.example.com"))
        pending = asyncio.ensure_future(line.ask(invite))
        await asyncio.sleep(1)
        line.endpoint.cancel(invite)
        assert (await pending).status == 487
        await asyncio.sleep(1)
        for name in ("expe", "expc", "ucm-sub"):
            assert [len(messages(lab, name, method)) for method in ("INVITE", "CANCEL", "ACK")] == [1, 1, 1], name
        assert [each.method for each in callee.requests] == ["INVITE"]

    run(with_line(story), builds={"ucm-sub": build_callee})


def test_loops_are_seen() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        request = line.authorized(line.request("OPTIONS", f"sip:{PUB}"))
        assert (await line.ask(request)).status == 200
        came = messages(lab, "ucm-pub", "OPTIONS")[-1]
        [link] = lab.service("expe").sip.zone.live()
        again = messages(lab, "expc", "OPTIONS")[-1]
        for via in reversed(came.get_all("Via")):
            again.prepend("Via", via)
        again.prepend("Via", "SIP/2.0/TLS 10.0.20.10:7001;branch=z9hG4bKagain")
        endpoint = lab.service("expe").sip._endpoint
        answer = await lab.node("expe").host.run(endpoint.request(again, link.connection))
        assert answer.status == 482

    run(with_line(story))


def test_a_closed_connection_fails_who_asks() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await lab.world.stop("expe")
        await asyncio.sleep(1)
        with pytest.raises(SipTransportError):
            await line.ask(line.build())

    run(with_line(story))
