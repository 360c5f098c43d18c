"""``edgesim certs``: signing requests, certificates, chains, uploads."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from edgesim.cli.certs_options import as_json, at_date, pem_file, release

SIGNERS = ("public", "public-issuing", "enterprise", "enterprise-root", "private")

EPILOG = """\b
Examples:
  edgesim certs csr small expe --out expe.csr                   the request of an Expressway-E, and its key
  edgesim certs sign expe.csr --by public --out expe.pem        signed by a test CA
  edgesim certs sign expe.csr --by public --strip client-auth   by a CA that drops a usage
  edgesim certs verify expe.pem --deployment small --host expc --store trusted-ca
  edgesim certs upload expe.pem --as expressway-e --release X14.3
  edgesim certs show small                                      which host presents what to whom"""


@click.group("certs", epilog=EPILOG, short_help="Certificates: requests, signing, inspection, verification.")
def command() -> None:
    """Make, sign, inspect and verify certificates as the products do.

    The CAs are the test CAs of fixtures/certs, whose keys are public. Exit codes: 0 yes, 1 refused, 2 not checked.
    """


@command.command("csr")
@click.argument("deployment", metavar="DEPLOYMENT")
@click.argument("host", metavar="HOST")
@click.argument("service", metavar="[SERVICE]", required=False)
@click.option(
    "--discovered/--not-discovered",
    default=True,
    help="Whether Expressway-C knows the IM and Presence servers, the source of chat node aliases. [default: yes]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the request to FILE, and its key beside it as .key.pem.",
)
@as_json
def csr(deployment: str, host: str, service: str | None, discovered: bool, out: Path | None, json_: bool) -> None:
    """Make the signing request that the product's tool makes for a service, with the reason of each name.

    SERVICE is server on an Expressway, tomcat or callmanager on Unified CM, tomcat or cup-xmpp on IM and Presence; the
    default is the first. The key is derived from the arguments: it is always the same, and not secret.

    \b
    Examples:
      edgesim certs csr small expc
      edgesim certs csr lab.yaml expc --not-discovered
      edgesim certs csr cluster imp-pub cup-xmpp --out imp-pub.csr
    """
    from edgesim.cli import certs_work

    certs_work.csr(deployment, host, service, discovered=discovered, out=out, as_json=json_)


@command.command("sign")
@pem_file("csr", metavar="CSR")
@click.option("--by", type=click.Choice(SIGNERS), required=True, help="The test CA that signs.")
@click.option(
    "--strip",
    type=click.Choice(("client-auth", "server-auth")),
    multiple=True,
    help="An extended key usage of the request that the CA leaves out.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 7300),
    default=397,
    show_default=True,
    help="How long the certificate is valid, from today.",
)
@click.option("--chain", is_flag=True, help="Append the CA's intermediates to the certificate.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to FILE. [default: print]"
)
def sign(csr: bytes, by: str, strip: tuple[str, ...], days: int, chain: bool, out: Path | None) -> None:
    """Sign a request with a test CA and write the certificate in PEM. CSR is a file, or - for standard input.

    public and enterprise-root are roots; public-issuing and enterprise are issuing CAs below them; private is a CA that
    no host trusts by default.

    \b
    Examples:
      edgesim certs sign expe.csr --by public --out expe.pem
      edgesim certs sign expc.csr --by enterprise --strip client-auth --days 30
    """
    from edgesim.cli import certs_work

    certs_work.sign(csr, by=by, strip=strip, days=days, chain=chain, out=out)


@command.command("inspect")
@pem_file("files", metavar="FILE...", many=True)
@as_json
def inspect(files: tuple[tuple[str, bytes], ...], json_: bool) -> None:
    """Show the contents of every certificate in each PEM file.

    \b
    Example:
      edgesim certs inspect fixtures/certs/broken/long-san.pem
    """
    from edgesim.cli import certs_work

    certs_work.inspect(files, as_json=json_)


@command.command("verify")
@pem_file("chain", metavar="CHAIN")
@click.option("--deployment", required=True, metavar="NAME|FILE", help="The deployment whose trust stores are used.")
@click.option("--host", required=True, help="The host that verifies.")
@click.option("--store", required=True, help="The trust store, such as trusted-ca, tomcat-trust or system.")
@click.option(
    "--name",
    "names",
    multiple=True,
    help="A name to find in the SAN; of several, one must be there. [default: names are not checked]",
)
@click.option(
    "--usage",
    type=click.Choice(("server", "client")),
    default="server",
    show_default=True,
    help="The side of TLS that presents the certificate.",
)
@click.option(
    "--at", callback=at_date, metavar="DATE", help="The time of the check in UTC, e.g. 2026-01-05T08:00. [default: now]"
)
@click.option("--seed", default=1, show_default=True, help="The lab's seed: self-signed certificates depend on it.")
@as_json
def verify(
    chain: bytes,
    deployment: str,
    host: str,
    store: str,
    names: tuple[str, ...],
    usage: str,
    at: datetime | None,
    seed: int,
    json_: bool,
) -> None:
    """Verify a chain against a trust store of a deployment; if it is refused, print why.

    CHAIN is a PEM file, or - for standard input: the certificate first, then the rest of what the peer sends. An
    Expressway reads the first 999 characters of a SAN; of several entries with one subject, Expressway-C uses the
    first.

    \b
    Examples:
      edgesim certs verify expe.pem --deployment small --host expc --store trusted-ca --name expe.example.com
      edgesim certs verify expc.pem --deployment small --host ucm-pub --store callmanager-trust --usage client
    """
    from edgesim.cli import certs_work

    certs_work.verify(chain, deployment, host, store, names=names, usage=usage, at=at, seed=seed, as_json=json_)


@command.command("upload")
@pem_file("certificate", metavar="CERT")
@click.option(
    "--as",
    "product",
    type=click.Choice(("expressway-c", "expressway-e")),
    required=True,
    help="The product to upload it to.",
)
@click.option(
    "--release",
    callback=release,
    required=True,
    metavar="RELEASE",
    help="The product's release, such as X14.3 or X15.5.",
)
@click.option(
    "--to",
    "store",
    type=click.Choice(("server", "client")),
    default="server",
    show_default=True,
    help="The store; a separate one for client certificates exists from X15.5 on.",
)
@click.option("--server-eku-upload", is_flag=True, help="EnableServerEkuUpload is On (Expressway-E, X15.4).")
@click.option("--copied", is_flag=True, help="'Upload server certificate file as client certificate' (X15.5).")
@as_json
def upload(
    certificate: bytes,
    product: str,
    release: object,
    store: str,
    server_eku_upload: bool,
    copied: bool,
    json_: bool,
) -> None:
    """Check whether an Expressway of a release accepts a certificate.

    \b
    Examples:
      edgesim certs upload expe.pem --as expressway-e --release X14.3
      edgesim certs upload expe.pem --as expressway-e --release X15.4 --server-eku-upload
      edgesim certs upload expc.pem --as expressway-c --release X15.5 --to client
    """
    from edgesim.cli import certs_work

    certs_work.upload(
        certificate, product, release, store=store, switch=server_eku_upload, copied=copied, as_json=json_
    )


@command.command("show")
@click.argument("deployment", metavar="DEPLOYMENT")
@click.option("--seed", default=1, show_default=True, help="The lab's seed: keys depend on it.")
@as_json
def show(deployment: str, seed: int, json_: bool) -> None:
    """Show which host presents which certificate, on which port, to whom, and whether the other side trusts it.

    Each row is one side of one TLS connection, checked at the time when the lab starts, with the chain that the service
    sends. Names are not checked here.

    \b
    Examples:
      edgesim certs show small
      edgesim certs show lab.yaml --json
    """
    from edgesim.cli import certs_work

    certs_work.show(deployment, seed=seed, as_json=json_)


@command.command("broken")
@click.option(
    "--to",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("fixtures/certs/broken"),
    show_default=True,
    metavar="DIRECTORY",
    help="Where to write.",
)
def broken(directory: Path) -> None:
    """Write a set of certificates that are broken on purpose, with their keys and a README that describes each.

    The files are the same each time.
    """
    from edgesim.cli import certs_work

    certs_work.broken(directory)
