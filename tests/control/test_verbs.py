"""What every verb keeps to, whatever it does: data in, data out, and a place where it is answered."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import types
import warnings
from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from edgesim.control import COMMANDS, Command, Where, verbs
from edgesim.control.coding import command_from_json, command_to_json, reply_from_json, reply_to_json
from edgesim.control.command import EverywhereCommand, HostCommand, HostsCommand, LabCommand
from tests.each import holds_for_each

T = TypeVar("T")
PLAIN: dict[Any, Sequence[Any]] = {
    str: ("", "ä\n\x00", "x" * 8),
    bytes: (b"", b"\xc3\xa4", b"octets"),
    int: (0, 7, 5061),
    float: (0.25, 1.5, -3.0),
    bool: (True, False),
    types.NoneType: (None,),
}
"""Sample values. Whatever is not made of these, tuples, enums and dataclasses is no data."""


def sample(kind: Any, turn: int) -> Any:
    """Return a value of a type: another each turn, so that options are there and not. Raises `TypeError`."""
    if kind in PLAIN:
        return PLAIN[kind][turn % len(PLAIN[kind])]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return dataclass_sample(kind, turn)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)[turn % len(kind)]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return fitting(kind, turn)
    if origin is Literal:
        return arguments[turn % len(arguments)]
    if origin in (Union, types.UnionType):
        return sample(arguments[turn % len(arguments)], turn)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return tuple(sample(arguments[0], turn + place) for place in range(turn % 3))
    if origin is tuple:
        return tuple(sample(each, turn + place) for place, each in enumerate(arguments))
    raise TypeError(f"{kind} is no data")


def fitting(kind: Any, turn: int) -> Any:
    """Return a sample that keeps to the bounds that are annotated."""
    adapter = TypeAdapter(kind)
    for later in range(turn, turn + 4):
        value = sample(get_args(kind)[0], later)
        try:
            adapter.validate_python(value)
        except ValidationError:
            continue
        return value
    raise AssertionError(f"no sample is a {kind}")


def dataclass_sample(cls: type[T], turn: int) -> T:
    hints = get_type_hints(cls, include_extras=True)
    fields = dataclasses.fields(cls)
    return cls(**{each.name: sample(hints[each.name], turn + place) for place, each in enumerate(fields)})


def test_commands_and_replies_are_data_and_survive_json() -> None:
    def check(command: type[Command[Any]]) -> None:
        assert dataclasses.is_dataclass(command.reply)
        with warnings.catch_warnings(action="error"):  # pydantic warns of what it passes over
            TypeAdapter(command), TypeAdapter(command.reply)
        for turn in range(6):
            asked = dataclass_sample(command, turn)
            assert command_from_json(command_to_json(asked)) == asked
            answer = dataclass_sample(command.reply, turn)
            assert reply_from_json(asked, reply_to_json(answer)) == answer

    holds_for_each(check, ((command,) for command in COMMANDS.values()))


def test_passwords_are_carried_and_never_shown() -> None:
    secrets = {
        (command, field.name)
        for command in COMMANDS.values()
        for field in dataclasses.fields(command)
        if "password" in field.name or "secret" in field.name
    }
    assert (COMMANDS["sign-in"], "password") in secrets
    for command, name in secrets:
        asked = dataclasses.replace(dataclass_sample(command, 0), **{name: "not to be seen"})
        assert "not to be seen" not in f"{asked} {asked!r}"
        assert command_from_json(command_to_json(asked)) == asked


def test_a_command_says_what_it_does_and_where_it_is_answered() -> None:
    def check(command: type[Command[Any]]) -> None:
        bases = {
            Where.LAB: LabCommand,
            Where.HOST: HostCommand,
            Where.HOSTS: HostsCommand,
            Where.EVERYWHERE: EverywhereCommand,
        }
        assert issubclass(command, bases[command.where])
        assert command.__doc__ and not command.__doc__.startswith(f"{command.__name__}("), (
            "a docstring, not a signature"
        )

    holds_for_each(check, ((command,) for command in COMMANDS.values()))


def test_every_command_of_every_file_has_a_unique_name() -> None:
    files = [importlib.import_module(f"{verbs.__name__}.{each.name}") for each in pkgutil.iter_modules(verbs.__path__)]
    assert set(files) == set(verbs.SUBJECTS)
    declared = {
        value
        for module in files
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Command)
        and value.__module__ == module.__name__
        and name[0] != "_"
    }
    assert set(COMMANDS.values()) == declared, "two have one name, or one has none"
    assert all(command.name == name for name, command in COMMANDS.items())


def test_every_class_of_a_file_of_verbs_is_exported() -> None:
    for subject in verbs.SUBJECTS:
        own = {
            name
            for name, value in vars(subject).items()
            if isinstance(value, type) and value.__module__ == subject.__name__ and not name.startswith("_")
        }
        assert set(subject.__all__) == own, subject.__name__
