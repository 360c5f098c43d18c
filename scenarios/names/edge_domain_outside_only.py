"""Two domains, and no split DNS: inside, no server answers for the domain that users sign in with."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    DnsAnswer,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    XmppSession,
    containing,
    scenario,
    seconds,
)

UDS = "_cisco-uds._tcp.example.com"
DUAL: dict[str, Any] = {
    "domains.inside": "corp.example",
    "dns.split": False,
    "dns.cisco_uds": False,
    "dns.collab_edge_inside": True,  # inside, questions about the edge domain end at the public DNS
    "expressway_e.expe.inner_name": "expe-lan",
}
GATE = {"expressway_e.expe.release": "X12.5", "expressway_c.expc.release": "X12.5"}
BEFORE = {"expressway_e.expe.release": "X12.4", "expressway_c.expc.release": "X12.4"}
PINPOINT = {"view": "inside", "name": UDS, "type": "SRV", "value": "10 10 8443 ucm-pub.corp.example"}
ADDRESSES = {
    "unified_cm.cucm.publisher.known_as": "address",
    "unified_cm.cucm.subscribers.ucm-sub.known_as": "address",
    "mra.tls_verify_unified_cm": False,
    "certificates": [  # not verified here; clients inside would verify it
        {"host": host, "service": "tomcat", "extra_names": [address]}
        for host, address in (("ucm-pub", "10.0.40.11"), ("ucm-sub", "10.0.40.12"))
    ],
    **GATE,
}


@scenario(
    shows="NET-04",
    changes={**DUAL, **GATE},
    mutations=[Setting("expressway_c.expc.release", "X12.4")],
)
async def dual_domain_from_x12_5(lab: Lab, alice: JabberUser) -> None:
    """From X12.5 neither the client nor Expressway-C need find _cisco-uds: the discovered nodes take its place."""
    me = alice.machine
    async with lab.step("alice signs in with an address in the external domain"):
        await alice.sign_in()
        await lab.expect(DnsAnswer(node=me, name=UDS, rcode="NXDOMAIN"))
        await lab.expect(DnsAnswer(node=me, name="_collab-edge._tls.example.com", rcode="NOERROR"))
        await lab.expect(DnsAnswer(node="expc", name=UDS, rcode="NXDOMAIN"))
        for node in ("ucm-pub", "ucm-sub"):
            server = containing(f"<port>8443</port><address>{node}.corp.example</address>")
            await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=server))
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))


@scenario(
    shows="NET-04",
    changes={**DUAL, **BEFORE},
    breaks="NET-04.cisco-uds-before-x12.5",
    mutations=[Setting("dns.extra", [PINPOINT]), Setting("expressway_c.expc.release", "X12.5")],
)
async def dual_domain_before_x12_5(lab: Lab, alice: JabberUser) -> None:
    """Before X12.5, no user can sign in to the same deployment: Expressway-C has no _cisco-uds record to return."""
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in with an address in the external domain"):
        result = await alice.sign_in()
        await lab.symptom("NET-04.cisco-uds-before-x12.5")
        lab.check(not result.ok, "the sign-in fails")


@scenario(
    shows="NET-04",
    changes={**DUAL, **BEFORE, "dns.extra": [PINPOINT]},
    mutations=[Setting("dns.extra", [])],
)
async def pinpoint_subdomain(lab: Lab, alice: JabberUser) -> None:
    """The workaround before X12.5: inside, a zone of one name, _cisco-uds._tcp.example.com, leads to Unified CM."""
    async with lab.step("alice signs in with an address in the external domain"):
        await alice.sign_in()
        await lab.expect(DnsAnswer(node="expc", name=UDS, answers=containing("ucm-pub.corp.example")))
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))


@scenario(
    shows="NET-05",
    changes={**DUAL, **ADDRESSES},
    breaks="NET-05.known-by-fqdn",
    mutations=[
        Setting("unified_cm.cucm.publisher.known_as", "fqdn"),
        Setting("dns.extra", [PINPOINT]),
    ],
)
async def nodes_known_by_address(lab: Lab, alice: JabberUser) -> None:
    """Only names can replace _cisco-uds: Unified CM nodes listed by address cannot."""
    lab.never(Registered(device="CSFALICE"))

    async with lab.step("alice signs in"):
        result = await alice.sign_in()
        await lab.symptom("NET-05.known-by-fqdn")
        lab.check(not result.ok, "the sign-in fails")


@scenario(
    shows="NET-05",
    changes={**DUAL, **ADDRESSES, "unified_cm.cucm.subscribers.ucm-sub.known_as": "fqdn"},
    mutations=[Setting("unified_cm.cucm.subscribers.ucm-sub.known_as", "address")],
)
async def one_node_known_by_fqdn(lab: Lab, alice: JabberUser) -> None:
    """Of a publisher listed by address and a subscriber listed by FQDN, the edge configuration names the second."""
    me = alice.machine
    async with lab.step("alice signs in"):
        await alice.sign_in()
        listed = "<name>_cisco-uds</name><server><priority>10</priority><weight>10</weight><port>8443</port>"
        only = containing(f"{listed}<address>ucm-sub.corp.example</address></server></service>")
        await lab.expect(HttpResponse(node=me, peer="expe", status=200, payload=only))
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
