"""A default's value stands in one place: nothing in the package repeats it.

Three kinds of literals are found: a text that a default has as its value, or as a phrase of it; a number that is no
round one; and any value that a constant, a field or a parameter has by itself whose name shares a word with the
default's. What is no copy stands in `NO_COPY` with the reason.
"""

from __future__ import annotations

import ast
import operator
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edgesim.deployment.base import Model
from edgesim.deployment.defaults import Defaults, grounds

EDGESIM = Path(__file__).parents[2] / "edgesim"

NO_COPY: dict[str, str] = {
    "sip/reasons.py Request Timeout": "RFC 3261, 21.4.9",
    "servers/expressway_c/sip_service.py 5061": "RFC 3261, 19.1.2: the port of a URI that has none",
    "scenario/play.py 60.0": "how long one callback may keep the loop",
    "readiness/rules/ports.py does not resolve": "the reason of a traversal zone, not what C says of a node",
    "readiness/rule.py 3": "the severity of a finding",
    "http/limits.py 60.0": "a bound of servers inside; E has one of its own",
    "http/limits.py 20000": "a bound of one server beneath those of its port",
    "http/limits.py 100": "a bound of servers inside; E has one of its own",
    "edge/descriptor.py 8443": "what stands in a URL that is written without a lab",
    "edge/config_files.py mraServiceDomain": "an element of configuration files; the default is of UDS",
    "deployment/settings.py 8443": "a setting with a value of its own: C's port on the loopback",
    "deployment/features.py X14.1": "since when load is balanced, which is not since when addresses are given",
    "cli/parameters.py 53": "the port of a resolver whose address is given without one",
    "clients/common/registering.py 3": "REGISTERs of one registration: the first and the answers to two challenges",
    "clients/common/registering.py 5060": "RFC 3261, 19.1.2: the port of a URI that has none",
    "clients/common/registering.py 5061": "RFC 3261, 19.1.2: the port of a URI that has none",
    "deployment/settings.py 7400": "a setting with a value of its own: the port of the XCP link, not IM and Presence's",
    "deployment/plan/mra.py 999": "the highest number of a zone",
    "dns/resolver.py 49152": "RFC 6335, section 6, as in the products' own resolvers",
    "edge/config_files.py 5060": "what a client takes for a port that its file leaves out",
    "edge/config_files.py 5061": "what a client takes for a port that its file leaves out",
    "edge/config_files.py 5090": "what a client takes for a port that its file leaves out",
    "edge/config_files.py 5091": "what a client takes for a port that its file leaves out",
    "journal/bounds.py 65536": "what a journal without a lab records of a long message",
    "journal/bounds.py 4096": "what a journal without a lab records of a long message",
    "journal/spool.py 10.0": "how long the end of a process waits for its disk",
    "pki/broken.py 999": "the limit that a certificate of the collection exceeds, as documented",
    "scenario/scripted/host.py 5060": "the standard port of SIP, where a script names none",
    "servers/unified_cm/registration.py 3600": "RFC 3261, 20.19: what a malformed Expires means",
    "sip/datagrams.py 5060": "RFC 3261, 18.2.2: where an answer goes if Via has no port",
    "sip/stun.py 49152": "bits of a STUN message's type",
    "world/processes/fork_server.py 10.0": "how long the parent waits for a process of its own",
    "world/tls/layer.py 60.0": "asyncio's own, where a listener says nothing",
}
"""By file below the package and value."""
NAMES = {
    "Cisco CallManager": "a service of Unified CM",
    "Cisco HAProxy": "a service of Unified CM",
    "Cisco TFTP": "a service of Unified CM",
    "Cisco Tomcat": "a service of Unified CM, and of IM and Presence",
    "Cisco XCP Router": "a service of IM and Presence",
    "text/xml": "a media type",
    "/cucm-uds/servers": "a resource of UDS",
    "/cucm-uds/version": "a resource of UDS",
}
"""Texts among defaults that are names of something, as the products and their documents write them."""


class Copy(NamedTuple):
    """A literal that repeats a default's value."""

    file: str
    line: int
    value: Any
    paths: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"{self.file} {self.value}"

    def __str__(self) -> str:
        return f"edgesim/{self.file}:{self.line} repeats {self.value!r} of {', '.join(self.paths)}"


def leaves(annotation: Any, value: Any) -> Iterator[Any]:
    """Yield the texts and numbers of a default that are no choice among a few words."""
    if isinstance(value, tuple):
        kinds = typing.get_args(annotation)
        for place, each in enumerate(value):
            alike = len(kinds) == 2 and kinds[1] is Ellipsis
            if alike or place:  # the first of a row is its key, and no value
                yield from leaves(kinds[0] if alike else kinds[place], each)
    elif isinstance(value, Model):
        for name, field in type(value).model_fields.items():
            yield from leaves(field.annotation, getattr(value, name))
    elif value is not None and not isinstance(value, bool):
        kinds = (annotation, *typing.get_args(annotation))
        if not any(typing.get_origin(kind) is typing.Literal for kind in kinds):
            yield value


