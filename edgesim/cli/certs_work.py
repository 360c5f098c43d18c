"""Carries out the commands of ``edgesim certs``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from edgesim.cli import certs_views
from edgesim.cli.certs_options import written
from edgesim.cli.problems import Problem, deployment_problems
from edgesim.deployment import Deployment, load
from edgesim.deployment.presenting import Presentation, presentations
from edgesim.deployment.releases import Release
from edgesim.deployment.uploads import upload_problems
from edgesim.lab.certificates import START, Certificates
from edgesim.lab.requests import RequestRefused, request_for
from edgesim.pki import PkiError, TrustStore, Usage, fixture_authorities
from edgesim.pki import broken as broken_set
from edgesim.pki import verify as verify_chain
from edgesim.pki.fixtures import WARNING
from edgesim.pki.inspection import Inspection, read_certificates, usages_of
from edgesim.pki.inspection import inspect as inspected
from edgesim.pki.installation import validity_from
from edgesim.pki.keys import key_pem
from edgesim.pki.request import read
from edgesim.world import machine
from edgesim.world.entropy import Entropy

REFUSED = 1
"""Exit code of a refusal."""
_STRIPPED = {"client-auth": Usage.CLIENT, "server-auth": Usage.SERVER}
_USAGES = {"client": Usage.CLIENT, "server": Usage.SERVER}


def csr(deployment: str, host: str, service: str | None, *, discovered: bool, out: Path | None, as_json: bool) -> None:
    """Make a request, write it if asked to, and print what it asks for."""
    lab = _loaded(deployment)
    try:
        made = request_for(lab, host, service, discovered=discovered)
    except LookupError as error:
        raise Problem(str(error), f"`edgesim show {deployment}` lists the hosts.") from None
    except RequestRefused as error:
        raise Problem(str(error), error.advice) from None
    except PkiError as error:
        raise Problem(f"{host}: {error}", "Fix the name in the deployment's certificates section.") from None
    if out is not None:
        key = out.with_suffix(".key.pem")
        written(out, made.pem)
        written(key, f"{WARNING}\n".encode() + key_pem(made.key), private=True)
    if as_json:
        _say(certs_views.request_json(made))
    else:
        certs_views.request(made, out)


def sign(text: bytes, *, by: str, strip: Sequence[str], days: int, chain: bool, out: Path | None) -> None:
    """Sign a request."""
    try:
        asked = read(text)
    except PkiError as error:
        raise Problem(str(error), "`edgesim certs csr DEPLOYMENT HOST --out FILE` makes a request.") from None
    # The serial number is derived from the request: the same request gets the same one on any day.
    authority = fixture_authorities(Entropy(0, hashlib.sha256(text).hexdigest())).signers()[by]
    stripped = [_STRIPPED[each] for each in strip]
    try:
        leaf = authority.certify(
            asked.request, asked.key, validity=validity_from(machine.today(), days), strip=stripped
        )
    except ValueError as error:
        raise Problem(f"the CA cannot sign this request: {error}") from None
    pem = TrustStore.of("", leaf, *(authority.sent_chain if chain else ())).pem()
    if out is None:
        click.echo(pem.decode(), nl=False)
    else:
        written(out, pem)
        certs_views.inspection(str(out), inspected(leaf))


def inspect(files: Sequence[tuple[str, bytes]], *, as_json: bool) -> None:
    """Show every certificate of each file."""
    found: list[tuple[str, Inspection]] = []
    for name, text in files:
        try:
            found += [(name, inspected(each)) for each in read_certificates(text)]
        except PkiError as error:
            advice = "Certificates in DER: openssl x509 -inform der -in FILE."
            if b"CERTIFICATE REQUEST-----" in text:
                advice = "`edgesim certs sign` makes a certificate of it; openssl req -text shows it."
            raise Problem(f"{name}: {error}", advice) from None
    if as_json:
        _say([certs_views.inspection_json(name, each) for name, each in found])
        return
    for place, (name, each) in enumerate(found):
        if place:
            click.echo()
        certs_views.inspection(name, each)


def verify(
    chain: bytes,
    deployment: str,
    host: str,
    store: str,
    *,
    names: Sequence[str],
    usage: str,
    at: datetime | None,
    seed: int,
    as_json: bool,
) -> None:
    """Verify a chain; exit with `REFUSED` if it is refused."""
    lab = _loaded(deployment)
    try:
        kind = lab.host(host).kind
        trusts = _certificates(lab, seed).trusts(host)
        trust = trusts[store]
    except KeyError:
        there = ", ".join(trusts) or "none"
        raise Problem(f"{host} has no trust store {store!r}; it has {there}") from None
    except LookupError as error:
        raise Problem(str(error), f"`edgesim show {deployment}` lists the hosts.") from None
    leaf, *others = _read(chain)
    verified = verify_chain(
        leaf,
        others,
        trust.first_by_subject() if kind == "expressway_c" else trust,
        names=names,
        usage=_USAGES[usage],
        at=at or machine.today(),
        limit=lab.defaults.tls.san_limit_characters if kind.startswith("expressway") else None,
    )
    if as_json:
        _say(certs_views.verification_json(verified))
    else:
        certs_views.verification(verified)
    if not verified.ok:
        raise SystemExit(REFUSED)


def upload(text: bytes, product: str, release: Any, *, store: str, switch: bool, copied: bool, as_json: bool) -> None:
    """Print whether an upload is accepted; exit with `REFUSED` if it is not."""
    assert isinstance(release, Release)
    leaf = _read(text)[0]
    problems = upload_problems(
        usages_of(leaf),
        "expressway_e" if product == "expressway-e" else "expressway_c",
        release,
        store="client" if store == "client" else "server",
        server_eku_upload=switch,
        copied=copied,
    )
    if as_json:
        _say({"accepted": not problems, "problems": list(problems)})
    else:
        certs_views.upload(inspected(leaf), problems)
    if problems:
        raise SystemExit(REFUSED)


def show(deployment: str, *, seed: int, as_json: bool) -> None:
    """Print which host presents what to whom."""
    lab = _loaded(deployment)
    certificates = _certificates(lab, seed)
    rows = [(each, *_check_leg(lab, certificates, each)) for each in presentations(lab)]
    if as_json:
        _say([certs_views.presentation_json(lab, each, subject, reasons) for each, subject, reasons in rows])
    else:
        certs_views.presentations(lab, rows)


def broken(directory: Path) -> None:
    """Write the broken set."""
    files = broken_set.files()
    for name, text in files.items():
        written(directory / name, text)
    click.echo(f"{len(files)} files in {directory}; README.md there describes each.")


def _check_leg(
    deployment: Deployment, certificates: Certificates, leg: Presentation
) -> tuple[Inspection, tuple[str, ...] | None]:
    """Return what is shown, and why its reader does not trust it: empty where he does, None where he does not look."""
    identity = certificates.identities(leg.host)[leg.service]
    shown = inspected(identity.certificate)
    if leg.store is None:
        return shown, None
    sent = identity.chain if deployment.certificate(leg.host, leg.service).sends == "chain" else ()
    trust: TrustStore = certificates.trusts(leg.to)[leg.store]
    if deployment.host(leg.to).kind == "expressway_c":
        trust = trust.first_by_subject()
    verified = verify_chain(identity.certificate, sent, trust, usage=_USAGES[leg.side], at=START)
    return shown, tuple(f"{each.defect.value}: {each.text}" for each in verified.problems)


def _certificates(deployment: Deployment, seed: int) -> Certificates:
    minting = Entropy(seed, "pki")
    return Certificates(deployment, fixture_authorities(minting), minting)


def _loaded(deployment: str) -> Deployment:
    with deployment_problems():
        return load(deployment)


def _read(text: bytes) -> tuple[Any, ...]:
    try:
        return read_certificates(text)
    except PkiError as error:
        raise Problem(str(error), "`edgesim certs sign` writes certificates in PEM.") from None


def _say(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
