"""An INVITE between two endpoints: late answers, CANCEL, ACK."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from edgesim.journal import events
from edgesim.sip import (
    Connection,
    Request,
    SipTimeout,
)
from edgesim.sip.transaction import cancel_for
from edgesim.sip.transaction_events import State
from tests.sip.endpoint_lab import UCM, Lab, lab_run


def test_an_invite_is_answered_later_and_cancelled_meanwhile() -> None:
    async def main(lab: Lab) -> None:
        cancelled: list[Request] = []

        async def answer(request: Request, connection: Connection) -> None:
            lab.seen.append(request)
            await asyncio.sleep(1)
            connection.send(request.response(180, to_tag="5"))
            await asyncio.sleep(5)
            connection.send(request.response(200, to_tag="5"))

        lab.ucm.on_request = answer
        lab.ucm.on_cancel = lambda request, _: cancelled.append(request)
        connection = await lab.phone.connect(UCM, 5060)
        first, second = lab.ask("INVITE"), lab.ask("INVITE")
        heard: list[int] = []
        accepted = await lab.phone.request(first, connection, provisional=lambda item: heard.append(item.status))
        assert accepted.status == 200
        assert heard == [100, 180]  # the 100 after 200 ms, since no answer came by then (RFC 3261, 17.2.1)
        pending = asyncio.create_task(lab.phone.request(second, connection))
        await asyncio.sleep(3)
        lab.phone.cancel(second)
        refusal = await pending
        assert (refusal.status, refusal.to.tag) == (487, "5")
        await asyncio.sleep(10)
        assert [bytes(item) for item in cancelled] == [bytes(second)]
        assert [item.method for item in lab.seen] == ["INVITE", "INVITE"]
        assert [entry.event.method for entry in lab.entries(events.SipRequest)] == ["INVITE", "INVITE", "CANCEL", "ACK"]
        answers = [(entry.event.method, entry.event.status) for entry in lab.entries(events.SipResponse)]
        assert answers[-2:] == [("CANCEL", 200), ("INVITE", 487)]  # and the 200 that came too late went nowhere
        assert lab.stray == []

    lab_run(main)


def test_a_cancel_waits_for_a_provisional_response() -> None:
    async def main(lab: Lab) -> None:
        lab.ucm.on_request = lambda request, connection: lab.seen.append(request)
        connection = await lab.phone.connect(UCM, 5060)
        invite = lab.ask("INVITE")
        pending = asyncio.create_task(lab.phone.request(invite, connection))
        await asyncio.sleep(0)
        lab.phone.cancel(invite)
        assert (await pending).status == 487
        arrivals = [(entry.event.method, round(float(entry.at), 1)) for entry in lab.entries(events.SipRequest)]
        begun = arrivals[0][1]
        assert arrivals == [("INVITE", begun), ("CANCEL", pytest.approx(begun + 0.2, abs=0.05))]

    lab_run(main)


def test_an_invite_whose_caller_stops_waiting_is_cancelled() -> None:
    async def main(lab: Lab) -> None:
        async def answer(accepts_after: float, request: Request, connection: Connection) -> None:
            connection.send(request.response(180, to_tag="5"))
            await asyncio.sleep(accepts_after)
            connection.send(request.response(200, to_tag="5"))

        connection = await lab.phone.connect(UCM, 5060)
        for accepts_after, heard in ((60, []), (1.9999, [200])):
            lab.ucm.on_request = partial(answer, accepts_after)
            with pytest.raises(SipTimeout, match="within 2 s"):
                await lab.phone.request(lab.ask("INVITE"), connection, timeout=2)
            await asyncio.sleep(5)
            assert [each.status for each in lab.stray] == heard
        # The first was refused with 487 and acknowledged; the second was accepted before the CANCEL arrived.
        methods = [entry.event.method for entry in lab.entries(events.SipRequest)]
        assert methods == ["INVITE", "CANCEL", "ACK", "INVITE", "CANCEL"]
        await asyncio.sleep(60)

    lab_run(main)


def test_a_cancel_by_another_connection_ends_nothing() -> None:
    async def main(lab: Lab) -> None:
        lab.ucm.on_request = lambda request, connection: lab.seen.append(request)
        connection, other = await lab.phone.connect(UCM, 5060), await lab.phone.connect(UCM, 5060)
        invite = lab.ask("INVITE")
        waiting = asyncio.create_task(lab.phone.request(invite, connection))
        await asyncio.sleep(1)
        other.send(cancel_for(invite))
        await asyncio.sleep(1)
        assert [item.method for item in lab.seen] == ["INVITE", "CANCEL"]
        assert not waiting.done()
        waiting.cancel()

    lab_run(main)


def test_an_accepted_invite_is_kept_for_64_t1() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        invite = lab.ask("INVITE")
        assert (await lab.phone.request(invite, connection)).status == 200
        connection.send(lab.ask("ACK"))
        await asyncio.sleep(1)
        assert [item.method for item in lab.seen[:2]] == ["INVITE", "ACK"]
        assert [item.state for item in lab.ucm.transactions.servers.values()] == [State.ACCEPTED]
        await asyncio.sleep(32)
        assert not lab.ucm.transactions.servers

    lab_run(main)
