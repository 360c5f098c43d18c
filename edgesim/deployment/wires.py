"""The wires of a deployment, ready for a world: its named defaults of the network, less what it pins."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edgesim.deployment.defaults import NetworkDefaults
from edgesim.deployment.plan.network import Pin
from edgesim.world.wires import MILLISECOND, SECOND, Wires


def wires(network: NetworkDefaults, pinned: Collection[Pin]) -> Wires:
    """Return the wires between a deployment's hosts."""
    return Wires(
        latencies={(each.zone, each.other): round(each.ms * MILLISECOND) for each in network.latencies},
        same_zone=round(network.same_zone_ms * MILLISECOND),
        other_zone=round(network.other_zone_ms * MILLISECOND),
        loopback=round(network.loopback_ms * MILLISECOND),
        spread=0.0 if "latency" in pinned else network.latency_spread,
        jitter=0.0 if "jitter" in pinned else network.jitter_share,
        wake=0 if "jitter" in pinned else round(network.wake_ms * MILLISECOND),
        tick=0 if "timers" in pinned else round(network.timer_tick_ms * MILLISECOND),
        shuffled="order" not in pinned,
        loss=network.loss,
        window=network.tcp_window_bytes,
        rto=round(network.tcp_rto_min_s * SECOND),
        rto_max=round(network.tcp_rto_max_s * SECOND),
        user_timeout=round(network.tcp_user_timeout_s * SECOND),
        syn_waits=tuple(_syn_waits(network.tcp_initial_rto_s, network.tcp_connect_timeout_s)),
        datagram=network.udp_payload_bytes,
        first_port=network.first_ephemeral_port,
    )


def _syn_waits(first: float, whole: float) -> Iterator[int]:
    """Yield the pauses after each attempt to connect: doubled each time, and the last as long as is left."""
    wait, left = round(first * SECOND), round(whole * SECOND)
    while left > 0:
        yield min(wait, left)
        wait, left = wait * 2, left - wait
