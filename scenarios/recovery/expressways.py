"""Expressways that fail and come back: what a signed-in Jabber outside does without its user."""

from __future__ import annotations

from edgesim.journal import Entry, Event
from edgesim.scenario import (
    Authentication,
    HostDown,
    HttpRequest,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipKeepalive,
    SipRequest,
    SipResponse,
    SshTunnel,
    TcpFailed,
    WithFault,
    XmppSession,
    ZoneState,
    containing,
    minutes,
    scenario,
    seconds,
)
from edgesim.world import Capability
from edgesim.world.faults import Rewrite, Selector

NEVER = 1_000_000.0
OTHER_REASON = WithFault(
    Rewrite(
        name="another reason", where=Selector(target="expe"), find=b"Last=cm-closed-tcp", replace=b"Last=reset-restart"
    )
)


async def signed_in(lab: Lab, alice: JabberUser) -> Entry[Event]:
    """Sign in and return the registration."""
    async with lab.step("alice signs in from the internet"):
        await alice.sign_in()
        return await lab.expect(Registered(device="CSFALICE", fresh=True))


@scenario(mutations=[Setting("mra.stun_keepalive", False), Setting("defaults.sip.stun_interval_s", 300.0)])
async def expressway_c_restarts(lab: Lab, alice: JabberUser) -> None:
    """Expressway-C restarts: a STUN keep-alive reports the broken path, and the phone registers again."""
    me = alice.machine
    await signed_in(lab, alice)

    async with lab.step("Expressway-C restarts"):
        lab.never(SipRequest(node="ucm-sub", method="REGISTER"))
        went = lab.now
        await lab.restart("expc")
        await lab.expect(ZoneState(node="expe", zone="UCTraversal", state="TLS: Active"), within=seconds(5))
        await lab.expect(SshTunnel(node="expe", state="up"), within=seconds(5))

    async with lab.step("the phone finds out within 30 s and registers again by the same Expressway-E"):
        broken = await lab.expect(SipKeepalive(node=me, peer="expe", form=containing("error")), within=seconds(31))
        again = await lab.expect(Registered(device="CSFALICE", via="expc", fresh=True), within=seconds(2))
        lab.report(detected=round(broken.at - went, 3), recovery=round(again.at - went, 3))

    async with lab.step("and stays registered"):
        await lab.expect(Registered(device="CSFALICE", fresh=False), within=seconds(120))


@scenario(
    changes={"defaults.sip.digest_cache": False},
    mutations=[Setting("defaults.client.phone_retry_s", NEVER), Setting("defaults.sip.digest_cache", True)],
)
async def expressway_c_comes_back_knowing_nobody(lab: Lab, alice: JabberUser) -> None:
    """Expressway-C is away for a minute and forgets all passwords: the client is rejected, provisions and registers.

    So it is where Expressway-E keeps no hashes; one that does asks C again after ten minutes.
    """
    me = alice.machine
    await signed_in(lab, alice)
    await lab.expect(XmppSession(node="imp-pub", state="bound"))

    async with lab.step("Expressway-C crashes"):
        went = lab.now
        await lab.crash("expc")
        await lab.expect(SipResponse(node=me, peer="expe", status=503, method="REGISTER"), within=seconds(35))

    async with lab.step("a minute later it is back"):
        await lab.wait(seconds(60) - (lab.now - went))
        back = lab.now
        await lab.start("expc")
        await lab.expect(Authentication(node="expc", user="alice", how="digest", granted=False), within=seconds(30))

    async with lab.step("the client signs in to the edge again, and then the registration is granted"):
        await lab.expect(HttpRequest(node="expc", target=containing("get_edge_config")), within=seconds(20))
        await lab.expect(Authentication(node="expc", user="alice", how="basic", granted=True))
        again = await lab.expect(Registered(device="CSFALICE", via="expc", fresh=True), within=seconds(10))
        lab.report(recovery=round(again.at - back, 3))


