"""One server of `pair` fails at some moment of a sign-in and comes back: every service is reached in the end.

``python -m tests.exploration [--seeds 1..2] [--moments 10] [--every 7] [NODE ...]`` plays each node, each kind of
failure and each moment of the sign-in; ``--every N`` takes each N-th of these. It is too long for the suite.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from edgesim.deployment import builtin
from edgesim.scenario import JabberUser, Lab, Scenario, scenario
from edgesim.scenario.run import Options, run

Failure = Literal["crash", "freeze", "power_off", "partition"]
DEPLOYMENT = "pair"
SIGN_IN = 0.6
"""Seconds over which the moments are spread: about what a sign-in through the edge takes."""
LASTS = 60.0
"""Seconds until the node is back."""
AGAIN = 30.0
"""Seconds after which a person whose sign-in failed tries it again."""
EVENTUALLY = 1200.0
"""Seconds within which every service must be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What fails, how, and how many seconds after the sign-in began."""

    node: str
    failure: Failure
    moment: float

    def __str__(self) -> str:
        return f"{self.node} {self.failure} at {self.moment:.2f} s"

    def story(self) -> Scenario:
        """Return the case as a scenario."""

        async def one_node_fails(lab: Lab, alice: JabberUser) -> None:
            await lab.together(self.fails(lab), self.signs_in(lab, alice))
            async with asyncio.timeout(EVENTUALLY):
                while not await everything(alice):
                    await lab.wait(1)
            lab.check(await everything(alice), "phone and chat are there")

        return scenario(deployment=DEPLOYMENT, pins=["actors"], limit=2 * EVENTUALLY + LASTS, needs=(), worlds=["sim"])(
            one_node_fails
        )

    async def fails(self, lab: Lab) -> None:
        """Let the node fail, and fix it."""
        await lab.wait(self.moment)
        if self.failure == "partition":
            async with AsyncExitStack() as cuts:
                for other in lab.deployment.hosts_by_name:
                    if other != self.node:
                        await cuts.enter_async_context(lab.partition(self.node, other))
                await lab.wait(LASTS)
        elif self.failure == "freeze":
            await lab.freeze(self.node)
            await lab.wait(LASTS)
            await lab.thaw(self.node)
        else:
            await (lab.crash if self.failure == "crash" else lab.power_off)(self.node)
            await lab.wait(LASTS)
            await lab.start(self.node)

    async def signs_in(self, lab: Lab, alice: JabberUser) -> None:
        """Sign in as a person does: again, a little later, where it failed altogether."""
        async with asyncio.timeout(EVENTUALLY):
            while not (await alice.sign_in()).ok:
                await lab.wait(AGAIN)


async def everything(client: JabberUser) -> bool:
    """Return whether a client has a registered phone and a chat."""
    shown = await client.look()
    return shown.registered and bool(shown.jid)


def cases(moments: int = 10, nodes: list[str] | None = None) -> Iterator[Case]:
    """Yield every case: the servers of the deployment but its name servers, unless ``nodes`` are named."""
    servers = [spec.name for spec in builtin(DEPLOYMENT).host_specs() if spec.kind not in ("client", "dns")]
    failures: tuple[Failure, ...] = get_args(Failure)
    for node, failure, number in product(nodes or servers, failures, range(moments)):
        yield Case(node=node, failure=failure, moment=number * SIGN_IN / moments)


def main(arguments: list[str]) -> int:
    """Explore, print what fails and a sum, and return 1 where anything did."""
    parser = argparse.ArgumentParser(prog="python -m tests.exploration", description=__doc__)
    parser.add_argument("--seeds", default="1..1", metavar="A..B")
    parser.add_argument("--moments", type=int, default=10)
    parser.add_argument("--every", type=int, default=1, metavar="N")
    parser.add_argument("nodes", nargs="*", metavar="NODE")
    given = parser.parse_args(arguments)
    first, _, last = given.seeds.partition("..")
    work = [
        (case, seed)
        for seed in range(int(first), int(last or first) + 1)
        for case in list(cases(given.moments, given.nodes))[:: given.every]
    ]
    failed = 0
    for number, (case, seed) in enumerate(work, 1):
        verdict = run(case.story(), Options(seed=seed)).verdict
        if verdict.outcome.value:
            failed += 1
            print(f"{verdict.outcome.word}: {case}, seed {seed}: {verdict.reason.splitlines()[0]}", flush=True)
        if not number % 20:
            print(f"{number} of {len(work)}, {failed} failed", file=sys.stderr, flush=True)
    print(f"{len(work)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
