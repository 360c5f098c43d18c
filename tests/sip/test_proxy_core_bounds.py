"""What the proxy core bounds: requests and octets that await an answer, and how long they may."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.proxy_state import ResponseContext
from tests.sip.proxy_lab import Lab, call, lab_run, request
from tests.sip.settings import limited


def test_requests_beyond_the_limit_are_refused_and_overdue_ones_are_forgotten() -> None:
    async def main(lab: Lab) -> None:
        for number in range(1, 5):
            await lab.caller.say(request(number=number))
        assert lab.caller.statuses("OPTIONS") == [503]
        assert (len(lab.core), len(lab.one.all("OPTIONS"))) == (3, 3)
        await asyncio.sleep(11)
        await lab.caller.say(request(number=9))
        assert len(lab.core) == 1
        await lab.one.answer(200, method="OPTIONS")

    lab_run(main, lifetime=10.0, limit=3)


def test_octets_that_wait_for_an_answer_are_bounded() -> None:
    async def main(lab: Lab) -> None:
        for number in range(1, 5):
            await lab.caller.say(request(number=number))
        taken = len(lab.core)
        assert 0 < taken < 4
        assert lab.caller.statuses("OPTIONS") == [503] * (4 - taken)
        await lab.one.answer(200, method="OPTIONS")
        assert len(lab.core) == taken - 1
        await lab.caller.say(request(number=6))
        assert len(lab.core) == taken

    lab_run(main, octets=1000, lifetime=5.0)


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_a_client_is_not_read_while_too_many_of_its_requests_await_an_answer(method: str) -> None:
    async def main(lab: Lab) -> None:
        lab.targets = [lab.one]
        for number in range(1, 6):
            await lab.caller.say(request(method, number))
        assert len(lab.one.all(method)) == 3
        await lab.one.answer(180, method=method)
        assert len(lab.one.all(method)) == 3
        await lab.one.answer(200, method=method)
        assert len(lab.one.all(method)) == 4  # an accepted INVITE no longer counts

    lab_run(main, window=3, lifetime=10.0)


def test_a_client_whose_requests_are_never_answered_is_read_again_after_their_lifetime() -> None:
    async def main(lab: Lab) -> None:
        for number in range(1, 4):
            await lab.caller.say(request(number=number))
        assert len(lab.one.all("OPTIONS")) == 2
        await asyncio.sleep(9)
        assert len(lab.one.all("OPTIONS")) == 2
        await asyncio.sleep(2)
        assert len(lab.one.all("OPTIONS")) == 3

    lab_run(main, window=2, lifetime=10.0)


def test_a_request_that_is_sent_again_before_it_is_answered_counts_once() -> None:
    async def main(lab: Lab) -> None:
        for _ in range(5):
            await lab.caller.say(request())
        assert len(lab.core) == 1
        await lab.one.answer(200, method="OPTIONS")
        assert len(lab.core) == 0
        assert lab.caller.statuses("OPTIONS") == [200]
        await lab.caller.say(request(number=2))
        assert len(lab.one.all("OPTIONS")) == 6  # it is still read
        await lab.one.answer(200, method="OPTIONS")

    lab_run(main, window=2)


def test_a_refused_request_leaves_nothing_behind() -> None:
    async def main(lab: Lab) -> None:
        def refuse(context: ResponseContext) -> None:
            raise ProxyRefusal(404, "nobody")

        lab.send = refuse
        lab.delay = 0.5
        await lab.caller.say(request("INVITE"), wait=1)
        assert lab.caller.statuses() == [100, 404]
        assert len(lab.core) == 0

    lab_run(main)


def test_what_a_lost_client_asked_is_forgotten_at_once() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(request())
        await lab.caller.say(request("INVITE", 2))
        assert len(lab.core) == 2
        lab.caller.connection.abort()
        await asyncio.sleep(1)
        assert len(lab.core) == 0
        await lab.one.answer(200, method="OPTIONS")  # irrelevant
        await lab.one.answer(486)

    lab_run(main)


def test_a_provisional_response_does_not_prolong_any_request_but_an_invite() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(request())
        await asyncio.sleep(8)
        await lab.one.answer(180, method="OPTIONS")
        assert lab.caller.statuses("OPTIONS") == [180]
        await asyncio.sleep(1.5)
        assert len(lab.core) == 1
        await asyncio.sleep(1)
        assert len(lab.core) == 0

    lab_run(main, lifetime=10.0)


@pytest.mark.parametrize(("status", "heard"), [(180, [100]), (486, [100, 502])])
def test_a_response_too_long_for_the_caller_is_dropped_or_becomes_a_502(status: int, heard: list[int]) -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(status, Subject="x" * 2000)
        assert lab.caller.statuses() == heard

    lab_run(main, message_limits=limited(message=1500))
