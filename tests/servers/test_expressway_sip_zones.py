"""The traversal zone: how it comes up, fails, and comes back."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from edgesim.sip import Request, Response, SipEndpoint, SipTransportError
from edgesim.sip.digest import answer
from tests.servers.expressway_lab import EdgeLab, run
from tests.servers.sip_lab import IDENTITY, Line, messages, notes, with_line, zone_states, zone_times
from tests.sip.settings import LIMITS, TIMERS

# ---- bringing the zone up


@pytest.mark.parametrize(
    ("changes", "realm"),
    [
        ({"traversal_zone.name": "traversal (cluster 1)"}, "traversal (cluster 1)"),
        ({"defaults.sip.zone_realm": "{fqdn}"}, "expe.example.com"),
    ],
)
def test_c_sends_options_as_captured(changes: dict[str, Any], realm: str) -> None:
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


def test_a_zone_with_a_wrong_password_fails_on_both_sides() -> None:
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
        line = Line(lab)  # the HTTPS side is down as well: no user can sign in
        await line.connect()
        await story(lab, line)
        await line.close()

    run(main, changes={"traversal_zone.server_password": "another"})


def test_a_zone_whose_peer_has_another_subject_name_fails() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expe")[0][0] == "Failed"
        assert IDENTITY in zone_states(lab, "expe")[0][1]
        assert notes(lab, "expe")[0].startswith(
            'Event="Inbound TLS Negotiation Error" Service="SIP" Src-ip="10.0.30.10"'
        )
        assert f'Detail="{IDENTITY}"' in notes(lab, "expe")[0]
        assert zone_states(lab, "expc")[0][0] == "Failed"

    run(main, changes={"traversal_zone.tls_verify_subject_name": "cluster-c.inside.example.com"})


def test_e_ignores_the_common_name_of_c() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expe")[0][0] == "Failed"

    changes = {"certificates": [{"host": "expc", "service": "server", "names": ["something-else.inside.example.com"]}]}
    run(main, changes=changes)


def test_a_certificate_of_e_without_the_peer_address_fails_the_zone() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expc") == [("Failed", IDENTITY)]
        [note] = notes(lab, "expc")
        assert note.startswith('Event="Outbound TLS Negotiation Error" Service="SIP" Src-ip="10.0.30.10"')
        assert 'Dst-port="7001"' in note
        assert note.endswith(f'Detail="{IDENTITY}" Protocol="TLS" Common-name="10.0.20.10"')

    run(main, changes={"traversal_zone.peer_addresses": ["10.0.20.10"]})


def test_a_c_that_does_not_trust_the_authority_of_e_fails_the_zone() -> None:
    async def main(lab: EdgeLab) -> None:
        [(state, reason)] = zone_states(lab, "expc")
        assert state == "Failed"
        assert "issuer certificate" in reason

    run(
        main,
        changes={"trust": [{"host": "expc", "store": "trusted-ca", "holds": ["enterprise", "enterprise-issuing"]}]},
    )


def test_an_e_that_does_not_trust_the_authority_of_c_fails_the_zone() -> None:
    async def main(lab: EdgeLab) -> None:
        [(state, reason)] = zone_states(lab, "expc")
        assert state == "Failed"
        assert "E refused the certificate" in reason
        assert zone_states(lab, "expe") == [("Failed", "unable to get local issuer certificate")]
        assert 'Event="Inbound TLS Negotiation Error"' in lab.entries("note", "expe")[-1].event.as_json()["text"]

    run(main, changes={"trust": [{"host": "expe", "store": "trusted-ca", "holds": ["public"]}]})


def test_a_peer_address_that_does_not_resolve_fails_the_zone() -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expc") == [("Failed", "nowhere.example.com does not resolve")]

    run(main, changes={"traversal_zone.peer_addresses": ["nowhere.example.com"]})


def test_c_tries_an_e_that_was_down_again_after_120_s() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(11)  # silence: 10 s for TCP
        assert zone_states(lab, "expc") == [("Failed", "connection timed out")]
        await lab.start_host("expe")
        await asyncio.sleep(125)
        assert zone_states(lab, "expc")[1:] == [("TLS: Active", "expe.example.com")]
        failed, active = zone_times(lab, "expc")
        assert 120 <= active - failed < 121  # whenever C started

    run(main, without=("imp-pub", "expe", "jabber-2", "jabber-3", "inside-1", "inside-2"))


def test_e_refuses_requests_on_a_zone_connection_that_has_not_authenticated() -> None:
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


class Dialler:
    """A second connection from C's host to the zone of E, which answers challenges as configured."""

    def __init__(self, lab: EdgeLab) -> None:
        self.node, self.side = lab.node("expc"), lab.service("expc").sip
        self.zone = lab.deployment.traversal_zone
        self.endpoint = SipEndpoint(self.node.host, self.node.journal, limits=LIMITS, timers=TIMERS, stateful=False)
        self.connection: Any = None

    async def dial(self) -> None:
        context = self.side.zone.context
        self.connection = await self.node.host.run(
            self.endpoint.connect("10.0.20.10", 7001, "tls", ssl=context, server_hostname="expe.example.com")
        )

    async def options(self, number: int, *more: tuple[str, str]) -> Response:
        headers = [
            ("Via", f"SIP/2.0/TLS 10.0.30.10:5061;branch=z9hG4bK{number}"),
            ("From", "<sip:10.0.30.10>;tag=1"),
            ("To", "<sip:10.0.20.10:7001>"),
            ("Call-ID", "second"),
            ("CSeq", f"{number} OPTIONS"),
        ]
        request = Request.build("OPTIONS", "sip:10.0.20.10:7001", [*headers, *more])
        answered: Response = await self.node.host.run(self.endpoint.request(request, self.connection))
        return answered

    async def credentials(self) -> str:
        """Ask for a challenge, and return the answer to it."""
        challenged = await self.options(1)
        assert challenged.status == 401
        [challenge] = challenged.authentication("WWW-Authenticate")
        zone = self.zone
        return answer(
            challenge, method="OPTIONS", uri="sip:10.0.20.10:7001", username=zone.user,
            password=zone.server_password, cnonce="1",
        )  # fmt: skip

    async def close(self) -> None:
        await self.node.host.run(self.endpoint.close())


