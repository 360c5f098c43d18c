"""How C's traversal zone reaches E: by its peer address, and what it shows where that is wrong."""

from __future__ import annotations

from edgesim.scenario import (
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SshTunnel,
    TlsRefused,
    ZoneState,
    containing,
    scenario,
)

RIGHT = [Setting("traversal_zone.peer_addresses", ["expe.example.com"])]
WRONG = [Setting("traversal_zone.peer_addresses", ["expressway.example.com"])]


@scenario(shows="NET-18", mutations=WRONG)
async def peer_address_right(lab: Lab, alice: JabberUser) -> None:
    """The peer address is E's FQDN: the zone is active by that name, and alice's phone registers."""
    await lab.expect(ZoneState(node="expc", zone="UCTraversal", state="TLS: Active", reason="expe.example.com"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", via="expc"))


@scenario(
    shows="NET-18",
    changes={"traversal_zone.peer_addresses": ["expressway.example.com"]},
    breaks="NET-18.peer-address",
    mutations=RIGHT,
)
async def peer_address_that_does_not_resolve(lab: Lab, alice: JabberUser) -> None:
    """The peer address does not resolve: Failed, by name; no tunnel either, so 502 for alice."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
    await lab.symptom("NET-18.peer-address")
    reason = "expressway.example.com does not resolve"
    await lab.expect(ZoneState(node="expc", zone="UCTraversal", state="Failed", reason=reason))
    await lab.expect(SshTunnel(node="expc", state="failed", detail=containing("expressway.example.com")))


@scenario(
    shows="NET-18",
    changes={"traversal_zone.peer_addresses": ["imp-pub.inside.example.com"]},
    breaks="NET-18.peer-address",
    mutations=RIGHT,
)
async def peer_address_of_another_machine(lab: Lab, alice: JabberUser) -> None:
    """The peer address leads to another machine, which does not listen: Failed."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
    await lab.symptom("NET-18.peer-address")
    refused = ZoneState(node="expc", zone="UCTraversal", state="Failed", reason="connection refused")
    await lab.expect(refused)


@scenario(
    shows=("NET-18", "NET-19"),
    changes={"traversal_zone.peer_addresses": ["10.0.20.10"]},
    breaks="NET-18.peer-name",
    mutations=[
        *RIGHT,
        Setting("certificates", [{"host": "expe", "service": "server", "extra_names": ["IP:10.0.20.10"]}]),
    ],
)
async def peer_address_without_a_name(lab: Lab, alice: JabberUser) -> None:
    """The peer address is E's inner address, and no FQDN: C does not find it in E's certificate. Failed."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in: her configuration comes, phone and chat do not"):
        await alice.sign_in()
        await lab.symptom("NET-18.peer-name")
        await lab.expect(HttpResponse(node=alice.machine, peer="expe", status=200))
    await lab.expect(TlsRefused(node="expe", peer="expc", port=7001, alert="bad certificate"))
