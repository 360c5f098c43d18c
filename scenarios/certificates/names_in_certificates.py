"""Names that the certificates of the Expressways need: profiles, clusters, domains, chat node aliases."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    ClientState,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Mutation,
    Registered,
    Setting,
    SipRequest,
    SipResponse,
    TlsRefused,
    TlsUp,
    XmppSession,
    ZoneState,
    containing,
    one_of,
    scenario,
)

SOUND = Setting("certificates", [])


def without(host: str, *names: str) -> dict[str, Any]:
    """Return an Expressway's certificate that lacks names which its CSR offers."""
    return {"host": host, "service": "server", "without_names": list(names)}


# ---- Expressway-C: phone security profiles

PROFILE = "jabber.secure.example.com"
SECURE: dict[str, Any] = {
    "unified_cm.0.mixed_mode": True,
    "unified_cm.0.security_profiles": [{}, {"name": PROFILE, "mode": "encrypted", "transport": "TLS"}],
    "devices": [{"name": "CSFALICE", "security_profile": PROFILE}],
}


@scenario(
    shows="CERT-10",
    changes=SECURE,
    mutations=[Setting("certificates", [without("expc", PROFILE)]), Setting("unified_cm.0.mixed_mode", False)],
)
async def secure_device(lab: Lab, alice: JabberUser) -> None:
    """An encrypted device registers over 5061: its file says so, and C's certificate names its security profile."""
    async with lab.step("alice signs in; her device file says that the device is secure"):
        await alice.sign_in()
        secured = containing("<transportLayerProtocol>3</transportLayerProtocol>")
        await lab.expect(HttpResponse(node=alice.machine, status=200, payload=secured))
        await lab.expect(SipRequest(node="expe", method="REGISTER", uri=containing("transport=tls")))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc", contact=containing(":5061")))
    await lab.expect(TlsUp(node="ucm-pub", peer="expc", port=5061, peer_names=containing(PROFILE)))


@scenario(
    shows="CERT-10",
    changes={**SECURE, "certificates": [without("expc", PROFILE)]},
    breaks="CERT-10.profile-name",
    mutations=[SOUND],
)
async def security_profile_missing_in_san(lab: Lab, alice: JabberUser) -> None:
    """C's certificate lacks the profile's name: Unified CM closes the TLS connection, and no SIP is exchanged."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in: she gets her files, and does not register"):
        await alice.sign_in()
        await lab.expect(HttpRequest(node="ucm-pub", peer="expc", target="/CSFALICE.cnf.xml"))
        await lab.symptom("CERT-10.profile-name")
        await lab.expect(XmppSession(jid=containing("alice@"), state="bound"))


# ---- Expressway-C: the name that E's zone verifies

EDGES = one_of("expe1", "expe2")
CLUSTER = "cluster-c.inside.example.com"


@scenario(
    shows="CERT-10",
    deployment="pair",
    mutations=[Setting("certificates", [without("expc1", CLUSTER), without("expc2", CLUSTER)])],
)
async def cluster_name_in_san(lab: Lab, alice: JabberUser) -> None:
    """Both peers of a clustered C have the cluster's name in the SAN: E's TLS verify subject name is satisfied."""
    for core in ("expc1", "expc2"):
        await lab.expect(TlsUp(node=EDGES, peer=core, port=7001, peer_names=containing(CLUSTER)))
        await lab.expect(ZoneState(node=core, zone="UCTraversal", state="TLS: Active"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))


@scenario(
    shows="CERT-10",
    deployment="pair",
    changes={"certificates": [without("expc1", CLUSTER), without("expc2", CLUSTER)]},
    breaks="CERT-10.cluster-name",
    mutations=[SOUND, Setting("traversal_zone.tls_verify_subject_name", "expc1.inside.example.com")],
)
async def cluster_name_missing_in_san(lab: Lab, alice: JabberUser) -> None:
    """The peers' certificates name themselves alone: both zones fail by identity."""
    lab.never(ZoneState(node=one_of("expc1", "expc2"), zone="UCTraversal", state="TLS: Active"))
    await lab.symptom("CERT-10.cluster-name")
    async with lab.step("alice signs in, without a phone"):
        await alice.sign_in()
        await lab.expect(SipResponse(node=alice.machine, peer=EDGES, status=503, method="REGISTER"))


# ---- both: chat node aliases, for federated group chat

FEDERATED: dict[str, Any] = {
    "domains.enabled": [{"name": "example.com", "xmpp_federation": True}],
    "im_presence.0.chat_aliases": ["conference-1.example.com"],
}
ALIAS = "conference-1.example.com"


@scenario(
    shows=("CERT-10", "CERT-11"),
    changes=FEDERATED,
    mutations=[
        Setting("certificates", [without("expc", ALIAS)]),
        Setting("certificates", [without("expe", ALIAS)]),
        Setting("domains.enabled", [{"name": "example.com"}]),
    ],
)
async def chat_aliases_in_both_certificates(lab: Lab, alice: JabberUser) -> None:
    """Where a domain federates, both Expressways show certificates with the chat node aliases."""
    await lab.expect(TlsUp(node="expe", peer="expc", port=7001, peer_names=containing(ALIAS)))
    await lab.expect(TlsUp(node="expc", peer="expe", port=7001, peer_names=containing(ALIAS)))
    async with lab.step("one's own users chat"):
        await alice.sign_in()
        await lab.expect(XmppSession(jid=containing("alice@"), state="bound"))


