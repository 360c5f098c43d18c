"""The page of limits names bounds that the code has, with their values."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

from edgesim.deployment.defaults import Defaults
from tests.each import holds_for_each

PAGE = Path(__file__).parent.parent / "docs" / "limits.md"
ROW = re.compile(r"^\| (.+?) \| `([\w.]+)` \| ([\d.]+) \| (.+?) \|$", re.MULTILINE)
ROWS = [(name, float(value)) for _, name, value, _ in ROW.findall(PAGE.read_text(encoding="utf-8"))]


def value_of(name: str) -> Any:
    """Return what a dotted name stands for: a default, a constant of a module, or a dataclass field's default."""
    if name.startswith("defaults."):
        _, group, field = name.split(".")
        return getattr(getattr(Defaults(), group), field)
    owner, last = name.rsplit(".", 1)
    try:
        return getattr(importlib.import_module(owner), last)
    except ModuleNotFoundError:
        module, cls = owner.rsplit(".", 1)
        fields = {each.name: each.default for each in dataclasses.fields(getattr(importlib.import_module(module), cls))}
        return fields[last]


def test_every_row_is_read() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|") and "`" in line]
    assert len(lines) == len(ROWS) > 50
    assert len({name for name, _ in ROWS}) == len(ROWS)


def test_a_bound_is_the_codes_own() -> None:
    def is_the_codes_own(name: str, value: float) -> None:
        assert value_of(name) == value

    holds_for_each(is_the_codes_own, ROWS)


def test_no_bound_of_a_connection_is_left_out() -> None:
    """Every bound of SIP, HTTP and XCP connections that counts seconds, octets or number has a row."""
    from edgesim.http.limits import HttpLimits
    from edgesim.xmpp.xcp import XcpLimits

    told = {name.rsplit(".", 1)[1] for name, _ in ROWS}
    explained = {
        "start_line",
        "header_count",
        "linger",
        "connections",
        "modest",
        "element",
        "keep_alive",
        "unsent",
        "per_second",
    }
    for limits in (HttpLimits, XcpLimits):
        left = {each.name for each in dataclasses.fields(limits)} - told - explained
        assert not left, left
