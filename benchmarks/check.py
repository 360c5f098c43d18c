"""How long the readiness check takes: every rule over a deployment that is read already, and the whole of a command.

Six nodes are two Expressway-Es, two Expressway-Cs, a Unified CM node and an IM and Presence node. The large deployment
has six of each Expressway, eight Unified CM nodes, six of IM and Presence, and a crowd of users with a device each.
Broken means that much is wrong at once, so that findings have to be written too.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.report import Figure, Scale, command
from edgesim.deployment import Deployment, as_yaml, load, load_text
from edgesim.readiness import check
from edgesim.world.machine import stopwatch

ROUNDS = {Scale.TINY: 1, Scale.NORMAL: 20, Scale.FULL: 100}
USERS = {Scale.TINY: 5, Scale.NORMAL: 1000, Scale.FULL: 1000}
AIM_MS = 200.0
BROKEN: dict[str, Any] = {
    "dns.cisco_uds_outside": True,
    "expressway_e.0.release": "X8.5",
    "expressway_c.0.also_serves": ["Jabber Guest", "Microsoft gateway"],
    "unified_cm.0.release": "11.5(1)SU2",
    "unified_cm.0.push_notifications": False,
    "load_balancer": {"name": "balancer", "address": "203.0.113.250"},
    "mra.ice_passthrough": True,
    "mra.access.authentication_path": "SAML SSO",
}


def six_nodes() -> Deployment:
    """Return a sound deployment of six nodes."""
    return load("pair").changed({"unified_cm.0.subscribers": [], "unified_cm.0.call_manager_group": ["ucm-pub"]})


def large(users: int) -> Deployment:
    """Return a sound deployment of the largest size that the products have."""

    def nodes(kind: str, count: int, net: str, first: int) -> list[dict[str, str]]:
        return [{"name": f"{kind}{number}", "address": f"{net}.{first + number}"} for number in range(1, count + 1)]

    edges = [{"name": f"expe{n}", "outer": f"203.0.113.{9 + n}", "inner": f"10.0.20.{9 + n}"} for n in range(1, 7)]
    callers, chats = nodes("ucm", 8, "10.0.40", 10), nodes("imp", 6, "10.0.40", 30)
    people = [
        {"id": f"user{number:04}", "password": "secret", "numbers": [f"{2000 + number}"]} for number in range(users)
    ]
    return load("pair").changed(
        {
            "expressway_e": edges,
            "expressway_c": nodes("expc", 6, "10.0.30", 9),
            "unified_cm.0.publisher": callers[0],
            "unified_cm.0.subscribers": callers[1:],
            "unified_cm.0.call_manager_group": [each["name"] for each in callers[1:4]],
            "im_presence.0.publisher": chats[0],
            "im_presence.0.subscribers": chats[1:],
            "users": people,
            "devices": [],
            "clients.2.device": None,
        }
    )


def milliseconds(deployment: Deployment, rounds: int) -> tuple[float, int]:
    """Return the best of some rounds, and how many findings there were."""
    best, found = float("inf"), 0
    for _ in range(rounds):
        fresh = deployment.changed({})  # what a deployment remembers of its own must not count for later rounds
        began = stopwatch()
        found = len(check(fresh).reported)
        best = min(best, (stopwatch() - began) * 1000)
    return best, found


def run(scale: Scale) -> list[Figure]:
    """Measure it."""
    rounds, six = ROUNDS[scale], six_nodes()
    sound, none = milliseconds(six, rounds)
    if none:
        raise RuntimeError("the sound deployment is not sound")
    broken, findings = milliseconds(six.changed(BROKEN), rounds)
    text = as_yaml(six, reveal=True)
    began = stopwatch()
    check(load_text(text))
    whole = (stopwatch() - began) * 1000
    big, complaints = milliseconds(large(USERS[scale]), max(rounds // 10, 1))
    checked = check(six).checked
    return [
        Figure(what="check: six nodes, sound", value=sound, unit="ms", aim=AIM_MS, how=f"{checked} rules"),
        Figure(what="check: six nodes, broken", value=broken, unit="ms", aim=AIM_MS, how=f"{findings} findings"),
        Figure(what="check: six nodes, with reading the file", value=whole, unit="ms", aim=AIM_MS, how="once"),
        Figure(
            what="check: large deployment",
            value=big,
            unit="ms",
            how=f"26 nodes, {USERS[scale]} users, {complaints} findings",
        ),
    ]


if __name__ == "__main__":
    sys.exit(command({"check": run}))
