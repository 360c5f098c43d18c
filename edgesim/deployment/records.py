"""The DNS of a deployment: what follows from its hosts and domains, in each view."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from edgesim.deployment.base import View
from edgesim.deployment.inventory import Inventory

SrvValue = tuple[int, int, int, str]
"""Priority, weight, port, target (RFC 2782)."""


class Record(NamedTuple):
    """A DNS record; ``value`` is text, or a tuple of priority, weight, port and target for an SRV."""

    name: str
    type: str
    ttl: int
    value: str | SrvValue

    @property
    def text(self) -> str:
        """Type and value, such as ``SRV 10 10 8443 expe.example.com``."""
        value = self.value if isinstance(self.value, str) else " ".join(map(str, self.value))
        return f"{self.type} {value}"


def reverse_name(address: str) -> str:
    """Return the name of an address in in-addr.arpa or ip6.arpa (RFC 1035, section 3.5; RFC 3596, section 2.5)."""
    return ipaddress.ip_address(address).reverse_pointer


def zone_records(inventory: Inventory, view: View) -> tuple[Record, ...]:
    """Return all records of one view: derived, then extra, without those that it omits."""
    omitted = {(each.name.lower(), each.type) for each in inventory.dns.without if each.view == view}
    found = dict.fromkeys(
        record for record in _all(inventory, view) if (record.name.lower(), record.type) not in omitted
    )
    for extra in inventory.dns.extra:
        if extra.view == view:
            found[Record(extra.name, extra.type, extra.ttl, _value(extra.type, extra.value))] = None
    return tuple(found)


def _value(kind: str, text: str) -> str | SrvValue:
    if kind != "SRV":
        return text
    priority, weight, port, target = text.split()
    return (int(priority), int(weight), int(port), target)


def _all(inventory: Inventory, view: View) -> Iterator[Record]:
    ttl = inventory.defaults.dns.ttl
    ports = inventory.defaults.ports
    for name, address, reverse in _addresses(inventory, view):
        yield Record(name, "AAAA" if ":" in address else "A", ttl, address)
        if reverse:
            yield Record(reverse_name(address), "PTR", ttl, name)
    dns = inventory.dns
    domains = [each.name for each in inventory.domains.enabled]
    priority, weight = inventory.defaults.dns.srv_priority, inventory.defaults.dns.srv_weight
    if (dns.collab_edge and view == "outside") or (dns.collab_edge_inside and view == "inside"):
        balancer = inventory.load_balancer if view == "outside" else None
        targets = (balancer.fqdn,) if balancer else tuple(edge.fqdn for edge in inventory.expressway_e)
        for domain in domains:
            for target in targets:
                value = (priority, weight, ports.edge_https, target)
                yield Record(f"_collab-edge._tls.{domain}", "SRV", ttl, value)
    if (dns.cisco_uds and view == "inside") or (dns.cisco_uds_outside and view == "outside"):
        for domain in domains:
            for node in inventory.unified_cm_nodes:
                value = (priority, weight, ports.uds, node.fqdn)
                yield Record(f"_cisco-uds._tcp.{domain}", "SRV", ttl, value)
    if dns.cuplogin and view == "inside":
        for domain in domains:
            for chat in inventory.im_presence_nodes:
                value = (priority, weight, ports.soap, chat.fqdn)
                yield Record(f"_cuplogin._tcp.{domain}", "SRV", ttl, value)


def _addresses(inventory: Inventory, view: View) -> Iterator[tuple[str, str, bool]]:
    if view == "outside":
        yield inventory.dns.outside.fqdn, inventory.dns.outside.address, True
        balancer = inventory.load_balancer
        if balancer:
            yield balancer.fqdn, balancer.address, True
        for edge in inventory.expressway_e:
            if edge.ip_protocol != "IPv6":
                # Behind a load balancer, the names that clients get point to it.
                yield edge.fqdn, balancer.address if balancer else edge.public_address, not balancer
                if inventory.cms_web_proxy:
                    yield inventory.cms_web_proxy.guest_account_client_uri, edge.public_address, False
            if edge.ip_protocol != "IPv4" and edge.outer_ipv6 is not None:
                yield edge.fqdn, edge.outer_ipv6, True
        return
    yield inventory.dns.inside.fqdn, inventory.dns.inside.address, True
    for edge in inventory.expressway_e:
        if edge.ip_protocol == "IPv6":
            continue
        yield edge.fqdn, edge.address_for_c if inventory.dns.split else edge.public_address, True
        if edge.inner_name:
            yield edge.inner_fqdn, edge.address_for_c, not inventory.dns.split
    for core in inventory.expressway_c:
        yield core.fqdn, core.address, True
        if inventory.mra.expressway_c_cluster:
            yield inventory.mra.expressway_c_cluster, core.address, False
    for node in inventory.unified_cm_nodes:
        yield node.fqdn, node.address, True
    for chat in inventory.im_presence_nodes:
        yield chat.fqdn, chat.address, True
