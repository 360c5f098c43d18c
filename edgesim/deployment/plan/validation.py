"""Turns parsed data into a plan: the models' checks, with errors that help to fix the file."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from edgesim.deployment.base import Model
from edgesim.deployment.mistakes import DeploymentError, FieldPath, Inconsistent, Mistake
from edgesim.deployment.plan.model import Origin, Plan
from edgesim.deployment.plan.reading import Reading
from edgesim.deployment.plan.walk import is_secret, model_of

T = TypeVar("T")
NAMED = 24
"""How many names a mistake lists at most."""


def validated(reading: Reading, source: str, build: Callable[[Plan], T]) -> T:
    """Validate parsed data as a plan and return ``build(plan)``. Raises `DeploymentError` with every mistake.

    ``build`` raises `Inconsistent` for a plan that it cannot build.
    """
    mistakes = [_placed(each, reading, source) for each in reading.mistakes]
    if not isinstance(reading.data, dict):
        if not mistakes:
            mistakes.append(
                Mistake(
                    path=(),
                    value=None,
                    reason=("empty file: " if reading.data is None else "")
                    + "a deployment is a mapping of sections; `edgesim show small --full` prints one to start from",
                    line=1,
                    source=source,
                )
            )
        raise DeploymentError(tuple(mistakes))
    found, built = _Validation(reading.data, Origin(source, reading.lines), build).run()
    mistakes += [_placed(each, reading, source) for each in found]
    if mistakes or built is None:
        mistakes.sort(key=lambda each: each.line or 0)
        raise DeploymentError(tuple(dict.fromkeys(mistakes)))
    return built


def _placed(mistake: Mistake, reading: Reading, source: str) -> Mistake:
    return Mistake(
        path=mistake.path,
        value=mistake.value,
        reason=mistake.reason,
        line=mistake.line if mistake.line is not None else reading.line(mistake.path),
        source=source,
    )


class _Validation(Generic[T]):
    """Validates data, removes what is wrong and validates again, so that one run finds every mistake.

    A required value that is missing gets a substitute, so that the checks across sections also run.
    """

    ROUNDS = 8
    MOST = 100
    """Mistakes reported in one round; a file with more is better fixed in several."""

    def __init__(self, data: dict[str, Any], origin: Origin, build: Callable[[Plan], T]) -> None:
        self.data = _copied(data)
        self.origin = origin
        self.build = build
        self.places: dict[int, list[int]] = {}
        """By a list's identity: where its remaining items stood."""
        self.kept: list[Any] = []
        """Removed values, kept so that no new list gets the identity of an old one."""
        self.removed: set[FieldPath] = set()
        """The paths of removed values and everything above them, where missing values are not reported."""
        self.ignored: set[str] = set()
        self.mistakes: list[Mistake] = []
        self.stand_ins = 0
        self.most: dict[FieldPath, int] = {}
        """Of lists that are too long: how many items they take."""

    def run(self) -> tuple[list[Mistake], T | None]:
        """Return the mistakes, and what was built where there are none."""
        for _ in range(self.ROUNDS):
            try:
                built = self.build(Plan.model_validate(self.data, context=self.origin))
            except ValidationError as error:
                if not self._take(error):
                    break
            except Inconsistent as error:
                self.mistakes += [
                    Mistake(path=self._original(found.path), value=found.value, reason=found.reason)
                    for found in error.mistakes
                    if found.value not in self.ignored
                ]
                break
            else:
                return self.mistakes, None if self.mistakes else built
        return self.mistakes, None

    def _take(self, error: ValidationError) -> bool:
        """Collect the mistakes of one round and fix them; return False when no further round can find more."""
        errors = error.errors(include_url=False)
        wrong: list[tuple[FieldPath, str]] = []
        told = 0
        misspelt: dict[FieldPath, list[str]] = {}
        for each in errors:
            if each["type"] == "extra_forbidden":
                around, key = tuple(each["loc"][:-1]), str(each["loc"][-1])
                misspelt.setdefault(around, []).extend(difflib.get_close_matches(key, _fields(around), n=1))
        for each in errors:
            loc: FieldPath = tuple(each["loc"])
            if each["type"] == "too_short" and any(
                len(o["loc"]) > len(loc) and o["loc"][: len(loc)] == loc for o in errors
            ):
                continue  # items that are wrong in themselves are not counted
            original = self._original(loc)
            left_out = each["type"] in ("missing", "too_short") and original in self.removed
            if each["type"] == "missing" and str(loc[-1]) in misspelt.get(loc[:-1], ()):
                left_out = True  # the key is reported
            if not left_out and told < self.MOST:
                self.mistakes.append(_mistake(original, each))
                told += 1
            wrong.append((loc, each["type"]))
            if each["type"] == "too_long":
                self.most[loc] = int(each["ctx"]["max_length"])
        return self._fix(wrong)

    def _original(self, loc: FieldPath) -> FieldPath:
        """Return a path as it was before anything was taken out of lists."""
        steps: list[str | int] = []
        data: Any = self.data
        for step in loc:
            if isinstance(data, list) and isinstance(step, int):
                places = self.places.get(id(data))
                steps.append(places[step] if places and step < len(places) else step)
                data = data[step] if step < len(data) else None
            else:
                steps.append(step)
                data = data.get(step) if isinstance(data, dict) else None
        return tuple(steps)

    def _fix(self, wrong: list[tuple[FieldPath, str]]) -> bool:
        progress = False
        # From the back, so that an index stays right until its own turn; lists that are too short last.
        for loc, kind in sorted(wrong, key=lambda each: [_sortable(step) for step in each[0]], reverse=True):
            if loc:
                progress |= self._FIXES.get(kind, _Validation._remove)(self, loc)
        return progress

    def _holder(self, loc: FieldPath) -> Any:
        holder: Any = self.data
        for step in loc[:-1]:
            try:
                holder = holder[step]
            except (LookupError, TypeError):
                return None
        return holder

    def _remove(self, loc: FieldPath) -> bool:
        original, holder, last = self._original(loc), self._holder(loc), loc[-1]
        if isinstance(holder, list) and isinstance(last, int) and last < len(holder):
            if id(holder) not in self.places:
                self.places[id(holder)] = list(range(len(holder)))
            self.places[id(holder)].pop(last)
        elif not (isinstance(holder, dict) and last in holder):
            return False
        self.removed.update(original[:end] for end in range(1, len(original) + 1))
        _gather(holder[last], self.ignored)
        if original[0] == "devices" and last == "type":
            _gather(holder.get("name"), self.ignored)  # what it is decides what a machine of its name may be
        self.kept.append(holder[last])
        del holder[last]
        return True

    def _shorten(self, loc: FieldPath) -> bool:
        """Keep as many items of a list as it may have: the rest of the checks look at those."""
        holder = self._holder(loc)
        if not isinstance(holder, dict) or not isinstance(holder.get(loc[-1]), list):
            return False
        items = holder[loc[-1]]
        self.kept.append(items[self.most[loc] :])
        _gather(items[self.most[loc] :], self.ignored)
        del items[self.most[loc] :]
        return True

    def _stand_in(self, loc: FieldPath) -> bool:
        holder = self._holder(loc)
        field = _field(loc)
        if not isinstance(holder, dict) or field is None:
            return False
        holder[loc[-1]] = self._invented(str(loc[-1]), field.annotation)
        return True

    def _invented(self, key: str, annotation: Any) -> Any:
        model = model_of(annotation)
        if model:
            fields = model.model_fields.items()
            invented: Any = {name: self._invented(name, each.annotation) for name, each in fields if each.is_required()}
        elif typing.get_origin(annotation) is typing.Literal:
            return typing.get_args(annotation)[0]
        else:
            self.stand_ins += 1
            numbers = self.stand_ins // 256, self.stand_ins % 256
            invented = (
                f"240.0.{numbers[0]}.{numbers[1]}" if key in ("address", "outer") else f"missing-{self.stand_ins}"
            )
            invented = {"url": "http://missing", "ms": "1", "ports": "1"}.get(key, invented)
            self.ignored.add(invented)
        return [invented] if typing.get_origin(annotation) is tuple else invented

    _FIXES: ClassVar[Mapping[str, Callable[[_Validation[Any], FieldPath], bool]]] = {
        "missing": _stand_in,
        "too_short": _stand_in,
        "too_long": _shorten,
    }


