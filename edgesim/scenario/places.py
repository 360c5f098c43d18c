"""Lines of code, as people read them: where an error came from, where a task waits."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Any


def relative(path: str | Path) -> str:
    """Return a path as seen from the current folder, where it lies below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def place(text: str) -> str:
    """Return ``file:line`` with the file as seen from the current folder."""
    file, _, line = text.rpartition(":")
    return f"{relative(file)}:{line}" if file else text


def came_from(error: BaseException, home: Path | None = None) -> str:
    """Return ``file:line`` of the innermost line of ``home`` in an error's traceback, and of its innermost line at all.

    An error without a traceback comes from nowhere: the text is empty.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = f"{relative(frames[-1].filename)}:{frames[-1].lineno}"
    own = [frame for frame in frames if home is not None and frame.filename == str(home)]
    if not own or own[-1] is frames[-1]:
        return last
    return f"{relative(own[-1].filename)}:{own[-1].lineno}, by way of {last}"


def explain(error: BaseException, home: Path | None = None) -> str:
    """Return what an error says, its notes, and where it came from."""
    where = came_from(error, home)
    text = f"{type(error).__name__}: {error}".removesuffix(": ") + (f" ({where})" if where else "")
    return "\n".join([text, *getattr(error, "__notes__", ())])


def source(error: BaseException, home: Path) -> list[str]:
    """Return the source line of ``home`` that raised an error, or an empty text if there is none."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(home)]
    return [f"    {own[-1].line}"] if own and own[-1].line else []


def waits_at(task: asyncio.Task[Any]) -> str:
    """Return ``file:line in function`` of the innermost code outside edgesim that a task waits in."""
    own = str(Path(__file__).parents[1])
    coro: Any = task.get_coro()
    lines: list[tuple[str, str]] = []
    while coro is not None:
        frame = getattr(coro, "cr_frame", None)
        if frame is not None:
            file = frame.f_code.co_filename
            lines.append((file, f"{relative(file)}:{frame.f_lineno} in {frame.f_code.co_name}"))
        coro = getattr(coro, "cr_await", None)
    story = [text for file, text in lines if not file.startswith(own) and "/asyncio/" not in file]
    chosen = story or [text for _, text in lines]
    return chosen[-1] if chosen else "its beginning"
