"""How a default is declared: its value, why it is that, how well it is known, and who says so.

The tags, strongest first: ``doc`` stated by a public document; ``trace`` seen literally in a public capture or log;
``impl`` read from public client code, or from an implementation named in the reason; ``one-source`` a single
unverified observation; ``inferred`` derived from other facts; ``recalled`` general knowledge; ``proposed`` chosen for
this testbed. A default with a ``gap`` stands for something that no public document states; a capture may one day change
that one line.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

Tag = Literal["doc", "trace", "impl", "one-source", "inferred", "recalled", "proposed"]

MAINTENANCE = 'MRA Deployment Guide X14.3, "MRA Maintenance"'
REQUIREMENTS = 'MRA Deployment Guide X15.0, "MRA Requirements and Prerequisites"'
CONFIGURATION = 'MRA Deployment Guide X14.0, "MRA Configuration"'
TROUBLESHOOTING = 'MRA Deployment Guide X12.5, "Troubleshooting"'
INSTALL = 'MRA Deployment Guide X12.6, "Install MRA"'
PORTS = 'Expressway IP Port Usage Configuration Guide (X14.3/X15.0), "Mobile and Remote Access"'
ZONES = 'Expressway Administrator Guide X14.3, "Zones and Neighbors"'
CAPACITY = 'Expressway Administrator Guide X15.4, "Capacity and Sizing"'
NETWORK = 'Expressway Administrator Guide X15.5, "Network and System Settings"'
STATUS = 'Expressway Administrator Guide X15.5, "Status and System Information"'
PROTOCOLS = 'Expressway Administrator Guide X15.3, "Protocols"'
REFERENCE = 'Expressway Administrator Guide X15.5, "Reference Material"'
CERTIFICATES = "Configure and Troubleshoot Collaboration Edge (MRA) Certificates (213872)"
RELEASE_NOTES = 'Expressway Release Note X14.2.6, "Other Changes"'
EDGE_SNI = 'Expressway Administrator Guide X15.5, "SNI Call Flow"'
UPGRADE = "Upgrade Video Communication Server (VCS) / Expressway X14.x (217743)"
FAILOVER = "How Phone Services Failover works for Jabber 14 over MRA (217244)"
TC_EXAMPLE = "Collaboration Edge TC-based Endpoints Configuration Example (211304)"
MULTI_DOMAIN = "Configure MRA through Expressway/VCS in a Multi-Domain Deployment (117811)"
SOURCE_NAT = "Mobile and Remote Access phone services failing due to source IP translation (212347)"
SIP_OAUTH = "Cisco Jabber and SIP OAuth Mode (215572)"
CODE_GRANT = "Deploy and Troubleshoot Authorization Code Grant Flow - OAuth Enhancement (212794)"
EMCC = "Troubleshoot Extension Mobility Cross Cluster (214535)"
REDUNDANCY = (
    'Configuration and Administration of the IM and Presence Service 12.5(1), "Redundancy and High Availability"'
)
SYSTEM_GUIDE = "System Configuration Guide for Cisco Unified Communications Manager 12.5(1)"
ALARMS = "System Error Messages for Cisco Unified Communications Manager 15"
LINE_GUIDE = "SIP Line Messaging Guide (Standard) for Cisco Unified Communications Manager 12.0(1)"
UDS_REFERENCE = "UDS API reference"
ADFS = "Configure SAML SSO on Cisco Unified Communications Manager with ADFS 3.0 (216948)"
HYBRID = "Troubleshooting Guide for Cisco Webex Hybrid Call Service Connect (212475)"
ANDROID = "Configure Jabber for Android to Register (201013)"
EDGE_ISSUES = "Troubleshoot Most Common Issues of Collaboration Edge (118798)"
ENDPOINTS = "Configure Endpoint Registration on Expressway (223293)"
MANAGED = "Managed Services Guide for Cisco Unified Communications Manager 12.5(1)"
PHONE_MRA = 'IP Phone 8800 Administration Guide, "Mobile and Remote Access Through Expressway"'
PHONES = "Troubleshoot Cisco Phone 7800/8800 Series (200850)"
UNREGISTERED = "Troubleshoot IP Phone Unregistration (200410)"
LOGIN_ISSUES = "Troubleshoot Jabber Log in - Common Issues (221845)"
TRAFFIC_SERVER = "Apache Traffic Server, the proxy software that the products' Via names"
ORIGIN = "Understand Origin Server Verification and Expressway Traffic Server Certificates (218018)"
RENEWAL = "Troubleshoot Common Issues with Certificate Renewal in CUCM (225746)"
SIPCC = "SIPCC as published in Mozilla trees"
DISCOVERY = 'Planning Guide for Cisco Jabber 11.6, "Service Discovery"'


def known(
    value: Any,
    why: str,
    *,
    tag: Tag,
    gap: str | None = None,
    source: str | None = None,
    **limits: Any,
) -> Any:
    """Declare a default. ``source`` is the title of a public document or an RFC with its section."""
    grounds = {"tag": tag, **({"gap": gap} if gap else {}), **({"source": source} if source else {})}
    return Field(default=value, description=why, json_schema_extra={**grounds}, **limits)
