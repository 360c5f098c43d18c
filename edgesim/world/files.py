"""Files and folders that only their owner may read, opened safely against names that others have planted."""

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

    Raises `OSError`, also if the name is a symbolic link, a further hard link, a pipe, which would block until its
    other end is opened, or another user's file.
    """
    descriptor = _open(path)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def keep_private(path: str) -> None:
    """Make sure that a file exists that only its owner may read, and keep its content; other code appends to it.

    Raises `OSError` as `open_private` does.
    """
    os.close(_open(path))


def read_private(path: str, most: int) -> bytes:
    """Return what a file holds that only its owner may read, at most ``most`` octets; an empty one is made if need be.

    Raises `OSError` as `open_private` does.
    """
    with open(_open(path), "rb") as file:
        return file.read(most)


def private_folder(path: str) -> None:
    """Make sure that a folder exists that only its owner may enter.

    Raises `OSError`, also if the name is a symbolic link, or the folder another user's, who could replace its files.
    """
    _no_link(path)
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.stat(path, follow_symlinks=False)
    if _is_foreign(found):
        raise PermissionError(errno.EPERM, "this folder belongs to another user, and nothing private goes there", path)
    if stat.S_IMODE(found.st_mode) != 0o700:
        with contextlib.suppress(OSError):  # a file system without modes
            os.chmod(path, 0o700)


def who_else_writes(path: str) -> str | None:
    """Return who else can replace files of a folder: ``its owner``, ``its group``, ``everybody``, or an empty text.

    In a sticky folder, such as /tmp, files of other users cannot be replaced. Raises `OSError`.
    """
    found = os.stat(path)
    if _is_foreign(found) and found.st_uid != 0:
        return "its owner"
    if found.st_mode & stat.S_ISVTX or not hasattr(os, "geteuid"):
        return None
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    return "its group" if found.st_mode & stat.S_IWGRP else None


def is_others(path: str) -> bool:
    """Return whether a file belongs to another user. Raises `OSError`."""
    return _is_foreign(os.stat(path, follow_symlinks=False))


def _is_foreign(found: os.stat_result) -> bool:
    return hasattr(os, "geteuid") and found.st_uid != os.geteuid()


def _no_link(path: str) -> None:
    if os.path.islink(path):  # also where the system has no flag for it
        raise OSError(errno.ELOOP, "this is a symbolic link, and is not followed", path)


def _open(path: str) -> int:
    _no_link(path)
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISFIFO(found.st_mode):
            raise OSError(errno.ESPIPE, "this is a pipe, and is not written: it would block", path)
        if stat.S_ISREG(found.st_mode):
            if found.st_nlink > 1:
                raise OSError(errno.EMLINK, "this file has other names as well, and is not written", path)
            if _is_foreign(found):
                raise PermissionError(errno.EPERM, "this file belongs to another user, and is not written", path)
            if stat.S_IMODE(found.st_mode) != 0o600:
                with contextlib.suppress(OSError, AttributeError):  # a file system without modes
                    os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: str, content: bytes) -> None:
    """Write a file that only its owner may read. Raises `OSError` as `open_private` does."""
    with open(open_private(path), "wb") as file:
        file.write(content)


def replace(path: str, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file atomically, replacing what has the name: of a symbolic link only the link is replaced.

    Raises `OSError`.
    """
    draft = make_draft(path, content, mode=mode)
    try:
        os.replace(draft, path)
    except BaseException:
        remove(draft)
        raise


def make_draft(path: str, content: bytes, *, mode: int = 0o600) -> str:
    """Write a new file beside ``path`` and return its name. Raises `OSError`."""
    folder, name = os.path.split(path)
    draft = os.path.join(folder, f".{name}.{os.getpid()}")
    remove(draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(draft, flags, mode), "wb") as file:
            file.write(content)
    except OSError as error:
        with contextlib.suppress(OSError):
            remove(draft)
        error.filename = error.filename or path  # a write that fails does not say where
        raise
    return draft


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
