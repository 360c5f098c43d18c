"""Which of Expressway-E's interfaces each service listens on, and what firewalls and NAT make of the links from C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import pytest

from edgesim.deployment import builtin
from edgesim.journal import Event, Journal, events
from edgesim.lab import RunningLab
from edgesim.world.sim import SimWorld

E = TypeVar("E", bound=Event)
SINGLE = {
    "expressway_e.expe.outer": "10.0.10.10",
    "expressway_e.expe.inner": None,
    "expressway_e.expe.static_nat": "203.0.113.10",
}
REFLECTION = {"network.firewalls.external.reflection": True}
OUTER, INNER = "203.0.113.10", "10.0.20.10"


class Played(NamedTuple):
    """A lab as it was when its links stood, or did not: its journal, and where E listened."""

    journal: Journal
    listening: list[tuple[str, int]]

    def reported(self, kind: type[E], node: str) -> list[tuple[str | None, E]]:
        """Return the events of a class that a node wrote, each with its peer."""
        entries = self.journal.select(kind=kind.kind, node=node)
        return [(entry.peer, entry.event) for entry in entries if isinstance(entry.event, kind)]

    def links(self) -> dict[int, bool]:
        """Say which of C's links to E stood in the end, by port: traversal zone, SSH tunnel, XCP."""
        zones = [event.state for _, event in self.reported(events.ZoneState, "expc") if event.zone == "UCTraversal"]
        tunnels = [event.state for _, event in self.reported(events.SshTunnel, "expc")]
        xcp = [
            event.state for peer, event in self.reported(events.XcpLink, "expc") if peer in ("expe", "expe.example.com")
        ]
        return {7001: zones[-1].endswith("Active"), 2222: tunnels[-1] == "up", 7400: xcp[-1] == "up"}

    def blocked(self) -> set[tuple[str, int]]:
        """Return which firewall blocked which port for C."""
        return {(event.firewall, event.port) for _, event in self.reported(events.FirewallBlocked, "expc")}


def play(changes: Mapping[str, Any]) -> Played:
    """Run a small lab with some changes until its links are up, or for 20 seconds."""
    world = SimWorld(1)
    lab = RunningLab(world, builtin("small").changed(changes))
    listening: list[tuple[str, int]] = []

    async def main() -> None:
        await lab.start(settle=20)
        listening.extend(row.local for row in world.sockets("expe") if row.state == "LISTEN")
        lab.journal.close()

    world.run(main())
    assert not world.errors(), world.unhandled
    return Played(lab.journal, sorted(listening, key=lambda place: (place[1], place[0])))


def test_with_two_interfaces_clients_come_outside_xcp_inside_and_c_by_either() -> None:
    played = play({})
    assert played.listening == [
        (INNER, 2222),
        (OUTER, 2222),
        (OUTER, 5061),
        (OUTER, 5222),
        (INNER, 7001),
        (OUTER, 7001),
        (INNER, 7400),
        (OUTER, 8443),
    ]
    assert played.links() == {7001: True, 2222: True, 7400: True}


def test_with_one_interface_everything_is_on_it() -> None:
    played = play({**SINGLE, **REFLECTION})
    assert played.listening == [("10.0.10.10", port) for port in (2222, 5061, 5222, 7001, 7400, 8443)]


def test_by_the_outer_interface_the_zone_and_the_tunnel_come_up_and_xcp_is_refused() -> None:
    played = play({"dns.split": False})
    assert played.links() == {7001: True, 2222: True, 7400: False}
    failed = [(event.remote, event.reason) for _, event in played.reported(events.TcpFailed, "expc")]
    assert set(failed) == {(f"{OUTER}:7400", "refused")}


@pytest.mark.parametrize("port", [7001, 2222, 7400])
def test_each_port_of_the_inner_firewall_closed_alone_stops_its_own_link(port: int) -> None:
    played = play({"network.firewalls.internal.closed": [f"tcp {port}"]})
    assert played.blocked() == {("internal", port)}
    assert played.links() == {each: each != port for each in (7001, 2222, 7400)}


def test_one_interface_behind_static_nat_needs_reflection() -> None:
    without = play(SINGLE)
    assert without.blocked() == {("external", 7001), ("external", 2222), ("external", 7400)}
    assert not any(without.links().values())
    turned = play({**SINGLE, **REFLECTION})
    assert not turned.blocked()
    assert all(turned.links().values())


@pytest.mark.parametrize(("keeps", "seen"), [(False, "10.0.10.1"), (True, "10.0.30.10")])
def test_e_sees_the_firewalls_address_in_place_of_c_where_that_rewrites_sources(keeps: bool, seen: str) -> None:
    wall = {"network.firewalls.external.address": "10.0.10.1", "network.firewalls.external.keeps_source": keeps}
    played = play({**SINGLE, **REFLECTION, **wall})
    peers = [(peer, event.remote.partition(":")[0]) for peer, event in played.reported(events.TlsUp, "expe")]
    assert set(peers) == {("expc", seen)}


def test_behind_one_shared_address_no_link_comes_up() -> None:
    nat = {"network.firewalls.internal.nat": [f"source inside -> dmz as {OUTER}"]}
    played = play({"expressway_e.expe.outer": "10.0.10.10", "expressway_e.expe.static_nat": OUTER, **nat})
    assert played.blocked() == {("internal", 7001), ("internal", 2222), ("internal", 7400)}
    assert not any(played.links().values())
