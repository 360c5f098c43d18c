"""The rows, read from ``rows.yaml`` beside this module."""

from __future__ import annotations

from importlib import resources

import yaml

from edgesim.catalogue.row import Kind, Row


def _read() -> tuple[Row, ...]:
    text = resources.files("edgesim.catalogue").joinpath("rows.yaml").read_text(encoding="utf-8")
    return tuple(
        Row(
            id=entry["id"],
            kind=Kind(entry["kind"]),
            statement=entry["statement"],
            section=section["section"],
            partly=entry.get("partly", ""),
        )
        for section in yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for entry in section["rows"]
    )


ROWS = _read()
"""Every row, in group order."""
