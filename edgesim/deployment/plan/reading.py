"""A small, safe subset of YAML: text, lists and mappings, each with its line; nothing that expands or runs.

Scalars stay text, so that ``0100`` and ``no`` mean what they look like; the model's types interpret them. Anchors are
allowed, aliases are not: their expansion can turn a few lines into gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from edgesim.deployment.mistakes import FieldPath, Mistake

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {None, "!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a deployment file may be."""

    characters: int = 262_144
    depth: int = 16
    nodes: int = 20_000


LIMITS = Limits()


@dataclass(slots=True)
class Reading:
    """The result of parsing: plain data, the line of each path, and errors."""

    data: Any = None
    lines: dict[FieldPath, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, path: FieldPath) -> int | None:
        """Return the line of a path, or of the nearest thing above it that has one."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def read(text: str, limits: Limits = LIMITS) -> Reading:
    """Read one YAML document. Never raises: what cannot be read is a mistake of the reading."""
    reading = Reading()
    if len(text) > limits.characters:
        told = f"too large: {len(text)} characters, the limit is {limits.characters}"
        reading.mistakes.append(_mistake((), None, told))
        return reading
    try:
        reading.data = _Builder(reading, limits).build(yaml.parse(text, Loader=_PARSER))
    except _Stop as stop:
        reading.data = None
        reading.mistakes.append(_mistake((), stop.line, stop.reason))
    except yaml.MarkedYAMLError as error:
        reading.data = None
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        reading.mistakes.append(_mistake((), line, f"not YAML: {_problem(error)}"))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reading.data = None
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        reading.mistakes.append(_mistake((), None, f"not YAML: {first}"))
    return reading


class _Stop(Exception):
    """Reading ends here: the rest of the file is not worth looking at."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


def _mistake(path: FieldPath, line: int | None, reason: str) -> Mistake:
    return Mistake(path=path, value=None, reason=reason, line=line)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return a parser's message, reworded where it does not help."""
    mark = error.problem_mark
    if "cannot start any token" in str(error.problem):
        return "a value starts with a tab or with a character that needs quotes; indent with spaces"
    return f"{error.problem}" + (f" (column {mark.column + 1})" if mark else "")


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Builder:
    """Builds data from the parser's events, counting as it goes."""

    def __init__(self, reading: Reading, limits: Limits) -> None:
        self.reading = reading
        self.limits = limits
        self.nodes = 0

    def build(self, events: Iterator[Any]) -> Any:
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Stop(_line(event), "more than one document; a file describes one deployment")
                data = self._value(next(events), events, ())
        return data

    def _value(self, event: Any, events: Iterator[Any], path: FieldPath) -> Any:
        line = _line(event)
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            raise _Stop(line, f"more than {self.limits.nodes} values")
        if len(path) > self.limits.depth:
            raise _Stop(line, f"nested more than {self.limits.depth} levels deep")
        if isinstance(event, yaml.AliasEvent):
            raise _Stop(line, f"alias *{event.anchor}: aliases are not supported, write the value out")
        if event.tag not in _TAGS:
            raise _Stop(line, f"tag {event.tag}: tags are not supported")
        self.reading.lines.setdefault(path, line)
        if isinstance(event, yaml.ScalarEvent):
            return None if event.implicit[0] and event.value in ("", "~", "null") else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _sequence(self, events: Iterator[Any], path: FieldPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[Any], path: FieldPath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _Stop(line, "expected plain text as a key")
            key = event.value
            if event.tag not in _TAGS:
                raise _Stop(line, f"tag {event.tag}: tags are not supported")
            again = key in items
            if again:
                first = self.reading.lines[(*path, key)]
                told = f"duplicate key, first on line {first}"
                self.reading.mistakes.append(_mistake((*path, key), line, told))
            else:
                self.reading.lines[(*path, key)] = line
            value = self._value(next(events), events, (*path, key))
            if not again:
                items[key] = value
        return items
