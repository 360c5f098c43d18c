"""The world of processes by itself: lives, disks, changes around hosts, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from edgesim.world import HostState
from edgesim.world.faults import RefuseConnection, Selector
from edgesim.world.processes import NoAnswer
from edgesim.world.unhandled import UnhandledError
from tests.processes.hosts import Pair, descriptors, echoed, told

NETWORK = f"127.{1 + os.getpid() % 250}.{os.getpid() // 250 % 250}"
"""Addresses of this process's own: the stories of one worker come one after the other."""


def tell(story: Any) -> Any:
    return told(f"{__name__}:{story.__name__}", NETWORK)


async def lives(pair: Pair) -> Any:
    world = pair.world
    first = await pair.ask("who")
    await world.crash("near")
    with pytest.raises(OSError):
        await pair.ask("who")
    await world.start("near")
    second = await pair.ask("who")
    await world.restart("near")
    third = await pair.ask("who")
    return [first, second, third, os.getpid(), (await pair.ask("who", host="far"))[0]]


def test_each_life_is_a_process_and_the_disk_is_there_in_the_next() -> None:
    first, second, third, own, far = tell(lives)
    assert [first[1:], second[1:], third[1:]] == [[1, 1], [2, 2], [3, 3]]
    assert len({first[0], second[0], third[0], own}) == 4
    assert far == own, "a host may run in the story's own process"


async def writes(pair: Pair) -> Any:
    for number in range(50):
        await pair.ask("write", f"key{number}", str(number))
        if number % 10 == 9:
            os.kill(pair.world.process("near") or 0, signal.SIGKILL)
            await pair.until(HostState.CRASHED)
            await pair.world.start("near")
    return await pair.ask("read")


def test_what_was_written_before_an_answer_survives_kill_9_right_after_it() -> None:
    assert tell(writes) == {f"key{number}": str(number) for number in range(50)}


async def draws(pair: Pair) -> Any:
    near, other = await pair.ask("draw"), await pair.ask("draw", host="other")
    return [near, other, pair.world.entropy("near#1/test").random()]


def test_a_hosts_randomness_is_the_one_that_it_has_in_one_process() -> None:
    near, other, expected = tell(draws)
    assert near == expected != other


async def freezes(pair: Pair) -> Any:
    world = pair.world
    before = await pair.ask("who")
    await world.freeze("near")
    silent = False
    try:
        async with asyncio.timeout(0.3):
            await pair.ask("who")
    except TimeoutError:
        silent = True
    with pytest.raises(NoAnswer, match="near is frozen"):
        await world.processes["near"].ask("ready")
    others = await pair.ask("who", host="other")
    await world.thaw("near")
    after = await pair.ask("who")
    await world.freeze("near")
    await world.crash("near")
    return [silent, before == after, others[1], world.hosts["near"].state.value]


def test_a_frozen_host_is_silent_goes_on_where_it_was_and_can_be_killed() -> None:
    assert tell(freezes) == [True, True, 1, "crashed"]


async def changes(pair: Pair) -> Any:
    world = pair.world
    busy = asyncio.ensure_future(pair.ask("busy", "0.5"))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    world.skew("near", 5)
    waited = time.monotonic() - began
    await busy
    now = await pair.ask("clock")
    await world.restart("near")
    later = await pair.ask("clock")
    with world.paths.partitioned("far", "near"):
        refused = []
        for _ in range(2):
            try:  # the kernel takes it; the process at the other end turns it away
                reader, writer = await asyncio.open_connection(
                    world.hosts["near"].address(), 7000, local_addr=(world.hosts["far"].address(), 0)
                )
                writer.write(b"who\n")
                refused.append(await reader.read(10))
            except ConnectionResetError:
                refused.append(b"")
            await world.restart("near")
    return [waited > 0.05, now, later, [each.decode() for each in refused], (await pair.ask("who"))[1]]


def test_changes_are_in_force_in_every_process_at_once_and_in_those_that_start_later() -> None:
    assert tell(changes) == [True, 5, 5, ["", ""], 4]


async def budget(pair: Pair) -> Any:
    """Each host dials the others; a rule that may refuse five connections meets thirty, in three processes."""
    world = pair.world
    world.faults.add(RefuseConnection(name="five", times=5, where=Selector(port=7000)))
    asked = [asyncio.ensure_future(world.processes[name].ask("dial", b"10")) for name in ("near", "other")]
    refused = 0
    for _ in range(10):
        try:
            await pair.ask("who")
        except ConnectionRefusedError:
            refused += 1
    for each in asked:
        refused += int(await each)
    return [refused, len(world.faults.rules())]


def test_a_budget_is_that_of_all_processes_together() -> None:
    assert tell(budget) == [5, 0]


