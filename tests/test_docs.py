"""The documents hold what they promise: links lead somewhere, and pages made by programs are current."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from edgesim.deployment import grounds_table
from edgesim.world import Capability
from edgesim.world.live import LiveWorld
from edgesim.world.processes import ProcessWorld
from edgesim.world.sim import SimWorld
from tests.documents import DOCUMENTS, REPOSITORY, anchors, links, table
from tests.each import holds_for_each


def _generator() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", REPOSITORY / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_somewhere() -> None:
    def check(path: Path) -> None:
        for link in links(path.read_text(encoding="utf-8")):
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                continue
            assert not parts.scheme, link
            target = path if not parts.path else (path.parent / parts.path).resolve()
            assert target.exists(), f"{path.name}: {link}"
            assert target.is_relative_to(REPOSITORY), f"{path.name}: {link}"
            if parts.fragment:
                assert parts.fragment in anchors(target.read_text(encoding="utf-8")), f"{path.name}: {link}"

    holds_for_each(check, ((path,) for path in DOCUMENTS))


def test_generated_pages_are_current() -> None:
    for path, text in _generator().pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date: run `python docs/generate.py`"


SIGN_IN = ("jabber-1", "expe", "expc", "ucm-pub", "imp-pub", "REGISTER", "SERVICE", "get_edge_config")
BROKEN = ("laptop", "internal: drop tcp :7400", "alert unknown ca", "502 connect failed", "features")


def test_pictures_show_what_they_are_for() -> None:
    for path, text in _generator().pictures().items():
        assert path.is_file()
        for picture in (text, path.read_text(encoding="utf-8")):
            ElementTree.fromstring(picture)
            for seen in BROKEN if "broken" in path.name else SIGN_IN:
                assert seen in picture
            assert "alice-secret" not in picture


def test_every_default_stands_on_its_page_once() -> None:
    page = grounds_table.page()
    for each in grounds_table.grounds():
        assert page.count(f"| `{each.path}` |") == 1
    assert list(grounds_table.MEANING) == re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)[:7]


@pytest.mark.parametrize("name", ["README.md", "docs/architecture.md"])
def test_capabilities_are_those_that_the_worlds_publish(name: str) -> None:
    rows = table((REPOSITORY / name).read_text(encoding="utf-8"), "capability")
    assert [row[0] for row in rows] == [capability.value for capability in Capability]
    for row, capability in zip(rows, Capability, strict=True):
        for cell, world in zip(row[1:], (SimWorld, LiveWorld, ProcessWorld), strict=True):
            assert (cell not in ("no", "–")) == (capability in world.capabilities), f"{name}: {row[0]}, {world.kind}"


def test_tags_of_the_defaults_are_explained_alike() -> None:
    rows = table((REPOSITORY / "docs" / "wire-facts.md").read_text(encoding="utf-8"), "tag")
    assert {row[0].strip("`"): row[1] for row in rows} == grounds_table.MEANING


def test_container_files_name_what_is_there() -> None:
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["edgesim"]["build"] == "."
    for line in (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (REPOSITORY / source).exists(), line


def test_settings_of_editors_and_hooks_are_well_formed() -> None:
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["readme"] == "README.md"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("LICENSE", lambda text: "Apache License" in text and "END OF TERMS AND CONDITIONS" in text),
        ("NOTICE", lambda text: "not a Cisco product" in text),
        ("CHANGELOG.md", lambda text: "## [Unreleased]" in text),
        ("SECURITY.md", lambda text: "fixtures/certs" in text and "name constraints" in text),
    ],
)
def test_the_papers_of_the_project(name: str, says: Callable[[str], bool]) -> None:
    assert says((REPOSITORY / name).read_text(encoding="utf-8"))
