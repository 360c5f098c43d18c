"""The users of a deployment and the devices that they own, complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgesim.deployment.base import DeviceName, DirectoryNumber, HostLabel, Secret, Text, UserId
from edgesim.deployment.device_models import DeviceKind, DeviceType, device_type
from edgesim.deployment.settings import DevicePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of Unified CM's database.

    ``owner`` is None without an owner, ``line`` without a directory number, ``firmware`` for Jabber, whose release is
    that of the machine on which it runs.
    """

    name: DeviceName
    type: DeviceKind
    owner: UserId | None
    line: DirectoryNumber | None
    cluster: HostLabel
    security_profile: Text
    description: str
    firmware: str | None
    activation_code_via_mra: bool
    enrolled: bool

    @property
    def made(self) -> DeviceType:
        """The kind of device with its software."""
        return device_type(self.type, self.firmware)

    @property
    def family(self) -> Literal["jabber", DevicePlatform]:
        """Which clients it is one of."""
        return self.made.software.family

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


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An end user.

    ``im_presence_node`` is the home node, None for one without IM and Presence; ``service_profile`` is None where none
    is assigned.
    """

    id: UserId
    password: Secret = field(repr=False)
    first_name: str
    last_name: str
    mail: str
    directory_uri: str
    numbers: tuple[DirectoryNumber, ...]
    home_cluster: HostLabel
    homed: bool
    also_homed_at: tuple[HostLabel, ...]
    im_presence: bool
    im_presence_node: HostLabel | None
    devices: tuple[DeviceName, ...]
    service_profile: Text | None
    user_profile: Text

    @classmethod
    def stranger(cls, user_id: str, password: str) -> User:
        """Return a user that no cluster knows: a client accepts any name and password that is typed into it."""
        return cls(
            id=user_id,
            password=password,
            first_name="",
            last_name="",
            mail="",
            directory_uri="",
            numbers=(),
            home_cluster="",
            homed=False,
            also_homed_at=(),
            im_presence=False,
            im_presence_node=None,
            devices=(),
            service_profile=None,
            user_profile="",
        )

    @property
    def display_name(self) -> str:
        """First and last name, or the id."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.id
