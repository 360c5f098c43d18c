"""The users of a deployment and the devices that they own."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edgesim.deployment.base import HostLabel, Model, Secret, Text
from edgesim.deployment.device_models import DeviceKind, DeviceType, device_type
from edgesim.deployment.releases import ReleaseError

_USER_ID = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff/:\"<>&]{1,128}")


def _user_id(text: str) -> str:
    if not _USER_ID.fullmatch(text):
        raise ValueError('a user id of 1 to 128 characters, without white space, control characters and / : " < > &')
    return text


UserId = Annotated[str, AfterValidator(_user_id)]
"""An end user's id, case-sensitive; a mail address where LDAP gives one as the user id. Left out is what Basic
credentials (RFC 7617), paths and XML cannot carry; what is documented is less, see `edgesim.readiness`."""
DirectoryNumber = Annotated[str, Field(pattern=r"^\+?[0-9*#]{1,24}$")]
DeviceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,50}$")]


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

    @property
    def made(self) -> DeviceType:
        """What kind of device it is with the software that it runs. Raises `ReleaseError` for software of another."""
        return device_type(self.type, self.firmware)

    @property
    def family(self) -> Literal["jabber", "phone", "room"] | None:
        """Which clients it is one of; None where it cannot run its firmware."""
        try:
            return self.made.software.family
        except ReleaseError:
            return None

    @property
    def product(self) -> str:
        """Unified CM's product name, such as ``Cisco Unified Client Services Framework``."""
        return self.made.product

    @property
    def model(self) -> int:
        """Unified CM's model number, as in ``+u.sip!model.ccm.cisco.com``."""
        return self.made.model

    @property
    def unfit(self) -> str | None:
        """Why MRA does not support it, model or firmware, in one line; None where it does."""
        return self.made.unfit(self.firmware)


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

    @property
    def display_name(self) -> str:
        """First and last name, or the id."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.id
