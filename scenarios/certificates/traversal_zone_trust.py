"""Expressway-C and Expressway-E trust each other's whole chain, or the traversal zone does not come up."""

from __future__ import annotations

from edgesim.scenario import (
    HttpResponse,
    JabberUser,
    Lab,
    Note,
    Registered,
    Setting,
    SipRequest,
    TlsRefused,
    TlsUp,
    ZoneState,
    containing,
    matching,
    scenario,
    seconds,
)

PUBLIC_ISSUING = {"host": "expe", "service": "server", "signed_by": "public-issuing"}
SOUND = Setting("trust", [])
CLIENTS = [
    {"host": name, "store": "system", "adds": ["public-issuing"]} for name in ("jabber-1", "jabber-2", "jabber-3")
]
"""Operating systems that know the public intermediate, so that they do without E's sending it."""


def lacks(host: str, *names: str) -> dict[str, object]:
    """Return an Expressway's trusted CA list without some CAs."""
    return {"host": host, "store": "trusted-ca", "lacks": list(names)}


async def zone_down(lab: Lab, alice: JabberUser, rule: str) -> None:
    """The zone fails with a TLS error; HTTPS still answers, and no phone registers."""
    lab.never(SipRequest(node="expc", peer="expe"))
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in: her configuration comes, her phone does not"):
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.machine, peer="expe", status=200, payload=containing("getEdgeConfig")))
        await lab.symptom(rule)


@scenario(
    shows=("CERT-06", "CERT-09"),
    changes={"trust": [lacks("expe", "enterprise-issuing")]},
    breaks="CERT-06.intermediate",
    mutations=[SOUND, Setting("certificates", [{"host": "expc", "service": "server", "sends": "chain"}])],
)
async def root_of_c_only(lab: Lab, alice: JabberUser) -> None:
    """E trusts the root of C's certificate alone: C sends its leaf alone, so the zone fails with unknown CA."""
    await zone_down(lab, alice, "CERT-06.intermediate")
    await lab.expect(Note(node="expe", text=matching('Event="Inbound TLS Negotiation Error".*Dst-port="7001"')))
    await lab.expect(ZoneState(node="expe", state="Failed", reason=containing("local issuer certificate")))


@scenario(
    shows="CERT-06",
    changes={"trust": [lacks("expe", "enterprise")]},
    breaks="CERT-06.root",
    mutations=[SOUND],
)
async def root_of_c_missing(lab: Lab, alice: JabberUser) -> None:
    """E trusts C's intermediate, but not its root: that is no anchor, and the zone fails."""
    await zone_down(lab, alice, "CERT-06.root")


@scenario(
    shows=("CERT-04", "CERT-09"),
    changes={"certificates": [PUBLIC_ISSUING], "trust": [lacks("expc", "public-issuing"), *CLIENTS]},
    breaks="CERT-09.intermediate",
    mutations=[SOUND, Setting("certificates", [{**PUBLIC_ISSUING, "sends": "chain"}])],
)
async def root_of_e_only(lab: Lab, alice: JabberUser) -> None:
    """C trusts the root of E's certificate alone, and E sends its leaf alone: C tears down before it shows its own."""
    lab.never(TlsUp(node="expe", peer="expc", port=7001))
    await zone_down(lab, alice, "CERT-09.intermediate")
    await lab.expect(Note(node="expc", text=matching('Event="Outbound TLS Negotiation Error".*Dst-port="7001"')))


@scenario(
    shows="CERT-04",
    changes={"trust": [lacks("expc", "public")]},
    breaks="CERT-04.expressway-e",
    mutations=[SOUND],
)
async def root_of_e_missing(lab: Lab, alice: JabberUser) -> None:
    """C does not trust the root of E's certificate."""
    await zone_down(lab, alice, "CERT-04.expressway-e")


@scenario(
    shows=("CERT-06", "CERT-09"),
    changes={
        "certificates": [{"host": "expc", "service": "server", "sends": "chain"}, {**PUBLIC_ISSUING, "sends": "chain"}],
        "trust": [lacks("expe", "enterprise-issuing"), lacks("expc", "public-issuing")],
    },
    mutations=[Setting("certificates", [PUBLIC_ISSUING]), Setting("certificates", [])],
)
async def chains_sent_along(lab: Lab, alice: JabberUser) -> None:
    """Were both to send their chains, the roots would be enough."""
    await lab.expect(TlsUp(node="expe", peer="expc", port=7001))
    await lab.expect(ZoneState(node="expc", zone="UCTraversal", state="TLS: Active"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"), within=seconds(10))


@scenario(
    shows=("CERT-04", "CERT-06", "CERT-07", "CERT-09"),
    changes={"certificates": [{**PUBLIC_ISSUING, "sends": "chain"}]},
    mutations=[Setting("trust", [lacks("expe", "enterprise-issuing")]), Setting("trust", [lacks("expc", "public")])],
)
async def public_ca_on_e_enterprise_ca_inside(lab: Lab, alice: JabberUser) -> None:
    """A public CA on E, an enterprise CA inside, full chains on both Expressways."""
    lab.never(TlsRefused())
    await lab.expect(ZoneState(node="expe", zone="UCTraversal", state="TLS: Active"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"))


@scenario(
    shows="CERT-07",
    changes={
        "certificates": [{"host": "expe", "service": "server", "signed_by": "enterprise"}],
        "trust": [
            {"host": host, "store": "trusted-ca", "holds": ["enterprise", "enterprise-issuing"]}
            for host in ("expe", "expc")
        ],
    },
    mutations=[Setting("certificates", []), Setting("trust", [lacks("expc", "enterprise-issuing")])],
)
async def one_ca_for_all(lab: Lab, alice: JabberUser) -> None:
    """One CA signs everything, and the Expressways trust no other."""
    lab.never(TlsRefused())
    await lab.expect(ZoneState(node="expe", zone="UCTraversal", state="TLS: Active"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(node="ucm-pub", device="CSFALICE", via="expc"))
