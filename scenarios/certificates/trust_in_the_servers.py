"""Expressway-C's trust in Unified CM and IM and Presence, by CA or by their self-signed certificates."""

from __future__ import annotations

from edgesim.scenario import (
    Discovery,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    TlsRefused,
    TlsUp,
    XmppSession,
    ZoneState,
    containing,
    scenario,
)

ONE_CM: dict[str, object] = {"unified_cm.0.subscribers": []}


def signed(host: str, service: str, by: str = "private", **more: object) -> dict[str, object]:
    """Return a certificate with an unusual signer."""
    return {"host": host, "service": service, "signed_by": by, **more}


TOMCAT = [signed("ucm-pub", "tomcat")]
CALLMANAGER = [signed("ucm-pub", "callmanager")]
IMP_TOMCAT = [signed("imp-pub", "tomcat")]
CUP_XMPP = [signed("imp-pub", "cup-xmpp")]
PHONES = Registered(node="ucm-pub", device="CSFALICE", via="expc")
CHATS = XmppSession(node="imp-pub", jid=containing("alice@"), state="bound")
INSIDE = {"trust": [{"host": f"inside-{n}", "store": "system", "adds": ["private"]} for n in (1, 2)]}
"""Clients inside trust the private CA: these stories are about Expressway-C."""
TRUSTED = Setting("trust", [{"host": "expc", "store": "trusted-ca", "adds": ["private"]}])


