"""The devices that can use MRA, as data: Unified CM's names, their software, the first release that supports MRA.

Model numbers are those of Unified CM (``tkmodel``), as ``+u.sip!model.ccm.cisco.com`` carries them: "RisPort70 API
Reference", Device Models; 621 and 604 are in captures as well. Minimum releases are the gates of `features`: "MRA
Deployment Guide X15.0, MRA Requirements and Prerequisites".

Some hardware runs one of two lines of software, and is another product for Unified CM under each: with Android a DX80
is a ``Cisco DX80``, with CE a ``Cisco Webex DX80``. The release says which: ``10.2.5(207)``, ``TC7.3.21``,
``CE9.15.3``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from edgesim.deployment.features import gate
from edgesim.deployment.releases import Product, Release, ReleaseError
from edgesim.deployment.settings import DevicePlatform


class Software(Enum):
    """A line of software; the value is how people name it."""

    JABBER = "Jabber"
    PHONE = "phone firmware"
    ANDROID = "Android"
    TC = "TC"
    CE = "CE"

    @property
    def family(self) -> Literal["jabber", DevicePlatform]:
        """The family of clients that a line of software belongs to: a DX with Android behaves as a phone."""
        match self:
            case Software.JABBER:
                return "jabber"
            case Software.PHONE | Software.ANDROID:
                return "phone"
            case _:
                return "room"

    @property
    def product(self) -> Product:
        """Whose releases its own are written like."""
        return Product.PHONE if self.family == "phone" else Product.ROOM_DEVICE


CURRENT: dict[Software, str] = {
    Software.PHONE: "14.2(1)",
    Software.ANDROID: "10.2.5(207)",
    Software.TC: "TC7.3.21",
    Software.CE: "CE9.15.3",
}
"""The release of a device whose firmware is left out: one above every minimum."""


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A kind of device under one line of software: Unified CM's product name and model number.

    ``gate`` is the feature of `features.GATES` that its software must have; None for one that any release has.
    ``excluded``: MRA does not support it, whatever its release. ``inferred``: the number is that of its next of kin.
    """

    prefix: str
    product: str
    model: int
    software: Software = Software.JABBER
    gate: str | None = None
    excluded: bool = False
    inferred: bool = False

    def release(self, firmware: str | None) -> Release:
        """Return its release as ordered; that of `CURRENT` where it is left out. Raises `ReleaseError`."""
        return Release.parse(firmware or CURRENT[self.software], self.software.product)

    def unfit(self, firmware: str | None) -> str | None:
        """Say in one line why MRA does not support it with this firmware; None where it does."""
        if self.excluded:
            return f"{self.product} does not support MRA"
        if self.gate is None or self.software is Software.JABBER:
            return None
        minimum = gate(self.gate, self.software.product)
        release = self.release(firmware)
        if minimum is None or minimum.open(release):
            return None
        return f"{self.product} supports MRA from {minimum.since} on, and runs {release}"


def _phone(product: str, model: int, gate: str = "7800 and 8800 series", *, excluded: bool = False) -> DeviceType:
    return DeviceType("SEP", f"Cisco {product}", model, Software.PHONE, gate, excluded)


def _android(product: str, model: int) -> DeviceType:
    return DeviceType("SEP", f"Cisco {product}", model, Software.ANDROID, "dx on android")


def _tc(product: str, model: int) -> DeviceType:
    return DeviceType("SEP", f"Cisco TelePresence {product}", model, Software.TC, "telepresence on tc")


def _ce(product: str, model: int) -> DeviceType:
    return DeviceType("SEP", f"Cisco TelePresence {product}", model, Software.CE, "telepresence on ce")


def _webex(product: str, model: int, *, inferred: bool = False) -> DeviceType:
    return DeviceType("SEP", f"Cisco Webex {product}", model, Software.CE, inferred=inferred)


LARGE = "7832 and 8832"

