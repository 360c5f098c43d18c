"""Printing: colours and drawn characters where the terminal has them, plain text everywhere else."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

PLAIN_WIDTH = 160
"""Columns to draw for where standard output is no terminal."""


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def width() -> int:
    """Return the width to draw for, in columns: that of ``COLUMNS`` where it is set."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return shutil.get_terminal_size((100, 24)).columns if is_terminal() else PLAIN_WIDTH


def is_plain() -> bool:
    """Return whether colours are not wanted, terminal or not: https://no-color.org/."""
    return bool(os.environ.get("NO_COLOR"))


def is_ascii() -> bool:
    """Return whether standard output takes nothing but ASCII."""
    try:
        "│►●".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeError:
        return True
    return False


def say(text: str = "", **style: Any) -> None:
    """Print a line; ``style`` as of `click.style` shows on a terminal only. What cannot be encoded is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    if style:
        click.secho(text, **style)
    else:
        click.echo(text)


def table(*columns: str) -> Table:
    """Return an empty table in the house's style: columns by their headings, if it has any, and no lines."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(columns))
    for column in columns:
        made.add_column(column, header_style="bold", overflow="fold", no_wrap=column in ("host", "address"))
    return made


def show(made: Table, indent: int = 2) -> None:
    """Print a table, wrapped on a terminal and in full where somebody reads it by program."""
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
