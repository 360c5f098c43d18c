"""The text of rules and translations: what it means, and what is said about text that means nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.world.firewall import End, RuleError, parse_endpoint, parse_ports, parse_rule, ports_text
from edgesim.world.nat import parse_nat
from tests.each import holds_for_each
from tests.fuzz import fuzzed


def end(address: str, port: int, zone: str = "dmz", host: str | None = None) -> End:
    return End(address=address, port=port, zone=zone, host=host)


@pytest.mark.parametrize(
    "text",
    [
        "allow tcp internet -> outer-dmz:8443,5061,5222",
        "allow udp internet -> outer-dmz:36002-59999",
        "drop udp any -> any",
        "reject any 10.0.30.0/24 -> expe",
        "allow tcp expc:25000-29999 -> 10.0.20.10:7001",
        "allow tcp [2001:db8::1]:1 -> [2001:db8::/32]:2-3",
        "allow tcp any -> [::1]",
    ],
)
def test_text_and_rule_are_the_same(text: str) -> None:
    assert str(parse_rule(text)) == text
    assert str(parse_rule("  " + text.replace(" ", "   ") + " ")) == text


@pytest.mark.parametrize("text", ["static 203.0.113.10 = 10.0.10.10", "source inside -> any as 203.0.113.10"])
def test_text_and_translation_are_the_same(text: str) -> None:
    assert str(parse_nat(text)) == text


WRONG = [
    ("", "a rule such as"),
    ("allow tcp internet outer-dmz:8443", "a rule such as"),
    ("allow internet -> outer-dmz", "a rule such as"),
    ("permit tcp internet -> dmz", "allow, drop or reject, got 'permit'"),
    ("allow sctp internet -> dmz", "tcp, udp or any, got 'sctp'"),
    ("allow tcp internet -> dmz:", "ports such as 8443 or 36002-59999, got ''"),
    ("allow tcp internet -> dmz:80,", "got ''"),
    ("allow tcp internet -> dmz:0", "ports from 1 to 65535"),
    ("allow tcp internet -> dmz:65536", "ports from 1 to 65535"),
    ("allow tcp internet -> dmz:90-80", "the lower first, got '90-80'"),
    ("allow tcp internet -> dmz:http", "got 'http'"),
    ("allow tcp 10.0.0.300 -> dmz", "an address such as 10.0.30.10"),
    ("allow tcp 10.0.0.1/24 -> dmz", "no host bits"),
    ("allow tcp internet -> dmz -> inside", "any, a zone, a host"),
    ("allow tcp 2001:db8::1:443 -> dmz", "brackets around an IPv6 address"),
    ("allow tcp [10.0.0.1]:80 -> dmz", "an IPv6 address in brackets"),
    ("allow tcp [::1]80 -> dmz", "an IPv6 address in brackets"),
    ("allow tcp [::1 -> dmz", "an IPv6 address in brackets"),
    ("allow tcp d\u00e9mz -> any", "any, a zone, a host"),
    ("allow tcp any -> " + "x" * 300, "at most 256 characters"),
    ("allow tcp any -> a:" + ",".join("12"[:1] * 65), "at most 64 ports"),
]


def test_what_is_wrong_with_a_rule_is_said() -> None:
    def check(text: str, reason: str) -> None:
        with pytest.raises(RuleError) as caught:
            parse_rule(text)
        assert reason in str(caught.value)

    holds_for_each(check, WRONG)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("static 203.0.113.10 10.0.10.10", "'static 203.0.113.10 = 10.0.10.10' or"),
        ("static expe = 10.0.10.10", "an address such as 203.0.113.10, got 'expe'"),
        ("source inside:80 -> dmz as 203.0.113.10", "places without ports"),
        ("source inside -> dmz as 203.0.113.0/24", "an address such as"),
        ("masquerade inside", "'static"),
        ("static 203.0.113.10 =" + " " * 300 + "10.0.10.10", "at most 256 characters"),
    ],
)
def test_what_is_wrong_with_a_translation_is_said(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_nat(text)
    assert reason in str(caught.value)


def test_places() -> None:
    assert parse_endpoint("dmz").matches(end("10.0.0.1", 1))
    assert parse_endpoint("expe").matches(end("10.0.0.1", 1, host="expe"))
    assert not parse_endpoint("inside").matches(end("10.0.0.1", 1, host="expe"))
    assert parse_endpoint("10.0.0.0/8").matches(end("10.255.0.1", 1))
    assert not parse_endpoint("10.0.0.0/8").matches(end("11.0.0.1", 1))
    assert not parse_endpoint("[::]/0".replace("[::]/0", "[::/0]")).matches(end("10.0.0.1", 1)), "another version"
    ranged = parse_endpoint("any:80,100-200")
    assert [ranged.matches(end("10.0.0.1", port)) for port in (79, 80, 81, 100, 200, 201)] == [
        False,
        True,
        False,
        True,
        True,
        False,
    ]


WORDS = st.sampled_from(
    [
        "allow",
        "drop",
        "reject",
        "tcp",
        "udp",
        "any",
        "->",
        "internet",
        "dmz:80",
        ":1-2",
        "10.0.0.0/8",
        "[::1]:5",
        "[",
        "]",
        ",",
        ":",
        "-",
        "=",
        "as",
        "static",
        "source",
        "1.2.3.4",
        "\u0661",
        "99999",
        "\x00",
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=8).map(" ".join), st.lists(WORDS).map("".join))


@fuzzed
@given(text=TEXTS)
def test_any_text_is_a_rule_or_an_error_of_rules(text: str) -> None:
    for parse in (parse_rule, parse_nat):
        try:
            parsed = parse(text)
        except RuleError:
            continue
        assert parse(str(parsed)) == parsed


@fuzzed
@given(ranges=st.lists(st.tuples(st.integers(1, 65535), st.integers(1, 65535)), min_size=1, max_size=64))
def test_ports_come_back(ranges: list[tuple[int, int]]) -> None:
    ordered = tuple((min(pair), max(pair)) for pair in ranges)
    assert parse_ports(ports_text(ordered)) == ordered
