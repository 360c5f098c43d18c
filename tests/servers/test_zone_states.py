"""How connections of Expressway-C's zones come and go: every pair of state and event.

The states and their texts are those of "Expressway Administrator Guide X15.5, Status and System Information"; C tries a
failed zone again after 120 s ("Expressway Administrator Guide X14.3, Zones and Neighbors").
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgesim.servers.expressway_c import neighbours, zone
from edgesim.servers.expressway_c.zone import Peer
from edgesim.servers.expressway_c.zone_states import ACTIVE, CHECKING, FAILED, ConnectionState
from tests.servers.expressway_lab import PUB, EdgeLab, run
from tests.servers.sip_lab import zone_states, zone_times

Story = Callable[[EdgeLab], Awaitable[None]]
On = zone.On
UP = ("TLS: Active", "expe.example.com")
RETRY = 120.0
WITHOUT_E = ("imp-pub", "expe", "jabber-2", "jabber-3", "inside-1", "inside-2")


class Met(dict[tuple[ConnectionState, On], Any]):
    """A table that notes which pairs were looked up."""

    def __init__(self) -> None:
        super().__init__(zone.TABLE)
        self.pairs: list[tuple[ConnectionState, On]] = []

    def __getitem__(self, pair: tuple[ConnectionState, On]) -> Any:
        self.pairs.append(pair)
        return super().__getitem__(pair)


def gaps(lab: EdgeLab) -> list[float]:
    """Return the seconds between the states of C's traversal zone."""
    return [after - before for before, after in itertools.pairwise(zone_times(lab, "expc"))]


async def at_once(lab: EdgeLab) -> None:
    assert zone_states(lab, "expc") == [UP]


async def nobody_there(lab: EdgeLab) -> None:
    [link] = lab.service("expc").sip.zone.links()
    assert (link.state, link.stands) == ("Checking", False)
    await asyncio.sleep(13)  # silence: 10 s for TCP
    assert zone_states(lab, "expc") == [("Failed", "connection timed out")]


async def still_nobody(lab: EdgeLab) -> None:
    await asyncio.sleep(60)
    await lab.start_host("expe")
    await lab.crash("expe")  # its machine answers, its port is closed
    await asyncio.sleep(RETRY)
    assert zone_states(lab, "expc") == [("Failed", "connection timed out"), ("Failed", "connection refused")]
    assert gaps(lab) == [pytest.approx(RETRY, abs=1)]


async def there_later(lab: EdgeLab) -> None:
    await asyncio.sleep(11)
    await lab.start_host("expe")
    await asyncio.sleep(RETRY + 5)
    assert zone_states(lab, "expc") == [("Failed", "connection timed out"), UP]
    assert gaps(lab) == [pytest.approx(RETRY, abs=1)]


async def lost(lab: EdgeLab) -> None:
    """After a loss C dials at once."""
    lab.service("expe").sip.zone.live()[0].connection.abort()
    await asyncio.sleep(1)
    assert zone_states(lab, "expc") == [UP, ("Failed", "connection lost"), UP]


async def lost_twice(lab: EdgeLab) -> None:
    """After a second loss within the retry interval C waits as long as after a failure."""
    for _ in range(2):
        lab.service("expe").sip.zone.live()[0].connection.abort()
        await asyncio.sleep(1)
    await asyncio.sleep(RETRY)
    assert zone_states(lab, "expc") == [UP, ("Failed", "connection lost"), UP, ("Failed", "connection lost"), UP]
    assert gaps(lab)[1] < 1
    assert gaps(lab)[3] == pytest.approx(RETRY, abs=1)


async def no_longer_welcome(lab: EdgeLab) -> None:
    """E's password for the zone is changed: the next OPTIONS of C, which come every minute, are refused."""
    server = lab.service("expe").sip.zone
    good, server._ha1 = server._ha1, "0" * 32
    await asyncio.sleep(65)
    server._ha1 = good
    await asyncio.sleep(RETRY)
    assert zone_states(lab, "expc") == [UP, ("Failed", "E answered 401 Unauthorized"), UP]
    assert gaps(lab) == [pytest.approx(60, abs=5), pytest.approx(RETRY, abs=1)]


