"""Coroutines that a story makes and never awaits: a verb that is not awaited does nothing, without a sign of it."""

from __future__ import annotations

import re
import warnings
from types import TracebackType

from edgesim.scenario.places import place

_FORGOTTEN = re.compile(r"coroutine '(.+)' was never awaited")


class Forgotten:
    """Collects, for the length of a ``with`` block, the coroutines that are dropped without having been awaited.

    `lines` has one for each, with the line of code where it was dropped. Other warnings are shown at the end.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._recording = warnings.catch_warnings(record=True)
        self._recorded: list[warnings.WarningMessage] = []

    def __enter__(self) -> Forgotten:
        recorded = self._recording.__enter__()
        assert recorded is not None, "it records"
        self._recorded = recorded
        warnings.filterwarnings("always", message=_FORGOTTEN.pattern, category=RuntimeWarning)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._recording.__exit__(kind, error, trace)
        for each in self._recorded:
            found = _FORGOTTEN.match(str(each.message))
            if found is None:
                warnings.showwarning(each.message, each.category, each.filename, each.lineno)
            else:
                self.lines.append(f"{found[1]} was never awaited ({place(f'{each.filename}:{each.lineno}')})")
