"""How the edge configuration names an Expressway-E: by address, in older releases by FQDN."""

from __future__ import annotations

from edgesim.scenario import (
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    TlsUp,
    XmppSession,
    containing,
    scenario,
    seconds,
)

BEFORE = {"expressway_e.expe.release": "X14.0.9", "expressway_c.expc.release": "X14.0.9"}
FROM_THEN_ON = {"expressway_e.expe.release": "X14.1", "expressway_c.expc.release": "X14.1"}
SERVER = "<server><address>{}</address><tlsPort>{}</tlsPort></server>"


async def signs_in(lab: Lab, alice: JabberUser, server: str) -> None:
    """Sign in, and check how the edge configuration names E's services, and that TLS verifies its name nevertheless."""
    me = alice.machine
    async with lab.step("alice signs in from the internet"):
        await alice.sign_in()
        for port in (5061, 5222, 8443):
            named = containing(SERVER.format(server, port).encode())
            await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=named))
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))
        for port in (8443, 5061, 5222):
            await lab.expect(TlsUp(node=me, peer="expe", role="client", port=port, server_name="expe.example.com"))


@scenario(
    changes=FROM_THEN_ON,
    mutations=[
        Setting("expressway_c.expc.release", "X14.0.9"),
        Setting("defaults.edge.addressed_servers", []),
        Setting("defaults.client.sni", "none"),
    ],
)
async def edge_servers_by_address(lab: Lab, alice: JabberUser) -> None:
    """From X14.1 on the edge configuration has E's address; the client knows its name by the record that led to it."""
    await signs_in(lab, alice, lab.address("expe"))


@scenario(changes=BEFORE, mutations=[Setting("expressway_c.expc.release", "X14.1")])
async def edge_servers_by_name(lab: Lab, alice: JabberUser) -> None:
    """Before X14.1 it has E's FQDN, which the client resolves for each service."""
    await signs_in(lab, alice, "expe.example.com")
