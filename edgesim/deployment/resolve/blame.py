"""Attributes errors in derived values to the fields that their author wrote.

A derived value is in no file, so the error names the field that it was derived from, and the derived value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from edgesim.deployment.inventory import Inventory
from edgesim.deployment.mistakes import FieldPath, Mistake
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.resolve.resolution import Resolution
from edgesim.deployment.security import Certificate, TrustStore


def in_plan(
    mistakes: Iterable[Mistake],
    plan: Plan,
    resolution: Resolution,
    deployment: Inventory,
    written: Iterable[Mistake] = (),
) -> tuple[Mistake, ...]:
    """Return mistakes in a deployment as mistakes in its plan, each once.

    If a value is wrong because the one that it was derived from is wrong, here or in ``written``, only the latter is
    reported.
    """
    return tuple(dict.fromkeys(_Blame(plan, resolution, deployment).all(dict.fromkeys(mistakes), written)))


class _Blame:
    def __init__(self, plan: Plan, resolution: Resolution, deployment: Inventory) -> None:
        self.plan = plan
        self.resolution = resolution
        self.deployment = deployment
        self.wrong: set[FieldPath] = set()
        """The values, derived or written, that are wrong."""
        self.around: set[FieldPath] = set()
        """The written values that are wrong, and everything above them."""

    def all(self, mistakes: Collection[Mistake], written: Iterable[Mistake]) -> Iterator[Mistake]:
        direct = [each for each in mistakes if not self._derived(each.path)]
        self.wrong = {each.path for each in (*mistakes, *written)}
        for each in (*direct, *written):
            self.around.update(each.path[:end] for end in range(1, len(each.path) + 1))
        for each in mistakes:
            if each in direct:
                yield each
            elif not any(self._is_wrong(origin) for origin in self._followed(each.path)):
                yield self._mistake(each, self._origin(each.path))

    def _derived(self, path: FieldPath) -> tuple[FieldPath, ...]:
        """Return the derived values to which a path leads or in which it ends, the deepest first."""
        ends = (path[:end] for end in range(len(path), 0, -1))
        return tuple(each for each in ends if each in self.resolution.grounds)

    def _followed(self, path: FieldPath) -> Iterator[FieldPath]:
        """Yield all values that a value was derived from, directly or not."""
        for each in self._derived(path):
            origin = self.resolution.grounds[each].origin
            yield origin
            yield from self._followed(origin)

    def _origin(self, path: FieldPath) -> FieldPath:
        """Return the field of the plan that a value was finally derived from."""
        while derived := self._derived(path):
            path = self.resolution.grounds[derived[0]].origin
        return path

    def _is_wrong(self, origin: FieldPath) -> bool:
        return origin in self.around or any(origin[:end] in self.wrong for end in range(1, len(origin) + 1))

    def _mistake(self, mistake: Mistake, origin: FieldPath) -> Mistake:
        what = self._called(mistake.path)
        value = _at(self.deployment, mistake.path)
        shown = f" {value!r}" if isinstance(value, str | int | float) else ""
        advice = "; list devices explicitly" if what == "the device" else ""
        written = _at(self.plan, origin)
        return Mistake(
            path=origin,
            value=written if isinstance(written, str) else None,
            reason=f"gives {what}{shown}: {mistake.reason}{advice}",
        )

    def _called(self, path: FieldPath) -> str:
        """Return what to call a derived value in a sentence."""
        part = _at(self.deployment, path[:2])
        field = str(path[2]).replace("_", " ") if len(path) > 2 else ""
        if path[0] == "users" and field:
            return "the device" if field == "devices" else f"the {field}"
        if path[:2] in self.resolution.grounds and path[0] == "devices":
            return "the device" if field == "name" else f"the implied device {part.name} with the {field}"
        if isinstance(part, Certificate):
            return f"the certificate {part.service} of {part.host} with the {field}"
        if isinstance(part, TrustStore):
            return f"the {part.store} of {part.host}"
        return f"the {Mistake(path=path, value=None, reason='').field}"


def _at(value: Any, path: FieldPath) -> Any:
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, tuple) and step < len(value) else None
        else:
            value = getattr(value, step, None)
    return value
