"""Changes of one field of a sound deployment, drawn from a seed: what they make worse, and what the check says."""

from __future__ import annotations

import random
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from edgesim.deployment import Deployment, DeploymentError, Plan, load
from edgesim.deployment.base import Model, View
from edgesim.deployment.plan.walk import parts_of
from edgesim.deployment.records import Record
from edgesim.deployment.releases import Release
from edgesim.readiness import Finding, Report, check
from edgesim.scenario.proof import Attempt, Simulated, simulate

FieldPath = tuple[str | int, ...]
VIEWS: tuple[View, ...] = ("inside", "outside")

BASES: dict[str, dict[str, Any]] = {
    "small": {
        "clients": [{"name": "laptop", "address": "198.51.100.25"}, {"name": "desk", "address": "10.0.50.10",
                                                                     "zone": "inside"}],
        "users": [{"id": "alice", "password": "alice-secret", "numbers": ["1001"], "devices": ["CSFALICE"]},
                  {"id": "bob", "password": "bob-secret", "numbers": ["1002"], "devices": ["CSFBOB"]}],
    },
    "pair": {"clients": [{"name": "laptop", "address": "198.51.100.25"}],
             "users": [{"id": "alice", "password": "alice-secret", "numbers": ["1001"], "devices": ["CSFALICE"]}],
             "devices": []},
    "cluster": {"clients": [{"name": "laptop", "address": "198.51.100.25"}],
                "users": [{"id": "alice", "password": "alice-secret", "numbers": ["1001"], "devices": ["CSFALICE"]}],
                "devices": []},
    "devices": {"clients": [{"name": "phone-1", "address": "198.51.100.41", "device": "SEP00005E005301"},
                            {"name": "room-1", "address": "198.51.100.44", "device": "SEP00005E005304"}]},
}  # fmt: skip
"""Sound deployments with few users and clients, so that a sign-in from each to each takes little time."""

LEFT_OUT: dict[str, str] = {
    r"name|description": "what the deployment is called",
    r"defaults\..*": "what products and clients do by themselves: whoever changes it describes another product",
    r".*\.(first_name|last_name|mail|directory_uri|description)": "words about people and things, which nothing "
    "depends on at sign-in",
    r"users\.\d+\.(id|password|numbers(\.\d+)?)|users\.\d+": "whoever has another id, password or number signs in "
    "with it, and without a number there is no line; ids have a rule and a test of their own",
    r"users\.\d+\.devices(\.\d+)?|devices\.\d+(\.(name|type|line|owner))?": "who has which device is the deployment's "
    "choice: without one there is nothing to sign in to",
    r"users\.\d+\.(im_presence|im_presence_node)": "who has chat is the deployment's choice",
    r"clients\.\d+(\.(name|address|platform|device|zone|view|domain|ipv6))?": "another client, not a worse one",
    r"clients\.\d+\.release": "the simulated Jabber does what its release allows, and that has its rules and tests",
    r"network\.zones.*|.*\.(zone|outer_zone|inner_zone|between\.\d+)": "another network: what it lets through is asked "
    "by the rules about ports, whose own tests close and open every one",
    r"network\.firewalls\.\d+\.(rules|nat)(\.\d+)?": "another network, too; a rule taken out is tried as a port closed",
    r"(dns\.(inside|outside)|load_balancer).*\.(name|address|domain|view)": "the name servers and what asks them move "
    "together",
    r".*\.(domain|view)": "moves a host with its names and certificates, which are derived anew",
    r"unity_connection.*|cms_web_proxy.*|mra\.media_probe.*": "not part of signing in",
    r"certificates\.\d+\.(host|service)|trust\.\d+\.(host|store)": "which certificate or store the entry is about",
    r"(unified_cm|im_presence)\.\d+\.(axl_account|name).*": "both sides read the same setting: it has no other side to "
    "differ from",
    r"certificates\.\d+\.expires_after_s": "what expires during a run is sound when it is checked",
    r"traversal_zone\.(user|password)|xcp_link\.secret|ssh_tunnel\.user": "both sides read this one, too",
}
"""Fields whose change makes no finding, by a pattern of their paths, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One field of one base with another value. ``words`` are what a finding may name it by."""

    base: str
    path: str
    value: Any
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.base}: {self.path} = {self.value!r}"


@cache
def sound(base: str) -> Deployment:
    """Return a base deployment."""
    return load(base).changed(BASES[base])


@cache
def signed_in(base: str) -> Simulated:
    """Return what a base deployment comes to."""
    deployment = sound(base)
    return simulate(deployment, check(deployment))


@cache
def fields(base: str) -> tuple[tuple[FieldPath, Any, Any], ...]:
    """Return the fields of a base of which one is changed."""
    return tuple(each for each in leaves(sound(base)) if not left_out(dotted(each[0])))


@cache
def records(base: str, view: View) -> tuple[Record, ...]:
    """Return the DNS records of a base in one view."""
    return tuple(sound(base).zone_records(view))


