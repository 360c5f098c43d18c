"""Options that the commands of ``edgesim certs`` share: PEM files, dates, releases, the form of their output."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from edgesim.cli.problems import Problem
from edgesim.world import files

F = TypeVar("F", bound=Callable[..., Any])
MAX_OCTETS = 1 << 20
"""The longest file that is read."""


def as_json(function: F) -> F:
    """Add the option ``--json``."""
    return click.option("--json", "json_", is_flag=True, help="One line of JSON.")(function)


def pem_file(name: str, *, metavar: str, many: bool = False) -> Callable[[F], F]:
    """Add an argument that names a file and becomes its content; with ``many``, several pairs ``(name, content)``."""

    def read(_: click.Context, __: click.Parameter, value: Any) -> Any:
        return tuple((each, content(each)) for each in value) if many else content(value)

    return click.argument(name, metavar=metavar, callback=read, nargs=-1 if many else 1, required=True)


def content(name: str) -> bytes:
    """Return the content of a file, ``-`` for standard input. Raises `Problem`."""
    try:
        with click.open_file(name, "rb") as file:
            found: bytes = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise Problem(f"{name}: {error.strerror or error}", "Name a file in PEM, or - for standard input.") from None
    if len(found) > MAX_OCTETS:
        raise Problem(f"{name}: longer than {MAX_OCTETS} octets", "A chain of certificates in PEM is far shorter.")
    return found


def written(path: Path, text: bytes, *, private: bool = False) -> None:
    """Write a file; a ``private`` one is readable by its owner only. Raises `Problem`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if private:
            files.write_private(str(path), text)
        else:
            path.write_bytes(text)
    except OSError as error:
        raise Problem(f"{path}: {error.strerror or error}", "Name a file that you may write.") from None


def at_date(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read a date, with or without a time, in UTC unless it has an offset. Raises `click.BadParameter`."""
    if value is None:
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a date; examples: 2026-01-05, 2026-01-05T08:00.") from None
    return date.astimezone(UTC) if date.tzinfo is not None else date.replace(tzinfo=UTC)


def release(_: click.Context, __: click.Parameter, value: str) -> Any:
    """Read a release of Expressway. Raises `click.BadParameter`."""
    from edgesim.deployment.releases import Product, Release, ReleaseError

    try:
        return Release.parse(value, Product.EXPRESSWAY)
    except ReleaseError as error:
        raise click.BadParameter(f"{value!r} is not {error}.") from None
