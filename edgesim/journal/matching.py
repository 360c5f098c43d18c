"""The base of matchers: pure predicates over journal entries, and conditions on their fields.

``Registered(device="CSFALICE", node=other_than("ucm-pub"))`` matches an entry of that kind whose named fields match;
other fields may have any value. Besides the event's own fields every matcher takes ``node``, ``peer``, ``direction``,
``payload`` and ``key`` (one of the entry's correlation keys). A value is compared for equality, or is a `Test` such as
`containing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.keys import KEY_KINDS, kind_of
from edgesim.journal.masking import present

ENTRY_FIELDS = ("node", "peer", "direction", "payload", "key")


@dataclass(frozen=True, slots=True)
class Test:
    """A condition on one value, with its text. ``values`` are the values that it compares with, if it compares."""

    __test__ = False  # not a test class, despite its name

    words: str
    holds: Callable[[Any], bool]
    values: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return self.words


def other_than(value: Any) -> Test:
    """Anything but ``value``."""
    return Test(f"other than {value!r}", lambda found: bool(found != value), (value,))


def containing(part: str | bytes) -> Test:
    """A text, payload or list of texts that contains ``part``. Raises `ValueError` for no text at all."""
    if not part:
        raise ValueError("containing('') holds of everything: leave the field out")

    def holds(found: Any) -> bool:
        if isinstance(found, bytes):
            return (part.encode() if isinstance(part, str) else part) in found
        if isinstance(found, tuple):
            return any(holds(item) for item in found)
        return found is not None and str(part if isinstance(part, str) else part.decode()) in str(found)

    return Test(f"containing {part!r}", holds)


def matching(pattern: str) -> Test:
    """A text that matches a regular expression anywhere."""
    compiled = re.compile(pattern)

    def holds(found: Any) -> bool:
        text = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
        return compiled.search(text) is not None

    return Test(f"matching {pattern!r}", holds)


def one_of(*values: Any) -> Test:
    """One of several values."""
    words = repr(values[0]) if len(values) == 1 else f"one of {', '.join(map(repr, values)) or 'none'}"
    return Test(words, lambda found: found in values, values)


def at_least(least: float) -> Test:
    """A number not below ``least``."""
    return Test(f"at least {least}", lambda found: found is not None and found >= least)


_TEXT: Mapping[str, tuple[type, ...]] = {
    "node": (str,),
    "peer": (str, NoneType),
    "direction": (str,),
    "payload": (bytes,),
    "key": (str,),
}


_known: dict[str, Mapping[str, tuple[type, ...]]] = {}


def _types(event: type[Event]) -> Mapping[str, tuple[type, ...]]:
    """Return which classes the values of an event's fields are of; none for a field that may hold anything."""
    if event.kind in _known:
        return _known[event.kind]
    found: dict[str, tuple[type, ...]] = dict(_TEXT)
    for name, hint in get_type_hints(event).items():
        parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        classes = tuple(origin if isinstance(origin := get_origin(part) or part, type) else object for part in parts)
        if float in classes:
            classes += (int,)
        found[name] = () if object in classes or Any in parts else classes
    _known[event.kind] = found
    return found


def _demand_type(event: type[Event], name: str, value: Any) -> None:
    """Refuse a value that no entry can hold in this field. Raises `TypeError`."""
    classes = _types(event).get(name, ())
    if not classes or (isinstance(value, classes) and (not isinstance(value, bool) or bool in classes)):
        return
    wanted = " or ".join("None" if each is NoneType else each.__name__ for each in classes)
    raise TypeError(f"{event.__name__}: {name} is {wanted}, never {value!r} ({type(value).__name__})")


class Matcher:
    """A pure predicate over entries of one kind of event."""

    def __init__(self, event: type[Event], **wanted: Any) -> None:
        known = (*(each.name for each in fields(event)), *ENTRY_FIELDS)
        for name in wanted:
            if name not in known:
                raise TypeError(f"{event.__name__} has no field {name!r}; known: {', '.join(known)}")
        for name, value in wanted.items():
            for each in value.values if isinstance(value, Test) else (value,):
                _demand_type(event, name, each)
        self.event = event
        self.wanted = wanted

    def __str__(self) -> str:
        inside = ", ".join(
            f"{name}={value if isinstance(value, Test) else repr(value)}" for name, value in self.wanted.items()
        )
        return f"{self.event.__name__}({inside})"

    __repr__ = __str__

    def matches(self, entry: Entry[Event]) -> bool:
        """Return whether the entry fits."""
        return isinstance(entry.event, self.event) and all(
            self._fits(entry, name, value) for name, value in self.wanted.items()
        )

    def differences(self, entry: Entry[Event]) -> list[str]:
        """Return, for an entry of the right kind, the fields that do not fit and what they hold, secrets masked."""
        masked = present(entry)
        return [
            f"{name} was {self._shown(masked, name)}"
            for name, value in self.wanted.items()
            if not self._fits(entry, name, value)
        ]

    def _fits(self, entry: Entry[Event], name: str, wanted: Any) -> bool:
        if name == "key":
            if isinstance(wanted, Test):
                return any(wanted.holds(key) for key in entry.keys)
            return wanted in entry.keys
        found = getattr(entry if name in ENTRY_FIELDS else entry.event, name)
        return wanted.holds(found) if isinstance(wanted, Test) else bool(found == wanted)

    def _shown(self, entry: Entry[Event], name: str) -> str:
        if name == "payload":
            return f"{len(entry.payload)} octets"
        if name == "key":
            return ", ".join(key for key in entry.keys if not KEY_KINDS[kind_of(key)].secret) or "none"
        return repr(getattr(entry if name in ENTRY_FIELDS else entry.event, name))


def matcher_of(event: type[Event]) -> Callable[..., Matcher]:
    """Return the function that makes matchers of a kind of event, with its name and documentation."""

    def make(**wanted: Any) -> Matcher:
        return Matcher(event, **wanted)

    make.__name__ = make.__qualname__ = event.__name__
    make.__doc__ = f"Match `edgesim.journal.events.{event.__name__}`: {event.__doc__}"
    return make
