"""Who owns what at the edge: contacts, lines, devices, users, and the question that only E may ask C."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.edge import service
from edgesim.pki import Identity
from edgesim.sip import Authentication, Request, Response
from edgesim.sip.digest import answer, secret_hash
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import ROUTE, Line, messages, notes, with_line
from tests.servers.test_expressway_sip import notify

PHONES = ("imp-pub", "jabber-3", "inside-1", "inside-2")


async def two(lab: EdgeLab) -> tuple[Line, Line]:
    """Return alice's registered line, and bob's, whose connection is open."""
    alice, bob = Line(lab), Line(lab, "jabber-2", user="bob")
    for line in (alice, bob):
        await line.signed_in()
        await line.connect()
    assert (await alice.register()).status == 200
    return alice, bob


async def proved(line: Line, request: Request) -> Response:
    """Send a request with the line's own password, after a challenge where there was none."""
    if line.dialogue.challenge is None:
        line.dialogue.challenged(await line.ask(line.build()))
    return await line.ask(line.authorized(request))


def with_contact(line: Line, contact: str) -> Request:
    """Return the line's REGISTER with another Contact, and without credentials."""
    request = line.build()
    request.set("Contact", contact)
    request.remove("Proxy-Authorization")
    return request


# ---- contacts


def test_a_contact_is_delivered_to_whoever_registered_it_first() -> None:
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


def test_nobody_can_take_the_address_that_another_will_connect_from() -> None:
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
def test_who_asks_for_contacts_is_told_of_ones_own_alone(path: bool, lists: str) -> None:
    """Whoever learnt the line and the Call-ID of another user's registration learns no more by them."""

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


def test_nobody_registers_the_line_and_device_of_another_user() -> None:
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
def test_who_a_client_is_it_does_not_say_itself(claims: list[str]) -> None:
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
def test_an_answer_of_somebody_else_beside_ones_own_is_refused(header: str, first: bool) -> None:
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


# ---- digests


def test_every_request_of_a_proved_connection_is_checked() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        for user, password in (("alice", "wrong"), ("bob", "wrong"), ("nobody", "alice-secret")):
            request = line.request("OPTIONS")
            line.user, line.password = user, password
            refused = await line.ask(line.authorized(request))
            assert refused.status in (407, 403)
            line.user, line.password = "alice", "alice-secret"
        assert messages(lab, "expc", "OPTIONS") == []
        assert (await line.register()).status == 200

    run(with_line(story))


def test_an_answer_counts_for_its_own_method_alone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        credentials = line.build().get("Proxy-Authorization") or ""
        request = line.request("SUBSCRIBE")
        request.append("Proxy-Authorization", credentials)
        assert (await line.ask(request)).status == 407
        assert messages(lab, "expc", "SUBSCRIBE") == []

    run(with_line(story))


def test_a_changed_password_counts_as_soon_as_c_knows_it() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        lab.service("ucm-pub").database.set_credentials("alice", password="renewed", pin=None)
        authorization = line.dialogue
        assert authorization.password == "alice-secret"
        from edgesim.http import basic_authorization

        assert (await lab.config(basic_authorization("alice", "renewed"))).status == 200
        await line.connect()
        line.dialogue.password = "renewed"
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 2

    run(with_line(story))


def test_three_challenges_and_then_403() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.password = line.password = "wrong"
        statuses = []
        for _ in range(5):
            refused = await line.ask(line.build())
            statuses.append(refused.status)
            line.dialogue.challenged(refused)
        assert statuses == [407, 407, 407, 403, 403]
        await line.connect()
        line.dialogue.password = "alice-secret"
        assert (await line.register()).status == 200  # the other connection has chances of its own

    run(with_line(story))


