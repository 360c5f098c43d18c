"""Files with mistakes: every one is told at once, with line, field, value and what is allowed; nothing else escapes."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment import DeploymentError, NoDeployment, as_yaml, builtin, load, load_text
from tests.deployment.test_deployment import LEAST
from tests.fuzz import cheap, fuzzed

BROKEN = """\
nam: x
dns:
  inside: {name: dns-inside, address: 10.0.40.530}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e:
  - {name: expe, outer: 203.0.113.10, inner: 10.0.20.10, release: 14.3}
expressway_c:
  - {name: expc, address: 10.0.20.10}
  - {name: expc, adress: 10.0.20.11}
unified_cm:
  - publisher: {name: ucm-pub, address: 10.0.40.11, known_as: ip}
    mixed_mode: maybe
users:
  - {id: alice, password: [hunter2], home_cluster: cucm2, devices: [FOO]}
  - {id: bob, password: "", homecluster: cucm}
  - {id: bob, password: swordfish, numbers: 1001}
mra: on
defaults: {sip: {challenge: 405, stun_interval_s: -1}}
certificates: [{host: expx, service: server}, {host: expe, service: tomcat}]
trust:
  - {host: expe, store: trusted-ca, holds: [nobody]}
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(DeploymentError) as raised:
        load_text(text, source="lab.yaml")
    return [str(each) for each in raised.value.mistakes]


def test_all_mistakes_at_once() -> None:
    found = mistakes(BROKEN)
    starts = [line.split(": ")[0] + ": " + line.split(": ")[1] for line in found]
    assert starts == [
        "lab.yaml:1: nam",
        "lab.yaml:3: dns.inside.address",
        "lab.yaml:6: expressway_e[0].release",
        "lab.yaml:8: expressway_c[0].address",
        "lab.yaml:9: expressway_c[1].adress",
        "lab.yaml:9: expressway_c[1].name",
        "lab.yaml:11: unified_cm[0].publisher.known_as",
        "lab.yaml:12: unified_cm[0].mixed_mode",
        "lab.yaml:14: users[0].password",
        "lab.yaml:14: users[0].home_cluster",
        "lab.yaml:14: users[0].devices[0]",
        "lab.yaml:15: users[1].password",
        "lab.yaml:15: users[1].homecluster",
        "lab.yaml:16: users[2].numbers",
        "lab.yaml:16: users[2].id",
        "lab.yaml:17: mra",
        "lab.yaml:18: defaults.sip.challenge",
        "lab.yaml:18: defaults.sip.stun_interval_s",
        "lab.yaml:19: certificates[0].host",
        "lab.yaml:19: certificates[1].service",
        "lab.yaml:21: trust[0].holds[0]",
    ]
    text = "\n".join(found)
    assert "unknown key; did you mean 'name'?" in text
    assert "'14.3': expected a release of Expressway such as X8.1.1, X14.3 or X15.0.2" in text
    assert "'10.0.20.10': already the address of expe" in text
    assert "'cucm2': no such Unified CM cluster; known: cucm" in text
    assert "'ip': expected 'fqdn', 'host name' or 'address'" in text
    assert "'405': expected 407 or 401" in text
    assert "hunter2" not in text
    assert "swordfish" not in text


def test_the_error_reads_well() -> None:
    with pytest.raises(DeploymentError) as raised:
        load_text(LEAST + "\ntrust: [{host: expe, store: keychain}]\n", source="lab.yaml")
    assert str(raised.value) == (
        "1 mistake in the deployment:\n"
        "  lab.yaml:10: trust[0].store: 'keychain': no such trust store of expe; known: trusted-ca, "
        "activation-code"
    )


def test_lines_stay_right_after_items_are_taken_out() -> None:
    text = LEAST.replace("unified_cm:", "clients:\n  - {name: a}\n  - {name: b, address: 10.0.30.10}\nunified_cm:")
    assert mistakes(text) == [
        "lab.yaml:8: clients[0].address: required",
        "lab.yaml:9: clients[1].address: '10.0.30.10': already the address of expc",
    ]


