"""The plan of users and their devices."""

from __future__ import annotations

from pydantic import Field

from edgesim.deployment.base import DeviceName, DirectoryNumber, HostLabel, Model, Secret, Text, UserId
from edgesim.deployment.device_models import DeviceKind


class Device(Model):
    """A device of Unified CM's database."""

    name: DeviceName
    type: DeviceKind = "desktop"
    owner: UserId | None = None
    line: DirectoryNumber | None = Field(default=None, description="directory number; its owner's first when left out")
    cluster: HostLabel | None = Field(default=None, description="its Unified CM cluster; its owner's, or the first")
    security_profile: Text = "Standard SIP Non-Secure Profile"
    description: str = Field(default="", max_length=128)
    firmware: str | None = Field(
        default=None,
        max_length=40,
        description="release of a phone or room device, such as 12.8(1), 10.2.5(207) (DX with Android), TC7.3.21 or "
        "CE9.15.3; a current one when left out",
    )
    activation_code_via_mra: bool = Field(
        default=True,
        description="Allow Activation Code via MRA; phones of the 7800 and 8800 series use MRA only with it, from "
        "Expressway X14.0 on",
    )
    enrolled: bool = Field(
        default=False, description="holds a locally significant certificate (CAPF enrolment on premises)"
    )


class User(Model):
    """An end user."""

    id: UserId
    password: Secret
    first_name: str = Field(default="", max_length=64)
    last_name: str = Field(default="", max_length=64)
    mail: str | None = Field(default=None, max_length=254, description="id@edge domain when left out")
    directory_uri: str | None = Field(default=None, max_length=254, description="the mail address when left out")
    numbers: tuple[DirectoryNumber, ...] = ()
    home_cluster: HostLabel | None = Field(default=None, description="Unified CM cluster; the first when left out")
    homed: bool = Field(default=True, description="Home Cluster is ticked")
    also_homed_at: tuple[HostLabel, ...] = Field(
        default=(), description="further clusters where it is ticked, which is a mistake"
    )
    im_presence: bool = Field(default=True, description="enabled for IM and Presence")
    im_presence_node: HostLabel | None = Field(default=None, description="home node; chosen in turn when left out")
    devices: tuple[DeviceName, ...] | None = Field(default=None, description="CSF<ID> when left out")
    service_profile: Text | None = "SPDefault"
    user_profile: Text = "Standard (Factory Default) User Profile"
