"""Figures, the aims they are held against, the machine they were taken on, and the table that shows them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import ssl
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table


class Scale(Enum):
    """How much is measured. ``TINY`` only shows that a benchmark works; its figures mean nothing."""

    TINY = "tiny"
    NORMAL = "normal"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value. ``aim`` is what it should be at most (``less``) or at least (``more``)."""

    what: str
    value: float
    unit: str
    aim: float | None = None
    better: Literal["less", "more"] = "less"
    how: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the aim: 1 is just met, below 1 is missed."""
        if not self.aim or not self.value:
            return None
        return self.aim / self.value if self.better == "less" else self.value / self.aim


Benchmark = Callable[[Scale], list[Figure]]


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, system, Python, OpenSSL."""
    return {
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "speed": f"{_speed():.1f} million steps of an empty loop a second of processor",
    }


def _speed() -> float:
    """Return how fast this Python is here and now, so that figures of two machines, or two days, compare."""
    steps = 1_000_000
    best = 1e9
    for _ in range(3):
        began = processor()
        for _ in range(steps):
            pass
        best = min(best, processor() - began)
    return steps / best / 1e6


def _apart(name: str, scale: Scale, traced: bool) -> list[Figure]:
    """Run a benchmark in a process of its own: what one leaves behind in memory would show in the next."""
    flags = {Scale.TINY: ["--tiny"], Scale.NORMAL: [], Scale.FULL: ["--full"]}[scale]
    arguments = [sys.executable, "-m", f"benchmarks.{name}", "--json", *flags, *(["--tracemalloc"] if traced else [])]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, check=True)
    fields = [{**figure} for figure in json.loads(done.stdout)["figures"]]
    for figure in fields:
        del figure["ratio"]
    return [Figure(**figure) for figure in fields]


def processor() -> float:
    """Return the seconds of processor time that this process has used.

    What another process on the same machine takes away shows in wall time and not here.
    """
    return time.process_time()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def table(figures: Sequence[Figure]) -> Table:
    """Return the figures as a table."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("measured", "value", "aim", "ratio", "how"):
        made.add_column(column, header_style="bold", justify="right" if column in ("value", "aim", "ratio") else "left")
    for figure in figures:
        sign = "<" if figure.better == "less" else ">="
        aim = f"{sign} {_number(figure.aim)} {figure.unit}" if figure.aim is not None else ""
        ratio = figure.ratio
        made.add_row(
            figure.what,
            f"{_number(figure.value)} {figure.unit}",
            aim,
            "" if ratio is None else f"{ratio:.2f}" + ("" if ratio >= 1 else " missed"),
            figure.how,
        )
    return made


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def command(benchmarks: dict[str, Benchmark], arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks as a command line asks for them and print what they measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    if len(benchmarks) > 1:
        parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(benchmarks)}; all by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--tracemalloc", action="store_true", help="where memory per client goes, by line: slow")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--full", action="store_true", help="measure all of it, nothing extrapolated: takes long")
    size.add_argument("--tiny", action="store_true", help="only try whether everything runs; the figures mean nothing")
    options = parser.parse_args(arguments)
    names = getattr(options, "names", None) or list(benchmarks)
    unknown = [name for name in names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there is {', '.join(benchmarks)}")
    scale = Scale.FULL if options.full else Scale.TINY if options.tiny else Scale.NORMAL
    about = machine()
    if options.tracemalloc:
        tracemalloc.start()
    figures: list[Figure] = []
    for name in names:
        if len(benchmarks) == 1:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures += benchmarks[name](scale)
        else:
            figures += _apart(name, scale, options.tracemalloc)
    if options.json:
        measured = [{**asdict(figure), "ratio": figure.ratio} for figure in figures]
        print(json.dumps({"machine": about, "scale": scale.value, "figures": measured}, indent=2))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False, markup=False)
    for key, value in about.items():
        console.print(f"{key:>10}  {value}")
    console.print()
    console.print(table(figures))
    return 0
