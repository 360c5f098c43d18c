"""An event of every kind, with any text in its fields."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Union, get_args, get_origin, get_type_hints

from edgesim.journal import Entry, events
from edgesim.journal.entry import Direction


def event_of(kind: str, text: Callable[[], str]) -> events.Event:
    """Return an event whose strings come from ``text``."""
    cls = events.KINDS[kind]
    hints = get_type_hints(cls)
    return cls(**{f.name: _value(hints[f.name], text) for f in fields(cls)})


def _value(hint: Any, text: Callable[[], str]) -> Any:
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return _value(arguments[0], text)
    if get_origin(hint) is tuple:
        if arguments[1:] == (...,):
            return (_value(arguments[0], text), _value(arguments[0], text))
        return tuple(_value(argument, text) for argument in arguments)
    return text() if hint is str else {int: 5061, float: 1.5, bool: True}[hint]


def entry_of(
    event: events.Event,
    *,
    number: int = 1,
    node: str = "expe",
    peer: str | None = "alice",
    direction: Direction = "in",
    payload: bytes = b"",
    keys: tuple[str, ...] = (),
    secrets: tuple[tuple[int, int], ...] = (),
    at_ns: int = 0,
) -> Entry[events.Event]:
    """Return an entry around an event."""
    return Entry(
        node=node,
        incarnation=1,
        sequence=number,
        at_ns=at_ns,
        host_ns=at_ns,
        direction=direction,
        peer=peer,
        event=event,
        payload=payload,
        keys=keys,
        secrets=secrets,
        order=number - 1,
    )
