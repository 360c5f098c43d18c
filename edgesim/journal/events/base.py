"""The base of all entries, and the register of their kinds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

KINDS: dict[str, type[Event]] = {}
"""Every kind of entry by its name in JSON."""

Headers = tuple[tuple[str, str], ...]
"""Header lines as received: name and value in the received spelling and order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all: what happened, apart from when and where."""

    kind: ClassVar[str] = ""

    def summary(self) -> str:
        """Return one line for people."""
        return self.kind

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {f.name: _json(getattr(self, f.name)) for f in fields(self)}


def _json(value: Any) -> Any:
    return [_json(item) for item in value] if isinstance(value, tuple) else value


E = TypeVar("E", bound=type[Event])


def kind(name: str) -> Any:
    """Register a class of entries under its name in JSON."""

    def register(cls: E) -> E:
        cls.kind = name
        KINDS[name] = cls
        return cls

    return register
