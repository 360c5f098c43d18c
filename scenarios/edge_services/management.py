"""Management of endpoints (SNMP, SSH, HTTP to the device itself) does not come through the edge."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from edgesim.edge.descriptor import wrap
from edgesim.http import HttpClient, Response
from edgesim.http.message import basic_authorization
from edgesim.pki import client_context
from edgesim.scenario import (
    FirewallBlocked,
    HttpResponse,
    Lab,
    Registered,
    Setting,
    TcpFailed,
    containing,
    one_of,
    scenario,
)
from edgesim.scenario.scripted import ScriptedHost

SSH, HTTP, HTTPS, SNMP = 22, 80, 443, 161
TCP = (SSH, HTTP, HTTPS)
EVERYTHING = {SSH, HTTP, HTTPS, SNMP}
DEVICE, DESK, MANAGER, LAPTOP = "phone-1", "phone-2", "manager", "laptop"
AT_HOME, ROUTER = "192.168.1.20", "198.51.100.1"

ZONES = [{"name": "internet"}, {"name": "home", "outward": "internet"}]
ZONES += [{"name": "outer-dmz", "outward": "internet"}, {"name": "dmz"}, {"name": "inside"}]


def firewalls(*forwarded: str) -> list[dict[str, Any]]:
    """Return the documented firewalls, and a router at home that hides its network and lets in what is forwarded."""
    router = {
        "name": "router",
        "between": ["internet", "home"],
        "rules": [*forwarded, "allow any home -> any"],
        "nat": [f"static {ROUTER} = {AT_HOME}"],
    }
    return [
        {"name": "external", "between": ["internet", "outer-dmz"]},
        {"name": "internal", "between": ["dmz", "inside"]},
        router,
    ]


PLACES = {
    "network": {"zones": ZONES, "firewalls": firewalls()},
    "clients": [
        {"name": DEVICE, "address": AT_HOME, "zone": "home", "view": "outside", "device": "SEP00005E005301"},
        {"name": DESK, "address": "10.0.50.21", "zone": "inside"},
        {"name": MANAGER, "address": "10.0.50.20", "zone": "inside"},
        {"name": LAPTOP, "address": "198.51.100.30"},
    ],
}


class _Agent(asyncio.DatagramProtocol):
    """A minimal SNMP agent: it answers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire: Any = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.wire.sendto(data, addr)


class _Asker(asyncio.DatagramProtocol):
    """A client that queries an SNMP agent."""

    def __init__(self) -> None:
        self.answered = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.answered.set_result(None)


async def manageable(lab: Lab, name: str) -> None:
    """Make a device answer on its management ports."""
    device = await lab.script(name)

    async def listen() -> list[Any]:
        loop, address = asyncio.get_running_loop(), device.address
        servers: list[Any] = [await loop.create_server(asyncio.Protocol, address, port) for port in TCP]
        agent, _ = await loop.create_datagram_endpoint(_Agent, local_addr=(address, SNMP))
        return [*servers, agent]

    ports = await device.run(listen())

    async def close() -> None:
        for each in ports:
            each.close()

    lab.cleanup(close)


async def ways_to(manager: ScriptedHost, address: str) -> set[int]:
    """Return the ports of an address that answer the manager within three seconds each."""

    async def ask() -> set[int]:
        loop, found = asyncio.get_running_loop(), set()
        for port in TCP:
            with contextlib.suppress(OSError):
                async with asyncio.timeout(3):
                    wire, _ = await loop.create_connection(asyncio.Protocol, address, port)
                wire.close()
                found.add(port)
        local = (manager.address, 0)
        asking, asker = await loop.create_datagram_endpoint(_Asker, local_addr=local, remote_addr=(address, SNMP))
        asking.sendto(b"get")
        with contextlib.suppress(OSError):
            async with asyncio.timeout(3):
                await asker.answered
            found.add(SNMP)
        asking.close()
        return found

    return await manager.run(ask())


async def through_the_proxy(lab: Lab, manager: ScriptedHost, url: str) -> Response:
    """Ask Expressway-E's proxy for a URL on the device, with a user's right password."""
    node, user = manager.node, lab.deployment.user("alice")
    wrapped = wrap(url, domain="example.com", edge="expe.example.com", port=8443)
    headers = [("Host", "expe.example.com:8443"), ("Authorization", basic_authorization(user.id, user.password))]

    async def get() -> Response:
        web = HttpClient(node.journal, ssl=client_context(node.trusts["system"], keylog=node.keylog))
        try:
            return await web.request("GET", wrapped, headers=headers, timeout=60)
        finally:
            await web.close()

    return await manager.run(get())


@scenario(
    shows="EXP-08",
    deployment="devices",
    changes=PLACES,
    mutations=[
        Setting("network.firewalls", firewalls("allow tcp any -> home:80")),
        Setting("mra.allow_list", [{"url": f"http://{AT_HOME}/"}]),
    ],
)
async def management_of_a_device_at_home(lab: Lab) -> None:
    """A phone at home is registered, and no manager inside reaches it: not at its address, not through the edge."""
    at_home = lab.phone(DEVICE)
    await manageable(lab, DEVICE)
    await manageable(lab, DESK)
    manager = await lab.script(MANAGER)

    async with lab.step("a phone on the desk answers SNMP, SSH and HTTP"):
        lab.check(await ways_to(manager, lab.address(DESK)) == EVERYTHING, "a device inside can be managed")

    async with lab.step("the phone at home registers"):
        await at_home.sign_in()
        core = lab.address("expc")
        # Unified CM knows it by Expressway-C's address.
        await lab.expect(Registered(device="SEP00005E005301", contact=containing(f"@{core}:")))

    async with lab.step("its own address leads nowhere, and its router lets nobody in"):
        lab.check(await ways_to(manager, AT_HOME) == set(), "nothing answers at the address that it has at home")
        lab.check(await ways_to(manager, ROUTER) == set(), "nothing answers at its router")
        await lab.expect(FirewallBlocked(node=MANAGER, firewall="router", port=one_of(*EVERYTHING)))

    async with lab.step("Unified CM knows it by Expressway-C's address, where nobody knows of it"):
        lab.check(await ways_to(manager, core) == set(), "Expressway-C passes none of it on")
        await lab.expect(TcpFailed(node=MANAGER, peer="expc", port=HTTP, reason="refused"))

    async with lab.step("nor does Expressway-E, from either side"):
        for interface in lab.deployment.host("expe").interfaces:
            lab.check(await ways_to(manager, interface.address) == set(), "Expressway-E passes none of it on")

    async with lab.step("its proxy serves those outside, and leads to what is on the allow list alone"):
        await through_the_proxy(lab, await lab.script(LAPTOP), f"http://{AT_HOME}:80/")
        await lab.expect(HttpResponse(node=LAPTOP, peer="expe", status=403))
