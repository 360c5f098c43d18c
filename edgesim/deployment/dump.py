"""Writing a deployment as YAML again: as its author wrote it, or in full with where each value comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from edgesim.deployment.model import Deployment
from edgesim.deployment.releases import Release

MASK = "********"
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./@+*() -]*(?<! )")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "."}
_PLAIN_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")


def as_yaml(deployment: Deployment, *, full: bool = False, reveal: bool = False) -> str:
    """Return a deployment as YAML, which `load_text` reads again.

    With ``full`` every setting appears; a comment tells what was filled in (``derived``), what is a product's or this
    testbed's default (``default``), and for named defaults how well they are known and which document says so. Secrets
    are masked unless ``reveal`` asks for them; then, and only then, the text gives the same deployment when read.
    """
    writer = _Writer(full=full, reveal=reveal)
    return "\n".join(writer.mapping(deployment, 0)) + "\n"


class _Writer:
    def __init__(self, *, full: bool, reveal: bool) -> None:
        self.full = full
        self.reveal = reveal

    def mapping(self, model: BaseModel, indent: int) -> Iterator[str]:
        """Yield the lines of a model's fields."""
        pad = "  " * indent
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            authored = name in model.model_fields_set
            if not (self.full or authored):
                continue
            comment = self._comment(value, field, authored)
            if isinstance(value, BaseModel):
                lines = list(self.mapping(value, indent + 1))
                yield from [f"{pad}{name}:", *lines] if lines else [f"{pad}{name}: {{}}"]
            elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
                yield f"{pad}{name}:{comment}"
                for item in value:
                    first, *rest = list(self.mapping(item, indent + 2)) or [f"{pad}    {{}}"]
                    yield f"{pad}  - {first.strip()}"
                    yield from rest
            else:
                yield f"{pad}{name}: {self._value(value, field)}{comment}"

    def _comment(self, value: Any, field: FieldInfo, authored: bool) -> str:
        if not self.full or authored:
            return ""
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "tag" in extra:
            return "  # " + ", ".join(str(extra[key]) for key in ("tag", "gap", "source") if key in extra)
        return "  # default" if value == field.default else "  # derived"

    def _value(self, value: Any, field: FieldInfo) -> str:
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("secret") and value is not None and not self.reveal:
            return f'"{MASK}"'
        return _text(value)


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
