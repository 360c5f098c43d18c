"""Automated intrusion protection of an Expressway: blocks hosts that fail too often.

It counts failures per source address and category. The first failure beyond the trigger level blocks the address: the
host gets no response from the destination port until the block time ends. While an address is blocked, an alarm is
raised, if the release has it. Sources: "MRA Deployment Guide X14.3, MRA Maintenance" and "MRA Deployment Guide X12.5,
Troubleshooting" for categories, level and time; "Expressway Administrator Guide X15.5, Network and System Settings" for
what a blocked host sees, and for Expressway-C; "Reference Material" there for the alarm.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import replace
from enum import Enum

from edgesim.deployment import Deployment, Release
from edgesim.deployment.features import BAN_ALARM_SINCE, SIP_FAILURES_COUNT_SINCE
from edgesim.journal import Recorder, events
from edgesim.world import Host
from edgesim.world.admission import SECOND, Block


class Category(Enum):
    """The categories, by their names on the web page."""

    HTTP_AUTHORIZATION = "HTTP proxy authorization failure"
    HTTP_PROTOCOL = "HTTP proxy protocol violation"
    HTTP_RESOURCE = "HTTP proxy resource access failure"
    SSH_AUTHORIZATION = "SSH tunnels authorization failure"
    SSH_PROTOCOL = "SSH tunnels protocol violation"
    XMPP_PROTOCOL = "XMPP protocol violation"
    SIP_AUTHENTICATION = "SIP authentication failure"


SERVERS = ("expressway_e", "expressway_c", "unified_cm", "im_presence")
"""The kinds of hosts whose links end here."""


TICK_S = 0.001
"""Seconds after its end at which a block is checked."""
ALARM = "40056"
ALARM_TITLE = "fail2ban banned any IP address"
ALARM_TEXT = "{category} Access to Expressway is blocked for new IP addresses - {address}"


class Protection:
    """The protection service of one Expressway.

    ``ports`` are the ports of each category's service; without them a block covers all ports. ``spares`` are the kinds
    of hosts that are never blocked.
    """

    def __init__(
        self,
        host: Host,
        recorder: Recorder,
        deployment: Deployment,
        release: Release,
        *,
        on: bool,
        ports: Mapping[Category, Collection[int]] | None = None,
        spares: tuple[str, ...] = (),
    ) -> None:
        self._host = host
        self._recorder = recorder
        self._deployment = deployment
        self._release = release
        self._spares = spares
        by_port = deployment.defaults.protection.block_scope == "destination port"
        self._ports = ports if ports is not None and by_port else {}
        self._settings = settings = deployment.defaults.protection
        counts_sip = settings.sip_authentication_failure
        is_on = {
            Category.HTTP_AUTHORIZATION: settings.http_authorization_failure,
            Category.HTTP_PROTOCOL: settings.http_protocol_violation,
            Category.HTTP_RESOURCE: settings.count_resource_access,
            Category.SSH_AUTHORIZATION: settings.ssh_authorization_failure,
            Category.SSH_PROTOCOL: settings.ssh_protocol_violation,
            Category.XMPP_PROTOCOL: settings.xmpp_protocol_violation,
            Category.SIP_AUTHENTICATION: release >= SIP_FAILURES_COUNT_SINCE if counts_sip is None else counts_sip,
        }
        self.active = frozenset(each for each, counts in is_on.items() if counts and on)
        """The categories that are on."""
        self._exempt = [ipaddress.ip_network(each) for each in settings.exempt]
        self._failures: dict[tuple[Category, str], list[float]] = {}
        """The failure times of each address, oldest first; lists, because there are many."""
        self._raised: events.Alarm | None = None
        self._ends: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the blocks, to raise and lower their alarm."""
        if self._release >= BAN_ALARM_SINCE:
            self._host.world.admission.watch(self._host.name, self._changed)

    def stop(self) -> None:
        """Stop watching."""
        self._host.world.admission.unwatch(self._host.name, self._changed)
        if self._ends is not None:
            self._ends.cancel()

    def count(self, category: Category, peer: tuple[str, int] | None) -> None:
        """Count a client's failure, and block its address beyond the trigger level."""
        if peer is None or category not in self.active or self._is_exempt(peer):
            return
        now, key = asyncio.get_running_loop().time(), (category, peer[0])
        since = now - self._settings.detection_window_s
        failures = [at for at in self._failures.pop(key, ()) if at >= since]
        failures.append(now)
        while self._failures and next(iter(self._failures.values()))[-1] < since:
            del self._failures[next(iter(self._failures))]
        if len(failures) > self._settings.trigger_level:
            # Only after the response to this failure is sent, as in a product that reads its own log.
            asyncio.get_running_loop().call_soon(self._block, category, peer[0])
            return
        self._failures[key] = failures
        if len(self._failures) > self._settings.addresses:
            del self._failures[next(iter(self._failures))]

    def _block(self, category: Category, address: str) -> None:
        self._host.world.admission.block(
            self._host.name,
            address,
            seconds=self._settings.block_s,
            reason=category.value,
            silent=self._settings.blocked == "silence",
            ports=self._ports.get(category),
        )

    def _changed(self, block: Block) -> None:
        """Raise the alarm with the first block, lower it with the last."""
        there = [each for each in self._host.world.admission.blocks() if each.host == self._host.name]
        if there and self._raised is None:
            text = ALARM_TEXT.format(category=block.reason, address=block.address)
            self._raised = events.Alarm(
                id=ALARM, state="raised", severity="warning", title=ALARM_TITLE, description=text
            )
            self._recorder.emit(self._raised)
        elif not there and self._raised is not None:
            lowered = replace(self._raised, state="lowered")
            self._raised = None
            if self._settings.alarm_lowered == "with the last block":
                self._recorder.emit(lowered)
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None
        if there:
            loop, admission = asyncio.get_running_loop(), self._host.world.admission
            left = min(each.until_ns for each in there) - self._host.world.now()
            self._ends = loop.call_later(left / SECOND + TICK_S, admission.blocks, context=self._host.context())

    def _is_exempt(self, peer: tuple[str, int]) -> bool:
        address = ipaddress.ip_address(peer[0])
        if any(address in network for network in self._exempt):
            return True
        host = self._host.world.peer(self._host, peer) if self._spares else None
        spec = self._deployment.hosts_by_name.get(host.name) if host is not None else None
        return spec is not None and spec.kind in self._spares