def leaves(built: Any, path: FieldPath = (), model: type[Model] = Plan) -> Iterator[tuple[FieldPath, Any, Any]]:
    """Yield every field that is no group of others: its path, value, and annotation in the plan."""
    for name, field, part in parts_of(model):
        value = getattr(built, name)
        if part is None or value is None or value == ():
            yield (*path, name), value, field.annotation
        elif isinstance(value, tuple):
            for place, each in enumerate(value):
                yield from leaves(each, (*path, name, place), part)
        else:
            yield from leaves(value, (*path, name), part)


def dotted(path: FieldPath) -> str:
    return ".".join(map(str, path))


def left_out(path: str) -> bool:
    return any(re.fullmatch(pattern, path) for pattern in LEFT_OUT)


OTHER_TEXT = {"name": "renamed", "hsm": None}


def other(value: Any, annotation: Any, path: FieldPath, draw: random.Random) -> Any:
    """Return another value that a field's type allows; None if there is none to try."""
    choices = [each for each in _literals(annotation) if each != value]
    if choices:
        return draw.choice(choices)
    if isinstance(value, bool):
        return not value
    if isinstance(value, Release):
        return draw.choice(RELEASES.get(str(path[0]), (str(value),)))
    if isinstance(value, int):
        return draw.choice((value + 1, max(1, value - 1)))
    if isinstance(value, float):
        return value / 2
    if isinstance(value, tuple):
        if value and draw.random() < 0.7:
            kept = list(value)
            kept.pop(draw.randrange(len(kept)))
            return kept
        return [*value, *draw.choice(MORE.get(str(path[-1]), ((),)))]
    if isinstance(value, str):
        return _other_text(value, path, draw)
    return draw.choice(NOTHING.get(str(path[-1]), (None,)))


RELEASES = {
    "expressway_e": ("X15.5", "X14.3.1", "X12.5", "X12.4", "X8.11", "X8.7", "X8.1"),
    "expressway_c": ("X15.5", "X14.3.1", "X12.5", "X12.4", "X8.11", "X8.7", "X8.1"),
    "unified_cm": ("15", "12.5(1)", "11.5(1)SU2", "10.5(2)", "9.1(2)"),
    "im_presence": ("15", "12.5(1)", "11.5(1)SU2", "10.5(2)", "9.1(1)"),
}
MORE: dict[str, tuple[tuple[Any, ...], ...]] = {
    "also_serves": (("Jabber Guest",), ("Microsoft gateway",)),
    "peer_addresses": (("expe9.example.com",), ("10.0.20.99",)),
    "closed": tuple((f"tcp {port}",) for port in (8443, 5061, 5222, 7001, 7400, 2222)),
    "adds": (("private",),),
    "lacks": (("enterprise",), ("public",), ("enterprise-issuing",)),
    "pending": (("enterprise",), ("public",)),
    "strips": (("client auth",), ("server auth",)),
    "extra_names": (("other.example.com",), ("*.example.com",)),
    "without_names": (("example.com",), ("expe.example.com",), ("expc.inside.example.com",)),
    "also_homed_at": (("cucm",),),
    "allow_list": ((),),
    "holds": (("private",),),
}
NOTHING: dict[str, tuple[Any, ...]] = {
    "static_nat": ("203.0.113.77",),
    "inner_name": ("expe-inner", "expe_inner"),
    "server_password": ("another-password",),
    "expressway_e_cluster": ("edges.example.com",),
    "expressway_c_cluster": ("cores.inside.example.com",),
    "address": ("203.0.113.78",),
    "dns_domain": ("elsewhere.example", "com"),
    "hsm": ({"vendor": "SafeNet Luna"},),
    "expires_after_s": (5,),
}


