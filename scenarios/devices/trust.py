"""What phones and room devices require of Expressway-E's certificate, and how each fails without a user to ask."""

from __future__ import annotations

from edgesim.scenario import (
    Client,
    ClientState,
    HttpRequest,
    Lab,
    PhoneUser,
    Registered,
    RoomUser,
    Setting,
    TlsRefused,
    TlsUp,
    containing,
    one_of,
    scenario,
    seconds,
)

PHONE, DX, CODEC, DX_ON_CE = "SEP00005E005301", "SEP00005E005303", "SEP00005E005304", "SEP00005E005305"
PRIVATE_CA = [{"host": "expe", "service": "server", "signed_by": "enterprise", "sends": "chain"}]
EDGE = "expe.example.com"
PUBLIC_CA = Setting("certificates", [])
NO_RETRY = Setting("defaults.client.room_retry_s", 1_000_000.0)
CODEC_ALONE = [{"name": "room-1", "address": "198.51.100.44", "device": CODEC}]
GIVEN_TO_THE_ROOMS = [{"host": room, "store": "ca-list", "adds": ["enterprise"]} for room in ("room-1", "room-2")]
PHONE_SEAT, ROOM_SEAT = Client(platform="phone"), Client(platform="room")


@scenario(
    shows=["EP-02", "EP-06", "EP-08"],
    deployment="devices",
    clients={"alice": PHONE_SEAT, "dave": ROOM_SEAT},
    mutations=[
        Setting("certificates", PRIVATE_CA),
        Setting("trust", [{"host": "room-1", "store": "ca-list", "holds": []}]),
    ],
)
async def public_ca(lab: Lab, alice: PhoneUser, dave: RoomUser) -> None:
    """A public CA signed Expressway-E's certificate: phone and codec have it in their lists, and register."""

    async def phone() -> None:
        async with lab.step("the phone signs in"):
            await alice.sign_in()
            await lab.expect(TlsUp(node="phone-1", role="client", port=8443))
            agent = containing("User-Agent: Cisco-CP8845/12.8.1\r\n")
            await lab.expect(HttpRequest(node="expe", peer="phone-1", payload=agent))
            await lab.expect(HttpRequest(node="ucm-pub", target=f"/{PHONE}.cnf.xml"))
            await lab.expect(Registered(device=PHONE, user="alice", via="expc"))

    async def codec() -> None:
        async with lab.step("the codec signs in"):
            await dave.sign_in()
            await lab.expect(HttpRequest(node="expe", peer="room-1", payload=containing("User-Agent: Cisco/TC\r\n")))
            await lab.expect(HttpRequest(node="ucm-pub", target=f"/{CODEC}.cnf.xml"))
            await lab.expect(Registered(device=CODEC, user="dave", via="expc"))

    await lab.together(phone(), codec())


@scenario(
    shows="EP-06",
    deployment="devices",
    changes={"certificates": PRIVATE_CA, "clients": CODEC_ALONE},
    breaks="EP-06.ca-list",
    clients={"dave": ROOM_SEAT},
    mutations=[PUBLIC_CA, NO_RETRY],
)
async def codec_with_an_unknown_ca(lab: Lab, dave: RoomUser) -> None:
    """A codec refuses a CA that is not in its list, tries again every 15 s, and registers once the CA was added."""
    async with lab.step("the codec ends the handshake with an alert"):
        await dave.sign_in()
        first, _ = await lab.symptom("EP-06.ca-list")
        await lab.expect(ClientState(node="room-1", detail="EDGEProvisionUser: start retry timer for 15 seconds"))

    async with lab.step("it tries again, and again in vain"):
        again = await lab.expect(
            TlsRefused(node="expe", peer="room-1", alert="unknown ca"), within=seconds(16), after=first
        )
        lab.check(15 <= again.at - first.at < 16, "15 s from one attempt to the next")

    async with lab.step("an administrator adds the CA to the codec's list"):
        lab.fixed("EP-06.ca-list")
        await dave.add_ca("enterprise")
        await lab.expect(Registered(device=CODEC, user="dave"), within=seconds(18))


