"""Strangers, however many, cost a bounded number of names and of entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.journal import Bounds, Journal, events, watch_world
from edgesim.journal.masking import Aliases
from edgesim.world import Interface
from edgesim.world import events as reported
from tests.journal.still_world import StillWorld

MANY = 70_000
SECOND = 10**9


def blocked(world: StillWorld, number: int) -> None:
    source = (f"192.0.{number // 256 % 256}.{number % 256}", 1024 + number % 60_000)
    world.report(
        reported.FirewallBlocked(
            at_ns=world.time,
            host=f"{source[0]}:{source[1]}",
            firewall="outer",
            rule="rest",
            verdict="drop",
            protocol="udp",
            zone="internet",
            source=source,
            remote=("198.51.100.4", 5060),
        )
    )


@pytest.fixture
def world() -> StillWorld:
    made = StillWorld()
    made.add_host("expe", [Interface(name="eth0", address="198.51.100.4", zone="dmz")])
    return made


def test_seventy_thousand_strangers(world: StillWorld, tmp_path: Path) -> None:
    journal = Journal(world, spool=tmp_path / "j", bounds=Bounds(stranger_entries=10**9))
    watch_world(journal)
    for number in range(MANY):
        blocked(world, number)
    nodes = {entry.node for entry in journal}
    assert len(nodes) == 1000 + 1
    assert "(others)" in nodes and "192.0.0.0" in nodes
    assert len(journal._sequences) == 1000 + 1
    assert journal._spool is not None
    assert len(journal._spool._names) == 1000 + 2, "nodes and one kind"
    # The lab's own hosts come through all this as before.
    entry = journal.record(world.hosts["expe"], events.Note(text="x"))
    assert [each.id for each in journal.select(node="expe")] == [entry.id]


def test_a_strangers_ports_make_no_names(world: StillWorld) -> None:
    journal = Journal(world)
    watch_world(journal)
    for port in (1, 2, 3):
        world.report(
            reported.DatagramDropped(
                at_ns=0,
                host=f"2001:db8::1:{port}",
                local=("2001:db8::1", port),
                remote=("198.51.100.4", 5060),
                size=1,
                reason="firewall",
            )
        )
    assert [entry.id for entry in journal] == [f"2001:db8::1#0/{number}" for number in (1, 2, 3)]


def test_entries_about_strangers_come_at_a_bounded_rate_with_a_count(world: StillWorld) -> None:
    journal = Journal(world)
    watch_world(journal)
    for second in range(3):
        world.time = second * SECOND
        for number in range(400):
            blocked(world, number)
    world.time = 3 * SECOND
    journal.flush()
    written = journal.select(kind="firewall.blocked")
    assert len(written) == 3 * 50
    gaps = [entry.event for entry in journal if isinstance(entry.event, events.JournalGap)]
    assert [(gap.missing, gap.since_ns) for gap in gaps] == [(350, 0), (350, SECOND), (350, 2 * SECOND)]
    assert gaps[0].summary() == "350 entries are missing since 0.000 s: more than 50 entries a second about strangers"


def test_the_count_is_not_lost_where_the_journal_ends(world: StillWorld) -> None:
    journal = Journal(world)
    watch_world(journal)
    for number in range(51):
        blocked(world, number)
    journal.flush()
    assert not journal.select(kind="journal.gap"), "the second is not over"
    journal.close()
    assert [entry.event.missing for entry in journal.select(kind="journal.gap")] == [1]


def test_hosts_of_the_lab_have_no_such_bound(world: StillWorld) -> None:
    journal = Journal(world)
    watch_world(journal)
    for _ in range(500):
        world.report(
            reported.ConnectionFailed(at_ns=0, host="expe", local=None, remote=("198.51.100.9", 1), reason="refused")
        )
    assert len(journal) == 500


def test_aliases_forget_the_value_that_was_not_seen_for_longest() -> None:
    aliases = Aliases(3)
    assert [aliases.alias("cookie", value) for value in "abcadb"] == [
        "<cookie#1>",
        "<cookie#2>",
        "<cookie#3>",
        "<cookie#1>",
        "<cookie#4>",
        "<cookie#5>",
    ]
    assert len(aliases) == 3
    long = "x" * 100_000
    assert aliases.alias("cookie", long) == aliases.alias("cookie", long) == "<cookie#6>"
    assert sum(len(key[1]) for key in aliases._known) < 100
