"""Fuzzing: generated inputs, the same in every run, each held to a bound of time and memory.

The suite tries 2,000 inputs a parser; ``pytest --fuzz-examples 1000000 -m fuzz`` (``make soak``) tries as many as told.
A failure is any exception that the test does not expect, more than 50 ms of processor time, or more than 10 MiB.
"""

from __future__ import annotations

import functools
import gc
import itertools
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

T = TypeVar("T")
EXAMPLES = 2_000
SECONDS = 0.050
OCTETS = 10 * 1024 * 1024
MEMORY_SAMPLE = 100
"""Memory is measured for every so many inputs: tracing makes Python several times slower."""


def fuzzed(test: Any) -> Any:
    """Run a hypothesis test over `EXAMPLES` inputs within the bounds; put it above ``@given``."""
    handle = test.hypothesis
    handle.inner_test = _bounded(handle.inner_test)
    test = pytest.mark.fuzz(test)
    return settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(test)


def cheap(work: Callable[[], T], *, seconds: float = SECONDS) -> T:
    """Run ``work`` and fail if it takes more processor time than any input may; the best of five counts, if need be.

    It must be repeatable. A garbage collection in between, or a busy machine, is not the input's doing.
    """
    costs: list[float] = []
    while not costs or (min(costs) >= seconds and len(costs) < 5):
        gc.disable()
        try:
            began = time.thread_time()
            result = work()
            costs.append(time.thread_time() - began)
        finally:
            gc.enable()
    assert min(costs) < seconds, f"{1000 * min(costs):.0f} ms of processor time"
    return result


def _bounded(inner: Any) -> Any:
    count = itertools.count(1)

    @functools.wraps(inner)
    def run(*args: Any, **kwargs: Any) -> None:
        if next(count) % MEMORY_SAMPLE == 0 and not tracemalloc.is_tracing():
            tracemalloc.start()
            try:
                inner(*args, **kwargs)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert peak < OCTETS, f"{peak} octets of memory"
            return
        began = time.thread_time()
        inner(*args, **kwargs)
        took = time.thread_time() - began
        if took >= SECONDS:  # a garbage collection or a first import is not the input's doing
            began = time.thread_time()
            inner(*args, **kwargs)
            took = min(took, time.thread_time() - began)
        assert took < SECONDS, f"{1000 * took:.0f} ms of processor time"

    return run
