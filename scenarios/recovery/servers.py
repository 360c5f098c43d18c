"""Servers inside that go: Unified CM's publisher, IM and Presence, and a refresh that gets lost."""

from __future__ import annotations

from edgesim.scenario import (
    Authentication,
    FaultFired,
    HostDown,
    Inside,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipRequest,
    SipResponse,
    Unregistered,
    WithFault,
    XmppSession,
    XmppStanza,
    containing,
    minutes,
    scenario,
    seconds,
)
from edgesim.world import Capability
from edgesim.world.faults import DropMessage, Rewrite, Selector


@scenario(mutations=[HostDown("ucm-sub"), Setting("defaults.sip.stun_interval_s", 300.0)])
async def publisher_crashes(lab: Lab, alice: JabberUser) -> None:
    """Unified CM's publisher crashes: the path breaks behind the edge, and the phone registers at the subscriber."""
    me = alice.machine
    async with lab.step("alice signs in from the internet"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", fresh=True))

    async with lab.step("the publisher crashes"):
        went = lab.now
        await lab.crash("ucm-pub")

    async with lab.step("the phone registers at the subscriber"):
        await lab.expect(
            SipRequest(node="expe", peer=me, method="REGISTER", uri="sip:ucm-sub.inside.example.com"),
            within=seconds(35),
        )
        again = await lab.expect(Registered(node="ucm-sub", device="CSFALICE", via="expc", fresh=True))
        lab.report(recovery=round(again.at - went, 3))


@scenario(clients={"alice": Inside}, mutations=[HostDown("ucm-sub")])
async def publisher_crashes_inside(lab: Lab, alice: JabberUser) -> None:
    """The same without an edge: the connection itself breaks, and the phone goes to the subscriber at once."""
    me = alice.machine
    async with lab.step("alice signs in on the company's network"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE"))

    async with lab.step("the publisher crashes"):
        went = lab.now
        await lab.crash("ucm-pub")
        reason = containing("Last=cm-closed-tcp")
        await lab.expect(SipRequest(node="ucm-sub", peer=me, method="REGISTER", payload=reason), within=seconds(5))
        again = await lab.expect(Registered(node="ucm-sub", device="CSFALICE", fresh=True))
        lab.report(recovery=round(again.at - went, 3))


@scenario(
    clients={"alice": Inside},
    needs=[Capability.VIRTUAL_TIME],
    mutations=[
        Setting("defaults.recovery.relogin_upper_s", 100_000),
        WithFault(Rewrite(name="other words", find=b"Are you back?", replace=b"Are you there")),
    ],
)
async def im_and_presence_restarts(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """IM and Presence restarts: both users are notified, wait, and chat again with new passwords."""
    async with lab.step("both sign in"):
        await lab.together(alice.sign_in(), bob.sign_in())
        for user in ("alice", "bob"):
            await lab.expect(XmppSession(node="imp-pub", jid=containing(f"{user}@example.com/"), state="bound"))

    async with lab.step("IM and Presence restarts"):
        went = lab.now
        await lab.restart("imp-pub")
        await lab.expect(XmppSession(node="imp-pub", state=containing("system-shutdown")))

    async with lab.step("nobody comes back before two minutes are over"):
        await lab.none(XmppSession(node="imp-pub", state="bound"), during=seconds(118))

    async with lab.step("each signs in again in his own time, with another one-time password"):
        for user in ("alice", "bob"):
            await lab.expect(
                Authentication(node="imp-pub", user=user, how="sasl CISCO-VTG-TOKEN", granted=True), within=minutes(8)
            )
            bound = await lab.expect(XmppSession(node="imp-pub", jid=containing(f"{user}@"), state="bound"))
            lab.report(**{user: round(bound.at - went, 3)})

    async with lab.step("and they write to each other"):
        await lab.wait(seconds(1))
        await alice.say("bob", "Are you back?")
        await lab.expect(XmppStanza(node=bob.machine, name="message", payload=containing("Are you back?")))


LOST = DropMessage(name="a refresh is lost", where=Selector(target="expe", contains=b"REGISTER sip:"), times=1)


@scenario(mutations=[HostDown("ucm-sub"), Setting("defaults.unified_cm.keepalive_interval_s", 240)])
async def refresh_is_lost(lab: Lab, alice: JabberUser) -> None:
    """One refresh gets lost: the registration expires, and after timer F the client registers by the next path."""
    me = alice.machine
    async with lab.step("alice signs in from the internet"):
        await alice.sign_in()
        first = await lab.expect(Registered(node="ucm-pub", device="CSFALICE", fresh=True))
        granted = await lab.expect(SipResponse(node=me, status=200, method="REGISTER"))
        lab.check(b"\r\nExpires: 120\r\n" in granted.payload, "Unified CM grants 120 s")

    async with lab.fault(LOST), lab.step("the refresh after 115 s never arrives"):
        fired = await lab.expect(FaultFired(fault=LOST.name), within=seconds(116))
        lab.check(114 < fired.at - first.at < 116, "the client refreshes 5 s before expiry")

    async with lab.step("the registration expires"):
        gone = await lab.expect(Unregistered(node="ucm-pub", device="CSFALICE", reason="expired"), within=seconds(16))
        lab.check(round(gone.at - first.at) == 130, "15 s after the refresh was due")
        lab.check(gone.event.alarm.startswith("EndPointUnregistered Reason=13"), "Unified CM raises an alarm")

    async with lab.step("after 32 s without an answer the client registers at the next node"):
        again = await lab.expect(Registered(node="ucm-sub", device="CSFALICE", fresh=True), within=seconds(30))
        lab.check(round(again.at - fired.at) == 32, "timer F is 64 times T1")
        lab.report(unregistered=round(again.at - gone.at, 3))
