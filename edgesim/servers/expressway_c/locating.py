"""Resolves a UC server in Expressway-C's DNS by the name in the cluster's list.

An FQDN must have an IPv4 address. For an address or a bare host name C needs the FQDN too, which it gets from reverse
DNS; a bare name is first completed with C's domain. Source: "MRA Deployment Guide X15.0, MRA Requirements and
Prerequisites"; what C shows on failure is not public.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from edgesim.dns import DnsError
from edgesim.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The location of a server. ``problem`` says why it cannot be used, empty if it can."""

    address: str | None = None
    fqdn: str | None = None
    problem: str = ""


async def locate(node: Node, name: str) -> Location:
    """Find a server by FQDN, host name or address."""
    edge = node.defaults.edge
    if _version(name) == 6:
        return Location(problem=edge.node_has_ipv6)
    try:
        address = str((await node.resolver.lookup(name))[0])
    except (OSError, IndexError, ValueError):
        text = edge.node_has_ipv6 if await _has_ipv6(node, name) else edge.node_does_not_resolve
        return Location(problem=text)
    if _version(name) is None and "." in name:
        return Location(address=address, fqdn=name)
    fqdn = await _reverse(node, address)
    if fqdn is None and edge.node_fqdn_required:
        return Location(address=address, problem=edge.node_without_fqdn)
    return Location(address=address, fqdn=fqdn)


async def _has_ipv6(node: Node, name: str) -> bool:
    try:
        answer = await node.resolver.query(name, "AAAA")
    except ValueError:
        return False
    return bool(answer)


async def _reverse(node: Node, address: str) -> str | None:
    """Return the name of an address, if that name resolves back to it."""
    try:
        for name in await node.resolver.reverse(address):
            if address in await node.resolver.lookup(name):
                return name
    except (DnsError, ValueError):
        return None
    return None


def _version(name: str) -> int | None:
    try:
        return ipaddress.ip_address(name).version
    except ValueError:
        return None
