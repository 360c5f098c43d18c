"""A test over many cases names each one that fails, and is no test where there are none."""

from __future__ import annotations

import pytest

from tests.each import holds_for_each


def test_each_case_that_fails_is_named_whatever_it_raises() -> None:
    def inverse(number: int, expected: float) -> None:
        assert 1 / number == expected, f"not {expected}"

    holds_for_each(inverse, [(1, 1.0), (2, 0.5)])
    with pytest.raises(AssertionError) as caught:
        holds_for_each(inverse, [(0, 0.0), (1, 1.0), (4, 0.5)])
    first, *named = str(caught.value).splitlines()
    assert first == "2 of 3 cases do not hold:"
    assert [line.split(": ")[:2] for line in named] == [["0, 0.0", "ZeroDivisionError"], ["4, 0.5", "AssertionError"]]


def test_no_cases_are_a_failure() -> None:
    with pytest.raises(AssertionError, match="no cases"):
        holds_for_each(print, [])
