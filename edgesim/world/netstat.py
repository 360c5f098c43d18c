"""Sockets of a running world in the form that people know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgesim.world.events import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRow:
    """One socket: addresses as pairs, queues in octets."""

    host: str
    protocol: str
    local: Address
    remote: Address | None
    state: str
    send_queue: int = 0
    receive_queue: int = 0


def netstat(rows: Iterable[SocketRow]) -> str:
    """Return the rows as a table in the manner of ``netstat -an``, with the host in front."""
    lines = [
        f"{'Host':<12} {'Proto':<5} {'Recv-Q':>6} {'Send-Q':>6} {'Local Address':<23} {'Foreign Address':<23} State"
    ]
    for row in rows:
        remote = "*:*" if row.remote is None else f"{row.remote[0]}:{row.remote[1]}"
        lines.append(
            f"{row.host:<12} {row.protocol:<5} {row.receive_queue:>6} {row.send_queue:>6} "
            f"{f'{row.local[0]}:{row.local[1]}':<23} {remote:<23} {row.state}".rstrip()
        )
    return "\n".join(lines)
