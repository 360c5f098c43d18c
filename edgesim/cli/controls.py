"""``edgesim control``: acts on the running lab."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgesim.cli import controls_certs
from edgesim.cli.remote import in_directory

if TYPE_CHECKING:
    from edgesim.control import Command, Done
    from edgesim.control.verbs.faults import FaultKind

D = TypeVar("D", bound="Done")

EPILOG = """\b
Examples:
  edgesim control crash ucm-pub
  edgesim control start ucm-pub
  edgesim control restart ucm-pub --service "Cisco Tomcat"
  edgesim control upload expc --ca private --to trusted-ca
  edgesim control partition expe expc
  edgesim control fault add reset-connection --target expe --port 5061 --times 3
  edgesim control fault add rewrite --target jabber-1 --find "200 OK" --replace "503 No"
  edgesim control blocked
  edgesim control journal --follow

\b
The same commands over HTTP; `edgesim up --json` shows the address and the token:
  curl -H "Authorization: Bearer $TOKEN" -d '{"command":"crash","host":"ucm-pub"}' $URL"""


@click.group("control", epilog=EPILOG, short_help="Act on the running lab.")
@in_directory
def command(directory: Path | None) -> None:
    """Act on the running lab: crash and start hosts, upload certificates, cut paths, set faults, follow the journal."""


def _send(directory: Path | None, wanted: Command[D]) -> None:
    from edgesim.cli.remote import ask

    click.echo(ask(directory, wanted).text)


def _on_host(word: str, text: str) -> None:
    @command.command(word, help=text)
    @click.argument("host")
    @in_directory
    def on_host(host: str, directory: Path | None) -> None:
        from edgesim.control import Crash, Freeze, StartHost, StopHost, Thaw

        verbs: dict[str, Callable[..., Command[Done]]]
        verbs = {"start": StartHost, "stop": StopHost, "crash": Crash, "freeze": Freeze, "thaw": Thaw}
        _send(directory, verbs[word](host=host))


_on_host("start", "Start a host that is down.")
_on_host("stop", "Stop a host gracefully.")
_on_host("crash", "Kill a host's processes; its peers see resets.")
_on_host("freeze", "Suspend a host: its peers get no answer. Needs a lab of processes (up --processes).")
_on_host("thaw", "Resume a frozen host.")


@command.command("restart")
@click.argument("host")
@click.option("--service", metavar="NAME", help="Only this service of the host, such as 'Cisco Tomcat'.")
@in_directory
def restart(host: str, service: str | None, directory: Path | None) -> None:
    """Stop a host gracefully and start it again; or one service of Unified CM or IM and Presence.

    Uploaded certificates are used from then on; on Unified CM, once every service behind a port was restarted.
    """
    from edgesim.control import RestartHost, RestartService

    _send(directory, RestartHost(host=host) if service is None else RestartService(host=host, service=service))


@command.command("retry")
@click.argument("host", required=False)
@in_directory
def retry(host: str | None, directory: Path | None) -> None:
    """Make an Expressway-C (or all of them) try its links now: zones, SSH tunnels, XCP.

    Otherwise it waits for its retry interval, up to two minutes for a traversal zone; `edgesim zones` shows how long.
    """
    from edgesim.control import Retry

    _send(directory, Retry(host=host))


for _certificates in (controls_certs.csr, controls_certs.sign, controls_certs.upload):
    command.add_command(_certificates)


@command.command("skew", context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("seconds", type=click.FloatRange(-1e9, 1e9))
@in_directory
def skew(host: str, seconds: float, directory: Path | None) -> None:
    """Set a host's clock SECONDS ahead of true time, or behind it with a negative number; 0 sets it right."""
    from edgesim.control import SkewClock

    _send(directory, SkewClock(host=host, seconds=seconds))


def _between(word: str, text: str) -> None:
    @command.command(word, help=text)
    @click.argument("one")
    @click.argument("other")
    @click.option("--one-way", is_flag=True, help="Only traffic from ONE to OTHER.")
    @in_directory
    def between(one: str, other: str, one_way: bool, directory: Path | None) -> None:
        from edgesim.control import Heal, Partition

        verb = Partition if word == "partition" else Heal
        _send(directory, verb(one=one, other=other, both_ways=not one_way))


_between("partition", "Block new connections between two hosts.")
_between("heal", "Undo a partition of two hosts.")


@command.group("fault")
def fault() -> None:
    """Add, remove and list fault rules."""


def _octets(_: click.Context, __: click.Parameter, value: str | None) -> bytes | None:
    return None if value is None else value.encode("utf-8", "surrogateescape")


