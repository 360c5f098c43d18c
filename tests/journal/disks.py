"""Disks that run full, for files of journals."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

import pytest

from edgesim.journal.line_file import LineFile


class Disk:
    """A disk with ``room`` octets in all. While it is ``broken`` nothing can be written or cut either."""

    def __init__(self) -> None:
        self.room = 10**9
        self.broken = False
        self.files: dict[str, DiskFile] = {}

    @property
    def used(self) -> int:
        return sum(len(file.getvalue()) for file in self.files.values())

    def install(self, patch: pytest.MonkeyPatch) -> Disk:
        """Put every journal's file on this disk from now on."""

        def open_here(file: LineFile) -> None:
            if self.broken:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            file._file = self.files[file.path] = DiskFile(self)

        patch.setattr(LineFile, "open", open_here)
        return self


class DiskFile(io.BytesIO):
    """A file that takes what there is room for, as a kernel does: first a part, and then nothing but an error."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self.disk = disk

    def write(self, data: Any, /) -> int:
        if self.disk.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        overwritten = len(self.getvalue()) - self.tell()
        room = self.disk.room - self.disk.used + overwritten
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(data[:room]))

    def truncate(self, size: int | None = None, /) -> int:
        if self.disk.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().truncate(size)

    def close(self) -> None:
        """Keep what was written: a test looks at it."""
