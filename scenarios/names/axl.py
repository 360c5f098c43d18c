"""Expressway-C reads a cluster by AXL, from the publisher: what stops where the service does not run."""

from __future__ import annotations

from edgesim.scenario import (
    Discovery,
    HttpRequest,
    JabberUser,
    Lab,
    Registered,
    Setting,
    XmppSession,
    containing,
    scenario,
    seconds,
)


@scenario(
    shows="UC-03",
    changes={"unified_cm.cucm.publisher.axl": False},
    breaks="UC-03.axl",
    mutations=[Setting("unified_cm.cucm.publisher.axl", True)],
)
async def axl_stopped_on_unified_cm(lab: Lab, alice: JabberUser) -> None:
    """AXL does not run on the Unified CM publisher: Expressway-C reports it, and no user is authenticated."""
    lab.never(HttpRequest(node=containing("ucm-"), target=containing("/cucm-uds/")))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("UC-03.axl")


@scenario(
    shows="UC-03",
    changes={"im_presence.imp.publisher.axl": False},
    breaks="UC-03.axl",
    mutations=[Setting("im_presence.imp.publisher.axl", True)],
)
async def axl_stopped_on_im_presence(lab: Lab, alice: JabberUser) -> None:
    """AXL does not run on the IM and Presence database publisher: phone service works, chat does not."""
    lab.never(XmppSession(state="bound"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
    await lab.symptom("UC-03.axl")


@scenario(
    shows="UC-03",
    deployment="cluster",
    changes={
        "unified_cm.cucm.subscribers.ucm-sub.axl": False,
        "im_presence.imp.subscribers.imp-sub.axl": False,
    },
    mutations=[Setting("unified_cm.cucm.publisher.axl", False), Setting("im_presence.imp.publisher.axl", False)],
)
async def axl_stopped_on_subscribers(lab: Lab, alice: JabberUser) -> None:
    """On a subscriber AXL need not run: Expressway-C asks the publishers alone."""
    for product in ("Unified CM", "IM and Presence"):
        await lab.expect(Discovery(node="expc1", product=product, state="active", detail=containing("-sub.")))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))
