"""Changes of a plan: settings by their dotted paths, releases by product, addresses.

A path may name a part that was not written, such as the documented firewall ``internal``: the parts around it are then
written into the plan as the deployment has them, without derived values.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from edgesim.deployment.base import Model
from edgesim.deployment.inventory import Inventory
from edgesim.deployment.mistakes import DeploymentError, FieldPath, Mistake
from edgesim.deployment.network import moved as moved_rule
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.plan.walk import parts_of, plain
from edgesim.deployment.records import reverse_name
from edgesim.deployment.resolve.resolution import Resolution

RELEASED = {
    "expressway": ("expressway_e", "expressway_c"),
    "expressway_e": ("expressway_e",),
    "expressway_c": ("expressway_c",),
    "unified_cm": ("unified_cm",),
    "im_presence": ("im_presence",),
    "unity_connection": ("unity_connection",),
    "jabber": ("clients",),
}
"""The sections whose machines or clusters run each product, for changes of releases."""


def of_releases(plan: Plan, releases: Mapping[str, str]) -> dict[str, str]:
    """Return the changes that put products at other releases. Raises `DeploymentError` for no known product."""
    found: dict[str, str] = {}
    for product, release in releases.items():
        sections = RELEASED.get(product)
        if sections is None:
            reason = f"no such product; known: {', '.join(RELEASED)}"
            raise DeploymentError((Mistake(path=("releases",), value=product, reason=reason),))
        for section in sections:
            found |= {f"{section}.{index}.release": release for index in range(len(getattr(plan, section)))}
    return found


def relocated(plan: Plan, mapping: Mapping[str, str]) -> Any:
    """Return the data of a plan with addresses replaced everywhere."""
    table = {**mapping, **{reverse_name(old): reverse_name(new) for old, new in mapping.items()}}

    def moved(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: moved(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [moved(each, key) for each in value]
        if key == "url" and isinstance(value, str) and (host := urlsplit(value).hostname) in table:
            return value.replace(host, table[host], 1)
        if key in ("rules", "nat") and isinstance(value, str):
            return moved_rule(value, table)
        return table.get(value, value) if isinstance(value, str) else value

    return moved(plain(plan))


def changed(plan: Plan, deployment: Inventory, resolution: Resolution, changes: Mapping[str, Any]) -> Any:
    """Return the data of a plan with some settings changed. Raises `DeploymentError` for paths that lead nowhere."""
    change = _Change(plan, deployment, resolution)
    mistakes: list[Mistake] = []
    for dotted, value in changes.items():
        steps = dotted.split(".")
        reason = change.set(steps, value)
        if reason:
            mistakes.append(Mistake(path=tuple(steps), value=None, reason=reason))
    if mistakes:
        raise DeploymentError(tuple(mistakes))
    return change.data


class _Change:
    """Walks a deployment by its names, and beside it the data of its plan."""

    def __init__(self, plan: Plan, deployment: Inventory, resolution: Resolution) -> None:
        self.data: Any = plain(plan)
        self.deployment = deployment
        self.resolution = resolution
        self.written_out: set[FieldPath] = set()

    def set(self, steps: list[str], value: Any) -> str | None:
        """Set the field to which a path leads; return what is wrong with the path."""
        data: Any = self.data
        built: Any = self.deployment
        model: type[Model] | None = Plan
        path: FieldPath = ()
        for depth, step in enumerate(steps):
            key: Any = step
            if isinstance(built, tuple):
                self._write_out(model, built, data, path)
                key = _index(built, step)
                if key is None or not isinstance(data, list) or key >= len(data):
                    return f"no item is called {step!r}"
                built = built[key]
            else:
                there = model is not None and built is not None and isinstance(data, dict)
                fields = {name: sub for name, _, sub in parts_of(model)} if there else {}
                if step not in fields:
                    near = difflib.get_close_matches(step, fields)
                    return f"no field is called {step!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                model, built = fields[step], getattr(built, step)
            path = (*path, key)
            if depth == len(steps) - 1:
                data[key] = plain(value)
                return None
            if isinstance(data, dict) and key not in data:
                data[key] = self._least(model, built, path)
            data = data[key]
        return "the path is empty"

    def _write_out(self, model: type[Model] | None, items: tuple[Any, ...], data: Any, path: FieldPath) -> None:
        """Write all items of a list into the plan, in the order of the deployment, if some were not written."""
        places = [(*path, index) for index in range(len(items))]
        elsewhere = self.resolution.moved.keys() | self.resolution.grounds.keys()
        if path in self.written_out or not isinstance(data, list) or not any(each in elsewhere for each in places):
            return
        self.written_out.add(path)
        written = list(data)
        data[:] = [
            self._least(model, item, place)
            if place in self.resolution.grounds
            else written[int(self.resolution.moved.get(place, place)[-1])]
            for item, place in zip(items, places, strict=True)
        ]

    def _least(self, model: type[Model] | None, built: Any, path: FieldPath) -> Any:
        """Return what an author would write at least to get a part of the deployment."""
        if isinstance(built, tuple):
            whole = path in self.resolution.grounds
            return [
                self._least(model, each, (*path, index))
                for index, each in enumerate(built)
                if whole or (*path, index) not in self.resolution.grounds
            ]
        if model is None or built is None or isinstance(built, Model):
            return plain(built)
        found: dict[str, Any] = {}
        for name, field, sub in parts_of(model):
            value = getattr(built, name)
            if (*path, name) not in self.resolution.grounds and value != field.default:
                least = self._least(sub, value, (*path, name))
                if least not in ({}, []):
                    found[name] = least
        return found


def _index(items: tuple[Any, ...], step: str) -> int | None:
    if step.isdecimal():
        return int(step) if int(step) < len(items) else None
    for index, item in enumerate(items):
        if step in (getattr(item, "name", None), getattr(item, "id", None)):
            return index
    return None
