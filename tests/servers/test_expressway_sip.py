"""SIP through Expressway-E and Expressway-C to Unified CM and back, and what the two show of it."""

from __future__ import annotations

import asyncio
import re

import pytest

from edgesim.control import InProcess
from edgesim.scenario.leaks import stop_and_look
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import ROUTE, UUID, Line, messages, notes, notify, with_line, zone_states
from tests.sip.settings import LIMITS, TIMERS


def test_update_is_refused_by_the_b2bua_of_c() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        answer = await line.ask(line.authorized(line.request("UPDATE")))
        assert answer.status == 405
        assert answer.get("Allow") == "INVITE,ACK,BYE,CANCEL,INFO,OPTIONS,REFER,SUBSCRIBE,NOTIFY"
        assert answer.get("Server") == "TANDBERG/4352 (X14.3-b2bua-1.0)"
        assert messages(lab, "ucm-pub", "UPDATE") == []

    run(with_line(story))


@pytest.mark.parametrize(
    ("change", "status", "header"),
    [
        ({"Proxy-Require": "a-thing, another"}, 420, ("Unsupported", "a-thing,another")),
        ({"uri": "foo:bar@example.com"}, 416, None),
        ({"uri": "nonsense"}, 400, None),
        ({"Max-Forwards": "0"}, 483, None),
        ({"Max-Forwards": "0" * 30 + "70"}, 407, None),
    ],
)
def test_e_refuses_an_unsound_request_before_it_challenges(
    change: dict[str, str], status: int, header: tuple[str, str] | None
) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        request = line.request("OPTIONS")
        for name, value in change.items():
            if name == "uri":
                request.uri = value
            else:
                request.set(name, value)
        refused = await line.ask(request)
        assert refused.status == status
        assert refused.get("Server") == "TANDBERG/4135 (X14.3)"
        if header is not None:
            assert refused.get(header[0]) == header[1]
        assert (await line.register()).status == 200

    run(with_line(story))


def test_route_and_request_uri_may_name_hosts_with_a_final_dot() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.routes = ("<sip:EXPE.example.com.:5061;transport=tls;lr>", ROUTE)
        line.target = f"{PUB}."
        assert (await line.register()).status == 200
        [got] = messages(lab, "ucm-pub", "REGISTER")
        assert got.uri == f"sip:{PUB}."  # as spelled

    run(with_line(story))


def test_a_request_that_loops_is_refused_with_482() -> None:
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


@pytest.mark.parametrize(("path", "value", "kept"), [("sip.digest_cache_check_s", 60.0, 1), ("", None, 2)])
def test_hashes_that_are_over_are_dropped_in_time(path: str, value: float | None, kept: int) -> None:
    """Alice's hash lasts for 30 s. Bob's request comes after 100: the cache is looked through then, or after 600."""

    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await asyncio.sleep(100)
        other = await Line(lab, user="bob").signed_in()
        await other.connect()
        assert (await other.register()).status == 200
        assert len(lab.service("expe").sip._digests) == kept
        await other.close()

    changes = {"defaults.sip.digest_cache_s": 30.0} | ({f"defaults.{path}": value} if path else {})
    run(with_line(story), changes=changes)


# ---- downwards


@pytest.mark.parametrize("own", [False, True])
def test_a_notify_of_unified_cm_reaches_the_phone(own: bool) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.register()
        target = answer.contacts[0].uri
        assert (await notify(lab, target, via_own_connection=own)).status == 200
        [got] = line.requests
        host, port = line.connection.local
        assert got.uri == f"sip:{UUID}@{host}:{port};transport=tls"
        assert [re.sub(r"[0-9a-f]{10,}|[0-9a-f-]{36}|rport=\d+", "*", via) for via in got.get_all("Via")] == [
            "SIP/2.0/TLS 203.0.113.10:5061;egress-zone=CollaborationEdgeZone;branch=z9hG4bK*.*;proxy-call-id=*;rport",
            "SIP/2.0/TLS 10.0.30.10:5061;egress-zone=UCTraversal;branch=z9hG4bK*.*;proxy-call-id=*;"
            "received=10.0.30.10;*;ingress-zone=UCTraversal;ingress-zone-id=3",
            "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bK*;received=10.0.40.11;"
            "ingress-zone=CEtcp-ucm-pub.inside.example.com",
        ]
        assert got.get("Max-Forwards") == "14"
        assert got.body == b"Messages-Waiting: no\r\n"

    run(with_line(story))


def test_with_path_headers_unified_cm_puts_c_into_a_route() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        answer = await line.register()
        route = ("Route", "<sip:10.0.30.10:5060;transport=tcp;lr>")
        assert (await notify(lab, answer.contacts[0].uri, route)).status == 200
        assert "Route" not in line.requests[0]

    run(with_line(story), changes={"mra.sip_path_headers": True})


