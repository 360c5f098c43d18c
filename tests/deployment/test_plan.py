"""What an author wrote and what is built from it: complete, frozen, and with the grounds of every derived value."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from edgesim.deployment import Deployment, DeploymentError, Plan, as_yaml, builtin, load, load_text, names, resolve
from edgesim.deployment.base import Model
from edgesim.deployment.mistakes import FieldPath
from edgesim.deployment.plan.walk import parts_of
from edgesim.scenario.discover import find

ROOT = Path(__file__).parents[2]
MANY_SECTIONS: dict[str, Any] = {
    "expressway_e.expe.inner": None,
    "expressway_e.expe.outer": "10.0.10.10",
    "expressway_e.expe.static_nat": "203.0.113.10",
    "load_balancer": {"name": "balancer", "address": "203.0.113.99"},
    "unity_connection": [{"publisher": {"name": "cuc-pub", "address": "10.0.40.31"}}],
    "mra.media_probe": {"to": "inside-1"},
    "mra.allow_list": [{"url": "https://photos.example.com/"}],
    "cms_web_proxy": {"guest_account_client_uri": "join.example.com"},
    "dns.extra": [{"view": "inside", "name": "a.example.com", "type": "A", "value": "10.0.40.99"}],
    "dns.without": [{"view": "inside", "name": "a.example.com", "type": "AAAA"}],
    "expressway_c.expc.hsm": {},
    "devices": [{"name": "SEP001", "type": "8845", "owner": "alice"}],
    "clients.jabber-2.device": "SEP001",
    "certificates": [
        {"host": "ucm-sub", "service": "tomcat", "strips": ["client auth"]},
        {"host": "ucm-pub", "service": "tomcat", "signed_by": "self-signed"},
    ],
    "trust": [{"host": "expc", "store": "trusted-ca", "holds": ["public"], "adds": ["private"], "lacks": ["public"]}],
}
"""Changes of ``small`` by which every section has something in it, written and derived."""


@cache
def deployments() -> dict[str, Deployment]:
    """Return every built-in deployment, the examples, those of scenarios, and one with something in each section."""
    found = {name: builtin(name) for name in names()}
    found |= {path.name: load(path) for path in sorted(ROOT.glob("docs/examples/*.yaml"))}
    found["every section"] = builtin("small").changed(MANY_SECTIONS)
    for scenario in find([], home=ROOT / "scenarios"):
        key = f"{scenario.deployment} {scenario.changes}"
        if key not in found:
            found[key] = load(scenario.deployment).changed(scenario.changes or {})
    assert len(found) > 50
    return found


def test_a_plan_survives_being_built_and_written() -> None:
    for name, deployment in deployments().items():
        assert resolve(deployment.plan) == deployment, name
        again = load_text(as_yaml(deployment, reveal=True))
        assert again.plan == deployment.plan, name
        assert again == deployment, name


def test_what_is_written_in_full_needs_no_grounds() -> None:
    full = load_text(as_yaml(builtin("small").changed(MANY_SECTIONS), full=True, reveal=True))
    assert full.grounds == {}


# ---- two types with one set of fields


def none_left_out(annotation: Any) -> Any:
    """Return an annotation without its None."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kept = [each for each in typing.get_args(annotation) if each is not type(None)]
        return typing.Union[tuple(kept)]  # noqa: UP007  of a list of types there is no other form
    return annotation


def built_of(annotation: Any) -> type | None:
    """Return the built type that an annotation is about, if any."""
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation) and not issubclass(annotation, Model):
        return annotation if annotation.__module__.startswith("edgesim.deployment") else None
    return next((found for each in typing.get_args(annotation) if (found := built_of(each))), None)


def pairs(plan: type[Model] = Plan, built: type = Deployment) -> Iterator[tuple[type[Model], type]]:
    """Yield each type of a plan with that of a deployment, from the top down."""
    yield plan, built
    hints = typing.get_type_hints(built)
    for name, _, part in parts_of(plan):
        sub = built_of(hints[name])
        if part is not None and sub is not None and sub.__module__ != "edgesim.deployment.releases":
            yield from pairs(part, sub)


