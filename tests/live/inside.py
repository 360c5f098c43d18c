"""How a real client gets inside: it comes from the address of a machine of the lab's company network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.live.lab import LiveLab


@contextmanager
def inside(lab: LiveLab) -> Iterator[str]:
    """Have this system dial the lab's inside servers from inside-1, whatever program dials; yield that address.

    As docs/clients.md has it: a local route with a preferred source. It needs root, and Linux.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a route with a source of its own needs root on Linux; clients that bind an address do without")
    source = lab.address("inside-1")
    servers = lab.address("ucm-pub").rsplit(".", 1)[0] + ".0/24"
    route = ["local", servers, "dev", "lo", "src", source, "table", "local"]
    subprocess.run(["ip", "route", "add", *route], check=True, capture_output=True)
    try:
        yield source
    finally:
        subprocess.run(["ip", "route", "del", *route], check=True, capture_output=True)