def _literals(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [each for one in typing.get_args(annotation) for each in _literals(one)] if annotation else []


def _other_text(value: str, path: FieldPath, draw: random.Random) -> Any:
    if re.fullmatch(r"[0-9.]+", value):
        head, _, last = value.rpartition(".")
        return f"{head}.{(int(last) + draw.choice((1, 50))) % 250 + 1}"
    if "." in value:
        return draw.choice((f"other.{value.partition('.')[2]}", value.partition(".")[0] + ".elsewhere.example"))
    return draw.choice((f"{value}2", f"{value}_x", "other"))


def of_fields(base: str, draw: random.Random) -> Change | None:
    """Draw a change of one field as it is written or derived."""
    lab = sound(base)
    path, value, annotation = draw.choice(fields(base))
    if path[0] in ("certificates", "trust"):
        return _of_security(base, lab, path, value, annotation, draw)
    changed = other(value, annotation, path, draw)
    return Change(base=base, path=dotted(path), value=changed, words=_words(lab, path, changed))


def _of_security(
    base: str, lab: Deployment, path: FieldPath, value: Any, annotation: Any, draw: random.Random
) -> Change:
    """Write out the certificate or trust store with one field changed: derived entries are nowhere in the plan."""
    section, place, field = str(path[0]), int(path[1]), str(path[2])
    entry = getattr(lab, section)[place]
    key = "service" if section == "certificates" else "store"
    changed = other(value, annotation, path, draw)
    written = {"host": entry.host, key: getattr(entry, key), field: changed}
    words = (entry.host, getattr(entry, key))
    return Change(base=base, path=f"{section}.{entry.host}/{getattr(entry, key)}.{field}", value=written, words=words)


def of_records(base: str, draw: random.Random) -> Change:
    """Draw a derived DNS record that is left out, or has another value in one of its fields."""
    view = draw.choice(VIEWS)
    record = draw.choice(records(base, view))
    without = [{"view": view, "name": record.name, "type": record.type}]
    same = [each for each in records(base, view) if (each.name, each.type) == (record.name, record.type)]
    extra = [{"view": view, "name": each.name, "type": each.type, "value": each.text.partition(" ")[2]}
             for each in same if each != record]  # fmt: skip
    if draw.random() < 0.6:
        value = record.text.partition(" ")[2].split(" ")
        field = draw.randrange(len(value))
        value[field] = str(int(value[field]) + 1) if value[field].isdigit() else _other_text(value[field], (), draw)
        extra.append({"view": view, "name": record.name, "type": record.type, "value": " ".join(value)})
    words = (record.name, record.text.split(" ")[-1])
    return Change(base=base, path="dns", value={"dns.without": without, "dns.extra": extra}, words=words)


def _words(lab: Deployment, path: FieldPath, value: Any) -> tuple[str, ...]:
    """Return the names of what is around a field, and its new value."""
    found: list[str] = []
    around: Any = lab
    for step in path:
        around = around[step] if isinstance(step, int) else getattr(around, step)
        for name in ("name", "id"):
            if isinstance(getattr(around, name, None), str):
                found.append(getattr(around, name))
    return (*found, *((value,) if isinstance(value, str) else ()))


def apply(change: Change) -> Deployment | None:
    """Return the changed deployment; None where the change is a mistake of the file, or changes nothing."""
    lab = sound(change.base)
    section = change.path.partition(".")[0]
    try:
        if change.path == "dns":
            changed = lab.changed(change.value)
        elif section in ("certificates", "trust"):
            changed = lab.changed({section: [change.value]})
        else:
            changed = lab.changed({change.path: change.value})
    except DeploymentError:
        return None
    return None if changed == lab else changed


def services(attempts: tuple[Attempt, ...]) -> dict[tuple[str, str], frozenset[str]]:
    """Return what each user got on each machine."""
    return {
        (each.machine, each.user): frozenset(
            name for name, there in (("phone", each.phone), ("chat", each.chat)) if there
        )
        for each in attempts
        if each.tried
    }


def lost(before: Simulated, after: Simulated) -> list[str]:
    """Return the services that a user had before and has lost."""
    now = services(after.attempts)
    return [
        f"{user} from {machine}: {' and '.join(sorted(had - now.get((machine, user), frozenset())))}"
        for (machine, user), had in services(before.attempts).items()
        if had - now.get((machine, user), frozenset())
    ]


def names_it(change: Change, report: Report, findings: list[Finding]) -> bool:
    """Return whether a finding is about the changed field: at, above or below it, or naming it."""
    steps = change.path.split(".")
    if steps[0] in ("dns", "certificates", "trust"):
        steps = steps[:1]
    for finding in findings:
        at = [str(step) for step in finding.at]
        shared = min(len(at), len(steps))
        text = f"{finding.what} {finding.fix}"
        if at[:shared] == steps[:shared] or any(word in text for word in change.words):
            return True
    return False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result of a change: whether the deployment differs, whether the check reported anything, what is wrong."""

    applied: bool
    reported: bool = False
    wrong: str = ""


def verdict(change: Change) -> Verdict:
    """Check a changed deployment, sign every user in, and compare both results."""
    changed = apply(change)
    if changed is None:
        return Verdict(applied=False)
    report = check(changed)
    return Verdict(applied=True, reported=bool(report.reported), wrong=_wrong(change, changed, report))


def _wrong(change: Change, changed: Deployment, report: Report) -> str:
    """Return what is wrong with what the check says of a change; nothing where the change does no harm."""
    after = simulate(changed, report)
    unseen = [(each.reported.rule.name, [str(m) for m, entry in each.seen if entry is None], each.broken)
              for each in after.proofs if not each.shown]  # fmt: skip
    worse = lost(signed_in(change.base), after)
    new = [each.finding for each in report.reported]
    if worse and not names_it(change, report, new):
        reported = "; ".join(each.what for each in new)
        return f"{change}\n  lost: {worse}\n  came: {after.sign_ins}\n  found: {reported or 'nothing'}"
    if unseen:
        return f"{change}\n  predicted and not seen: {unseen}\n  came: {after.sign_ins}"
    return ""


@cache
def tried(seed: int) -> tuple[Change | None, Verdict]:
    """Return the change of a seed, and what came of it."""
    change = drawn(seed)
    return change, verdict(change) if change is not None else Verdict(applied=False)


def drawn(seed: int) -> Change | None:
    """Return the change of a seed."""
    draw = random.Random(f"change {seed}")
    base = draw.choice(("small", "small", "small", "pair", "cluster", "devices"))
    return of_records(base, draw) if draw.random() < 0.35 else of_fields(base, draw)
