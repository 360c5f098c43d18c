"""``edgesim up`` as a process, and what other programs do with it: sign-in, dig, curl, the control commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgesim.cli import state
from edgesim.deployment import builtin
from tests.cli.command import ROOT, edgesim, process
from tests.cli.running import Up, finish, lines, start
from tests.live.lab import own_network
from tests.tools import tool


@pytest.fixture(scope="module")
def up(network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    directory = tmp_path_factory.mktemp("state")
    running = start(directory, network, "--json")
    yield Up(running, json.loads(lines(running, "}")), directory, network)
    _, errors = finish(running)
    assert running.returncode == 0, errors
    assert errors == ""
    assert not (directory / state.FILE).exists()


def sign_in(up: Up, who: str, password: str, *more: str) -> subprocess.CompletedProcess[str]:
    return process(
        "sign-in", who, "--password-stdin", "--dir", str(up.directory), *more, cwd=up.directory, stdin=f"{password}\n"
    )


def test_it_is_ready_soon_and_says_what_there_is(up: Up) -> None:
    assert up.lab["complete"] is True
    assert up.lab["ready_seconds"] < 10
    (edge,) = [host for host in up.lab["hosts"] if host["name"] == "expe"]
    outer = {each["port"] for each in edge["listens"] if each["address"] == f"{up.network}.113.10"}
    assert outer >= {8443, 5061, 5222}
    assert up.lab["users"][0] == {
        "id": "alice",
        "password": "alice-secret",
        "name": "Alice Adams",
        "numbers": ["1001"],
        "devices": ["CSFALICE", "TCTALICE", "BOTALICE"],
    }
    assert up.lab["provision"] == "ciscojabber://provision?ServicesDomain=example.com"
    assert stat.S_IMODE((up.directory / state.FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(up.directory.stat().st_mode) & 0o022 == 0


def test_a_simulated_jabber_signs_in_from_another_process(up: Up) -> None:
    done = sign_in(up, "alice@example.com", "alice-secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "service discovery     outside" in done.stdout
    assert "alice is signed in through the edge, with phone and chat" in done.stdout
    told = json.loads(sign_in(up, "bob@example.com", "bob-secret", "--inside", "--platform", "ios", "--json").stdout)
    assert (told["ok"], told["phone"], told["chat"], told["outside"]) == (True, True, True, False)
    assert [each["stage"] for each in told["stages"]][:2] == ["service discovery", "home cluster"]


def test_resolver_and_ca_may_be_named(up: Up, tmp_path: Path) -> None:
    outside = up.lab["dns"]["outside"]
    done = process(
        "sign-in",
        "carol@example.com",
        "--password-stdin",
        f"--resolver={outside}",
        f"--ca={up.lab['ca_file']}",
        "--json",
        cwd=tmp_path,
        stdin="carol-secret\n",
    )
    assert json.loads(done.stdout)["ok"] is True


def test_a_wrong_password_is_reported_with_its_stage(up: Up) -> None:
    done = sign_in(up, "alice@example.com", "mistyped")
    assert done.returncode == 1
    assert "edge configuration: get_edge_config: 401 Unauthorized" in done.stdout


def test_an_untrusted_edge_is_reported(up: Up, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes((ROOT / "fixtures" / "certs" / "public-root.pem").read_bytes())
    done = sign_in(up, "alice@example.com", "alice-secret", "--ca", str(other), "--json")
    assert done.returncode == 1
    assert "CERTIFICATE_VALIDATION_ERROR" in json.loads(done.stdout)["reason"]


def test_dig_and_curl_see_it(up: Up) -> None:
    address, port = up.lab["dns"]["outside"].rsplit(":", 1)
    query = [tool("dig"), "+short", f"@{address}", "-p", port, "_collab-edge._tls.example.com", "SRV"]
    assert subprocess.run(query, capture_output=True, text=True, check=True).stdout == "10 10 8443 expe.example.com.\n"
    url = "https://expe.example.com:8443/ZXhhbXBsZS5jb20/get_edge_config?service_name=_cisco-uds"
    fetch = [tool("curl"), "-sS", "--cacert", up.lab["ca_file"], "-u", "alice:alice-secret"]
    resolve = ["--resolve", f"expe.example.com:8443:{up.address('expe')}"]
    done = subprocess.run([*fetch, *resolve, url], capture_output=True, text=True, check=True)
    assert "<getEdgeConfigResponse" in done.stdout


def test_control_commands_look_and_act(up: Up) -> None:
    there = ("--dir", str(up.directory))
    assert edgesim("status", *there).exit_code == 0
    assert f"{up.network}.113.10:8443" in edgesim("netstat", "--host", "expe", *there).output
    assert "UCTraversal" in edgesim("zones", *there).output
    assert edgesim("control", "crash", "ucm-sub", *there).output == "ucm-sub is crashed\n"
    broken = edgesim("status", *there)
    assert broken.exit_code == 1 and "ucm-sub is crashed" in broken.output
    assert edgesim("control", "start", "ucm-sub", *there).exit_code == 0
    added = edgesim("control", "fault", "add", "drop-message", "--target", "expe", "--contains", "no such", *there)
    assert added.output == "fault 1 is in force\n"
    assert "drop-message" in edgesim("control", "fault", "list", *there).output
    assert edgesim("control", "fault", "remove", "1", *there).exit_code == 0
    assert edgesim("control", "fault", "remove", *there).exit_code == 2
    lines = edgesim("control", "journal", "-n", "3", *there).output.splitlines()
    assert len(lines) == 3
    unknown = edgesim("control", "crash", "nobody", *there)
    assert unknown.exit_code == 2 and "no host 'nobody'" in unknown.stderr


def test_control_commands_change_certificates(up: Up, tmp_path: Path) -> None:
    there = ("--dir", str(up.directory))
    csr, pem = str(tmp_path / "expc.csr"), str(tmp_path / "expc.pem")
    asked = edgesim("control", "csr", "expc", "--out", csr, *there)
    assert asked.exit_code == 0 and "DNS:expc.inside.example.com: FQDN of the host" in asked.stderr
    assert (
        edgesim("control", "sign", csr, "--by", "private", "--strip", "client-auth", "--out", pem, *there).exit_code
        == 0
    )
    refused = edgesim("control", "upload", "expc", pem, *there)
    assert refused.exit_code == 1 and "wants clientAuth" in refused.stderr
    assert edgesim("control", "sign", csr, "--by", "enterprise", "--out", pem, *there).exit_code == 0
    taken = edgesim("control", "upload", "expc", pem, "--as", "server", *there)
    assert taken.output == "uploaded to expc; it takes effect after a restart\n"
    assert edgesim("control", "upload", "expe", "--ca", "private", "--to", "trusted-ca", *there).exit_code == 0
    assert edgesim("control", "restart", "expe", *there).output == "expe is up\n"
    restarted = edgesim("control", "restart", "ucm-pub", "--service", "haproxy", *there)
    assert restarted.output == "Cisco HAProxy of ucm-pub was restarted\n"
    for wrong in (("expc",), ("expc", pem, "--ca", "private", "--to", "trusted-ca"), ("expc", "--ca", "private"),
                  ("expc", pem, "--to", "trusted-ca", "--as", "server")):  # fmt: skip
        assert edgesim("control", "upload", *wrong, *there).exit_code == 2


def test_one_state_directory_holds_one_lab(up: Up) -> None:
    done = process("up", "--dir", str(up.directory), "--network", up.network, cwd=up.directory)
    assert done.returncode == 2
    assert f"a lab already runs: small, process {up.process.pid}" in done.stderr


def test_a_taken_address_is_reported_with_its_holder(up: Up, tmp_path: Path) -> None:
    done = process("up", "--dir", str(tmp_path), "--network", up.network, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{up.network}.40.53:" in done.stderr and f"(process {up.process.pid})" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_reported_and_tables_are_for_people(tmp_path: Path) -> None:
    with own_network(builtin("small")) as deployment:
        address = deployment.host("expe").address
        network = ".".join(address.split(".")[:2])
        with socket.create_server((address, 8443)):
            done = process("up", "--dir", str(tmp_path), "--network", network, cwd=tmp_path)
            assert done.returncode == 2
            assert f"{address}:8443/tcp is taken by" in done.stderr and str(os.getpid()) in done.stderr
        running = start(tmp_path, network, "--dns-port", "10053")
        told = lines(running, "journal  ")
        rest, errors = finish(running, signal.SIGTERM)
        assert running.returncode == 0 and errors == ""
    assert rest.strip() == "stopped"
    assert f"{address}  outer-dmz" in told and "HTTPS for clients" in told
    assert "alice-secret" in told and "ciscojabber://provision?ServicesDomain=example.com" in told
    assert "10053 +udp" in told and "-p 10053" in told
    assert "resolved.conf.d" in told and "/etc/resolver/example.com" in told and "Windows" in told


def test_without_a_lab_commands_say_so(tmp_path: Path) -> None:
    for arguments in (("status",), ("netstat",), ("zones",), ("control", "crash", "expe"), ("sign-in", "a@b.example")):
        done = edgesim(*arguments, "--dir", str(tmp_path))
        assert done.exit_code == 2
        assert "no lab runs" in done.stderr and "edgesim up" in done.stderr


@pytest.mark.parametrize("arguments", [("sign-in", "alice"), ("sign-in", "a@b.example", "--resolver", "dns:x")])
def test_mistakes_of_sign_in_are_reported(arguments: tuple[str, ...]) -> None:
    done = edgesim(*arguments)
    assert done.exit_code == 2
    assert "write for example" in done.stderr


@pytest.mark.parametrize("arguments", [("--network", "10.1"), ("no-such-lab",), ("--dns-port", "0")])
def test_mistakes_of_up_are_reported(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = edgesim("up", "--dir", str(tmp_path), *arguments)
    assert done.exit_code == 2
    assert done.stderr.strip() and done.stdout == ""
