"""MRA is IPv4 only: Expressways with IPv6, alone or beside IPv4."""

from __future__ import annotations

from edgesim.scenario import (
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SshTunnel,
    TcpOpened,
    containing,
    minutes,
    scenario,
    seconds,
)

SIX = "2001:db8:10::10"
BOTH = {"expressway_e.expe.ip_protocol": "Both", "expressway_e.expe.outer_ipv6": SIX}
DUAL = {"clients.jabber-1.ipv6": "2001:db8:25::25"}
TRIES = 24


@scenario(
    shows="EXP-07",
    worlds=["sim"],
    changes={"expressway_e.expe.ip_protocol": "IPv6", "expressway_e.expe.outer_ipv6": SIX, **DUAL},
    breaks="EXP-07.ipv6-only",
    mutations=[Setting("expressway_e.expe.ip_protocol", "IPv4"), Setting("expressway_e.expe.ip_protocol", "Both")],
)
async def expressway_e_by_ipv6_only(lab: Lab, alice: JabberUser, bob: JabberUser, carol: JabberUser) -> None:
    """Expressway-E with IPv6 alone: C finds no address, and no client signs in, be it by IPv6."""
    lab.never(HttpRequest(node="expc", peer="expe"))
    async with lab.step("alice, whose machine has IPv6, and bob and carol, whose have not, sign in"):
        await lab.together(alice.sign_in(), bob.sign_in(), carol.sign_in())
        await lab.expect(TcpOpened(node=alice.machine, peer="expe", port=8443, remote=containing(SIX)))
        await lab.expect(HttpResponse(node=alice.machine, peer="expe", status=502))
        for client in (bob, carol):
            opened = lab.match(TcpOpened(node=client.machine, peer="expe"))
            lab.check(opened is None, f"{client.user.id}'s client finds no address")
    await lab.symptom("EXP-07.ipv6-only")


@scenario(
    shows="EXP-07",
    worlds=["sim"],
    changes={"expressway_c.expc.ip_protocol": "IPv6"},
    breaks="EXP-07.ipv6-only",
    mutations=[Setting("expressway_c.expc.ip_protocol", "IPv4"), Setting("expressway_c.expc.ip_protocol", "Both")],
)
async def expressway_c_by_ipv6_only(lab: Lab, alice: JabberUser) -> None:
    """Expressway-C with IPv6 only: it has no links, and Expressway-E has no C to ask."""
    lab.never(SshTunnel(node="expe", state="up"))
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("EXP-07.ipv6-only")


@scenario(
    shows="EXP-07",
    worlds=["sim"],
    changes={**BOTH, **DUAL},
    breaks="EXP-07.both",
    limit=minutes(60),
    mutations=[
        Setting("expressway_e.expe.ip_protocol", "IPv4"),
        Setting("clients.jabber-1.ipv6", None),
        Setting("dns.without", [{"view": "outside", "name": "expe.example.com", "type": "AAAA"}]),
        Setting("defaults.client.resolution_delay_s", 1.0),
        Setting("network.pinned", ["jitter"]),
    ],
)
async def both_protocols(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Both: alice, who has IPv6, signs in when the A answer is there first, and else does not; bob always does."""
    failed = signed_in = 0
    async with lab.step("alice signs in and out until it has worked, and until it has failed"):
        while not (failed and signed_in) and failed + signed_in < TRIES:
            result = await alice.sign_in()
            signed_in, failed = signed_in + result.ok, failed + (not result.ok)
            await alice.sign_out()
            await lab.wait(minutes(1))
        await lab.symptom("EXP-07.both")
        await lab.expect(Registered(device="CSFALICE", peer="expc"))
    lab.report(signed_in=signed_in, failed=failed)
    lab.check(failed, "some sign-ins fail")

    async with lab.step("bob, by IPv4 alone, signs in as often as he likes"):
        for _ in range(4):
            result = await bob.sign_in()
            lab.check(result.phone and result.chat, "bob has phone and chat")
            await bob.sign_out()
            await lab.wait(minutes(1))
        await lab.expect(Registered(device="CSFBOB", peer="expc"), within=seconds(10))


@scenario(
    shows="EXP-07",
    worlds=["sim"],
    changes={**DUAL, "expressway_e.expe.outer_ipv6": SIX},
    mutations=[Setting("expressway_e.expe.ip_protocol", "Both")],
)
async def ipv4_for_a_client_with_both(lab: Lab, alice: JabberUser) -> None:
    """Expressway-E with IPv4: a client that has IPv6 too finds the IPv4 address alone, and always signs in."""
    lab.never(TcpOpened(node=alice.machine, remote=containing(SIX)))
    async with lab.step("alice signs in eight times"):
        for _ in range(8):
            result = await alice.sign_in()
            lab.check(result.phone and result.chat, "alice has phone and chat")
            await alice.sign_out()
            await lab.wait(minutes(1))
        await lab.expect(Registered(device="CSFALICE", peer="expc"))
