"""How a codec is provisioned over the edge, and what keeps it from being."""

from __future__ import annotations

from edgesim.scenario import (
    Client,
    ClientState,
    DnsQuery,
    HttpRequest,
    HttpResponse,
    Lab,
    Registered,
    RoomUser,
    Setting,
    containing,
    scenario,
    seconds,
)

CODEC = "SEP00005E005304"
ROOM_SEAT = Client(platform="room")


@scenario(
    shows="EP-05",
    deployment="devices",
    changes={"clients.room-1.provisioning_mode": "CUCM"},
    breaks="EP-05.provisioning-mode",
    clients={"dave": ROOM_SEAT},
    mutations=[Setting("clients.room-1.provisioning_mode", "Edge")],
)
async def provisioning_mode(lab: Lab, dave: RoomUser) -> None:
    """A codec outside in any other mode than "Cisco UCM via Expressway" does nothing about MRA; in this one it does."""
    async with lab.step("the mode is Cisco UCM: the codec neither asks for the edge nor goes there"):
        await dave.sign_in()
        await lab.symptom("EP-05.provisioning-mode")
        await lab.wait(seconds(20))

    async with lab.step("an administrator sets it to Cisco UCM via Expressway"):
        lab.fixed("EP-05.provisioning-mode")
        await dave.set_mode("Edge")
        await dave.sign_in()
        await lab.expect(DnsQuery(peer="room-1", name=containing("_collab-edge._tls.example.com")))
        await lab.expect(Registered(device=CODEC, user="dave"))


@scenario(
    deployment="devices",
    changes={"users.dave.service_profile": None},
    breaks="EP-05.uds-server",
    clients={"dave": ROOM_SEAT, "erin": ROOM_SEAT},
    mutations=[
        Setting("users.dave.service_profile", "SPDefault"),
        Setting("defaults.client.room_retry_s", 1_000_000.0),
    ],
)
async def no_uds_server(lab: Lab, dave: RoomUser, erin: RoomUser) -> None:
    """No UC service profile, so no UDS server in the edge configuration: 200, and yet a codec starts over in 15 s."""

    async def without() -> None:
        async with lab.step("dave has no service profile: his codec is not content with the answer"):
            await dave.sign_in()
            first, _ = await lab.symptom("EP-05.uds-server")
            await lab.expect(ClientState(node="room-1", detail="EDGEProvisionUser: start retry timer for 15 seconds"))

        async with lab.step("it asks again after 15 s"):
            again = await lab.expect(HttpResponse(node="room-1", status=200), within=seconds(17), after=first)
            lab.check(again.at - first.at >= 15, "15 s from one answer to the next")

    async def with_one() -> None:
        async with lab.step("erin has one: hers registers"):
            await erin.sign_in()
            await lab.expect(HttpRequest(node="expe", peer="room-2", target=containing("get_edge_config/")))
            await lab.expect(Registered(device="SEP00005E005305", user="erin"))

    await lab.together(without(), with_one())
