"""Whether a desk phone turns to MRA: what its network and its configuration say of it.

Sources: "IP Phone 8800 Administration Guide, Mobile and Remote Access Through Expressway" for the DHCP options; "MRA
Deployment Guide X15.2, Provisioning MRA Devices" for the checkbox: as of X14.0 these phones switch to MRA mode only if
*Allow Activation Code via MRA* is checked.
"""

from __future__ import annotations

from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.model import Deployment
from edgesim.deployment.people import Device
from edgesim.deployment.releases import Product, Release

CHECKBOX_SINCE = Release.parse("X14.0", Product.EXPRESSWAY)
"""The Expressway release from which on the checkbox counts."""
SERIES = ("7800 and 8800 series", "7832 and 8832")


def named_tftp(deployment: Deployment, machine: ClientHost, device: Device) -> str | None:
    """Say in a line that the network names a TFTP server to a phone, which keeps it there; None where it does not."""
    if machine.dhcp_tftp_option is None or not _concerned(deployment, device):
        return None
    return f"DHCP option {machine.dhcp_tftp_option} names a TFTP server"


def unchecked(deployment: Deployment, device: Device) -> str | None:
    """Say in a line that the configuration keeps a phone out of MRA; None where it does not."""
    release = deployment.releases().get(Product.EXPRESSWAY)
    if (
        device.activation_code_via_mra
        or release is None
        or release < CHECKBOX_SINCE
        or not _concerned(deployment, device)
    ):
        return None
    return "Allow Activation Code via MRA is not checked"


def stays_inside(deployment: Deployment, machine: ClientHost, device: Device) -> str | None:
    """Say in a line why a phone does not turn to MRA; None where it does."""
    return named_tftp(deployment, machine, device) or unchecked(deployment, device)


def _concerned(deployment: Deployment, device: Device) -> bool:
    return deployment.defaults.client.phone_mra_mode == "network and checkbox" and device.made.gate in SERIES
