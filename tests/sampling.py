"""A sample of the suite: of each family of generated cases a few, and every test that stands alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


def sample(families: Sequence[Hashable], most: int) -> set[int]:
    """Return the places to keep, where ``families`` has the family of each test: of each at most ``most``.

    They are spread over the family, the first and the last among them, the same in every process.
    """
    members: dict[Hashable, list[int]] = {}
    for place, family in enumerate(families):
        members.setdefault(family, []).append(place)
    return {place for each in members.values() for place in _spread(each, most)}


def _spread(places: Sequence[int], most: int) -> Iterable[int]:
    if len(places) <= most:
        return places
    step = (len(places) - 1) / max(most - 1, 1)
    return (places[round(number * step)] for number in range(most))
