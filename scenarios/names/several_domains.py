"""One edge for three external domains, and what is missing where a piece was forgotten for one of them."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    DnsAnswer,
    HttpRequest,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SshTunnel,
    XcpLink,
    XmppSession,
    ZoneState,
    containing,
    matching,
    scenario,
    seconds,
)

DOMAINS = ["example.com", "example.net", "example.org"]
THREE: dict[str, Any] = {"domains.enabled": [{"name": name} for name in DOMAINS]}
BEFORE = {"expressway_e.expe.release": "X12.4", "expressway_c.expc.release": "X12.4"}


def missing(view: str, name: str, kind: str) -> dict[str, Any]:
    """Leave one record out of the DNS."""
    return {**THREE, "dns.without": [{"view": view, "name": name, "type": kind}]}


@scenario(
    shows="NET-09",
    changes=THREE,
    mutations=[
        Setting("domains.enabled", [{"name": name} for name in DOMAINS[:2]]),
        Setting("dns.without", [{"view": "outside", "name": "_collab-edge._tls.example.net", "type": "SRV"}]),
    ],
)
async def three_domains(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """Three users of three domains: each asks for her own _collab-edge, and C for the _cisco-uds of that domain."""

    async def signs_in(client: JabberUser, domain: str) -> None:
        client.domain = domain
        me, user = client.machine, client.user.id
        async with lab.step(f"{user} signs in as {user}@{domain}"):
            await client.sign_in()
            name = f"_collab-edge._tls.{domain}"
            await lab.expect(DnsAnswer(node=me, name=name, answers=containing("expe.example.com")))
            await lab.expect(HttpRequest(node="expe", peer=me, decoded=matching(f"^/{domain}/get_edge_config")))
            uds = f"_cisco-uds._tcp.{domain}"
            await lab.expect(DnsAnswer(node="expc", name=uds, answers=containing("ucm-pub.inside.example.com")))
            await lab.expect(Registered(device=f"CSF{user.upper()}", peer="expc"), within=seconds(10))
            await lab.expect(XmppSession(key=f"user:{user}", state="bound"), within=seconds(10))

    await lab.together(*(signs_in(*each) for each in zip((alice, bob, carol), DOMAINS, strict=True)))


async def _others_sign_in(lab: Lab, alice: JabberUser) -> None:
    async with lab.step("alice, of another domain, signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE", peer="expc"), within=seconds(10))


@scenario(
    shows="NET-09",
    changes=missing("outside", "_collab-edge._tls.example.net", "SRV"),
    breaks="NET-09.collab-edge",
    mutations=[Setting("dns.without", [])],
)
async def one_domain_without_collab_edge(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """The SRV record of one domain is missing: its users find no service, those of the others sign in."""
    bob.domain = carol.domain = "example.net"

    async def in_vain() -> None:
        async with lab.step("bob and carol sign in as users of example.net"):
            await lab.together(bob.sign_in(), carol.sign_in())
            await lab.symptom("NET-09.collab-edge")

    await lab.together(in_vain(), _others_sign_in(lab, alice))


@scenario(
    shows="NET-09",
    changes={
        "domains.enabled": [{"name": name} for name in ("example.com", "example.org")],
        "dns.extra": [
            {
                "view": "outside",
                "name": "_collab-edge._tls.example.net",
                "type": "SRV",
                "value": "10 10 8443 expe.example.com",
            }
        ],
    },
    breaks="NET-09.domain-on-c",
    mutations=[Setting("domains.enabled", THREE["domains.enabled"])],
)
async def one_domain_not_on_c(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """A domain that is published but not configured on Expressway-C: 403 from Expressway-E."""
    bob.domain = "example.net"
    bob.accept_untrusted = True  # E's certificate does not name the domain either
    lab.never(HttpRequest(node="expc", key="user:bob"))

    async def in_vain() -> None:
        async with lab.step("bob signs in as bob@example.net"):
            await bob.sign_in()
            (answer,) = await lab.symptom("NET-09.domain-on-c")
            for line in (b"Connection: close\r\n", b"Content-Length: 0\r\n"):
                lab.check(line in answer.payload, f"E's own answer has {line!r}")

    await lab.together(in_vain(), _others_sign_in(lab, alice))


@scenario(
    shows="NET-09",
    changes={**missing("inside", "_cisco-uds._tcp.example.net", "SRV"), **BEFORE},
    breaks="NET-04.cisco-uds-before-x12.5",
    mutations=[Setting("dns.without", []), Setting("expressway_c.expc.release", "X12.5")],
)
async def one_domain_without_cisco_uds(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Before X12.5, _cisco-uds of one domain is missing inside: its users get a configuration without Unified CM."""
    bob.domain = "example.net"
    lab.never(Registered(device="CSFBOB"))

    async def in_vain() -> None:
        async with lab.step("bob signs in as bob@example.net"):
            await bob.sign_in()
            await lab.symptom("NET-04.cisco-uds-before-x12.5")

    await lab.together(in_vain(), _others_sign_in(lab, alice))


@scenario(
    shows="NET-09",
    changes=missing("outside", "expe.example.com", "A"),
    breaks="NET-09.edge-address-outside",
    mutations=[Setting("dns.without", [])],
)
async def edge_without_public_address(lab: Lab, bob: JabberUser) -> None:
    """The target of every _collab-edge has no address outside: no packet leaves for the edge."""
    bob.domain = "example.net"
    async with lab.step("bob signs in as bob@example.net"):
        await bob.sign_in()
        await lab.symptom("NET-09.edge-address-outside")


@scenario(
    shows=("NET-09", "NET-12"),
    changes=missing("inside", "expe.example.com", "A"),
    breaks="NET-09.edge-address-inside",
    mutations=[Setting("dns.without", [])],
)
async def edge_without_inside_address(lab: Lab, bob: JabberUser) -> None:
    """Expressway-C does not find Expressway-E: its three links are down, and clients get 502."""
    bob.domain = "example.net"
    lab.never(ZoneState(node="expc", state="TLS: Active", zone="UCTraversal"))
    lab.never(SshTunnel(node="expc", state="up"))
    lab.never(XcpLink(node="expc", peer=containing("expe"), state="up"))
    async with lab.step("bob signs in as bob@example.net"):
        await bob.sign_in()
        await lab.symptom("NET-09.edge-address-inside")
    missing_name = containing("expe.example.com")
    await lab.expect(SshTunnel(node="expc", state="failed", detail=missing_name))
    await lab.expect(XcpLink(node="expc", state="failed", detail=missing_name))