def _sortable(step: str | int) -> str:
    return f"{step:09d}" if isinstance(step, int) else step


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value


def _gather(value: Any, into: set[str]) -> None:
    if isinstance(value, str):
        into.add(value)
    elif isinstance(value, dict):
        for each in value.values():
            _gather(each, into)
    elif isinstance(value, list):
        for each in value:
            _gather(each, into)


def _mistake(path: FieldPath, error: Any) -> Mistake:
    kind: str = error["type"]
    value = error.get("input")
    shown = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None
    if kind in ("missing", "extra_forbidden") or _secret(path):
        shown = None
    if shown is not None and len(shown) > 60:
        shown = shown[:57] + "..."
    return Mistake(path=path, value=shown, reason=reason_of(path, error))


def reason_of(path: FieldPath, error: Any) -> str:
    """Return what would be right, for one of pydantic's errors at a path."""
    kind: str = error["type"]
    context, value = error.get("ctx", {}), error.get("input")
    if _secret(path):
        value = None
    if kind == "extra_forbidden":
        known = _fields(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        return "unknown key; " + (f"did you mean {near[0]!r}?" if near else f"known here: {_some(known) or 'none'}")
    if kind == "missing":
        return "required"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"expected a mapping with {', '.join(_fields(path)) or 'named values'}"
    if kind in ("value_error", "assertion_error"):
        return f"expected {context['error']}"
    if kind == "literal_error":
        return _choice(str(context["expected"]), error.get("input"))
    fixed = {
        "too_short": f"needs at least {context.get('min_length')} item(s)",
        "too_long": f"takes at most {context.get('max_length')} item(s)",
        "string_too_short": "expected text that is not empty",
        "string_too_long": f"expected at most {context.get('max_length')} characters",
        "greater_than": f"expected a number greater than {context.get('gt')}",
        "greater_than_equal": f"expected {context.get('ge')} or more",
        "less_than_equal": f"expected {context.get('le')} or less",
        "tuple_type": "expected a list" + _as_item(path, value),
        "string_type": "expected text" + ("" if isinstance(error.get("input"), dict | list | None) else " (in quotes)"),
        "int_parsing": "expected a whole number",
        "int_type": "expected a whole number",
        "float_parsing": "expected a number",
        "float_type": "expected a number",
        "finite_number": "expected a number",
        "bool_parsing": "expected true or false",
        "bool_type": "expected true or false",
        "string_pattern_mismatch": f"expected text of the form {context.get('pattern')}",
    }
    return fixed.get(kind) or str(error["msg"])[:200]


def _some(names: Sequence[str]) -> str:
    """Return names in a line that can be read; where there are too many, some of them."""
    more = len(names) - NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:NAMED])} and {more} more"


