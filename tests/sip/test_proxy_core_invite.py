"""Calls through the proxy core: what was answered, CANCEL, and targets that stay silent."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.sip import Request
from edgesim.sip.transaction import ack_for, cancel_for
from tests.sip.proxy_lab import CALLER, Lab, call, lab_run, request

# ---- calls that were answered


def test_an_answered_call_is_neither_a_leak_nor_answered_again_when_its_way_is_lost() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        assert lab.core.leaks() == ["1 SIP requests without an answer"]
        await lab.one.answer(180)
        await lab.one.answer(200)
        assert lab.core.leaks() == []
        lab.ways[lab.one].abort()
        await asyncio.sleep(1)
        assert lab.caller.statuses() == [100, 180, 200]

    lab_run(main)


def test_a_call_that_rings_is_refused_when_its_way_is_lost() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(180)
        lab.ways[lab.one].abort()
        await asyncio.sleep(1)
        assert lab.caller.statuses() == [100, 180, 503]
        assert lab.core.leaks() == []

    lab_run(main)


def test_the_2xx_is_repeated_through_the_proxy_for_64_t1_and_its_ack_goes_through() -> None:
    """RFC 3261, 13.3.1.4: the target repeats it; RFC 6026, 7.2: the proxy passes it on until timers L and M fire."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(200)
        await asyncio.sleep(30)
        await lab.one.answer(200)
        assert lab.caller.statuses() == [100, 200, 200]
        ack = request("ACK")
        ack.replace("Via", f"SIP/2.0/TCP {CALLER}:5061;branch=z9hG4bKack")
        await lab.caller.say(ack)
        [at_one] = lab.one.all("ACK")
        assert at_one.top_via.branch != lab.one.all("INVITE")[0].top_via.branch
        await asyncio.sleep(3)
        await lab.one.answer(200)
        assert lab.caller.statuses() == [100, 200, 200]  # 33 s after the first, the call is forgotten

    lab_run(main)


def test_a_retransmitted_invite_is_absorbed() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(invite)
        await lab.one.answer(180)
        await lab.caller.say(invite)
        assert lab.caller.statuses() == [100, 180, 180]  # 17.2.1: with the last response
        await lab.one.answer(486)
        await lab.caller.say(invite)
        assert lab.caller.statuses()[-2:] == [486, 486]
        await lab.caller.say(ack_for(invite, lab.caller.all("INVITE?")[-1]))
        assert [len(lab.one.all(method)) for method in ("INVITE", "ACK")] == [1, 1]

    lab_run(main)


# ---- CANCEL


def test_cancel_goes_from_hop_to_hop() -> None:
    """RFC 3261, 16.10 and 9.1: a 200 at once, a CANCEL of the proxy's own to each target, 487 as the best answer."""

    async def main(lab: Lab) -> None:
        invite = call(lab, lab.one, lab.two)
        await lab.caller.say(invite)
        await lab.one.answer(180)
        await lab.two.answer(180)
        await lab.caller.say(cancel_for(invite))
        assert lab.caller.statuses("CANCEL") == [200]
        for party in (lab.one, lab.two):
            [cancel] = party.all("CANCEL")
            sent = party.all("INVITE")[0]
            assert cancel.values("Via") == [sent.values("Via")[0]]
            assert (cancel.uri, cancel.call_id, cancel.cseq.number) == (sent.uri, sent.call_id, sent.cseq.number)
            assert cancel.get_all("Route") == sent.get_all("Route")
            await party.answer(200, method="CANCEL")
            await party.answer(487)
        assert lab.caller.statuses() == [100, 180, 180, 487]
        assert lab.caller.statuses("CANCEL") == [200]

    lab_run(main)


def test_a_cancel_is_held_back_until_the_target_shows_that_it_is_there() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(invite)
        await lab.caller.say(cancel_for(invite), wait=5)
        assert lab.caller.statuses("CANCEL") == [200]
        assert lab.one.all("CANCEL") == []
        await lab.one.answer(100)
        assert len(lab.one.all("CANCEL")) == 1
        await lab.one.answer(487)
        assert lab.caller.statuses() == [100, 487]

    lab_run(main)


