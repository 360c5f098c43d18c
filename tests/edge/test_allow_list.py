"""The allow list: which requests pass, why others do not, and the CSV formats."""

from __future__ import annotations

import contextlib
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment.defaults import PortDefaults
from edgesim.deployment.defaults.edge import AUTOMATIC_RULES
from edgesim.edge.allow_list import (
    AllowList,
    AllowListError,
    DiscoveredServer,
    Rule,
    automatic_rules,
    failing,
    plain_path,
    read_rules,
    read_tests,
    rule,
    write_rules,
)
from edgesim.edge.uds import user_target
from tests.each import holds_for_each
from tests.fuzz import fuzzed

UCM = "ucm-pub.inside.example.com"
DOCUMENTED = (
    "Url,Deployment,HttpMethods,MatchType,Description\n"
    'https://myServer1:8443/myPath1,myDomain1,GET,,"First Rule"\n'
    'http://myServer2:8000/myPath2,myDomain200,"GET,PUT",exact,\n'
)


@pytest.fixture
def automatic() -> AllowList:
    servers = [
        DiscoveredServer(product="unified_cm", names=(UCM, "10.0.40.11")),
        DiscoveredServer(product="im_presence", names=("imp-pub.inside.example.com",)),
    ]
    return AllowList(automatic_rules(servers, AUTOMATIC_RULES, {}, PortDefaults().number))


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", f"https://{UCM}:8443/cucm-uds/version"),
        ("GET", f"https://{UCM.upper()}:8443/cucm-uds/user/jdoe/devices?model=503"),
        ("PUT", f"https://{UCM}/cucm-uds/user/jdoe/credentials"),
        ("GET", "http://10.0.40.11:6970/jabber-config.xml"),
        ("GET", f"https://{UCM}:6972//CSFJDOE.cnf.xml"),
        ("GET", f"https://{UCM}:443/headset/x"),
        ("POST", f"http://{UCM}:9444/"),
        ("GET", f"https://{UCM}:8443/cucm-uds/users?name=J%C3%BCrgen%20x"),
        ("GET", f"https://{UCM}:8443/cucm-uds/user/j%40doe"),
        ("POST", "https://imp-pub.inside.example.com:8443/EPASSoap/service/v105"),
    ],
)
def test_discovered_servers_are_open_for_what_clients_need(automatic: AllowList, method: str, url: str) -> None:
    decision = automatic.decide_url(method, url)
    assert decision.allowed, decision.reason
    assert decision.rule is not None
    assert decision.rule.automatic


@pytest.mark.parametrize(
    ("method", "url", "why"),
    [
        ("GET", "https://cuc.inside.example.com/vmrest/", "host"),
        ("GET", f"https://{UCM}:22/", "port"),
        ("GET", f"http://{UCM}:8443/cucm-uds/version", "port"),
        ("GET", f"https://{UCM}:8443/ccmadmin/", "path"),
        ("POST", f"https://{UCM}:8443/axl/", "path"),
        ("GET", f"https://{UCM}:8443/cucm-uds", "path"),
        ("GET", f"https://{UCM}:8443/CUCM-UDS/version", "path"),
        ("GET", f"https://{UCM}:8443/cucm-uds/other", "path"),
        ("POST", f"https://{UCM}:8443/cucm-uds/user/jdoe/devices", "method"),
        ("POST", f"https://{UCM}:6972/x.cnf.xml", "method"),
        ("TRACE", f"https://{UCM}:8443/cucm-uds/version", "method"),
        ("PUT", "https://imp-pub.inside.example.com:7336/file", "port"),
    ],
)
def test_a_refusal_says_what_was_missing(automatic: AllowList, method: str, url: str, why: str) -> None:
    decision = automatic.decide_url(method, url)
    assert not decision.allowed
    assert why in decision.reason


TWO_READINGS = [
    "/cucm-uds/../axl/",
    "/cucm-uds/./x",
    "/cucm-uds/%2e%2e/axl/",
    "/cucm-uds/%2E./axl/",
    "/cucm-uds/.%2e/axl",
    "/cucm-uds/..",
    "/cucm-uds/..;/axl/",
    "/cucm-uds/..;x=1/axl/",
    "/cucm-uds/%2e%2e;a/axl/",
    "/cucm-uds/..%2faxl/",
    "/cucm-uds/..%5caxl/",
    "/cucm-uds/..\\axl/",
    "/cucm-uds/%252e%252e/axl/",
    "/cucm-uds/%25252e./axl/",
    "/cucm-uds/..%252faxl/",
    "/cucm-uds/a%25255caxl/",
    "/cucm-uds/a%2500",
    "/cucm-uds/%00/axl",
    "/cucm-uds/%0d%0aX:",
    "/cucm-uds/%zz",
    "/cucm-uds/%",
    "/cucm-uds/%2",
    "cucm-uds/x",
    "//cucm-uds/..//axl",
]


def test_a_path_of_two_readings_is_refused(automatic: AllowList) -> None:
    def check(path: str) -> None:
        assert plain_path(path) is None
        decision = automatic.decide("GET", "https", UCM, 8443, path)
        assert not decision.allowed
        assert "ambiguous" in decision.reason

    holds_for_each(check, ((path,) for path in TWO_READINGS))


@pytest.mark.parametrize("user", ["a%41b", "100%", "%", "a%b", "a%2eb", "50%off"])
def test_a_percent_sign_in_a_user_id_is_no_second_reading(automatic: AllowList, user: str) -> None:
    path = user_target(user, "devices")
    assert plain_path(path) == f"/cucm-uds/user/{user}/devices"
    assert automatic.decide("GET", "https", UCM, 8443, path).allowed


