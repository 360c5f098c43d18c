"""Reading deployments: from files, from text, from the built-in library. All mistakes are told at once."""

from __future__ import annotations

import difflib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from importlib import resources
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from edgesim.deployment.consistency import Mistake
from edgesim.deployment.model import Deployment
from edgesim.deployment.network import moved as moved_rule
from edgesim.deployment.reading import LIMITS, Limits, Reading, read
from edgesim.deployment.records import reverse_name
from edgesim.deployment.validation import DeploymentError, NoDeployment, validated


def names() -> tuple[str, ...]:
    """Return the names of the built-in deployments."""
    files = resources.files("edgesim.deployment.library").iterdir()
    return tuple(sorted(each.name.removesuffix(".yaml") for each in files if each.name.endswith(".yaml")))


def builtin(name: str) -> Deployment:
    """Return a built-in deployment. Raises `DeploymentError` where there is none of this name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(names())}"
        raise NoDeployment(name, f"no file is here, and no built-in deployment has this name{hint}")
    file = resources.files("edgesim.deployment.library") / f"{name}.yaml"
    return load_text(file.read_text(encoding="utf-8"), source=f"{name}.yaml")


def load(source: str | FilePath) -> Deployment:
    """Return a deployment from a file, from YAML text (more than one line, or a mapping), or by a built-in name.

    Raises `DeploymentError`.
    """
    if isinstance(source, FilePath):
        return load_file(source)
    if "\n" in source or source.lstrip().startswith("{"):
        return load_text(source)
    if source in names():
        return builtin(source)
    path = FilePath(source)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or path.exists():
        return load_file(path)
    return builtin(source)


def load_file(path: FilePath) -> Deployment:
    """Return the deployment that a YAML file describes. Raises `DeploymentError`."""
    try:
        with path.open("rb") as file:
            octets = file.read(LIMITS.characters * 4 + 1)
        # What a PowerShell of Windows writes by redirection is UTF-16, and says so by its first octets.
        text = octets.decode("utf-16" if octets.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except OSError as error:
        raise NoDeployment(str(path), f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise NoDeployment(str(path), "is no text: neither UTF-8 nor UTF-16") from None
    except ValueError as error:  # a name that no file can have
        raise NoDeployment(str(path), f"cannot be read: {error}") from None
    return load_text(text, source=str(path))


def load_text(text: str, source: str = "deployment", limits: Limits = LIMITS) -> Deployment:
    """Return the deployment that YAML text describes; ``source`` names it in mistakes. Raises `DeploymentError`."""
    reading = read(text, limits)
    return validated(reading, source)


def load_data(data: Mapping[str, Any], source: str = "deployment") -> Deployment:
    """Return the deployment that plain data (as from JSON) describe. Raises `DeploymentError`."""
    return validated(Reading(data=_plain(data)), source)


def changed(deployment: Deployment, changes: Mapping[str, Any]) -> Deployment:
    """Return a deployment with some settings changed; see `Deployment.changed`."""
    data = authored(deployment)
    mistakes: list[Mistake] = []
    for dotted, value in changes.items():
        reason = _set(data, deployment, dotted.split("."), value)
        if reason:
            mistakes.append(Mistake(path=tuple(dotted.split(".")), value=None, reason=reason))
    if mistakes:
        raise DeploymentError(tuple(mistakes))
    return load_data(data, deployment.name)


def relocated(deployment: Deployment, mapping: Mapping[str, str]) -> Deployment:
    """Return a deployment with other addresses; see `Deployment.relocated`."""
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

    return load_data(moved(authored(deployment)), deployment.name)


def released(deployment: Deployment, releases: Mapping[str, str]) -> Deployment:
    """Return a deployment at other releases; see `Deployment.at_releases`."""
    changes: dict[str, Any] = {}
    for product, release in releases.items():
        sections = RELEASED.get(product)
        if sections is None:
            reason = f"no product is called this here; there are {', '.join(RELEASED)}"
            raise DeploymentError((Mistake(path=("releases",), value=product, reason=reason),))
        for section in sections:
            count = len(getattr(deployment, section))
            changes.update({f"{section}.{index}.release": release for index in range(count)})
    return changed(deployment, changes)


RELEASED = {
    "expressway": ("expressway_e", "expressway_c"),
    "expressway_e": ("expressway_e",),
    "expressway_c": ("expressway_c",),
    "unified_cm": ("unified_cm",),
    "im_presence": ("im_presence",),
    "unity_connection": ("unity_connection",),
    "jabber": ("clients",),
}
"""What a product's name means where releases are given: the sections whose machines or clusters run it."""


def authored(deployment: Deployment) -> dict[str, Any]:
    """Return a deployment as plain data, without what was filled in."""
    data = _plain(deployment.model_dump(exclude_unset=True))
    assert isinstance(data, dict)
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(exclude_unset=True))
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _set(data: Any, model: Any, steps: list[str], value: Any) -> str | None:
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        if isinstance(model, tuple):
            index = _index(model, step)
            if index is None or not isinstance(data, list) or index >= len(data):
                return f"nothing here is called {step!r}"
            key: Any = index
            model = model[index]
        else:
            if not isinstance(model, BaseModel) or step not in type(model).model_fields:
                near = difflib.get_close_matches(step, type(model).model_fields if isinstance(model, BaseModel) else ())
                return f"there is no {step!r} here" + (f"; did you mean {near[0]!r}?" if near else "")
            key = step
            model = getattr(model, step)
        if last:
            data[key] = _plain(value)
            return None
        if isinstance(data, dict) and key not in data:
            data[key] = _plain(model) if isinstance(model, BaseModel | tuple) else None
        data = data[key]
    return "an empty path"


def _index(items: tuple[Any, ...], step: str) -> int | None:
    if step.isdecimal():
        return int(step) if int(step) < len(items) else None
    for index, item in enumerate(items):
        if step in (getattr(item, "name", None), getattr(item, "id", None)):
            return index
    return None
