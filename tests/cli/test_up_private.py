"""What ``edgesim up`` keeps to itself: its secrets, its files, its state directory, its descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import select
import socket
import ssl
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from edgesim.cli import drawn_secrets, live_lab, remote, state
from edgesim.cli.drawn_secrets import with_own_secrets
from edgesim.cli.live_lab import Complaints
from edgesim.cli.problems import Problem
from edgesim.control import ControlError
from edgesim.deployment import as_yaml, builtin, load_text
from edgesim.edge.tunnel import KEY_EXCHANGES, Role, key_pair
from edgesim.world.files import who_else_writes
from edgesim.world.unhandled import UnhandledErrors
from tests.cli.command import ROOT, edgesim, process
from tests.cli.running import finish, lines, start


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def descriptors(number: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


async def knock(network: str, password: str) -> bool:
    """Take Expressway-C's address and try its key to the SSH tunnel, as it follows from a password of the zone."""
    deployment = builtin("small")
    private, _ = key_pair(Role.USER, user=deployment.traversal_zone.user, password=password)
    try:
        connection = await asyncssh.connect(
            f"{network}.20.10",
            deployment.ssh_tunnel.port,
            local_addr=(f"{network}.30.10", 0),
            username=deployment.ssh_tunnel.user,
            client_keys=[asyncssh.import_private_key(private)],
            known_hosts=None,
            kex_algs=KEY_EXCHANGES,
            encryption_algs=deployment.defaults.links.ssh_ciphers,
            config=None,
        )
    except asyncssh.PermissionDenied:
        return False
    connection.abort()
    return True


