"""The page about deployments: every block of YAML is a deployment, or a part of one that fits."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from edgesim.deployment import load_data
from edgesim.readiness import check
from tests.documents import REPOSITORY, blocks

PAGE = (REPOSITORY / "docs" / "deployments.md").read_text(encoding="utf-8")
YAML = [block.text for block in blocks(PAGE, "yaml")]
SMALL, *PARTS = YAML


def test_the_dozen_lines_are_a_deployment_and_clean() -> None:
    deployment = load_data(yaml.safe_load(SMALL))
    assert len(SMALL.splitlines()) <= 12
    assert check(deployment).clean, check(deployment).as_json()


@pytest.mark.parametrize("text", PARTS, ids=lambda text: text.split(":")[0])
def test_each_part_fits_into_it(text: str) -> None:
    part: dict[str, Any] = yaml.safe_load(text)
    data = {**yaml.safe_load(SMALL), **part}
    if "devices" in part:
        data["users"] = [
            {"id": "alice", "password": "alice-secret", "numbers": ["1001"], "devices": ["SEP00005E005301"]}
        ]
    deployment = load_data(data)
    for section in part:
        assert getattr(deployment, section)
