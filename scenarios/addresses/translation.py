"""Address translation between C and E: each needs its own address, and E has to see C's."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    TcpOpened,
    XmppSession,
    ZoneState,
    containing,
    scenario,
    seconds,
)

PUBLIC = "203.0.113.10"
EXTERNAL: dict[str, Any] = {"name": "external", "between": ["internet", "outer-dmz"]}
INTERNAL: dict[str, Any] = {"name": "internal", "between": ["dmz", "inside"]}
TWO_INTERFACES = {
    "expressway_e": [{"name": "expe", "outer": "10.0.10.10", "inner": "10.0.20.10", "static_nat": PUBLIC}]
}
ONE_INTERFACE = {"expressway_e": [{"name": "expe", "outer": "10.0.10.10", "static_nat": PUBLIC}]}


def shown_as(address: str) -> list[dict[str, Any]]:
    """Return firewalls of which the internal one shows C to E as another address."""
    return [EXTERNAL, {**INTERNAL, "nat": [f"source expc -> dmz as {address}"]}]


async def zone_of_e(lab: Lab, address: str) -> None:
    """E's side of the zone is active, with C at this address."""
    await lab.expect(ZoneState(node="expe", zone="UCTraversal", state="TLS: Active", reason=containing(address)))


UNTRANSLATED = Setting("network.firewalls", [EXTERNAL, INTERNAL])


@scenario(
    shows=("NET-01", "NET-17"),
    changes={**TWO_INTERFACES, "network": {"firewalls": shown_as(PUBLIC)}},
    breaks="NET-01.shared-address",
    mutations=[UNTRANSLATED],
)
async def shared_address(lab: Lab, alice: JabberUser) -> None:
    """C behind the NAT address of E: what answers C goes to E, and the traversal zone never comes up."""
    lab.never(Registered(device="CSFALICE"))
    lab.never(HttpResponse(node=alice.machine, status=200))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-01.shared-address")


@scenario(
    shows=("NET-01", "NET-17"),
    changes=TWO_INTERFACES,
    mutations=[
        Setting("network.firewalls", shown_as(PUBLIC)),
        Setting("network.firewalls", shown_as("10.0.20.99")),
    ],
)
async def addresses_of_their_own(lab: Lab, alice: JabberUser) -> None:
    """Static NAT before E, none before C: E sees C's own address, and everything works."""
    await zone_of_e(lab, lab.address("expc"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))
        await lab.expect(XmppSession(jid=containing("alice@")))


@scenario(
    shows="NET-17",
    changes={**TWO_INTERFACES, "network": {"firewalls": shown_as("10.0.20.99")}},
    breaks="NET-17.translated-source",
    mutations=[UNTRANSLATED],
)
async def source_translated(lab: Lab, alice: JabberUser) -> None:
    """A NAT before C: signed in, chat works, and no phone, for C does not know itself by the address that E uses."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.machine, status=200, payload=containing("getEdgeConfigResponse")))
        await lab.symptom("NET-17.translated-source")
        await lab.expect(XmppSession(jid=containing("alice@")))


@scenario(
    shows="NET-17",
    changes={**ONE_INTERFACE, "network": {"firewalls": [{**EXTERNAL, "reflection": True}, INTERNAL]}},
    breaks="NET-17.translated-source",
    mutations=[Setting("network.firewalls", [{**EXTERNAL, "reflection": True, "keeps_source": True}, INTERNAL])],
)
async def reflection_that_rewrites_the_source(lab: Lab, alice: JabberUser) -> None:
    """A reflecting firewall that shows C as E's own public address, as seen in the field: SERVICE gets 408."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-17.translated-source")
    await zone_of_e(lab, PUBLIC)


@scenario(
    shows="NET-20",
    changes={
        **ONE_INTERFACE,
        "network": {"firewalls": [{**EXTERNAL, "reflection": True, "keeps_source": True}, INTERNAL]},
    },
    mutations=[Setting("network.firewalls", [EXTERNAL, INTERNAL])],
)
async def one_interface_with_reflection(lab: Lab, alice: JabberUser) -> None:
    """One interface and static NAT: C uses E's public address, and what it sends turns round at the firewall."""
    for port in (7001, 2222, 7400):
        await lab.expect(TcpOpened(node="expc", peer="expe", port=port, remote=f"{PUBLIC}:{port}"))
    await zone_of_e(lab, lab.address("expc"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))
        await lab.expect(XmppSession(jid=containing("alice@")))


@scenario(
    shows="NET-20",
    changes={**ONE_INTERFACE, "network": {"firewalls": [EXTERNAL, INTERNAL]}},
    breaks="NET-20.no-reflection",
    mutations=[Setting("network.firewalls", [{**EXTERNAL, "reflection": True, "keeps_source": True}, INTERNAL])],
)
async def one_interface_without_reflection(lab: Lab, alice: JabberUser) -> None:
    """The same before a firewall that does not reflect, as some cannot: the traversal zone fails."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-20.no-reflection", within=seconds(60))