@scenario(
    shows="EP-08",
    deployment="devices",
    changes={"certificates": PRIVATE_CA, "trust": GIVEN_TO_THE_ROOMS},
    breaks="EP-08.built-in-list",
    clients={"alice": PHONE_SEAT, "carol": PHONE_SEAT, "erin": ROOM_SEAT},
    mutations=[
        PUBLIC_CA,
        Setting("certificates", [PRIVATE_CA[0] | {"sends": "leaf"}]),
        Setting("trust", []),
    ],
)
async def private_ca(lab: Lab, alice: PhoneUser, carol: PhoneUser, erin: RoomUser) -> None:
    """A private CA signed Expressway-E's certificate: an 8845 and a DX650 never get in, a DX70 on CE does, given it."""
    jabber = lab.client("alice")
    for phone in ("phone-1", "dx-1"):
        lab.never(TlsUp(node="expe", peer=phone))

    async def strangers() -> None:
        async with lab.step("a phone of the 8800 series and a DX with Android end the handshake, and say nothing"):
            await lab.together(alice.sign_in(), carol.sign_in())
            await lab.symptom("EP-08.built-in-list")
            for phone in ("phone-1", "dx-1"):
                await lab.expect(TlsRefused(node="expe", peer=phone, port=8443, alert="unknown ca"))

    async def given() -> None:
        async with lab.step("a DX70 on CE, to whose list the CA was added, registers"):
            await erin.sign_in()
            await lab.expect(Registered(device=DX_ON_CE, user="erin"))

    async def trusting() -> None:
        async with lab.step("so does Jabber, whose computer trusts the enterprise's CA"):
            await jabber.sign_in()
            await lab.expect(Registered(device="CSFALICE"))

    await lab.together(strangers(), given(), trusting())

    async with lab.step("the phones go on in vain"):
        await lab.none(Registered(device=one_of(PHONE, DX)), during=seconds(20))
        lab.check(await alice.attempts() > 1, "the phone tried again")


@scenario(
    shows="CERT-11",
    deployment="devices",
    changes={"certificates": [{"host": "expe", "service": "server", "without_names": ["example.com"]}]},
    breaks="CERT-11.edge-domain",
    clients={"alice": PHONE_SEAT, "dave": ROOM_SEAT},
    mutations=[PUBLIC_CA, Setting("defaults.client.edge_names", ["expe.{domain}"])],
)
async def edge_domain_missing_in_san(lab: Lab, alice: PhoneUser, dave: RoomUser) -> None:
    """Expressway-E's SAN lacks the edge domain: devices refuse the certificate, although they know the CA."""

    async def phone() -> None:
        async with lab.step("the phone ends the handshake"):
            await alice.sign_in()
            await lab.symptom("CERT-11.edge-domain")

    async def codec() -> None:
        async with lab.step("the codec does, and logs why"):
            await dave.sign_in()
            await lab.expect(TlsRefused(node="expe", peer="room-1", port=8443, alert="bad certificate"))
            why = "Edge domain 'example.com' and corresponding SRVName '_collab-edge._tls.example.com' not found"
            await lab.expect(ClientState(node="room-1", outcome="failed", detail=containing(why)))

    await lab.together(phone(), codec())

    async with lab.step("neither ever registers"):
        await lab.none(Registered(device=one_of(PHONE, CODEC)), during=seconds(20))


@scenario(
    shows="CERT-11",
    deployment="devices",
    changes={
        "certificates": [{"host": "expe", "service": "server", "names": [EDGE, "SRV:_collab-edge._tls.example.com"]}]
    },
    clients={"alice": PHONE_SEAT, "dave": ROOM_SEAT},
    mutations=[
        Setting("certificates.0.names", [EDGE]),
        Setting("certificates.0.names", [EDGE, "SRV:_collab-edge._tls.example.net"]),
    ],
)
async def edge_domain_as_srv_name(lab: Lab, alice: PhoneUser, dave: RoomUser) -> None:
    """Expressway-E's SAN has the edge domain as an SRV name only: that is enough for devices."""
    async with lab.step("phone and codec register"):
        await lab.together(alice.sign_in(), dave.sign_in())
        await lab.expect(Registered(device=PHONE))
        await lab.expect(Registered(device=CODEC))
