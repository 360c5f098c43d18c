"""The catalogue has every documented row, refuses unknown ones, and knows what shows each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from edgesim.catalogue import Catalogue, Kind, UnknownRow, groups, row, rows
from edgesim.deployment.features import GATES


@dataclass(frozen=True)
class Story:
    name: str
    shows: tuple[str, ...]


def test_every_row_is_there_once() -> None:
    counts = Counter(each.group for each in rows())
    assert counts == {"NET": 21, "UC": 13, "CERT": 16, "EP": 9, "LIM": 26, "EXP": 19}
    assert groups() == ("NET", "UC", "CERT", "EP", "LIM", "EXP")
    wanted = [f"{group}-{number:02}" for group in groups() for number in range(1, counts[group] + 1)]
    assert [each.id for each in rows()] == wanted
    assert len(wanted) == 104


def test_rows_say_something() -> None:
    for each in rows():
        assert each.statement.endswith("."), each.id
        assert len(each.statement) > 40, each.id
        assert each.source.startswith('MRA Deployment Guide, "MRA Requirements and Prerequisites": ')
    assert len({each.statement for each in rows()}) == 104
    assert row("NET-15").kind is Kind.REQUIREMENT
    assert row("LIM-26").kind is Kind.BEHAVIOUR
    assert row("EXP-13").kind is Kind.LIMITATION


def test_kinds() -> None:
    assert Counter(each.kind.value for each in rows()) == {"R": 38, "B": 31, "L": 35}


def test_gates_belong_to_rows() -> None:
    for gate in GATES:
        assert row(gate.row)
    assert [str(gate) for gate in row("NET-04").gates] == ["Expressway X12.5"]
    assert row("NET-01").gates == ()


@pytest.mark.parametrize(
    ("row_id", "hint"),
    [
        ("NET-22", "NET has rows 01 to 21"),
        ("NET-1", "NET has rows"),
        ("XYZ-01", "groups are NET, UC"),
        ("", "groups are"),
    ],
)
def test_unknown_rows_are_refused(row_id: str, hint: str) -> None:
    with pytest.raises(UnknownRow, match=hint):
        row(row_id)
    with pytest.raises(UnknownRow, match="scenario 'story'"):
        Catalogue.collect([Story("story", ("NET-01", row_id))])
    with pytest.raises(UnknownRow, match="rule 'law'"):
        Catalogue.collect(rules=[Story("law", (row_id,))])


def test_collect() -> None:
    stories = [Story("b", ("NET-03", "NET-14")), Story("a", ("NET-03", "NET-03")), Story("idle", ())]
    catalogue = Catalogue.collect(stories, [Story("no-leak", ("NET-14",))])
    assert catalogue.entry("NET-03").scenarios == ("a", "b")
    assert catalogue.entry("NET-14").rules == ("no-leak",)
    assert [entry.row.id for entry in catalogue.shown] == ["NET-03", "NET-14"]
    assert len(Catalogue.collect().entries) == 104


def test_json() -> None:
    found = Catalogue.collect([Story("dual_domain", ("NET-04",))]).as_json()
    assert len(found) == 104
    assert all(list(each) == ["id", "kind", "statement", "gate", "source", "scenarios", "rules"] for each in found)
    [entry] = [each for each in found if each["scenarios"]]
    assert entry["id"] == "NET-04"
    assert entry["kind"] == "B"
    assert entry["gate"] == [
        {"feature": "no inside srv of the edge domain", "product": "Expressway", "since": "X12.5"},
    ]
    assert entry["scenarios"] == ["dual_domain"]
