"""One test over many cases that say nothing by themselves; a failure names each case that does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def holds_for_each(check: Callable[..., object], cases: Iterable[tuple[object, ...]]) -> None:
    """Call ``check`` with each case. Raises `AssertionError` with a line for each case in which it raised."""
    offenders, every = [], list(cases)
    assert every, "no cases"
    for case in every:
        try:
            check(*case)
        except Exception as error:
            reason = next(iter(str(error).splitlines()), "")
            offenders.append(f"{', '.join(map(repr, case))}: {type(error).__name__}: {reason}")
    assert not offenders, "\n".join([f"{len(offenders)} of {len(every)} cases do not hold:", *offenders])
