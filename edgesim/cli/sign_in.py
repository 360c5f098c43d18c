"""``edgesim sign-in``: signs a simulated Jabber in to the running lab, and shows each stage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgesim.cli import parameters
from edgesim.cli.remote import in_directory

if TYPE_CHECKING:
    from edgesim.deployment.settings import JabberPlatform

EPILOG = """\b
Exit codes: 0 signed in with every service that the user has, 1 not signed in, 2 could not try.

\b
Examples:
  edgesim sign-in alice@example.com
  edgesim sign-in alice@example.com --platform ios --stay
  echo alice-secret | edgesim sign-in alice@example.com --password-stdin --json
  edgesim sign-in alice@example.com --resolver 127.0.113.53:10053 --ca ca.pem"""


@click.command("sign-in", epilog=EPILOG, short_help="Sign a simulated Jabber in to the running lab.")
@click.argument("who", metavar="USER@DOMAIN", callback=parameters.user_at_domain)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option(
    "--resolver",
    callback=parameters.endpoint,
    metavar="HOST:PORT",
    help="The name server to ask. [default: the running lab's]",
)
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="PEM file of the CAs to trust. [default: the running lab's]",
)
@click.option(
    "--platform",
    type=click.Choice(["windows", "mac", "ios", "android"]),
    default="windows",
    show_default=True,
    help="The platform of the Jabber.",
)
@click.option("--inside", is_flag=True, help="From a machine on the company's network instead of the internet.")
@click.option("--accept-untrusted", is_flag=True, help="Accept certificates that Jabber would ask the user about.")
@click.option("--stay", is_flag=True, help="Stay signed in until Ctrl-C.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the client's journal to this file.",
)
@in_directory
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end, and nothing else.")
def command(
    who: tuple[str, str],
    password_stdin: bool,
    resolver: tuple[str, int] | None,
    ca: Path | None,
    platform: JabberPlatform,
    inside: bool,
    accept_untrusted: bool,
    stay: bool,
    journal: Path | None,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Sign in as USER@DOMAIN and report each stage: discovery, edge, files, phone, chat.

    The client runs in this process, not in the lab. It finds the running lab's name server and CAs in the lab's state
    directory; --resolver and --ca name others. It signs out at the end.
    """
    user, domain = who
    from edgesim.cli.diagnosis import Diagnosis

    diagnosis = Diagnosis.prepare(
        user=user,
        domain=domain,
        resolver=resolver,
        ca=ca,
        inside=inside,
        directory=directory,
        journal=journal,
    )
    diagnosis.platform = platform
    diagnosis.accept_untrusted = accept_untrusted
    diagnosis.stay = stay
    diagnosis.as_json = as_json
    diagnosis.password = _password(f"{user}@{domain}", from_stdin=password_stdin)
    click.get_current_context().exit(0 if diagnosis.run() else 1)


def _password(who: str, *, from_stdin: bool) -> str:
    from edgesim.cli.problems import Problem

    if from_stdin:
        return _validated(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise Problem("no terminal to ask for the password", "Pass it on standard input with --password-stdin.")
    answer: str = click.prompt(f"Password of {who}", hide_input=True, err=True)
    return _validated(answer)


def _validated(password: str) -> str:
    """Return a password that is valid in a deployment. Raises `Problem`, whose message does not contain it."""
    from pydantic import TypeAdapter, ValidationError

    from edgesim.cli.problems import Problem
    from edgesim.deployment.base import SecretText

    try:
        return TypeAdapter[str](SecretText).validate_python(password)
    except ValidationError as error:
        raise Problem(f"the password is not valid: {error.errors()[0]['msg'].lower()}") from None
