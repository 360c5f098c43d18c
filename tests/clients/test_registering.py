"""What a phone does on each answer, each timer and each loss: against a scripted registrar."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from edgesim.clients.common.reactions import Reaction, Unregistered, reaction_to
from edgesim.journal import events
from edgesim.sip import Response, parse_message
from tests.clients.desk import INSIDE, Desk, play
from tests.clients.registrar import CHALLENGE, CLOSED, HABITS, OK, SILENCE, Handset, Registrar, handset, refused

PHONE, ONE, TWO = INSIDE, "inside-2", "jabber-3"
CHALLENGED = refused(407, ("Proxy-Authenticate", CHALLENGE.format("aa", "FALSE")))
STALE = refused(407, ("Proxy-Authenticate", CHALLENGE.format("bb", "TRUE")))
Story = Callable[[Desk, Registrar, Registrar], Awaitable[None]]


def report(story: Story, **options: Any) -> None:
    """Run a story with two registrars; nothing may be left on the phone's machine."""

    async def whole(desk: Desk) -> None:
        one = await Registrar(desk.lab.node(ONE)).start()
        two = await Registrar(desk.lab.node(TWO)).start()
        await story(desk, one, two)
        await one.stop()
        await two.stop()
        await asyncio.sleep(1)
        assert not desk.left(PHONE)

    play(whole, without=["expe", "expc", "imp-pub", "ucm-pub", "ucm-sub"], **options)


async def on(desk: Desk, made: Handset, work: Awaitable[None]) -> None:
    """Do something as the phone's host."""

    async def run() -> None:
        await work

    await desk.lab.node(PHONE).host.run(run())


async def closed(desk: Desk, made: Handset) -> None:
    await on(desk, made, made.phone.close())


def header(request: Any, name: str) -> str:
    return str(request.get(name) or "")


ALWAYS = {
    200: Reaction.GRANTED,
    **dict.fromkeys((300, 301, 302, 305), Reaction.REDIRECT),
    **dict.fromkeys((401, 407), Reaction.ANSWER),
    423: Reaction.INTERVAL,
}
"""Answers whose reaction depends on neither Retry-After nor adaptive routing: ccsip_register.c of SIPCC."""
WAITS = dict.fromkeys((404, 413, 480, 486, 503), Reaction.WAIT)
"""With Retry-After only: of the same source, which has 503 so where a Unified CM is the registrar."""
BROKEN = dict.fromkeys((408, 503, 504), Reaction.NEXT_PATH)
"""For a client of adaptive routing only; a 503 without Retry-After."""


@pytest.mark.parametrize(
    ("with_retry_after", "adaptive", "rows"),
    [
        (False, False, ALWAYS),
        (True, False, ALWAYS | WAITS),
        (False, True, ALWAYS | BROKEN),
        (True, True, ALWAYS | BROKEN | WAITS),
    ],
)
def test_an_answer_has_the_documented_reaction(
    with_retry_after: bool, adaptive: bool, rows: dict[int, Reaction]
) -> None:
    more = "Retry-After: 35\r\n" if with_retry_after else ""
    found = {status: reaction_to(answer(status, more), adaptive=adaptive) for status in range(200, 700)}
    assert {status: each for status, each in found.items() if each is not Reaction.REJECTED} == rows


def answer(status: int, more: str) -> Response:
    message = parse_message(f"SIP/2.0 {status} X\r\nVia: SIP/2.0/TLS a\r\n{more}Content-Length: 0\r\n\r\n".encode())
    assert isinstance(message, Response)
    return message


def test_refresh_comes_delta_before_expiry_with_the_same_call_id_and_no_reason() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        made = handset(desk.lab.node(PHONE), one.path(), habits=HABITS)
        await on(desk, made, made.phone.register())
        await asyncio.sleep(350)
        (first_at, first), (second_at, second), (third_at, third), *rest = one.requests
        assert round(second_at - first_at, 1) == round(third_at - second_at, 1) == 115.0
        assert header(first, "Call-ID") == header(second, "Call-ID")
        assert second.cseq.number == first.cseq.number + 1
        assert "Reason" in first and "Reason" not in second
        assert first.body and first.from_.tag != second.from_.tag
        assert second.body == third.body == b"" and "Content-Type" not in second
        assert len(rest) == 1
        await closed(desk, made)

    report(story)


