"""Client certificates on 8443: asked for only where activation-code onboarding is enabled, and never required."""

from __future__ import annotations

from edgesim.scenario import (
    Client,
    ClientState,
    JabberUser,
    Lab,
    Registered,
    RoomUser,
    Setting,
    TlsRefused,
    TlsUp,
    scenario,
    seconds,
)

CODEC, DX = "SEP00005E005304", "SEP00005E005305"
ROOM_SEAT = Client(platform="room")
ONBOARDING = "mra.access.activation_code_onboarding"
BY_HAND = [
    {"host": "room-1", "service": "client", "signed_by": "private"},
    {"host": "room-2", "service": "client", "signed_by": "enterprise-root"},
]
"""Certificates loaded into the codecs by hand, from two CAs: no CAPF reaches them over the edge."""
MTLS_LIST = [{"host": "expe", "store": "activation-code", "adds": ["private"]}]


@scenario(
    shows=["EP-07", "CERT-06", "CERT-15"],
    deployment="devices",
    changes={ONBOARDING: True, "certificates": BY_HAND, "trust": MTLS_LIST},
    breaks="CERT-15.client-certificate",
    clients={"dave": ROOM_SEAT, "erin": ROOM_SEAT},
    mutations=[
        Setting(ONBOARDING, False),
        Setting("trust", []),
        Setting("trust", [MTLS_LIST[0] | {"adds": ["private", "enterprise"]}]),
    ],
)
async def client_certificates(lab: Lab, dave: RoomUser, erin: RoomUser, alice: JabberUser) -> None:
    """Activation-code onboarding: a certificate by a CA of the mTLS list is taken, another refused, none is fine."""

    async def taken() -> None:
        async with lab.step("the certificate of dave's codec is by a CA that was appended to the list"):
            await dave.sign_in()
            await lab.expect(TlsUp(node="expe", peer="room-1", port=8443, peer_subject="room-1.example.com"))
            await lab.expect(Registered(device=CODEC, user="dave"))

    async def refused() -> None:
        async with lab.step("that of erin's device is by another: Expressway-E refuses it, and the device tries again"):
            await erin.sign_in()
            first, _ = await lab.symptom("CERT-15.client-certificate")
            await lab.expect(ClientState(node="room-2", outcome="failed"))
            await lab.expect(TlsRefused(node="expe", peer="room-2", role="server"), within=seconds(17), after=first)

    async def without() -> None:
        async with lab.step("Jabber has none"):
            await alice.sign_in()
            await lab.expect(TlsUp(node="expe", peer="jabber-1", port=8443, peer_subject=None))
            await lab.expect(Registered(device="CSFALICE"))

    await lab.together(taken(), refused(), without())


@scenario(
    shows="CERT-15",
    deployment="devices",
    changes={ONBOARDING: True, "certificates": [{"host": "jabber-1", "service": "client", "signed_by": "private"}]},
    breaks="CERT-15.client-certificate",
    clients={"dave": ROOM_SEAT},
    mutations=[Setting(ONBOARDING, False), Setting("trust", MTLS_LIST), Setting("certificates", [])],
)
async def client_certificate_of_a_computer(lab: Lab, alice: JabberUser, dave: RoomUser) -> None:
    """Activation-code onboarding asks all clients: a Jabber whose computer shows a certificate of another CA is out."""

    async def refused() -> None:
        async with lab.step("alice's computer has a certificate by a CA that nobody appended to the list"):
            await alice.sign_in()
            await lab.symptom("CERT-15.client-certificate")
            await lab.expect(ClientState(node="jabber-1", stage="edge configuration", outcome="failed"))

    async def without() -> None:
        async with lab.step("dave's codec has none, and registers"):
            await dave.sign_in()
            await lab.expect(Registered(device=CODEC, user="dave"))

    await lab.together(refused(), without())


@scenario(
    shows=["EP-07", "CERT-15"],
    deployment="devices",
    changes={"certificates": BY_HAND},
    breaks="CERT-15.without-onboarding",
    clients={"dave": ROOM_SEAT, "erin": ROOM_SEAT},
    mutations=[Setting(ONBOARDING, True)],
)
async def client_certificates_not_asked_for(lab: Lab, dave: RoomUser, erin: RoomUser) -> None:
    """Without activation-code onboarding no client certificate is requested, and the mTLS list does not matter."""
    async with lab.step("no CA of the codecs' certificates is in the list, and both register"):
        await lab.together(dave.sign_in(), erin.sign_in())
        await lab.symptom("CERT-15.without-onboarding")
        await lab.expect(Registered(device=CODEC))
        await lab.expect(Registered(device=DX))
