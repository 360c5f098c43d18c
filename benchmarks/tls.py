"""What TLS costs: a handshake, a record, and a connection on which nothing happens, between two layers over memory."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, Scale, command, processor
from edgesim.pki import TrustStore, client_context, fixture_authorities, server_context, unified_cm
from edgesim.world.entropy import Entropy
from edgesim.world.tls.layer import TlsLayer
from edgesim.world.tls.loop import TlsLoop

NAME = "cucm1.example.com"
HANDSHAKES = {Scale.TINY: 2, Scale.NORMAL: 200, Scale.FULL: 1000}
RECORDS = {Scale.TINY: 10, Scale.NORMAL: 5000, Scale.FULL: 50_000}
IDLE = {Scale.TINY: 2, Scale.NORMAL: 1000, Scale.FULL: 5000}
BEST_OF = 5
MESSAGE = bytes(1024)


class Timer:
    """A time limit that nobody reaches."""

    def cancel(self) -> None:
        pass


class Loop(TlsLoop):
    """As much of a loop as a connection needs whose octets are carried by hand."""

    def __init__(self) -> None:
        self.tls_observer = lambda _tls, _error: None
        self.tls_tap = lambda _tls, data: data

    def call_later(self, _delay: float, _call: Callable[[], None]) -> Timer:
        return Timer()


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[bytes] = []

    def write(self, data: Any) -> None:
        self.out.append(data)

    def abort(self) -> None:
        pass


class Pair:
    """Both ends of a connection."""

    def __init__(self, loop: Loop, contexts: tuple[Any, Any]) -> None:
        self.server: TlsLayer = loop._tls(asyncio.Protocol(), contexts[0], None, server_side=True)
        self.client: TlsLayer = loop._tls(asyncio.Protocol(), contexts[1], None, server_side=False, name=NAME)
        self.wires = Wire(), Wire()
        for end, wire in zip((self.server, self.client), self.wires, strict=True):
            end.connection_made(wire)
        while any(wire.out for wire in self.wires):
            self.carry()

    def carry(self) -> None:
        """Bring each end what the other has written, in one piece."""
        for wire, other in zip(self.wires, (self.client, self.server), strict=True):
            data = b"".join(wire.out)
            wire.out.clear()
            if data:
                other.data_received(data)

    def there_and_back(self) -> None:
        self.client.write(MESSAGE)
        self.carry()
        self.server.write(MESSAGE)
        self.carry()

    def ten(self) -> None:
        for _ in range(10):
            self.client.write(MESSAGE)
        self.carry()


def run(scale: Scale) -> list[Figure]:
    """Measure it."""
    authorities = fixture_authorities(Entropy(7, "benchmark"))
    identity = authorities.enterprise.issue(unified_cm(NAME))
    trust = TrustStore.of("all", *authorities.enterprise.full_chain)
    contexts = server_context(identity), client_context(trust)
    loop = Loop()
    shake = _best(lambda: Pair(loop, contexts), HANDSHAKES[scale])
    pair = Pair(loop, contexts)
    record, ten = _best(pair.there_and_back, RECORDS[scale]), _best(pair.ten, RECORDS[scale] // 10)
    grown = _grown(lambda: Pair(loop, contexts), IDLE[scale])
    best = f"processor, best of {BEST_OF} runs"
    return [
        Figure(what="TLS: handshake", value=1e6 * shake, unit="us", how=f"{best}; both ends, the server's certificate"),
        Figure(what="TLS: a record of 1 KB each way", value=1e6 * record, unit="us", how=f"{best}; both ends"),
        Figure(what="TLS: ten records of 1 KB at once", value=1e6 * ten, unit="us", how=f"{best}; both ends, one way"),
        Figure(what="TLS: memory per idle end", value=grown / 2048, unit="KB", how=f"{IDLE[scale]} connections"),
    ]


def _best(step: Callable[[], object], times: int) -> float:
    """Return the seconds of processor that a step takes."""
    best = 1e9
    for _ in range(BEST_OF):
        gc.collect()
        began = processor()
        for _ in range(times):
            step()
        best = min(best, (processor() - began) / times)
    return best


def _grown(make: Callable[[], object], times: int) -> float:
    """Return by how many octets the process grows for one more of these."""
    kept = [make() for _ in range(50)]
    gc.collect()
    before = _resident()
    kept += [make() for _ in range(times)]
    gc.collect()
    return (_resident() - before) / times


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(command({"tls": run}))
