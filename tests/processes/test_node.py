"""``edgesim node``: hosts that are started one by one, each in a process of its own, and make one lab."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgesim.cli import node_lab
from edgesim.deployment import as_yaml, builtin
from edgesim.journal import events
from edgesim.journal.codec import JournalFormatError
from edgesim.journal.reading import Reader
from edgesim.lab.shared import Shared, SharedError
from edgesim.world.processes.alone import DiskFile
from edgesim.world.processes.disk import DiskError
from tests.cli.command import edgesim, environment, process
from tests.cli.running import finish, lines
from tests.live.lab import own_network

SERVERS = ("dns-inside", "dns-outside", "ucm-pub", "ucm-sub", "imp-pub", "expc", "expe")
QUICK = builtin("small").changed({"defaults.links.zone_retry_s": 1.0})
"""Which host starts first is open here: a C that finds no E yet tries again soon, not after the documented 120 s."""


def start(name: str, directory: Path, network: str) -> subprocess.Popen[str]:
    deployment = str(directory / "quick.yaml")
    node = ("node", name, deployment, "--dir", str(directory), "--network", network)
    arguments = [sys.executable, "-m", "edgesim", *node]
    return subprocess.Popen(
        arguments, cwd=directory, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def nodes(directory: Path, *names: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Run nodes of the small deployment, all started at the same moment, as if by a person in several shells."""
    (directory / "quick.yaml").write_text(as_yaml(QUICK))
    with own_network(QUICK) as claimed:
        network = ".".join(claimed.host("expe").address.split(".")[:2])
        running = {name: start(name, directory, network) for name in names}
        try:
            for name, each in running.items():
                assert f"{name} is up (life" in lines(each, "\n")
            yield running
        finally:
            for each in running.values():
                finish(each)


def seen(directory: Path, name: str, kind: str) -> list[events.Event]:
    """Return what a node has written of a kind so far; its file may not have its first line yet."""
    try:
        return [entry.event for entry in Reader(directory / f"journal-{name}-1.jsonl") if entry.event.kind == kind]
    except JournalFormatError:
        return []


def until_zones_stand(directory: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        states = {event.zone: event.state for event in seen(directory, "expc", "zone.state")}
        if states and all("Active" in each for each in states.values()):
            return
        time.sleep(0.2)
    pytest.fail(f"the zones do not stand: {seen(directory, 'expc', 'zone.state')}")


def test_nodes_that_are_started_side_by_side_make_one_lab_and_one_journal(tmp_path: Path) -> None:
    with nodes(tmp_path, *SERVERS) as running:
        shared = tmp_path / node_lab.FILE
        assert stat.S_IMODE(shared.stat().st_mode) == 0o600
        until_zones_stand(tmp_path)
        # A node that is killed goes on in its next life, with the same certificate: its peers trust it as before.
        running["expe"].kill()
        running["expe"].wait()
        network = ".".join(json.loads(shared.read_text())["deployment"].split("127.")[1].split(".")[:1])
        running["expe"] = start("expe", tmp_path, f"127.{network}")
        assert "(life 2)" in lines(running["expe"], "\n")
        for each in running.values():
            each.send_signal(signal.SIGINT)
        for name, each in running.items():
            out, errors = each.communicate(timeout=30)
            assert (each.returncode, errors) == (0, ""), name
            assert out.strip() == "stopped"
    files = sorted(tmp_path.glob("journal-*.jsonl"))
    assert len(files) == len(SERVERS) + 1, "each life has a journal of its own"
    joined = tmp_path / "journal.jsonl"
    done = edgesim("journal", "join", *map(str, files), "--out", str(joined))
    assert done.exit_code == 0, done.output
    entries = list(Reader(joined))
    apart = [entry for file in files for entry in Reader(file)]
    places = sorted((entry.at_ns, entry.node, entry.incarnation, entry.sequence) for entry in apart)
    found = [(entry.at_ns, entry.node, entry.incarnation, entry.sequence) for entry in entries]
    assert [each for each in found if each[2]] == [each for each in places if each[2]]
    assert len(set(found)) == len(found) == len(places), "an identity names one entry"
    assert [entry.order for entry in entries] == list(range(len(entries)))
    assert stat.S_IMODE(joined.stat().st_mode) == 0o600
    # Lab time is the same in all of them: whoever opened a connection did so before the other side accepted its TLS.
    opened = next(e for e in entries if e.node == "expc" and e.event.kind == "tcp.open" and e.peer == "expe")
    taken = next(e for e in entries if e.node == "expe" and e.event.kind == "tls.established" and e.peer == "expc")
    assert 0 < taken.at_ns - opened.at_ns < 5e9


def test_a_node_needs_a_host_of_the_deployment_and_says_which_there_are(tmp_path: Path) -> None:
    done = process("node", "nobody", "small", "--dir", str(tmp_path), "--network", "127.63", cwd=tmp_path)
    assert done.returncode == 2 and "small has no host nobody" in done.stderr and "expe" in done.stderr
    other = process("node", "expe1", "cluster", "--dir", str(tmp_path), cwd=tmp_path)
    assert other.returncode == 2 and f"{tmp_path} belongs to the deployment small" in other.stderr
    assert process("node", "--dir", str(tmp_path), cwd=tmp_path).returncode == 2


def test_what_nodes_share_is_made_once_and_read_by_all(tmp_path: Path) -> None:
    first = process("node", "--prepare", "small", "--dir", str(tmp_path), "--network", "127.63", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    before = (tmp_path / node_lab.FILE).read_bytes()
    again = process("node", "--prepare", "small", "--dir", str(tmp_path), "--network", "127.64", cwd=tmp_path)
    assert again.returncode == 0 and (tmp_path / node_lab.FILE).read_bytes() == before
    found = Shared.decode(before)
    assert Shared.decode(found.encode()).encode() == before
    (key,) = [identity.key_pem() for place, identity in found.identities.items() if place == ("expe", "server")]
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"edgesim":"nodes","version":2}', b"\xff", b"[" * 100_000])
def test_what_is_no_such_file_is_refused(text: bytes) -> None:
    with pytest.raises(SharedError):
        Shared.decode(text)


# ---- disks in files


def test_a_disk_in_a_file_has_what_was_written_also_after_a_half_record(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    disk = DiskFile(str(path))
    assert disk.next_life() == 1
    disk.disk.setdefault("rosters", {}).setdefault("alice", {})["bob"] = {"to": True}
    disk.disk["rosters"]["alice"]["carol"] = (1, b"2")
    del disk.disk["rosters"]["alice"]["bob"]
    disk.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        shutil.copy(path, tmp_path / "cut")
        with (tmp_path / "cut").open("r+b") as file:
            file.truncate(cut)
        again = DiskFile(str(tmp_path / "cut"))
        rosters = again.disk.get("rosters", {})
        assert rosters in ({}, {"alice": {}}, {"alice": {"bob": {}}}, {"alice": {"bob": {"to": True}}}) or set(
            rosters["alice"]
        ) <= {"bob", "carol"}
        again.close()
    final = DiskFile(str(path))
    assert final.disk["rosters"] == {"alice": {"carol": (1, b"2")}} and final.next_life() == 2
    final.close()


def test_a_disk_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(b"\x00\x00\x00\x05hello")
    with pytest.raises(DiskError):
        DiskFile(str(path))