@scenario(
    mutations=[Setting("defaults.client.phone_retry_s", NEVER), OTHER_REASON],
    needs=[Capability.VIRTUAL_TIME],
    limit=1200.0,
)
async def expressway_e_comes_back(lab: Lab, alice: JabberUser) -> None:
    """The only Expressway-E crashes: phone and chat are gone until it is back and C has built its zone again."""
    me = alice.machine
    await signed_in(lab, alice)

    async with lab.step("Expressway-E crashes, and the phone tries without success"):
        await lab.crash("expe")
        await lab.expect(TcpFailed(node=me, peer="expe", port=5061, reason="refused"), within=seconds(20))
        await lab.wait(seconds(40))

    async with lab.step("Expressway-E starts: until C's zone is active it answers 503"):
        back = lab.now
        await lab.start("expe")
        await lab.expect(SipResponse(node=me, peer="expe", status=503, method="REGISTER"), within=seconds(20))
        zone = await lab.expect(ZoneState(node="expe", zone="UCTraversal", state="TLS: Active"), within=seconds(121))

    async with lab.step("the phone registers and says why it had to"):
        reason = containing("cisco-alarm:14 Name=CSFALICE")
        request = SipRequest(node="expe", peer=me, method="REGISTER", payload=reason)
        await lab.expect(request, within=seconds(20), after=zone)
        await lab.expect(SipRequest(node="expe", payload=containing("Last=cm-closed-tcp")))
        again = await lab.expect(Registered(device="CSFALICE", fresh=True), within=seconds(20))
        lab.report(zone=round(zone.at - back, 3), phone=round(again.at - back, 3))

    async with lab.step("chat comes back when the client's turn has come"):
        # Phone or chat may come first, by the seed: both were lost at the same time.
        bound = await lab.expect(
            XmppSession(node="imp-pub", jid=containing("alice@example.com/"), state="bound"),
            within=minutes(10),
            after=zone,
        )
        lab.report(chat=round(bound.at - back, 3))


async def edges_of(lab: Lab, alice: JabberUser) -> tuple[str, str]:
    """Return the Expressway-E that alice's phone registered through, and the other one."""
    granted = await lab.expect(SipResponse(node=alice.machine, status=200, method="REGISTER"))
    first = str(granted.peer)
    return first, "expe2" if first == "expe1" else "expe1"


@scenario(deployment="pair", mutations=[HostDown("expe1"), HostDown("expe2")])
async def another_expressway_e(lab: Lab, alice: JabberUser) -> None:
    """One of two Expressway-Es crashes: the phone's connection breaks and it registers through the other at once."""
    me = alice.machine
    await signed_in(lab, alice)
    first, other = await edges_of(lab, alice)

    async with lab.step("the Expressway-E of alice's phone crashes"):
        went = lab.now
        await lab.crash(first)
        request = SipRequest(node=other, peer=me, method="REGISTER", payload=containing("Last=cm-closed-tcp"))
        await lab.expect(request, within=seconds(2))
        again = await lab.expect(Registered(device="CSFALICE", fresh=True), within=seconds(2))
        lab.report(recovery=round(again.at - went, 3))

    async with lab.step("the registration is refreshed by that way"):
        granted = SipResponse(node=me, peer=other, status=200, method="REGISTER")
        await lab.expect(granted, within=seconds(2), after=again)
        await lab.expect(Registered(device="CSFALICE", fresh=False), within=seconds(120))


@scenario(
    deployment="pair",
    needs=[Capability.POWER_LOSS],
    mutations=[Setting("defaults.sip.stun_interval_s", 300.0), Setting("defaults.sip.stun_timeout_s", 60.0)],
)
async def silent_expressway_e(lab: Lab, alice: JabberUser) -> None:
    """An Expressway-E loses its power: no answer to a STUN keep-alive within 3 s, and the phone takes the other one."""
    me = alice.machine
    await signed_in(lab, alice)
    first, other = await edges_of(lab, alice)

    async with lab.step("the Expressway-E of alice's phone falls silent"):
        went = lab.now
        await lab.power_off(first)
        await lab.expect(SipRequest(node=other, peer=me, method="REGISTER"), within=seconds(34))
        again = await lab.expect(Registered(device="CSFALICE", fresh=True), within=seconds(2))
        lab.report(recovery=round(again.at - went, 3))

    async with lab.step("its power comes back, and what still waits for it learns that it forgot everything"):
        await lab.start(first)
        await lab.wait(seconds(60))


@scenario(deployment="pair", mutations=[HostDown("expc1"), HostDown("expc2"), Setting("mra.stun_keepalive", False)])
async def another_expressway_c(lab: Lab, alice: JabberUser) -> None:
    """One of two Expressway-Cs crashes: the same Expressway-E takes the phone's next REGISTER to the other C."""
    me = alice.machine
    first = await signed_in(lab, alice)
    core = str(first.peer)
    other = "expc2" if core == "expc1" else "expc1"
    edge, _ = await edges_of(lab, alice)

    async with lab.step("the Expressway-C of alice's phone crashes"):
        went = lab.now
        await lab.crash(core)
        await lab.expect(SipKeepalive(node=me, peer=edge, form=containing("error")), within=seconds(31))
        again = await lab.expect(Registered(device="CSFALICE", via=other, fresh=True), within=seconds(2))
        await lab.expect(SipResponse(node=me, peer=edge, status=200, method="REGISTER"), within=seconds(2))
        lab.report(recovery=round(again.at - went, 3))
