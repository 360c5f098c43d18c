"""``edgesim check``: what it prints, its exit codes, and the simulation of what it predicts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgesim.readiness.rules import RULES
from tests.cli.command import edgesim

LEAK = """\
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
  cisco_uds_outside: true
expressway_e: [{name: expe, outer: 203.0.113.10, inner: 10.0.20.10}]
expressway_c: [{name: expc, address: 10.0.30.10}]
unified_cm: [{publisher: {name: ucm, address: 10.0.40.11}}]
clients: [{name: jabber-1, address: 198.51.100.25}]
users: [{id: alice, password: alice-secret}]
mra: {access: {user_credential: true}}
"""
RULE = "NET-14.cisco-uds-outside"
PINNED = "network: {pinned: [start, timers, actors, jitter, latency, order]}\n"
"""No seed decides when something happens."""


@pytest.fixture
def leak(tmp_path: Path) -> str:
    file = tmp_path / "leak.yaml"
    file.write_text(LEAK)
    return str(file)


def test_a_clean_deployment_is_reported_as_clean() -> None:
    done = edgesim("check", "small")
    assert done.exit_code == 0
    assert done.output == f"small.yaml: clean, {len(RULES)} rules checked\n"


def test_a_finding_says_where_what_a_client_sees_and_how_to_mend_it(leak: str) -> None:
    done = edgesim("check", leak)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0] == f"error    {RULE}  {leak}:4  dns.cisco_uds_outside"
    labels = (line[2:14].strip() for line in lines[2:] if line.startswith("  "))
    assert list(dict.fromkeys(filter(None, labels))) == [
        "symptom",
        "predicted",
        "and never",
        "to fix",
        "documented",
    ]
    assert lines[-1].startswith(f"{leak}: 1 error; ")


def test_json_has_the_same(leak: str) -> None:
    done = edgesim("check", leak, "--json")
    assert done.exit_code == 1
    value = json.loads(done.output)
    assert (value["errors"], value["warnings"], value["rules_checked"]) == (1, 0, len(RULES))
    (finding,) = value["findings"]
    assert (finding["rule"], finding["line"], finding["field"]) == (RULE, 4, "dns.cisco_uds_outside")
    assert "DnsAnswer" in finding["predicts"][0] and "TcpOpened" in finding["never"][0]


@pytest.mark.parametrize("name", [RULE, "NET-14", "net-14"])
def test_a_rule_or_row_can_be_left_out_or_chosen(leak: str, name: str) -> None:
    assert edgesim("check", leak, "--ignore", name).exit_code == 0
    assert edgesim("check", leak, "--only", name).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Name a deployment"),
        (("nowhere.yaml",), "cannot be read"),
        (("medium",), "no such file or built-in deployment; built-in deployments: cluster, devices, pair, small"),
        (("smal",), "did you mean 'small'?"),
        (("small", "--only", "NET-99"), "no rule or row is called 'NET-99'"),
    ],
)
def test_what_cannot_be_checked_has_exit_code_2(arguments: tuple[str, ...], told: str) -> None:
    done = edgesim("check", *arguments)
    assert done.exit_code == 2
    assert told in done.output


def test_rules_are_listed_with_what_they_require() -> None:
    listed = json.loads(edgesim("check", "--rules", "--json").output)
    assert [each["rule"] for each in listed] == [rule.name for rule in RULES]
    assert RULE in edgesim("check", "--rules").output


def test_the_simulation_shows_what_the_check_predicts(leak: str) -> None:
    Path(leak).write_text(LEAK + PINNED)
    done = edgesim("check", leak, "--simulate", "--ladder")
    assert done.exit_code == 1
    assert re.findall(r"\(seen at ([0-9.]+ s), jabber-1\)", done.output) == ["0.060 s", "0.100 s"]
    assert "not show it" not in done.output
    assert "» " in done.output, "the symptom is marked on the ladder"
    assert "alice from jabber-1: failed: UNRESOLVED_HOST_ERROR" in done.output
    (finding,) = json.loads(edgesim("check", leak, "--simulate", "--json").output)["simulated"]["findings"]
    assert finding["shown"] is True and finding["broken"] == []


def test_a_sound_deployment_signs_in_when_simulated() -> None:
    value = json.loads(edgesim("check", "small", "--simulate", "--json").output)
    assert value["simulated"]["findings"] == []
    assert any(line.endswith(": signed in") for line in value["simulated"]["sign_ins"])


HOME = """\
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e: [{name: expe, outer: 203.0.113.10, inner: 10.0.20.10}]
expressway_c: [{name: expc, address: 10.0.30.10}]
unified_cm: [{publisher: {name: ucm, address: 10.0.40.11}}]
mra: {access: {user_credential: true}}
clients:
  - {name: shelf, address: 10.0.50.9, zone: inside, device: SEP00005E005309}
  - {name: desk, address: 198.51.100.41, device: SEP00005E005301}
  - {name: huddle, address: 198.51.100.45, device: SEP00005E005305, provisioning_mode: CUCM}
  - {name: pc, address: 198.51.100.50}
  - {name: phone, address: 198.51.100.51, platform: android}
