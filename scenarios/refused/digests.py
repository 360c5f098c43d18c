"""Digests that the edge must refuse: a well-behaved Jabber's messages are changed on the way."""

from __future__ import annotations

from edgesim.scenario import (
    Authentication,
    FaultFired,
    HostDown,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipRequest,
    SipResponse,
    containing,
    scenario,
    seconds,
)
from edgesim.world.faults import Rewrite, Selector

VERIFIED = "defaults.sip.service_identity_verified"
NO_PASSWORDS = Setting("mra.access.user_credential", False)


def _registers(alice: JabberUser) -> Selector:
    """Select only alice's REGISTER on its way to Expressway-E."""
    return Selector(source=alice.machine, target="expe", contains=b"REGISTER sip:")


async def _without_a_phone(lab: Lab, alice: JabberUser) -> None:
    """Sign in, with chat and without a phone."""
    signed = await alice.sign_in()
    lab.check(signed.chat and not signed.phone, "alice has chat and no phone")


async def _with_a_phone(lab: Lab, bob: JabberUser) -> None:
    """Sign bob in meanwhile, whose digest is not changed."""
    async with lab.step("bob's is good"):
        await bob.sign_in()
        await lab.expect(Registered(device="CSFBOB"))


@scenario(mutations=[NO_PASSWORDS, HostDown("expe")])
async def forged_digest(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """A digest for another password: Expressway-C refuses it to Expressway-E, and no REGISTER is forwarded."""
    lab.never(SipRequest(node="ucm-pub", method="REGISTER", key="user:alice"))
    lab.never(Registered(device="CSFALICE"))
    forge = Rewrite(name="another cnonce", where=_registers(alice), find=b'cnonce="', replace=b'cnonce="0')

    async def in_vain() -> None:
        async with lab.step("alice registers; her digest does not fit what it stands with"):
            async with lab.fault(forge):
                await _without_a_phone(lab, alice)
                await lab.expect(FaultFired(fault="another cnonce"))
            await lab.expect(SipRequest(node="expc", peer="expe", method="SERVICE", key="user:alice"))
            await lab.expect(Authentication(node="expc", user="alice", how="digest", granted=False))
            await lab.expect(SipResponse(node=alice.machine, peer="expe", status=407, method="REGISTER"))

    await lab.together(in_vain(), _with_a_phone(lab, bob))


@scenario(mutations=[NO_PASSWORDS, HostDown("expe")])
async def forged_nonce(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """A nonce that Expressway-E never issued: it challenges again, without asking a C about the digest."""
    lab.never(SipRequest(node="expc", method="SERVICE", key="user:alice"))
    lab.never(Registered(device="CSFALICE"))
    forge = Rewrite(name="another nonce", where=_registers(alice), find=b' nonce="', replace=b' nonce="f0')

    async def in_vain() -> None:
        async with lab.step("alice registers with a nonce of her own"):
            async with lab.fault(forge):
                await _without_a_phone(lab, alice)
                await lab.expect(FaultFired(fault="another nonce"))
            challenged = SipResponse(node=alice.machine, peer="expe", status=407, payload=containing("stale=FALSE"))
            await lab.expect(challenged)

    await lab.together(in_vain(), _with_a_phone(lab, bob))


@scenario(changes={VERIFIED: True}, mutations=[Setting(VERIFIED, False), HostDown("expe")])
async def service_with_another_signature(lab: Lab, alice: JabberUser) -> None:
    """SERVICE whose signature is not that of its text: Expressway-C answers no question about a password."""
    lab.never(Authentication(node="expc", user="alice", how="digest", granted=True))
    lab.never(Registered(device="CSFALICE"))
    where = Selector(target="expc", contains=b"SERVICE sip:")
    forge = Rewrite(name="another text", where=where, find=b"<caching-enabled>true", replace=b"<caching-enabled>TRUE")
    async with lab.step("alice registers; what Expressway-E signed is changed on its way"):
        async with lab.fault(forge):
            await _without_a_phone(lab, alice)
            await lab.expect(FaultFired(fault="another text"))
        unsigned = containing("Identity does not verify")
        await lab.expect(Authentication(node="expc", user="alice", how="digest", granted=False, detail=unsigned))


@scenario(mutations=[HostDown("expe")])
async def zone_with_another_password(lab: Lab) -> None:
    """OPTIONS of the traversal zone with a digest for another password: Expressway-E's zone never comes up."""
    where = Selector(target="expe", port=7001, contains=b"OPTIONS sip:")
    forge = Rewrite(name="another cnonce", where=where, find=b'cnonce="', replace=b'cnonce="0')
    async with lab.step("Expressway-C restarts, and its digests are forged from now on"), lab.fault(forge):
        await lab.restart("expc")
        await lab.expect(FaultFired(fault="another cnonce"), within=seconds(20))
        refused = SipResponse(node="expc", peer="expe", status=401, method="OPTIONS")
        await lab.expect(refused, within=seconds(20))
        lab.check(lab.match(SipResponse(node="expc", peer="expe", status=200, method="OPTIONS")) is None, "refused")
