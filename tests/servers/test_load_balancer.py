"""The load balancer: what goes where, both ways, and how connections end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edgesim.deployment import load
from edgesim.journal import events
from edgesim.lab import RunningLab
from edgesim.world.sim import SimWorld

BALANCER = {"name": "balancer", "address": "203.0.113.20"}


def balanced(
    affinity: str, story: Callable[[RunningLab], Awaitable[None]], *, without: tuple[str, ...] = ()
) -> RunningLab:
    """Run a story on jabber-1's machine, with two Expressway-Es that echo behind a balancer."""
    world = SimWorld(1)
    lab = RunningLab(world, load("pair").changed({"load_balancer": {**BALANCER, "affinity": affinity}}))
    echoes = [name for name in ("expe1", "expe2") if name not in without]

    async def main() -> None:
        await lab.start(without=[spec.name for spec in lab.deployment.host_specs() if spec.kind != "client"], settle=0)
        for name in echoes:
            lab.node(name).host.factory = _echo
            await world.start(name)
        await world.start("balancer")
        await lab.node("jabber-1").host.run(story(lab), name="story")
        await lab.stop()

    world.run(main())
    return lab


class _Echo:
    """Sends back what comes, with its name before it."""

    def __init__(self, server: asyncio.AbstractServer) -> None:
        self.server = server

    async def stop(self) -> None:
        self.server.close()


async def _echo(host: object) -> _Echo:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(host.name.encode() + b":" + data)
            await writer.drain()
        writer.close()

    address = {"expe1": "203.0.113.10", "expe2": "203.0.113.11"}[host.name]
    return _Echo(await asyncio.start_server(serve, address, 8443))


async def said(data: bytes = b"hello") -> bytes:
    """Connect, say something, and return the answer."""
    reader, writer = await asyncio.open_connection("203.0.113.20", 8443)
    writer.write(data)
    answer = await reader.readexactly(6 + len(data))
    writer.close()
    await writer.wait_closed()
    return answer[:5]


@pytest.mark.parametrize(
    ("affinity", "met"),
    [("none", [b"expe1", b"expe2", b"expe1"]), ("source address", [b"expe1", b"expe1", b"expe1"])],
)
def test_affinity_decides_who_is_next(affinity: str, met: list[bytes]) -> None:
    found: list[bytes] = []

    async def story(lab: RunningLab) -> None:
        for _ in met:
            found.append(await said())

    lab = balanced(affinity, story)
    assert found == met
    notes = [entry.event.text for entry in lab.journal.entries() if isinstance(entry.event, events.Note)]
    assert [text.split()[-1].encode() for text in notes if "goes to" in text] == met


def test_an_expressway_that_is_down_is_passed_over() -> None:
    async def story(lab: RunningLab) -> None:
        assert [await said(), await said()] == [b"expe2", b"expe2"]

    balanced("none", story, without=("expe1",))


def test_without_a_server_behind_it_the_connection_ends() -> None:
    async def story(lab: RunningLab) -> None:
        reader, writer = await asyncio.open_connection("203.0.113.20", 8443)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()

    balanced("none", story, without=("expe1", "expe2"))


def test_much_goes_both_ways_whole() -> None:
    async def story(lab: RunningLab) -> None:
        reader, writer = await asyncio.open_connection("203.0.113.20", 8443)
        sent = bytes(range(256)) * 4096
        got = bytearray()

        async def read() -> None:
            while len(got) < len(sent):
                got.extend((await reader.read(65536)).replace(b"expe1:", b""))

        task = lab.node("jabber-1").host.spawn(read(), name="read")
        writer.write(sent)
        await writer.drain()
        await task
        assert len(got) >= len(sent)
        writer.close()

    balanced("source address", story)


def test_when_the_expressway_goes_so_does_the_connection() -> None:
    async def story(lab: RunningLab) -> None:
        reader, writer = await asyncio.open_connection("203.0.113.20", 8443)
        writer.write(b"x")
        await reader.readexactly(7)
        await lab.crash("expe1")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()

    balanced("source address", story)
