"""Trust in Expressway-C: Unified CM's two stores, in mixed mode or not, and those of IM and Presence."""

from __future__ import annotations

from edgesim.scenario import (
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipRequest,
    TlsRefused,
    TlsUp,
    XcpLink,
    XmppSession,
    ZoneState,
    containing,
    scenario,
    seconds,
)


def lacks(host: str, store: str, *names: str) -> dict[str, object]:
    """Return a trust store without some entries."""
    return {"host": host, "store": store, "lacks": list(names)}


SOUND = Setting("trust", [])
ONE_CM: dict[str, object] = {"unified_cm.0.subscribers": []}


async def no_files(lab: Lab, alice: JabberUser, rule: str) -> None:
    """Alice signs in, and gets no configuration file: 8443 works, 6972 does not."""
    me = alice.machine
    lab.never(HttpRequest(node="ucm-pub", target=containing(".xml")))
    lab.never(SipRequest(node="expe", peer=me))
    async with lab.step("alice signs in; Tomcat's port asks for no certificate"):
        await alice.sign_in()
        await lab.expect(TlsUp(node="ucm-pub", peer="expc", port=8443, peer_subject=None))
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/cucm-uds/user/alice"))
        await lab.expect(HttpResponse(node=me, status=200, target=containing("/cucm-uds/user/alice/devices")))
        await lab.symptom(rule)
        await lab.expect(HttpResponse(node=me, status=502, target=containing("/CSFALICE.cnf.xml")))
        await lab.expect(XmppSession(node="imp-pub", jid=containing("alice@"), state="bound"))


@scenario(
    shows="CERT-01",
    changes={"trust": [lacks("ucm-pub", "callmanager-trust", "enterprise")]},
    breaks="CERT-01.callmanager-trust",
    mutations=[SOUND],
)
async def root_missing_in_callmanager_trust(lab: Lab, alice: JabberUser) -> None:
    """CallManager-trust lacks the root of C's certificate: signed in, and no configuration file."""
    await no_files(lab, alice, "CERT-01.callmanager-trust")


@scenario(
    shows="CERT-01",
    changes={"trust": [lacks("ucm-pub", "tomcat-trust", "enterprise")]},
    breaks="CERT-01.tomcat-trust",
    mutations=[SOUND],
)
async def root_missing_in_tomcat_trust(lab: Lab, alice: JabberUser) -> None:
    """Tomcat-trust lacks the root of C's certificate: the same, for both stores have to hold it."""
    await no_files(lab, alice, "CERT-01.tomcat-trust")


@scenario(
    shows=("CERT-01", "CERT-05"),
    mutations=[
        Setting("trust", [lacks("ucm-pub", "callmanager-trust", "enterprise")]),
        Setting("trust", [lacks("ucm-pub", "tomcat-trust", "enterprise-issuing")]),
    ],
)
async def chain_in_both_stores(lab: Lab, alice: JabberUser) -> None:
    """Root and intermediate in both stores, no mixed mode: C shows its certificate on 6972, and gets the files."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(TlsUp(node="ucm-pub", peer="expc", port=6972, peer_subject=containing("expc.inside")))
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/CSFALICE.cnf.xml"))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"))


@scenario(
    shows="CERT-05",
    changes={"trust": [lacks("ucm-pub", "callmanager-trust", "enterprise-issuing")]},
    breaks="CERT-05.intermediate",
    mutations=[SOUND],
)
async def intermediate_missing_in_callmanager_trust(lab: Lab, alice: JabberUser) -> None:
    """Not in secure mode, root only: C sends its leaf alone, 8443 works and 6972 fails."""
    await no_files(lab, alice, "CERT-05.intermediate")


@scenario(
    shows="CERT-05",
    changes={"trust": [lacks("ucm-pub", "tomcat-trust", "enterprise-issuing")]},
    breaks="CERT-05.intermediate",
    mutations=[SOUND],
)
async def intermediate_missing_in_tomcat_trust(lab: Lab, alice: JabberUser) -> None:
    """The same where the other store lacks it."""
    await no_files(lab, alice, "CERT-05.intermediate")


@scenario(
    shows="CERT-05",
    changes={
        "trust": [lacks("ucm-pub", "callmanager-trust", "enterprise-issuing")],
        "certificates": [{"host": "expc", "service": "server", "sends": "chain"}],
    },
    mutations=[Setting("certificates", [])],
)
async def intermediate_sent_along(lab: Lab, alice: JabberUser) -> None:
    """Were C to send its chain, the root would do."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(TlsUp(node="ucm-pub", peer="expc", port=6972))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"))


