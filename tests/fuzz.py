"""How many inputs a fuzz test generates: 2,000 in the suite, more in the soak (``pytest --fuzz-examples N``)."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

EXAMPLES = 2_000


def fuzzed(test: Any) -> Any:
    """Run a hypothesis test over `EXAMPLES` inputs, the same in every run."""
    return settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test)
