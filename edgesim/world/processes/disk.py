"""The disk of a host that is a process: its content survives the process, however it ends.

In the host's process the disk is a `Shelf`: a dictionary whose changes, and those of dictionaries in it, are sent as
they happen. Each goes over the channel at once, so the system has it before anything else can follow from it, and a
process that is killed in the middle of it has sent nothing. The lab's process keeps a `Replica`, which it gives to the
host's next process; it never looks into values.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any

FieldPath = tuple[str, ...]
Publish = Callable[[bytes], None]
MOST = 64 * 1024 * 1024
"""Octets of one disk: products bound what strangers can make them write far below."""


class DiskError(Exception):
    """A change of a disk that cannot be kept."""


class Shelf(dict[str, Any]):
    """A dictionary that publishes each change of itself, and of plain dictionaries in it, which become shelves, too.

    Keys are text. Other values are sent as they are when they are put in: they must not change afterwards.
    """

    def __init__(self, publish: Publish, path: FieldPath = (), values: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._publish = publish
        self._path = path
        for key, value in (values or {}).items():
            super().__setitem__(key, self._shelved(key, value))

    def _shelved(self, key: str, value: Any) -> Any:
        return Shelf(self._publish, (*self._path, key), value) if isinstance(value, dict) else value

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, self._shelved(key, value))
        self._record(key, value)

    def _record(self, key: str, value: Any) -> None:
        path = (*self._path, key)
        if not isinstance(value, dict):
            self._publish(written(path, pickle.dumps(value)))
            return
        self._publish(written(path, None))
        for inner, each in value.items():
            self[key]._record(inner, each)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._publish(removed((*self._path, key)))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return what is at a key, or put the default there; a dictionary comes back as a shelf."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Take out what is at a key."""
        if key not in self:
            if default:
                return default[0]
            raise KeyError(key)
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take out the newest."""
        key = next(reversed(self))
        return key, self.pop(key)

    def clear(self) -> None:
        """Take out everything."""
        for key in tuple(self):
            del self[key]

    def update(self, *others: Any, **values: Any) -> None:
        """Put several in."""
        for key, value in dict(*others, **values).items():
            self[key] = value

    def __ior__(self, other: Any) -> Shelf:  # type: ignore[override,misc]  # as dict has it, for text keys
        self.update(other)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def written(path: FieldPath, value: bytes | None) -> bytes:
    """Return the record of a value that was put at a path; None is an empty dictionary."""
    return json.dumps(path).encode() + (b"\n{" if value is None else b"\n=" + value)


def removed(path: FieldPath) -> bytes:
    """Return the record of what was taken out at a path."""
    return json.dumps(path).encode() + b"\n-"


class Replica:
    """What is on a disk, value by value as octets, put together from records."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self.octets = 0

    def apply(self, record: bytes) -> None:
        """Take a record. Raises `DiskError` for one that is none, or that is too much."""
        head, line_feed, rest = record.partition(b"\n")
        try:
            path = json.loads(head)
            if not (isinstance(path, list) and path and all(isinstance(each, str) for each in path)):
                raise ValueError("no path")
            *folders, key = path
            into = self._root
            for folder in folders:
                into = into[folder]
                if not isinstance(into, dict):
                    raise ValueError("no folder")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DiskError(f"not a disk record: {error}") from None
        kind, value = rest[:1], rest[1:]
        if kind not in (b"{", b"=", b"-") or not line_feed:
            raise DiskError("not a disk record")
        octets = self.octets - (_size(key, into[key]) if key in into else 0)
        if kind != b"-":
            new: Any = {} if kind == b"{" else value
            octets += _size(key, new)
            if octets > MOST:
                raise DiskError(f"the disk is full: {MOST:,} octets")
            into.pop(key, None)
            into[key] = new
        else:
            into.pop(key, None)
        self.octets = octets

    def records(self) -> list[bytes]:
        """Return the records that make a disk like this one."""
        return list(_records(self._root, ()))

    def dump(self) -> bytes:
        """Return everything as octets, for `restored`."""
        return pickle.dumps(self.records())


def _records(folder: Mapping[str, Any], path: FieldPath) -> Iterable[bytes]:
    for key, value in folder.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield written(here, None)
            yield from _records(value, here)
        else:
            yield written(here, value)


def _size(key: str, value: Any) -> int:
    if isinstance(value, dict):
        return len(key) + sum(_size(inner, each) for inner, each in value.items())
    return len(key) + len(value)


def restored(dump: bytes, publish: Publish) -> Shelf:
    """Return the disk of a host's next process, in that process; ``dump`` comes from the lab's own one."""
    root: dict[str, Any] = {}
    for record in pickle.loads(dump):
        head, _, rest = record.partition(b"\n")
        *folders, key = json.loads(head)
        into = root
        for folder in folders:
            into = into[folder]
        into[key] = {} if rest[:1] == b"{" else pickle.loads(rest[1:])
    return Shelf(publish, (), root)
