"""A simulated desk phone of the 7800 or 8800 series, or a DX with Android.

It asks for service domain, user name and password, and nothing else: its CA list comes with the firmware and cannot be
changed, and if none of them signed Expressway-E's certificate the phone fails silently. Failover follows static groups:
first Expressway-E to first node, second to second, and so on, without a mesh.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"; "Troubleshoot Extension Mobility Cross
Cluster" (Cisco 214535) for the REGISTER of a 7821.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

from edgesim.clients.common.device import DeviceStage, EdgeDevice
from edgesim.clients.common.habits import Habits, RegistrationPath
from edgesim.clients.common.register import PHONE_SESSION, Registrant
from edgesim.clients.common.stages import Result
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.phone_mode import stays_inside
from edgesim.edge.config_files import DeviceConfig
from edgesim.sip import remotecc

SUPPORTED = (
    "replaces,join,sdp-anat,norefersub,resource-priority,extended-refer,X-cisco-callinfo,X-cisco-serviceuri,"
    "X-cisco-escapecodes,X-cisco-service-control,X-cisco-srtp-fallback,X-cisco-monrec,X-cisco-config,X-cisco-sis-7.0.0,"
    "X-cisco-xsi-8.5.1"
)
"""The Supported header of a 7821's REGISTER."""
BODY = remotecc.register_body(remotecc.PHONE_OPTIONS)


class IpPhone(EdgeDevice):
    """A desk phone outside."""

    store: ClassVar[str] = "built-in"
    session: ClassVar[str | None] = PHONE_SESSION

    @property
    def retry_s(self) -> float:
        """Seconds from a failed attempt to the next."""
        return self.node.defaults.client.phone_retry_s

    @property
    def http_agent(self) -> str:
        """The User-Agent over HTTPS."""
        return self._agent(self.node.defaults.agents.phone_http)

    def _agent(self, form: str) -> str:
        return form.format(model=self.device.type, release=self._dotted)

    @property
    def _dotted(self) -> str:
        """Return the release as in User-Agent: 12.1(1) becomes 12.1.1."""
        return self.release.text.replace("(", ".").replace(")", "")

    async def boot(self) -> None:
        """Start outside: ask for a service domain, unless the phone keeps its TFTP server."""
        client = self.node.defaults.client

        async def look() -> None:
            if (why := self._ready()) is not None:
                self._report(DeviceStage.OFF, Result.NONE, why)
                return
            reason = "no TFTP server by DHCP option 150 or 66"
            if client.phone_mra_mode == "TFTP timeout":
                await asyncio.sleep(client.phone_tftp_wait_s)
                reason = f"no TFTP server within {client.phone_tftp_wait_s:g} s"
            self._report(DeviceStage.OFF, Result.OK, f"{reason}: asks for service domain, user name and password")

        await self.node.host.run(look(), name=f"boot of {self.name}")

    def _ready(self) -> str | None:
        machine = self.node.spec.spec
        assert isinstance(machine, ClientHost)
        return super()._ready() or stays_inside(self.node.deployment, machine, self.device)

    def _group(self, paths: list[list[RegistrationPath]]) -> tuple[RegistrationPath, ...]:
        return tuple(by_edge[index] for index, by_edge in enumerate(paths) if index < len(by_edge))

    def _habits(self, config: DeviceConfig) -> Habits:
        client = self.node.defaults.client
        standby = float(config.timers.keep_alive_expires) if client.standby_keepalive else None
        return replace(super()._habits(config), alarm=client.phone_alarm, standby_s=standby)

    def _registrant(self, path: RegistrationPath, config: DeviceConfig) -> Registrant:
        line, agents = config.lines[0], self.node.defaults.agents
        series = f"{self.device.type[:2]}xx" if self.device.type.isdecimal() else self.device.type.lower()
        return Registrant(
            node=path.node,
            number=line.name,
            contact_user=line.contact,
            device=self.name,
            model=self.device.model,
            instance=self.instance,
            agent=self._agent(agents.phone),
            load=agents.phone_load.format(series=series, release=self._dotted.replace(".", "-")),
            supported=SUPPORTED,
            body=BODY,
        )
