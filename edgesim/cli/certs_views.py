"""Prints certificates, requests and verification results, as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgesim.cli import drawing, output
from edgesim.deployment import Defaults, Deployment
from edgesim.deployment.presenting import Presentation
from edgesim.lab.requests import ServiceRequest
from edgesim.pki import Verification
from edgesim.pki.inspection import Inspection
from edgesim.pki.names import as_list, within

Row = tuple[Presentation, Inspection, tuple[str, ...] | None]
"""A leg, the certificate presented on it, and why it is not trusted (None: it is not checked)."""


def request(made: ServiceRequest, out: Path | None) -> None:
    """Print what a request asks for, and the request itself if it was not written to a file."""
    output.say(f"{made.host}/{made.service}", bold=True)
    output.say(f"  subject   {made.request.subject().rfc4514_string()}")
    output.say(f"  usages    {', '.join(usage.value for usage in made.request.profile.usages)}")
    output.say(f"  SAN       {len(as_list(each.name for each in made.names))} characters")
    names = output.table()
    for each in made.names:
        names.add_row(each.name, each.reason)
    output.show(names, indent=4)
    if out is None:
        output.say()
        output.say(made.pem.decode().rstrip())
    else:
        output.say(f"  written   {out}, its key {out.with_suffix('.key.pem')}")


def request_json(made: ServiceRequest) -> dict[str, Any]:
    """Return a request as JSON values."""
    return {
        "host": made.host,
        "service": made.service,
        "subject": made.request.subject().rfc4514_string(),
        "usages": [usage.value for usage in made.request.profile.usages],
        "names": [{"name": each.name, "reason": each.reason} for each in made.names],
        "pem": made.pem.decode(),
    }


def inspection(source: str, found: Inspection) -> None:
    """Print the contents of a certificate, and which of its names products do not read."""
    limit = Defaults().tls.san_limit_characters
    output.say(source, bold=True)
    issuer = "itself" if found.self_signed else found.issuer
    seen = len(within(found.names, limit))
    beyond = f", {len(found.names) - seen} names beyond the first {limit}" if seen < len(found.names) else ""
    rows = {
        "subject": found.subject or "none",
        "issuer": issuer,
        "serial": found.serial,
        "valid": f"{found.not_before:%Y-%m-%d %H:%M:%S} to {found.not_after:%Y-%m-%d %H:%M:%S} UTC",
        "key": found.key,
        "usages": "any" if found.usages is None else ", ".join(found.usages) or "none",
        "CA": "yes" if found.ca else "no",
        "SAN": f"{found.san_characters} characters{beyond}" if found.names else "none",
    }
    for label, value in rows.items():
        output.say(f"  {label:<11} {value}")
    for place, name in enumerate(found.names):
        output.say(f"    {name}{'' if place < seen else '    (ignored: too far back)'}")
    output.say(f"  {'SHA-256':<11} {found.fingerprint}")


def inspection_json(source: str, found: Inspection) -> dict[str, Any]:
    """Return a certificate's content as JSON values."""
    return {
        "file": source,
        "subject": found.subject,
        "issuer": found.issuer,
        "self_signed": found.self_signed,
        "serial": found.serial,
        "not_before": found.not_before.isoformat(),
        "not_after": found.not_after.isoformat(),
        "key": found.key,
        "usages": None if found.usages is None else list(found.usages),
        "ca": found.ca,
        "names": list(found.names),
        "san_characters": found.san_characters,
        "sha256": found.fingerprint,
    }


def verification(verified: Verification) -> None:
    """Print the result of a verification, with its reasons."""
    first, *rest = verified.explain().splitlines()
    output.say(first, bold=True, fg="green" if verified.ok else "red")
    for line in rest:
        output.say(line)


def verification_json(verified: Verification) -> dict[str, Any]:
    """Return the result of a verification as JSON values."""
    return {
        "verified": verified.ok,
        "subject": verified.subject,
        "store": verified.store,
        "chain": list(verified.chain),
        "missing_issuer": verified.missing_issuer,
        "names": list(verified.present),
        "matched": list(verified.matched) if verified.matched else None,
        "problems": [{"fault": each.defect.value, "subject": each.subject, "text": each.text}
                     for each in verified.problems],
    }  # fmt: skip


def upload(found: Inspection, problems: Sequence[str]) -> None:
    """Print whether an upload is accepted."""
    verdict = "refused" if problems else "accepted"
    output.say(f"{found.subject}: {verdict}", bold=True, fg="red" if problems else "green")
    output.say(f"  usages: {'no extended key usage' if found.usages is None else ', '.join(found.usages) or 'none'}")
    for each in problems:
        output.say(f"  {each}")


def presentations(deployment: Deployment, rows: Sequence[Row]) -> None:
    """Print which host presents what to whom: each certificate once with all its legs, and in one row those that
    differ in the verifying host alone.
    """
    shown: tuple[str, str] | None = None
    joined: dict[tuple[Any, ...], list[str]] = {}
    facts: dict[tuple[Any, ...], Row] = {}
    for leg, found, reasons in rows:
        key = (leg.host, leg.service, leg.side, leg.port, leg.protocol, leg.store, reasons)
        joined.setdefault(key, []).append(leg.to)
        facts.setdefault(key, (leg, found, reasons))
    made = output.table("port", "side", "protocol", "shown to", "which looks into", "and")
    for key, readers in joined.items():
        leg, found, reasons = facts[key]
        if (leg.host, leg.service) != shown:
            if shown is not None:
                output.show(made)
                made = output.table("port", "side", "protocol", "shown to", "which looks into", "and")
            shown = (leg.host, leg.service)
            _heading(deployment, leg, found)
        verdict = "not verified" if reasons is None else "; ".join(reasons) or "trusts it"
        made.add_row(str(leg.port), leg.side, leg.protocol, ", ".join(dict.fromkeys(readers)), leg.store or "", verdict)
    if shown is not None:
        output.show(made)


def _heading(deployment: Deployment, leg: Presentation, found: Inspection) -> None:
    certificate = deployment.certificate(leg.host, leg.service)
    output.say(f"{leg.host}/{leg.service}  ({drawing.role(deployment.host(leg.host))})", bold=True)
    advice = "; a CA-signed certificate is recommended" if found.self_signed else ""
    output.say(f"  signed by {certificate.signed_by}{advice}, sends its {certificate.sends}")
    output.say(f"  {as_list(found.names) or 'no names'}")


def presentation_json(
    deployment: Deployment, leg: Presentation, found: Inspection, reasons: tuple[str, ...] | None
) -> dict[str, Any]:
    """Return a leg as JSON values; ``trusted`` is null where it is not verified."""
    certificate = deployment.certificate(leg.host, leg.service)
    return {
        "host": leg.host,
        "service": leg.service,
        "subject": found.subject,
        "signed_by": certificate.signed_by,
        "sends": certificate.sends,
        "names": list(found.names),
        "side": leg.side,
        "at": leg.at,
        "port": leg.port,
        "protocol": leg.protocol,
        "to": leg.to,
        "store": leg.store,
        "trusted": None if reasons is None else not reasons,
        "problems": list(reasons or ()),
    }