def test_secrets_are_not_quoted_back() -> None:
    found = mistakes(LEAST.replace("password: s3cret-of-alice", "password: " + "s3cret" * 60))
    assert found == ["lab.yaml:8: users[0].password: expected at most 256 characters"]


@pytest.mark.parametrize(
    ("addition", "told"),
    [
        ("im_presence: [{publisher: {name: imp, address: 10.0.40.11}}]", "already the address of ucm-pub"),
        ("im_presence: [{publisher: {name: imp, address: 10.0.40.21}, redundancy: true}]", "needs a second node"),
        ("im_presence: [{publisher: {name: imp, address: 10.0.40.21}, unified_cm: x}]", "no such Unified CM cluster"),
        ("clients: [{name: UCM-PUB, address: 10.0.50.1}]", "another host has this name"),
        ("devices: [{name: CSFALICE}, {name: CSFALICE}]", "duplicate device"),
        ("devices: [{name: SEP1, owner: mallory}]", "no such user; known: alice"),
        ("devices: [{name: SEP1, security_profile: Secure}]", "no such phone security profile of its cluster"),
        ("devices: [{name: SEP1, type: '9999'}]", "expected one of 65 values, such as 'desktop', 'iphone'"),
        ("mra: {unified_cm_clusters: [other]}", "no such Unified CM cluster; known: cucm"),
        ("mra: {allow_list: [{url: 'ftp://x/'}]}", "expected text of the form"),
        ("traversal_zone: {port: 70000}", "expected 65535 or less"),
        ("traversal_zone: {peer_addresses: [a, b, c, d, e, f, g]}", "takes at most 6 item(s)"),
        ("defaults: {ports: {media_first: 60000}}", "must not be greater than media_last"),
        ("defaults: {ports: {multiplex_rtp: 2777}}", "lower than multiplex_rtcp"),
        (
            "defaults: {protection: {rated_sip_ports: [5060, sip_udp]}}",
            "a port, or the name of one among defaults.ports",
        ),
        ("defaults: {protection: {rated_sip_ports: [70000]}}", "a port, or the name of one among defaults.ports"),
        ("defaults: {sip: {t1_s: .nan}}", "expected a number"),
        ("domains: {edge: 'exa mple.com'}", "expected a DNS domain such as"),
        ("certificates: [{host: expe, service: server}, {host: expe, service: server}]", "duplicate certificate"),
        ("certificates: [{host: dns-inside, service: server}]", "no such host with certificates"),
    ],
)
def test_mistake(addition: str, told: str) -> None:
    found = mistakes(LEAST + addition + "\n")
    assert len(found) == 1, found
    assert found[0].startswith("lab.yaml:9: ")
    assert told in found[0]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("{view: inside, name: a.b, type: A, value: '::1'}", "an IPv4 address"),
        ("{view: inside, name: a.b, type: AAAA, value: 10.0.0.1}", "an IPv6 address"),
        ("{view: inside, name: a.b, type: SRV, value: 10 10 8443}", "priority, weight, port and target"),
        ("{view: inside, name: a.b, type: SRV, value: 10 10 99999 a.b}", "priority, weight, port and target"),
        ("{view: inside, name: a.b, type: PTR, value: 'a b'}", "expected a name without a final dot"),
        ("{view: beside, name: a.b, type: A, value: 10.0.0.1}", "expected 'inside' or 'outside'"),
    ],
)
def test_wrong_records(record: str, told: str) -> None:
    text = LEAST.replace("dns:\n", f"dns:\n  extra:\n    - {record}\n")
    found = mistakes(text)
    assert len(found) == 1, found
    assert found[0].startswith("lab.yaml:4: dns.extra[0].")
    assert told in found[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a mapping of sections"),
        ("just words\n", "a mapping of sections"),
        ("- a\n- list\n", "a mapping of sections"),
        ("a: 1\na: 2\n", "duplicate key"),
        ("a: &x 1\nb: *x\n", "aliases are not supported"),
        ("a: !!python/object/apply:os.system [id]\n", "tags are not supported"),
        ("a: !secret x\n", "tags are not supported"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("{a: [1, 2\n", "not YAML"),
        ("a: \x00\n", "not YAML"),
        ("a: \ud800\n", "not YAML"),
        ("? [a]\n: b\n", "expected plain text as a key"),
        ("a: " + "[" * 60 + "]" * 60 + "\n", "nested more than 16 levels deep"),
        ("a: [" + "1, " * 30_000 + "]\n", "more than 20000 values"),
        ("#" * 300_000 + "\n", "300001 characters, the limit is 262144"),
        ("", "empty file"),
        ("a:\n\tb: 1\n", ":2: not YAML: a value starts with a tab"),
        ("a: 1\nb: 2\na: 3\n", ":3: a: duplicate key, first on line 1"),
    ],
)
def test_not_a_deployment(text: str, told: str) -> None:
    with pytest.raises(DeploymentError) as raised:
        load_text(text)
    assert told in str(raised.value)