PAIRS = dict(pairs())
BESIDE = {"plan", "resolution"}
"""What a deployment has beside the sections of its plan."""


def test_a_built_part_has_the_fields_of_its_plan_and_what_is_derived_is_not_optional() -> None:
    assert len(PAIRS) > 20
    for plan, built in PAIRS.items():
        written, complete = typing.get_type_hints(plan), typing.get_type_hints(built)
        assert set(plan.model_fields) == {each.name for each in dataclasses.fields(built)} - BESIDE, built
        for name, _, part in parts_of(plan):
            if part is None or part not in PAIRS:
                assert complete[name] in (written[name], none_left_out(written[name])), (built, name)


MAY_BE_ABSENT = {
    "Deployment.cms_web_proxy": "the Web Proxy for Meeting Server is not configured",
    "Deployment.load_balancer": "no load balancer stands before E",
    "ClientHost.device": "it is a machine on which Jabber runs",
    "ClientHost.dhcp_tftp_option": "its network names no TFTP server",
    "ClientHost.ipv6": "it has no IPv6 address",
    "Certificate.expires_after_s": "it does not expire during a run",
    "Device.firmware": "it is Jabber, whose release is that of its machine",
    "Device.line": "it has no directory number",
    "Device.owner": "nobody owns it",
    "ExpresswayC.hsm": "it has no hardware security module",
    "ExpresswayE.hsm": "it has no hardware security module",
    "ExpresswayE.inner": "it has one interface",
    "ExpresswayE.inner_name": "the inner address has no name of its own",
    "ExpresswayE.outer_ipv6": "it has no IPv6 address",
    "ExpresswayE.static_nat": "no firewall translates its address",
    "Firewall.address": "what turns round comes from the public address of its mapping",
    "Mra.expressway_c_cluster": "the Expressway-Cs have no name in common",
    "Mra.expressway_e_cluster": "the Expressway-Es have no name in common",
    "Mra.media_probe": "there is no media channel without a call",
    "User.im_presence_node": "the user has no chat",
    "User.service_profile": "the user has no service profile",
    "Zone.outward": "it is the internet",
    "Zone.site": "nobody says where it is",
}
"""Where None stands in a deployment, and what it says."""


def test_none_says_that_there_is_no_such_thing() -> None:
    found = {
        f"{built.__name__}.{name}"
        for built in PAIRS.values()
        for name, hint in typing.get_type_hints(built).items()
        if type(None) in typing.get_args(hint)
    }
    assert found == set(MAY_BE_ABSENT)


# ---- frozen


def parts(value: Any) -> Iterator[Any]:
    """Yield every built part of a deployment, itself first."""
    if isinstance(value, tuple):
        for each in value:
            yield from parts(each)
    elif type(value) in PAIRS.values():
        yield value
        for field in dataclasses.fields(value):
            if field.name not in BESIDE:
                yield from parts(getattr(value, field.name))


def test_nothing_can_be_assigned_to_what_is_built() -> None:
    seen = set()
    for part in parts(deployments()["every section"]):
        seen.add(type(part))
        for name in [each.name for each in dataclasses.fields(part)]:
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(part, name, getattr(part, name))
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            part.note = "something new"
        assert type(part) is Deployment or not hasattr(part, "__dict__"), type(part)
    assert seen == set(PAIRS.values())


# ---- grounds


def fields(value: Any, plan: type[Model] = Plan, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Any, Any]]:
    """Yield every field of a deployment: path, value, and declaration in the plan."""
    for name, field, part in parts_of(plan):
        here, at = getattr(value, name), (*path, name)
        yield at, here, field
        if part is None or here is None or here == field.default:
            continue
        if isinstance(here, tuple):
            for place, each in enumerate(here):
                yield from fields(each, part, (*at, place))
        else:
            yield from fields(here, part, at)


def deepest(grounds: Mapping[FieldPath, Any], path: FieldPath) -> FieldPath:
    """Return the deepest part of a path that has grounds; an empty one where none has."""
    return next((path[:end] for end in range(len(path), 0, -1) if path[:end] in grounds), ())


def is_part(value: Any) -> bool:
    return type(value) in PAIRS.values() or (isinstance(value, tuple) and any(map(is_part, value)))


