"""Reads deployments: from files, from text, from the built-in library. All errors are reported at once."""

from __future__ import annotations

import difflib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping
from importlib import resources
from pathlib import Path as FilePath
from typing import Any

from edgesim.deployment.mistakes import NoDeployment
from edgesim.deployment.model import Deployment, built
from edgesim.deployment.plan.reading import LIMITS, Limits, Reading, read
from edgesim.deployment.plan.walk import plain


def names() -> tuple[str, ...]:
    """Return the names of the built-in deployments."""
    files = resources.files("edgesim.deployment.library").iterdir()
    return tuple(sorted(each.name.removesuffix(".yaml") for each in files if each.name.endswith(".yaml")))


def builtin(name: str) -> Deployment:
    """Return a built-in deployment. Raises `DeploymentError` where there is none of this name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; built-in deployments: {', '.join(names())}"
        raise NoDeployment(name, f"no such file or built-in deployment{hint}")
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
        raise NoDeployment(str(path), "not a text file: neither UTF-8 nor UTF-16") from None
    except ValueError as error:  # a name that no file can have
        raise NoDeployment(str(path), f"cannot be read: {error}") from None
    return load_text(text, source=str(path))


def load_text(text: str, source: str = "deployment", limits: Limits = LIMITS) -> Deployment:
    """Return the deployment that YAML text describes; ``source`` names it in mistakes. Raises `DeploymentError`."""
    return built(read(text, limits), source)


def load_data(data: Mapping[str, Any], source: str = "deployment") -> Deployment:
    """Return the deployment that plain data (as from JSON) describe. Raises `DeploymentError`."""
    return built(Reading(data=plain(data)), source)