KINDS = (
    "refuse-connection",
    "black-hole",
    "delay",
    "drop-datagram",
    "rewrite",
    "flip-byte",
    "drop-message",
    "reset-connection",
)
OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--label", default="", help="A name for the rule, shown in the journal."),
    click.option("--source", metavar="HOST", help="Traffic from this host only."),
    click.option("--target", metavar="HOST", help="Traffic to this host only."),
    click.option("--port", type=click.IntRange(1, 65535), help="Traffic with this server port only."),
    click.option("--protocol", type=click.Choice(["tcp", "udp"])),
    click.option(
        "--contains", callback=_octets, metavar="TEXT", help="Only messages that contain this text, as decoded."
    ),
    click.option("--probability", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True),
    click.option("--times", type=click.IntRange(1), help="How many times at most."),
    click.option("--seconds", type=click.FloatRange(0, min_open=True), help="How long the rule stays in force."),
    click.option("--find", callback=_octets, metavar="TEXT", help="rewrite: what to replace."),
    click.option("--replace", callback=_octets, metavar="TEXT", help="rewrite: what to replace it with."),
    click.option("--offset", type=click.IntRange(0), default=0, help="flip-byte: the octet's position."),
]


@fault.command("add")
@click.argument("kind", type=click.Choice(KINDS))
@in_directory
def add(kind: FaultKind, directory: Path | None, **options: Any) -> None:
    """Add a fault rule and print its number. A rule for receivers acts on decoded messages, above TLS."""
    from edgesim.cli.remote import ask
    from edgesim.control import AddFault

    number = ask(directory, AddFault(kind=kind, **options)).number
    click.echo(f"fault {number} is in force")


for _option in reversed(OPTIONS):
    _option(add)


@fault.command("remove")
@click.argument("number", type=int, required=False)
@click.option("--all", "everything", is_flag=True, help="Remove every rule.")
@in_directory
def remove(number: int | None, everything: bool, directory: Path | None) -> None:
    """Remove a fault rule by its number."""
    if (number is None) is not everything:
        raise click.UsageError("Give either a NUMBER or --all.")
    from edgesim.control import RemoveFault

    _send(directory, RemoveFault(number=number))


@fault.command("list")
@in_directory
def list_faults(directory: Path | None) -> None:
    """List the fault rules in force."""
    from edgesim.cli import output
    from edgesim.cli.remote import ask
    from edgesim.control import Faults

    rows = ask(directory, Faults()).faults
    if not rows:
        output.say("no fault is in force")
        return
    table = output.table("number", "kind", "on")
    for row in rows:
        table.add_row(str(row.number), row.kind, row.text)
    output.show(table)


@command.command("blocked")
@in_directory
def blocked(directory: Path | None) -> None:
    """List the addresses that automated intrusion protection blocks."""
    from edgesim.cli import output
    from edgesim.cli.remote import ask
    from edgesim.control import Blocked

    rows = ask(directory, Blocked()).rows
    if not rows:
        output.say("no address is blocked")
        return
    table = output.table("host", "address", "ports", "for", "connections refused", "reason")
    for row in rows:
        ports = ", ".join(map(str, row.ports)) or "all"
        table.add_row(row.host, row.address, ports, f"{row.seconds:.0f} s", str(row.dropped), row.reason)
    output.show(table)


@command.command("unblock")
@click.argument("address")
@click.option("--host", metavar="HOST", help="Only on this host.")
@in_directory
def unblock(address: str, host: str | None, directory: Path | None) -> None:
    """Unblock an address before its block expires."""
    from edgesim.control import Unblock

    _send(directory, Unblock(address=address, host=host))


@command.command("journal")
@click.option("-n", "--lines", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many entries.")
@click.option("-f", "--follow", is_flag=True, help="Print new entries as they come, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Entries as lines of JSON, as in the journal's file.")
@in_directory
def journal(lines: int, follow: bool, as_json: bool, directory: Path | None) -> None:
    """Show the end of the running lab's journal."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_follow(directory, lines, follow=follow, as_json=as_json))


async def _follow(directory: Path | None, lines: int, *, follow: bool, as_json: bool) -> None:
    from edgesim.cli import state
    from edgesim.cli.lines import line
    from edgesim.cli.problems import Problem
    from edgesim.cli.remote import carrier
    from edgesim.control import Tail
    from edgesim.control.carrier import ControlError, LabGone
    from edgesim.journal.codec import decode

    lab = carrier(directory)
    after = None
    wanted = lines
    while True:
        try:
            found = await lab.ask(Tail(after=after, limit=wanted if wanted else 1000))
        except LabGone as error:
            raise Problem(str(error), state.ADVICE) from None
        except ControlError as error:
            raise Problem(str(error)) from None
        if after is not None and found.first > after:
            click.echo(f"warning: {found.first - after} entries are no longer kept", err=True)
        for text in found.lines:
            click.echo(text if as_json else line(decode(text.encode())))
        wanted = max(wanted - len(found.lines), 0) if found.lines else 0
        after = found.next
        if wanted:  # the size of a reply is limited
            continue
        if not follow:
            return
        await asyncio.sleep(0.3)
