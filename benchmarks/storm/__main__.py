"""``python -m benchmarks.storm``: two storms over a lab with intrusion protection, two over one without."""

from __future__ import annotations

import argparse
import statistics
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.storm.attacks import RATES
from benchmarks.storm.weather import Outcome, Weather


def main() -> int:
    """Run it, print what happened, and return 1 if anything must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long each storm lasts (default: 120)")
    parser.add_argument("--settle", type=float, default=130.0, help="seconds of calm after each (default: 130)")
    parser.add_argument("--storms", type=int, default=2, help="storms over each lab (default: 2)")
    parser.add_argument("--scale", type=float, default=1.0, help="what the attacks' rates are multiplied with")
    parser.add_argument("--protection", choices=("on", "off", "both"), default="both")
    parser.add_argument("--only", nargs="+", choices=sorted(RATES), default=(), help="some of the attacks, not all")
    given = parser.parse_args()
    console, bad = Console(), 0
    console.print(
        "Attacks a second: "
        + ", ".join(f"{name} {rate * given.scale:g}" for name, rate in RATES.items() if name in (given.only or RATES))
        + "\n"
    )
    for protection in {"on": (True,), "off": (False,), "both": (True, False)}[given.protection]:
        weather = Weather(
            protection=protection,
            seconds=given.seconds,
            settle=given.settle,
            storms=given.storms,
            scale=given.scale,
            only=tuple(given.only),
        )
        outcome = weather.run()
        bad += report(console, outcome)
    return 1 if bad else 0


def report(console: Console, outcome: Outcome) -> int:
    """Print one lab's outcome; return how many problems there are."""
    problems = outcome.problems()
    quiet = statistics.median(outcome.quiet)
    stormy = statistics.median(outcome.stormy) if outcome.stormy else 0.0
    table = Table(title=f"intrusion protection {'on' if outcome.protection else 'off'}", show_header=False)
    table.add_row("sign-ins in quiet", f"{len(outcome.quiet)}, median {quiet:.2f} s")
    worst = max(outcome.stormy, default=0.0)
    table.add_row(
        "sign-ins in a storm",
        f"{len(outcome.stormy)}, median {stormy:.2f} s, {stormy / quiet:.1f} times; worst {worst:.2f} s",
    )
    checked = "" if not outcome.doubtful else ": too much to judge what takes time"
    table.add_row("time that other programs took", f"{100 * outcome.starved:.0f} %{checked}")
    table.add_row("processor of the lab", f"{100 * outcome.busy:.0f} % of one")
    table.add_row("messages, refreshes in a storm", f"{outcome.messages}, {outcome.refreshes}")
    table.add_row("attacks", ", ".join(f"{name} {count}" for name, count in sorted(outcome.attacks.items())))
    table.add_row("cut or refused", ", ".join(f"{name} {count}" for name, count in outcome.resisted.most_common(16)))
    table.add_row("memory, MB", " -> ".join(f"{value:.0f}" for value in outcome.memory))
    for kind in outcome.counts[0]:
        table.add_row(kind, " -> ".join(str(counts[kind]) for counts in outcome.counts))
    console.print(table)
    for problem in problems[:20]:
        console.print(f"[red]{problem}[/]")
    console.print("nothing was lost\n" if not problems else f"{len(problems)} problems\n")
    if problems and outcome.doubtful:
        console.print("Other programs had most of the processor: run it again on a quiet machine.\n")
    return len(problems)


if __name__ == "__main__":
    sys.exit(main())