def test_every_value_is_written_a_default_or_has_grounds() -> None:
    for name, deployment in deployments().items():
        for path, value, field in fields(deployment):
            if deployment.is_written(path) or path in deployment.grounds:
                continue
            if field.is_required():  # what makes a derived part that part: its grounds are those of the part
                assert deepest(deployment.grounds, path), (name, path)
            elif isinstance(value, tuple) and not is_part(value):
                assert [each for place, each in enumerate(value) if (*path, place) not in deployment.grounds] == list(
                    field.default
                ), (name, path)
            elif not is_part(value):
                of_a_derived_part = deepest(deployment.grounds, path) and path[-1] in ("type",)
                assert value == field.default or isinstance(value, Model) or of_a_derived_part, (name, path, value)


def test_what_is_written_has_no_grounds() -> None:
    for name, deployment in deployments().items():
        for path in deployment.grounds:
            if deployment.is_written(path):
                narrowed = path[0] in ("trust", "certificates") and path[-1] in ("holds", "server_auth", "client_auth")
                assert narrowed, (name, path)


def at(deployment: Deployment, path: FieldPath) -> Any:
    value: Any = deployment
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def test_grounds_lead_to_what_the_plan_has() -> None:
    for name, deployment in deployments().items():
        for path, derivation in deployment.grounds.items():
            at(deployment, path)
            origin, steps = path, 0
            while derived := next(
                (o for n in range(len(origin), 0, -1) if (o := origin[:n]) in deployment.grounds), None
            ):
                origin, steps = deployment.grounds[derived].origin, steps + 1
                at(deployment, origin)
                assert steps < 10, (name, path)
            assert derivation.why and len(derivation.why) < 60, (name, path)


@pytest.mark.parametrize(
    ("origin", "value", "derived"),
    [
        ("domains.edge", "other.test", ("domains", "enabled")),
        ("domains.inside", "other.test", ("expressway_c", 0, "domain")),
        ("expressway_e.0.domain", "other.test", ("expressway_e", 0, "dns_domain")),
        ("unified_cm.0.publisher.name", "other", ("unified_cm", 0, "tftp")),
        ("unified_cm.0.name", "other", ("im_presence", 0, "unified_cm")),
        ("unified_cm.0.name", "other", ("users", 0, "home_cluster")),
        ("mra.expressway_c_cluster", "other.test", ("traversal_zone", "tls_verify_subject_name")),
        ("expressway_c.0.name", "other", ("traversal_zone", "tls_verify_subject_name")),
        ("traversal_zone.password", "another", ("traversal_zone", "server_password")),
        ("defaults.ports.edge_https", 443, ("network", "firewalls", 0, "rules")),
        ("defaults.network.firewall_idle_tcp_s", 7, ("network", "firewalls", 0, "idle_tcp_s")),
        ("users.0.id", "zoe", ("users", 0, "mail")),
        ("users.0.mail", "zoe@other.test", ("users", 0, "directory_uri")),
        ("users.0.numbers", ["77"], ("devices", 0, "line")),
        ("users.0.first_name", "Zoe", ("devices", 0, "description")),
        ("defaults.tls.sends", "chain", ("certificates", 0, "sends")),
    ],
)
def test_a_derived_value_follows_its_origin(origin: str, value: Any, derived: FieldPath) -> None:
    small = builtin("small")
    changed = small.changed({origin: value})
    assert at(changed, derived) != at(small, derived)
    grounds, step = changed.grounds, changed.grounds[derived].origin
    chain = [step]
    while step in grounds:
        chain.append(step := grounds[step].origin)
    wanted = tuple(int(each) if each.isdigit() else each for each in origin.split("."))
    assert any(each[: len(wanted)] == wanted[: len(each)] for each in chain), chain


def test_the_full_listing_says_how_a_value_is_derived() -> None:
    text = as_yaml(builtin("small"), full=True)
    assert "    mail: alice@example.com  # derived: the id at the edge domain" in text
    assert "  firewalls:  # derived: the documented design" in text
    assert "  - name: CSFALICE  # derived: a device of a user's list" in text
    assert '  server_password: "********"  # derived: the same as that of C' in text
    assert "    release: X14.3  # default" in text