async def asks_outside(pair: Pair) -> Any:
    world = pair.world
    answered = (await world.processes["near"].ask("echo")).decode()
    from_here = (await world.hosts["far"].run(echoed(world.hosts["outer"].address()))).decode()
    return [answered, from_here]


def test_an_answer_by_udp_passes_the_firewall_between_two_processes() -> None:
    """The one process of each end knows of the flow by itself: the sender notes what it sends."""
    assert tell(asks_outside) == ["answer", "answer"]


async def hears_later(pair: Pair) -> Any:
    world = pair.world
    heard = []
    for asks in (False, True):
        if asks:
            await world.processes["near"].ask("fixed", b"ask")
        await world.crash("near")
        await world.start("near")
        hearing = asyncio.ensure_future(
            world.processes["near"].ask("fixed", b"hear 10" if asks else b"hear 1", limit=20)
        )
        await asyncio.sleep(0.2)
        await world.processes["outer"].ask("fixed", b"tell")
        heard.append((await hearing).decode())
    return heard


def test_a_firewall_remembers_a_flow_for_longer_than_a_process_lives() -> None:
    assert tell(hears_later) == ["nothing", "news"]


async def gives_up(pair: Pair) -> Any:
    process = pair.world.processes["near"]
    with pytest.raises(NoAnswer):
        await process.ask("wait", limit=0.1)
    asked = asyncio.ensure_future(process.ask("wait", limit=None))
    await asyncio.sleep(0.05)
    asked.cancel()
    await asyncio.sleep(0.05)
    return int(await process.ask("given up"))


def test_a_cancelled_question_ends_on_the_host_as_well() -> None:
    assert tell(gives_up) == 2


async def spins(pair: Pair) -> Any:
    world = pair.world
    spinning = asyncio.ensure_future(pair.ask("spin"))
    await asyncio.sleep(0.2)
    pair.entries.clear()
    began = time.monotonic()
    world.catch_up()
    waited = time.monotonic() - began
    again_waited = []
    for _ in range(5):
        began = time.monotonic()
        world.catch_up()
        again_waited.append(time.monotonic() - began)
    other = await pair.ask("who", host="other")
    await asyncio.sleep(0.1)
    heard = {host for host, _ in pair.entries}
    with pytest.raises(NoAnswer, match=r"near does not answer: nothing came within 0\.2 s"):
        await world.processes["near"].ask("ready", limit=0.2)
    await world.crash("near")
    await world.start("near")
    again = await pair.ask("who")
    spinning.cancel()
    return [waited, min(again_waited), other[1], sorted(heard), again[1]]


def test_a_process_that_never_gives_way_stops_neither_the_journal_nor_others() -> None:
    waited, again_waited, other, heard, again = tell(spins)
    assert again_waited < 0.1 < 0.2 < waited, "it is waited for once"
    assert other == 1 and "other" in heard and again == 2


async def breaks(pair: Pair) -> Any:
    world = pair.world
    found: list[UnhandledError] = []
    world.unhandled.listen(found.append)
    for words in (("garbage",), ("exit", "7")):
        with contextlib.suppress(OSError):
            await pair.ask(*words)
        await pair.until(HostState.CRASHED)
        await world.start("near")
    await pair.ask("fail")
    await asyncio.sleep(0.1)
    return [[each.message for each in found], (await pair.ask("who", host="other"))[1], world.unhandled.count]


def test_invalid_frames_and_an_end_are_reported_and_affect_nothing_else() -> None:
    messages, other, count = tell(breaks)
    assert count == 3 and other == 1
    assert "near: its process" in messages[0] and "it sent an unexpected frame of kind 255" in messages[0]
    assert "ended with status 7" in messages[1]
    assert messages[2].startswith("near: ") and "ZeroDivisionError" in messages[2]


async def many_lives(pair: Pair) -> Any:
    world = pair.world
    await pair.ask("who")
    before = descriptors()
    for number in range(200):
        if number % 4:
            await world.crash("near")
        else:
            os.kill(world.process("near") or 0, signal.SIGKILL)
            await pair.until(HostState.CRASHED)
        await world.start("near")
    return [
        (await pair.ask("who"))[1:],
        descriptors() - before,
        len(children(os.getpid())),
        len(children(children(os.getpid())[0])),
    ]


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_two_hundred_lives_leave_neither_a_descriptor_nor_a_process() -> None:
    who, descriptors_more, fork_servers, hosts = tell(many_lives)
    assert who == [201, 201] and descriptors_more <= 0
    assert (fork_servers, hosts) == (1, 3)


async def ends(pair: Pair) -> Any:
    return [pair.world.process("near"), pair.world.process("other")]


def test_the_end_of_the_world_ends_its_processes() -> None:
    for pid in tell(ends):
        assert not Path(f"/proc/{pid}").exists()
