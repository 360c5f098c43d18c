"""Stories of clients: what they call themselves, when they try again, what they do beside."""

from __future__ import annotations

import asyncio

from edgesim.world.faults import Rewrite, Selector
from tests.clients.desk import Desk
from tests.deployment.probes.base import whole


@whole({"agents.jabber_iphone": "another"})
async def jabber_on_an_iphone(desk: Desk) -> None:
    await desk.jabber(platform="ios").sign_in()


@whole({"agents.jabber_android": "another"})
async def jabber_on_android(desk: Desk) -> None:
    await desk.jabber(platform="android").sign_in()


@whole(
    {"agents.roomos": "another {release}", "agents.roomos_http": "another"},
    {"devices.SEP00005E005304.type": "SX20", "devices.SEP00005E005304.firmware": "RoomOS11.5"},
    deployment="devices",
)
async def a_room_device_with_roomos(desk: Desk) -> None:
    await desk.room().sign_in()


@whole({"client.edge_refresh_before_s": 500.0}, {"defaults.edge.cookie_lifetime_min": 20})
async def a_cookie_that_ends_soon(desk: Desk) -> None:
    await desk.jabber().sign_in()
    await asyncio.sleep(1100)


@whole({"client.service_retry_s": 20.0, "client.service_retry_most_s": 60.0})
async def a_sign_in_without_chat(desk: Desk) -> None:
    await desk.lab.crash("imp-pub")
    await desk.jabber().sign_in()
    await asyncio.sleep(400)


@whole({"client.phone_retry_most_s": 20.0}, deployment="devices")
async def a_phone_that_is_rejected_later(desk: Desk) -> None:
    await desk.phone().sign_in()
    desk.fault(
        Rewrite(name="rejected", where=Selector(target="phone-1"), find=b"SIP/2.0 200 ", replace=b"SIP/2.0 403 ")
    )
    await asyncio.sleep(300)


@whole({"client.phone_mra_mode": "TFTP timeout"}, deployment="devices")
async def a_phone_that_boots(desk: Desk) -> None:
    await desk.phone().boot()


@whole({"client.phone_tftp_wait_s": 30.0}, {"defaults.client.phone_mra_mode": "TFTP timeout"}, deployment="devices")
async def a_phone_that_waits_for_tftp(desk: Desk) -> None:
    await desk.phone().boot()


PAIR = {
    "clients": [{"name": "phone-1", "address": "198.51.100.40", "device": "SEP00005E005301"}],
    "devices": [{"name": "SEP00005E005301", "type": "8845"}],
}


@whole({"client.standby_keepalive": False}, PAIR, deployment="pair")
async def a_phone_with_a_standby_node(desk: Desk) -> None:
    await desk.phone().sign_in()
    await asyncio.sleep(250)


WARNING = b'SIP/2.0 200 OK\r\nWarning: 399 expe1.example.com "Registration load imbalance"\r\n'


@whole({"client.honours_imbalance": "none", "sip.imbalance_warning": "another"}, deployment="pair")
async def an_edge_that_speaks_of_uneven_load(desk: Desk) -> None:
    where = Selector(target="jabber-1")
    desk.fault(Rewrite(name="uneven", where=where, find=b"SIP/2.0 200 OK\r\n", replace=WARNING, times=1))
    await desk.jabber().sign_in()
    await asyncio.sleep(20)
