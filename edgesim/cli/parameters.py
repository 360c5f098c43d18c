"""Parsers of command-line values for ``callback=`` of an option: ranges of seeds, shards, addresses with a port."""

from __future__ import annotations

import ipaddress
import re

import click

MOST_SEEDS = 10_000_000
DNS_PORT = 53


def seed_range(_: click.Context, __: click.Parameter, value: str | None) -> range | None:
    """Read ``A..B``, both included. Raises `click.BadParameter`."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)\.\.(\d+)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a range of seeds; write for example 1..100.")
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise click.BadParameter(f"{value!r} is empty: {first} is above {last}.")
    if last - first >= MOST_SEEDS:
        raise click.BadParameter(f"{value!r} holds more than {MOST_SEEDS} seeds.")
    return range(first, last + 1)


def shard(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read ``I/N``: the I-th of N parts, counted from 1. Raises `click.BadParameter`."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", value)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{value!r} is not a shard; write I/N with I from 1 to N, for example 2/4.")
    return int(found[1]), int(found[2])


def releases(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[dict[str, str]]:
    """Read one or more ``PRODUCT=RELEASE[,RELEASE...]``; return every combination. Raises `click.BadParameter`."""
    combinations: list[dict[str, str]] = [{}]
    for value in values:
        product, equals, listed = value.partition("=")
        names = [each.strip() for each in listed.split(",")]
        if not equals or not all(names):
            raise click.BadParameter(f"{value!r}: write for example expressway=X12.4,X12.5.")
        if any(product in each for each in combinations):
            raise click.BadParameter(f"{product!r} is given twice; list its releases after one =, with commas.")
        combinations = [{**each, product: name} for each in combinations for name in names]
    return combinations


def endpoint(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, int] | None:
    """Read an IPv4 address with a port, by default that of DNS. Raises `click.BadParameter`."""
    if value is None:
        return None
    host, _colon, port = value.partition(":")
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        raise click.BadParameter(f"{host!r} is not an IPv4 address; write for example 127.0.113.53:53.") from None
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise click.BadParameter(f"{port!r} is not a port.")
    return host, int(port or DNS_PORT)


def network(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Read the first two octets of loopback addresses, such as ``127.7``. Raises `click.BadParameter`."""
    if value is None:
        return None
    found = re.fullmatch(r"127\.(\d{1,3})", value)
    if found is None or int(found[1]) > 255:
        raise click.BadParameter(f"{value!r} is not the first half of a loopback address; write 127.0 to 127.255.")
    return value


network_option = click.option(
    "--network",
    default="127.0",
    show_default=True,
    callback=network,
    metavar="127.N",
    help="The first two octets of the lab's addresses.",
)
"""Of a lab that stays where it is told to be."""


def user_at_domain(_: click.Context, __: click.Parameter, value: str) -> tuple[str, str]:
    """Read ``USER@DOMAIN``, split at the last ``@``: a user id may be a mail address. Raises `click.BadParameter`."""
    from pydantic import TypeAdapter, ValidationError

    from edgesim.deployment.base import DomainName, UserId

    user, at, domain = value.rpartition("@")
    if not (user and at and "." in domain):
        raise click.BadParameter(f"{value!r} is not USER@DOMAIN; write for example alice@example.com.")
    parts: tuple[tuple[str, TypeAdapter[str]], ...] = (
        (user, TypeAdapter(UserId)),
        (domain, TypeAdapter(DomainName)),
    )
    for part, model in parts:
        try:
            model.validate_python(part)
        except ValidationError as error:
            found = error.errors()[0]
            wanted = found.get("ctx", {}).get("error") or found["msg"]
            raise click.BadParameter(f"{part!r} in {value!r}: expected {wanted}.") from None
    return user, domain
