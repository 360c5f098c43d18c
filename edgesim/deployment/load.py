"""Reading deployments from YAML."""

from __future__ import annotations

from pathlib import Path

import yaml

from edgesim.deployment.model import Deployment

LIBRARY = Path(__file__).parent / "library"


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def builtin(name: str) -> Deployment:
    return Deployment.model_validate(yaml.safe_load((LIBRARY / f"{name}.yaml").read_text()))
