"""Finds the process that holds a port on this machine, if the operating system reports it (Linux: /proc)."""

from __future__ import annotations

import os
from pathlib import Path


def who_listens(address: str, port: int, *, udp: bool = False) -> str | None:
    """Return ``program (process N)`` for the holder of a port, or None if it is unknown."""
    inodes = _inodes(address, port, udp=udp)
    if not inodes:
        return None
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            for link in (process / "fd").iterdir():
                if os.readlink(link) in inodes:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:  # gone meanwhile, or not ours to look at
            continue
    return "a process of another user"


def _inodes(address: str, port: int, *, udp: bool) -> frozenset[str]:
    """Return the links of the sockets that hold ``port`` on ``address`` or on all addresses."""
    found = []
    for name in ("udp", "udp6") if udp else ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            host, number = fields[1].rsplit(":", 1)
            listens = udp or fields[3] == "0A"
            if listens and int(number, 16) == port and _same(host, address):
                found.append(f"socket:[{fields[9]}]")
    return frozenset(found)


def _same(hexadecimal: str, address: str) -> bool:
    if set(hexadecimal) == {"0"}:
        return True
    octets = bytes.fromhex(hexadecimal)[::-1]
    return ".".join(map(str, octets[-4:] if len(octets) == 4 else octets[:4])) == address