def test_a_yaml_bomb_is_refused_at_its_first_alias() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    tracemalloc.start()
    with pytest.raises(DeploymentError, match=":2: alias"):
        load_text("\n".join(lines))
    assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"key{n}: x" for n in range(9_000)),
        "users: [" + "x, " * 19_000 + "]",
        LEAST + "devices: [" + "{nam: x, owner: y}, " * 3_000 + "]",
        LEAST + "mra: {allow_list: [" + "{url: x}, " * 5_000 + "]}",
        LEAST + "clients:" + "".join(f"\n  - {{name: c, address: 10.0.40.{n % 250}}}" for n in range(3_000)),
    ],
    ids=["unknown keys", "words for users", "unknown keys in items", "bad items", "contradictions"],
)
def test_thousands_of_mistakes_take_no_time(text: str) -> None:
    def attempt() -> DeploymentError:
        with pytest.raises(DeploymentError) as raised:
            load_text(text)
        return raised.value

    assert cheap(attempt, seconds=2.0).mistakes


def test_scalars_mean_what_they_look_like() -> None:
    lab = load_text(LEAST.replace('["0100"]', "[0100, 1001]").replace("id: alice", "id: no"))
    assert lab.users[0].id == "no"
    assert lab.users[0].numbers == ("0100", "1001")


def test_load_takes_names_files_and_text(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(LEAST, encoding="utf-8")
    assert load("small") == builtin("small")
    assert load(LEAST) == load(file) == load(str(file))
    for missing in (tmp_path / "missing.yaml", str(tmp_path / "small"), str(tmp_path)):
        with pytest.raises(NoDeployment, match=f"^{re.escape(str(missing))}: cannot be read"):
            load(missing)
    with pytest.raises(NoDeployment, match=r"no such file or built-in deployment; did you mean 'small'\?"):
        load("smal")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NoDeployment, match="neither UTF-8 nor UTF-16"):
        load(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_as_editors_and_shells_of_windows_write_them(tmp_path: Path, encoding: str, newline: str) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(LEAST, encoding=encoding, newline=newline)
    assert load(file) == load(LEAST)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("outer:", "outter:", "expressway_e[0].outter: unknown key; did you mean 'outer'?"),
        ('numbers: ["0100"]', "numbers: 0100", "users[0].numbers: '0100': expected a list, such as [0100]"),
        ("[{id: alice", "{id: alice", "users: expected a list, with this as an item of it: [{...}]"),
    ],
)
def test_one_slip_is_one_mistake_and_says_what_to_write(old: str, new: str, told: str) -> None:
    text = LEAST.replace(old, new)
    (found,) = mistakes(text if new[0] != "{" else text.rstrip().removesuffix("]"))
    assert found.endswith(told)