def test_a_right_answer_ends_the_count_of_challenges() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        for _ in range(2):  # four wrong answers: a fifth and sixth would have the address blocked
            line.dialogue.password = "wrong"
            for _ in range(3):
                refused = await line.ask(line.build())
                assert refused.status == 407
                line.dialogue.challenge = None
                assert line.dialogue.challenged(refused)
            line.dialogue.password = "alice-secret"
            assert (await line.ask(line.build())).status == 200
            line.dialogue.challenge = None

    run(with_line(story))


# ---- SERVICE


def question(lab: EdgeLab, identity: Identity, user: str, password: str, link: str) -> Request:
    """Return a SERVICE about the digest of a user, as whoever holds ``identity`` may write it."""
    nonce, uri = "0" * 60, f"sip:{PUB}"
    challenge = Authentication.parse(f'Digest realm="expe.example.com", nonce="{nonce}", qop="auth"')
    proof = Authentication.parse(
        answer(challenge, method="REGISTER", uri=uri, username=user, password=password, cnonce="1")
    )
    asked = service.DigestAuth(
        username=user,
        realm="expe.example.com",
        nonce=nonce,
        cnonce="1",
        nc="00000001",
        response=proof.get("response") or "",
        uri=uri,
        sipdomain=PUB,
        certificate=identity.pem(),
    )
    boundary = "boundary-1"
    headers = [
        ("Via", "SIP/2.0/TLS 198.51.100.25:50000;branch=z9hG4bKservice"),
        ("From", f"<sip:serviceproxy@{PUB}>;tag=1"),
        ("To", f"<sip:serviceserver@{PUB}>"),
        ("Call-ID", "service@198.51.100.25"),
        ("CSeq", "1 SERVICE"),
        ("Max-Forwards", "15"),
        ("Route", f"<sip:proxy-call-id=x@{link};transport=tls;apparent;ds;lr>"),
        ("Route", "<sip:127.0.0.1:22210;transport=tcp;vcs-cate;lr>"),
        ("Date", lab.node("expe").host.clock.http_date()),
        ("Event", "service"),
        ("Content-Type", service.content_type(boundary)),
    ]
    return Request.build("SERVICE", f"sip:serviceserver@{PUB}", headers, service.build(asked, boundary))


@pytest.mark.parametrize("routes", [(), (ROUTE,)])
def test_no_client_asks_c_about_passwords(routes: tuple[str, ...]) -> None:
    async def main(lab: EdgeLab) -> None:
        _, bob = await two(lab)
        [link] = lab.service("expe").sip.zone.live()
        own = lab.node("expe").identities["server"]
        asked = question(lab, own, "alice", "alice-secret", "{}:{}".format(*link.connection.peer))
        for route in routes:
            asked.prepend("Route", route)
        before = len(messages(lab, "expc", "SERVICE"))
        assert (await bob.ask(asked)).status == 403
        assert (await proved(bob, asked.copy())).status == 403
        assert len(messages(lab, "expc", "SERVICE")) == before
        await bob.close()

    run(main, without=PHONES)


@pytest.mark.parametrize(("whose", "status"), [("expe", 200), ("ucm-pub", 403)])
def test_c_wants_the_certificate_of_the_e_that_asks(whose: str, status: int) -> None:
    async def main(lab: EdgeLab) -> None:
        await two(lab)
        e, c = lab.service("expe").sip, lab.node("expc")
        [link] = e.zone.live()
        shown = {"expe": "server", "ucm-pub": "tomcat"}[whose]
        apparent = "{}:{}".format(*link.connection.peer)
        asked = question(lab, lab.node(whose).identities[shown], "alice", "alice-secret", apparent)
        asked.replace("Route", f"<sip:{apparent};transport=tls;apparent;ds;lr>")
        found = await lab.node("expe").host.run(e._endpoint.request(asked, link.connection))
        assert found.status == status
        assert (secret_hash("alice", "expe.example.com", "alice-secret").encode() in found.body) is (status == 200)
        details = [one.event.as_json()["detail"] for one in lab.entries("auth", c.name)]
        assert details[-1].startswith("SERVICE: granted" if status == 200 else "SERVICE: the certificate is not")

    run(main, without=PHONES)


