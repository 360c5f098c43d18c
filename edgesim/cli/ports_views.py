"""Prints the documented ports: as a table, as a picture of zones, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.text import Text

from edgesim.cli import output
from edgesim.deployment import Deployment
from edgesim.deployment.flows import KINDS, ROLES, FlowKind, Numbers, ports_text
from edgesim.deployment.reach import End, FirewallAnalysis, Flow

SIZES = ("medium", "large")


# ---- the documented list


def _documented(kind: FlowKind) -> Iterator[tuple[str, str]]:
    """Yield the ports of a line, with the size of the E that they belong to if sizes differ."""
    texts = [ports_text(kind.ports(Numbers.of(size=size))) for size in SIZES]
    if len(set(texts)) == 1:
        yield texts[0], ""
    else:
        yield texts[0], "small, medium"
        yield texts[1], "large"


def _sources(kind: FlowKind) -> str:
    return ports_text(kind.source_ports(Numbers.of())) if kind.source_ports else ""


def show_documented() -> None:
    """Print the list with its documented numbers."""
    table = output.table("from", "source ports", "to", "protocol", "ports", "carries", "documented")
    for kind in KINDS:
        for ports, size in _documented(kind):
            carries = kind.carries + (f" ({size} system)" if size else "") + ("" if kind.required else "; optional")
            documents = ", ".join(kind.rows) or kind.document
            table.add_row(
                ROLES[kind.source], _sources(kind), ROLES[kind.target], kind.protocol, ports, carries, documents
            )
    output.show(table, indent=0)


def documented_json() -> list[dict[str, Any]]:
    """Return the list as plain data."""
    return [
        {
            "flow": kind.name,
            "from": kind.source,
            "to": kind.target,
            "protocol": kind.protocol,
            "ports": ports,
            "size": size,
            "source_ports": _sources(kind),
            "carries": kind.carries,
            "rows": list(kind.rows),
            "required": kind.required,
        }
        for kind in KINDS
        for ports, size in _documented(kind)
    ]


# ---- a deployment's


def as_json(flow: Flow) -> dict[str, Any]:
    """Return a flow as plain data."""
    return {
        "flow": flow.kind.name,
        "from": _json_end(flow.source),
        "to": _json_end(flow.target),
        "protocol": flow.kind.protocol,
        "ports": ports_text(flow.ports),
        "source_ports": ports_text(flow.source_ports) if flow.kind.source_ports else "",
        "carries": flow.kind.carries,
        "rows": list(flow.kind.rows),
        "required": flow.kind.required,
        "open": flow.open,
        "blocked": [
            {
                "ports": ports_text(each.ports),
                "source_ports": ports_text(each.source_ports) if flow.kind.source_ports else "",
                "firewall": each.firewall,
                "rule": each.rule,
                "verdict": each.verdict,
            }
            for each in flow.blocked
        ],
    }


def _json_end(end: End) -> dict[str, str]:
    return {"name": end.name, "address": end.address, "zone": end.zone}


def _together(flows: Iterable[Flow]) -> list[list[Flow]]:
    """Return flows in groups that differ in their source only."""
    groups: dict[tuple[object, ...], list[Flow]] = {}
    for flow in flows:
        key = (flow.kind.name, flow.target, flow.ports, flow.source.zone, flow.blocked)
        groups.setdefault(key, []).append(flow)
    return list(groups.values())


def _from(group: Sequence[Flow]) -> str:
    if len(group) == 1:
        return _end(group[0].source)
    return ", ".join(flow.source.name for flow in group)


def _end(end: End) -> str:
    return f"{end.name} {end.address}"


def _verdict(flow: Flow) -> Text:
    if flow.open:
        return Text("open", "green")
    lines = []
    for each in flow.blocked:
        part = "" if each.ports == flow.ports else f" {ports_text(each.ports)}"
        if each.source_ports != flow.source_ports:
            part += f" from {ports_text(each.source_ports)}"
        lines.append(f"blocked{part} by {each.firewall}: {each.rule}")
    return Text("\n".join(lines), "red" if flow.kind.required else "yellow")


def show(deployment: Deployment, found: Sequence[Flow], shown: Sequence[Flow]) -> None:
    """Print a deployment's flows, and how many are blocked."""
    if shown:
        table = output.table("from", "source ports", "to", "protocol", "ports", "carries", "documented", "firewalls")
        for group in _together(shown):
            flow = group[0]
            carries = flow.kind.carries + ("" if flow.kind.required else "; optional")
            sources = ports_text(flow.source_ports) if flow.kind.source_ports else ""
            documents = ", ".join(flow.kind.rows) or flow.kind.document
            table.add_row(
                _from(group),
                sources,
                _end(flow.target),
                flow.kind.protocol,
                ports_text(flow.ports),
                carries,
                documents,
                _verdict(flow),
            )
        output.show(table, indent=0)
        output.say()
    name = deployment.source or deployment.name
    shut = [flow for flow in found if not flow.open]
    if not shut:
        output.say(f"{name}: no firewall blocks any of {len(found)} documented flows", fg="green")
    else:
        required = sum(flow.kind.required for flow in shut)
        output.say(
            f"{name}: {len(shut)} of {len(found)} documented flows are blocked, {required} of them required", fg="red"
        )


# ---- a picture


def draw(deployment: Deployment, shown: Sequence[Flow]) -> None:
    """Print the zones from the internet inward, their machines, and what crosses each firewall."""
    analysis = FirewallAnalysis(deployment)
    paths = analysis.paths
    good, bad = ("+", "x") if output.is_ascii() else ("✓", "✗")
    zones = paths.network.zones
    for zone in sorted(zones, key=lambda each: (paths.distance(paths.root, each.name), zones.index(each))):
        indent = "  " * paths.distance(paths.root, zone.name)
        for wall in (each for each in paths.network.firewalls if each.inner == zone.name):
            output.say(f"{indent}firewall {wall.name}", bold=True)
            for group in _together(flow for flow in shown if _meets(analysis, flow, wall.name)):
                flow = group[0]
                here = [each for each in flow.blocked if each.firewall == wall.name]
                way = f"{_from(group)} -> {flow.target.name} {flow.kind.protocol} {ports_text(flow.ports)}"
                text = f"{indent}  {bad if here else good} {way}  {flow.kind.carries}"
                output.say(text + "".join(f"  [{each.rule}]" for each in here), fg="red" if here else None)
        machines = [
            f"{spec.name} {interface.address}"
            for spec in deployment.host_specs()
            for interface in spec.interfaces
            if paths.known(interface.zone) == zone.name
        ]
        output.say(f"{indent}{zone.name}: {', '.join(machines) or 'no machine'}")


def _meets(analysis: FirewallAnalysis, flow: Flow, wall: str) -> bool:
    """Return whether a flow crosses a firewall or ends at it: one to a public address ends at its mapping."""
    if any(each.firewall == wall for each in flow.blocked):
        return True
    return any(each.name == wall for each, _ in analysis.paths.way(flow.source.zone, flow.target.zone))
