"""The programs that tests of the live world use: found, or installed, or the test fails and says what to install.

They are never skipped: a lab that no real program has met is not tested. ``python -m tests.tools`` installs all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache

import pytest

PACKAGES = {
    "dig": "dnsutils",
    "curl": "curl",
    "openssl": "openssl",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "baresip": "baresip-core",
    "sipp": "sip-tester",
    "tshark": "tshark",
    "linphonec": "linphone-cli",
    "profanity": "profanity",
    "go-sendxmpp": "go-sendxmpp",
}
"""The Debian package that has each program."""


@cache
def tool(name: str) -> str:
    """Return the path of a program; where it is missing and the system lets us, install it first."""
    path = shutil.which(name)
    if path is None:
        problem = install(PACKAGES[name])
        path = shutil.which(name)
        if path is None:
            pytest.fail(f"{name} is missing ({problem}): install it, on Debian: apt-get install {PACKAGES[name]}")
    return path


def install(*packages: str) -> str:
    """Install Debian packages. Return what stands in the way, or an empty string."""
    if shutil.which("apt-get") is None:
        return "no apt-get here"
    if os.geteuid() != 0:
        return "installing needs root"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    command = [*get, "install", "--yes", "--no-install-recommends", *packages]
    for attempt in (command, [*get, "update"], command):
        done = subprocess.run(attempt, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if attempt is command and done.returncode == 0:
            return ""
    return f"apt-get: {done.stderr.strip() or done.stdout.strip()}"


def missing() -> list[str]:
    """Return the packages of the programs that are not there."""
    return sorted({package for name, package in PACKAGES.items() if shutil.which(name) is None})


if __name__ == "__main__":
    needed = missing()
    sys.exit(install(*needed) if needed else 0)
