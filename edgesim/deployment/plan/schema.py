"""The JSON Schema of a deployment file, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from edgesim.deployment.plan.model import Plan


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a deployment file.

    It has keys, types, allowed values and defaults. Errors that need the whole file, such as an unknown name, are found
    by `edgesim show` and `edgesim check`.
    """
    schema = _tidied(Plan.model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "edgesim deployment",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _tidied(value: Any) -> Any:
    """Leave out pydantic's titles, which repeat the keys, and write releases and docstrings as a reader expects."""
    if isinstance(value, list):
        return [_tidied(each) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"text", "family", "key"}:  # a release among the defaults
        return value["text"]
    tidy: dict[str, Any] = {}
    for key, each in value.items():
        if key == "title" and isinstance(each, str):
            continue
        if key == "description" and isinstance(each, str):
            each = " ".join(each.replace("``", "").split())
        tidy[key] = {name: _tidied(one) for name, one in each.items()} if key == "properties" else _tidied(each)
    return tidy
