"""Short stories in a lab without servers: they run in a millisecond or two."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from edgesim.scenario import Mutation, Scenario, Verdict, scenario
from edgesim.scenario.run import Options, Run, run

EXACT = ("latency", "jitter", "order", "timers", "start", "srv", "actors")
"""Everything that a seed decides: these stories are about the judge, to the nanosecond."""
SERVERS = ("expe", "expc", "ucm-pub", "ucm-sub", "imp-pub")


def declared(play: Callable[..., Awaitable[None]], **options: Any) -> Scenario:
    """Declare a story in a lab of nothing but name servers and clients' machines."""
    return scenario(**{"without": SERVERS, "pins": EXACT, **options})(play)


def played(play: Callable[..., Awaitable[None]], *, mutation: Mutation | None = None, **options: Any) -> Run:
    """Run a story once."""
    return run(declared(play, **options), Options(mutation=mutation))


def judged(play: Callable[..., Awaitable[None]], *, mutation: Mutation | None = None, **options: Any) -> Verdict:
    """Run a story once and return the verdict."""
    return played(play, mutation=mutation, **options).verdict


def line(offset: int = 0) -> str:
    """Return ``:number`` of the caller's line, so many lines on."""
    return f":{sys._getframe(1).f_lineno + offset}"