@scenario(
    shows="CERT-04",
    changes={**ONE_CM, "certificates": TOMCAT, **INSIDE},
    breaks="CERT-04.unified-cm",
    mutations=[TRUSTED, Setting("certificates", [])],
)
async def root_of_unified_cm_not_trusted(lab: Lab, alice: JabberUser) -> None:
    """TLS verify mode On, and C does not trust Tomcat's root: discovery fails, says why, and no user can sign in."""
    lab.never(HttpRequest(node="ucm-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-04.unified-cm")


@scenario(
    shows="CERT-04",
    changes={**ONE_CM, "certificates": CALLMANAGER},
    breaks="CERT-04.unified-cm",
    mutations=[TRUSTED, Setting("certificates", [])],
)
async def root_of_callmanager_not_trusted(lab: Lab, alice: JabberUser) -> None:
    """Tomcat's root is trusted, CallManager's is not: 8443 works, and 6972 ends in 502."""
    lab.never(HttpRequest(node="ucm-pub", target=containing(".xml")))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-04.unified-cm")
        await lab.expect(CHATS)


MIXED: dict[str, object] = {**ONE_CM, "unified_cm.0.mixed_mode": True}
SECURE_ZONE = containing("CEtls-ucm-pub")


@scenario(
    shows="CERT-04",
    changes={**MIXED, "certificates": CALLMANAGER},
    breaks="CERT-04.unified-cm",
    mutations=[TRUSTED, Setting("certificates", []), Setting("mra.tls_verify_unified_cm", False)],
)
async def root_of_callmanager_not_trusted_for_secure_sip(lab: Lab, alice: JabberUser) -> None:
    """In mixed mode, C does not trust CallManager's root: it refuses 5061 itself, and its zone CEtls is down."""
    lab.never(TlsUp(node="expc", peer="ucm-pub", port=5061))
    refused = TlsRefused(node="expc", peer="ucm-pub", port=5061, reason=containing("certificate verify failed"))
    await lab.expect(refused)
    await lab.expect(TlsRefused(node="ucm-pub", peer="expc", port=5061, alert="unknown ca"))
    await lab.expect(ZoneState(node="expc", zone=SECURE_ZONE, state=containing("Failed")))
    async with lab.step("alice signs in: her files do not come either"):
        await alice.sign_in()
        await lab.symptom("CERT-04.unified-cm")


@scenario(
    shows="CERT-04",
    changes={**ONE_CM, "certificates": TOMCAT, **INSIDE, "mra.tls_verify_unified_cm": False},
    breaks="CERT-04.unified-cm",
    mutations=[TRUSTED, Setting("mra.verify_origin_server", False), Setting("expressway_c.expc.release", "X14.0.2")],
)
async def proxy_verifies_whatever_the_mode(lab: Lab, alice: JabberUser) -> None:
    """From X14.2 on C's proxy verifies servers even with TLS verify mode Off: discovery works, requests end in 502."""
    await lab.expect(Discovery(node="expc", product="Unified CM", state="active"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.machine, peer="expe", status=502, reason="connect failed"))
        await lab.symptom("CERT-04.unified-cm")


@scenario(
    shows="CERT-04",
    changes={
        **ONE_CM,
        "certificates": TOMCAT,
        **INSIDE,
        "mra.tls_verify_unified_cm": False,
        "mra.verify_origin_server": False,
    },
    mutations=[Setting("mra.verify_origin_server", True)],
)
async def verify_origin_server_off(lab: Lab, alice: JabberUser) -> None:
    """With EdgeConfigServer VerifyOriginServer Off and TLS verify mode Off, C takes any certificate."""
    lab.never(TlsRefused(node="expc", peer="ucm-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)


@scenario(
    shows="CERT-04",
    changes={
        **ONE_CM,
        "certificates": TOMCAT,
        **INSIDE,
        "mra.tls_verify_unified_cm": False,
        "expressway_c.expc.release": "X14.0.2",
        "expressway_e.expe.release": "X14.0.2",
    },
    mutations=[Setting("expressway_c.expc.release", "X14.2")],
)
async def older_proxy_verifies_nothing(lab: Lab, alice: JabberUser) -> None:
    """Before X14.2 the proxy does not verify servers whose TLS verify mode is Off."""
    lab.never(TlsRefused(node="expc", peer="ucm-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)


@scenario(
    shows="CERT-04",
    changes={"certificates": IMP_TOMCAT, **INSIDE},
    breaks="CERT-04.im-presence",
    mutations=[TRUSTED, Setting("certificates", [])],
)
async def root_of_im_presence_not_trusted(lab: Lab, alice: JabberUser) -> None:
    """C does not trust the root of IM and Presence's Tomcat: it finds no cluster, and refuses SOAP with 403."""
    lab.never(HttpRequest(node="imp-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)
        await lab.symptom("CERT-04.im-presence")


@scenario(
    shows="CERT-04",
    changes={"certificates": CUP_XMPP, **INSIDE},
    breaks="CERT-04.im-presence",
    mutations=[TRUSTED, Setting("certificates", [])],
)
async def root_of_cup_xmpp_not_trusted(lab: Lab, alice: JabberUser) -> None:
    """The same for cup-xmpp: SOAP works, C's link to 7400 fails."""
    lab.never(XmppSession(node="imp-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)
        await lab.symptom("CERT-04.im-presence")


@scenario(
    shows="CERT-04",
    changes={
        "certificates": [*TOMCAT, *CALLMANAGER, *IMP_TOMCAT, *CUP_XMPP],
        "trust": [*TRUSTED.value, *INSIDE["trust"]],
        **ONE_CM,
    },
    mutations=[Setting("trust", INSIDE["trust"])],
)
async def roots_of_the_servers_trusted(lab: Lab, alice: JabberUser) -> None:
    """Any CA will do, as long as C trusts its root."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)
        await lab.expect(CHATS)


# ---- self-signed

OWN = [
    signed("ucm-pub", "tomcat", "self-signed"),
    signed("ucm-pub", "callmanager", "self-signed", common_name="ucm-pub-callmanager"),
    signed("imp-pub", "tomcat", "self-signed"),
    signed("imp-pub", "cup-xmpp", "self-signed", common_name="imp-pub-cup-xmpp"),
]
SELF_SIGNED = {**ONE_CM, "certificates": OWN}


def without(entry: str) -> dict[str, object]:
    """Return the changes that leave one of the certificates out of C's list."""
    return {**SELF_SIGNED, "trust": [{"host": "expc", "store": "trusted-ca", "lacks": [entry]}]}


ABSENT = ("CERT-08.absent", "CERT-16.ca-signed")
HELD = Setting("trust", [])


@scenario(
    shows=("CERT-08", "CERT-16"),
    changes=SELF_SIGNED,
    breaks="CERT-16.ca-signed",
    mutations=[
        Setting("trust", [{"host": "expc", "store": "trusted-ca", "lacks": [entry]}])
        for entry in ("ucm-pub/tomcat", "ucm-pub/callmanager", "imp-pub/tomcat", "imp-pub/cup-xmpp")
    ],
)
async def self_signed_servers(lab: Lab, alice: JabberUser) -> None:
    """Unified CM and IM and Presence are self-signed, and C holds each certificate: everything works."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/CSFALICE.cnf.xml"))
        await lab.expect(PHONES)
        await lab.expect(CHATS)


@scenario(shows="CERT-08", changes=without("ucm-pub/tomcat"), breaks=ABSENT, mutations=[HELD])
async def self_signed_tomcat_absent(lab: Lab, alice: JabberUser) -> None:
    """Tomcat's own certificate is absent: discovery fails, no user can sign in."""
    lab.never(HttpResponse(node=alice.machine, status=200))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-08.absent")


@scenario(shows="CERT-08", changes=without("ucm-pub/callmanager"), breaks=ABSENT, mutations=[HELD])
async def self_signed_callmanager_absent(lab: Lab, alice: JabberUser) -> None:
    """CallManager's own certificate is absent: no configuration files, so no phone."""
    lab.never(HttpRequest(node="ucm-pub", target=containing(".xml")))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-08.absent")
        await lab.expect(CHATS)


@scenario(
    shows="CERT-08",
    changes={**without("ucm-pub/callmanager"), **MIXED},
    breaks=ABSENT,
    mutations=[HELD, Setting("mra.tls_verify_unified_cm", False)],
)
async def self_signed_callmanager_absent_for_secure_sip(lab: Lab, alice: JabberUser) -> None:
    """The same in mixed mode: C refuses CallManager on 5061, its zone CEtls is down, while that to 5060 is up."""
    await lab.expect(TlsRefused(node="expc", peer="ucm-pub", port=5061))
    await lab.expect(ZoneState(node="expc", zone=SECURE_ZONE, state=containing("Failed")))
    await lab.expect(ZoneState(node="expc", zone=containing("CEtcp-ucm-pub"), state="TCP: Active"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-08.absent")


@scenario(shows="CERT-08", changes=without("imp-pub/tomcat"), breaks=ABSENT, mutations=[HELD])
async def self_signed_im_presence_tomcat_absent(lab: Lab, alice: JabberUser) -> None:
    """IM and Presence's Tomcat is absent: its cluster is not found, so no chat."""
    lab.never(HttpRequest(node="imp-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)
        await lab.symptom("CERT-08.absent")


@scenario(shows="CERT-08", changes=without("imp-pub/cup-xmpp"), breaks=ABSENT, mutations=[HELD])
async def self_signed_cup_xmpp_absent(lab: Lab, alice: JabberUser) -> None:
    """IM and Presence's cup-xmpp is absent: no link to 7400, so no chat."""
    lab.never(XmppSession(node="imp-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)
        await lab.symptom("CERT-08.absent")


@scenario(
    shows="CERT-08",
    changes={
        **ONE_CM,
        "certificates": [signed("ucm-pub", service, "self-signed") for service in ("tomcat", "callmanager")],
    },
    breaks=("CERT-08.same-subject", "CERT-16.ca-signed"),
    mutations=[Setting("certificates", OWN[:2])],
)
async def self_signed_with_one_subject(lab: Lab, alice: JabberUser) -> None:
    """Tomcat and CallManager are self-signed with one common name: C sees the first in its list, the lower fails."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(TlsUp(node="expc", peer="ucm-pub", port=8443))
        await lab.symptom("CERT-08.same-subject")


@scenario(
    shows="CERT-08",
    changes={"certificates": [signed("imp-pub", service, "self-signed") for service in ("tomcat", "cup-xmpp")]},
    breaks=("CERT-08.same-subject", "CERT-16.ca-signed"),
    mutations=[Setting("certificates", OWN[2:])],
)
async def self_signed_im_presence_with_one_subject(lab: Lab, alice: JabberUser) -> None:
    """The same of IM and Presence: SOAP works, C's link to 7400 fails."""
    lab.never(XmppSession(node="imp-pub"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpRequest(node="imp-pub", peer="expc", target="/EPASSoap/service/v80"))
        await lab.symptom("CERT-08.same-subject")


@scenario(
    shows="CERT-08",
    changes={
        **ONE_CM,
        "certificates": OWN[:2],
        "trust": [{"host": "expc", "store": "trusted-ca", "lacks": ["ucm-pub/tomcat", "ucm-pub/callmanager"]}],
        "mra.tls_verify_unified_cm": False,
        "expressway_c.expc.release": "X14.0.2",
        "expressway_e.expe.release": "X14.0.2",
    },
    breaks="CERT-16.ca-signed",
    mutations=[Setting("expressway_c.expc.release", "X14.2")],
)
async def self_signed_before_x14_2(lab: Lab, alice: JabberUser) -> None:
    """Before X14.2, with TLS verify mode Off, C needs neither of the self-signed certificates."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(PHONES)
