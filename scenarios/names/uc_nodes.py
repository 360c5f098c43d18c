"""How Expressway-C finds the nodes of a cluster: by FQDN, host name or address, forward and in reverse."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    Discovery,
    JabberUser,
    Lab,
    Registered,
    Setting,
    XmppSession,
    containing,
    other_than,
    scenario,
    seconds,
)

SUB_FIRST: dict[str, Any] = {"unified_cm.cucm.call_manager_group": ["ucm-sub", "ucm-pub"]}
ADDRESSES: dict[str, Any] = {
    **SUB_FIRST,
    "unified_cm.cucm.publisher.known_as": "address",
    "unified_cm.cucm.subscribers.ucm-sub.known_as": "address",
    "mra.tls_verify_unified_cm": False,
    "expressway_e.expe.release": "X12.5",
    "expressway_c.expc.release": "X12.5",
    "certificates": [  # for clients inside, who verify it
        {"host": host, "service": "tomcat", "extra_names": [address]}
        for host, address in (("ucm-pub", "10.0.40.11"), ("ucm-sub", "10.0.40.12"))
    ],
}
NO_A = {"view": "inside", "name": "ucm-sub.inside.example.com", "type": "A"}
NO_A_OF_CHAT = {"view": "inside", "name": "imp-pub.inside.example.com", "type": "A"}
NO_PTR = {"view": "inside", "name": "12.40.0.10.in-addr.arpa", "type": "PTR"}
BARE = {
    **SUB_FIRST,
    "unified_cm.cucm.publisher.known_as": "host name",
    "unified_cm.cucm.subscribers.ucm-sub.known_as": "host name",
    "certificates": [
        {"host": host, "service": service, "extra_names": [host]}
        for host in ("ucm-pub", "ucm-sub")
        for service in ("tomcat", "callmanager")
    ],
}
ELSEWHERE = {
    "unified_cm.cucm.publisher.domain": "voice.example.net",
    "unified_cm.cucm.subscribers.ucm-sub.domain": "voice.example.net",
}


async def _registers_at(lab: Lab, alice: JabberUser, node: str) -> None:
    lab.never(Registered(device="CSFALICE", node=other_than(node)))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", node=node, peer="expc"), within=seconds(40))


@scenario(shows="NET-13", changes=SUB_FIRST, mutations=[Setting("dns.without", [NO_A])])
async def node_with_its_record(lab: Lab, alice: JabberUser) -> None:
    """Every node has its record inside: alice registers at the first node of her group."""
    await _registers_at(lab, alice, "ucm-sub")


@scenario(
    shows="NET-13",
    changes={**SUB_FIRST, "dns.without": [NO_A]},
    breaks="NET-13.forward",
    mutations=[Setting("dns.without", [])],
)
async def node_without_its_record(lab: Lab, alice: JabberUser) -> None:
    """The first node of the group has no address inside: Expressway-C cannot use it, and alice goes to the second."""
    await _registers_at(lab, alice, "ucm-pub")
    await lab.symptom("NET-13.forward")


async def _phone_without_chat(lab: Lab, alice: JabberUser, rule: str) -> None:
    lab.never(XmppSession(state="bound"))
    async with lab.step("alice signs in: her phone registers, chat does not come up"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.symptom(rule)


@scenario(
    shows="NET-13",
    changes={"dns.without": [NO_A_OF_CHAT]},
    breaks="NET-13.forward",
    mutations=[Setting("dns.without", [])],
)
async def im_presence_without_its_record(lab: Lab, alice: JabberUser) -> None:
    """The same of IM and Presence: its node is not found, so the edge refuses the login to chat."""
    await _phone_without_chat(lab, alice, "NET-13.forward")


@scenario(shows="NET-13", changes=ADDRESSES, mutations=[Setting("dns.without", [NO_PTR])])
async def node_listed_by_address(lab: Lab, alice: JabberUser) -> None:
    """Nodes listed by address are found by FQDN in reverse DNS, and used."""
    await _registers_at(lab, alice, "ucm-sub")


@scenario(
    shows="NET-13",
    changes={**ADDRESSES, "dns.without": [NO_PTR]},
    breaks="NET-13.reverse",
    mutations=[
        Setting("dns.without", []),
        Setting("unified_cm.cucm.subscribers.ucm-sub.known_as", "fqdn"),
        Setting("defaults.edge.node_fqdn_required", False),
    ],
)
async def node_listed_by_address_without_a_name(lab: Lab, alice: JabberUser) -> None:
    """A node listed by address that reverse DNS does not know is not used."""
    await _registers_at(lab, alice, "ucm-pub")
    await lab.symptom("NET-13.reverse")


@scenario(
    shows="NET-13",
    changes={**BARE, "dns.without": [NO_PTR]},
    breaks="NET-13.reverse",
    mutations=[Setting("dns.without", []), Setting("unified_cm.cucm.subscribers.ucm-sub.known_as", "fqdn")],
)
async def node_listed_by_host_name_without_a_name(lab: Lab, alice: JabberUser) -> None:
    """Nor is one that is listed by its bare host name."""
    await _registers_at(lab, alice, "ucm-pub")
    await lab.symptom("NET-13.reverse")


@scenario(
    shows=("UC-10", "NET-13"),
    changes=BARE,
    mutations=[
        Setting("unified_cm.cucm.subscribers.ucm-sub.domain", "voice.example.net"),
        Setting("expressway_c.expc.domain", "dmz.example.com"),
    ],
)
async def bare_names_in_one_domain(lab: Lab, alice: JabberUser) -> None:
    """Unified CM and Expressway-C in one domain: bare host names are completed with it, and everything works."""
    await _registers_at(lab, alice, "ucm-sub")


@scenario(
    shows="UC-10",
    changes={**BARE, **ELSEWHERE},
    breaks="UC-10.bare-host-name",
    mutations=[
        Setting("unified_cm.cucm.publisher.known_as", "fqdn"),
        Setting("expressway_c.expc.domain", "voice.example.net"),
    ],
)
async def bare_names_across_domains(lab: Lab, alice: JabberUser) -> None:
    """In different domains Expressway-C looks for the bare name in its own: none is found, and no user can sign in."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
    await lab.symptom("UC-10.bare-host-name")


