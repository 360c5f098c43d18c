"""The main job: a Jabber outside the company signs in through the edge, from discovery to phone and chat."""

from __future__ import annotations

from edgesim.scenario import (
    Authentication,
    DnsAnswer,
    HostDown,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipRequest,
    SipResponse,
    TlsUp,
    Unregistered,
    XmppSession,
    containing,
    scenario,
    seconds,
)


@scenario(
    shows="NET-03",
    mutations=[
        Setting("dns.collab_edge", False),
        Setting("mra.access.user_credential", False),
        Setting("traversal_zone.server_password", "not the same"),
        HostDown("imp-pub"),
    ],
)
async def first_sign_in(lab: Lab, alice: JabberUser) -> None:
    """A Jabber outside signs in through the edge: discovery, configuration, files, phone and chat."""
    me = alice.machine
    began = lab.now

    async with lab.step("alice signs in from the internet with name and password"):
        await alice.sign_in()
        lab.report(sign_in_ms=round(1000 * (lab.now - began), 3))

        # Outside, only _collab-edge answers.
        await lab.expect(DnsAnswer(node=me, name="_cisco-uds._tcp.example.com", rcode="NXDOMAIN"))
        edge = DnsAnswer(node=me, name="_collab-edge._tls.example.com", answers=containing("8443 expe.example.com"))
        await lab.expect(edge)

        # The edge configuration: E relays, C decides, Unified CM checks the password.
        await lab.expect(TlsUp(node=me, peer="expe", port=8443, role="client"))
        await lab.expect(HttpRequest(node="expe", peer=me, target=containing("/get_edge_config")))
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/cucm-uds/user/alice/devices"))
        await lab.expect(Authentication(node="expc", user="alice", how="basic", granted=True))
        await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=containing("Set-Cookie: X-Auth=")))

        # Configuration files through the edge.
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/CSFALICE.cnf.xml"))

        # The phone: E challenges, asks C by SERVICE, and only then lets the REGISTER through to Unified CM.
        await lab.expect(SipResponse(node=me, peer="expe", status=407, method="REGISTER"))
        await lab.expect(SipRequest(node="expc", peer="expe", method="SERVICE"))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc", fresh=True), within=seconds(10))
        await lab.expect(SipResponse(node=me, peer="expe", status=200, method="REGISTER"))

        # Chat: SOAP through the proxy, XMPP over the XCP links.
        await lab.expect(HttpRequest(node="imp-pub", peer="expc", target="/EPASSoap/service/v80"))
        await lab.expect(XmppSession(node="imp-pub", jid=containing("alice@example.com/"), state="bound"))

    async with lab.step("alice signs out"):
        await alice.sign_out()
        await lab.expect(Unregistered(node="ucm-pub", device="CSFALICE"))
        await lab.expect(XmppSession(node="imp-pub", jid=containing("alice@example.com/"), state=containing("ended")))