# ---- derived values are held to what written ones are

BAD: list[tuple[dict[str, Any], str, str]] = [
    (
        {"users.0.first_name": "A" * 64, "users.0.last_name": "B" * 64},
        "users[0]",
        "gives the implied device CSFALICE with the description 'A.*: expected at most 128 characters",
    ),
    (
        {"network.zones": [{"name": "outer-dmz"}, {"name": "dmz"}, {"name": "inside"}]},
        "network.zones[0].name",
        r"gives the network\.zones\[0\]\.outward 'internet': no such zone; known: outer-dmz, dmz, inside",
    ),
    (
        {"expressway_e.expe.name": "70000"},
        "expressway_e[0].name",
        r"gives the network\.firewalls\[1\]\.rules\[0\] 'allow tcp inside -> 70000:.*: expected an address",
    ),
    (
        {"expressway_e.expe.name": "dmz"},
        "expressway_e[0].name",
        r"gives the network\.firewalls\[1\]\.rules\[0\] 'allow tcp inside -> dmz:.*: dmz is both a zone and a host",
    ),
    (
        {"expressway_e.expe.inner_name": "x" * 63, "expressway_e.expe.domain": ".".join(["y" * 63] * 3)},
        "expressway_e[0]",
        "gives the certificate server of expe with the names 'x.*': expected a DNS name",
    ),
    (
        {"domains.edge": ".".join(["x" * 63] * 3 + ["y" * 40])},
        "domains.edge",
        r"gives the im_presence\[0\]\.chat_aliases\[0\] 'conference.*': expected a DNS domain",
    ),
]


@pytest.mark.parametrize(("changes", "field", "told"), BAD)
def test_an_invalid_derived_value_is_reported_at_its_origin(changes: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(DeploymentError, match=told) as raised:
        builtin("small").changed(changes)
    assert field in {each.field for each in raised.value.mistakes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"users.alice.home_cluster": "nowhere"}, "users[0].home_cluster"),
        ({"defaults.ports.edge_media_first": 60_000}, "defaults.ports.edge_media_first"),
    ],
)
def test_a_mistake_is_not_reported_again_at_derived_values(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(DeploymentError) as raised:
        builtin("small").changed(changes)
    assert [each.field for each in raised.value.mistakes] == [field]


def test_a_change_may_name_a_part_that_was_not_written() -> None:
    small = builtin("small")
    rules = small.network.firewalls[1].rules
    closed = small.changed({"network.firewalls.internal.rules.4": "drop any any -> any"})
    assert closed.network.firewalls[1].rules == (*rules[:4], "drop any any -> any")
    assert closed.network.firewalls[0] == small.network.firewalls[0]
    renamed = small.changed({"devices.TCTALICE.description": "a phone", "certificates.0.sends": "chain"})
    assert renamed.device("TCTALICE").description == "a phone" and renamed.device("TCTALICE").type == "iphone"
    assert len(renamed.devices) == len(small.devices) and renamed.certificates[0].sends == "chain"
    assert renamed.certificates[1:] == small.certificates[1:]
    with pytest.raises(DeploymentError, match="no field is called 'pinned'"):
        small.changed({"network": "flat", "network.pinned": ["order"]})


def test_every_derived_value_is_one_that_an_author_could_write() -> None:
    for name, deployment in deployments().items():
        for path, value, field in fields(deployment):
            if path in deployment.grounds and not is_part(value):
                adapter: TypeAdapter[Any] = TypeAdapter(typing.Annotated[(field.annotation, *field.metadata, "")])
                assert adapter.validate_python(value) == value, (name, path)


def test_a_plan_reports_its_mistakes_with_lines() -> None:
    plan = builtin("small").plan
    assert plan.line_of(("users", 1, "id")) == 28 and plan.source == "small.yaml"
    wrong = plan.model_copy(update={"users": (*plan.users, plan.users[0])})
    with pytest.raises(DeploymentError, match=r"small\.yaml:\d+: users\[3\]\.id: 'alice': duplicate user"):
        resolve(wrong)