@scenario(
    shows="CERT-10",
    changes={**FEDERATED, "certificates": [without("expc", ALIAS)]},
    breaks="CERT-10.chat-alias",
    mutations=[SOUND],
)
async def chat_alias_missing_in_san_of_c(lab: Lab) -> None:
    """The certificate that C shows lacks the alias."""
    lab.never(TlsUp(node="expe", peer="expc", peer_names=containing(ALIAS)))
    await lab.symptom("CERT-10.chat-alias")


@scenario(
    shows="CERT-11",
    changes={**FEDERATED, "certificates": [without("expe", ALIAS)]},
    breaks="CERT-11.chat-alias",
    mutations=[SOUND],
)
async def chat_alias_missing_in_san_of_e(lab: Lab) -> None:
    """The certificate that E shows lacks the alias."""
    lab.never(TlsUp(node="expc", peer="expe", peer_names=containing(ALIAS)))
    await lab.symptom("CERT-11.chat-alias")


# ---- Expressway-E: federation domains

TWO_DOMAINS: dict[str, Any] = {
    "domains.enabled": [
        {"name": "example.com"},
        {"name": "partners.example", "unified_cm_registrations": False, "im_and_presence": False,
         "xmpp_federation": True},
    ],
    "im_presence.0.chat_aliases": [],
    "dns.without": [{"view": "outside", "name": "_collab-edge._tls.partners.example", "type": "SRV"}],
}  # fmt: skip


@scenario(
    shows="CERT-11",
    changes=TWO_DOMAINS,
    mutations=[Setting("certificates", [without("expe", "partners.example")])],
)
async def federation_domain_in_san(lab: Lab) -> None:
    """E's certificate names the domain that federates."""
    await lab.expect(TlsUp(node="expc", peer="expe", port=7001, peer_names=containing("partners.example")))


@scenario(
    shows="CERT-11",
    changes={**TWO_DOMAINS, "certificates": [without("expe", "partners.example")]},
    breaks="CERT-11.federation-domain",
    mutations=[SOUND],
)
async def federation_domain_missing_in_san(lab: Lab, alice: JabberUser) -> None:
    """E's certificate lacks it: one's own users do not notice."""
    await lab.symptom("CERT-11.federation-domain")
    async with lab.step("alice signs in as ever"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))
        await lab.expect(XmppSession(jid=containing("alice@"), state="bound"))


# ---- Expressway-E: registration domains

NO_DOMAIN = {"certificates": [without("expe", "example.com")]}
FORMS: list[Mutation] = [
    Setting("certificates", [{"host": "expe", "service": "server", "names": ["expe.example.com"]}])
]


@scenario(shows="CERT-11", changes=NO_DOMAIN, breaks="CERT-11.registration-domain", mutations=[SOUND])
async def registration_domain_missing_in_san(lab: Lab, alice: JabberUser) -> None:
    """E's certificate lacks the domain: Jabber asks, the user declines, and no request is sent."""
    lab.never(HttpRequest(node="expe", peer=alice.machine))
    async with lab.step("alice signs in and declines"):
        await alice.sign_in()
        await lab.symptom("CERT-11.registration-domain")
        await lab.expect(
            ClientState(node=alice.machine, outcome="failed", detail=containing("CERTIFICATE_VALIDATION_ERROR"))
        )


@scenario(
    shows="CERT-11",
    changes=NO_DOMAIN,
    breaks="CERT-11.registration-domain",
    mutations=[Setting("defaults.client.invalid_certificate", "refuse"), SOUND],
)
async def registration_domain_missing_and_accepted(lab: Lab, alice: JabberUser) -> None:
    """The same, and the user accepts: the sign-in continues."""
    alice.accept_untrusted = True
    async with lab.step("alice signs in and accepts"):
        await alice.sign_in()
        await lab.symptom("CERT-11.registration-domain")
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE"))


@scenario(
    shows=("CERT-11", "EP-02"),
    changes={**NO_DOMAIN, "defaults.client.invalid_certificate": "refuse"},
    breaks="CERT-11.registration-domain",
    mutations=[Setting("defaults.client.invalid_certificate", "prompt")],
)
async def registration_domain_missing_and_refused_by_policy(lab: Lab, alice: JabberUser) -> None:
    """With InvalidCertificateBehavior RejectAndNotify, Jabber refuses without asking the user."""
    alice.accept_untrusted = True
    lab.never(HttpRequest(node="expe", peer=alice.machine))
    async with lab.step("alice signs in, and would accept"):
        await alice.sign_in()
        await lab.symptom("CERT-11.registration-domain")


@scenario(
    shows="CERT-11",
    changes={"certificates": [{"host": "expe", "service": "server", "registration_domain_form": "CollabEdgeDNS"}]},
    mutations=FORMS,
)
async def registration_domain_as_collab_edge_name(lab: Lab, alice: JabberUser) -> None:
    """The domain is in the certificate as collab-edge.example.com, which is accepted."""
    lab.never(TlsRefused(node=alice.machine))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(TlsUp(node=alice.machine, peer="expe", port=8443, peer_names=containing("collab-edge.")))
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE"))


@scenario(
    shows="CERT-11",
    changes={"certificates": [{"host": "expe", "service": "server", "registration_domain_form": "SRVName"}]},
    mutations=FORMS,
)
async def registration_domain_as_srv_name(lab: Lab, alice: JabberUser) -> None:
    """Or as the SRV name _collab-edge._tls.example.com, as older releases wrote it."""
    lab.never(TlsRefused(node=alice.machine))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE"))
