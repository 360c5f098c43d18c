"""The journal of a running world: real connections and TLS become entries, the same for the same seed."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path

from edgesim.journal import Journal, events, ladder, ladder_text, watch_world
from edgesim.journal.spool import read
from edgesim.world.sim import SimWorld
from tests.simrun import host, sim_run


async def _greeting(world: SimWorld, journal: Journal) -> None:
    watch_world(journal)
    server, client = await host(world, "expe", "10.0.0.4"), await host(world, "alice", "10.0.0.5")
    heard = journal.recorder(server)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        heard.received(events.Note(text="greeting"), peer=writer.get_extra_info("peername"), payload=line)
        writer.close()

    async def listen() -> None:
        await asyncio.start_server(serve, "10.0.0.4", 7000)

    async def greet() -> None:
        reader, writer = await asyncio.open_connection("10.0.0.4", 7000)
        writer.write(client.entropy("greeting").token_hex(8).encode() + b"\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        with suppress(ConnectionRefusedError):
            await asyncio.open_connection("10.0.0.4", 7001)

    await server.run(listen())
    await client.run(greet())
    await world.crash("expe")


def _spooled(path: Path, seed: int) -> bytes:
    async def main(world: SimWorld) -> None:
        journal = Journal(world, spool=path)
        await _greeting(world, journal)
        journal.close()

    sim_run(main, seed=seed)
    return path.read_bytes()


def test_a_world_reports_to_its_journal(tmp_path: Path) -> None:
    _spooled(tmp_path / "j", 1)
    entries = read(tmp_path / "j")
    reported = [(entry.node, entry.kind) for entry in entries]
    for expected in (
        ("expe", "host.state"),
        ("alice", "tcp.open"),
        ("expe", "note"),
        ("alice", "tcp.closed"),
        ("expe", "tcp.closed"),
        ("alice", "tcp.failed"),
    ):
        assert expected in reported
    assert reported[-1] == ("expe", "host.state")
    assert {entry.peer for entry in entries} == {None, "alice", "expe"}
    assert len({entry.id for entry in entries}) == len(entries)
    ports = [entry.event.port for entry in entries if isinstance(entry.event, events.TcpClosed)]
    assert set(ports) == {7000}
    text = ladder_text.render(ladder.build(entries, order=["alice", "expe"]), 100)
    assert re.search("├─+►│ +NOTE +greeting", text)
    assert re.search("├─+✗ +│ +TCP +connect :7001 refused", text)


def test_one_seed_gives_one_file_and_two_seeds_differ(tmp_path: Path) -> None:
    first = _spooled(tmp_path / "a", 1)
    assert first == _spooled(tmp_path / "b", 1)
    assert first != _spooled(tmp_path / "c", 2)
