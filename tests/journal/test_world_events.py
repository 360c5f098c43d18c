"""What a world tells becomes entries of the hosts concerned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgesim.journal import Journal, events, watch_world
from edgesim.world import Interface
from edgesim.world import events as told
from tests.journal.still_world import StillWorld

ALICE, EXPE, STRANGER = ("203.0.113.5", 49152), ("198.51.100.4", 8443), ("192.0.2.66", 40000)


@pytest.fixture
def world() -> StillWorld:
    cls: Any = StillWorld
    made: StillWorld = cls()
    made.add_host("alice", [Interface(name="lan1", address=ALICE[0], zone="internet")])
    made.add_host("expe", [Interface(name="lan1", address=EXPE[0], zone="dmz")])
    return made


@pytest.fixture
def journal(world: StillWorld) -> Journal:
    made = Journal(world)
    watch_world(made)
    return made


TLS = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}


@pytest.mark.parametrize(
    ("event", "written", "peer"),
    [
        (
            told.HostChanged(at_ns=5, host="expe", state="up", incarnation=3),
            events.HostStateChanged(state="up"),
            None,
        ),
        (
            told.ConnectionOpened(at_ns=5, host="alice", connection="c", local=ALICE, remote=EXPE),
            events.TcpOpened(local="203.0.113.5:49152", remote="198.51.100.4:8443", port=8443),
            "expe",
        ),
        (
            told.ConnectionFailed(at_ns=5, host="alice", local=None, remote=EXPE, reason="refused"),
            events.TcpFailed(remote="198.51.100.4:8443", port=8443, reason="refused"),
            "expe",
        ),
        (
            told.ConnectionClosed(at_ns=5, host="expe", connection="c", local=EXPE, remote=ALICE, how="reset"),
            events.TcpClosed(local="198.51.100.4:8443", remote="203.0.113.5:49152", port=8443, how="reset"),
            "alice",
        ),
        (
            told.TlsEstablished(at_ns=5, host="expe", connection="c", local=EXPE, remote=STRANGER, role="server",
                                server_name="e", peer_subject=None, peer_names=(), **TLS),
            events.TlsUp(role="server", server_name="e", peer_subject=None, peer_names=(), port=8443,
                         local="198.51.100.4:8443", remote="192.0.2.66:40000", **TLS),
            "192.0.2.66:40000",
        ),
        (
            told.TlsFailed(at_ns=5, host="alice", connection="c", local=ALICE, remote=EXPE, role="client",
                           reason="certificate verify failed", alert=None),
            events.TlsRefused(role="client", reason="certificate verify failed", alert=None, port=8443,
                              local="203.0.113.5:49152", remote="198.51.100.4:8443"),
            "expe",
        ),
        (
            told.DatagramDropped(at_ns=5, host="alice", local=ALICE, remote=("2001:db8::1", 53), size=9, reason="loss"),
            events.UdpDropped(remote="[2001:db8::1]:53", port=53, reason="loss"),
            "[2001:db8::1]:53",
        ),
        (
            told.FaultFired(at_ns=5, host="alice", fault="f", kind="FlipByte", local=ALICE, remote=EXPE, detail="at 4"),
            events.FaultFired(fault="f", fault_kind="FlipByte", detail="at 4"),
            "expe",
        ),
    ],
)  # fmt: skip
def test_every_world_event_becomes_an_entry(
    world: StillWorld, journal: Journal, event: told.WorldEvent, written: events.Event, peer: str | None
) -> None:
    world.hosts[event.host].clock.skew_ns = 40
    world.time = 9
    world.report(event)
    (entry,) = journal
    assert entry.event == written
    assert (entry.node, entry.peer, entry.at_ns, entry.direction) == (event.host, peer, 5, "-")
    assert entry.host_ns == 10**18 + 5 + 40


def test_all_world_events_are_covered(journal: Journal) -> None:
    known = watch_world(journal)._writers
    classes = [cls for cls in vars(told).values() if isinstance(cls, type) and issubclass(cls, told.WorldEvent)]
    assert set(classes) - {told.WorldEvent} == set(known)


def test_ended_hosts_do_not_write_but_the_world_reports_them(world: StillWorld, journal: Journal) -> None:
    host = world.hosts["expe"]
    recorder = journal.recorder(host)
    assert recorder.emit(events.Note(text="alive")) is not None
    host.life.fenced = True
    assert recorder.emit(events.Note(text="dead")) is None
    world.report(told.HostChanged(at_ns=0, host="expe", state="crashed", incarnation=0))
    assert [entry.kind for entry in journal] == ["note", "host.state"]
    assert [entry.id for entry in journal] == ["expe#0/1", "expe#0/2"]


def test_sequences_count_within_a_life_over_all_recorders(world: StillWorld, journal: Journal) -> None:
    one, two = journal.recorder(world.hosts["expe"]), journal.recorder(world.hosts["expe"])
    for recorder in (one, two, one):
        recorder.emit(events.Note(text="x"))
    world.report(told.HostChanged(at_ns=0, host="expe", state="up", incarnation=1))
    assert [entry.id for entry in journal] == ["expe#0/1", "expe#0/2", "expe#0/3", "expe#1/1"]


def test_the_port_of_a_close_is_the_services_on_both_sides(world: StillWorld, journal: Journal) -> None:
    world.report(told.ConnectionOpened(at_ns=0, host="alice", connection="c", local=ALICE, remote=EXPE))
    world.report(told.ConnectionClosed(at_ns=0, host="alice", connection="c", local=ALICE, remote=EXPE, how="closed"))
    world.report(told.ConnectionClosed(at_ns=0, host="expe", connection="c", local=EXPE, remote=ALICE, how="closed"))
    assert [entry.event.port for entry in journal.select(kind="tcp.closed")] == [8443, 8443]


def test_a_stranger_is_written_by_the_name_it_has(world: StillWorld, journal: Journal) -> None:
    world.report(told.FaultFired(at_ns=3, host="?", fault="f", kind="Delay", local=STRANGER, remote=EXPE, detail=""))
    (entry,) = journal
    assert (entry.node, entry.incarnation, entry.host_ns, entry.peer) == ("?", 0, 10**18 + 3, "expe")


def test_an_unknown_world_event_is_an_error(world: StillWorld, journal: Journal) -> None:
    class News(told.WorldEvent):
        pass

    with pytest.raises(TypeError, match="News"):
        world.report(News(at_ns=0, host="expe"))


def test_messages_to_lab_hosts_are_left_to_their_receivers(world: StillWorld, journal: Journal) -> None:
    recorder = journal.recorder(world.hosts["expe"])
    recorder.sent(events.Note(text="to alice"), peer=ALICE)
    recorder.sent(events.Note(text="to a stranger"), peer=STRANGER, payload=b"x")
    recorder.received(events.Note(text="from alice"), peer=ALICE)
    assert [(entry.direction, entry.peer) for entry in journal] == [("out", "192.0.2.66:40000"), ("in", "alice")]


def test_a_spooled_journal_is_read_like_one_in_memory(world: StillWorld, tmp_path: Path) -> None:
    heard: list[bytes] = []
    found = []
    for journal in (
        Journal(world),
        Journal(world, spool=tmp_path / "j"),
        Journal(world, spool=tmp_path / "k", secrets=True),
    ):
        journal.listen(lambda entry: heard.append(entry.payload))
        recorder = journal.recorder(world.hosts["expe"])
        for number in range(5):
            recorder.received(events.Note(text=str(number)), peer=ALICE, payload=b"pw=hunter2", secrets=[(3, 10)])
        assert len(journal) == 5
        assert [entry.order for entry in journal.entries(2)] == [2, 3, 4]
        assert len(journal.select(kind="note", node="expe", start=4)) == 1
        assert len(journal.select(node="alice")) == 0
        found.append(journal[4].payload)
        journal.flush()
        journal.close()
        recorder.emit(events.Note(text="too late"))
        assert len(list(journal)) == 5
    assert heard == [b"pw=hunter2"] * 15
    assert found == [b"pw=hunter2", b"pw=<secret>", b"pw=hunter2"]
    assert b"hunter2" not in (tmp_path / "j").read_bytes()
    assert b"hunter2" in (tmp_path / "k").read_bytes()
