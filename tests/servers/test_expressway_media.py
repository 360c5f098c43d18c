"""Media through both Expressways by a deployment's ``media_probe``: ports, pinholes, strangers, large systems."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgesim.control import InProcess
from edgesim.deployment import DeploymentError, load
from edgesim.journal import Entry, Event, events
from edgesim.lab import RunningLab
from edgesim.media import FlowTimes, Frame, MediaEndpoint, MediaLimits, pack
from edgesim.scenario.media_path import MediaPath
from edgesim.world.faults import DropDatagram, Selector
from edgesim.world.sim import SimWorld
from tests.simrun import sim_run

PROBE = {"mra.media_probe": {"to": "inside-1"}}
TIMES = FlowTimes(statistics=10.0, silence=30.0)
PACKET = b"\x80\x00" + bytes(170)


def play(
    story: Callable[[RunningLab], Awaitable[Any]], changes: dict[str, Any] | None = None, name: str = "small"
) -> RunningLab:
    """Run a story in a lab with a probe; return the lab with its journal."""
    labs: list[RunningLab] = []

    async def main(world: SimWorld) -> None:
        lab = RunningLab(world, load(name).changed({**PROBE, **(changes or {})}))
        labs.append(lab)
        await lab.start()
        await story(lab)
        await lab.stop()

    sim_run(main)
    return labs[0]


def flows(lab: RunningLab, node: str, state: str | None = None) -> list[Entry[Event]]:
    return [
        entry
        for entry in lab.journal.select(kind=events.MediaFlow.kind, node=node)
        if isinstance(entry.event, events.MediaFlow) and state in (None, entry.event.state)
    ]


def ports(lab: RunningLab, host: str) -> list[int]:
    return sorted(row.local[1] for row in lab.world.sockets(host) if row.protocol == "udp")


async def there_and_back(lab: RunningLab) -> MediaPath:
    path = await MediaPath.open(InProcess(lab), lab.deployment, "jabber-1")
    await path.send()
    end = lab.held.media(lab.node("jabber-1"), path.client[1])
    async with asyncio.timeout(1):
        packet, source = await end.rtp.receive()
        report, _ = await end.rtcp.receive()
    assert (packet[:2], source) == (b"\x80\x00", ("203.0.113.10", 36002))
    assert report[:2] == b"\x80\xc9"
    return path


def test_a_packet_goes_each_way_by_the_documented_ports() -> None:
    async def story(lab: RunningLab) -> None:
        assert ports(lab, "expe") == [2776, 2777, 36002, 36003]
        assert ports(lab, "expc") == [36000, 36001, 36002, 36003]
        path = await there_and_back(lab)
        await path.close()

    lab = play(story)
    assert [entry.peer for entry in flows(lab, "inside-1", "started")] == ["expc", "expc"]
    assert not lab.world.sockets()


def test_a_large_system_multiplexes_on_other_ports() -> None:
    changes = {"expressway_e.expe.size": "large"}

    async def story(lab: RunningLab) -> None:
        probe = lab.deployment.mra.media_probe
        assert probe is not None and probe.edge_port == 36012
        assert ports(lab, "expe") == [*range(36000, 36014)]
        path = await MediaPath.open(InProcess(lab), lab.deployment, "jabber-1")
        await path.send()
        await path.receive(within=1)
        await path.close()

    play(story, changes)


def test_media_finds_its_way_in_a_cluster() -> None:
    async def story(lab: RunningLab) -> None:
        path = await MediaPath.open(InProcess(lab), lab.deployment, "jabber-1")
        await path.send()
        await path.receive(within=1)
        await path.close()

    lab = play(story, {"mra.media_probe": {"to": "inside-1", "edge": "expe2", "core": "expc2"}}, "pair")
    assert not flows(lab, "expe1") and not flows(lab, "expc1")


def test_without_a_probe_expressway_e_listens_and_nothing_flows() -> None:
    async def story(lab: RunningLab) -> None:
        assert ports(lab, "expe") == [2776, 2777]
        assert ports(lab, "expc") == []

    lab = play(story, {"mra.media_probe": None})
    assert not flows(lab, "expc")


def test_a_pinhole_that_cannot_be_opened_is_reported_and_retried() -> None:
    times: list[float] = []

    async def story(lab: RunningLab) -> None:
        closed = DropDatagram(name="2776 closed", where=Selector(target="expe", port=2776))
        await lab.crash("expc")
        with lab.world.faults.during(closed):
            await lab.start_host("expc")
            times.append(lab.world.now() / 1e9)
            await asyncio.sleep(30)
        times.append(lab.world.now() / 1e9)
        await asyncio.sleep(60)

    lab = play(story)
    states = [(each.event.channel, each.event.state, each.at) for each in flows(lab, "expc")]
    reported = [(channel, state) for channel, state, at in states if at >= times[0]]
    assert reported == [("probe RTCP", "open"), ("probe RTP", "failed"), ("probe RTP", "open")]
    failed, opened = (at for channel, _, at in states if channel == "probe RTP" and at >= times[0])
    assert 12 <= failed - times[0] <= 13, "six keep-alives, 2 s each"
    assert 0 < opened - times[1] <= 33, "the next probes come 20 s later"


def test_strangers_on_a_multiplexed_port_are_dropped_and_reported_once() -> None:
    async def story(lab: RunningLab) -> None:
        node = lab.node("dns-inside")
        intruder = await node.host.run(MediaEndpoint.open(node.journal, "stray", node.host.address(), times=TIMES))
        unknown = pack(Frame(channel=99, packet=b"x"), MediaLimits(packet=1500))
        for datagram in (
            unknown,
            b"",
            b"x",
            bytes(2000),
            *[bytes(8)] * 100,
        ):
            intruder.send(datagram, ("10.0.20.10", 2776))
        await asyncio.sleep(1)
        intruder.close()
        path = await there_and_back(lab)
        await path.close()

    lab = play(story)
    (reported,) = lab.journal.select(kind=events.Malformed.kind, node="expe")
    assert reported.event.summary() == "malformed multiplexed media: no channel 99; dropped"
    assert not flows(lab, "dns-inside", "started")


def test_a_third_party_does_not_take_a_running_medium_over() -> None:
    async def story(lab: RunningLab) -> None:
        path = await there_and_back(lab)
        node = lab.node("jabber-2")
        intruder = await node.host.run(MediaEndpoint.open(node.journal, "stray", node.host.address(), times=TIMES))
        intruder.send(PACKET, path.edge)
        await asyncio.sleep(1)
        intruder.close()
        await path.close()

    lab = play(story)
    assert not flows(lab, "jabber-2", "started")
    (inside,) = [
        each.event
        for each in flows(lab, "inside-1", "stopped")
        if "RTP" in str(each.event) and "RTCP" not in str(each.event)
    ]
    assert isinstance(inside, events.MediaFlow) and inside.packets_in == 1


def test_timers_of_flows_fire_once_wherever_in_time_they_began() -> None:
    """Lab time is nanoseconds, a timer's time a float: neither may wait for the other indefinitely."""

    async def story(lab: RunningLab) -> None:
        for pause in (0.000_000_1, 1.1, 0.333_333_333, 17.123_456_789, 100.000_000_001):
            await asyncio.sleep(pause)
            path = await there_and_back(lab)
            await asyncio.sleep(31)
            await path.close()

    lab = play(story)
    assert len(flows(lab, "expe", "stopped")) == 5 * 4


@pytest.mark.parametrize(
    ("probe", "field"),
    [
        ({"to": "nobody"}, "mra.media_probe.to"),
        ({"to": "inside-1", "edge": "expc"}, "mra.media_probe.edge"),
        ({"to": "inside-1", "core": "expe"}, "mra.media_probe.core"),
        ({"to": "inside-1", "edge_port": 36003}, "mra.media_probe.edge_port"),
        ({"to": "inside-1", "edge_port": 2776}, "mra.media_probe.edge_port"),
    ],
)
def test_a_probe_that_cannot_be_is_refused(probe: dict[str, Any], field: str) -> None:
    with pytest.raises(DeploymentError) as refused:
        load("small").changed({"mra.media_probe": probe})
    assert field in str(refused.value)
