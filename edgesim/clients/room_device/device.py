"""A simulated room device with TC, CE or RoomOS.

An administrator sets its Provisioning Mode, user name, password and domain. It verifies Expressway-E against an
extensible list of CAs that includes public ones, and retries every 15 s. It requires the user's UDS server in the edge
configuration, and provisions from the start when its registration is lost.

Source: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304), including its log texts.
"""

from __future__ import annotations

from typing import ClassVar

from cryptography import x509

from edgesim.clients.common.device import DeviceStage, EdgeDevice
from edgesim.clients.common.habits import RegistrationPath
from edgesim.clients.common.register import Registrant
from edgesim.clients.common.stages import Result, StageFailed
from edgesim.deployment.device_models import Software
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import Device, User
from edgesim.edge.config_files import DeviceConfig
from edgesim.edge.edge_config import EdgeConfig
from edgesim.node import Node
from edgesim.sip import remotecc

SUPPORTED = (
    "replaces,100rel,timer,gruu,path,outbound,X-cisco-serviceuri,X-cisco-callinfo,X-cisco-service-control,"
    "X-cisco-srtp-fallback,X-cisco-sis-6.0.0,norefersub,extended-refer"
)
"""The Supported header of an EX60's REGISTER."""
TRAITS = ("audio=TRUE", "video=TRUE", 'mobility="fixed"', 'duplex="full"', 'description="TANDBERG-SIP"')
BODY = remotecc.single_body(("joinreq", "x-cisco-number", "ix"))
NO_UDS = "Provisioning failed: XML didnt contain UDS server addres"
LOST = "[statusCheck] No active VcsE, reprovisioning!"


class RoomDevice(EdgeDevice):
    """A room device outside. ``mode`` is its Provisioning Mode: only ``Edge`` uses MRA."""

    store: ClassVar[str] = "ca-list"

    def __init__(self, node: Node, device: Device, user: User, *, domain: str | None = None) -> None:
        super().__init__(node, device, user, domain=domain)
        spec = node.spec.spec
        self.mode: str = spec.provisioning_mode if isinstance(spec, ClientHost) else "Edge"

    def add_ca(self, *certificates: x509.Certificate) -> None:
        """Add CAs to its list, effective from the next attempt."""
        self.trust = self.trust.plus(*certificates)

    @property
    def retry_s(self) -> float:
        """Seconds from a failed attempt to the next."""
        return self.node.defaults.client.room_retry_s

    @property
    def http_agent(self) -> str:
        """The User-Agent over HTTPS."""
        return self._agents[1]

    @property
    def _agents(self) -> tuple[str, str]:
        """The User-Agents over SIP and over HTTPS."""
        agents = self.node.defaults.agents
        if self.device.made.software is Software.TC:
            found = agents.tc, agents.tc_http
        elif self.release.text.startswith("RoomOS"):
            found = agents.roomos, agents.roomos_http
        else:
            found = agents.ce, agents.ce_http
        release = self.release.text.removeprefix("RoomOS")
        return found[0].format(release=release), found[1].format(release=release)

    def _ready(self) -> str | None:
        if self.mode != "Edge":
            return f"Provisioning Mode is {self.mode}"
        return super()._ready()

    def _usable(self, edge: EdgeConfig) -> None:
        if edge.uds_address is None:
            raise StageFailed(NO_UDS)

    @property
    def _retrying(self) -> str:
        return f"EDGEProvisionUser: start retry timer for {self.retry_s:g} seconds"

    def _heard(self, result: Result, detail: str) -> None:
        super()._heard(result, detail)
        if result is Result.FAILED and not self.registered:
            self._report(DeviceStage.PHONE, Result.FAILED, LOST)
            self._lost.set()

    def _group(self, paths: list[list[RegistrationPath]]) -> tuple[RegistrationPath, ...]:
        return tuple(path for by_edge in paths for path in by_edge)

    def _registrant(self, path: RegistrationPath, config: DeviceConfig) -> Registrant:
        line = config.lines[0]
        return Registrant(
            node=path.node,
            number=line.name,
            contact_user=line.contact,
            device=self.name,
            model=self.device.model,
            instance=self.instance,
            agent=self._agents[0],
            load=None,
            supported=SUPPORTED,
            body=BODY,
            traits=(f'+u.sip!serialno.ccm.cisco.com="{self.instance.upper()}"', *TRAITS),
        )
