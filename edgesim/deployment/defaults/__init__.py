"""Every constant that the lab's behaviour rests on, named, with its value, its reason and how well it is known.

``deployment.defaults.sip.stun_interval_s`` is such a value; `grounds` tells where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgesim.deployment.base import Model
from edgesim.deployment.defaults.client import ClientDefaults
from edgesim.deployment.defaults.doors import DoorDefaults, ProtectionDefaults
from edgesim.deployment.defaults.edge import AutomaticRule, EdgeDefaults, UdsDefaults
from edgesim.deployment.defaults.identity import OAuthDefaults, TlsDefaults
from edgesim.deployment.defaults.im import CapacityDefaults, ImDefaults, RecoveryDefaults
from edgesim.deployment.defaults.journal import JournalDefaults
from edgesim.deployment.defaults.media import MediaDefaults
from edgesim.deployment.defaults.network import DnsDefaults, Latency, LinkDefaults, NetworkDefaults, PortDefaults
from edgesim.deployment.defaults.planned import FIXED, SUBJECTS
from edgesim.deployment.defaults.sip import AgentDefaults, SipDefaults, UnifiedCmDefaults

__all__ = [
    "AgentDefaults",
    "AutomaticRule",
    "CapacityDefaults",
    "ClientDefaults",
    "Defaults",
    "DnsDefaults",
    "DoorDefaults",
    "EdgeDefaults",
    "Grounds",
    "ImDefaults",
    "JournalDefaults",
    "Latency",
    "LinkDefaults",
    "MediaDefaults",
    "NetworkDefaults",
    "OAuthDefaults",
    "PortDefaults",
    "ProtectionDefaults",
    "RecoveryDefaults",
    "SipDefaults",
    "TlsDefaults",
    "UdsDefaults",
    "UnifiedCmDefaults",
    "grounds",
]


class Defaults(Model):
    """All named defaults, by subject. A deployment may override any of them."""

    network: NetworkDefaults = NetworkDefaults()
    ports: PortDefaults = PortDefaults()
    dns: DnsDefaults = DnsDefaults()
    links: LinkDefaults = LinkDefaults()
    edge: EdgeDefaults = EdgeDefaults()
    doors: DoorDefaults = DoorDefaults()
    protection: ProtectionDefaults = ProtectionDefaults()
    uds: UdsDefaults = UdsDefaults()
    sip: SipDefaults = SipDefaults()
    unified_cm: UnifiedCmDefaults = UnifiedCmDefaults()
    agents: AgentDefaults = AgentDefaults()
    oauth: OAuthDefaults = OAuthDefaults()
    tls: TlsDefaults = TlsDefaults()
    im: ImDefaults = ImDefaults()
    recovery: RecoveryDefaults = RecoveryDefaults()
    capacity: CapacityDefaults = CapacityDefaults()
    client: ClientDefaults = ClientDefaults()
    media: MediaDefaults = MediaDefaults()
    journal: JournalDefaults = JournalDefaults()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Where a default comes from: ``path`` such as ``sip.stun_interval_s``, the shipped value, the reason.

    ``planned`` is the subject that it waits for, ``fixed`` says that it is no setting.
    """

    path: str
    value: Any
    why: str
    tag: str
    gap: str | None
    source: str | None
    planned: str | None = None
    fixed: bool = False


def grounds() -> Iterator[Grounds]:
    """Yield the grounds of every default, group by group."""
    for group, field in Defaults.model_fields.items():
        for name, each in type(field.default).model_fields.items():
            extra = each.json_schema_extra
            facts: dict[str, Any] = extra if isinstance(extra, dict) else {}
            yield Grounds(
                path=f"{group}.{name}",
                value=each.default,
                why=each.description or "",
                tag=facts.get("tag", ""),
                gap=facts.get("gap"),
                source=facts.get("source"),
                planned=SUBJECTS.get(f"{group}.{name}"),
            )
        for fixed in FIXED:
            if fixed.path.startswith(f"{group}."):
                yield Grounds(
                    path=fixed.path,
                    value=fixed.value,
                    why=fixed.why,
                    tag=fixed.tag,
                    gap=fixed.gap,
                    source=fixed.source,
                    fixed=True,
                )
