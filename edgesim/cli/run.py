"""``edgesim run``: runs scenarios and prints their verdicts."""

from __future__ import annotations

from pathlib import Path

import click

from edgesim.cli import parameters

EPILOG = """\b
Exit codes: 0 all passed, 1 one failed, 2 something could not run (or nothing matched),
3 all were unsupported by this world.

\b
Examples:
  edgesim run                                          everything below scenarios/
  edgesim run first_sign_in --ladder text              one, with its ladder
  edgesim run scenarios/sign_in/refused.py::wrong_password --seed 7
  edgesim run first_sign_in --release expressway=X12.4,X14.3   at each of these releases
  edgesim run --seeds 1..1000 -j 4 --junit runs.xml    a sweep on four processes
  edgesim run --seeds 1..1000 --shard 2/4 --json       the second quarter of it, for a program
  edgesim run first_sign_in --live                     on real sockets
  edgesim run first_sign_in --live --processes         with a process for each host
  edgesim run first_sign_in --check-determinism        twice, compared octet for octet"""


@click.command("run", epilog=EPILOG, short_help="Run scenarios and report their verdicts.")
@click.argument("wanted", nargs=-1, metavar="[PATH|NAME]...")
@click.option("--live", is_flag=True, help="Use real sockets on loopback addresses instead of the simulated network.")
@click.option("--processes", is_flag=True, help="With --live: a process for each host, so that hosts can be frozen.")
@click.option(
    "--network",
    metavar="127.N",
    callback=parameters.network,
    help="With --live: the first two octets of the lab's loopback addresses. [default: a pair that is free]",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of everything random.")
@click.option(
    "--seeds",
    metavar="A..B",
    callback=parameters.seed_range,
    help="Run under each of these seeds, first and last included.",
)
@click.option("-j", "--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Number of processes.")
@click.option(
    "--release",
    "releases",
    multiple=True,
    metavar="PRODUCT=REL[,REL...]",
    callback=parameters.releases,
    help="Run at each of these releases instead of the deployment's; with several products, at every combination.",
)
@click.option(
    "--shard", metavar="I/N", callback=parameters.shard, help="Run the I-th of N parts only, for machines side by side."
)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit file.", metavar="FILE")
@click.option(
    "--journal",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The journal's file; with several runs, scenario and seed are added to its name. [default: in .edgesim/runs]",
)
@click.option("--keylog", type=click.Path(dir_okay=False, path_type=Path), help="Write TLS secrets.", metavar="FILE")
@click.option(
    "--ladder",
    type=click.Choice(["text", "svg", "mermaid"]),
    help="Draw the ladder: as text in the terminal, or as a file beside the journal.",
)
@click.option("--startup", is_flag=True, help="Also draw what comes before the story, instead of one line for it.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each run, and nothing else.")
@click.option("--check-determinism", is_flag=True, help="Run everything twice and compare the journals octet by octet.")
def command(
    wanted: tuple[str, ...],
    live: bool,
    processes: bool,
    network: str | None,
    seed: int,
    seeds: range | None,
    releases: list[dict[str, str]],
    jobs: int,
    shard: tuple[int, int] | None,
    junit: Path | None,
    journal: Path | None,
    keylog: Path | None,
    ladder: str | None,
    startup: bool,
    as_json: bool,
    check_determinism: bool,
) -> None:
    """Run scenarios, by file, folder or name, or all of them, and report verdicts.

    Names are looked for in `scenarios/` of the current directory and among the scenarios that come with edgesim;
    without any name, all below `scenarios/` are run, or those of edgesim where there is no such folder. One run prints
    its story as it goes; of several, each gets a line, and failures are printed in full.

    Under several seeds the summary says how many journals differ in their course, the sequence of (node, kind) during
    the story, and not only in identifiers and times; with --json, `courses` counts those of a scenario so far.
    """
    if processes and not live:
        raise click.UsageError("--processes needs --live.")
    if live and jobs > 1:
        raise click.UsageError("--live uses the machine's own addresses, so runs follow each other: leave out -j.")
    if live and check_determinism:
        raise click.UsageError("--check-determinism is for the simulated world: real sockets are not deterministic.")
    source = click.get_current_context().get_parameter_source("seed")
    if seeds is not None and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("Give either --seed or --seeds, not both.")

    from edgesim.cli.runner import Runner, Settings

    settings = Settings(
        live=live,
        processes=processes,
        network=network or "",
        jobs=jobs,
        junit=junit,
        journal=journal,
        keylog=keylog,
        ladder=ladder,
        startup=startup,
        as_json=as_json,
        check_determinism=check_determinism,
    )
    runner = Runner(settings)
    runner.choose(wanted, seeds if seeds is not None else range(seed, seed + 1), shard, releases)
    click.get_current_context().exit(runner.run())
