"""The scenarios and rules that show each documented behaviour: the project's measure of completeness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from edgesim.catalogue.row import Row
from edgesim.catalogue.standing import Standing, missing, standing
from edgesim.catalogue.table import ROWS
from edgesim.deployment import Product, Release

_BY_ID = {row.id: row for row in ROWS}


class Shows(Protocol):
    """A scenario or readiness rule, which shows rows."""

    @property
    def name(self) -> str: ...

    @property
    def shows(self) -> Sequence[str]: ...


@runtime_checkable
class Plays(Shows, Protocol):
    """A scenario: it plays on some releases of each product."""

    @property
    def releases_shown(self) -> Mapping[Product, set[Release]]: ...


class UnknownRow(LookupError):
    """The catalogue has no row with this id."""


def rows() -> tuple[Row, ...]:
    """Return every row, in group order."""
    return ROWS


def row(row_id: str) -> Row:
    """Return a row by id. Raises `UnknownRow`."""
    try:
        return _BY_ID[row_id]
    except KeyError:
        group = row_id.split("-")[0]
        count = sum(1 for each in ROWS if each.group == group)
        hint = f"{group} has rows 01 to {count:02}" if count else f"groups are {', '.join(groups())}"
        raise UnknownRow(f"no row {row_id!r} in the catalogue; {hint}") from None


def groups() -> tuple[str, ...]:
    """Return the groups in order: NET, UC, CERT, EP, LIM, EXP."""
    return tuple(dict.fromkeys(each.group for each in ROWS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A row with the names of the scenarios and rules that show it, and what is missing, in words."""

    row: Row
    scenarios: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        """How far the row is shown: a requirement needs a rule and a scenario, other rows a scenario; and its gates."""
        return standing(self.lacks, by_anything=bool(self.scenarios or self.rules))

    def as_json(self) -> dict[str, Any]:
        """Return plain data: ``id``, ``kind``, ``statement``, ``gate``, ``source``, ``standing`` (``shown``,
        ``partly``, ``not shown``), ``scenarios``, ``rules``, ``lacks``."""
        return {
            "id": self.row.id,
            "kind": self.row.kind.value,
            "statement": self.row.statement,
            "gate": [
                {"feature": gate.feature, "product": gate.product.value, "since": str(gate.since)}
                for gate in self.row.gates
            ],
            "source": self.row.source,
            "standing": self.standing.value,
            "scenarios": list(self.scenarios),
            "rules": list(self.rules),
            "lacks": list(self.lacks),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every row with the scenarios and rules that show it, in table order."""

    entries: tuple[Shown, ...] = field(default=())

    @classmethod
    def collect(cls, scenarios: Iterable[Shows] = (), rules: Iterable[Shows] = ()) -> Catalogue:
        """Return the catalogue of these scenarios and rules.

        Raises `UnknownRow` naming the scenario or rule whose ``shows`` is wrong.
        """
        stories = tuple(scenarios)
        by_scenario = _names(stories, "scenario")
        by_rule = _names(rules, "rule")
        releases = _releases(stories)
        entries = []
        for each in ROWS:
            shown, ruled = by_scenario.get(each.id, ()), by_rule.get(each.id, ())
            lacks = tuple(missing(each, shown, ruled, releases.get(each.id, {})))
            entries.append(Shown(row=each, scenarios=shown, rules=ruled, lacks=lacks))
        return cls(entries=tuple(entries))

    def entry(self, row_id: str) -> Shown:
        """Return one entry by row id. Raises `UnknownRow`."""
        wanted = row(row_id)
        return next(entry for entry in self.entries if entry.row is wanted)

    @property
    def shown(self) -> tuple[Shown, ...]:
        """The entries that are fully shown."""
        return self.standing_at(Standing.SHOWN)

    def standing_at(self, wanted: Standing) -> tuple[Shown, ...]:
        """Return the entries of one standing."""
        return tuple(entry for entry in self.entries if entry.standing is wanted)

    def as_json(self) -> list[dict[str, Any]]:
        """Return plain data, one object per row."""
        return [entry.as_json() for entry in self.entries]


def _releases(stories: Iterable[Shows]) -> dict[str, dict[str, set[Release]]]:
    """Return the releases of each product used by the scenarios of each row."""
    found: dict[str, dict[str, set[Release]]] = {}
    for story in stories:
        if not isinstance(story, Plays):
            continue
        for row_id in story.shows:
            for product, releases in story.releases_shown.items():
                found.setdefault(row_id, {}).setdefault(product.value, set()).update(releases)
    return found


def _names(sources: Iterable[Shows], what: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for source in sources:
        for row_id in source.shows:
            try:
                row(row_id)
            except UnknownRow as error:
                raise UnknownRow(f"{what} {source.name!r}: {error}") from None
            names = found.get(row_id, ())
            if source.name not in names:
                found[row_id] = (*names, source.name)
    return {row_id: tuple(sorted(names)) for row_id, names in found.items()}
