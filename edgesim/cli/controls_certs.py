"""``edgesim control csr``, ``sign`` and ``upload``: certificate administration in the running lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from edgesim.cli.certs_options import content, written
from edgesim.cli.remote import in_directory

F = TypeVar("F", bound=Callable[..., Any])
Usage = Literal["client auth", "server auth"]
USAGES: dict[str, Usage] = {"client-auth": "client auth", "server-auth": "server auth"}
"""Extended key usages: as options, and as commands to the lab name them."""
REFUSED = 1
"""Exit code when the product refuses an upload."""
TRUST = (
    "trusted-ca",
    "activation-code",
    "tomcat-trust",
    "callmanager-trust",
    "cup-xmpp-trust",
    "system",
    "ca-list",
)


def _out(what: str) -> Callable[[F], F]:
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option("--out", type=path, metavar="FILE", help=f"Write the {what} to FILE. [default: print]")


def _given(pem: str, out: Path | None) -> None:
    if out is None:
        click.echo(pem, nl=False)
    else:
        written(out, pem.encode())


@click.command("csr")
@click.argument("host")
@click.argument("service", required=False)
@_out("request")
@in_directory
def csr(host: str, service: str | None, directory: Path | None, out: Path | None) -> None:
    """Make a signing request on a host for a service (by default its first), with the names that it knows now.

    The reason for each name goes to standard error. The private key stays on the host.
    """
    from edgesim.cli.remote import ask
    from edgesim.control import MakeRequest

    made = ask(directory, MakeRequest(host=host, service=service))
    for name, reason in made.names:
        click.echo(f"{name}: {reason}", err=True)
    _given(made.pem, out)


@click.command("sign")
@click.argument("request", metavar="CSR")
@click.option(
    "--by",
    type=click.Choice(("public", "public-issuing", "enterprise", "enterprise-root", "private")),
    required=True,
    help="The CA of the lab that signs.",
)
@click.option(
    "--strip",
    type=click.Choice(tuple(USAGES)),
    multiple=True,
    help="An extended key usage of the request that the CA leaves out.",
)
@_out("certificate")
@in_directory
def sign(request: str, by: str, strip: tuple[str, ...], directory: Path | None, out: Path | None) -> None:
    """Sign a request with one of the running lab's CAs. REQUEST is a file in PEM, or - for standard input."""
    from edgesim.cli.remote import ask
    from edgesim.control import SignRequest

    usages: list[Usage] = [USAGES[each] for each in strip]
    pem = content(request).decode("ascii", "replace")
    signed = ask(directory, SignRequest(pem=pem, by=by, strip=tuple(usages)))
    _given(signed.text, out)


@click.command("upload")
@click.argument("host")
@click.argument("file", required=False)
@click.option("--to", "store", type=click.Choice(TRUST), help="The trust store to upload it to.")
@click.option(
    "--ca", metavar="NAME", help="The certificate of one of the lab's CAs, such as private, in place of a FILE."
)
@click.option(
    "--as", "service", metavar="SERVICE", help="The service that will present the certificate. [default: the first]"
)
@click.option(
    "--copied", is_flag=True, help="Use the server certificate as client certificate, whatever its usages (X15.5)."
)
@in_directory
def upload(
    host: str,
    file: str | None,
    store: str | None,
    ca: str | None,
    service: str | None,
    copied: bool,
    directory: Path | None,
) -> None:
    """Upload a certificate in PEM to a host: to a trust store, or for a service. It takes effect after a restart.

    If the product refuses it, its reasons are printed, the exit code is 1, and nothing changes.

    \b
    Examples:
      edgesim control upload expc --ca private --to trusted-ca
      edgesim control upload expc expc.pem --as server
      edgesim control upload expc --as client --copied
    """
    from edgesim.cli.remote import ask
    from edgesim.control import UploadCertificate, UploadTrust

    if store is not None and (service is not None or copied):
        raise click.UsageError("Give either --to or --as, not both.")
    if store is None and ca is not None:
        raise click.UsageError("--ca needs --to.")
    if sum((file is not None, ca is not None, copied)) != 1:
        raise click.UsageError("Give one of FILE, --ca and --copied.")
    pem = None if file is None else content(file).decode("ascii", "replace")
    if store is not None:
        answer = ask(directory, UploadTrust(host=host, store=store, ca=ca, pem=pem))
    else:
        answer = ask(directory, UploadCertificate(host=host, service=service or _first(copied), pem=pem, copied=copied))
    for reason in answer.reasons:
        click.echo(f"refused: {reason}", err=True)
    if not answer.accepted:
        raise SystemExit(REFUSED)
    click.echo(f"uploaded to {host}; it takes effect after a restart")


def _first(copied: bool) -> str | None:
    return "client" if copied else None
