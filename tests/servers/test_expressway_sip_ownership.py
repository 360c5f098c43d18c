"""Who owns what at the edge: contacts, lines, devices and users."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.sip import Request
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import PHONES, Line, messages, notes, notify, proved, two, with_contact, with_line

# ---- contacts


def test_a_contact_is_delivered_to_its_first_registrant() -> None:
    async def main(lab: EdgeLab) -> None:
        alice, bob = await two(lab)
        theirs = (alice.build().contacts[0].uri, bob.build().get("Contact") or "")
        stolen = theirs[1].replace(bob.build().contacts[0].uri, theirs[0])
        refused = await proved(bob, with_contact(bob, stolen))
        assert refused.status == 403
        assert messages(lab, "expc", "REGISTER")[-1].get("To") == alice.build().get("To")
        target = (await alice.register()).contacts[0].uri
        assert (await notify(lab, target)).status == 200
        assert (len(alice.requests), len(bob.requests)) == (1, 0)
        for line in (alice, bob):
            await line.close()

    run(main, without=PHONES)


@pytest.mark.parametrize("spelling", [str.upper, lambda host: f"{host}."])
def test_another_spelling_of_a_contact_is_the_same_contact(spelling: Any) -> None:
    async def main(lab: EdgeLab) -> None:
        alice, bob = await two(lab)
        device = '+u.sip!devicename.ccm.cisco.com="CSFALICE"'
        named = with_contact(alice, f"<sip:a%41@pc.example.com:5061;transport=tls>;{device}")
        assert (await proved(alice, named)).status == 200
        contact = f"<sip:%61A@{spelling('pc.example.com')}:05061;transport=tls>"
        refused = await proved(bob, with_contact(bob, f'{contact};+u.sip!devicename.ccm.cisco.com="CSFBOB"'))
        assert refused.status == 403
        for line in (alice, bob):
            await line.close()

    run(main, without=PHONES)


def test_a_contact_is_free_again_once_its_owner_has_left_it() -> None:
    async def main(lab: EdgeLab) -> None:
        alice, bob = await two(lab)
        named = "<sip:a@pc.example.com:5061;transport=tls>;+u.sip!devicename.ccm.cisco.com="
        hers, his = f'{named}"CSFALICE"', f'{named}"CSFBOB"'
        assert (await proved(alice, with_contact(alice, hers))).status == 200
        assert (await proved(bob, with_contact(bob, his))).status == 403
        assert (await proved(alice, with_contact(alice, f"{hers};expires=0"))).status == 200
        assert (await proved(bob, with_contact(bob, his))).status == 200
        assert (await proved(alice, with_contact(alice, hers))).status == 403
        for line in (alice, bob):
            await line.close()

    run(main, without=PHONES)


def test_a_client_cannot_take_the_address_of_a_later_one() -> None:
    async def main(lab: EdgeLab) -> None:
        alice, bob = Line(lab), Line(lab, "jabber-2", user="bob")
        for line in (alice, bob):
            await line.signed_in()
            await line.connect()
        contact = alice.build().contacts[0]
        assert (contact.address.host, contact.address.port) == alice.connection.local
        taken = (bob.build().get("Contact") or "").replace(bob.build().contacts[0].uri, contact.uri)
        assert (await proved(bob, with_contact(bob, taken))).status == 200
        target = (await alice.register()).contacts[0].uri
        assert (await notify(lab, target)).status == 200
        assert (len(alice.requests), len(bob.requests)) == (1, 0)
        assert (await proved(bob, with_contact(bob, taken))).status == 403
        for line in (alice, bob):
            await line.close()

    run(main, without=PHONES)


def test_a_second_connection_of_the_same_user_takes_its_contact_along() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        again = Line(lab)
        await again.connect()
        contact = line.build().get("Contact") or ""
        assert (await proved(again, with_contact(again, contact))).status == 200
        line.connection.abort()
        await asyncio.sleep(1)
        assert (await notify(lab, target)).status == 200
        assert len(again.requests) == 1
        await again.close()

    run(with_line(story))


@pytest.mark.parametrize("path", [False, True])
@pytest.mark.parametrize("lists", ["own", "line"])
def test_a_query_returns_only_the_user_s_own_contacts(path: bool, lists: str) -> None:
    """Knowing the line and the Call-ID of another user's registration reveals nothing more."""

    async def main(lab: EdgeLab) -> None:
        alice, bob = await two(lab)

        def question(line: Line) -> Request:
            request = line.build()
            for name in ("Contact", "Proxy-Authorization"):
                request.remove(name)
            for name in ("From", "To", "Call-ID"):
                request.set(name, alice.build().get(name) or "")
            request.set("CSeq", "1000 REGISTER")
            return request

        hers = await proved(alice, question(alice))
        assert (hers.status, len(hers.contacts)) == (200, 1)
        his = await proved(bob, question(bob))
        assert (his.status, his.contacts) == (200, [])
        assert messages(lab, "ucm-pub", "REGISTER")[-1].get("Call-ID") == alice.build().get("Call-ID")
        for line in (alice, bob):
            await line.close()

    run(main, without=PHONES, changes={"mra.sip_path_headers": path, "defaults.unified_cm.register_lists": lists})


