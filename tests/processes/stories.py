"""Stories for a lab of processes that the scenarios of the repository do not tell: each shows one mechanism."""

from __future__ import annotations

import asyncio

from edgesim.scenario import (
    CertificateUpload,
    FaultFired,
    HostStateChanged,
    Inside,
    JabberUser,
    Lab,
    Registered,
    SipRequest,
    TcpClosed,
    XmppSession,
    containing,
    scenario,
)
from edgesim.world import Capability
from edgesim.world.faults import RefuseConnection, Selector


@scenario(needs=[Capability.FREEZE], clients={"alice": Inside})
async def frozen(lab: Lab, alice: JabberUser) -> None:
    """A frozen server says nothing, also to who asks it; it goes on where it was, and answers what came meanwhile."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", node="ucm-pub"))
    async with lab.step("the publisher is frozen while she signs out"):
        await lab.freeze("ucm-pub")
        await lab.expect(HostStateChanged(node="ucm-pub", state="frozen"))
        leaving = asyncio.ensure_future(alice.sign_out())
        await lab.none(SipRequest(node="ucm-pub"), during=1)
    async with lab.step("it goes on"):
        await lab.thaw("ucm-pub")
        thawed = await lab.expect(HostStateChanged(node="ucm-pub", state="up"))
        lab.check(thawed.incarnation == 1, "in the same life")
        await lab.expect(SipRequest(node="ucm-pub", method="REGISTER", payload=containing("Expires: 0")))
        await leaving


@scenario(clients={"alice": Inside, "bob": Inside})
async def crashed(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """The presence server is killed while both chat: its peers see the end, and what it kept is there afterwards."""
    async with lab.step("both sign in, and bob is in alice's list of contacts"):
        await lab.together(alice.sign_in(), bob.sign_in())
        for user in ("alice", "bob"):
            await lab.expect(XmppSession(node="imp-pub", jid=containing(f"{user}@example.com/"), state="bound"))
    async with lab.step("the server is killed"):
        await lab.crash("imp-pub")
        await lab.expect(TcpClosed(node=alice.machine, peer="imp-pub", port=5222))
        await lab.none(XmppSession(node="imp-pub"), during=0.3)  # the dead do not write
    async with lab.step("and comes back"):
        await lab.start("imp-pub")
        up = await lab.expect(HostStateChanged(node="imp-pub", state="up"))
        lab.check(up.incarnation == 2, "in its second life")


REFUSED = RefuseConnection(name="two refused", where=Selector(port=5060), times=2)


@scenario(clients={"alice": Inside, "bob": Inside})
async def budget(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """A fault that may fire twice does so twice, though the clients that meet it are different processes."""
    async with lab.fault(REFUSED):
        await lab.together(alice.sign_in(), bob.sign_in())
        await lab.wait(0.5)
    fired = lab.matches(FaultFired(fault=REFUSED.name))
    lab.check(len(fired) == 2, f"twice in all: {[entry.node for entry in fired]}")


@scenario()
async def scripted(lab: Lab) -> None:
    """Scripts take the places of a server and of a client's machine, in the story's own process."""
    script = await lab.script("ucm-pub")
    line = await script.listen_sip(5060)
    async with lab.step("somebody else's SIP reaches the script"):
        client = await lab.script("inside-2")
        out = await client.connect_sip(script.address, 5060)
        out.send(
            b"OPTIONS sip:ucm SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
            b"To: <sip:ucm>\r\nCall-ID: 1@x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        came = await line.receive("OPTIONS")
        came.answer(200)
        got = await out.receive(200)
        lab.check(got.status == 200, "it is answered")


@scenario()
async def steps(lab: Lab) -> None:
    """What another process wrote before a step is seen before it, and not in it."""
    for _ in range(10):
        await lab.upload_trust("expe", "trusted-ca", "private")
        async with lab.step("a step"):
            lab.check(lab.match(CertificateUpload(node="expe")) is None, "it came before the step")
    lab.check(len(lab.matches(CertificateUpload(node="expe"))) == 10, "all of them are there at once")


@scenario()
async def forbidden(lab: Lab) -> None:
    """What never must come ends the story, also if another process writes it."""
    lab.never(HostStateChanged(node="expe", state="stopped"))
    lab.never(CertificateUpload(node="expe"))
    await lab.upload_trust("expe", "trusted-ca", "private")
    await lab.wait(20)


@scenario()
async def expected(lab: Lab) -> None:
    """What does not come is told with what came instead, from all processes."""
    await lab.upload_trust("expc", "trusted-ca", "private")
    await lab.expect(CertificateUpload(node="expc", accepted=False), within=0.2)
