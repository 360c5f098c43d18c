"""SRV order: priority first, then chance by weight (RFC 2782)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgesim.dns import Record, Srv, order, reverse_name
from edgesim.world import Entropy


def firsts(weights: dict[str, int], draws: int = 1000) -> Counter[str]:
    entropy = Entropy(1, "srv")
    records = [Srv(10, weight, 8443, target) for target, weight in weights.items()]
    return Counter(order(records, entropy)[0].target for _ in range(draws))


def test_equal_weights_share_equally() -> None:
    shares = firsts({"a": 10, "b": 10})
    # 1,000 draws of one half: a standard deviation of 16; four of them.
    assert abs(shares["a"] - 500) < 64
    assert shares["a"] + shares["b"] == 1000


def test_weights_set_the_shares() -> None:
    shares = firsts({"a": 60, "b": 30, "c": 10})
    assert abs(shares["a"] - 600) < 62
    assert abs(shares["b"] - 300) < 58
    assert abs(shares["c"] - 100) < 40


def test_weight_zero_is_taken_rarely_but_can_be() -> None:
    shares = firsts({"a": 0, "b": 9}, draws=2000)
    assert abs(shares["a"] - 200) < 60  # a pick of 0 out of 0..9


def test_lower_priority_value_comes_first_whatever_the_weights() -> None:
    records = [Srv(20, 100, 1, "late"), Srv(10, 0, 1, "early"), Srv(15, 65535, 1, "middle")]
    entropy = Entropy(1, "srv")
    for _ in range(50):
        assert [record.target for record in order(records, entropy)] == ["early", "middle", "late"]


@settings(derandomize=True, database=None, max_examples=200)
@given(
    st.lists(st.builds(Srv, st.integers(0, 3), st.integers(0, 5), st.just(1), st.sampled_from("abcdef")), max_size=8)
)
def test_order_is_a_permutation_and_follows_from_the_stream(records: list[Srv]) -> None:
    once, again = order(records, Entropy(5, "x")), order(records, Entropy(5, "x"))
    assert once == again
    assert sorted(once) == sorted(records)
    assert [record.priority for record in once] == sorted(record.priority for record in records)


def test_reverse_name() -> None:
    assert reverse_name("10.0.40.11") == "11.40.0.10.in-addr.arpa"
    with pytest.raises(ValueError):
        reverse_name("cucm1")


def test_record_text() -> None:
    assert Record("_x._tcp.a", "SRV", 60, Srv(1, 2, 3, "b.a")).text() == "SRV 1 2 3 b.a"