def test_doubled_slashes_and_encoded_letters_are_seen_through(automatic: AllowList) -> None:
    assert plain_path("//cucm-uds///us%65r/...") == "/cucm-uds/user/..."
    assert automatic.decide("GET", "https", UCM, 8443, "//cucm%2duds/version").allowed
    assert not automatic.decide("GET", "https", UCM, 8443, "/%61xl/").allowed


def test_a_query_plays_no_part(automatic: AllowList) -> None:
    assert automatic.decide("GET", "https", UCM, 8443, "/cucm-uds/users?x=/../..").allowed


def test_own_rules_exact_prefix_methods_and_deployment() -> None:
    rules = read_rules(DOCUMENTED)
    assert rules == (
        Rule(
            scheme="https",
            host="myserver1",
            ports=(8443,),
            path="/myPath1",
            methods=("GET",),
            deployment="myDomain1",
            description="First Rule",
        ),
        Rule(
            scheme="http",
            host="myserver2",
            ports=(8000,),
            path="/myPath2",
            match="exact",
            methods=("GET", "PUT"),
            deployment="myDomain200",
        ),
    )
    listed = AllowList(rules)
    assert listed.decide_url("GET", "https://myServer1:8443/myPath1/below", deployment="myDomain1").allowed
    assert not listed.decide_url("GET", "https://myServer1:8443/myPath1", deployment="other").allowed
    assert listed.decide_url("PUT", "http://myserver2:8000/myPath2?q").allowed
    assert not listed.decide_url("PUT", "http://myserver2:8000/myPath2/below").allowed
    assert not listed.decide_url("DELETE", "http://myserver2:8000/myPath2").allowed


def test_a_rule_without_path_port_or_methods() -> None:
    made = rule("https://photos.example.com")
    methods = ("OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE")
    assert made == Rule(scheme="https", host="photos.example.com", ports=(443,), path="/", methods=methods)
    assert rule("http://photos.example.com", default_methods=("GET",)).methods == ("GET",)


def test_rules_come_back_from_their_file(automatic: AllowList) -> None:
    rules = read_rules(DOCUMENTED)
    assert read_rules(write_rules((*automatic.rules, *rules))) == rules


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ftp://a/b,,,,", "line 2"),
        ("https://a:99999/,,,,", "no such port"),
        ("https://a/b?c,,,,", "query"),
        ("https://a/../b,,,,", "path is ambiguous"),
        ("https://u@a/b,,,,", "line 2"),
        ("https://a/,,BREW,,", "BREW"),
        ("https://a/,,,regex,", "regex"),
        ("https://a/,,,,,,", "too many cells"),
        ('"https://a/,,,,', "line"),
    ],
)
def test_a_bad_line_is_named(line: str, says: str) -> None:
    with pytest.raises(AllowListError, match=says):
        read_rules("Url,Deployment,HttpMethods,MatchType,Description\n" + line + "\n")


def test_a_file_needs_its_columns() -> None:
    for text in ("", "\n\n", "Url,Methods\n", "\0"):
        with pytest.raises(AllowListError):
            read_rules(text)


def test_test_files() -> None:
    tests = read_tests(
        "Url,ExpectedResult,Deployment,Description,HttpMethod\n"
        "https://myServer1:8443/myPath1/x,allow,myDomain1,,\n"
        "https://myServer1:8443/other,block,myDomain1,,GET\n"
        "https://myServer1:8443/myPath1,allow,myDomain1,wrong on purpose,POST\n"
    )
    ((test, decision),) = failing(tests, AllowList(read_rules(DOCUMENTED)))
    assert test.method == "POST"
    assert "method POST" in decision.reason
    for bad in ("https://a/,maybe,,,", "https://a/,allow,,,BREW", "a,allow,,,"):
        with pytest.raises(AllowListError, match="line 2"):
            read_tests("Url,ExpectedResult,Deployment,Description,HttpMethod\n" + bad + "\n")


SEGMENT = st.sampled_from(
    ["..", ".", "%2e", "%2E%2e", "cucm-uds", "axl", "", "%2f", ";", "..;a", "%25", "\\", "%5C", "a"]
)
PATH = st.lists(SEGMENT | st.text(max_size=4), max_size=8).map("/".join).map(lambda path: "/" + path)


@fuzzed
@given(path=PATH | st.text(max_size=40))
def test_no_path_escapes_its_prefix(path: str) -> None:
    allowed = AllowList((Rule(scheme="https", host="h", ports=(1,), path="/cucm-uds/"),))
    decision = allowed.decide("GET", "https", "h", 1, path)
    if decision.allowed:
        plain = plain_path(path.partition("?")[0])
        assert plain is not None
        assert plain.startswith("/cucm-uds/")
        for _ in range(len(plain)):  # however often a server decodes
            assert plain.startswith("/cucm-uds/")
            assert ".." not in plain.split("/")
            plain = unquote(plain)


@fuzzed
@given(
    text=st.text(max_size=60)
    | st.lists(
        st.sampled_from([*DOCUMENTED.splitlines(), ",", '"', "\n", "\r", "https://a/b", "exact"]), max_size=10
    ).map("".join)
)
def test_any_text_gives_rules_or_the_error(text: str) -> None:
    for read in (read_rules, read_tests):
        with contextlib.suppress(AllowListError):
            read(text)
        with contextlib.suppress(AllowListError):
            read("Url,Deployment,HttpMethods,MatchType,Description\n" + text)
