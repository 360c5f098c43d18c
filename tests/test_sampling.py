"""What a sample of the suite keeps."""

from __future__ import annotations

from tests.sampling import sample


def test_small_families_are_kept_whole() -> None:
    assert sample(["a", "b", "a"], most=2) == {0, 1, 2}


def test_a_large_family_is_thinned_from_its_first_to_its_last() -> None:
    families = [*["one"] * 100, "alone"]
    assert sample(families, most=4) == {0, 33, 66, 99, 100}


def test_a_family_of_one_case() -> None:
    assert sample(["a"] * 5, most=1) == {0}