def test_secrets_are_drawn_once_and_files_are_private(network: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    home = tmp_path / "state"
    home.mkdir()
    for name in ("ca.pem", f".{state.FILE}.1", state.FILE):
        (home / name).symlink_to(victim)
    keylog = tmp_path / "keys.log"
    keylog.write_text("")
    keylog.chmod(0o644)
    running = start(home, network, "--json", "--keylog", str(keylog))
    told = json.loads(lines(running, "}"))
    try:
        assert told["complete"] is True
        secrets = json.loads((home / drawn_secrets.FILE).read_text())
        assert set(secrets) == {
            "traversal_zone.password",
            "xcp_link.secret",
            "unified_cm.cucm.axl_account.password",
            "im_presence.imp.axl_account.password",
        }
        assert len({*secrets.values()}) == 4 and min(map(len, secrets.values())) >= 32
        assert not asyncio.run(knock(network, builtin("small").traversal_zone.password))
        assert asyncio.run(knock(network, secrets["traversal_zone.password"]))
        private = [home / name for name in (drawn_secrets.FILE, state.FILE, "journal.jsonl")] + [keylog]
        private += sorted((home / "ca").glob("*.key.pem"))
        assert {path.name: oct(mode(path)) for path in private} == {path.name: "0o600" for path in private}
        assert not any(path.is_symlink() for path in home.iterdir() if path.name != f".{state.FILE}.1")
        assert "CLIENT" in keylog.read_text()
    finally:
        _, errors = finish(running)
    assert (running.returncode, errors) == (0, "")
    assert victim.read_text() == "precious"
    again = start(home, network, "--json")
    lines(again, "}")
    finish(again)
    assert json.loads((home / drawn_secrets.FILE).read_text()) == secrets


@pytest.mark.parametrize("name", [drawn_secrets.FILE, state.LOCK, "journal.jsonl"])
def test_a_planted_link_is_not_followed(network: str, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    home = tmp_path / "state"
    home.mkdir()
    (home / name).symlink_to(victim)
    done = process("up", "--dir", str(home), "--network", network, cwd=tmp_path)
    assert done.returncode == 2
    assert "symbolic link" in done.stderr and "Traceback" not in done.stderr
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", [drawn_secrets.FILE, state.LOCK, "journal.jsonl"])
def test_a_planted_pipe_does_not_block(network: str, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    done = process("up", "--dir", str(tmp_path), "--network", network, cwd=tmp_path)
    assert done.returncode == 2 and "this is a pipe" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("mode", "who"), [(0o777, "everybody"), (0o770, "its group"), (0o1777, None), (0o755, None), (0o700, None)]
)
def test_who_else_may_swap_the_files_of_a_state_directory(tmp_path: Path, mode: int, who: str | None) -> None:
    tmp_path.chmod(mode)
    assert who_else_writes(str(tmp_path)) == who


def test_a_state_directory_open_to_others_is_said_at_the_start(network: str, tmp_path: Path) -> None:
    home = tmp_path / "state"
    home.mkdir()
    home.chmod(0o777)
    running = start(home, network, "--json")
    lines(running, "}")
    _, errors = finish(running)
    assert f"{home} can be written by everybody" in errors


def test_a_key_log_through_a_link_is_refused(network: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "keys.log").symlink_to(victim)
    done = process(
        "up", "--dir", str(tmp_path), "--network", network, "--keylog", str(tmp_path / "keys.log"), cwd=tmp_path
    )
    assert done.returncode == 2 and "symbolic link" in done.stderr
    assert victim.read_text() == "precious"


def test_a_lab_that_died_does_not_block_the_next_even_if_its_process_number_is_reused(
    network: str, tmp_path: Path
) -> None:
    dead = state.Running(
        process=os.getpid(),  # of a program that runs, and is no lab
        deployment="small",
        domain="example.com",
        control="http://127.0.0.1:1/v1/command",
        token="t",
        ca_file="",
        resolver="127.0.0.1:53",
        inside_resolver="127.0.0.1:53",
        journal="",
    )
    state.write(tmp_path, dead)
    told = edgesim("status", "--dir", str(tmp_path))
    assert told.exit_code == 2 and f"the last one, process {os.getpid()}, has ended" in told.stderr
    running = start(tmp_path, network, "--json")
    lines(running, "}")
    _, errors = finish(running)
    assert (running.returncode, errors) == (0, "")


def test_too_few_descriptors_are_refused_and_few_are_said(network: str, tmp_path: Path) -> None:
    running = start(tmp_path, network, "--json", before=descriptors(64))
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "may open 64 files and connections: too few for this lab" in errors and "ulimit -n" in errors


def test_how_few_connections_are_said_and_refused(network: str, tmp_path: Path) -> None:
    """With 400 descriptors the small lab takes (400 - 64 - 7 * 16) // 3 = 74 connections of clients."""
    file = tmp_path / "small.yaml"

    def errors(few: int, least: int) -> str:
        changes = {"defaults.doors.few_connections": few, "defaults.doors.least_connections": least}
        file.write_text(as_yaml(builtin("small").changed(changes), reveal=True))
        running = start(tmp_path, network, "--json", str(file), before=descriptors(400))
        try:
            if least <= 74:
                lines(running, "}")
            else:
                running.wait(20)
        finally:
            _, told = finish(running)
        return told

    assert errors(74, 74) == ""
    assert "takes 74 connections of clients at a time" in errors(75, 74)
    assert "may open 400 files and connections: too few for this lab" in errors(75, 75)


def test_each_host_that_is_a_process_has_descriptors_to_itself(network: str, tmp_path: Path) -> None:
    running = start(tmp_path, network, "--json", "--processes", before=descriptors(400))
    try:
        lines(running, "}")
        with contextlib.ExitStack() as held:
            crowd = [held.enter_context(socket.socket()) for _ in range(120)]
            for number, each in enumerate(crowd):
                each.bind((f"{network}.200.{1 + number % 3}", 0))
                each.connect((f"{network}.113.10", 5222))
            kept, ended = (400 - 64 - 16) // 3, []
            deadline = time.monotonic() + 10
            while len(crowd) - len(ended) > kept and time.monotonic() < deadline:
                time.sleep(0.05)
                ended, _, _ = select.select(crowd, [], [], 0)
            assert len(crowd) - len(ended) == kept
    finally:
        _, errors = finish(running)
    assert "each host takes 106 connections of clients at a time" in errors


def test_silent_connections_keep_no_one_out_with_few_descriptors(network: str, tmp_path: Path) -> None:
    """More silent TLS connections than this lab has descriptors for, from three addresses; then a good client comes."""
    running = start(tmp_path, network, "--json", before=descriptors(400))
    lines(running, "}")
    crowd: list[socket.socket] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        for number in range(420):
            made = socket.socket()
            made.settimeout(10)
            made.bind((f"{network}.200.{1 + number % 3}", 0))
            made.connect((f"{network}.113.10", 5061))
            crowd.append(context.wrap_socket(made))
        there = ("--dir", str(tmp_path))
        status = edgesim("status", *there)
        assert status.exit_code == 0, status.output
        done = process("sign-in", "alice@example.com", "--password-stdin", *there, cwd=tmp_path, stdin="alice-secret\n")
        assert done.returncode == 0 and "with phone and chat" in done.stdout, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(edgesim("status", "--json", *there).stdout)
        assert told["connections"] < 400 / 3 and told["refused"] > 100 and told["problems"] == []
        journal = edgesim("control", "journal", "-n", "5000", "--json", *there).stdout
        assert 1 <= journal.count('"kind":"tcp.refused"') < 20
    finally:
        for each in crowd:
            each.close()
        _, errors = finish(running)
    assert running.returncode == 0
    assert "this process may open 400 files and connections" in errors and errors.count("\n") <= 2


def test_what_the_author_wrote_is_kept(tmp_path: Path) -> None:
    written = load_text(
        (ROOT / "edgesim" / "deployment" / "library" / "small.yaml").read_text()
        + "\nxcp_link:\n  secret: mine\ntraversal_zone:\n  user: someone\n"
    )
    drawn = with_own_secrets(written, tmp_path)
    assert drawn.xcp_link.secret == "mine"
    assert (drawn.traversal_zone.user, len(drawn.traversal_zone.password)) == ("someone", 48)
    assert with_own_secrets(written, tmp_path) == drawn
    other = with_own_secrets(written, tmp_path.parent)
    assert other.traversal_zone.password != drawn.traversal_zone.password
    (tmp_path / drawn_secrets.FILE).write_text("[1")
    with pytest.raises(Problem, match="does not hold an installation's secrets"):
        with_own_secrets(written, tmp_path)


def test_unhandled_errors_are_printed_at_most_one_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    errors = UnhandledErrors(lambda: 0)
    errors.listen(Complaints(lambda: now, live_lab.warn))
    for number in range(250):
        now = number / 100
        errors.add({"message": f"number {number}\x1b[31m", "exception": ValueError("no")})
    printed = capsys.readouterr().err.splitlines()
    assert [line.split("number ")[1].split("\\")[0] for line in printed] == ["0", "100", "200"]
    assert printed[1].endswith("ValueError: no (99 more since the last)") and "\x1b[31m" not in "".join(printed)


def test_a_lab_that_answers_with_an_error_gets_a_line_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> Any:
        raise ControlError("the lab answered 500")

    monkeypatch.setattr(remote, "carrier", lambda _: type("Broken", (), {"ask": broken})())
    for command in (("control", "journal"), ("status",)):
        done = edgesim(*command, "--dir", str(tmp_path))
        assert (done.exit_code, done.stderr) == (2, "error: the lab answered 500\n")