# ---- what a proxy looks at


@pytest.mark.parametrize(
    ("change", "status", "header"),
    [
        ({"Proxy-Require": "a-thing, another"}, 420, ("Unsupported", "a-thing,another")),
        ({"uri": "foo:bar@example.com"}, 416, None),
        ({"uri": "nonsense"}, 400, None),
        ({"Max-Forwards": "0"}, 483, None),
        ({"Max-Forwards": "0" * 30 + "70"}, 407, None),
    ],
)
def test_what_e_looks_at_before_it_asks_who_sends(
    change: dict[str, str], status: int, header: tuple[str, str] | None
) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        request = line.request("OPTIONS")
        for name, value in change.items():
            if name == "uri":
                request.uri = value
            else:
                request.set(name, value)
        refused = await line.ask(request)
        assert refused.status == status
        assert refused.get("Server") == "TANDBERG/4135 (X14.3)"
        if header is not None:
            assert refused.get(header[0]) == header[1]
        assert (await line.register()).status == 200

    run(with_line(story))


def test_white_space_in_credentials_is_any_white_space() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.challenged(await line.ask(line.build()))
        request = line.build()
        credentials = request.get("Proxy-Authorization") or ""
        request.replace("Proxy-Authorization", credentials.replace("Digest ", "Digest\t ").replace(", ", " \t, "))
        assert (await line.ask(request)).status == 200

    run(with_line(story))


def test_routes_and_hosts_may_be_rooted() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.routes = ("<sip:EXPE.example.com.:5061;transport=tls;lr>", ROUTE)
        line.target = f"{PUB}."
        assert (await line.register()).status == 200
        [got] = messages(lab, "ucm-pub", "REGISTER")
        assert got.uri == f"sip:{PUB}."  # as spelled

    run(with_line(story))


# ---- the way back


def test_both_expressways_stay_in_the_path_of_a_dialog_whoever_begins_it() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        ucm = lab.service("ucm-pub")
        request = line.request("SUBSCRIBE", target, routes=False)
        request.replace("Via", "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bKdown")
        [connection] = ucm._endpoint.connections
        assert (await lab.node("ucm-pub").host.run(ucm._endpoint.request(request, connection))).status == 200
        [got] = line.requests
        routes = [route.address for route in map(_name_addr, got.values("Record-Route"))]
        assert [(uri.host, uri.port) for uri in routes] == [
            ("203.0.113.10", 5061),
            ("10.0.20.10", 7001),
            ("10.0.30.10", 5061),
            ("10.0.30.10", 5060),
        ]
        assert all((uri.user or "").startswith("proxy-call-id=") for uri in routes)
        assert len({uri.user for uri in routes}) == 2
        # the next request of the dialog goes by these routes, though its target was never registered
        back = line.request("NOTIFY", "sip:new@192.0.2.200", routes=False)
        back.replace("Via", "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bKback")
        for route in got.values("Record-Route"):
            back.prepend("Route", route)
        assert (await lab.node("ucm-pub").host.run(ucm._endpoint.request(back, connection))).status == 200
        assert len(line.requests) == 2

    run(with_line(story))


def test_c_stays_in_the_path_towards_unified_cm() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        await line.ask(line.authorized(line.request("SUBSCRIBE")))
        [got] = messages(lab, "ucm-pub", "SUBSCRIBE")
        found = [_name_addr(value).address for value in got.values("Record-Route")]
        assert [(uri.host, uri.port) for uri in found] == [
            ("10.0.30.10", 5060),
            ("10.0.30.10", 5061),
            ("10.0.20.10", 7001),
            ("203.0.113.10", 5061),
        ]

    run(with_line(story))


def _name_addr(value: str) -> Any:
    from edgesim.sip import NameAddr

    return NameAddr.parse(value)