def test_a_request_for_a_phone_that_is_gone_is_refused_with_480() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        assert (await notify(lab, f"{target};x=1".replace(UUID, "somebody"))).status == 480
        line.connection.abort()
        await asyncio.sleep(1)
        assert (await notify(lab, target)).status == 480
        await line.connect()
        target = (await line.register()).contacts[0].uri
        assert (await notify(lab, target)).status == 200
        assert (await line.register(expires=0)).status == 200
        assert (await notify(lab, target)).status == 480

    run(with_line(story))


def test_c_refuses_requests_from_addresses_that_are_in_no_zone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        inside = lab.node("dns-inside")
        endpoint = line.endpoint.__class__(inside.host, inside.journal, limits=LIMITS, timers=TIMERS, stateful=False)
        connection = await inside.host.run(endpoint.connect("10.0.30.10", 5060))
        request = line.request("OPTIONS")
        assert (await inside.host.run(endpoint.request(request, connection))).status == 403
        await inside.host.run(endpoint.close())

    run(with_line(story))


# ---- what the two show


def test_zones_and_search_rules_are_listed_as_the_product_lists_them() -> None:
    async def main(lab: EdgeLab) -> None:
        c, e = lab.service("expc").sip, lab.service("expe").sip
        assert c.zones() == [
            ("UCTraversal", "Unified Communications traversal client", "TLS: Active", "expe.example.com"),
            (f"CEtcp-{PUB}", "Neighbor", "TCP: Active", ""),
            ("CEtls-ucm-pub.inside.example.com", "Neighbor", "TLS: Active", ""),
            ("CEtcp-ucm-sub.inside.example.com", "Neighbor", "TCP: Active", ""),
            ("CEtls-ucm-sub.inside.example.com", "Neighbor", "TLS: Active", ""),
        ]
        assert next((rule.name, rule.priority, rule.target, rule.editable) for rule in c.search_rules()) == (
            f"CEtcp-{PUB}",
            45,
            f"CEtcp-{PUB}",
            False,
        )
        assert len(c.search_rules()) == 4
        assert [row[:3] for row in e.zones()] == [
            ("CollaborationEdgeZone", "Collaboration Edge", "Active"),
            ("UCTraversal", "Unified Communications traversal server", "TLS: Active"),
        ]
        [link] = e.zone.live()
        assert link.usage is not None
        assert (link.usage.registrations, link.usage.non_traversal_calls) == (2494, 750)

    run(main, changes={"unified_cm.0.mixed_mode": True})


def test_c_reports_its_free_registrations_to_e() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        await asyncio.sleep(61)
        [link] = lab.service("expe").sip.zone.live()
        assert link.usage.registrations == 2493
        await asyncio.sleep(120)  # the registration lapsed
        assert link.usage.registrations == 2494

    run(with_line(story))


def test_c_sends_options_every_minute_with_a_fresh_nonce() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(185)
        pings = messages(lab, "expe", "OPTIONS")
        assert len(pings) == 8
        assert pings[0].uri == "sip:10.0.20.10:7001;transport=tls"
        assert pings[0].get("Max-Forwards") == "0"
        assert pings[0].get("Supported") == "com.tandberg.vcs.resourceusage"
        assert len(pings[0].body) == 250
        answers = [ping.authentication("Authorization")[0] for ping in pings[1::2]]
        assert [answer.get("nc") for answer in answers] == ["00000001"] * 4
        assert len({answer.get("nonce") for answer in answers}) == 4
        assert len(answers[0].get("cnonce") or "") == 60

    run(main)


def test_the_same_seed_gives_the_same_messages() -> None:
    taken: list[list[bytes]] = []

    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        await asyncio.sleep(115)
        await line.register()
        taken.append([entry.payload for entry in lab.journal if entry.kind.startswith("sip.")])

    run(with_line(story))
    run(with_line(story))
    run(with_line(story), seed=2)
    assert taken[0] == taken[1] != taken[2]


def test_stopped_expressways_leave_nothing_behind() -> None:
    async def main(lab: EdgeLab) -> None:
        line = Line(lab)
        await line.signed_in()
        await line.connect()
        await line.register()
        await line.close()
        assert lab.client is not None
        await lab.node("jabber-1").host.run(lab.client.close())
        lab.client = None
        assert [
            one for one in await stop_and_look(InProcess(lab), lab.world.kind) if "expe" in one or "expc" in one
        ] == []

    run(main)


def test_zone_states_are_journalled_once() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(300)
        assert zone_states(lab, "expc") == [("TLS: Active", "expe.example.com")]
        assert zone_states(lab, "expe") == [("TLS: Active", "10.0.30.10")]
        assert notes(lab, "expc") == []

    run(main)


def test_without_stun_keepalive_clients_are_not_offered_it() -> None:
    def supported(keepalive: bool) -> list[str | None]:
        found: list[str | None] = []

        async def story(lab: EdgeLab, line: Line) -> None:
            found.append((await line.register()).get("Supported"))

        run(with_line(story), changes={"mra.stun_keepalive": keepalive})
        return found

    assert supported(True) == ["X-cisco-srtp-fallback,X-cisco-sis-10.0.0,X-cisco-supports-AR_SK"]
    assert supported(False) == ["X-cisco-srtp-fallback,X-cisco-sis-10.0.0"]
