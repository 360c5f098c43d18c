"""Budgets of faults that several processes share: a fault with ``times=3`` fires three times in all, wherever.

A firing is an octet appended to a file, and the position at which it landed says how many there were before: the system
gives each position once (POSIX, open with O_APPEND). There is no lock that a process could hold while it is killed or
stopped, and nothing to undo.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile

from edgesim.world.faults import Budgets


class SharedBudgets(Budgets):
    """Budgets in a folder that only this user may enter, one file for each rule. `open` them before forking."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = ""
        self._files: dict[int, int] = {}

    def open(self) -> None:
        """Make the folder. Raises `OSError`."""
        self._folder = tempfile.mkdtemp(prefix="edgesim-faults-")

    def take(self, number: int) -> int:
        file = self._file(number)
        os.write(file, b"x")
        return os.lseek(file, 0, os.SEEK_CUR) - 1

    def taken(self, number: int) -> int:
        return os.fstat(self._file(number)).st_size

    def forget(self, number: int) -> None:
        file = self._files.pop(number, None)
        if file is not None:
            os.close(file)

    def _file(self, number: int) -> int:
        """Return this process's own descriptor: positions of one that is shared would be those of all."""
        file = self._files.get(number)
        if file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            file = self._files[number] = os.open(os.path.join(self._folder, str(number)), flags, 0o600)
        return file

    def close(self) -> None:
        """Remove the folder: counting is over."""
        for number in tuple(self._files):
            self.forget(number)
        if self._folder:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._folder)
