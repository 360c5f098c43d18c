"""Writing a deployment again: as its author wrote it, or in full with where each value comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from edgesim.deployment.base import Model
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.model import Deployment
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.plan.walk import is_secret, parts_of
from edgesim.deployment.releases import Release

MASK = "********"
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./@+*() -]*(?<! )")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "."}
_PLAIN_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")


def as_yaml(deployment: Deployment, *, full: bool = False, reveal: bool = False) -> str:
    """Return a deployment as YAML, which `load_text` reads again: its plan, or with ``full`` every setting.

    A comment then says what is derived and how (``derived``), what is a product's or this testbed's default
    (``default``), and for named defaults how well they are known and which document says so. Secrets are masked unless
    ``reveal`` asks for them; then, and only then, the text gives the same deployment when read.
    """
    writer = _Writer(deployment, full=full, reveal=reveal)
    values: Any = deployment if full else deployment.plan
    return "\n".join(writer.mapping(Plan, values, ())) + "\n"


def as_data(deployment: Deployment, *, reveal: bool = False) -> dict[str, Any]:
    """Return every setting of a deployment as plain data, secrets masked unless ``reveal`` asks for them."""
    return _data(Plan, deployment, reveal=reveal)


def _data(model: type[Model], value: Any, *, reveal: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field, part in parts_of(model):
        here = getattr(value, name)
        if is_secret(field) and here is not None and not reveal:
            found[name] = MASK
        elif part is not None and here is not None:
            found[name] = (
                [_data(part, each, reveal=reveal) for each in here]
                if isinstance(here, tuple)
                else _data(part, here, reveal=reveal)
            )
        else:
            found[name] = _plain(here)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.text if isinstance(value, Release) else value


class _Writer:
    def __init__(self, deployment: Deployment, *, full: bool, reveal: bool) -> None:
        self.deployment = deployment
        self.full = full
        self.reveal = reveal

    def mapping(self, model: type[Model], values: Any, path: FieldPath) -> Iterator[str]:
        """Yield the lines of a part's fields, as the model declares them."""
        pad = "  " * len(path)
        for name, field, part in parts_of(model):
            value, here = getattr(values, name), (*path, name)
            written = self._written(values, here)
            if not (self.full or written):
                continue
            comment = self._comment(value, field, here) if self.full and not written else ""
            if part is None or value is None or value == ():
                yield f"{pad}{name}: {self._value(value, field)}{comment}"
            elif isinstance(value, tuple):
                yield f"{pad}{name}:{comment}"
                for place, item in enumerate(value):
                    first, *rest = list(self.mapping(part, item, (*here, place))) or [f"{pad}    {{}}"]
                    yield f"{pad}  - {first.strip()}"
                    yield from rest
            else:
                lines = list(self.mapping(part, value, here))
                yield from [f"{pad}{name}:", *lines] if lines else [f"{pad}{name}: {{}}"]

    def _written(self, values: Any, path: FieldPath) -> bool:
        if not self.full:
            return path[-1] in values.model_fields_set
        return self.deployment.is_written(path)

    def _comment(self, value: Any, field: FieldInfo, path: FieldPath) -> str:
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "tag" in extra:
            return "  # " + ", ".join(str(extra[key]) for key in ("tag", "gap", "source") if key in extra)
        found = self.deployment.grounds
        if path not in found and not field.is_required() and value == field.default:
            return "  # default"
        items = ((*path, place) for place in range(len(value))) if isinstance(value, tuple) else ()
        grounds = next((found[each] for each in (path, *items, path[:-1]) if each in found), None)
        return f"  # derived: {grounds.why}" if grounds is not None else ""

    def _value(self, value: Any, field: FieldInfo) -> str:
        return f'"{MASK}"' if is_secret(field) and value is not None and not self.reveal else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(_text(each) for each in value)}]"
    if isinstance(value, int | float):
        return repr(value)
    text = value.text if isinstance(value, Release) else str(value)
    if (_PLAIN.fullmatch(text) and text.lower() not in _WORDS) or _PLAIN_ADDRESS.fullmatch(text):
        return text
    return json.dumps(text)
