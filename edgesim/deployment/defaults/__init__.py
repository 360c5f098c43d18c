"""Every constant that the lab's behaviour rests on, named, with its value, its reason and how well it is known."""

from __future__ import annotations

from typing import Literal

from edgesim.deployment.base import Model, Port


class Ports(Model):
    edge_https: Port = 8443
    uds: Port = 8443
    soap: Port = 8443


class DnsDefaults(Model):
    ttl: int = 3600
    srv_priority: int = 10
    srv_weight: int = 10


class TlsDefaults(Model):
    sends: Literal["leaf", "chain"] = "leaf"


class Defaults(Model):
    """All named defaults, by subject. A deployment may override any of them."""

    ports: Ports = Ports()
    dns: DnsDefaults = DnsDefaults()
    tls: TlsDefaults = TlsDefaults()
