"""Scripted hosts: what a scenario plays by hand, and what happens when something else comes than it expects."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.control import Hosts
from edgesim.http import HttpClient
from edgesim.journal import events
from edgesim.node import Node
from edgesim.scenario import (
    Inside,
    JabberUser,
    Lab,
    Malformed,
    Outcome,
    SipRequest,
    SipResponse,
    Unregistered,
    containing,
)
from edgesim.scenario.scripted import ScriptedHost
from edgesim.sip import Request
from tests.scenario.stories import judged, played

EDGE: dict[str, Any] = {"without": ("ucm-sub", "imp-pub")}
"""The edge and a publisher: enough for a phone."""


def register(script: ScriptedHost, port: int, *, branch: str = "z9hG4bK1", routes: tuple[str, ...] = ()) -> Request:
    """Build the REGISTER of a client that nobody knows."""
    here = f"{script.address}:{port}"
    headers = [
        ("Via", f"SIP/2.0/TLS {here};branch={branch}"),
        *(("Route", route) for route in routes),
        ("Max-Forwards", "70"),
        ("From", "<sip:1001@ucm-pub.inside.example.com>;tag=scripted"),
        ("To", "<sip:1001@ucm-pub.inside.example.com>"),
        ("Call-ID", f"scripted@{script.address}"),
        ("CSeq", "1 REGISTER"),
        ("Contact", f"<sip:1001@{here};transport=tls>"),
        ("Expires", "3600"),
    ]
    return Request.build("REGISTER", "sip:ucm-pub.inside.example.com", headers)


# ---- a Unified CM node that refuses


async def refused(lab: Lab, alice: JabberUser) -> None:
    """A Unified CM node that answers 403 with a Warning: the client does not register with it."""
    script = await lab.script("ucm-sub")
    line = await script.listen_sip(5060)

    async def node() -> None:
        asked = await line.receive("REGISTER", containing=b"CSFALICE")
        warning = '399 ucm-sub "Database configuration mismatch: no such device"'
        asked.answer(403, headers=[("Warning", warning)])

    async with lab.step("alice signs in, and the first node of her group refuses her"):
        await lab.together(node(), alice.sign_in())
        refusal = SipResponse(node=alice.machine, peer="ucm-sub", status=403, payload=containing("mismatch"))
        await lab.expect(refusal)


REFUSED: dict[str, Any] = {
    "without": ("expe", "expc", "imp-pub", "ucm-sub"),
    "clients": {"alice": Inside},
    "changes": {"unified_cm.0.call_manager_group": ["ucm-sub"]},
}


def test_a_scripted_unified_cm_refuses_a_registration() -> None:
    run = played(refused, **REFUSED)
    assert run.verdict.outcome is Outcome.PASSED, run.verdict.reason
    [request] = run.journal.select(kind=SipRequest().event.kind, node="ucm-sub")
    assert request.peer == "inside-1" and b"REGISTER sip:ucm-sub" in request.payload


def test_what_a_script_does_not_expect_fails_the_scenario_and_is_shown() -> None:
    async def story(lab: Lab, alice: JabberUser) -> None:
        script = await lab.script("ucm-sub")
        line = await script.listen_sip(5060)
        await lab.together(line.receive("INVITE"), alice.sign_in())

    verdict = judged(story, **REFUSED)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.expected == "the scripted ucm-sub, tcp port 5060, to receive INVITE"
    assert verdict.instead[0].startswith("this came: REGISTER sip:ucm-sub"), verdict.instead


def test_what_a_script_leaves_unread_fails_the_scenario_and_is_shown() -> None:
    async def story(lab: Lab, alice: JabberUser) -> None:
        script = await lab.script("ucm-sub")
        await script.listen_sip(5060)
        lab.check(True, "an assertion")

        async def signs_in() -> None:
            async with asyncio.timeout(3):
                await alice.sign_in()

        with pytest.raises(TimeoutError):
            await signs_in()

    verdict = judged(story, **REFUSED)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.expected == "every message to a scripted host to be read"
    assert "got a message that was not read: REGISTER sip:ucm-sub" in verdict.instead[0]


# ---- a SIP client at Expressway-E


def test_a_scripted_client_registers_by_hand_at_the_edge() -> None:
    async def story(lab: Lab) -> None:
        """A stranger's REGISTER without the edge's route is refused, and the connection goes on."""
        script = await lab.script("jabber-3")
        line = await script.connect_sip("expe.example.com", 5061, transport="tls")
        line.send(register(script, line.connection.local[1]))
        answer = await line.receive()
        lab.check(answer.status >= 400, f"E refuses it: {answer.message!r}")
        await lab.expect(SipRequest(node="expe", peer="jabber-3", method="REGISTER"))
        lab.never(Unregistered())
        with pytest.raises(TypeError, match="is not a request"):
            answer.answer(200)

    run = played(story, **EDGE)
    assert run.verdict.outcome is Outcome.PASSED, run.verdict.reason


def test_a_scripted_client_sends_octets_that_are_no_sip() -> None:
    async def story(lab: Lab) -> None:
        script = await lab.script("jabber-3")
        line = await script.connect_sip("expe.example.com", 5061, transport="tls")
        line.send(b"this is no SIP\r\n\r\n")
        await lab.expect(Malformed(node="expe", peer="jabber-3", protocol="sip"))
        with pytest.raises(AssertionError, match=r"the connection with .* ended"):
            await line.receive("OPTIONS", within=5)

    verdict = judged(story, **EDGE)
    assert verdict.outcome is Outcome.PASSED, verdict.reason


# ---- HTTP and octets


async def fetch(node: Node, url: str) -> int:
    from edgesim.pki import client_context

    client = HttpClient(node.journal, ssl=client_context(node.trusts["system"]))
    try:
        return (await client.request("GET", url, timeout=30)).status
    finally:
        await client.close()


def test_a_scripted_web_server() -> None:
    async def story(lab: Lab) -> None:
        script = await lab.script("ucm-pub")
        web = await script.listen_http(8443, service="tomcat")
        client = (await lab.script("inside-1")).node
        url = "https://ucm-pub.inside.example.com:8443/cucm-uds/version"

        async def server() -> None:
            asked = await web.receive("GET", "/cucm-uds/version")
            lab.check(asked.request.secure, "it came over TLS")
            asked.answer(503, body=b"later")
            asked.answer(200)

        _, status = await lab.together(server(), client.host.run(fetch(client, url)))
        lab.check(status == 503, f"the first answer counts: {status}")

    verdict = judged(story)
    assert verdict.outcome is Outcome.PASSED, verdict.reason


def test_scripted_octets_both_ways() -> None:
    async def story(lab: Lab) -> None:
        server, client = await lab.script("ucm-pub"), await lab.script("inside-1")
        port = await server.listen(9000, tls=True, service="tomcat")
        near = await client.connect("ucm-pub.inside.example.com", 9000, tls=True)
        far = await port.accept()
        near.send(b"one\r\ntwo\r\nthr")
        near.send(b"ee\r\n")
        lab.check(await far.receive(b"\r\n") == b"one\r\n", "up to the line's end")
        lab.check(await far.receive(b"\r\n") == b"two\r\n", "what was left over is not lost")
        lab.check(await far.receive(b"\r\n") == b"three\r\n", "over several pieces")
        far.send(b"four")
        lab.check(await near.receive() == b"four", "back")
        await far.close()
        await lab.wait(1)
        lab.check(near.ended, "the end is seen")
        with pytest.raises(ConnectionError):
            near.send(b"five")

    run = played(story)
    assert run.verdict.outcome is Outcome.PASSED, run.verdict.reason
    texts = [entry.payload for entry in run.journal.select(kind=events.Note.kind, node="ucm-pub")]
    assert b"".join(texts) == b"one\r\ntwo\r\nthree\r\n", "a script's messages are journalled like anybody's"


def test_octets_left_over_and_connections_not_taken_are_unread() -> None:
    async def story(lab: Lab) -> None:
        server, client = await lab.script("ucm-pub"), await lab.script("inside-1")
        port = await server.listen(9000)
        near = await client.connect(server.address, 9000)
        far = await port.accept()
        near.send(b"one\r\nrest")
        await far.receive(b"\r\n")
        await client.connect(server.address, 9000)
        await lab.wait(1)

    verdict = judged(story)
    assert verdict.instead == (
        "the scripted ucm-pub, port 9000, got a message that was not read: a connection from 10.0.50.10:49153",
        "the scripted ucm-pub, port 9000, got octets that were not read: rest",
    )


# ---- taking a place


async def life(lab: Lab, host: str) -> int:
    (found,) = (each for each in (await lab.ask(Hosts())).hosts if each.name == host)
    return found.incarnation


def test_a_product_that_runs_gives_way_and_a_machine_is_not_given_twice() -> None:
    async def story(lab: Lab) -> None:
        incarnation = await life(lab, "ucm-pub")
        script = await lab.script("ucm-pub")
        lab.check(await life(lab, "ucm-pub") == incarnation + 1, "the product was stopped")
        lab.check(await lab.script("ucm-pub") is script, "one script a host")
        await lab.script("jabber-1")
        lab.check(lab.client("alice").machine == "jabber-2", "a scripted machine is not free")
        with pytest.raises(LookupError, match="no host 'nobody'"):
            await lab.script("nobody")
        with pytest.raises(LookupError, match="no certificate 'nothing'; known: "):
            await script.listen_http(8443, service="nothing")

    verdict = judged(story, without=("expe", "expc", "imp-pub"))
    assert verdict.outcome is Outcome.PASSED, verdict.reason


def test_routine_can_be_passed_over() -> None:
    async def story(lab: Lab) -> None:
        server, client = await lab.script("ucm-pub"), await lab.script("inside-1")
        line = await server.listen_sip(5060, transport="udp")
        line.ignore("OPTIONS")
        near = await client.connect_sip(server.address, 5060, transport="udp")
        for number, method in enumerate(("OPTIONS", "MESSAGE", "OPTIONS")):
            message = register(client, 5060, branch=f"z9hG4bK{number}")
            near.send(bytes(message).replace(b"REGISTER", method.encode()).replace(b";branch", b";rport;branch"))
        got = await line.receive("MESSAGE")
        got.answer(200)
        reply = await near.receive(200)
        lab.check(b"MESSAGE" in bytes(reply.message), "only the message was read and answered")
        with pytest.raises(LookupError, match="has no connection yet"):
            (await server.listen_sip(5070)).send(b"x")

    verdict = judged(story)
    assert verdict.outcome is Outcome.PASSED, verdict.reason