@scenario(
    shows="CERT-05",
    changes={
        "expressway_c.expc.release": "X14.0.1",
        "expressway_e.expe.release": "X14.0.1",
        "trust": [lacks("ucm-pub", "callmanager-trust", "enterprise-issuing")],
    },
    breaks="CERT-05.intermediate",
    mutations=[Setting("expressway_c.expc.release", "X14.0.2")],
)
async def older_c_shows_no_certificate(lab: Lab, alice: JabberUser) -> None:
    """Before X14.0.2 the proxy shows no certificate on 6972: what is missing goes unnoticed until the upgrade."""
    lab.never(TlsRefused(port=6972))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(TlsUp(node="ucm-pub", peer="expc", port=6972, peer_subject=None))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"))


# ---- mixed mode


MIXED = {"unified_cm.0.mixed_mode": True, **ONE_CM}


@scenario(
    shows="CERT-01",
    changes=MIXED,
    mutations=[
        Setting("trust", [lacks("ucm-pub", "callmanager-trust", "expc/server")]),
        Setting("trust", [lacks("ucm-pub", "tomcat-trust", "expc/server")]),
    ],
)
async def certificate_itself_in_mixed_mode(lab: Lab, alice: JabberUser) -> None:
    """In mixed mode both stores hold C's own certificate: files on 6972, and the zone to 5061 is up."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/CSFALICE.cnf.xml"))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"))
    await lab.expect(ZoneState(node="expc", zone=containing("CEtls-ucm-pub"), state="TLS: Active"))
    await lab.expect(TlsUp(node="ucm-pub", peer="expc", port=5061, peer_subject=containing("expc.inside")))


@scenario(
    shows="CERT-01",
    changes={**MIXED, "trust": [lacks("ucm-pub", "callmanager-trust", "expc/server")]},
    breaks="CERT-01.callmanager-trust",
    mutations=[SOUND],
)
async def own_certificate_missing_in_callmanager_trust(lab: Lab, alice: JabberUser) -> None:
    """In mixed mode C's CAs alone are not enough: 5061 and 6972 refuse C with the alert unknown CA."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-01.callmanager-trust")


@scenario(
    shows="CERT-01",
    changes={**MIXED, "trust": [lacks("ucm-pub", "tomcat-trust", "expc/server")]},
    breaks="CERT-01.tomcat-trust",
    mutations=[SOUND],
)
async def own_certificate_missing_in_tomcat_trust(lab: Lab, alice: JabberUser) -> None:
    """The same in Tomcat-trust: secure SIP works, the files do not."""
    await lab.expect(ZoneState(node="expc", zone=containing("CEtls-ucm-pub"), state="TLS: Active"))
    await no_files(lab, alice, "CERT-01.tomcat-trust")


# ---- IM and Presence


async def no_chat(lab: Lab, alice: JabberUser, rule: str) -> None:
    """Alice's phone registers, and chat does not come up."""
    lab.never(XmppSession(node="imp-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE"))
        await lab.expect(HttpRequest(node="imp-pub", peer="expc", target="/EPASSoap/service/v80"))
        await lab.symptom(rule)


@scenario(
    shows="CERT-03",
    changes={"trust": [lacks("imp-pub", "cup-xmpp-trust", "enterprise")]},
    breaks="CERT-03.cup-xmpp-trust",
    mutations=[SOUND],
)
async def root_missing_in_cup_xmpp_trust(lab: Lab, alice: JabberUser) -> None:
    """IM and Presence refuses C's link on 7400: SOAP answers, XMPP has no server."""
    await no_chat(lab, alice, "CERT-03.cup-xmpp-trust")


@scenario(
    shows="CERT-03",
    changes={"trust": [lacks("imp-pub", "tomcat-trust", "enterprise")]},
    breaks="CERT-03.tomcat-trust",
    mutations=[SOUND],
)
async def root_missing_in_tomcat_trust_of_im_presence(lab: Lab, alice: JabberUser) -> None:
    """The root has to be in tomcat-trust as well."""
    await no_chat(lab, alice, "CERT-03.tomcat-trust")


@scenario(
    shows="CERT-03",
    mutations=[
        Setting("trust", [lacks("imp-pub", "cup-xmpp-trust", "enterprise")]),
        Setting("trust", [lacks("imp-pub", "tomcat-trust", "enterprise")]),
    ],
)
async def root_in_both_stores_of_im_presence(lab: Lab, alice: JabberUser) -> None:
    """With C's chain in both stores the link is up, and chat works."""
    await lab.expect(TlsUp(node="imp-pub", peer="expc", port=7400, peer_subject=containing("expc.inside")))
    await lab.expect(XcpLink(node="imp-pub", peer="expc", state="up"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(XmppSession(node="imp-pub", jid=containing("alice@"), state="bound"), within=seconds(10))
