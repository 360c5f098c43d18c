"""Expressway-E with two interfaces: by which one C reaches it, and what listens where."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    TcpFailed,
    TcpOpened,
    XmppSession,
    containing,
    scenario,
)

MANAGEMENT: dict[str, Any] = {
    "expressway_e": [{"name": "expe", "outer": "203.0.113.10", "inner": "10.0.99.10", "inner_zone": "management"}],
    "network": {
        "zones": [
            {"name": "internet"},
            {"name": "outer-dmz"},
            {"name": "dmz"},
            {"name": "inside"},
            {"name": "management", "outward": "dmz"},
        ],
    },
    "dns.split": False,
}


async def everything_by(lab: Lab, alice: JabberUser, zone: str) -> None:
    """C has its three links to E's interface in ``zone``, and alice gets every service."""
    address = lab.address("expe", zone)
    for port in (7001, 2222, 7400):
        await lab.expect(TcpOpened(node="expc", peer="expe", port=port, remote=f"{address}:{port}"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))
        await lab.expect(XmppSession(jid=containing("alice@")))


@scenario(shows=("NET-19", "LIM-02"), mutations=[Setting("dns.split", False)])
async def public_name_in_split_dns(lab: Lab, alice: JabberUser) -> None:
    """With split DNS the public FQDN serves as peer address: inside it leads to the inner interface."""
    lab.check(lab.deployment.traversal_zone.peer_addresses == ("expe.example.com",), "C uses the public name")
    await everything_by(lab, alice, "dmz")


@scenario(
    shows="NET-19",
    changes={"dns.split": False, "expressway_e.expe.inner_name": "expe-inner"},
    mutations=[Setting("expressway_e.expe.inner_name", None)],
)
async def name_of_its_own_without_split_dns(lab: Lab, alice: JabberUser) -> None:
    """Without split DNS the inner interface has another FQDN, and C's peer address is that one."""
    await everything_by(lab, alice, "dmz")


@scenario(
    shows="NET-19",
    changes={
        "dns.split": False,
        "expressway_e": [{"name": "expe", "outer": "10.0.10.10", "inner": "10.0.20.10", "static_nat": "203.0.113.10"}],
    },
    breaks="NET-19.inner-name",
    mutations=[Setting("dns.split", True)],
)
async def public_name_without_split_dns(lab: Lab, alice: JabberUser) -> None:
    """Without split DNS the public FQDN leads C to the outside of the external firewall, and the zone fails."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-19.inner-name")


@scenario(
    shows="LIM-02",
    changes=MANAGEMENT,
    breaks="LIM-02.xcp-interface",
    mutations=[Setting("expressway_e.expe.inner", None)],
)
async def chat_needs_the_internal_interface(lab: Lab, alice: JabberUser) -> None:
    """The zone goes by the external interface, the internal one is for management: phone works, chat does not."""
    me = alice.machine
    outer = lab.address("expe", "outer-dmz")
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("LIM-02.xcp-interface")
        await lab.expect(TcpFailed(node="expc", port=7400, remote=containing(outer)))
        await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=containing("getEdgeConfigResponse")))
        await lab.expect(Registered(device="CSFALICE"))
