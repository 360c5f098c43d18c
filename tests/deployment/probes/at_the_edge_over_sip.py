"""Stories over SIP, at the two Expressways."""

from __future__ import annotations

import asyncio

from tests.deployment.probes.base import edge
from tests.servers.expressway_lab import EdgeLab
from tests.servers.sip_lab import PHONES, Line, notify, proved, two, with_contact, with_line


@edge(
    {
        "sip.no_route_status": 404,
        "sip.service_from_outside_status": 404,
        "sip.update_status": 501,
        "agents.b2bua": "another",
    }
)
@with_line
async def requests_that_are_refused(lab: EdgeLab, line: Line) -> None:
    routes, line.routes = line.routes, ()
    await line.register()
    line.routes = routes
    await line.ask(line.request("SERVICE"))
    await line.register()
    await line.ask(line.authorized(line.request("UPDATE")))


@edge({"sip.maintenance_status": 480, "sip.maintenance_warning": [399, "another"]})
@with_line
async def in_maintenance(lab: EdgeLab, line: Line) -> None:
    lab.service("expe").sip.maintenance = True
    await line.register()


@edge({"sip.contact_taken_status": 404}, without=PHONES)
async def a_contact_of_another(lab: EdgeLab) -> None:
    alice, bob = await two(lab)
    theirs = (alice.build().contacts[0].uri, bob.build().get("Contact") or "")
    stolen = theirs[1].replace(bob.build().contacts[0].uri, theirs[0])
    await proved(bob, with_contact(bob, stolen))
    for line in (alice, bob):
        await line.close()


@edge(
    {"sip.path_adds_user": False, "sip.path_in_response": False, "sip.path_form": "<sip:{address}:{port};lr>"},
    {"mra.sip_path_headers": True},
)
@with_line
async def with_path(lab: EdgeLab, line: Line) -> None:
    await line.register()


@edge({"sip.client_unproved_idle_s": 40.0})
@with_line
async def says_nothing(lab: EdgeLab, line: Line) -> None:
    await asyncio.sleep(30)


@edge({"sip.message_s": 5.0})
@with_line
async def half_a_message(lab: EdgeLab, line: Line) -> None:
    line.connection.send_raw(b"REGISTER sip:x SIP/2.0\r\nVia: ")
    await asyncio.sleep(10)


@edge({"sip.max_message_bytes": 1024})
@with_line
async def a_large_message(lab: EdgeLab, line: Line) -> None:
    request = line.request("OPTIONS")
    request.set_body(b"x" * 8192)
    await line.ask(request)


@edge({"sip.nonce_uses": 1, "sip.digest_cache_s": 2.0})
@with_line
async def registers_twice(lab: EdgeLab, line: Line) -> None:
    await line.register()
    await asyncio.sleep(10)
    await line.register()


@edge({"protection.sip_authentication_failure": False})
async def wrong_digests(lab: EdgeLab) -> None:
    line = await Line(lab, password="wrong").signed_in()
    await line.connect()
    for _ in range(7):
        await line.register()
    await line.close()


@edge(
    {
        "protection.connection_rate": 5,
        "protection.connection_burst": 5,
        "protection.connection_rate_mode": "off",
        "protection.rated_sip_ports": [5060],
    }
)
async def many_connections(lab: EdgeLab) -> None:
    lines = [Line(lab) for _ in range(30)]
    await asyncio.gather(*(line.connect() for line in lines), return_exceptions=True)
    for line in lines:
        await line.close()


@edge({"sip.unknown_target_status": 404})
@with_line
async def a_phone_that_is_gone(lab: EdgeLab, line: Line) -> None:
    target = (await line.register()).contacts[0].uri
    line.connection.abort()
    await asyncio.sleep(1)
    await notify(lab, target)


@edge({"sip.two_users_status": 404}, without=PHONES)
async def an_answer_of_another_beside(lab: EdgeLab) -> None:
    _, bob = await two(lab)
    bob.dialogue.challenged(await bob.ask(bob.build()))
    request = bob.build()
    other = 'Digest username="alice", realm="elsewhere", nonce="1", uri="sip:x", response="1"'
    request.insert(request.position("Proxy-Authorization") or 0, "Proxy-Authorization", other)
    await bob.ask(request)


@edge({"sip.digest_cache_entries": 1, "sip.nonces_remembered": 1}, without=PHONES)
async def two_in_turns(lab: EdgeLab) -> None:
    alice, bob = await two(lab)
    await bob.register()
    await alice.register()
    await bob.register()


@edge({"sip.client_octets_burst": 512})
@with_line
async def many_octets(lab: EdgeLab, line: Line) -> None:
    await line.register()
    await asyncio.gather(*(line.ask(line.request("OPTIONS")) for _ in range(10)), return_exceptions=True)


@edge({"protection.addresses": 1, "protection.intrusion_protection_on_c": True}, without=PHONES)
async def wrong_digests_of_two(lab: EdgeLab) -> None:
    lines = [await Line(lab, name, password="wrong").signed_in() for name in ("jabber-1", "jabber-2")]
    for line in lines:
        await line.connect()
    for turn in range(7):
        for line in lines[: 1 + (turn == 3)]:
            await line.register()


@edge({"protection.connection_rate_scope": "each address"}, without=PHONES)
async def many_connections_of_two(lab: EdgeLab) -> None:
    lines = [Line(lab, name) for name in ("jabber-1", "jabber-2") for _ in range(15)]
    await asyncio.gather(*(line.connect() for line in lines), return_exceptions=True)


@edge({"sip.tags_calls": False})
@with_line
async def a_call(lab: EdgeLab, line: Line) -> None:
    await line.register()
    await line.ask(line.authorized(line.request("INVITE")))
