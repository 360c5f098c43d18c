"""What the Expressways refuse on the SIP side, with which responses, and without effect on others."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.sip import Connection, Request, Response, SipError, SipTransportError
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import ROUTE, Line, messages, notes, with_line


def granted(lab: EdgeLab, node: str) -> list[bool]:
    """Return the results of digest checks."""
    found = [entry.event.as_json() for entry in lab.entries("auth", node)]
    return [one["granted"] for one in found if one["how"] == "digest"]


# ---- who is it


def test_a_wrong_password_is_challenged_again_and_goes_no_further() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        first = await line.ask(line.build())
        line.dialogue.challenged(first)
        second = await line.ask(line.build())
        assert (first.status, second.status) == (407, 407)
        assert first.get("Proxy-Authenticate") != second.get("Proxy-Authenticate")
        assert "stale=FALSE" in (second.get("Proxy-Authenticate") or "")
        assert [one.status for one in messages(lab, "expe", "SERVICE", 401)] == [401]
        assert granted(lab, "expc") == [False]
        assert messages(lab, "expc", "REGISTER") == []

    run(with_line(story, password="wrong"))


def test_a_user_who_never_signed_in_is_challenged_again() -> None:
    async def main(lab: EdgeLab) -> None:
        line = Line(lab, user="bob")
        await line.connect()
        line.dialogue.challenged(await line.ask(line.build()))
        assert (await line.ask(line.build())).status == 407
        assert len(messages(lab, "expe", "SERVICE", 404)) == 1
        assert messages(lab, "expc", "REGISTER") == []
        await line.signed_in()
        assert (await line.register()).status == 200
        await line.close()

    run(main)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'nonce="', b'nonce="ff'),
        (b'realm="expe', b'realm="other'),
        (b"nc=00000002", b"nc=00000001"),
    ],
    ids=["forged nonce", "another realm", "replayed count"],
)
def test_credentials_that_answer_no_challenge_of_ours(old: bytes, new: bytes) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        request = line.build()
        credentials = (request.get("Proxy-Authorization") or "").encode()
        assert old in credentials
        request.replace("Proxy-Authorization", credentials.replace(old, new).decode())
        answer = await line.ask(request)
        assert answer.status == 407
        assert "stale=FALSE" in (answer.get("Proxy-Authenticate") or "")
        assert len(messages(lab, "ucm-pub", "REGISTER")) == 1

    run(with_line(story))


def test_a_response_cannot_be_replayed_on_another_connection() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.challenged(await line.ask(line.build()))
        request = line.build()
        copy = request.copy()
        assert (await line.ask(request)).status == 200
        thief = Line(lab, "jabber-2")
        await thief.connect()
        copy.replace("Via", (copy.get("Via") or "").replace("branch=z9hG4bK", "branch=z9hG4bKthief"))
        assert (await thief.ask(copy)).status == 407
        assert len(messages(lab, "ucm-pub", "REGISTER")) == 1
        await thief.close()

    run(with_line(story), without=("imp-pub", "jabber-3", "inside-1", "inside-2"))


@pytest.mark.parametrize("value", ["Digest", 'Digest realm="expe.example.com"', "Digest ,,,", 'Digest nonce="x'])
def test_malformed_credentials_are_a_bad_request(value: str) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        request = line.build()
        request.append("Proxy-Authorization", value)
        assert (await line.ask(request)).status == 400
        assert line.connection.open
        assert lab.entries("malformed", "expe")
        assert (await line.register()).status == 200

    run(with_line(story))


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "SUBSCRIBE", "MESSAGE", "NOTIFY", "BYE", "FOO"])
def test_no_method_goes_through_without_credentials(method: str) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.ask(line.request(method))).status == 407
        assert messages(lab, "expc", method) == []

    run(with_line(story))


def test_ack_and_cancel_of_an_unknown_client() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.connection.send(line.request("ACK"))
        assert (await line.ask(line.request("CANCEL"))).status == 403
        assert messages(lab, "expc", "ACK") == messages(lab, "expc", "CANCEL") == []

    run(with_line(story))


# ---- where to


@pytest.mark.parametrize(
    "routes",
    [
        (),
        ("<sip:10.0.30.10:5061;transport=tls;zone-id=4;directed;lr>",),
        ("<sip:10.0.30.10:5061;transport=tls;directed;lr>",),
        ("<sip:203.0.113.10:5061;transport=tls;lr>",),
    ],
    ids=["none", "zone unknown", "no zone", "only our own"],
)
def test_without_a_route_through_the_zone(routes: tuple[str, ...]) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.routes = routes
        answer = await line.register()
        assert answer.status == 403
        assert answer.get("Warning") == '399 203.0.113.10:5061 "Policy Response"'
        assert len(answer.to.tag or "") == 16
        assert messages(lab, "expc", "SERVICE") == messages(lab, "expc", "REGISTER") == []
        line.routes = (ROUTE,)
        assert (await line.register()).status == 200

    run(with_line(story))


def test_a_route_of_e_itself_is_taken_off() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.routes = ("<sip:203.0.113.10:5061;transport=tls;lr>", ROUTE)
        assert (await line.register()).status == 200
        [got] = messages(lab, "expc", "REGISTER")
        assert got.get_all("Route") == [ROUTE]
        assert messages(lab, "ucm-pub", "REGISTER")[0].get_all("Route") == []

    run(with_line(story))


def test_a_host_that_no_search_rule_knows() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.target = "other.inside.example.com"
        answer = await line.register()
        assert (answer.status, answer.reason) == (404, "Not Found")
        assert answer.get("Warning") == '399 10.0.30.10:5061 "Policy Response"'
        assert list(answer.names) == ["via", "call-id", "cseq", "from", "to", "server", "warning", "content-length"]

    run(with_line(story))


def test_a_refusal_repeats_the_session_as_remote() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        session = "75957d4fb66a13e835c10737aa505813"
        request = line.request(
            "OPTIONS", "sip:x@other.inside.example.com", ("Session-ID", f"{session};remote={'0' * 32}")
        )
        answer = await line.ask(line.authorized(request))
        assert answer.status == 404
        assert list(answer.names)[-3:] == ["warning", "session-id", "content-length"]
        assert answer.get("Session-ID") == f"{'0' * 32};remote={session}"

    run(with_line(story))


def test_too_many_hops() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        for hops, where in (("0", "expe"), ("1", "expc")):
            before = len(messages(lab, "expc", "OPTIONS"))
            request = line.authorized(line.request("OPTIONS", None, ("Max-Forwards", hops)))
            answer = await line.ask(request)
            assert answer.status == 483
            assert len(messages(lab, "expc", "OPTIONS")) - before == (where == "expc")
        again = line.authorized(line.request("OPTIONS", None, ("Max-Forwards", "x")))
        assert (await line.ask(again)).status == 400

    run(with_line(story))


# ---- hostile input


@pytest.mark.parametrize(
    ("data", "answered"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", None),
        (b"A" * 40_000, None),
        (
            b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TLS 1.2.3.4:5;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
            b"To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nContent-Length: 99999\r\n\r\n",
            413,
        ),
        (b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TLS 1.2.3.4:5;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n", None),
    ],
    ids=["http", "tls record", "endless", "oversize", "headers missing"],
)
def test_garbage_ends_only_its_own_connection(data: bytes, answered: int | None) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        answers: list[Response] = []
        bad = Line(lab)
        bad.endpoint.on_response = lambda response, _: answers.append(response)
        connection = await bad.connect()
        connection.send_raw(data)
        await asyncio.sleep(1)
        assert [answer.status for answer in answers] == ([answered] if answered else [])
        assert lab.entries("malformed", "expe")
        assert line.connection.open
        assert (await line.register()).status == 200
        await bad.close()

    run(with_line(story))


def test_unsolicited_answers_are_dropped() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        [asked] = messages(lab, "expc", "REGISTER")
        forged = asked.response(200, to_tag="x")
        line.connection.send(forged)
        assert isinstance(forged, Response)
        await asyncio.sleep(1)
        assert messages(lab, "expc", "REGISTER", 200) == messages(lab, "expc", "REGISTER", 200)[:1]
        assert line.connection.open

    run(with_line(story))


# ---- C checks the SERVICE


@pytest.mark.parametrize(("skew", "status"), [(59, 200), (61, 403), (-61, 403)])
def test_clocks_that_differ(skew: int, status: int) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        lab.skew("expc", skew)
        assert (await line.register()).status == status
        if status == 403:
            [entry] = [entry for entry in lab.entries("auth", "expc") if "SERVICE" in entry.event.as_json()["detail"]]
            assert "61 s" in entry.event.as_json()["detail"]
            assert messages(lab, "expc", "REGISTER") == []

    run(with_line(story))


@pytest.mark.parametrize(("release", "status"), [("X14.3", 403), ("X15.3", 403), ("X15.4", 200)])
def test_a_certificate_of_e_without_client_authentication(release: str, status: int) -> None:
    changes = {
        "certificates": [{"host": "expe", "service": "server", "client_auth": False}],
        "expressway_c.0.release": release,
        "expressway_e.0.release": release,
    }

    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == status

    run(with_line(story), changes=changes)


def test_a_nat_between_c_and_e() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        [link] = lab.service("expe").sip.zone.live()
        link.connection.peer = ("203.0.113.10", 4401)  # what E would see of C
        lab.service("expe").sip.zone.links["203.0.113.10"] = link
        began = lab.world.now()
        answer = await line.register()
        assert answer.status == 408
        assert lab.world.now() - began > 5_000_000_000
        [refused] = messages(lab, "expe", "SERVICE", 408)
        assert refused.reason == "Request Timeout"
        assert refused.get("Warning") == '399 10.0.30.10:5061 "Request Timeout"'
        assert 'Dst-ip="203.0.113.10" Dst-port="4401" Detail="TCP Connection Failed"' in notes(lab, "expc")[-1]
        assert messages(lab, "expc", "REGISTER") == []

    run(with_line(story))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"Identity": '"AAAA"'}, 403),
        ({"Identity": '"?"'}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({"Date": "yesterday"}, 403),
    ],
)
def test_service_with_the_signature_verified(change: dict[str, str], status: int) -> None:
    async def main(lab: EdgeLab) -> None:
        line = await Line(lab).signed_in()
        await line.connect()
        service = lab.service("expe").sip._service
        build = service.request

        def broken(*args: object, **more: object) -> Request:
            request: Request = build(*args, **more)
            for name, value in change.items():
                request.replace(name, value)
            return request

        service.request = broken
        assert (await line.register()).status == status
        await line.close()

    run(main, changes={"defaults.sip.service_identity_verified": True})


# ---- STUN


def test_stun_says_whether_the_path_stands() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        answer = await line.node.host.run(line.connection.stun(3))
        assert answer.error is None
        assert answer.mapped == line.connection.local
        await lab.crash("expc")
        await asyncio.sleep(1)
        answer = await line.node.host.run(line.connection.stun(3))
        assert answer.error == (500, "Server Error")

    run(with_line(story))


def test_stun_is_garbage_where_the_setting_is_off() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        connection: Connection = line.connection
        with pytest.raises(SipTransportError):
            await line.node.host.run(connection.stun(3))
        assert lab.entries("malformed", "expe")

    run(with_line(story), changes={"mra.stun_keepalive": False})


def test_crlf_keep_alive() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.node.host.run(line.connection.ping(3))

    run(with_line(story))


def test_calls_through_a_zone_that_checks_credentials() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        ucm = lab.service("ucm-pub")._endpoint
        request = line.request("NOTIFY", target, routes=False)
        request.replace("Via", "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bK77")
        answer = await lab.node("ucm-pub").host.run(ucm.request(request, ucm.connections[0]))
        assert answer.status == 407
        assert line.requests == []

    run(with_line(story), changes={"traversal_zone.check_credentials": True})


def test_a_client_that_goes_away_in_the_middle() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        line.dialogue.challenged(await line.ask(line.build()))
        request = line.build()
        task = line.node.host.spawn(line.ask(request), name="ask")
        await asyncio.sleep(0.0205)
        line.connection.abort()
        with pytest.raises(SipError):
            await task
        await asyncio.sleep(1)
        await line.connect()
        assert (await line.register()).status == 200
        assert PUB in request.uri

    run(with_line(story))
