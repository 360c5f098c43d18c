"""Expressway-C resolves Expressway-E forward and in reverse before it trusts the XCP link."""

from __future__ import annotations

import asyncio
from typing import Any

from edgesim.scenario import (
    JabberUser,
    Lab,
    Registered,
    Setting,
    TlsUp,
    XmppSession,
    XmppStream,
    containing,
    scenario,
    seconds,
)

PTR = {"view": "inside", "name": "10.20.0.10.in-addr.arpa", "type": "PTR"}
OLD: dict[str, Any] = {
    "expressway_e.expe.release": "X8.7",
    "expressway_c.expc.release": "X8.7",
    "unified_cm.cucm.push_notifications": False,
}
REVERSE = "NET-12.reverse-dns"


async def _phone_without_chat(lab: Lab, alice: JabberUser) -> None:
    me = alice.machine
    lab.never(XmppSession(state="bound"))
    async with lab.step("alice signs in: the phone registers"):
        signing_in = asyncio.create_task(alice.sign_in())
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))

    async with lab.step("her chat gets as far as TLS on 5222, then is offered no way to authenticate"):
        await lab.expect(TlsUp(node=me, peer="expe", port=5222, role="client"), within=seconds(10))
        offered = await lab.expect(XmppStream(node=me, peer="expe", element="features", detail=""), within=seconds(10))
        closed = await lab.expect(XmppStream(node=me, peer="expe", element="close"), after=offered, within=seconds(11))
        lab.check(9.5 < closed.at - offered.at < 10.5, "Expressway-E closes the stream after ten seconds")
        result = await signing_in
        lab.check(result.phone and not result.chat, "alice has a phone and no chat")
    await lab.symptom(REVERSE)


@scenario(
    shows=("NET-12", "NET-09"),
    changes={"dns.without": [PTR]},
    breaks=REVERSE,
    mutations=[Setting("dns.without", []), Setting("defaults.im.no_mechanisms_close_s", 30.0)],
)
async def phone_without_chat(lab: Lab, alice: JabberUser) -> None:
    """No PTR for Expressway-E inside: phone service works, chat does not."""
    await _phone_without_chat(lab, alice)


@scenario(
    shows="NET-12",
    changes={
        "dns.without": [PTR],
        "dns.extra": [{"view": "inside", "name": PTR["name"], "type": "PTR", "value": "old-name.example.com"}],
    },
    breaks=REVERSE,
    mutations=[Setting("dns.extra", [{**PTR, "value": "expe.example.com"}])],
)
async def reverse_name_of_somebody_else(lab: Lab, alice: JabberUser) -> None:
    """A PTR that still has the machine's former name is as bad as none."""
    await _phone_without_chat(lab, alice)


@scenario(
    shows="NET-12",
    changes={"dns.without": [{"view": "outside", "name": "10.113.0.203.in-addr.arpa", "type": "PTR"}]},
    mutations=[
        Setting("dns.without", [PTR]),
        Setting("dns.without", [{**PTR, "name": "expe.example.com", "type": "A"}]),
    ],
)
async def only_the_inside_counts(lab: Lab, alice: JabberUser) -> None:
    """Outside no client looks Expressway-E up in reverse: without that PTR, phone and chat work."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))


@scenario(
    shows="NET-12",
    changes={**OLD, "dns.without": [PTR]},
    mutations=[Setting("expressway_c.expc.release", "X8.8")],
)
async def before_x8_8_nobody_asks(lab: Lab, alice: JabberUser) -> None:
    """Before X8.8 the XCP link has no TLS, and Expressway-C does not ask for Expressway-E in reverse."""
    lab.never(TlsUp(node="expc", peer="expe", port=7400))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(20))
