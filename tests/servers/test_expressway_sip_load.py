"""One client that sends too much, or reads too little, costs the others nothing: the links between servers stay."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.sip import Request
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import Line, notes, with_line, zone_states
from tests.sip.settings import limited

BIG = ("X-Padding", "p" * 28_000)


def options(line: Line, *headers: tuple[str, str], count: int) -> list[Request]:
    """Return a number of requests of an authenticated client; its endpoint may write without limit."""
    line.endpoint.limits = limited(write_buffer=1 << 24)
    found = []
    for number in range(count):
        request = line.authorized(line.request("OPTIONS", f"sip:{PUB}", *headers))
        via = request.get("Via") or ""
        request.replace("Via", f"{via.partition(';')[0]};branch=z9hG4bK{line.user}{line.connection.local[1]}{number}")
        found.append(request)
    return found


def test_bursts_are_taken_piece_by_piece_and_the_zone_stands() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        before = zone_states(lab, "expe"), zone_states(lab, "expc")
        lines = [Line(lab) for _ in range(10)]
        for each in lines:
            await each.connect()
            assert each.dialogue.challenged(await each.ask(each.build()))
        # Each sends what one path can hold; all of it, 8 MB, is more than the link between E and C holds.
        burst = [asyncio.ensure_future(each.ask(request)) for each in lines for request in options(each, BIG, count=30)]
        other = await Line(lab, "jabber-2", "bob").signed_in()
        await other.connect()
        assert (await other.register()).status == 200
        assert [(await each).status for each in burst] == [200] * 300
        assert (zone_states(lab, "expe"), zone_states(lab, "expc")) == before
        for each in (*lines, other):
            await each.close()

    run(with_line(story))


def test_pending_requests_of_one_client_are_limited_to_a_window() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        window = lab.deployment.defaults.sip.client_window
        core = lab.service("expe").sip._core
        most = 0
        burst = [asyncio.ensure_future(line.ask(each)) for each in options(line, count=3 * window)]
        while not all(each.done() for each in burst):
            most = max(most, len(core))
            await asyncio.sleep(0.0005)
        assert [each.result().status for each in burst] == [200] * (3 * window)
        assert most == window

    run(with_line(story))


def test_a_client_that_does_not_read_is_dropped_alone() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        deaf = await Line(lab, "jabber-2", "bob").signed_in()
        await deaf.connect()
        assert (await deaf.register()).status == 200
        before = zone_states(lab, "expe"), zone_states(lab, "expc")
        deaf.connection.hold("asleep")
        for request in options(deaf, count=3000):
            deaf.connection.send_raw(bytes(request))
        await asyncio.sleep(120)
        assert (await line.register()).status == 200
        assert [each for each in notes(lab, "expe") if "does not read" in each]
        assert (zone_states(lab, "expe"), zone_states(lab, "expc")) == before
        await deaf.close()

    run(with_line(story))


@pytest.mark.parametrize("how", ["silent", "challenged"])
def test_a_client_that_has_not_proved_itself_may_be_idle_for_18_seconds(how: str) -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        loop = asyncio.get_running_loop()
        if how == "challenged":
            assert (await line.ask(line.build())).status == 407
        else:
            await line.connect()
        began = loop.time()
        await line.connection.wait_closed()
        assert loop.time() - began == pytest.approx(18, abs=0.5)
        assert any('Reason="Idle countdown expired"' in note for note in notes(lab, "expe"))

    run(with_line(story))


def test_a_registered_client_may_be_silent_until_it_refreshes() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        await asyncio.sleep(3500)
        assert line.connection.open
        assert (await line.register()).status == 200
        await asyncio.sleep(3850)
        assert lab.service("expe").sip.clients.registered == 1
        await asyncio.sleep(100)
        assert lab.service("expe").sip.clients.registered == 0

    run(with_line(story))
