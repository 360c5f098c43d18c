"""A new trusted CA counts after a restart: of the whole Expressway, on Unified CM of one service after the other."""

from __future__ import annotations

from edgesim.scenario import (
    CertificateUpload,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    ServiceRestarted,
    Setting,
    TlsRefused,
    XcpLink,
    XmppSession,
    ZoneState,
    containing,
    other_than,
    scenario,
    seconds,
)
from edgesim.world.faults import ResetConnection, Selector

CUT = ResetConnection(name="7001 cut", where=Selector(target="expe", port=7001), times=1)
FAILED, ACTIVE = containing("Failed"), containing("Active")
BOTH_STORES = [
    {"host": "ucm-pub", "store": store, "pending": ["enterprise-issuing"]}
    for store in ("tomcat-trust", "callmanager-trust")
]
ZONE = "UCTraversal"


@scenario(shows="CERT-14", mutations=[Setting("trust", [{"host": "expc", "store": "trusted-ca", "adds": ["private"]}])])
async def another_ca_for_the_edge(lab: Lab, alice: JabberUser) -> None:
    """Expressway-E gets a certificate by another CA, in the documented order: CSR, certificate, trusted CA, restart."""
    async with lab.step("generate the CSR on Expressway-E, have another CA sign it, upload the certificate"):
        csr = await lab.request("expe")
        signed = await lab.sign(csr.pem, by="private")
        lab.check(await lab.upload_certificate("expe", signed), "Expressway-E takes a certificate with both usages")
        await lab.expect(CertificateUpload(node="expe", store="server", accepted=True))

    async with lab.step("upload the CA to the trusted CA list of Expressway-C"):
        await lab.upload_trust("expc", "trusted-ca", "private")
        await lab.expect(CertificateUpload(node="expc", store="trusted-ca", accepted=True))

    async with lab.step("before a restart Expressway-E shows the old certificate, which Expressway-C trusts as ever"):
        async with lab.fault(CUT):
            await lab.expect(ZoneState(node="expc", zone=ZONE, state=other_than("TLS: Active")), within=seconds(300))
        await lab.expect(ZoneState(node="expc", zone=ZONE, state=ACTIVE), within=seconds(300))
        lab.check(not lab.matches(TlsRefused(node="expc")), "nobody refused a certificate")

    async with lab.step("Expressway-E is restarted, Expressway-C is not: the new CA is in its list without effect"):
        await lab.restart("expe")
        await lab.expect(
            TlsRefused(node="expc", peer="expe", port=7001, reason=containing("verify failed")), within=130
        )
        await lab.expect(TlsRefused(node="expe", peer="expc", port=7001, alert="unknown ca"))
        await lab.expect(ZoneState(node="expc", zone=ZONE, state=FAILED))

    async with lab.step("Expressway-C is restarted, too"):
        await lab.restart("expc")
        await lab.expect(ZoneState(node="expc", zone=ZONE, state=ACTIVE), within=seconds(30))
        await lab.settle()

    async with lab.step("alice signs in; Jabber asks her about a CA that her system does not know"):
        alice.accept_untrusted = True
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))


