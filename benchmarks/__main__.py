"""Run the benchmarks: ``python -m benchmarks [NAME ...] [--json] [--full | --tiny]``."""

from __future__ import annotations

import sys

from benchmarks import (
    check,
    live_refreshes,
    live_sign_ins,
    processes,
    sim_idle,
    sim_sign_in,
    sim_sign_ins,
    start_up,
    tls,
)
from benchmarks.report import Benchmark, command

BENCHMARKS: dict[str, Benchmark] = {
    "sim_sign_in": sim_sign_in.run,
    "sim_sign_ins": sim_sign_ins.run,
    "sim_idle": sim_idle.run,
    "live_refreshes": live_refreshes.run,
    "live_sign_ins": live_sign_ins.run,
    "check": check.run,
    "start_up": start_up.run,
    "processes": processes.run,
    "tls": tls.run,
}

if __name__ == "__main__":
    sys.exit(command(BENCHMARKS))
