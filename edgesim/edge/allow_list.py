"""The HTTP allow list of Expressway-C: which inside URLs a client may reach through the edge, and by which methods.

Automatic rules come from the servers that C discovered and cannot be edited; administrators add rules by hand or from
CSV. Sources: MRA Deployment Guide X12.6, "Configure MRA"; X14.0.2, "HTTP Allow List Formats"; for the log line of an
allowed request "Understand Origin Server Verification and Expressway Traffic Server Certificates" (Cisco 218018).

A path is percent-decoded once and repeated slashes are merged before matching. Paths that servers may interpret
differently (dot segments, encoded slashes, double encoding, path parameters on dots) are refused before any rule
applies.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import unquote

from edgesim.edge.descriptor import is_host

Match = Literal["exact", "prefix"]
METHODS = ("OPTIONS", "GET", "HEAD", "PUT", "POST", "DELETE")
DEFAULT_METHODS = METHODS
MAX_OCTETS = 256 * 1024
MAX_ROWS = 2_000
MAX_PATH = 8 * 1024
RULE_COLUMNS = ("Url", "Deployment", "HttpMethods", "MatchType", "Description")
TEST_COLUMNS = ("Url", "ExpectedResult", "Deployment", "Description", "HttpMethod")

_URL = re.compile(r"(https?)://([^/?#@:\[\]\s]+)(?::([0-9]{1,5}))?(/[^?#\s]*)?(\?[^#\s]*)?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_ENCODED_TRICK = re.compile(r"%(?:2f|5c|00|0[ad])", re.IGNORECASE)
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")


class AllowListError(ValueError):
    """A rule, or a file of rules, is invalid; the text names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. ``automatic`` rules come from discovery. An empty ``deployment`` applies to all deployments.

    ``type`` is the rule's origin as shown in the log.
    """

    scheme: str
    host: str
    ports: tuple[int, ...]
    path: str = "/"
    match: Match = "prefix"
    methods: tuple[str, ...] = DEFAULT_METHODS
    automatic: bool = False
    deployment: str = ""
    description: str = ""
    type: str = ""

    def covers(self, path: str) -> bool:
        """Return whether the rule covers a plain path."""
        return path == self.path if self.match == "exact" else path.startswith(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Allowed by ``rule``, or refused for ``reason``: host, protocol and port, path, method, or a doubtful path."""

    allowed: bool
    reason: str
    rule: Rule | None = None