def _as_item(path: FieldPath, value: object) -> str:
    """Return how to write as a list a value that is not one."""
    items_have_fields = bool(_fields(path))
    if isinstance(value, dict) and items_have_fields:
        return ", with this as an item of it: [{...}]"
    return f", such as [{value}]" if isinstance(value, str) and value and not items_have_fields else ""


def _choice(expected: str, value: object) -> str:
    """Return the values that a field accepts, ``'a', 'b' or 'c'``; of many, those similar to what was written."""
    values = re.findall(r"'([^']*)'", expected)
    if len(values) <= NAMED:
        return f"expected {expected}"
    by_letters = {re.sub(r"[^a-z0-9]", "", each.lower()): each for each in values}
    wanted = re.sub(r"[^a-z0-9]", "", str(value).lower())
    near = [by_letters[each] for each in difflib.get_close_matches(wanted, by_letters, n=3)]
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{hint}expected one of {len(values)} values, such as {', '.join(map(repr, values[:8]))}"


def _field(path: FieldPath) -> FieldInfo | None:
    """Return the field that a path leads to."""
    model: type[Model] | None = Plan
    found: FieldInfo | None = None
    for step in path:
        if isinstance(step, int):
            continue
        if model is None or step not in model.model_fields:
            return None
        found = model.model_fields[step]
        model = model_of(found.annotation)
    return found


def _fields(path: FieldPath) -> list[str]:
    """Return the keys allowed at a path."""
    if not path:
        return list(Plan.model_fields)
    field = _field(path)
    model = model_of(field.annotation) if field else None
    return list(model.model_fields) if model else []


def _secret(path: FieldPath) -> bool:
    field = _field(path)
    return field is not None and is_secret(field)
