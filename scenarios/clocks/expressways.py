"""Clocks that differ: Expressways without time servers, and where each clock is looked at."""

from __future__ import annotations

from edgesim.scenario import (
    Authentication,
    FaultFired,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipRequest,
    SipResponse,
    SshTunnel,
    TlsRefused,
    ZoneState,
    containing,
    hours,
    matching,
    scenario,
    seconds,
)
from edgesim.world.faults import ResetConnection, Selector


@scenario(
    mutations=[
        Setting("defaults.edge.clock_tolerance_s", 30.0),
        Setting("defaults.edge.clock_tolerance_s", 600.0),
    ]
)
async def expressways_disagree_about_the_time(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """The clocks of Expressway-C and Expressway-E differ by more than a minute: 403 on everything over HTTPS."""
    me, other = alice.machine, bob.machine

    async with lab.step("Expressway-C is 55 s ahead: nobody notices"):
        await lab.skew("expc", 55)
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", fresh=True))

    await lab.skew("expc", 65)
    lab.never(Registered(device="CSFBOB"))

    async def bob_tries() -> None:
        async with lab.step("it is 65 s ahead: bob, with the right password, gets 403 from Expressway-E"):
            await bob.sign_in()
            told = HttpResponse(node=other, peer="expe", status=403, target=containing("edge_config"))
            refusal = await lab.expect(told)
            lab.check(b"Server: CE_E" in refusal.payload, "Expressway-E answers by itself")
            await lab.expect(Authentication(node="expc", user="bob", how="basic", granted=True))

    async def alice_tries() -> None:
        async with lab.step("so does alice, who was signed in a moment ago"):
            await alice.sign_in()
            await lab.expect(HttpResponse(node=me, peer="expe", status=403, target=containing("edge_config")))

    await lab.together(bob_tries(), alice_tries())

    async with lab.step("65 s behind is no better"):
        await lab.skew("expc", -65)
        await bob.sign_in()
        await lab.expect(HttpResponse(node=other, peer="expe", status=403, target=containing("edge_config")))


CUT = ResetConnection(name="5061 cut", where=Selector(target="expe", port=5061), times=1)


@scenario(
    changes={"defaults.sip.digest_cache": False},
    mutations=[
        Setting("defaults.sip.service_max_skew_s", 30.0),
        Setting("defaults.sip.service_max_skew_s", 120.0),
        Setting("defaults.sip.digest_cache", True),
    ],
)
async def a_question_from_another_time(lab: Lab, alice: JabberUser) -> None:
    """SERVICE dated more than 60 s off is refused: a phone gets 403 for its REGISTER once Expressway-E has to ask."""
    me = alice.machine
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", fresh=True))

    async with lab.step("Expressway-E's clock goes 60 s ahead, and the phone has to connect again"):
        await lab.skew("expe", 60)
        async with lab.fault(CUT):
            await lab.expect(FaultFired(fault="5061 cut"), within=seconds(120))
        await lab.expect(SipRequest(node="expc", method="SERVICE"), within=seconds(60))
        await lab.expect(Authentication(node="expc", how="digest", granted=True, detail=containing("SERVICE")))
        await lab.expect(Registered(device="CSFALICE", fresh=True))

    async with lab.step("62 s are too much"):
        await lab.skew("expe", 62)
        async with lab.fault(CUT):
            await lab.expect(FaultFired(fault="5061 cut"), within=seconds(120))
        stale = Authentication(node="expc", how="digest", granted=False, detail=matching(r"Date is 6[12] s ahead"))
        await lab.expect(stale, within=seconds(60))
        await lab.expect(SipResponse(node="expe", peer="expc", method="SERVICE", status=403))
        await lab.expect(SipResponse(node=me, peer="expe", method="REGISTER", status=403))


@scenario(
    changes={"defaults.links.zone_retry_s": 5.0},
    mutations=[Setting("traversal_zone.tls_verify_subject_name", "nobody.example.com")],
)
async def expressway_e_wakes_up_in_another_year(lab: Lab) -> None:
    """Without NTP, C's certificate is not yet valid for Expressway-E: the zone fails until the clock is set."""
    async with lab.step("Expressway-E comes back with a clock that stands far in the past"):
        await lab.skew("expe", -hours(24 * 365 * 20))
        await lab.restart("expe")
        await lab.expect(TlsRefused(node="expe", peer="expc", port=7001, reason=containing("not yet valid")))
        await lab.expect(ZoneState(node="expc", state=containing("Failed")))

    async with lab.step("the tunnel for HTTPS, which knows keys and no dates, stands"):
        await lab.expect(SshTunnel(node="expe", state="up"), within=seconds(30))

    async with lab.step("the clock is set, and Expressway-C's next attempt succeeds"):
        await lab.skew("expe", 0)
        await lab.expect(ZoneState(node="expe", zone="UCTraversal", state="TLS: Active"), within=seconds(10))
