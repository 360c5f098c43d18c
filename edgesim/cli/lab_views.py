"""Prints a lab that has come up: tables and next steps, or one JSON object."""

from __future__ import annotations

import json

import click

from edgesim.cli import drawing, guide, output, services
from edgesim.cli.live_lab import Ready


def print_json(ready: Ready) -> None:
    """Print the lab as one line of JSON."""
    deployment, running = ready.deployment, ready.running
    listening = services.listening(deployment, ready.sockets)
    value = {
        "deployment": deployment.name,
        "ready_seconds": round(ready.seconds, 3),
        "complete": ready.complete,
        "process": running.process,
        "domain": deployment.domains.edge,
        "hosts": [
            {
                "name": spec.name,
                "role": drawing.role(spec),
                "kind": spec.kind,
                "fqdn": spec.fqdn,
                "addresses": [{"address": each.address, "zone": each.zone} for each in spec.interfaces],
                "listens": [
                    {"address": row.address, "port": row.port, "protocol": row.protocol, "service": row.service}
                    for row in listening
                    if row.host == spec.name
                ],
            }
            for spec in deployment.host_specs()
        ],
        "users": [
            {
                "id": user.id,
                "password": user.password,
                "name": user.display_name,
                "numbers": list(user.numbers),
                "devices": list(user.devices),
            }
            for user in deployment.users
        ],
        "ca_file": running.ca_file,
        "dns": {"outside": running.resolver, "inside": running.inside_resolver},
        "provision": guide.provisioning_link(deployment),
        "control": {"url": running.control, "token": running.token},
        "journal": running.journal,
    }
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def print_tables(ready: Ready) -> None:
    """Print tables of hosts and users, and the next steps."""
    deployment, running = ready.deployment, ready.running
    output.say(f"The lab `{deployment.name}` is up after {ready.seconds:.2f} s. Ctrl-C stops it.", bold=True)
    if not ready.complete:
        output.say("Not every link is up (`edgesim status`, `edgesim zones`):", fg="yellow")
        for line in ready.down:
            output.say(f"  {line}", fg="yellow")
    output.say()
    hosts = output.table("host", "role", "address", "zone", "port", "service")
    listening = services.listening(deployment, ready.sockets)
    for spec in deployment.host_specs():
        if spec.kind == "client":
            continue
        shown = (spec.name, drawing.role(spec))
        for interface in spec.interfaces:
            where = (interface.address, interface.zone)
            for row in listening:
                if row.host == spec.name and row.address == interface.address:
                    port = f"{row.port} udp" if row.protocol == "udp" else str(row.port)
                    hosts.add_row(*shown, *where, f"{port} +udp" if "+" in row.protocol else port, row.service)
                    shown, where = ("", ""), ("", "")
    output.show(hosts)
    output.say()
    users = output.table("user", "password", "name", "number", "devices")
    for user in deployment.users:
        devices = ", ".join(user.devices)
        users.add_row(user.id, user.password, user.display_name, ", ".join(user.numbers), devices)
    output.show(users)
    output.say()
    _next_steps(ready)
    output.say(f"journal  {running.journal}")


def _next_steps(ready: Ready) -> None:
    deployment, running = ready.deployment, ready.running
    told = guide.guide(deployment, running.ca_file)
    output.say("Trust these CAs in clients, for tests only (private to this installation):", bold=True)
    output.say(f"  {running.ca_file}")
    output.say()
    output.say("Try, in another terminal:", bold=True)
    for line in guide.commands(deployment, running.ca_file, ready.directory):
        output.say(f"  {line}")
    output.say()
    output.say("Point this machine's resolver at the lab, for real clients on it:", bold=True)
    for platform, lines in told.resolver().items():
        output.say(f"  {platform}")
        for line in lines:
            output.say(f"    {line}")
    output.say()
    output.say("Set Jabber's domain with this link:", bold=True)
    output.say(f"  {guide.provisioning_link(deployment)}")
    output.say()
