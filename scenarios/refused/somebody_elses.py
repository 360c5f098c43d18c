"""A signed-in user's requests for other users' data, and for what no outside client may have."""

from __future__ import annotations

import base64

from edgesim.edge.descriptor import wrap
from edgesim.http import HttpClient, Response
from edgesim.pki import client_context
from edgesim.scenario import (
    Authentication,
    FaultFired,
    HostDown,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Setting,
    WithFault,
    XmppSession,
    XmppStanza,
    containing,
    scenario,
    seconds,
)
from edgesim.world.faults import DropMessage, Rewrite, Selector

UCM = "https://ucm-pub.inside.example.com:8443"
LOST = WithFault(DropMessage(name="lost", where=Selector(target="expe", contains=b"GET /")))


async def as_bob(lab: Lab, url: str, body: bytes = b"") -> Response:
    """Ask the edge for an inside URL with bob's name and password, from a machine of his."""
    machine = await lab.script("jabber-2")
    node = machine.node
    basic = base64.b64encode(b"bob:bob-secret").decode()
    headers = [("Host", "expe.example.com:8443"), ("Authorization", f"Basic {basic}")]

    async def ask() -> Response:
        web = HttpClient(node.journal, ssl=client_context(node.trusts["system"], keylog=node.keylog))
        address = lab.address("expe", "outer-dmz")
        try:
            first = "https://expe.example.com:8443/ZXhhbXBsZS5jb20/get_edge_config?service_name=_cisco-uds"
            signed = await web.request("GET", first, headers=headers, address=address, timeout=10)
            cookie = (signed.headers.get("Set-Cookie") or "").partition(";")[0]
            wanted = wrap(url, domain="example.com", edge="expe.example.com")
            method = "POST" if body else "GET"
            shown = [*headers, ("Cookie", cookie)]
            return await web.request(method, wanted, headers=shown, body=body, address=address, timeout=10)
        finally:
            await web.close()

    return await machine.run(ask())


@scenario(mutations=[LOST, HostDown("ucm-pub")])
async def devices_of_another_user(lab: Lab) -> None:
    """Bob asks for alice's devices: Unified CM refuses him, and his own are his."""
    async with lab.step("bob reads his own"):
        own = await as_bob(lab, f"{UCM}/cucm-uds/user/bob/devices")
        lab.check(own.status == 200 and b"CSFBOB" in own.body, "bob gets his devices")
    async with lab.step("bob asks for alice's"):
        others = await as_bob(lab, f"{UCM}/cucm-uds/user/alice/devices")
        lab.check(others.status in (401, 403) and b"CSFALICE" not in others.body, "he does not get hers")


@scenario(mutations=[LOST])
async def administration_from_outside(lab: Lab) -> None:
    """AXL, and a host that is not on the allow list: Expressway-C refuses them to signed-in users by itself."""
    lab.never(HttpRequest(node="ucm-pub", peer="expc", target="/axl/", payload=containing("bob")))
    lab.never(HttpRequest(node="ucm-pub", method="POST", key="user:bob"))
    for url in (f"{UCM}/axl/", "https://imp-pub.inside.example.com:8443/axl/", f"{UCM}/ccmadmin/showHome.do"):
        async with lab.step(f"bob asks for {url}"):
            answer = await as_bob(lab, url, body=b"<executeSQLQuery/>")
            lab.check(answer.status == 403, f"refused: {answer.status}")
            await lab.expect(HttpResponse(node="jabber-2", peer="expe", status=403))


@scenario(mutations=[Setting("users.alice.password", "another"), HostDown("imp-pub")])
async def wrong_password_in_soap(lab: Lab, alice: JabberUser) -> None:
    """A password that is wrong at IM and Presence alone: no session key, so no chat; the phone is not concerned."""
    lab.never(XmppSession(node="imp-pub"))
    forge = Rewrite(
        name="another password", where=Selector(target="imp-pub"), find=b"alice-secret", replace=b"alice-secreT"
    )
    async with lab.step("alice signs in"):
        async with lab.fault(forge):
            signed = await alice.sign_in()
            await lab.expect(FaultFired(fault="another password"))
        lab.check(signed.phone and not signed.chat, "phone without chat")
        await lab.expect(Authentication(node="imp-pub", user="alice", granted=False))


@scenario(clients={}, mutations=[HostDown("imp-pub"), Setting("users.bob.im_presence", False)])
async def a_message_reaches_each_session_once(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """Bob is signed in twice: a message to one session is for that one, one to him for each, and each comes once."""
    again = lab.client("bob")
    async with lab.step("alice, and bob on two machines"):
        for signed in await lab.together(alice.sign_in(), bob.sign_in(), again.sign_in()):
            lab.check(signed.chat, "chat")
    async with lab.step("to one of his sessions"):
        await alice.say((await bob.look()).jid, "for one")
        await lab.wait(seconds(2))
        lab.check([text for _, text in await bob.messages()] == ["for one"], "that one, once")
        lab.check(not await again.messages(), "that one alone")
    async with lab.step("to him"):
        await alice.say("bob", "for both")
        await lab.wait(seconds(2))
        for client in (bob, again):
            got = [text for _, text in await client.messages() if text == "for both"]
            lab.check(got == ["for both"], f"{client.machine} once")
        stanza = XmppStanza(name="message", payload=containing("for both"))
        lab.check(len([one for one in lab.matches(stanza) if one.node in ("jabber-2", again.machine)]) == 2, "twice")
