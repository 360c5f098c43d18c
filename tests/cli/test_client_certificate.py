"""A client of one's own with a certificate for Unified CM in mixed mode, by the commands of docs/clients.md."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgesim.deployment import builtin
from tests.cli.command import ROOT
from tests.cli.running import Up, finish, lines, start
from tests.documents import blocks
from tests.live.lab import own_network

PAGE = ROOT / "docs" / "clients.md"
SMALL = ROOT / "edgesim" / "deployment" / "library" / "small.yaml"
OPTIONS = (
    "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/TLS {1}:5061;branch=z9hG4bKone\r\nFrom: <sip:a@{1}>;tag=1\r\n"
    "To: <sip:{0}>\r\nCall-ID: 1@{1}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    mixed = tmp_path / "mixed.yaml"
    mixed.write_text(SMALL.read_text().replace("    cloud_onboarding: true", "    mixed_mode: true"))
    with own_network(builtin("small")) as claimed:
        network = ".".join(claimed.host("expe").address.split(".")[:2])
        running = start(tmp_path, network, "--json", str(mixed))
        try:
            yield Up(running, json.loads(lines(running, "}")), tmp_path, network)
        finally:
            finish(running)


def run(up: Up, commands: str) -> None:
    """Run commands of the page with this lab's state directory."""
    edgesim = f"'{sys.executable}' -m edgesim"
    text = re.sub(r"^edgesim (.*)$", rf"{edgesim} \1 --dir '{up.directory}'", commands, flags=re.MULTILINE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-ec", text], cwd=up.directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def ask(up: Up) -> str:
    """Send OPTIONS to 5061 with the certificate; return the first line of the answer."""
    context = ssl.create_default_context(cafile=str(up.directory / "ca.pem"))
    context.check_hostname = False  # it is dialled by its address
    context.load_cert_chain(up.directory / "device.crt", up.directory / "device.key")
    node, own = f"{up.network}.40.11", f"{up.network}.50.10"
    plain = socket.create_connection((node, 5061), 10, source_address=(own, 0))
    with context.wrap_socket(plain) as made:
        made.sendall(OPTIONS.format(node, own).encode())
        return made.recv(4096).decode().partition("\r\n")[0]


def test_a_certificate_counts_once_it_is_in_the_store(up: Up) -> None:
    found = [each.text for each in blocks(PAGE.read_text(encoding="utf-8"), "sh")]
    (make,) = (text for text in found if "openssl req" in text)
    (upload,) = (text for text in found if "--to callmanager-trust" in text)
    run(up, make)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        ask(up)
    run(up, upload)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert ask(up) == "SIP/2.0 200 OK"
            return
        except ConnectionError:  # the node is coming up
            assert time.monotonic() < deadline
            time.sleep(0.2)