def test_contacts_belong_to_their_users_at_c_too_whichever_e_they_use() -> None:
    async def main(lab: EdgeLab) -> None:
        alice, bob = await two(lab)
        uri = alice.build().contacts[0].uri
        stolen = (bob.build().get("Contact") or "").replace(bob.build().contacts[0].uri, uri)
        lab.service("expe").sip.clients.clear()  # an E that does not know of alice's registration
        assert (await proved(bob, with_contact(bob, stolen))).status == 403
        assert len(messages(lab, "expc", "REGISTER")) == 2
        assert len(messages(lab, "ucm-pub", "REGISTER")) == 1
        for line in (alice, bob):
            await line.close()

    run(main, without=PHONES)


def test_after_un_register_neither_expressway_knows_the_contact() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        assert (await line.register(expires=0)).status == 200
        assert lab.service("expe").sip.clients.registered == 0
        assert (await notify(lab, target)).status == 480
        assert messages(lab, "expe", "NOTIFY") == []  # C knows no way
        link = lab.service("expc").sip.zone.peers[0].connection
        stray = line.request("NOTIFY", line.build().contacts[0].uri, routes=False)
        endpoint = lab.service("expc").sip._endpoint
        refused = await lab.node("expc").host.run(endpoint.request(stray, link))
        assert refused.status == 480  # nor does E
        assert line.requests == []

    run(with_line(story))


# ---- lines, devices and users


def test_a_client_cannot_register_the_line_and_device_of_another_user() -> None:
    for path in (False, True):

        async def main(lab: EdgeLab) -> None:
            alice, bob = await two(lab)
            request = alice.build()
            request.remove("Proxy-Authorization")
            contact = request.get("Contact") or ""
            request.set("Contact", contact.replace(request.contacts[0].uri, "sip:b@192.0.2.1"))
            assert (await proved(bob, request)).status == 403
            [held] = lab.service("ucm-pub").lines.registrar
            assert (held.user, held.phone.name) == ("alice", "CSFALICE")
            assert any("Reason=35 (AuthorizationError)" in note for note in notes(lab, "ucm-pub"))
            for line in (alice, bob):
                await line.close()

        run(main, without=PHONES, changes={"mra.sip_path_headers": path})


@pytest.mark.parametrize("claims", [["alice"], ["bob", "alice"], ["alice", "bob"]])
def test_the_user_of_a_request_is_the_authenticated_one_whatever_the_client_claims(claims: list[str]) -> None:
    async def main(lab: EdgeLab) -> None:
        _, bob = await two(lab)
        said = "".join(f';+u.sip!userid.ccm.cisco.com="{claim}"' for claim in claims)
        line = with_contact(bob, f"<sip:x@192.0.2.1:5>{said}")
        line.replace("To", f"<sip:1001@{PUB}>")
        assert (await proved(bob, line)).status == 404  # no device of bob's has alice's line
        got = messages(lab, "ucm-pub", "REGISTER")[-1]
        [contact] = got.contacts
        named = [value for name, value in contact.parameters if name == "+u.sip!userid.ccm.cisco.com"]
        assert named == ['"bob"']

    run(main, without=PHONES)


def test_a_path_of_a_client_does_not_pass_e() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.challenged(await line.ask(line.build()))
        request = line.build()
        request.append("Path", "<sip:198.51.100.66:5061;lr>")
        assert (await line.ask(request)).status == 200
        [got] = messages(lab, "ucm-pub", "REGISTER")
        assert "Path" not in got
        [registered] = lab.entries("sip.registered", "ucm-pub")
        assert registered.event.as_json()["via"] == "expc"

    run(with_line(story))


@pytest.mark.parametrize("header", ["Proxy-Authorization", "Authorization"])
@pytest.mark.parametrize("first", [True, False])
def test_another_users_answer_beside_ones_own_is_refused(header: str, first: bool) -> None:
    async def main(lab: EdgeLab) -> None:
        _, bob = await two(lab)
        bob.dialogue.challenged(await bob.ask(bob.build()))
        request = bob.build()
        other = 'Digest username="alice", realm="elsewhere", nonce="1", uri="sip:x", response="1"'
        request.insert((request.position("Proxy-Authorization") or 0) + (not first), header, other)
        answered = await bob.ask(request)
        assert answered.status == 403
        assert len(messages(lab, "ucm-pub", "REGISTER")) == 1
        await bob.close()

    run(main, without=PHONES)
