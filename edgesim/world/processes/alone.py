"""The live world of one host whose lab is started host by host: in other shells, containers or machines."""

from __future__ import annotations

import os
import struct
import time

from edgesim.world import files
from edgesim.world.live.world import Beginning, LiveWorld
from edgesim.world.processes.disk import DiskError, Replica, Shelf, restored
from edgesim.world.processes.network import SplitNetwork

LIVES = "lives"
LENGTH = struct.Struct("!I")
MOST_FILE = 1 << 28
"""Octets of a disk's file: many times what a disk may hold, for it has every change since the host was started."""


class AloneWorld(LiveWorld):
    """A live world of which one host runs here. It hears nothing of the others, but all have one beginning.

    ``epoch_ns`` is Unix time at lab time zero; this machine's clock says how long ago that is.
    """

    network_class = SplitNetwork
    one_host = True

    def __init__(self, seed: int, epoch_ns: int) -> None:
        since = time.time_ns() - epoch_ns
        super().__init__(beginning=Beginning(seed=seed, began_ns=time.monotonic_ns() - since, epoch_ns=epoch_ns))


class DiskFile:
    """A host's disk in a private file: its changes, one after the other, each with its length before it.

    A change of which only a part was written, because the process or the machine ended, has not happened. Raises
    `OSError` where the file cannot be read or written, `DiskError` where it is none.
    """

    def __init__(self, path: str) -> None:
        replica = Replica()
        content = files.read_private(path, MOST_FILE)
        place = 0
        while len(content) - place >= LENGTH.size:
            (length,) = LENGTH.unpack_from(content, place)
            record = content[place + LENGTH.size : place + LENGTH.size + length]
            if len(record) < length:
                break
            replica.apply(record)
            place += LENGTH.size + length
        dump = replica.dump()
        files.replace(path, b"".join(_framed(record) for record in replica.records()))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0))
        self.disk: Shelf = restored(dump, self._append)
        """The disk, whose changes go to the file."""

    def _append(self, record: bytes) -> None:
        os.write(self._file, _framed(record))

    def next_life(self) -> int:
        """Return the number of the life that begins now, from 1."""
        self.disk[LIVES] = lives = self.disk.get(LIVES, 0) + 1
        return int(lives)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _framed(record: bytes) -> bytes:
    return LENGTH.pack(len(record)) + record


__all__ = ["AloneWorld", "DiskError", "DiskFile"]
