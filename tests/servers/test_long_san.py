"""SANs of more than 999 characters: a name behind them is as good as missing, one before them counts."""

from __future__ import annotations

import pytest

from edgesim.deployment import builtin
from edgesim.lab import RunningLab
from edgesim.world.sim import SimWorld
from tests.simrun import sim_run

OWN = "expc.inside.example.com"
MANY = [f"secure-profile-{number:02}.phones.example.com" for number in range(30)]


def zone_on_e(names: list[str], limit: int = 999) -> str:
    """Return the state of the traversal zone on E where C's certificate has these names, in this order."""
    lab = builtin("small").changed(
        {
            "certificates": [{"host": "expc", "service": "server", "names": names}],
            "defaults.tls.san_limit_characters": limit,
        }
    )

    async def main(world: SimWorld) -> str:
        running = RunningLab(world, lab)
        await running.start(without=[each.name for each in lab.clients], settle=20)
        states = {(host, zone): state for host, zone, state, _ in running.zones()}
        await running.stop()
        return states["expe", lab.traversal_zone.name]

    return sim_run(main)


@pytest.mark.parametrize(
    ("names", "limit", "state"),
    [([OWN, *MANY], 999, "Active"), ([*MANY, OWN], 999, "Failed"), ([*MANY, OWN], 2000, "Active")],
)
def test_the_name_of_c_has_to_come_early(names: list[str], limit: int, state: str) -> None:
    assert state in zone_on_e(names, limit)