users:
  - {id: alice, password: alice-secret, numbers: ["1001"], devices: [SEP00005E005301, SEP00005E005309]}
  - {id: bob, password: bob-secret, numbers: ["1002"], devices: [CSFBOB, SEP00005E005305]}
devices:
  - {name: SEP00005E005301, type: "8845"}
  - {name: SEP00005E005305, type: Room Kit}
  - {name: SEP00005E005309, type: "8811"}
"""


def test_the_simulation_says_who_signed_in_on_what_and_why_not(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(HOME)
    value = json.loads(edgesim("check", str(file), "--simulate", "--ignore", "UC-07", "--json").output)
    assert [finding["rule"] for finding in value["findings"]] == ["EP-05.provisioning-mode"]
    assert value["simulated"]["sign_ins"] == [
        "shelf: on premises, where devices do not need the edge",
        "alice from desk (8845): signed in",
        "bob from huddle (Room Kit): failed: Provisioning Mode is CUCM",
        "bob from pc: signed in",
        "phone: no user has a device for its platform, or chat",
    ]


def test_the_ladder_of_a_symptom_leaves_other_clients_out(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(HOME + "certificates: [{host: expe, service: server, signed_by: enterprise}]\n")
    told = edgesim("check", str(file), "--simulate", "--ladder", "--only", "EP-08").output
    ladder = told[told.index("documented") : told.index("simulated sign-ins")]
    assert "alice signs in from desk" in ladder and "unknown ca" in ladder
    assert "huddle" not in ladder and "from pc" not in ladder
    assert told.rstrip().endswith(": 1 error; 2 of 3 simulated sign-ins failed; 2 rules checked")


SOUND = HOME.replace(", provisioning_mode: CUCM", "")


def test_a_sign_in_that_fails_is_never_beside_the_word_clean(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(SOUND.replace("user_credential: true", "user_credential: false"))
    done = edgesim("check", str(file), "--simulate", "--only", "UC-02")
    assert done.exit_code == 1
    assert "clean" not in done.output
    assert done.output.rstrip().endswith(": nothing found; 3 of 3 simulated sign-ins failed; 1 rule checked")
    value = json.loads(edgesim("check", str(file), "--simulate", "--only", "UC-02", "--json").output)
    assert (value["simulated"]["failed"], value["simulated"]["unseen"]) == (3, 0)
    assert edgesim("check", str(file), "--only", "UC-02").exit_code == 0


def test_every_user_signs_in_from_every_client() -> None:
    value = json.loads(edgesim("check", "small", "--simulate", "--json").output)
    wanted = {
        f"{user} from {machine}: signed in"
        for user in ("alice", "bob", "carol")
        for machine in ("jabber-1", "jabber-2", "jabber-3", "inside-1", "inside-2")
    }
    assert set(value["simulated"]["sign_ins"]) == wanted


@pytest.mark.parametrize("name", ["pair", "devices"])
def test_built_in_deployments_sign_everybody_in(name: str) -> None:
    done = edgesim("check", name, "--simulate")
    assert done.exit_code == 0, done.output
    assert done.output.rstrip().endswith(f"{name}.yaml: clean, {len(RULES)} rules checked")
