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


def test_a_case_that_should_raise_and_does_not_is_named() -> None:
    def refused(text: str) -> None:
        with pytest.raises(ValueError):
            int(text)

    with pytest.raises(AssertionError, match=r"1 of 2 cases do not hold:\n'7': Failed: DID NOT RAISE"):
        holds_for_each(refused, [("x",), ("7",)])


def test_a_long_case_is_named_by_its_beginning_and_end() -> None:
    def short(data: bytes) -> None:
        assert len(data) < 10

    with pytest.raises(AssertionError) as caught:
        holds_for_each(short, [(b"GET /" + bytes(1_000_000) + b" HTTP/1.1",)])
    (_, named) = str(caught.value).splitlines()
    assert len(named) < 300 and named.startswith("b'GET /") and " HTTP/1.1'" in named
