"""Records of the resolution of a plan: the grounds of each derived value, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from edgesim.deployment.base import Model
from edgesim.deployment.mistakes import FieldPath, Mistake
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.plan.validation import reason_of

T = TypeVar("T")


class Derivation(NamedTuple):
    """The grounds of a value that was not written: the field that it follows from, derived or written, and how."""

    origin: FieldPath
    why: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived value with its grounds, for a field of a part that is being built."""

    value: object
    origin: FieldPath
    why: str


class Resolution:
    """The grounds of derived values, and those of them that no author could have written."""

    def __init__(self) -> None:
        self.grounds: dict[FieldPath, Derivation] = {}
        """By the path of a value in the deployment: of a part that was not written, and of its derived fields."""
        self.moved: dict[FieldPath, FieldPath] = {}
        """The path in the plan by the path in the deployment, for parts whose order differs."""
        self.invalid: list[Mistake] = []

    def part(self, kind: Callable[..., T], written: Model, path: FieldPath, **values: object) -> T:
        """Return a built part: ``values``, and for every other field what was written.

        A `Derived` value is recorded, and validated like a written value of its field.
        """
        given = {name: getattr(written, name) for name in _names(kind) if name not in values}
        for name, value in values.items():
            if isinstance(value, Derived):
                self.note((*path, name), value.origin, value.why)
                self._hold(type(written), name, value.value, (*path, name))
                given[name] = value.value
            else:
                given[name] = value
        return kind(**given)

    def note(self, path: FieldPath, origin: FieldPath, why: str) -> None:
        """Record the grounds of a value."""
        self.grounds[path] = Derivation(origin, why)

    def written(self, plan: Plan, path: FieldPath) -> bool:
        """Say whether the author of a plan wrote the field at a path in the deployment."""
        if path[:2] in self.grounds and isinstance(path[1], int):
            return False  # a part that was not written
        value: Any = plan
        for step in (*self.moved.get(path[:2], path[:2]), *path[2:]):
            if isinstance(step, int):
                if step >= len(value):
                    return False
                value = value[step]
            elif step in value.model_fields_set:
                value = getattr(value, step)
            else:
                return False
        return True

    def _hold(self, model: type[Model], field: str, value: object, path: FieldPath) -> None:
        try:
            _adapter(model, field).validate_python(value)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                at = (*path, *each["loc"])
                self.invalid.append(Mistake(path=at, value=None, reason=reason_of(at, each)))


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


@cache
def _adapter(model: type[Model], field: str) -> TypeAdapter[Any]:
    info = model.model_fields[field]
    annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    return _adapter_of(annotation)


@cache
def _adapter_of(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
