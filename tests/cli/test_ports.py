"""``edgesim ports``: the documented list, a deployment's flows, what its firewalls block."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgesim.deployment import as_yaml, load
from edgesim.deployment.flows import KINDS
from tests.cli.command import edgesim

CLOSED = """
network:
  firewalls:
    - {name: external, between: [internet, outer-dmz], closed: [udp 40000-40010]}
    - {name: internal, between: [dmz, inside], closed: [tcp 7001]}
"""


@pytest.fixture
def broken(tmp_path: Path) -> str:
    text = Path("edgesim/deployment/library/small.yaml").read_text(encoding="utf-8")
    file = tmp_path / "lab.yaml"
    file.write_text(text + CLOSED, encoding="utf-8")
    return str(file)


def listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(edgesim("ports", *arguments, "--json").output)
    return found


def test_the_documented_list_needs_no_deployment() -> None:
    result = edgesim("ports")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "client outside Expressway-E tcp 8443 all HTTPS: edge configuration, UDS, files, SOAP, SSO NET-16" in lines
    assert "Expressway-C 36000-59999 Expressway-E udp 36000-36011 multiplexed media (large system) NET-15" in lines
    assert dict.fromkeys(each["flow"] for each in listed()) == dict.fromkeys(each.name for each in KINDS)


def test_a_sound_deployment_has_every_flow_open() -> None:
    result = edgesim("ports", "small")
    assert result.exit_code == 0
    assert "no firewall blocks any of 30 documented flows" in result.output
    assert edgesim("ports", "small", "--blocked").exit_code == 0
    assert all(each["open"] for each in listed("small"))


def test_blocked_flows_are_reported_with_firewall_and_rule(broken: str) -> None:
    result = edgesim("ports", broken, "--blocked")
    assert result.exit_code == 1
    assert "blocked by internal: drop tcp inside -> expe:7001" in result.output
    assert "blocked 40000-40010 by external: drop udp internet -> outer-dmz:40000-40010" in result.output
    assert "4 of 30 documented flows are blocked, 4 of them required" in result.output
    assert "8443" not in result.output
    (zone,) = [each for each in listed(broken, "--blocked") if each["flow"] == "traversal-sip"]
    assert zone == {
        "flow": "traversal-sip",
        "from": {"name": "expc", "address": "10.0.30.10", "zone": "inside"},
        "to": {"name": "expe", "address": "10.0.20.10", "zone": "dmz"},
        "protocol": "tcp",
        "ports": "7001",
        "source_ports": "25000-29999",
        "carries": "SIP over TLS: the traversal zone",
        "rows": ["NET-15"],
        "required": True,
        "open": False,
        "blocked": [
            {
                "ports": "7001",
                "source_ports": "25000-29999",
                "firewall": "internal",
                "rule": "drop tcp inside -> expe:7001",
                "verdict": "drop",
            }
        ],
    }


def test_a_deployments_own_ports_count(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    text = Path("edgesim/deployment/library/small.yaml").read_text(encoding="utf-8")
    file.write_text(text + "\ntraversal_zone: {port: 7003}\n", encoding="utf-8")
    (zone,) = [each for each in listed(str(file)) if each["flow"] == "traversal-sip"]
    assert (zone["ports"], zone["open"]) == ("7003", True)


BRANCH = """
network:
  zones: [{name: internet}, {name: outer-dmz}, {name: dmz}, {name: inside}, {name: branch}]
  firewalls:
    - {name: external, between: [internet, outer-dmz]}
    - {name: internal, between: [dmz, inside]}
    - {name: site, between: [inside, branch], rules: ["drop {closed}", "allow any any -> any"]}
"""


@pytest.mark.parametrize(
    ("path", "flow", "closed", "other"),
    [
        ("ports.cluster_database", "cluster-c-database", "tcp any -> any:4371", 4381),
        ("ports.cluster_sip", "cluster-c-sip", "tcp any -> any:5061", 5071),
        ("ports.cluster_gatekeeper", "cluster-c-gatekeeper", "udp any -> any:1719", 1729),
    ],
)
def test_peers_of_a_cluster_need_the_ports_that_the_deployment_gives_them(
    tmp_path: Path, path: str, flow: str, closed: str, other: int
) -> None:
    """Two Expressway-C at two sites, and a firewall between them that drops one port: that of the flow, at first."""
    text = Path("edgesim/deployment/library/pair.yaml").read_text(encoding="utf-8")
    text = text.replace("{name: expc2, address: 10.0.30.11}", "{name: expc2, address: 10.0.30.11, zone: branch}")
    file = tmp_path / "lab.yaml"
    file.write_text(text + BRANCH.replace("{closed}", closed), encoding="utf-8")
    assert {each["flow"] for each in listed(str(file), "--blocked")} == {flow} | (
        {"line-sip"} if flow == "cluster-c-sip" else set()
    )
    group, name = path.split(".")
    with file.open("a", encoding="utf-8") as more:
        more.write(f"defaults: {{{group}: {{{name}: {other}}}}}\n")
    assert flow not in {each["flow"] for each in listed(str(file), "--blocked")}
    assert {str(other) in each["ports"].split(",") for each in listed(str(file)) if each["flow"] == flow} == {True}


def test_an_optional_flow_that_is_blocked_fails_nothing(tmp_path: Path) -> None:
    changes = {
        "expressway_e.expe.turn_server": True,
        "network.firewalls.external.closed": ["udp 3478"],
    }
    from edgesim.deployment import as_yaml

    file = tmp_path / "lab.yaml"
    file.write_text(as_yaml(load("small").changed(changes), reveal=True), encoding="utf-8")
    result = edgesim("ports", str(file))
    assert result.exit_code == 0
    assert "3 of 30" not in result.output and "0 of them required" in result.output


def test_the_diagram_shows_zones_from_the_internet_inward(broken: str) -> None:
    lines = edgesim("ports", broken, "--diagram").output.splitlines()
    order = [line.strip().partition(":")[0] for line in lines if not line.strip().startswith(("✓", "✗", "+", "x "))]
    assert order == ["internet", "firewall external", "outer-dmz", "dmz", "firewall internal", "inside"]
    assert sum("[drop tcp inside -> expe:7001]" in line for line in lines) == 1


def test_a_cluster_lists_what_its_peers_say_to_each_other() -> None:
    peers = [each for each in listed("cluster") if each["flow"] == "cluster-c-database"]
    assert [(each["from"]["name"], each["to"]["name"]) for each in peers] == [("expc1", "expc2"), ("expc2", "expc1")]
    assert not [each for each in listed("small") if each["flow"].startswith("cluster-")]


@pytest.mark.parametrize("arguments", [("--blocked",), ("--diagram",), ("no-such-lab",)])
def test_unanswerable_questions_are_reported(arguments: tuple[str, ...]) -> None:
    assert edgesim("ports", *arguments).exit_code == 2


def test_the_diagram_shows_what_a_firewall_does_not_reflect(tmp_path: Path) -> None:
    changes = {"inner": None, "outer": "10.0.10.10", "static_nat": "203.0.113.10"}
    lab = load("small").changed({f"expressway_e.expe.{key}": value for key, value in changes.items()})
    file = tmp_path / "single.yaml"
    file.write_text(as_yaml(lab, reveal=True), encoding="utf-8")
    done = edgesim("ports", str(file), "--diagram")
    assert done.exit_code == 1
    external = done.output.partition("firewall external")[2].partition("outer-dmz:")[0]
    assert "✗ expc 10.0.30.10 -> expe tcp 7001" in external
    assert "no reflection" in external
