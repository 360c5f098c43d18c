"""A signed-in client while its servers and links fail; hours pass in milliseconds."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.clients.jabber import Jabber
from edgesim.journal import events
from edgesim.world.faults import RefuseConnection, Rewrite, Selector
from tests.clients.desk import INSIDE, OUTSIDE, Desk, play

HOUR = 3600.0
CLIENTS_OWN = (
    b"/cucm-uds/user/alice HTTP/1.1\r\nHost: ucm-pub.inside.example.com:8443\r\nAccept: */*\r\nUser-Agent: Jabber\r\n"
)
"""What a client asks through the edge. Expressway-C asks for the same resource, without a User-Agent, to sign it in."""


async def signed_in(desk: Desk, where: str = OUTSIDE) -> Jabber:
    client = desk.jabber(where=where)
    outcome = await client.sign_in()
    assert outcome.phone and outcome.chat, outcome
    return client


def configurations(desk: Desk) -> list[float]:
    """Return when the edge was asked for its configuration."""
    return [
        entry.at
        for entry in desk.entries(events.HttpRequest, "expe", OUTSIDE)
        if "/get_edge_config" in entry.event.target
    ]


def test_the_edge_is_signed_in_to_again_before_the_cookie_expires() -> None:
    async def story(desk: Desk) -> None:
        client = await signed_in(desk)
        first = configurations(desk)[0]
        await asyncio.sleep(8 * HOUR)
        later = [round((at - first) / 60) for at in configurations(desk)[1:]]
        assert later == [475]  # the cookie lives 480 minutes
        assert client.phone is not None and client.phone.registered and client.chat is not None
        cookies = {
            value
            for entry in desk.entries(events.HttpResponse, OUTSIDE, "expe")
            for value in entry.payload.split(b"\r\n")
            if value.startswith(b"Set-Cookie: X-Auth=")
        }
        assert len(cookies) == 2

    play(story)


def test_a_refused_refresh_is_tried_again() -> None:
    async def story(desk: Desk) -> None:
        await signed_in(desk)
        number = desk.fault(RefuseConnection(name="x", where=Selector(target="expe", port=8443)))
        await asyncio.sleep(1620)
        failed = [text for _, result, text in desk.said if result == "failed" and text.startswith("refresh: ")]
        assert failed
        desk.lab.world.faults.remove(number)
        await asyncio.sleep(60)
        assert ("edge configuration", "ok", "refreshed") in desk.said

    play(story, changes={"defaults.edge.cookie_lifetime_min": 30, "defaults.client.edge_refresh_before_s": 200})


def test_a_401_of_the_edge_leads_to_a_new_sign_in_and_the_request_is_repeated() -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        desk.fault(
            Rewrite(
                name="cookie lost",
                where=Selector(target="expe", contains=b"CSFALICE.cnf.xml"),
                find=b"X-Auth=",
                replace=b"X-Oath=",
                times=1,
            )
        )
        outcome = await client.sign_in()
        assert outcome.phone and outcome.chat and outcome.reason == ""
        statuses = [entry.event.status for entry in desk.entries(events.HttpResponse, OUTSIDE, "expe")]
        assert statuses.count(401) == 1
        assert len(configurations(desk)) == 2

    play(story)


def test_a_401_of_a_server_behind_the_edge_does_not() -> None:
    async def story(desk: Desk) -> None:
        desk.fault(
            Rewrite(
                name="x",
                where=Selector(target="ucm-pub", contains=CLIENTS_OWN),
                find=b"Basic YWxpY2U6YWxpY2Utc2VjcmV0",
                replace=b"Basic YWxpY2U6YWxpY2Utc2VjcmV1",
            )
        )
        outcome = await desk.jabber().sign_in()
        assert outcome.reason == "HTTP response code 401: FAILED_TO_AUTHENTICATE_WITH_CALL_MANAGER"
        assert len(configurations(desk)) == 1

    play(story)


@pytest.mark.parametrize("where", [OUTSIDE, INSIDE])
def test_chat_comes_back_with_a_new_one_time_password_between_the_limits(where: str) -> None:
    async def story(desk: Desk) -> None:
        client = await signed_in(desk, where)
        lost_at = desk.now
        await desk.lab.restart("imp-pub")
        await asyncio.sleep(2)
        assert client.chat is None
        await asyncio.sleep(600)
        assert client.chat is not None
        bound = [entry for entry in desk.entries(events.XmppSession) if entry.event.state == "bound"]
        assert len(bound) == 2 and 120 <= bound[1].at - lost_at <= 540
        # The node forgot the session key: the client signs in again.
        assert [entry for entry in desk.entries(events.Authentication, "imp-pub") if entry.event.how == "soap"][1:]

    play(story)


def test_a_session_key_that_still_holds_is_used() -> None:
    async def story(desk: Desk) -> None:
        client = await signed_in(desk)
        await desk.lab.restart("expe")
        await asyncio.sleep(600)
        assert client.chat is not None
        logins = [entry for entry in desk.entries(events.Authentication, "imp-pub") if entry.event.how == "soap"]
        assert len(logins) == 1

    play(story)


def test_chat_that_cannot_come_back_stays_down_until_the_user_signs_in() -> None:
    async def story(desk: Desk) -> None:
        client = await signed_in(desk, INSIDE)
        await desk.lab.crash("imp-pub")
        await asyncio.sleep(700)
        await desk.lab.start_host("imp-pub")
        asked = len(desk.entries(events.TcpOpened, INSIDE))
        await asyncio.sleep(2000)
        assert client.chat is None and len(desk.entries(events.TcpOpened, INSIDE)) == asked
        assert [text for _, _, text in desk.said if text.startswith("chat stays down until the user signs in: LERR_")]
        await client.sign_out()
        assert (await client.sign_in()).chat

    play(story)


def test_a_phone_refused_at_sign_in_keeps_trying() -> None:
    async def story(desk: Desk) -> None:
        number = desk.fault(RefuseConnection(name="x", where=Selector(target="expe", port=5061)))
        client = desk.jabber()
        outcome = await client.sign_in()
        assert outcome.ok and outcome.chat and not outcome.phone
        desk.lab.world.faults.remove(number)
        await asyncio.sleep(20)
        assert client.phone is not None and client.phone.registered
        assert b"Last=initialized" in desk.registers("expe")[0].payload

    play(story)


def test_a_failed_sign_in_leaves_no_retries() -> None:
    async def story(desk: Desk) -> None:
        desk.fault(RefuseConnection(name="x", where=Selector(target="expe", port=5061)))
        desk.fault(RefuseConnection(name="y", where=Selector(target="expe", port=5222)))
        assert not (await desk.jabber().sign_in()).ok
        count = len(desk.entries(events.TcpFailed, OUTSIDE))
        await asyncio.sleep(300)
        assert len(desk.entries(events.TcpFailed, OUTSIDE)) == count

    play(story)


def test_another_edge_takes_over_https_and_is_asked_first_from_then_on() -> None:
    async def story(desk: Desk) -> None:
        client = await signed_in(desk)
        first = next(entry.node for entry in desk.entries(events.HttpRequest, peer=OUTSIDE))
        other = {"expe1": "expe2", "expe2": "expe1"}[first]
        await desk.lab.crash(first)
        await asyncio.sleep(600)
        assert client.chat is not None and client.phone is not None and client.phone.registered
        assert client.phone.path is not None and client.phone.path.server_name == f"{other}.example.com"
        notes = [entry for entry in desk.entries(events.Note, OUTSIDE) if "switching to next url" in entry.event.text]
        assert len(notes) == 1

    play(story, deployment="pair")


def test_a_new_password_of_the_user_counts_at_the_next_sign_in() -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        assert not (await client.sign_in("mistyped")).ok
        assert (await client.sign_in()).ok
        assert (await client.sign_in()).ok  # again, without signing out: the first session is closed

    play(story)
