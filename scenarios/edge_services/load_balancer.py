"""A third-party load balancer before two Expressway-Es, which MRA does not support: what fails, and what works."""

from __future__ import annotations

from edgesim.scenario import (
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    SipRequest,
    TcpOpened,
    XmppSession,
    containing,
    one_of,
    other_than,
    scenario,
    seconds,
)

RULE = "EXP-02.load-balancer"
EDGES = one_of("expe1", "expe2")
BALANCER = {"name": "balancer", "address": "203.0.113.20"}
WITHOUT_AFFINITY = {**BALANCER, "affinity": "none"}
ITS_NAME_TOO = [
    {"host": edge, "service": "server", "extra_names": ["balancer.example.com"]} for edge in ("expe1", "expe2")
]
BY_NAME = {f"expressway_{side}.exp{side}{peer}.release": "X14.0.9" for side in "ec" for peer in (1, 2)}
NO_BALANCER = Setting("load_balancer", None)


@scenario(
    shows="EXP-02",
    deployment="pair",
    changes={"load_balancer": BALANCER},
    breaks=RULE,
    mutations=[NO_BALANCER, Setting("certificates", ITS_NAME_TOO)],
)
async def a_name_that_no_certificate_has(lab: Lab, alice: JabberUser) -> None:
    """_collab-edge leads to a load balancer: Expressway-E's certificate does not have its name."""
    lab.never(HttpRequest(node=EDGES))
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in, and does not accept the certificate"):
        await alice.sign_in()
        await lab.symptom(RULE)


@scenario(
    shows="EXP-02",
    deployment="pair",
    changes={"load_balancer": WITHOUT_AFFINITY, "certificates": ITS_NAME_TOO, **BY_NAME},
    breaks=RULE,
    mutations=[NO_BALANCER, Setting("load_balancer", BALANCER)],
)
async def every_connection_goes_elsewhere(lab: Lab, alice: JabberUser) -> None:
    """Without affinity a connection to one Expressway-E reaches the other: signed in, with chat and no phone.

    Before X14.1 the edge configuration has names, which all lead to the balancer.
    """
    me = alice.machine
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("alice signs in: the edge tells her both names, which lead to the balancer again"):
        await alice.sign_in()
        told = containing("<address>expe2.example.com</address>")
        await lab.expect(HttpResponse(node=me, peer="balancer", status=200, payload=told))

    async with lab.step("SIP reaches whoever is next, whose certificate has the other name"):
        await lab.symptom(RULE)
        await lab.none(SipRequest(node=EDGES, peer="balancer", method="REGISTER"), during=seconds(5))

    lab.note("chat, which came to the right one, is all that she has")
    await lab.expect(XmppSession(jid=containing("alice@example.com/"), state="bound"))


@scenario(
    shows="EXP-02",
    deployment="pair",
    changes={"load_balancer": BALANCER, "certificates": ITS_NAME_TOO},
    breaks=RULE,
    mutations=[NO_BALANCER],
)
async def everybody_has_one_address(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """With affinity, and its name in the certificates, users sign in; Expressway-E takes all of them for one."""
    lab.never(HttpRequest(node=EDGES, peer=other_than("balancer")))
    async with lab.step("alice and bob sign in"):
        await lab.together(alice.sign_in(), bob.sign_in())
        await lab.symptom(RULE)
        for who, device in ((alice, "CSFALICE"), (bob, "CSFBOB")):
            await lab.expect(Registered(device=device))
            await lab.expect(HttpRequest(node=EDGES, peer="balancer", key=f"user:{who.user.id}"))


@scenario(
    shows="EXP-02",
    deployment="pair",
    changes={"certificates": ITS_NAME_TOO},
    mutations=[Setting("load_balancer", BALANCER), Setting("load_balancer", WITHOUT_AFFINITY)],
)
async def records_of_equal_priority(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Without a load balancer SRV records spread the clients, and each Expressway-E knows who is who."""
    async with lab.step("alice and bob sign in"):
        await lab.together(alice.sign_in(), bob.sign_in())
        for who, device in ((alice, "CSFALICE"), (bob, "CSFBOB")):
            await lab.expect(TcpOpened(node=who.machine, peer=EDGES, port=8443))
            await lab.expect(HttpRequest(node=EDGES, peer=who.machine))
            await lab.expect(Registered(device=device))
