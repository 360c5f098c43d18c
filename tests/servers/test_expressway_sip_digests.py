"""How E checks a client's digest: what it asks C, what it remembers, and who else may ask."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from edgesim.edge import service
from edgesim.pki import Identity
from edgesim.sip import Authentication, Request
from edgesim.sip.digest import answer
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import PHONES, ROUTE, Line, messages, proved, two, with_line


def test_a_refresh_on_the_same_connection_asks_no_c() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        for _ in range(3):
            assert (await line.register()).status == 200
            await asyncio.sleep(100)
        assert len(messages(lab, "expc", "SERVICE")) == 1
        assert len(messages(lab, "ucm-pub", "REGISTER")) == 3
        await asyncio.sleep(100)  # the nonce is stale by now, the 200 to SERVICE not forgotten
        answer = await line.ask(line.build())
        assert answer.status == 407
        assert "stale=TRUE" in (answer.get("Proxy-Authenticate") or "")
        assert line.dialogue.challenged(answer)
        assert (await line.ask(line.build())).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 1

    run(with_line(story))


def test_the_hash_that_c_gave_serves_on_every_connection_for_ten_minutes() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await asyncio.sleep(595)
        await line.connect()
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 1
        await asyncio.sleep(10)
        assert (await line.register()).status == 200
        assert len(messages(lab, "expc", "SERVICE")) == 2

    run(with_line(story))


def test_without_the_cache_c_checks_every_request() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        for asked in (1, 2, 3):
            assert (await line.register()).status == 200
            assert len(messages(lab, "expc", "SERVICE")) == asked
        assert [answer.body for answer in messages(lab, "expe", "SERVICE", 200)] == [b""] * 3

    run(with_line(story), changes={"defaults.sip.digest_cache": False})


def test_a_nonce_serves_128_requests_and_then_is_stale() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        for _ in range(127):
            assert (await line.ask(line.build())).status == 200
        answer = await line.ask(line.build())
        assert (answer.status, "stale=TRUE" in (answer.get("Proxy-Authenticate") or "")) == (407, True)
        assert line.dialogue.challenged(answer)
        assert (await line.ask(line.build())).status == 200

    run(with_line(story))


@pytest.mark.parametrize("away", [20, 2000])
def test_a_nonce_is_stale_and_not_wrong_after_a_restart_of_e(away: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        dialogue = line.dialogue
        await asyncio.sleep(290)
        await lab.restart("expe")
        await asyncio.sleep(away)
        await line.connect()
        line.dialogue = dialogue
        answer = await line.ask(line.build())
        assert (answer.status, "stale=TRUE" in (answer.get("Proxy-Authenticate") or "")) == (407, True)

    run(with_line(story))


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
        assert (await line.register()).status == 200  # the other connection has its own attempts

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


def test_credentials_may_have_any_white_space() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.challenged(await line.ask(line.build()))
        request = line.build()
        credentials = request.get("Proxy-Authorization") or ""
        request.replace("Proxy-Authorization", credentials.replace("Digest ", "Digest\t ").replace(", ", " \t, "))
        assert (await line.ask(request)).status == 200

    run(with_line(story))


# ---- SERVICE


def question(lab: EdgeLab, identity: Identity, user: str, password: str, link: str) -> Request:
    """Return a SERVICE about the digest of a user, as the holder of ``identity`` may write it."""
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
def test_a_client_cannot_ask_c_about_passwords(routes: tuple[str, ...]) -> None:
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
def test_c_answers_service_only_with_the_certificate_of_its_e(whose: str, status: int) -> None:
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
        ha1 = hashlib.md5(b"alice:expe.example.com:alice-secret").hexdigest()
        assert (ha1.encode() in found.body) is (status == 200)
        details = [one.event.as_json()["detail"] for one in lab.entries("auth", c.name)]
        assert details[-1].startswith("SERVICE: granted" if status == 200 else "SERVICE: the certificate is not")

    run(main, without=PHONES)