def known() -> dict[Any, list[str]]:
    """Return the values of defaults, each with the paths that have it."""
    found: dict[Any, list[str]] = {}
    for each in grounds():
        if each.fixed:
            continue
        group, name = each.path.split(".")
        annotation = type(Defaults.model_fields[group].default).model_fields[name].annotation
        for leaf in leaves(annotation, each.value):
            if each.path not in found.setdefault(leaf, []):
                found[leaf].append(each.path)
    return found


KNOWN = known()
WHOLE = {each.value for each in grounds() if isinstance(each.value, str)}


COMMON = {"idle", "octets", "per", "server", "status"}
"""Words that say too little for a name to mean the same as another."""


def words(name: str) -> set[str]:
    return {word for word in re.split(r"[^a-z]+", name.lower()) if len(word) > 2} - COMMON


def is_distinctive(value: Any) -> bool:
    """Say whether a value is unlikely to stand somewhere by chance."""
    if isinstance(value, str):
        return len(value) >= 5 and (bool(re.search(r"[ /{]", value)) or (value in WHOLE and not value.islower()))
    if value != int(value):
        return value > 100
    value = int(value)
    digits = str(value).rstrip("0")
    round_ = len(digits) == 1 or value & (value - 1) == 0 or value in (3600, 86_400)
    return value >= 700 and not round_  # below stand the status codes of protocols


OPERATORS: dict[type[ast.operator], Any] = {
    ast.Mult: operator.mul,
    ast.LShift: operator.lshift,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
}


def constant(node: ast.expr | None) -> Any:
    """Return the value of a literal, or of a product of literals; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        return None if isinstance(node.value, bool) else node.value
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        one, other = constant(node.left), constant(node.right)
        if isinstance(one, int | float) and isinstance(other, int | float):
            return OPERATORS[type(node.op)](one, other)
    return None


def named(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield what has a value by itself: constants, fields of classes, and parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            places = [*node.args.posonlyargs, *node.args.args]
            values = node.args.defaults
            yield from (
                (each.arg, value) for each, value in zip(places[len(places) - len(values) :], values, strict=True)
            )
            pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            yield from ((each.arg, value) for each, value in pairs if value is not None)


def copies(file: str, source: str) -> Iterator[Copy]:
    """Yield the literals of a file that repeat a default."""
    tree = ast.parse(source)
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in texts and not isinstance(node.value, bool | bytes):
            value = node.value
            if (
                value in KNOWN
                and is_distinctive(value)
                and type(value) in {type(each) for each in KNOWN if each == value}
            ):
                yield Copy(file, node.lineno, value, tuple(KNOWN[value]))
    for name, node in named(tree):
        value = constant(node)
        if value is None or value in ("", 0, 1):
            continue
        paths = tuple(path for path in KNOWN.get(value, ()) if words(name) & words(path.split(".")[1]))
        if paths:
            yield Copy(file, node.lineno, value, paths)


def all_copies() -> list[Copy]:
    """Return the copies in the package, without the defaults themselves."""
    found: dict[tuple[str, int, Any], Copy] = {}
    for path in sorted(EDGESIM.rglob("*.py")):
        file = path.relative_to(EDGESIM).as_posix()
        if not file.startswith("deployment/defaults/"):
            for each in copies(file, path.read_text("utf-8")):
                found.setdefault((each.file, each.line, each.value), each)
    return list(found.values())


def test_no_value_of_a_default_stands_a_second_time() -> None:
    found = all_copies()
    assert [str(each) for each in found if each.key not in NO_COPY and each.value not in NAMES] == []
    assert set(NO_COPY) - {each.key for each in found} == set(), "these are no copies any more"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("REALM = 'Cisco Web Services Realm'", ["uds.realm"]),
        ("port = 7336 if secure else 0", ["ports.file_transfer"]),
        ("send(1232)", ["dns.udp_edns_bytes"]),
        ("class Options:\n    cookie_lifetime: int = 480", ["edge.cookie_lifetime_min"]),
        ("def listen(*, handshake_timeout: float = 5.0): ...", ["sip.tls_handshake_timeout_s"]),
        ("WHOLE_BYTES = 64 * 1024", ["journal.whole_bytes"]),
        ("'''Cisco Web Services Realm'''", []),
        ("unrelated: int = 480", []),
        ("status = 404", []),
    ],
)
def test_what_counts_as_a_copy(source: str, expected: list[str]) -> None:
    found = [path for each in copies("a.py", source) for path in each.paths]
    assert set(expected) <= set(found) if expected else found == []
