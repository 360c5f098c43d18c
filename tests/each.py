"""One test over many cases that say nothing by themselves; a failure names each case that does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest


def short(value: object) -> str:
    """Return a value as it is written in code; of a long one, its beginning and end."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:120]}...{text[-60:]}"


def holds_for_each(check: Callable[..., object], cases: Iterable[tuple[object, ...]]) -> None:
    """Call ``check`` with each case. Raises `AssertionError` with a line for each case in which it raised."""
    offenders, every = [], list(cases)
    assert every, "no cases"
    for case in every:
        try:
            check(*case)
        except (Exception, pytest.fail.Exception) as error:  # the latter where `pytest.raises` saw nothing raised
            reason = next(iter(str(error).splitlines()), "")
            offenders.append(f"{', '.join(map(short, case))}: {type(error).__name__}: {reason}")
    assert not offenders, "\n".join([f"{len(offenders)} of {len(every)} cases do not hold:", *offenders])