def test_similar_values_are_suggested_and_dependent_mistakes_are_not_reported() -> None:
    device = "clients: [{name: room, address: 198.51.100.9, device: SEP1}]\n"
    (found,) = mistakes(LEAST + device + "devices: [{name: SEP1, type: RoomKit, owner: alice}]\n")
    assert "devices[0].type: 'RoomKit': did you mean 'Room Kit'" in found
    assert "expected one of" in found
    assert len(found) < 250


def test_long_lists_of_keys_are_cut() -> None:
    (found,) = mistakes(LEAST + "defaults: {sip: {nonsense_of_mine: 1}}\n")
    assert found.endswith("more")
    assert len(found) < 700


SMALL = as_yaml(builtin("small"), full=True, reveal=True).splitlines()
VALUES = st.one_of(
    st.sampled_from(["", "null", "[]", "{}", "yes", "-1", "1e400", "10.0.40.11", "expe", "*a", "&a b", "!!int 1"]),
    st.text(max_size=12),
    st.integers().map(str),
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A good file with a few lines changed, dropped, doubled, moved or indented."""
    start = draw(st.integers(0, 40))
    lines = SMALL[start:] if draw(st.booleans()) else list(SMALL)
    lines = lines[: draw(st.integers(40, 400))]
    for _ in range(draw(st.integers(1, 6))):
        if not lines:
            break
        index = draw(st.integers(0, len(lines) - 1))
        match draw(st.integers(0, 5)):
            case 0:
                del lines[index]
            case 1:
                lines.insert(index, lines[draw(st.integers(0, len(lines) - 1))])
            case 2:
                lines[index] = "  " + lines[index]
            case 3:
                lines[index] = lines[index][: draw(st.integers(0, 30))]
            case _:
                key = lines[index].split(":")[0]
                lines[index] = f"{key}: {draw(VALUES)}"
    return "\n".join(lines)


def check(text: str) -> None:
    try:
        lab = load_text(text)
    except DeploymentError as error:
        assert str(error).count("\n") >= len(error.mistakes) > 0  # noqa: PT017  both outcomes are right
    else:
        assert lab.host_specs()


@fuzzed
@given(damaged())
def test_damaged_files(text: str) -> None:
    check(text)


@fuzzed
@given(st.one_of(st.text(max_size=300), st.text(alphabet="{}[]:,-&*!|>'\"%@`#? \n\tabc019.", max_size=200)))
def test_any_text(text: str) -> None:
    check(text)


CONTRADICTORY = """
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e:
  - {name: expe1, outer: 203.0.113.10, inner: 10.0.20.10, release: Y14}
  - {name: expe2, outer: 203.0.113.10, inner: 10.0.20.11}
  - {name: expe3, outer: 203.0.113.12}
  - {name: expe4, outer: 203.0.113.13}
  - {name: expe5, outer: 203.0.113.14}
  - {name: expe6, outer: 203.0.113.15}
  - {name: expe7, outer: 203.0.113.16}
expressway_c: [{name: expc, address: 10.0.30.10, colour: red}]
unified_cm: [{publisher: {name: ucm, address: 10.0.40.11}}]
certificates: [{host: expe9, service: server}]
"""


def test_every_contradiction_of_a_file_is_reported_at_once() -> None:
    with pytest.raises(DeploymentError) as raised:
        load_text(CONTRADICTORY, source="lab.yaml")
    told = {(each.line, each.field, each.value): each.reason for each in raised.value.mistakes}
    assert {key: reason.split(";")[0] for key, reason in told.items()} == {
        (5, "expressway_e", None): "takes at most 6 item(s)",
        (6, "expressway_e[0].release", "Y14"): "expected a release of Expressway such as X8.1.1, X14.3 or X15.0.2",
        (7, "expressway_e[1].outer", "203.0.113.10"): "already the address of expe1",
        (13, "expressway_c[0].colour", None): "unknown key",
        (15, "certificates[0].host", "expe9"): "no such host with certificates",
    }