def test_a_second_connection_of_a_c_replaces_its_first() -> None:
    async def main(lab: EdgeLab) -> None:
        e, dialler = lab.service("expe").sip.zone, Dialler(lab)
        [first] = e.live()
        await dialler.dial()
        credentials = await dialler.credentials()
        assert e.live() == [first]
        assert (await dialler.options(2, ("Authorization", credentials))).status == 200
        await asyncio.sleep(1)
        [second] = e.live()
        assert second is not first
        assert not first.connection.open and second.connection.open
        await dialler.close()

    run(main)


def test_the_zone_grants_a_digest_only_under_its_own_user_name() -> None:
    async def main(lab: EdgeLab) -> None:
        e, dialler = lab.service("expe").sip.zone, Dialler(lab)
        [first] = e.live()
        await dialler.dial()
        credentials = (await dialler.credentials()).replace(f'"{dialler.zone.user}"', '"another"')
        assert 'username="another"' in credentials
        assert (await dialler.options(2, ("Authorization", credentials))).status == 401
        assert e.live() == [first]
        await dialler.close()

    run(main)


# ---- losing it


def test_after_a_restart_of_e_the_zone_comes_back_and_clients_register_again() -> None:
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


def test_after_a_restart_of_c_the_zone_comes_back_and_clients_register_again() -> None:
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


def test_a_request_on_a_closed_connection_fails() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await lab.world.stop("expe")
        await asyncio.sleep(1)
        with pytest.raises(SipTransportError):
            await line.ask(line.build())

    run(with_line(story))
