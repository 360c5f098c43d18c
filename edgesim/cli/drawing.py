"""Ladders for the command line: columns from outside to inside, roles below the names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from edgesim.cli import output
from edgesim.deployment import Deployment, HostSpec, builtin, names
from edgesim.journal import Entry, Event, Selection, events, ladder, ladder_mermaid, ladder_svg, ladder_text

FORMS = ("text", "svg", "mermaid")
SUFFIXES = {"svg": ".svg", "mermaid": ".mmd"}
ROLES = {
    "client": "client",
    "dns": "DNS",
    "load_balancer": "load balancer",
    "expressway_e": "Expressway-E",
    "expressway_c": "Expressway-C",
    "unified_cm": "Unified CM",
    "im_presence": "IM and Presence",
}
_FROM_OUTSIDE = ("load_balancer", "expressway_e", "expressway_c", "dns", "unified_cm", "im_presence")


def role(spec: HostSpec) -> str:
    """Return a host's role in words."""
    if spec.kind == "dns":
        return f"DNS {spec.view}"
    return ROLES.get(spec.kind, spec.kind)


def order(deployment: Deployment) -> list[str]:
    """Return the hosts from outside to inside, in the order of a ladder's columns."""

    def rank(spec: HostSpec) -> tuple[int, int]:
        inside = spec.view == "inside"
        if spec.kind == "client":
            return (0, 0) if spec.interfaces[0].zone == "internet" else (9, 0)
        if spec.kind == "dns" and not inside:
            return (1, 0)
        return (2 + _FROM_OUTSIDE.index(spec.kind), 0) if spec.kind in _FROM_OUTSIDE else (8, 0)

    return [spec.name for spec in sorted(deployment.host_specs(), key=rank)]


def roles(deployment: Deployment) -> dict[str, str]:
    """Return each host's role."""
    return {spec.name: role(spec) for spec in deployment.host_specs()}


def likely(entries: Iterable[Entry[Event]]) -> Deployment | None:
    """Return the built-in deployment that has every host of a journal, or None."""
    hosts = {entry.node for entry in entries if entry.incarnation}
    for name in names():
        deployment = builtin(name)
        if hosts <= {spec.name for spec in deployment.host_specs()}:
            return deployment
    return None


def build(
    entries: Iterable[Entry[Event]],
    deployment: Deployment | None = None,
    *,
    select: Selection | None = None,
    secrets: bool = False,
    title: str = "",
    marks: Sequence[str] = (),
    startup: int = 0,
) -> ladder.Ladder:
    """Return the ladder of entries, with the columns of a deployment where it is known."""
    return ladder.build(
        entries,
        select=select,
        roles=roles(deployment) if deployment is not None else {},
        order=order(deployment) if deployment is not None else (),
        secrets=secrets,
        title=title,
        marks=marks,
        startup=startup,
    )


def beginning(entries: Sequence[Entry[Event]], deployment: Deployment | None) -> int:
    """Return how many entries come before the story: before the first step, or a client's first action.

    With neither, the story begins at the first entry.
    """
    clients = {spec.name for spec in deployment.host_specs() if spec.kind == "client"} if deployment else set()
    for place, entry in enumerate(entries):
        acts = entry.kind != events.HostStateChanged.kind and clients & {entry.node, entry.peer}
        if isinstance(entry.event, events.Step) or acts:
            return place
    return 0


def story(entries: Iterable[Entry[Event]], deployment: Deployment | None = None) -> list[Entry[Event]]:
    """Return the entries without those beside the story: of unused machines, and of hosts that shut down at the end."""
    everything = list(entries)
    last_step = max(
        (place for place, entry in enumerate(everything) if isinstance(entry.event, events.Step)), default=0
    )
    end = next(
        (place for place, entry in enumerate(everything) if place > last_step and is_shutdown(entry)), len(everything)
    )
    everything = everything[:end]
    if deployment is None:
        return everything
    busy = {name for entry in everything if entry.kind != "host.state" for name in (entry.node, entry.peer)}
    idle = {spec.name for spec in deployment.host_specs() if spec.kind == "client"} - busy
    return [entry for entry in everything if entry.node not in idle]


def is_shutdown(entry: Entry[Event]) -> bool:
    """Return whether an entry says that a host was stopped gracefully, as all are at the end of a run."""
    return isinstance(entry.event, events.HostStateChanged) and entry.event.state == "stopped"


def render(drawn: ladder.Ladder, form: str) -> str:
    """Return a ladder as SVG or Mermaid."""
    return ladder_svg.render(drawn) if form == "svg" else ladder_mermaid.render(drawn)


def show(drawn: ladder.Ladder, *, width: int | None = None, details: bool = False, indent: str = "") -> None:
    """Print a ladder as text, in colour on a terminal."""
    cells = (width or output.width()) - len(indent)
    ascii_only = output.is_ascii()
    if not output.is_terminal():
        text = ladder_text.render(drawn, cells, ascii=ascii_only, details=details)
        click.echo("".join(f"{indent}{line}".rstrip() + "\n" for line in text.splitlines()), nl=False)
        return
    from rich.console import Console

    styled = ladder_text.rich_text(drawn, cells, ascii=ascii_only, details=details)
    console = Console(width=cells + len(indent), highlight=False, markup=False, emoji=False)
    for line in styled.split("\n", allow_blank=False):
        console.print(line if not indent else line.__class__(indent).append_text(line), soft_wrap=True)


def save(drawn: ladder.Ladder, form: str, beside: Path) -> Path:
    """Write a ladder as SVG or Mermaid beside a journal; return the file."""
    path = beside.with_suffix(SUFFIXES[form])
    path.write_text(render(drawn, form), encoding="utf-8")
    return path
