"""Printing: colours and line-drawing characters if the terminal has them, plain text otherwise."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 160
"""The width in columns when standard output is not a terminal."""


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def width() -> int:
    """Return the output's width in columns; ``COLUMNS`` overrides the terminal's."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return shutil.get_terminal_size((100, 24)).columns if is_terminal() else PLAIN_WIDTH


def is_plain() -> bool:
    """Return whether the environment turns colours off: https://no-color.org/."""
    return bool(os.environ.get("NO_COLOR"))


def is_ascii() -> bool:
    """Return whether standard output accepts ASCII only."""
    try:
        "│►●".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeError:
        return True
    return False


def say(text: str = "", **style: Any) -> None:
    """Print a line, with ``style`` (as in `click.style`) on a terminal. Characters it cannot encode are escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    if style:
        click.secho(text, **style)
    else:
        click.echo(text)


def table(*columns: str) -> Table:
    """Return an empty table without lines, with these column headings if any are given."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(columns))
    for column in columns:
        made.add_column(column, header_style="bold", overflow="fold", no_wrap=column in ("host", "address"))
    return made


def show(made: Table, indent: int = 2) -> None:
    """Print a table: wrapped on a terminal, in full elsewhere, where a program may read it."""
    from rich.console import Console
    from rich.padding import Padding

    wide = is_terminal()
    console = Console(
        width=None if wide else 1000,
        color_system="auto" if wide and not os.environ.get("NO_COLOR") else None,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(Padding(made, (0, 0, 0, indent), expand=False))
    for line in captured.get().rstrip("\n").split("\n"):
        say(line.rstrip())
