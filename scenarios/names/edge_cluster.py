"""Several Expressway-Es, and one of them without its record."""

from __future__ import annotations

from edgesim.scenario import (
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Setting,
    TcpFailed,
    containing,
    scenario,
    seconds,
)

EDGE = "_collab-edge._tls.example.com"
ONE = {"view": "outside", "name": EDGE, "type": "SRV", "value": "10 10 8443 expe1.example.com"}
OTHER = {**ONE, "value": "10 10 8443 expe2.example.com"}


@scenario(
    shows="NET-10",
    deployment="pair",
    changes={"dns.collab_edge": False, "dns.extra": [ONE]},
    breaks="NET-10.one-record-each",
    mutations=[Setting("dns.extra", [ONE, OTHER])],
)
async def peer_without_a_record(lab: Lab, alice: JabberUser) -> None:
    """A peer that _collab-edge does not name: no sign-in begins there, not even when the other peer is down."""
    me = alice.machine
    begins_there = containing("/get_edge_config")
    lab.never(HttpRequest(node="expe2", peer=me, target=begins_there))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-10.one-record-each")
        await alice.sign_out()

    async with lab.step("expe1 is down, and she signs in again"):
        await lab.crash("expe1")
        result = await alice.sign_in()
        await lab.expect(TcpFailed(node=me, port=8443, reason="refused"), within=seconds(1))
        lab.check(not result.ok, "no user can sign in")
        await lab.none(HttpResponse(node=me), during=seconds(5))