class RuleTemplate(Protocol):
    """A row of the table that generates rules for discovered servers, e.g. the deployment's ``AutomaticRule``."""

    @property
    def product(self) -> str: ...
    @property
    def scheme(self) -> str: ...
    @property
    def ports(self) -> Sequence[int | str]: ...
    @property
    def path(self) -> str: ...
    @property
    def methods(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredServer:
    """A server that C found: its product, and every name and address that clients may use for it."""

    product: str
    names: tuple[str, ...]


def automatic_rules(
    servers: Iterable[DiscoveredServer],
    table: Sequence[RuleTemplate],
    types: Mapping[str, str],
    number: Callable[[int | str], int],
) -> tuple[Rule, ...]:
    """Return the rules for discovered servers: each row of the table for each name of a server of its product.

    ``types`` are the rule types shown in the log, by product; ``number`` resolves a port given by name.
    """
    return tuple(
        Rule(
            scheme=row.scheme,
            host=name.lower(),
            ports=tuple(map(number, row.ports)),
            path=row.path,
            methods=tuple(row.methods),
            automatic=True,
            type=types.get(server.product, ""),
        )
        for server in servers
        for name in dict.fromkeys(server.names)
        for row in table
        if row.product == server.product
    )


def rule(
    url: str,
    *,
    methods: Sequence[str] = (),
    match: str = "",
    deployment: str = "",
    description: str = "",
    default_methods: Sequence[str] = DEFAULT_METHODS,
    type: str = "",
) -> Rule:
    """Return an administrator's rule for ``protocol://host[:port][/path]``. Raises `AllowListError`."""
    scheme, host, port, path, query = _split(url)
    if query:
        raise AllowListError(f"a rule's URL has no query: {url!r}")
    if unknown := [method for method in methods if method not in METHODS]:
        raise AllowListError(f"method {unknown[0][:40]!r} is not one of {', '.join(METHODS)}")
    kind: Match
    match match.lower():
        case "exact":
            kind = "exact"
        case "" | "prefix":
            kind = "prefix"
        case _:
            raise AllowListError(f"match type {match[:40]!r} is neither exact nor prefix")
    plain = plain_path(path)
    if plain is None:
        raise AllowListError(f"the path is ambiguous: {url!r}")
    return Rule(
        scheme=scheme,
        host=host,
        ports=(port,),
        path=plain,
        match=kind,
        methods=tuple(dict.fromkeys(methods)) or tuple(default_methods),
        deployment=deployment,
        description=description,
        type=type,
    )


def permit_line(rule: Rule, *, user: str, method: str, port: int, target: str, deployment: str) -> str:
    """Return the line that the proxy logs when a rule allows a request for ``target``; it has only the path."""
    server = f"{rule.scheme}://{rule.host}:{port}"
    return (
        f'Event="Request Allowed" Detail="Access allowed" Reason="In allow list" Username="{user}" '
        f'Deployment="{deployment}" Method="{method}" Request="{server}{target.partition("?")[0]}" '
        f'Rule="{server}{rule.path}" Match="{rule.match}" Type="{rule.type}"'
    )


def _split(url: str) -> tuple[str, str, int, str, str]:
    match = _URL.fullmatch(url)
    if match is None or not url.isascii() or not is_host(match[2]):
        raise AllowListError(f"not protocol://host[:port][/path]: {url[:200]!r}")
    scheme = match[1].lower()
    port = int(match[3]) if match[3] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise AllowListError(f"no such port: {url[:200]!r}")
    return scheme, match[2].lower(), port, match[4] or "/", match[5] or ""


def plain_path(path: str) -> str | None:
    """Return a path decoded once and with single slashes, or None if another server may interpret it differently.

    Such servers decode more than once. A user id may contain a percent sign: decoding it again is harmless as long as
    the result stays within its segment.
    """
    if len(path) > MAX_PATH or not path.startswith("/"):
        return None
    if _UNFIT.search(path) or _BROKEN_PERCENT.search(path) or _ENCODED_TRICK.search(path):
        return None
    plain = re.sub("/{2,}", "/", unquote(path, encoding="latin-1"))
    reading = plain
    while True:
        if _UNFIT.search(reading.replace(" ", "")) or any(map(_is_dots, reading.split("/"))):
            return None
        again = unquote(reading, encoding="latin-1")
        if again == reading:
            return plain
        if again.count("/") != reading.count("/"):
            return None
        reading = again


def _is_dots(segment: str) -> bool:
    return segment.partition(";")[0] in (".", "..")


@dataclass(slots=True)
class AllowList:
    """The rules in force, by host."""

    rules: tuple[Rule, ...] = ()
    _by_host: dict[str, list[Rule]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for one in self.rules:
            self._by_host.setdefault(one.host.lower(), []).append(one)

    def decide(
        self, method: str, scheme: str, host: str, port: int, target: str, *, deployment: str | None = None
    ) -> Decision:
        """Decide a request for ``target`` at an inside server. With ``deployment`` None all rules apply."""
        path = plain_path(target.partition("?")[0] or "/")
        if path is None:
            return Decision(allowed=False, reason="the path is ambiguous")
        rules = [
            one
            for one in self._by_host.get(host.lower(), ())
            if deployment is None or one.deployment in ("", deployment)
        ]
        steps: tuple[tuple[str, Callable[[Rule], bool]], ...] = (
            (f"host {host} is not in the allow list", lambda _: True),
            (
                f"{scheme} on port {port} is not allowed for {host}",
                lambda one: one.scheme == scheme and port in one.ports,
            ),
            (f"path {path} is not allowed for {host}:{port}", lambda one: one.covers(path)),
            (f"method {method} is not allowed for {path}", lambda one: method in one.methods),
        )
        for reason, stays in steps:
            rules = [one for one in rules if stays(one)]
            if not rules:
                return Decision(allowed=False, reason=reason)
        kind = "automatic" if rules[0].automatic else "own"
        return Decision(allowed=True, reason=f"{kind} rule {rules[0].match} {rules[0].path}", rule=rules[0])

    def decide_url(self, method: str, url: str, *, deployment: str | None = None) -> Decision:
        """Decide a request for an absolute URL. Raises `AllowListError` if it is not one."""
        scheme, host, port, path, query = _split(url)
        return self.decide(method, scheme, host, port, path + query, deployment=deployment)


# ---- the CSV formats


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """A row of a test file: whether a request is expected to pass."""

    url: str
    allowed: bool
    deployment: str = ""
    description: str = ""
    method: str = "GET"


def read_rules(text: str, *, default_methods: Sequence[str] = DEFAULT_METHODS) -> tuple[Rule, ...]:
    """Read ``Url,Deployment,HttpMethods,MatchType,Description``. Raises `AllowListError` naming the first bad line."""
    rules = []
    for line, row in _rows(text, RULE_COLUMNS):
        try:
            methods = [method.strip().upper() for method in row["HttpMethods"].split(",") if method.strip()]
            rules.append(
                rule(
                    row["Url"],
                    methods=methods,
                    match=row["MatchType"],
                    deployment=row["Deployment"],
                    description=row["Description"],
                    default_methods=default_methods,
                )
            )
        except AllowListError as error:
            raise AllowListError(f"line {line}: {error}") from None
    return tuple(rules)


def write_rules(rules: Iterable[Rule]) -> str:
    """Return the administrator's rules as CSV; automatic rules cannot be imported."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(RULE_COLUMNS)
    for one in rules:
        if not one.automatic:
            url = f"{one.scheme}://{one.host}:{one.ports[0]}{one.path}"
            writer.writerow((url, one.deployment, ",".join(one.methods), one.match, one.description))
    return out.getvalue()


def read_tests(text: str) -> tuple[RuleTest, ...]:
    """Read ``Url,ExpectedResult,Deployment,Description,HttpMethod``. Raises `AllowListError` naming the bad line."""
    tests = []
    for line, row in _rows(text, TEST_COLUMNS):
        result, method = row["ExpectedResult"].lower(), row["HttpMethod"].upper() or "GET"
        if result not in ("allow", "block"):
            raise AllowListError(f"line {line}: expected result {result[:40]!r} is neither allow nor block")
        if method not in METHODS:
            raise AllowListError(f"line {line}: method {method[:40]!r} is not one of {', '.join(METHODS)}")
        try:
            _split(row["Url"])
        except AllowListError as error:
            raise AllowListError(f"line {line}: {error}") from None
        tests.append(
            RuleTest(
                url=row["Url"],
                allowed=result == "allow",
                deployment=row["Deployment"],
                description=row["Description"],
                method=method,
            )
        )
    return tuple(tests)


def failing(tests: Iterable[RuleTest], allow_list: AllowList) -> list[tuple[RuleTest, Decision]]:
    """Return the tests with an unexpected result, each with its decision."""
    checked = [(test, allow_list.decide_url(test.method, test.url, deployment=test.deployment)) for test in tests]
    return [(test, decision) for test, decision in checked if decision.allowed != test.allowed]


def _rows(text: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    if len(text) > MAX_OCTETS or "\0" in text:
        raise AllowListError("the file is too long, or no text")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, dict[str, str]]] = []
    header: list[str] | None = None
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if header is None:
                header = cells
                if sorted(cells) != sorted(columns):
                    raise AllowListError(f"line {reader.line_num}: the columns are not {','.join(columns)}")
                continue
            if len(cells) > len(columns) or len(found) >= MAX_ROWS:
                raise AllowListError(f"line {reader.line_num}: too many cells or rows")
            padded = cells + [""] * (len(columns) - len(cells))
            found.append((reader.line_num, dict(zip(header, padded, strict=True))))
    except csv.Error as error:
        raise AllowListError(f"line {reader.line_num}: {error}") from None
    if header is None:
        raise AllowListError(f"line 1: the columns are not {','.join(columns)}")
    return found
