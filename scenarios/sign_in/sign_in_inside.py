"""The same user, the same domain, but on the company's network: no edge is involved."""

from __future__ import annotations

from edgesim.scenario import (
    DnsAnswer,
    HostDown,
    HttpRequest,
    Inside,
    JabberUser,
    Lab,
    Registered,
    Setting,
    TcpOpened,
    XmppSession,
    containing,
    scenario,
    seconds,
)


@scenario(
    shows="NET-03",
    clients={"alice": Inside},
    mutations=[Setting("dns.cisco_uds", False), HostDown("ucm-pub")],
)
async def sign_in_inside(lab: Lab, alice: JabberUser) -> None:
    """A Jabber inside finds _cisco-uds and signs in directly."""
    me = alice.machine
    lab.never(TcpOpened(node=me, peer="expe"))

    async with lab.step("alice signs in on the company's network"):
        await alice.sign_in()
        await lab.expect(DnsAnswer(node=me, name="_cisco-uds._tcp.example.com", rcode="NOERROR"))
        await lab.expect(HttpRequest(node=containing("ucm-"), peer=me, target=containing("/cucm-uds/clusterUser")))
        await lab.expect(Registered(device="CSFALICE", node="ucm-pub"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))
