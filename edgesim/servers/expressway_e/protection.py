"""What an Expressway-E does about strangers who fail too often or come too fast: System > Protection.

Automated intrusion protection counts failures of each source address by category. One failure more than the trigger
level blocks the address: the host gets no response from this peer until the block time is over. From X14.2 on, new
connections to the SIP and HTTPS ports have a rate limit. Sources: "MRA Deployment Guide X14.3, MRA Maintenance" and
"MRA Deployment Guide X12.5, Troubleshooting" for categories, level and time; "Expressway Administrator Guide X15.5,
Network and System Settings" for what a blocked host sees, and for the rate.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from enum import Enum

from edgesim.deployment import hosts
from edgesim.deployment.features import CONNECTION_RATE_SINCE
from edgesim.node import Node


class Category(Enum):
    """The categories, by their names on the page."""

    HTTP_AUTHORIZATION = "HTTP proxy authorization failure"
    HTTP_PROTOCOL = "HTTP proxy protocol violation"
    HTTP_RESOURCE = "HTTP proxy resource access failure"
    SSH_AUTHORIZATION = "SSH tunnels authorization failure"
    SSH_PROTOCOL = "SSH tunnels protocol violation"
    XMPP_PROTOCOL = "XMPP protocol violation"
    SIP_AUTHENTICATION = "SIP authentication failure"


SERVERS = ("expressway_e", "expressway_c", "unified_cm", "im_presence")
"""Kinds of hosts whose own links end here."""


class Protection:
    """The protection service of one Expressway-E."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._settings = settings = node.defaults.protection
        on = {
            Category.HTTP_AUTHORIZATION: settings.http_authorization_failure,
            Category.HTTP_PROTOCOL: settings.http_protocol_violation,
            Category.HTTP_RESOURCE: settings.count_resource_access,
            Category.SSH_AUTHORIZATION: settings.ssh_authorization_failure,
            Category.SSH_PROTOCOL: settings.ssh_protocol_violation,
            Category.XMPP_PROTOCOL: settings.xmpp_protocol_violation,
            Category.SIP_AUTHENTICATION: settings.sip_authentication_failure,
        }
        self.active = frozenset(each for each, is_on in on.items() if is_on and settings.intrusion_protection_on_e)
        """The categories that are on."""
        self._exempt = [ipaddress.ip_network(each) for each in settings.exempt]
        self._failures: dict[tuple[Category, str], deque[float]] = {}

    def start(self) -> None:
        """Put the rate limit of new connections in force, where this release has one."""
        settings, node = self._settings, self.node
        spec = node.spec.spec
        assert isinstance(spec, hosts.ExpresswayE)
        if settings.connection_rate_mode == "off" or spec.release < CONNECTION_RATE_SINCE:
            return
        for ports in (settings.rated_sip_ports, settings.rated_edge_ports):
            node.host.world.admission.throttle(
                node.name,
                ports,
                per_second=settings.connection_rate,
                burst=settings.connection_burst,
                each_address=settings.connection_rate_scope == "each address",
            )

    def count(self, category: Category, peer: tuple[str, int] | None) -> None:
        """Take note of a failure of a client, and block its address if that was one too many."""
        if peer is None or category not in self.active or self._is_exempt(peer):
            return
        now, key = asyncio.get_running_loop().time(), (category, peer[0])
        failures = self._failures.pop(key, None) or deque()
        while failures and now - failures[0] > self._settings.detection_window_s:
            failures.popleft()
        failures.append(now)
        if len(failures) > self._settings.trigger_level:
            # Not before the answer to this failure is on its way, as with a product that reads its own log.
            asyncio.get_running_loop().call_soon(self._block, category, peer[0])
            return
        self._failures[key] = failures
        if len(self._failures) > self._settings.addresses:
            del self._failures[next(iter(self._failures))]

    def _block(self, category: Category, address: str) -> None:
        self.node.host.world.admission.block(
            self.node.name,
            address,
            seconds=self._settings.block_s,
            reason=category.value,
            silent=self._settings.blocked == "silence",
        )

    def _is_exempt(self, peer: tuple[str, int]) -> bool:
        address = ipaddress.ip_address(peer[0])
        if any(address in network for network in self._exempt):
            return True
        if not self._settings.exempt_servers:
            return False
        host = self.node.host.world.peer(self.node.host, peer)
        spec = self.node.deployment.hosts_by_name.get(host.name) if host is not None else None
        return spec is not None and spec.kind in SERVERS
