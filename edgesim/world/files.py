"""Files of this machine that only their owner may read, never made or emptied through a name that somebody planted."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

_FLAGS = (
    os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


def open_private(path: str) -> int:
    """Return the descriptor of an empty file with mode 0600, to read and write.

    Raises `OSError`: also where the name is a symbolic link, a further hard link of some file, or somebody else's.
    """
    if os.path.islink(path):  # also where the system has no flag for it
        raise OSError(errno.ELOOP, "this is a symbolic link, and is not followed", path)
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            if found.st_nlink > 1:
                raise OSError(errno.EMLINK, "this file has other names as well, and is not emptied", path)
            if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "this file is somebody else's, and is not emptied", path)
            if stat.S_IMODE(found.st_mode) != 0o600:
                with contextlib.suppress(OSError, AttributeError):  # a file system without modes
                    os.fchmod(descriptor, 0o600)
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def rename(path: str, other: str) -> None:
    """Give a file another name, if it is there. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, other)


def remove(path: str) -> None:
    """Remove a file, if it is there; a symbolic link itself. Raises `OSError`."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def names_in(folder: str) -> list[str]:
    """Return the names of what is in a folder, in order. Raises `OSError`."""
    return sorted(os.listdir(folder))
