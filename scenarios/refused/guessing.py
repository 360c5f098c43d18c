"""Guessing a password: what Expressway-E's automated intrusion protection does about an address that fails too often.

"More than 5" failures are too many, as "MRA Deployment Guide X12.5, Troubleshooting" counts: the sixth blocks. The host
then gets no response from this peer ("Expressway Administrator Guide X15.5, Network and System Settings").
"""

from __future__ import annotations

from edgesim.scenario import (
    AddressBlocked,
    AddressUnblocked,
    ClientState,
    ConnectionsRefused,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    containing,
    scenario,
)
from edgesim.world import Capability

TOLERATED, BLOCK_S = 5, 600
PATIENCE = 35
"""Seconds within which a sign-in without any answer ends."""
PROTECTION = "defaults.protection"


@scenario(
    needs=[Capability.DROP_SILENTLY],
    mutations=[
        Setting(f"{PROTECTION}.intrusion_protection_on_e", False),
        Setting(f"{PROTECTION}.trigger_level", TOLERATED + 1),
        Setting(f"{PROTECTION}.trigger_level", TOLERATED - 1),
        Setting(f"{PROTECTION}.block_s", BLOCK_S // 2),
        Setting(f"{PROTECTION}.blocked", "reset"),
    ],
    limit=2000,
)
async def sixth_wrong_password_blocks_the_address(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """The sixth wrong password blocks the address for ten minutes: no client there gets an answer. Others continue."""
    me = alice.machine
    address = alice.address
    blocked = AddressBlocked(node="expe", address=address, reason="HTTP proxy authorization failure", seconds=BLOCK_S)

    refused = HttpResponse(node=me, peer="expe", status=401)

    async with lab.step("alice's machine tries five passwords"):
        for number in range(TOLERATED):
            await alice.sign_in(f"guess-{number}")
        lab.check(len(lab.matches(refused)) == TOLERATED, "each has its answer")
        lab.check(lab.match(blocked) is None, "five failures do not block it")

    async with lab.step("the sixth is one too many"):
        await alice.sign_in("guess-again")
        block = await lab.expect(blocked)
        await lab.expect(refused)

    async with lab.step("the good password meets silence"):
        signed = await alice.sign_in()
        lab.check(not signed.phone and not signed.chat, "nothing comes of it")
        await lab.expect(ClientState(node=me, outcome="failed", detail=containing("no response")), after=block)
        await lab.expect(ConnectionsRefused(node="expe", reason="the address is blocked"), after=block)

    async with lab.step("bob signs in from another address"):
        await bob.sign_in()
        await lab.expect(Registered(device="CSFBOB"))

    async with lab.step("alice's machine is still blocked at the end of the ten minutes"):
        await lab.wait(block.at + BLOCK_S - PATIENCE - lab.now)
        signed = await alice.sign_in()
        lab.check(not signed.phone and not signed.chat, "nothing comes of it")

    async with lab.step("afterwards alice signs in"):
        await lab.wait(block.at + BLOCK_S - lab.now)
        await alice.sign_in()
        await lab.expect(AddressUnblocked(node="expe", address=address))
        await lab.expect(Registered(device="CSFALICE"))