def test_a_cancel_before_forwarding_ends_the_request_here() -> None:
    async def main(lab: Lab) -> None:
        lab.delay = 2.0
        invite = call(lab)
        await lab.caller.say(invite, wait=1)
        await lab.caller.say(cancel_for(invite), wait=3)
        assert (lab.caller.statuses(), lab.caller.statuses("CANCEL")) == ([100, 487], [200])
        assert lab.one.got == []

    lab_run(main)


def test_a_cancel_after_the_answer_changes_nothing() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(invite)
        await lab.one.answer(200)
        await lab.caller.say(cancel_for(invite))
        assert (lab.caller.statuses(), lab.caller.statuses("CANCEL")) == ([100, 200], [200])
        assert lab.one.all("CANCEL") == []

    lab_run(main)


def test_a_cancel_of_an_unknown_invite_is_forwarded_and_one_of_another_connection_ends_nothing() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(cancel_for(invite))
        assert len(lab.one.all("CANCEL")) == 1
        await lab.one.answer(481, method="CANCEL")
        assert lab.caller.statuses("CANCEL") == [481]
        await lab.caller.say(invite)
        await lab.one.answer(180)
        lab.two.connection = lab.two.endpoint.connections[0]
        await lab.two.say(cancel_for(invite))
        assert lab.caller.statuses() == [100, 180]
        assert lab.two.statuses("CANCEL") == [481]
        assert len(lab.one.all("CANCEL")) == 1
        await lab.one.answer(486)
        assert lab.caller.statuses() == [100, 180, 486]

    lab_run(main)


@pytest.mark.parametrize("final", [200, 603])
def test_a_2xx_cancels_the_other_targets_and_so_does_a_6xx(final: int) -> None:
    """RFC 3261, 16.7, steps 5 and 10."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab, lab.one, lab.two))
        await lab.two.answer(180)
        await lab.one.answer(final)
        assert len(lab.two.all("CANCEL")) == 1
        await lab.two.answer(487)
        assert lab.caller.statuses() == [100, 180, final]
        assert lab.one.all("CANCEL") == []

    lab_run(main)


# ---- silence


def test_a_target_that_says_nothing_counts_as_408_after_timer_b() -> None:
    async def main(lab: Lab) -> None:
        begun = asyncio.get_running_loop().time()
        await lab.caller.say(call(lab), wait=40)
        assert lab.caller.statuses() == [100, 408]
        assert lab.caller.got[-1][0] - begun == pytest.approx(32, abs=0.1)

    lab_run(main)


def test_a_target_that_only_rings_is_cancelled_by_timer_c_which_each_1xx_restarts() -> None:
    """RFC 3261, 16.6 (11), 16.7 (2), 16.8; 9.1 for how long a final response is waited for then."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(180)
        await asyncio.sleep(170)
        assert lab.one.all("CANCEL") == []
        await lab.one.answer(180)
        rang = asyncio.get_running_loop().time()
        await asyncio.sleep(240)
        [cancelled] = [at for at, message in lab.one.got if isinstance(message, Request) and message.method == "CANCEL"]
        assert cancelled - rang == pytest.approx(180, abs=0.2)
        assert lab.caller.statuses() == [100, 180, 180, 408]
        assert lab.caller.got[-1][0] - cancelled == pytest.approx(32, abs=0.1)

    lab_run(main)


def test_a_request_other_than_invite_without_an_answer_gets_none() -> None:
    """RFC 4320, 4.2: a proxy sends no 408 to a request other than INVITE."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(request(), wait=179)
        assert len(lab.core) == 1
        await asyncio.sleep(2)
        assert len(lab.core) == 0
        await lab.one.answer(200, method="OPTIONS")
        assert lab.caller.got == []

    lab_run(main)
