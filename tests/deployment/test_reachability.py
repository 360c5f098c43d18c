"""What a deployment's firewalls would do with a flow, without any world."""

from __future__ import annotations

import pytest

from edgesim.deployment import load

SMALL = load("small")


@pytest.mark.parametrize(
    ("protocol", "source", "target", "port", "verdict"),
    [
        ("tcp", "expc", "10.0.20.10", 7001, "accept"),
        ("tcp", "expc", "10.0.20.10", 7002, "drop"),
        ("udp", "expc", "10.0.20.10", 2776, "accept"),
        ("tcp", "expe", "10.0.30.10", 5061, "drop"),
        ("tcp", "jabber-1", "203.0.113.10", 8443, "accept"),
        ("tcp", "jabber-1", "203.0.113.10", 7001, "drop"),
        ("tcp", "expc", "10.0.40.11", 8443, "accept"),
    ],
)
def test_the_documented_design(protocol: str, source: str, target: str, port: int, verdict: str) -> None:
    assert SMALL.flow_checker.passage(protocol, source, target, port).verdict == verdict


def test_a_stranger_is_on_the_internet() -> None:
    assert SMALL.flow_checker.from_outside("tcp", "203.0.113.10", 5061).verdict == "accept"
    passage = SMALL.flow_checker.from_outside("tcp", "10.0.40.11", 8443)
    assert passage.verdict == "drop"
    assert passage.blocked is not None and passage.blocked.firewall in ("external", "internal")


def test_a_translated_source_is_what_the_receiver_sees() -> None:
    firewalls = [
        {"name": "external", "between": ["internet", "outer-dmz"]},
        {"name": "internal", "between": ["dmz", "inside"], "nat": ["source expc -> dmz as 10.0.20.99"]},
    ]
    lab = SMALL.changed({"network": {"firewalls": firewalls}})
    passage = lab.flow_checker.passage("tcp", "expc", "10.0.20.10", 7001)
    assert (passage.verdict, passage.source[0], passage.target) == ("accept", "10.0.20.99", ("10.0.20.10", 7001))


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(LookupError):
        SMALL.flow_checker.passage("tcp", "nobody", "10.0.20.10", 7001)