STORIES: dict[tuple[ConnectionState, On], tuple[Story, bool]] = {
    (CHECKING, On.PROVED): (at_once, True),
    (CHECKING, On.REFUSED): (nobody_there, False),
    (FAILED, On.REFUSED): (still_nobody, False),
    (FAILED, On.PROVED): (there_later, False),
    (ACTIVE, On.LOST): (lost, True),
    (ACTIVE, On.LOST_AGAIN): (lost_twice, True),
    (ACTIVE, On.REFUSED): (no_longer_welcome, True),
}
"""The events that lead to each pair, and whether E is there from the start."""


@pytest.mark.parametrize("pair", STORIES, ids=lambda pair: f"{pair[0].name} {pair[1].name}")
def test_the_traversal_zone(pair: tuple[ConnectionState, On], monkeypatch: pytest.MonkeyPatch) -> None:
    story, there = STORIES[pair]
    table = Met()
    monkeypatch.setattr(zone, "TABLE", table)
    run(story, **({} if there else {"without": WITHOUT_E, "settle": 0.0}))
    assert pair in table.pairs


def test_any_other_pair_of_the_traversal_zone_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(zone.TABLE) == set(STORIES)

    async def main(lab: EdgeLab) -> None:
        peer = Peer(lab.service("expc").sip.zone, "expe.example.com")
        for state, what in set(itertools.product(ConnectionState, On)) - set(STORIES):

            async def came_to(_: Peer, what: On = what) -> zone.Happened:
                return what, ""

            monkeypatch.setattr(Peer, "_bring_up", came_to)
            peer.state = state
            with pytest.raises(KeyError):
                await peer.run()
            assert peer.state is state

    run(main)


# ---- neighbour zones

Is = neighbours.On
NEIGHBOUR: dict[tuple[ConnectionState, neighbours.On], tuple[str, str]] = {
    (CHECKING, Is.OPENED): ("TCP: Active", "new"),
    (CHECKING, Is.NOT_OPENED): ("Failed", "new"),
    (ACTIVE, Is.OPENED): ("TCP: Active", "new"),
    (ACTIVE, Is.NOT_OPENED): ("Failed", "new"),
    (ACTIVE, Is.SILENT): ("Failed", "new"),
    (ACTIVE, Is.REFUSED): ("Failed", "new"),
    (ACTIVE, Is.ENDED): ("Failed", "new"),
    (FAILED, Is.OPENED): ("TCP: Active", "new"),
    (FAILED, Is.NOT_OPENED): ("Failed", "new"),
    (FAILED, Is.REFUSED): ("Failed", "new"),
    (FAILED, Is.ENDED): ("Failed", "old"),  # the first reason says more than "connection lost"
}
"""The state after each event, and whose reason it has then."""


@pytest.mark.parametrize("state", ConnectionState)
@pytest.mark.parametrize("what", Is)
def test_a_neighbour_zone(state: ConnectionState, what: neighbours.On) -> None:
    async def main(lab: EdgeLab) -> None:
        made = lab.service("expc").sip.neighbours.zones[f"CEtcp-{PUB}"]
        made.state, made.reason = state, "old"
        before = len(zone_states(lab, "expc", made.name))
        if (state, what) not in NEIGHBOUR:
            with pytest.raises(KeyError):
                made._apply(what, "new")
            assert made.state is state
            made.state = ACTIVE  # as it is: the lab ends now
            return
        made._apply(what, "new")
        told = zone_states(lab, "expc", made.name)[before:]
        assert (made.state_text, made.reason) == NEIGHBOUR[state, what]
        assert told == ([] if made.reason == "old" else [NEIGHBOUR[state, what]])

    run(main)


def test_a_silent_neighbour_keeps_its_reason_when_the_connection_ends() -> None:
    async def main(lab: EdgeLab) -> None:
        lab.service("ucm-pub")._endpoint.on_stun = lambda *_: None
        await asyncio.sleep(40)
        first, last = zone_states(lab, "expc", f"CEtcp-{PUB}")
        assert first == ("TCP: Active", "")
        assert last[0] == "Failed"
        assert last[1].startswith("STUN keep-alive: ")
        assert not lab.service("expc").sip.neighbours.zones[f"CEtcp-{PUB}"].open
        await asyncio.sleep(RETRY)  # all zones are tried again so often; it flaps
        times = zone_times(lab, "expc", f"CEtcp-{PUB}")
        assert times[2] - times[0] == pytest.approx(RETRY, abs=5)

    run(main)
