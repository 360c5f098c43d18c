"""Changing a default changes a journal: that of a scenario, or of a small story where no scenario comes by it.

The pairs of a default and a scenario are committed by `tests.deployment.binding`; the stories stand in
`tests.deployment.probes`. What no journal can show has a test of its own, listed in `tests.deployment.binding_tests`.
The suite plays a tenth of each, drawn by a seed that stands in the test's id: the day, or ``--defaults-seed=N``.
``make soak`` plays all. One that is new has to be shown in one of these ways.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from edgesim.deployment.defaults import Defaults
from tests.deployment import binding, probes
from tests.deployment.binding_tests import TESTS, source

PAIRS = binding.committed()


STORIES = {min(probe.values): probe for probe in probes.PROBES}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, whole in (("path", PAIRS), ("story", STORIES)):
        if name not in metafunc.fixturenames:
            continue
        every = sorted(whole)
        if metafunc.config.getoption("--fuzz-examples"):
            metafunc.parametrize(name, every)
        else:
            seed = metafunc.config.getoption("--defaults-seed")
            seed = datetime.now(UTC).toordinal() if seed is None else seed
            drawn = sorted(random.Random(seed).sample(every, len(every) // 10))
            metafunc.parametrize(name, drawn, ids=[f"{each}, seed {seed}" for each in drawn])


@pytest.mark.fuzz
def test_another_value_makes_another_journal(path: str) -> None:
    value, name = PAIRS[path]
    group, default = path.split(".")
    assert value != getattr(getattr(Defaults(), group), default)
    assert binding.binds(path, value, name), f"{name} plays the same with defaults.{path} = {value!r}"


def test_every_default_is_shown() -> None:
    assert sorted([*PAIRS, *probes.paths(), *TESTS]) == sorted(binding.settings()), "each in one way, which suffices"


def test_what_no_journal_shows_is_shown_by_a_test_that_names_it() -> None:
    assert [(path, test) for path, test in TESTS.items() if path not in source(test)] == []


@pytest.mark.fuzz
def test_another_value_makes_another_story(story: str) -> None:
    probe = STORIES[story]
    shipped = probes.probed(probe)
    assert shipped == probes.probed(probe), "the story itself plays differently twice"
    for path, value in probe.values.items():
        group, default = path.split(".")
        assert value != getattr(getattr(Defaults(), group), default)
        assert binding.differ(shipped, probes.probed(probe, {path: value})), f"{path} = {value!r} shows nowhere"


def test_a_journal_that_only_ends_elsewhere_is_no_other() -> None:
    assert not binding.differ((b"a", b"b"), (b"a",))
    assert not binding.differ((b"a",), (b"a", b"b"))
    assert binding.differ((b"a", b"b", b"c"), (b"a", b"x"))


def test_a_change_that_nothing_reads_shows_in_no_journal() -> None:
    name = min(PAIRS.values(), key=lambda pair: pair[1])[1]
    assert binding.shipped(name) == binding.journal(binding.scenarios()[name], {"defaults.ports.cluster_sip": 5062})
