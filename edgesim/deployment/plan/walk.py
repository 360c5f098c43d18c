"""The model in each field, to walk a plan or the deployment beside it."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any

from pydantic.fields import FieldInfo

from edgesim.deployment.base import Model


@cache
def parts_of(model: type[Model]) -> tuple[tuple[str, FieldInfo, type[Model] | None], ...]:
    """Return the fields of a model: name, declaration, and the model of what it holds, None for plain values."""
    return tuple((name, field, model_of(field.annotation)) for name, field in model.model_fields.items())


def model_of(annotation: Any) -> type[Model] | None:
    """Return the model that an annotation such as ``tuple[User, ...]`` or ``Hsm | None`` is about, if any."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    for each in typing.get_args(annotation):
        model = model_of(each)
        if model:
            return model
    return None


def is_secret(field: FieldInfo) -> bool:
    """Say whether a field holds a secret."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("secret"))


def plain(value: Any) -> Any:
    """Return plain data for a value: of models what was written of them."""
    if isinstance(value, Model):
        return plain(value.model_dump(exclude_unset=True))
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
