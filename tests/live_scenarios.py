"""Every scenario that the live world supports, on real sockets: in one process, and with a process for each host.

``python -m tests.live_scenarios [--under SECONDS] [-j N] [--only one|processes]``. What takes longer than so many
seconds of lab time in the simulated world is left out. Most of the time goes by in waiting, so several run side by
side, each on addresses of its own. Exit code 1 if any does not pass.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.cli.command import ROOT, environment

MODES = {"one": ("--live",), "processes": ("--live", "--processes")}
WORDS = {"one": "in one process", "processes": "with a process for each host"}


def edgesim(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgesim", "run", "--json", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)


def verdicts(running: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    return [json.loads(line) for each in running for line in each.communicate()[0].splitlines()]


def chosen(under: float, jobs: int) -> list[str]:
    """Return the scenarios that take less lab time than that; the longest first, so that none is begun last."""
    found = verdicts([edgesim("scenarios", "-j", str(min(jobs, 2)))])
    short = [each for each in found if each["lab_seconds"] < under]
    short.sort(key=lambda each: (-each["lab_seconds"], each["scenario"]))
    return [each["replay"].split()[2] for each in short]


def run(mode: str, names: list[str], jobs: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="edgesim-") as folder:
        return verdicts(
            [
                edgesim(*MODES[mode], "--journal", str(Path(folder) / f"{part}.jsonl"), *names[part::jobs])
                for part in range(jobs)
                if names[part::jobs]
            ]
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--under", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("-j", "--jobs", type=int, default=8)
    parser.add_argument("--only", choices=list(MODES))
    options = parser.parse_args()
    names = chosen(options.under, options.jobs)
    bad = 0
    for mode in [options.only] if options.only else MODES:
        began = time.monotonic()
        found = run(mode, names, options.jobs)
        outcomes = Counter(each["outcome"] for each in found)
        for each in found:
            if each["outcome"] not in ("passed", "unsupported"):
                bad += 1
                print(f"{each['outcome']}: {each['replay']}\n{each.get('reason', '')}\n")
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        print(f"{WORDS[mode]}: {told}, in {time.monotonic() - began:.0f} s", flush=True)
        bad += len(found) != len(names)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
