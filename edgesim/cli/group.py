"""The command ``edgesim``: its subcommands by name, each loaded when it is used."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import click

from edgesim import __version__
from edgesim.cli import output


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A subcommand: the module that defines ``command``, and its line in ``edgesim --help``."""

    module: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Scenarios": {
        "run": Entry(module="run", help="Run scenarios and report their verdicts."),
        "list": Entry(module="list_scenarios", help="List the scenarios and the built-in deployments."),
        "journal": Entry(module="journal", help="Show a saved journal: as a story, a ladder, or lines."),
        "catalogue": Entry(module="catalogue", help="List the documented behaviours and the scenarios that show them."),
    },
    "The live lab": {
        "up": Entry(module="up", help="Start a lab on real sockets of this machine."),
        "node": Entry(module="node", help="Run one host of a lab, alone in this process."),
        "sign-in": Entry(module="sign_in", help="Sign a simulated Jabber in to the running lab, stage by stage."),
        "status": Entry(module="status", help="Show which hosts and links are up, and what is wrong."),
        "netstat": Entry(module="netstat", help="List the sockets of the running lab's hosts."),
        "zones": Entry(module="zones", help="Show the Expressway zones of the running lab."),
        "control": Entry(module="controls", help="Crash, start and restart hosts, cut paths, set faults."),
    },
    "Deployments": {
        "show": Entry(module="show", help="Show a deployment: hosts, users, DNS, or every setting."),
        "certs": Entry(module="certs", help="Certificates: requests, signing, inspection, verification."),
        "check": Entry(module="check", help="Check a deployment against the documented requirements."),
        "ports": Entry(module="ports", help="List the documented ports, and what a deployment's firewalls block."),
    },
}

ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Commands(click.Group):
    """A group that imports a subcommand's module only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = ENTRIES.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(f"edgesim.cli.{entry.module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name not in ENTRIES and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name.replace("_", "-"), ENTRIES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"There is no command {name!r}.{hint} Commands: {', '.join(ENTRIES)}.", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        longest = max(map(len, ENTRIES))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{longest}}", entry.help) for name, entry in section.items()])


EPILOG = """\b
Examples:
  edgesim run first_sign_in --ladder text    one sign-in, in milliseconds, on a ladder
  edgesim up                                 the same lab for real clients
  edgesim sign-in alice@example.com          a diagnostic sign-in to it

edgesim is not a Cisco product. It stands in for one, for tests."""


@click.command(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, "-V", "--version", prog_name="edgesim")
def cli() -> None:
    """A testbed that stands in for the Cisco Mobile and Remote Access edge.

    Expressway-E and -C, Unified CM, IM and Presence, DNS and the certificate authorities, in a simulated network or on
    real sockets of this machine.
    """
    if output.is_plain():
        click.get_current_context().color = False