def test_a_refresh_may_repeat_the_whole_registration() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        made = handset(desk.lab.node(PHONE), one.path(), habits=replace(HABITS, short_refresh=False))
        await on(desk, made, made.phone.register())
        await asyncio.sleep(120)
        (_, first), (_, second) = one.requests
        assert (first.body, first.from_.tag) == (second.body, second.from_.tag)
        await closed(desk, made)

    report(story)


def test_challenges_are_answered_and_a_stale_nonce_replaced() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.script = [CHALLENGED, OK, STALE, OK]
        made = handset(desk.lab.node(PHONE), one.path())
        await on(desk, made, made.phone.register())
        await asyncio.sleep(120)
        assert made.phone.registered and not made.reported
        credentials = [header(request, "Proxy-Authorization") for _, request in one.requests]
        assert credentials[0] == ""
        assert 'nonce="aa"' in credentials[1] and "nc=00000001" in credentials[1]
        assert 'nonce="aa"' in credentials[2] and "nc=00000002" in credentials[2]
        assert 'nonce="bb"' in credentials[3] and "nc=00000001" in credentials[3]
        await closed(desk, made)

    report(story)


@pytest.mark.parametrize(
    "challenge",
    [
        refused(407),
        refused(407, ("Proxy-Authenticate", 'Bearer realm="ccmsipline"')),
        refused(401, ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-512')),
        refused(407, ("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth-int"')),
    ],
)
def test_challenges_that_cannot_be_answered(challenge: Any) -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.script = [challenge] * 5
        made = handset(desk.lab.node(PHONE), one.path())
        with pytest.raises(Unregistered) as refusal:
            await on(desk, made, made.phone.register())
        assert refusal.value.reaction is Reaction.REJECTED
        await closed(desk, made)

    report(story)


def test_challenged_again_and_again() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.script = [CHALLENGED] * 9
        made = handset(desk.lab.node(PHONE), one.path())
        with pytest.raises(Unregistered, match="407"):
            await on(desk, made, made.phone.register())
        assert len(one.requests) == 2
        await closed(desk, made)

    report(story)


@pytest.mark.parametrize("status", [404, 413, 480, 486, 503])
def test_retry_after_is_honoured(status: int) -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [OK, refused(status, ("Retry-After", "35"))]
        made = handset(desk.lab.node(PHONE), one.path(), two.path())
        await on(desk, made, made.phone.register())
        await asyncio.sleep(160)
        (_, _), (refused_at, _), (again_at, again) = one.requests[:3]
        assert round(again_at - refused_at, 1) == 35.0
        assert not two.requests and not made.provisioned and made.phone.registered
        assert "Last=Device-Initiated-Reset" in header(again, "Reason")
        await closed(desk, made)

    report(story)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 603])
def test_a_rejection_starts_over_with_provisioning_and_does_not_fail_over(status: int) -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [OK, refused(status), refused(status), OK]
        made = handset(desk.lab.node(PHONE), one.path(), two.path())
        await on(desk, made, made.phone.register())
        await asyncio.sleep(170)
        times = [round(at) for at, _ in one.requests]
        assert [later - earlier for earlier, later in itertools.pairwise(times)][:3] == [115, 15, 30]
        assert len(made.provisioned) == 2 and not two.requests and made.phone.registered
        assert any(str(status) in text for _, text in made.reported)
        await closed(desk, made)

    report(story)


def test_provisioning_may_name_other_paths() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [OK, refused(403), refused(403)]
        made = handset(desk.lab.node(PHONE), one.path(), provide=lambda: (two.path(),))
        await on(desk, made, made.phone.register())
        await asyncio.sleep(140)
        assert made.phone.registered and len(two.requests) == 1
        await closed(desk, made)

    report(story)


def test_403_with_retry_after_is_rejected_all_the_same() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.script = [
            refused(403, ("Retry-After", "35"), ("Warning", '399 ucm-pub "SIP OAuth Registration port Mismatch"'))
        ]
        made = handset(desk.lab.node(PHONE), one.path())
        with pytest.raises(Unregistered) as refusal:
            await on(desk, made, made.phone.register())
        assert refusal.value.reaction is Reaction.REJECTED
        assert '403 Forbidden 399 ucm-pub "SIP OAuth Registration port Mismatch"' in str(refusal.value)
        await closed(desk, made)

    report(story)


def test_423_asks_for_longer_with_a_new_call_id() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.script = [refused(423, ("Min-Expires", "7200"))]
        made = handset(desk.lab.node(PHONE), one.path())
        await on(desk, made, made.phone.register())
        (_, first), (_, second) = one.requests
        assert header(first, "Expires") == "3600" and header(second, "Expires") == "7200"
        assert header(first, "Call-ID") != header(second, "Call-ID")
        await closed(desk, made)

    report(story)


@pytest.mark.parametrize("headers", [(), (("Min-Expires", "many"),), (("Min-Expires", "10"),)])
def test_423_that_does_not_help(headers: tuple[tuple[str, str], ...]) -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.script = [refused(423, *headers)] * 3
        made = handset(desk.lab.node(PHONE), one.path())
        with pytest.raises(Unregistered, match="423"):
            await on(desk, made, made.phone.register())
        assert len(one.requests) == 1
        await closed(desk, made)

    report(story)


@pytest.mark.parametrize("status", [300, 301, 302, 305])
def test_redirection_leads_to_the_returned_contact_with_a_new_call_id(status: int) -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [refused(status, ("Contact", f"<sip:1001@{two.address}:5060;transport=tcp>"))]
        made = handset(desk.lab.node(PHONE), one.path())
        await on(desk, made, made.phone.register())
        (_, first), (_, second) = one.requests[0], two.requests[0]
        assert header(first, "Call-ID") != header(second, "Call-ID")
        await asyncio.sleep(120)
        assert len(two.requests) == 2 and len(one.requests) == 1
        await closed(desk, made)

    report(story)


def test_redirections_in_a_circle_end() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [refused(302, ("Contact", f"<sip:1001@{two.address}:5060;transport=tcp>"))] * 9
        two.script = [refused(302, ("Contact", f"<sip:1001@{one.address}:5060;transport=tcp>"))] * 9
        made = handset(desk.lab.node(PHONE), one.path())
        with pytest.raises(Unregistered, match="redirected again and again"):
            await on(desk, made, made.phone.register())
        await closed(desk, made)

    report(story)


def test_a_dead_peer_leads_to_the_next_path_and_silence_after_timer_f() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [SILENCE]
        made = handset(desk.lab.node(PHONE), one.path(port=5999), one.path(), two.path())
        began = desk.now
        await on(desk, made, made.phone.register())
        assert made.phone.path == two.path()
        assert 32 <= desk.now - began < 33  # 64 times T1
        assert [entry.event.reason for entry in desk.entries(events.TcpFailed, PHONE)] == ["refused"]
        await closed(desk, made)

    report(story)


def test_a_closed_connection_leads_to_the_other_peer_at_once_and_says_why() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        made = handset(desk.lab.node(PHONE), one.path(), two.path())
        await on(desk, made, made.phone.register())
        await asyncio.sleep(50)
        for connection in one.connections:
            connection.abort()
        await asyncio.sleep(1)
        (_, request) = two.requests[0]
        assert header(request, "Reason") == (
            'SIP;cause=200;text="cisco-alarm:14 Name=CSFALICE ActiveLoad=Jabber_for_Windows-14.1.0 '
            'InactiveLoad=Jabber_for_Windows-14.1.0 Last=cm-closed-tcp"'
        )
        assert header(request, "Call-ID") != header(one.requests[0][1], "Call-ID")
        assert [result for result, _ in made.reported] == ["failed", "ok"]
        await closed(desk, made)

    report(story)


def test_an_absent_server_is_tried_every_15_seconds() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        made = handset(desk.lab.node(PHONE), one.path(), habits=HABITS)
        await on(desk, made, made.phone.register())
        await one.stop()
        await asyncio.sleep(61)
        assert len(desk.entries(events.TcpFailed, PHONE)) == 5
        await one.start()
        await asyncio.sleep(15)
        assert made.phone.registered and not made.provisioned
        await closed(desk, made)

    report(story)


def test_closed_in_the_middle_of_a_refresh() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [OK, CLOSED]
        made = handset(desk.lab.node(PHONE), one.path(), two.path())
        await on(desk, made, made.phone.register())
        await asyncio.sleep(117)
        assert made.phone.registered and len(two.requests) == 1
        await closed(desk, made)

    report(story)


def test_a_grant_that_is_too_short_is_given_back() -> None:
    async def story(desk: Desk, one: Registrar, _: Registrar) -> None:
        one.grant = 60
        made = handset(desk.lab.node(PHONE), one.path(), habits=HABITS)
        await on(desk, made, made.phone.register())
        await asyncio.sleep(1)
        assert [header(request, "Expires") for _, request in one.requests] == ["3600", "0"]
        one.grant = 120
        await asyncio.sleep(3600)
        assert made.phone.registered and len(one.requests) == 3
        await closed(desk, made)

    report(story)


ADAPTIVE = replace(HABITS, adaptive=True)


def stun_requests(desk: Desk, node: str) -> list[float]:
    return [round(entry.at, 1) for entry in desk.entries(events.SipKeepalive, node, PHONE)]


def test_stun_keepalives_every_30_seconds_only_if_granted() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.adaptive = True
        began = desk.now
        made = handset(desk.lab.node(PHONE), one.path(), habits=ADAPTIVE, mra=True)
        other = handset(desk.lab.node(PHONE), two.path(), habits=ADAPTIVE, mra=True)
        await on(desk, made, made.phone.register())
        await on(desk, other, other.phone.register())
        await asyncio.sleep(100)
        assert [round(at - began) for at in stun_requests(desk, ONE)] == [30, 60, 90]
        assert not stun_requests(desk, TWO)
        await closed(desk, made)
        await closed(desk, other)

    report(story)


def test_no_answer_to_a_keepalive_within_3_seconds_leads_to_another_peer() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.adaptive = two.adaptive = True
        one.answers_stun = False
        made = handset(desk.lab.node(PHONE), one.path(), two.path(), habits=ADAPTIVE, mra=True)
        began = desk.now
        await on(desk, made, made.phone.register())
        await asyncio.sleep(35)
        assert round(two.requests[0][0] - began) == 33
        assert ("failed", "registration lost: no answer to a keep-alive") in made.reported
        await closed(desk, made)

    report(story)


def test_an_error_to_a_keepalive_registers_again_through_the_same_edge() -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.adaptive = two.adaptive = one.stun_error = True
        made = handset(desk.lab.node(PHONE), one.path(), two.path(), habits=ADAPTIVE, mra=True)
        await on(desk, made, made.phone.register())
        await asyncio.sleep(31)
        assert len(one.requests) == 2 and not two.requests and len(one.connections) == 1
        one.stun_error = False
        await asyncio.sleep(40)
        assert made.phone.registered
        await closed(desk, made)

    report(story)


@pytest.mark.parametrize("status", [408, 503, 504])
def test_an_edge_that_speaks_of_a_broken_path_leads_to_the_next_one(status: int) -> None:
    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [refused(status)]
        made = handset(desk.lab.node(PHONE), one.path(), two.path(), habits=ADAPTIVE, mra=True)
        await on(desk, made, made.phone.register())
        assert made.phone.path == two.path()
        await closed(desk, made)

    report(story)


def test_a_warning_of_uneven_load_moves_an_adaptive_client() -> None:
    warning = refused(200, ("Warning", '399 expe.example.com "Registration load imbalance"'))

    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [OK, warning]
        made = handset(desk.lab.node(PHONE), one.path(), two.path(), habits=ADAPTIVE, mra=True)
        old = handset(desk.lab.node(PHONE), one.path(), two.path())
        await on(desk, made, made.phone.register())
        await asyncio.sleep(116)
        assert made.phone.path == two.path() and made.phone.registered
        assert "Reason" not in two.requests[0][1]
        one.script = [warning]
        await on(desk, old, old.phone.register())
        await asyncio.sleep(1)
        assert old.phone.path == one.path()
        await closed(desk, made)
        await closed(desk, old)

    report(story)


def test_a_warning_without_another_edge_changes_nothing() -> None:
    warning = refused(200, ("Warning", '399 expe.example.com "Registration load imbalance"'))

    async def story(desk: Desk, one: Registrar, two: Registrar) -> None:
        one.script = [warning, warning]
        made = handset(desk.lab.node(PHONE), one.path(), two.path(port=5999), habits=ADAPTIVE, mra=True)
        await on(desk, made, made.phone.register())
        await asyncio.sleep(240)
        assert made.phone.registered and made.phone.path == one.path() and len(one.requests) == 3
        await closed(desk, made)

    report(story)