@scenario(shows=["CERT-02", "CERT-14"], mutations=[Setting("defaults.tls.restarted_for_unified_cm", [])])
async def another_ca_for_the_inside(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Expressway-C gets a certificate by another CA: every server that asks for it trusts it after its restarts."""
    refused = TlsRefused(node="ucm-pub", peer="expc", port=6972, reason=containing("verify failed"))

    async with lab.step("a certificate by another CA on Expressway-C; its CA goes to all who ask C for a certificate"):
        csr = await lab.request("expc")
        lab.check(await lab.upload_certificate("expc", await lab.sign(csr.pem, by="private")), "Expressway-C takes it")
        await lab.upload_trust("expe", "trusted-ca", "private")
        for store in ("tomcat-trust", "callmanager-trust"):
            await lab.upload_trust("ucm-pub", store, "private")
        for store in ("tomcat-trust", "cup-xmpp-trust"):
            await lab.upload_trust("imp-pub", store, "private")

    async with lab.step("both Expressways are restarted: the zone is up, the XMPP link is not"):
        await lab.restart("expe")
        await lab.restart("expc")
        await lab.expect(ZoneState(node="expc", zone=ZONE, state=ACTIVE), within=seconds(30))
        await lab.expect(TlsRefused(node="imp-pub", peer="expc", port=7400), within=seconds(30))
        await lab.expect(TlsRefused(node="expc", peer="imp-pub", port=7400, alert="unknown ca"))

    async with lab.step("alice signs in: 6972 refuses Expressway-C's certificate, no configuration file, no phone"):
        lift = lab.never(Registered(device="CSFALICE"))
        await alice.sign_in()
        await lab.expect(refused)
        await lab.expect(TlsRefused(node="expc", peer="ucm-pub", port=6972, alert="unknown ca"))
        await lab.expect(HttpResponse(node=alice.machine, status=502))

    for service in ("Cisco Tomcat", "Cisco CallManager"):
        async with lab.step(f"{service} is restarted: not enough for 6972"):
            await lab.restart_service("ucm-pub", service)
            await lab.expect(ServiceRestarted(node="ucm-pub", service=service))
            await alice.sign_out()
            await alice.sign_in()
            await lab.expect(refused)
    lift()

    async with lab.step("HAProxy, before 6972, is restarted: the configuration file comes, the phone registers"):
        await lab.restart_service("ucm-pub", "HAProxy")
        await alice.sign_out()
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))

    async with lab.step("IM and Presence: its XCP router is restarted, and the XMPP link comes up"):
        await lab.restart_service("imp-pub", "XCP Router")
        await lab.expect(XcpLink(node="expc", peer="imp-pub", state="up"), within=seconds(60))
        await alice.sign_out()
        await alice.sign_in()
        await lab.expect(XmppSession(node="imp-pub", jid=containing("alice@"), state="bound"))
        await bob.sign_in()
        await lab.expect(Registered(device="CSFBOB"))


@scenario(
    shows="CERT-14",
    changes={"trust": [{"host": "expc", "store": "trusted-ca", "pending": ["public"]}]},
    breaks="CERT-14.not-restarted",
    mutations=[Setting("trust", [])],
)
async def expressway_not_restarted(lab: Lab, alice: JabberUser) -> None:
    """The CA of Expressway-E is uploaded to Expressway-C: the zone stays down until Expressway-C restarts."""
    async with lab.step("alice signs in, and her phone does not register"):
        lift = lab.never(Registered(device="CSFALICE"))
        await alice.sign_in()
        await lab.symptom("CERT-14.not-restarted")
        lift()

    async with lab.step("Expressway-C is restarted"):
        await lab.restart("expc")
        await lab.settle()
        await alice.sign_out()
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))


@scenario(
    shows="CERT-02",
    changes={"trust": BOTH_STORES},
    breaks="CERT-02.not-restarted",
    mutations=[Setting("trust", [])],
)
async def unified_cm_not_restarted(lab: Lab, alice: JabberUser) -> None:
    """The CA of Expressway-C is in both trust stores of Unified CM, which was not restarted: 6972 refuses it."""
    async with lab.step("alice signs in, and gets no configuration file"):
        lift = lab.never(Registered(device="CSFALICE"))
        await alice.sign_in()
        await lab.symptom("CERT-02.not-restarted")
        lift()

    async with lab.step("Tomcat, CallManager and TFTP are restarted; HAProxy restarts along with TFTP"):
        for service in ("Tomcat", "CallManager", "TFTP"):
            await lab.restart_service("ucm-pub", service)
        await lab.expect(ServiceRestarted(node="ucm-pub", service="Cisco HAProxy"))
        await alice.sign_out()
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))


@scenario(
    shows="CERT-03",
    changes={"trust": [{"host": "imp-pub", "store": "cup-xmpp-trust", "pending": ["enterprise"]}]},
    breaks="CERT-03.not-restarted",
    mutations=[Setting("trust", [])],
)
async def im_presence_not_restarted(lab: Lab, alice: JabberUser) -> None:
    """The root of Expressway-C waits in cup-xmpp-trust: the XMPP link comes up when the XCP router is restarted."""
    async with lab.step("alice signs in, and has a phone alone"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))
        await lab.symptom("CERT-03.not-restarted")

    async with lab.step("Cisco XCP Router is restarted"):
        await lab.restart_service("imp-pub", "Cisco XCP Router")
        await lab.expect(XcpLink(node="expc", peer="imp-pub", state="up"), within=seconds(60))
        await alice.sign_out()
        await alice.sign_in()
        await lab.expect(XmppSession(node="imp-pub", jid=containing("alice@"), state="bound"))
