"""Forwarding: what goes on top, and that an answer counts once and from the right side only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.sip import Request, Response, SipTransportError
from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.proxy import Place
from edgesim.sip.relay import Relay
from edgesim.world.entropy import Entropy
from tests.simrun import sim_run

PLACE = Place(address="10.0.20.10", port=7001, transport="tls")


class Wire:
    """Stands for a connection."""

    def __init__(self, *, broken: bool = False, shared: bool = False) -> None:
        self.sent: list[Any] = []
        self.open = not broken
        self.shared = shared
        self.holds: set[object] = set()
        self.ways: list[Any] = []

    def hold(self, why: object) -> None:
        self.holds.add(why)

    def release(self, why: object) -> None:
        self.holds.discard(why)

    def follow(self, way: Any) -> None:
        self.ways.append(way)

    def send_now(self, message: Any) -> None:
        if not self.open:
            raise SipTransportError("gone")
        self.sent.append(bytes(message))


def request(method: str = "OPTIONS", number: int = 1) -> Request:
    headers = [
        ("Via", f"SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK{number}"),
        ("From", "<sip:a@x>;tag=1"),
        ("To", "<sip:b@x>"),
        ("Call-ID", "c"),
        ("CSeq", f"{number} {method}"),
        ("Max-Forwards", "70"),
    ]
    return Request.build(method, "sip:b@x", headers)


def relay(**options: Any) -> Relay:
    return Relay(Entropy(1, "relay"), (PLACE.sent_by,), **options)


def send(one: Relay, message: Request, ingress: Any, egress: Any, now: float = 0.0) -> Request:
    one.forward(
        message, ingress, egress, place=PLACE, zone="UC Traversal", hop_count=15, proxy_call_id="id", now=now, note="n"
    )
    return message


def test_an_answer_finds_its_way_once() -> None:
    one, client = relay(), Wire()
    core: Any = Wire()
    sent = send(one, request(), client, core)
    assert sent.get_all("Via")[0].startswith("SIP/2.0/TLS 10.0.20.10:7001;egress-zone=UCTraversal;branch=z9hG4bK")
    assert sent.get("Max-Forwards") == "15"
    stranger: Any = Wire()
    assert one.answered(sent.response(200), stranger) is None
    assert one.answered(sent.response(100), core) is None
    answer = sent.response(200)
    found: Any = one.answered(answer, core)
    assert found is not None
    assert (found.ingress, found.note) == (client, "n")
    assert answer.get_all("Via") == ["SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1"]
    assert one.answered(sent.response(200), core) is None
    assert len(one) == 0


def test_an_invite_gets_a_100_and_every_2xx() -> None:
    one, client = relay(), Wire()
    core: Any = Wire()
    sent = send(one, request("INVITE"), client, core)
    assert client.sent[0].startswith(b"SIP/2.0 100 Trying\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1\r\n")
    for status in (180, 200, 200):
        answer: Response = sent.response(status)
        assert one.answered(answer, core) is not None


def test_cancel_has_the_branch_of_its_invite() -> None:
    one, client, core = relay(), Wire(), Wire()
    sent = send(one, request("INVITE"), client, core)
    cancel = send(one, request("CANCEL"), client, core)
    assert sent.top_via.branch == cancel.top_via.branch
    assert len(one) == 2


def test_what_may_go_no_further() -> None:
    one, client, core = relay(), Wire(), Wire()
    last = request()
    last.replace("Max-Forwards", "0")
    with pytest.raises(ProxyRefusal):
        send(one, last, client, core)
    broken = request()
    with pytest.raises(SipTransportError):
        send(one, broken, client, Wire(broken=True))
    assert len(broken.get_all("Via")) == 1  # so that it can be answered
    assert len(one) == 0


def test_a_lost_connection_gives_back_what_it_will_not_answer() -> None:
    one, gone = relay(), Wire()
    client: Any = Wire()
    core: Any = Wire()
    send(one, request(number=1), client, core)
    send(one, request(number=2), gone, core)
    gone.open = False
    assert [each.ingress for each in one.lost(core)] == [client]
    assert len(one) == 0


def test_it_refuses_what_is_too_much_and_forgets_the_overdue() -> None:
    one, client, core = relay(lifetime=10.0, limit=3), Wire(), Wire(shared=True)
    for number in range(1, 4):
        send(one, request(number=number), client, core)
    with pytest.raises(ProxyRefusal) as refused:
        send(one, request(number=4), client, core)
    assert refused.value.status == 503
    assert (len(one), len(core.sent)) == (3, 3)
    send(one, request(number=9), client, core, now=11.0)
    assert len(one) == 1


def test_octets_that_wait_for_an_answer_are_bounded() -> None:
    one, client, core = relay(octets=1000), Wire(), Wire(shared=True)
    sent = [send(one, request(number=number), client, core) for number in (1, 2, 3, 4)]
    with pytest.raises(ProxyRefusal):
        send(one, request(number=5), client, core)
    assert one.answered(sent[0].response(200), core)  # type: ignore[arg-type]
    send(one, request(number=6), client, core)


def test_a_client_is_not_read_while_too_many_of_its_requests_await_an_answer() -> None:
    async def main(_: Any) -> None:
        one, greedy, modest, core = relay(window=3), Wire(), Wire(), Wire(shared=True)
        sent = [send(one, request(number=number), greedy, core) for number in (1, 2, 3)]
        send(one, request(number=4), modest, core)
        assert (bool(greedy.holds), bool(modest.holds)) == (True, False)
        assert one.answered(sent[1].response(180), core)  # type: ignore[arg-type]
        assert greedy.holds
        assert one.answered(sent[1].response(404), core)  # type: ignore[arg-type]
        assert not greedy.holds
        for number in range(10, 20):
            send(one, request(number=number), core, greedy)
        assert not core.holds  # who speaks for many is never held for one
        one.clear()

    sim_run(main)


def test_whoever_awaits_answers_that_never_come_is_read_again_in_time() -> None:
    async def main(_: Any) -> None:
        one, client, core = relay(window=2, lifetime=10.0), Wire(), Wire(shared=True)
        now = asyncio.get_running_loop().time()
        for number in (1, 2):
            send(one, request(number=number), client, core, now=now)
        await asyncio.sleep(9)
        assert client.holds
        await asyncio.sleep(2)
        assert not client.holds
        one.clear()

    sim_run(main)


def test_an_accepted_invite_counts_no_more() -> None:
    async def main(_: Any) -> None:
        one, client, core = relay(window=1), Wire(), Wire(shared=True)
        sent = send(one, request("INVITE"), client, core)
        assert client.holds
        assert one.answered(sent.response(200), core)  # type: ignore[arg-type]
        assert not client.holds
        assert one.answered(sent.response(200), core)  # type: ignore[arg-type]  # its retransmission goes on too
        one.clear()

    sim_run(main)
