"""The catalogue has every documented row, refuses unknown ones, and knows what shows each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from edgesim.catalogue import Catalogue, Kind, Standing, UnknownRow, groups, row, rows
from edgesim.cli.verification import false_counts
from edgesim.deployment import Product, Release
from edgesim.deployment.features import GATES
from edgesim.scenario import Lab, Scenario, Setting, scenario


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


KEYS = ["id", "kind", "statement", "gate", "source", "standing", "scenarios", "rules", "lacks"]


def test_json() -> None:
    found = Catalogue.collect([Story("dual_domain", ("NET-04",))]).as_json()
    assert len(found) == 104
    assert all(list(each) == KEYS for each in found)
    [entry] = [each for each in found if each["scenarios"]]
    assert entry["id"] == "NET-04"
    assert entry["kind"] == "B"
    assert entry["gate"] == [
        {"feature": "no inside srv of the edge domain", "product": "Expressway", "since": "X12.5"},
    ]
    assert entry["scenarios"] == ["dual_domain"]


@dataclass(frozen=True)
class Played(Story):
    releases_shown: Mapping[Product, set[Release]]


def expressway(*releases: str) -> dict[Product, set[Release]]:
    return {Product.EXPRESSWAY: {Release.parse(each, Product.EXPRESSWAY) for each in releases}}


def test_a_requirement_needs_a_rule_and_a_scenario() -> None:
    story, law = Story("story", ("NET-14",)), Story("law", ("NET-14",))
    assert Catalogue.collect().entry("NET-14").standing is Standing.EMPTY
    ruled = Catalogue.collect(rules=[law]).entry("NET-14")
    assert ruled.standing is Standing.PARTLY and ruled.lacks == ("a scenario",)
    told = Catalogue.collect([story]).entry("NET-14")
    assert told.standing is Standing.PARTLY and told.lacks == ("a rule of the check",)
    assert Catalogue.collect([story], [law]).entry("NET-14").standing is Standing.SHOWN


def test_a_behaviour_is_not_shown_by_a_rule() -> None:
    assert Catalogue.collect(rules=[Story("law", ("NET-03",))]).entry("NET-03").standing is Standing.PARTLY
    assert Catalogue.collect([Story("story", ("NET-03",))]).entry("NET-03").standing is Standing.SHOWN


@pytest.mark.parametrize(
    ("stories", "standing"),
    [
        ([Played("after", ("NET-04",), expressway("X14.3"))], Standing.PARTLY),
        ([Played("before", ("NET-04",), expressway("X12.4"))], Standing.PARTLY),
        ([Played("both", ("NET-04",), expressway("X12.4", "X12.5"))], Standing.SHOWN),
        (
            [
                Played("before", ("NET-04",), expressway("X12.4")),
                Played("after", ("NET-04", "NET-05"), expressway("X12.5")),
            ],
            Standing.SHOWN,
        ),
        (
            [
                Played("before", ("NET-05",), expressway("X12.4")),
                Played("after", ("NET-04",), expressway("X12.5")),
            ],
            Standing.PARTLY,
        ),
    ],
)
def test_a_gate_is_shown_on_both_sides(stories: list[Played], standing: Standing) -> None:
    assert Catalogue.collect(stories).entry("NET-04").standing is standing


def test_releases_of_a_scenario() -> None:
    @scenario(
        changes={"expressway_c.0.release": "X12.4", "clients": [{"name": "a", "firmware": "11.0(1)"}]},
        mutations=[Setting("expressway_c.0.release", "X12.5"), Setting("unified_cm.0.release", "12.5(1)")],
    )
    async def story(lab: Lab) -> None: ...

    def texts(product: Product) -> set[str]:
        return {str(each) for each in story.releases_shown.get(product, ())}

    assert texts(Product.EXPRESSWAY) == {"X12.4", "X12.5"}
    assert texts(Product.UNIFIED_CM) == {"14SU3", "12.5(1)"}
    assert texts(Product.PHONE) == {"11.0(1)"} and not texts(Product.ROOM_DEVICE)


def test_a_false_count_is_found() -> None:
    """A row that is counted on scenarios which do not hold is reported; one that others show as well is not."""

    def declared(name: str, *shows: str) -> Scenario:
        @scenario(shows=shows)
        async def story(lab: Lab) -> None: ...

        return replace(story, name=name)

    one, two = declared("one", "NET-03", "NET-07"), declared("two", "NET-07")
    counted = Catalogue.collect([one, two]).shown
    assert not list(false_counts(counted, [one, two]))
    assert [row_id for row_id, _ in false_counts(counted, [two])] == ["NET-03"]
    assert [row_id for row_id, _ in false_counts(counted, [])] == ["NET-03", "NET-07"]


def test_what_cannot_be_shown_is_said() -> None:
    partly = {each.id: each.partly for each in rows() if each.partly}
    assert set(partly) == {"CERT-10", "CERT-11", "EP-07", "EXP-07"}
    assert all(len(text) > 40 and not text.endswith(".") for text in partly.values())