DEVICE_TYPES: dict[str, tuple[DeviceType, ...]] = {
    "desktop": (DeviceType("CSF", "Cisco Unified Client Services Framework", 503),),
    "iphone": (DeviceType("TCT", "Cisco Dual Mode for iPhone", 562),),
    "android": (DeviceType("BOT", "Cisco Dual Mode for Android", 575),),
    "tablet": (DeviceType("TAB", "Cisco Jabber for Tablet", 652),),
    # 7800 and 8800 series
    "7811": (_phone("7811", 36213),),
    "7821": (_phone("7821", 621),),
    "7832": (_phone("7832", 36247, LARGE),),
    "7841": (_phone("7841", 622),),
    "7861": (_phone("7861", 623),),
    "8811": (_phone("8811", 36217),),
    "8841": (_phone("8841", 683),),
    "8845": (_phone("8845", 36224),),
    "8851": (_phone("8851", 684),),
    "8851NR": (_phone("8851NR", 36232),),
    "8861": (_phone("8861", 685),),
    "8865": (_phone("8865", 36225),),
    "8865NR": (_phone("8865NR", 36248),),
    "8832": (_phone("8832", 36258, LARGE),),
    "8832NR": (_phone("8832NR", 36260, LARGE),),
    # of these series, and excluded; an 8821-EX is an 8821 to Unified CM
    "8821": (_phone("8821", 36216, excluded=True),),
    "8821-EX": (_phone("8821", 36216, excluded=True),),
    "8831": (_phone("8831", 659, excluded=True),),
    # DX: Android, or CE. The DX80 is also among those that support any CE release: its first one was 8.2
    "DX650": (_android("DX650", 647),),
    "DX70": (_ce("DX70", 36241), _android("DX70", 36043)),
    "DX80": (_webex("DX80", 36239), _android("DX80", 36042)),
    # any CE release that the hardware runs
    "Desk Pro": (_webex("Desk Pro", 36307),),
    "Board 55": (_webex("Board 55", 36304),),
    "Board 70": (_webex("Board 70", 36305),),
    "Board 85": (_webex("Board 85", 36306),),
    "Room 55": (_webex("Room 55", 36254),),
    "Room 70 G2": (_webex("Room 70 Single G2", 36296),),
    "Room 55 Dual": (_webex("Room 55 Dual", 36295),),
    "Room 70 Dual G2": (_webex("Room 70 Dual G2", 36297),),
    "Room Panorama": (_webex("Room Panorama", 36308),),
    "Room 70 Panorama": (_webex("Room 70 Panorama", 36309),),
    "Room 70D Panorama Upgrade": (_webex("Room 70 Panorama", 36309, inferred=True),),
    "Room Kit": (_webex("Room Kit", 36251),),
    "Room Kit Pro": (_webex("Room Kit Pro", 36292),),
    "Room Kit Plus": (_webex("Room Kit Plus", 36255),),
    "Room Kit Mini": (_webex("Room Kit Mini", 36299),),
    "Codec Plus": (_webex("Room Kit Plus", 36255, inferred=True),),
    # TelePresence: TC, and some of them CE
    "SX10": (_ce("SX10", 682), _tc("SX10", 682)),
    "SX20": (_ce("SX20", 626), _tc("SX20", 626)),
    "SX80": (_ce("SX80", 688), _tc("SX80", 688)),
    "MX200 G2": (_ce("MX200 G2", 689), _tc("MX200 G2", 689)),
    "MX300 G2": (_ce("MX300 G2", 690), _tc("MX300 G2", 690)),
    "MX700": (_ce("MX700", 36207), _tc("MX700", 36207)),
    "MX800": (_ce("MX800", 36208), _tc("MX800", 36208)),
    "MX800 Dual": (_ce("MX800 Dual", 36227), _tc("MX800 Dual", 36227)),
    "MX200": (_tc("MX200", 617),),
    "MX300": (_tc("MX300", 627),),
    "EX60": (_tc("EX60", 604),),
    "EX90": (_tc("EX90", 584),),
    "C20": (_tc("Quick Set C20", 609),),
    "C40": (_tc("Codec C40", 608),),
    "C60": (_tc("Codec C60", 607),),
    "C90": (_tc("Codec C90", 606),),
    "Profile 42 C20": (_tc("Profile 42 (C20)", 610),),
    "Profile 42 C40": (_tc("Profile 42 (C40)", 633),),
    "Profile 42 C60": (_tc("Profile 42 (C60)", 611),),
    "Profile 52 C40": (_tc("Profile 52 (C40)", 612),),
    "Profile 52 C60": (_tc("Profile 52 (C60)", 613),),
    "Profile 52 Dual C60": (_tc("Profile 52 Dual (C60)", 614),),
    "Profile 65 C60": (_tc("Profile 65 (C60)", 615),),
    "Profile 65 Dual C90": (_tc("Profile 65 Dual (C90)", 616),),
}
"""Every kind of device by its short name; with several lines of software, the default one comes first."""

DeviceKind = Literal[
    "desktop", "iphone", "android", "tablet",
    "7811", "7821", "7832", "7841", "7861",
    "8811", "8841", "8845", "8851", "8851NR", "8861", "8865", "8865NR", "8832", "8832NR", "8821", "8821-EX", "8831",
    "DX650", "DX70", "DX80",
    "Desk Pro", "Board 55", "Board 70", "Board 85", "Room 55", "Room 70 G2", "Room 55 Dual", "Room 70 Dual G2",
    "Room Panorama", "Room 70 Panorama", "Room 70D Panorama Upgrade", "Room Kit", "Room Kit Pro", "Room Kit Plus",
    "Room Kit Mini", "Codec Plus",
    "SX10", "SX20", "SX80", "MX200 G2", "MX300 G2", "MX700", "MX800", "MX800 Dual", "MX200", "MX300", "EX60", "EX90",
    "C20", "C40", "C60", "C90", "Profile 42 C20", "Profile 42 C40", "Profile 42 C60", "Profile 52 C40",
    "Profile 52 C60", "Profile 52 Dual C60", "Profile 65 C60", "Profile 65 Dual C90",
]  # fmt: skip
JABBER_PREFIXES: dict[str, DeviceKind] = {"CSF": "desktop", "TCT": "iphone", "BOT": "android", "TAB": "tablet"}

_BEGINNINGS = {"TC": Software.TC, "CE": Software.CE, "Ro": Software.CE}


def device_type(kind: str, firmware: str | None) -> DeviceType:
    """Return the type of a device that runs ``firmware``. Raises `ReleaseError` for a release that it cannot run."""
    types = DEVICE_TYPES[kind]
    if firmware is None or types[0].software is Software.JABBER:
        return types[0]
    wanted = _BEGINNINGS.get(firmware[:2])
    for each in types:
        if each.software is wanted or (wanted is None and each.software.family == "phone"):
            each.release(firmware)
            return each
    lines = " or ".join(f"{each.software.value} ({CURRENT[each.software]})" for each in types)
    raise ReleaseError(f"a release of {lines}")
