"""Commands and replies as JSON, and back. What does not fit is reported by field."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from edgesim.control.carrier import ControlError
from edgesim.control.command import Command
from edgesim.control.verbs import COMMANDS

R = TypeVar("R")
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    """Return what reads and writes a class; each is built once."""
    known = _ADAPTERS.get(cls)
    if known is None:
        known = _ADAPTERS[cls] = TypeAdapter(cls)
    return known


def command_to_json(command: Command[Any]) -> bytes:
    """Return a command as JSON."""
    fields = _adapter(type(command)).dump_python(command, mode="json", exclude_defaults=True)
    return json.dumps({"command": command.name, **fields}, separators=(",", ":")).encode()


def command_from_json(body: bytes) -> Command[Any]:
    """Read a command. Raises `ControlError` that names what is wrong."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise ControlError("the body is not JSON") from None
    if not isinstance(values, dict):
        raise ControlError('expected an object such as {"command": "status"}')
    name = values.pop("command", None)
    cls = COMMANDS.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ControlError(f"unknown command {str(name)[:80]!r}; known: {', '.join(sorted(COMMANDS))}")
    try:
        command: Command[Any] = _adapter(cls).validate_python(values)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:10])
        raise ControlError(f"{name}: {told}") from None
    return command


def reply_to_json(reply: Any) -> bytes:
    """Return a reply as JSON."""
    encoded: bytes = _adapter(type(reply)).dump_json(reply)
    return encoded


def reply_from_json(command: Command[R], body: bytes) -> R:
    """Read the reply to a command. Raises `ControlError`."""
    try:
        reply: R = _adapter(command.reply).validate_json(body)
        return reply
    except ValidationError as error:
        raise ControlError(f"the lab's answer cannot be read: {error.error_count()} mistakes") from None
