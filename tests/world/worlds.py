"""Both worlds under one roof: the contract suite runs every test in each."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgesim.pki import TOMCAT, Authorities, Request, client_context, fixture_authorities, server_context
from edgesim.world import Host, Interface, World
from edgesim.world.entropy import Entropy
from edgesim.world.live import LiveWorld
from edgesim.world.sim import SimWorld
from tests.simrun import bench, idle

WORLDS = ("sim", "live")
both = pytest.mark.parametrize("kind", WORLDS)
_PLACE = f"127.{1 + os.getpid() % 250}.{os.getpid() // 250 % 250}"
NEAR, FAR, OUTSIDE = (f"{_PLACE}.{number}" for number in (1, 2, 3))
"""Addresses of this process's own, so that suites may run side by side."""


def play(kind: str, story: Callable[[World, Host, Host], Awaitable[Any]], *, seed: int = 1) -> Any:
    """Run a story between two hosts, ``near`` and ``far``, in a world of either kind."""
    world: Any = bench(SimWorld(seed) if kind == "sim" else LiveWorld(seed))

    async def main() -> Any:
        near = world.add_host("near", [Interface(name="lan1", address=NEAR, zone="inside")], idle)
        far = world.add_host("far", [Interface(name="lan1", address=FAR, zone="inside")], idle)
        await world.start("near")
        await world.start("far")
        return await story(world, near, far)

    result = world.run(main())
    assert not world.errors(), world.unhandled
    return result


def authorities() -> Authorities:
    """Return the test authorities with a stream of their own."""
    return fixture_authorities(Entropy(7, "contract"))


def tls_pair(*, trusted: bool = True) -> tuple[Any, Any]:
    """Return a server's and a client's context; the client's trust store may lack the root."""
    made = authorities()
    identity = made.public.issue(Request(common_name="far.example.com", names=("DNS:far.example.com",), profile=TOMCAT))
    trust = made.trust() if trusted else made.trust().minus(made.public)
    return server_context(identity), client_context(trust)
