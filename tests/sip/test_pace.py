"""Flow control over the simulated network: which peers are read when, and how long one may occupy an endpoint."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.journal import events
from edgesim.sip import Connection, Request
from edgesim.sip.errors import SipCongestion
from tests.sip.endpoint_lab import UCM, Lab, lab_run
from tests.sip.settings import limited

HEAD = (
    b"OPTIONS sip:10.0.40.11 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.50.10:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:1@x>;tag=1\r\nTo: <sip:1@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
)


async def until_closed(reader: asyncio.StreamReader) -> tuple[float, bytes]:
    """Return how many seconds pass until the peer closes, and what it says until then."""
    loop = asyncio.get_running_loop()
    began, heard = loop.time(), await reader.read()
    return loop.time() - began, heard


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        (HEAD, b""),
        (HEAD + b"Content-Length: 900\r\n\r\nv=0", b"SIP/2.0 408 "),
        (b"\x00\x01\x00\x00\x21\x12", b""),
        (b"\r", b""),
    ],
    ids=["head", "body", "STUN", "CR"],
)
def test_half_a_message_has_its_time(part: bytes, answer: bytes) -> None:
    async def main(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(UCM, 5060)
        writer.write(part)
        seconds, heard = await until_closed(reader)
        assert seconds == pytest.approx(30, abs=0.1)
        assert heard.startswith(answer)
        [entry] = lab.entries(events.Malformed)
        assert (entry.event.reason, entry.payload) == ("the message did not arrive in time", part)
        writer.close()

    lab_run(main)


def test_octets_that_drip_in_do_not_prolong_it() -> None:
    async def main(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(UCM, 5060)
        closed = asyncio.ensure_future(until_closed(reader))
        for octet in HEAD:
            writer.write(bytes((octet,)))
            await asyncio.sleep(1)
            if closed.done():
                break
        assert (await closed)[0] == pytest.approx(30, abs=1)
        writer.close()

    lab_run(main)


def test_whole_messages_and_keep_alives_prolong_a_connection_and_garbage_does_not() -> None:
    async def main(lab: Lab) -> None:
        reader, writer = await asyncio.open_connection(UCM, 5060)
        assert (await until_closed(reader))[0] == pytest.approx(18, abs=0.1)
        writer.close()
        [note] = lab.entries(events.Note)
        assert 'Reason="Idle countdown expired"' in note.event.text
        reader, writer = await asyncio.open_connection(UCM, 5060)
        for octets in (HEAD + b"Content-Length: 0\r\n\r\n", b"\r\n\r\n", b"\r\n\r\n"):
            await asyncio.sleep(17)
            writer.write(octets)
        writer.write(b"OPTIONS")
        assert (await until_closed(reader))[0] == pytest.approx(18, abs=0.1)
        writer.close()

    lab_run(main, limits=limited(idle=18.0))


def test_a_connection_that_this_side_opened_may_be_silent() -> None:
    async def main(lab: Lab) -> None:
        lab.phone.limits = limited(idle=18.0)
        connection = await lab.phone.connect(UCM, 5060)
        await asyncio.sleep(100)
        assert connection.open

    lab_run(main)


def test_a_peer_that_does_not_read_is_not_read_either_and_is_dropped() -> None:
    async def main(lab: Lab) -> None:
        _, writer = await asyncio.open_connection(UCM, 5060)
        writer.transport.pause_reading()
        request = HEAD + b"Subject: " + b"x" * 5000 + b"\r\nContent-Length: 0\r\n\r\n"
        for _ in range(3000):
            writer.write(request)
        await asyncio.sleep(10)
        answered = len(lab.seen)
        assert 0 < answered < 1500  # those whose answers the wire and the bound hold, not all
        good = await lab.phone.connect(UCM, 5060)
        assert (await lab.phone.request(lab.ask(), good)).status == 200
        await asyncio.sleep(25)
        assert [entry.event.text for entry in lab.entries(events.Note)] == [
            "SIP: the peer does not read; connection dropped"
        ]
        assert len(lab.seen) < answered + 10
        assert (await lab.phone.request(lab.ask(), good)).status == 200
        writer.transport.abort()

    lab_run(main, limits=limited(congested=50_000))


def test_a_burst_on_one_connection_leaves_others_their_turn() -> None:
    seen: list[Request] = []
    turns: list[int] = []

    def answer(request: Request, _: Connection) -> None:
        if len(seen) in (0, 16):
            asyncio.get_running_loop().call_soon(lambda: turns.append(len(seen)))  # the turns of the others
        seen.append(request)

    async def main(lab: Lab) -> None:
        _, writer = await asyncio.open_connection(UCM, 5060)
        writer.write((HEAD + b"Content-Length: 0\r\n\r\n") * 1000)
        await asyncio.sleep(1)
        assert turns == [16, 32]
        assert len(seen) == 1000
        writer.transport.abort()

    lab_run(main, on_request=answer, stateful=False)


def test_a_stream_with_too_much_unfinished_work_waits() -> None:
    release = asyncio.Event()
    working: list[str] = []

    async def work(request: Request, connection: Connection) -> None:
        working.append(request.call_id)
        await release.wait()
        connection.send(request.response(200, to_tag="1"))

    async def main(lab: Lab) -> None:
        greedy, modest = await lab.phone.connect(UCM, 5060), await lab.phone.connect(UCM, 5060)
        asked = [asyncio.ensure_future(lab.phone.request(lab.ask("OPTIONS"), greedy)) for _ in range(20)]
        await asyncio.sleep(1)
        assert len(working) == 4
        asked.append(asyncio.ensure_future(lab.phone.request(lab.ask("OPTIONS"), modest)))
        await asyncio.sleep(1)
        assert len(working) == 5
        release.set()
        assert [(await each).status for each in asked] == [200] * 21

    lab_run(main, limits=limited(tasks=4), on_request=work)


def test_beyond_all_work_that_can_be_under_way_a_request_is_refused() -> None:
    async def work(request: Request, connection: Connection) -> None:
        await asyncio.sleep(5)
        connection.send(request.response(200, to_tag="1"))

    async def main(lab: Lab) -> None:
        asked = []
        for _ in range(4):
            connection = await lab.phone.connect(UCM, 5060)
            asked.append(asyncio.ensure_future(lab.phone.request(lab.ask("OPTIONS"), connection)))
        assert sorted([(await each).status for each in asked]) == [200, 200, 200, 503]

    lab_run(main, limits=limited(all_tasks=3), on_request=work)


def test_transactions_that_are_answered_make_room_for_new_ones() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, "udp")
        for _ in range(30):
            assert (await lab.phone.request(lab.ask("OPTIONS", "UDP"), connection)).status == 200
        assert len(lab.ucm.transactions.servers) <= 10
        await asyncio.sleep(40)

    lab_run(main, limits=limited(transactions=10))


def test_without_an_answered_one_a_new_request_is_refused() -> None:
    waiting: list[tuple[Request, Connection]] = []

    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        asked = [asyncio.ensure_future(lab.phone.request(lab.ask("OPTIONS"), connection)) for _ in range(5)]
        await asyncio.sleep(1)
        for request, way in waiting:
            way.send(request.response(200, to_tag="1"))
        assert sorted([(await each).status for each in asked]) == [200, 200, 200, 503, 503]

    lab_run(main, limits=limited(transactions=3), on_request=lambda *each: waiting.append(each))


def test_a_connection_that_many_share_refuses_what_is_too_much_and_stays() -> None:
    async def main(lab: Lab) -> None:
        link = await lab.phone.connect(UCM, 5060)
        link.shared = True
        [far] = lab.ucm.connections
        far.hold("a peer that is busy")
        big = [lab.ask("OPTIONS", Subject="x" * 5000) for _ in range(400)]
        refused = 0
        for request in big:
            try:
                link.send_now(request)
            except SipCongestion:
                refused += 1
        assert 0 < refused < 400
        assert link.pace.congested
        follower = await lab.phone.connect(UCM, 5060)
        follower.follow(link)
        assert follower.pace.held
        far.release("a peer that is busy")
        await asyncio.sleep(5)
        assert link.open
        assert not link.pace.congested
        assert not follower.pace.held
        assert len(lab.seen) == 400 - refused

    lab_run(main, limits=limited(write_buffer=500_000))
