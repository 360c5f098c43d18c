"""The published JSON Schema takes what the reader takes, and refuses what an editor can see."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from edgesim.deployment import json_schema, names

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def _built_in(name: str) -> Any:
    file = resources.files("edgesim.deployment.library") / f"{name}.yaml"
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("name", names())
def test_a_built_in_deployment_fits(name: str) -> None:
    VALIDATOR.validate(_built_in(name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("expresway_e",), []),
        (("expressway_e", 0, "release"), "14.3"),
        (("expressway_e", 0, "turn_sever"), True),
        (("mra", "access"), {"authentication_path": "LDAP"}),
        (("traversal_zone",), {"port": 70000}),
    ],
)
def test_an_editor_sees(path: tuple[str | int, ...], value: object) -> None:
    data: Any = _built_in("small")
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    (error, *_) = VALIDATOR.iter_errors(data)
    assert [*error.absolute_path][: len(path) - 1] == [*path[:-1]]


def test_every_setting_has_its_default_as_people_write_it() -> None:
    assert SCHEMA["$defs"]["ExpresswayE"]["properties"]["release"]["default"] == "X14.3"