@scenario(
    shows="UC-10",
    changes={**SUB_FIRST, **ELSEWHERE},
    mutations=[Setting("unified_cm.cucm.subscribers.ucm-sub.known_as", "host name")],
)
async def full_names_across_domains(lab: Lab, alice: JabberUser) -> None:
    """In different domains FQDNs lead to Unified CM."""
    await _registers_at(lab, alice, "ucm-sub")


@scenario(
    shows="UC-10",
    changes={**ADDRESSES, **ELSEWHERE},
    mutations=[
        Setting("unified_cm.cucm.subscribers.ucm-sub.known_as", "host name"),
        Setting("dns.without", [NO_PTR]),
    ],
)
async def addresses_across_domains(lab: Lab, alice: JabberUser) -> None:
    """So do addresses, of which reverse DNS knows the names."""
    await _registers_at(lab, alice, "ucm-sub")


IPV6 = {"unified_cm.cucm.subscribers.ucm-sub.address": "2001:db8:40::12"}


@scenario(
    shows="UC-02",
    worlds=["sim"],
    changes={**SUB_FIRST, **IPV6},
    breaks="UC-02.ipv4",
    mutations=[Setting("unified_cm.cucm.subscribers.ucm-sub.address", "10.0.40.12")],
)
async def unified_cm_node_by_ipv6(lab: Lab, alice: JabberUser) -> None:
    """A Unified CM node with an IPv6 address only: Expressway-C does not use it, and alice registers elsewhere."""
    await _registers_at(lab, alice, "ucm-pub")
    await lab.symptom("UC-02.ipv4")


@scenario(
    shows="UC-02",
    worlds=["sim"],
    changes={"im_presence.imp.publisher.address": "2001:db8:40::21"},
    breaks="UC-02.ipv4",
    mutations=[Setting("im_presence.imp.publisher.address", "10.0.40.21")],
)
async def im_presence_node_by_ipv6(lab: Lab, alice: JabberUser) -> None:
    """The same of IM and Presence: phone service works, chat does not."""
    await _phone_without_chat(lab, alice, "UC-02.ipv4")


@scenario(shows="UC-02", mutations=[Setting("unified_cm.cucm.subscribers.ucm-sub.address", "2001:db8:40::12")])
async def nodes_by_ipv4(lab: Lab, alice: JabberUser) -> None:
    """Nodes with IPv4 addresses are discovered, and phone and chat work."""
    listed = containing("ucm-pub.inside.example.com, ucm-sub.inside.example.com")
    await lab.expect(Discovery(node="expc", product="Unified CM", state="active", detail=listed))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))
        await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"), within=seconds(10))
