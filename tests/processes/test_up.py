"""``edgesim up --processes``: each host a process, and what happens to them."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgesim.control import (
    ControlError,
    Crash,
    Freeze,
    Hosts,
    MakeRequest,
    Netstat,
    RestartHost,
    RestartService,
    SignRequest,
    StartHost,
    Status,
    Tail,
    UploadCertificate,
)
from edgesim.deployment import builtin
from edgesim.journal import events
from tests.cli.command import process
from tests.cli.running import AT_ONCE, start
from tests.live.lab import own_network
from tests.processes.lab import Lab, alive, family, gone, kill, lab, stopped


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("state")) as running:
        yield running
        below = family(running.pid)
        running.end()
        assert running.running.returncode == 0, running.ended
        assert running.ended[1] == ""
        assert not alive(below)


def sign_in(up: Lab, who: str = "alice", *more: str) -> dict[str, object]:
    arguments = ("sign-in", f"{who}@example.com", "--password-stdin", "--json", "--dir", str(up.directory), *more)
    done = process(*arguments, cwd=up.directory, stdin=f"{who}-secret\n")
    return json.loads(done.stdout)


def test_every_host_is_a_separate_process(up: Lab) -> None:
    assert up.told["complete"] is True
    hosts = up.ask(Hosts()).hosts
    pids = [each.process for each in hosts]
    assert len(set(pids)) == len(hosts) == 12 and None not in pids
    assert set(pids) <= set(family(up.pid))
    listening = {(row.host, row.local[1]) for row in up.ask(Netstat()).rows if row.state == "LISTEN"}
    assert {("expe", 8443), ("expe", 5061), ("ucm-pub", 5060)} <= listening
    told = process("status", "--dir", str(up.directory), cwd=up.directory).stdout
    assert str(up.process("expe")) in told


def test_a_client_signs_in_and_every_hosts_entries_are_in_one_journal_in_order(up: Lab) -> None:
    assert sign_in(up)["ok"] is True
    lines = [json.loads(line) for line in up.ask(Tail(after=0, limit=10_000)).lines]
    assert [line["order"] for line in lines] == list(range(len(lines)))
    ordered = [(line["at_ns"], line["node"]) for line in lines]
    assert ordered == sorted(ordered)
    places = Counter((line["node"], line["incarnation"], line["sequence"]) for line in lines)
    assert max(places.values()) == 1, "an identity names one entry"
    wrote = {line["node"] for line in lines}
    assert {"expe", "expc", "ucm-pub", "imp-pub", "dns-outside"} <= wrote
    registered = [line for line in lines if line["kind"] == events.SipRequest.kind and line["node"] == "expe"]
    assert any("REGISTER" in line.get("payload", "") for line in registered)
    assert not any("alice-secret" in json.dumps(line) for line in lines)


def test_a_crash_is_kill_9_and_peers_see_resets(up: Lab) -> None:
    before = up.process("expc")
    after = up.ask(Tail()).next
    up.ask(Crash(host="expc"))
    assert up.state("expc") == "crashed" and gone([before])
    up.until(lambda: ("tcp.closed", "expe") in kinds(up, after), "the peer sees its connections end")
    assert ("tcp.closed", "expc") not in kinds(up, after), "the dead do not write"
    up.ask(StartHost(host="expc"))
    assert up.process("expc") != before
    up.until(up.links_stand, "the links stand again")
    assert sign_in(up)["ok"] is True


def kinds(up: Lab, after: int) -> set[tuple[str, str]]:
    """Return which kinds of entries came since a position, each with its node."""
    lines = [json.loads(line) for line in up.ask(Tail(after=after, limit=10_000)).lines]
    return {(line["kind"], line["node"]) for line in lines}


def test_a_process_that_is_killed_by_hand_is_a_crashed_host_and_nothing_else(up: Lab) -> None:
    kill(up.process("imp-pub"))
    up.until(lambda: up.state("imp-pub") == "crashed", "the crash is seen")
    status = up.ask(Status())
    assert "imp-pub is crashed" in status.problems and status.errors == 0
    up.ask(StartHost(host="imp-pub"))
    up.until(up.links_stand, "the links stand again")


def test_a_frozen_host_is_silent_and_goes_on_where_it_was(up: Lab) -> None:
    done = process("control", "freeze", "expe", "--dir", str(up.directory), cwd=up.directory)
    assert (done.returncode, done.stdout) == (0, "expe is frozen\n"), done.stderr
    assert up.state("expe") == "frozen" and stopped(up.process("expe"))
    with pytest.raises(ControlError, match="expe is frozen"):
        up.ask(Netstat(host="expe"))
    with socket.create_connection((f"{up.network}.113.10", 8443), timeout=5) as there:
        there.settimeout(0.5)
        with pytest.raises(TimeoutError):  # the kernel takes the connection; nobody greets or resets
            there.recv(1)
    assert sign_in(up, "bob", "--inside")["ok"] is True, "who does not need it goes on"
    before = up.process("expe")
    assert process("control", "thaw", "expe", "--dir", str(up.directory), cwd=up.directory).returncode == 0
    assert up.process("expe") == before and not stopped(before)
    up.until(lambda: sign_in(up)["ok"] is True, "a sign-in works again")


def test_what_an_administrator_does_survives_restarts_and_crashes(up: Lab) -> None:
    made = up.ask(MakeRequest(host="ucm-pub", service="tomcat"))
    up.ask(RestartHost(host="ucm-pub"))  # the key of the request is on the disk
    signed = up.ask(SignRequest(pem=made.pem)).text
    assert up.ask(UploadCertificate(host="ucm-pub", pem=signed, service="tomcat")).accepted
    kill(up.process("ucm-pub"))
    up.until(lambda: up.state("ucm-pub") == "crashed", "the crash is seen")
    up.ask(StartHost(host="ucm-pub"))
    shown = served(up, "ucm-pub", 8443)
    assert shown == signed.encode()
    assert "restarted" in up.ask(RestartService(host="ucm-pub", service="Cisco Tomcat")).text
    assert served(up, "ucm-pub", 8443) == signed.encode()


def served(up: Lab, host: str, port: int) -> bytes:
    """Return the certificate in PEM that a port shows to somebody inside."""
    (found,) = [each for each in up.told["hosts"] if each["name"] == host]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    there = (found["addresses"][0]["address"], port)
    with socket.create_connection(there, 5, (f"{up.network}.50.10", 0)) as plain, context.wrap_socket(plain) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(True) or b"").encode()


# ---- the end


def test_ctrl_c_in_a_terminal_ends_all_also_with_a_frozen_host(tmp_path: Path) -> None:
    with lab(tmp_path) as up:
        below = family(up.pid)
        assert len(below) == 13
        up.ask(Freeze(host="imp-pub"))
        began = time.monotonic()
        for pid in (up.pid, *below):  # a terminal sends it to every process of the foreground
            os.kill(pid, signal.SIGINT)
        assert up.end() < AT_ONCE and time.monotonic() - began < AT_ONCE
        assert up.running.returncode == 0 and up.ended[1] == ""
        assert not alive(below)
        file = tmp_path / "journal.jsonl"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        stops = {
            entry.node
            for entry in up.entries()
            if isinstance(entry.event, events.HostStateChanged) and entry.event.state == "stopped"
        }
        assert stops == {each["name"] for each in up.told["hosts"]}, "the journal is complete"


def test_nothing_survives_kill_9_of_the_lab(tmp_path: Path) -> None:
    with lab(tmp_path) as up:
        below = family(up.pid)
        up.ask(Freeze(host="expe"))
        kill(up.pid)
        assert gone(below), alive(below)


def test_a_fork_server_that_is_killed_leaves_no_process_without_a_parent(tmp_path: Path) -> None:
    with lab(tmp_path) as up:
        below = family(up.pid)
        hosts = {each.process for each in up.ask(Hosts()).hosts}
        (fork_server,) = set(below) - hosts
        kill(fork_server)
        assert gone(below), alive(below)
        assert up.ask(Status()).hosts_up == 0
        with pytest.raises(ControlError, match="process that makes the processes of hosts has ended"):
            up.ask(StartHost(host="expe"))
        up.end()


def test_a_port_that_is_taken_is_reported_as_in_one_process(tmp_path: Path) -> None:
    told = []
    with own_network(builtin("small")) as claimed:
        address = claimed.host("ucm-sub").address
        network = ".".join(address.split(".")[:2])
        with socket.create_server((address, 5060)):
            for more in ((), ("--processes",)):
                running = start(tmp_path, network, "--json", *more)
                below = family(running.pid)
                told.append(finish_by_itself(running))
                assert not alive(below)
    assert told[0] == told[1] and f"{address}:5060/tcp is taken by" in told[0]


def finish_by_itself(running: subprocess.Popen[str]) -> str:
    out, errors = running.communicate(timeout=60)
    assert running.returncode == 2 and out == ""
    return errors


def test_two_labs_side_by_side_do_not_know_each_other(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with lab(tmp_path / "one") as one, lab(tmp_path / "other") as other:
        below = family(one.pid)
        other.ask(Crash(host="expc"))
        assert one.ask(Status()).problems == ()
        one.end()
        assert not alive(below)
        assert len(alive(family(other.pid))) == 12
        other.ask(StartHost(host="expc"))
        other.until(other.links_stand, "its links stand")
