"""Releases of the products: how they are written, how they are ordered, and which features wait for which.

A release is written as its maker writes it: ``X14.0.2`` (Expressway), ``12.5(1)SU4``, ``14SU3`` or a build such as
``11.5.1.18900-97`` (Unified CM, IM and Presence, Unity Connection), ``14.1.3`` (Jabber, Webex app), ``12.5(1)SR3``
(phones), ``TC7.1``, ``CE9.15.3``, ``RoomOS11.5`` (room devices).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import total_ordering
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Product(Enum):
    """The products whose releases matter; the value is how people name them."""

    EXPRESSWAY = "Expressway"
    UNIFIED_CM = "Unified CM"
    IM_PRESENCE = "IM and Presence"
    UNITY_CONNECTION = "Unity Connection"
    JABBER_WINDOWS = "Jabber for Windows"
    JABBER_MAC = "Jabber for Mac"
    JABBER_IOS = "Jabber for iPhone and iPad"
    JABBER_ANDROID = "Jabber for Android"
    WEBEX_APP = "Webex app"
    PHONE = "IP phone"
    ROOM_DEVICE = "room device"

    @property
    def family(self) -> str:
        """How its releases are written: ``expressway``, ``call control``, ``client``, ``phone`` or ``room``."""
        return _FAMILIES.get(self, "client")


_FAMILIES = {
    Product.EXPRESSWAY: "expressway",
    Product.UNIFIED_CM: "call control",
    Product.IM_PRESENCE: "call control",
    Product.UNITY_CONNECTION: "call control",
    Product.PHONE: "phone",
    Product.ROOM_DEVICE: "room",
}
JABBER = (Product.JABBER_WINDOWS, Product.JABBER_MAC, Product.JABBER_IOS, Product.JABBER_ANDROID)

_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "expressway": (
        re.compile(r"X([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?"),
        "X8.1.1, X14.3 or X15.0.2",
    ),
    "call control": (
        re.compile(
            r"([0-9]{1,4})(?:\.([0-9]{1,4})(?:[.(]([0-9]{1,4})\)?)?)?"
            r"(?:(?:\.([0-9]{5})-[0-9]{1,5})|(?:SU([0-9]{1,3})([a-z])?))?"
        ),
        "10.5(2)SU2, 12.5(1)SU4, 14, 14SU3 or 11.5.1.18900-97",
    ),
    "client": (re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,5}))?(?:\.([0-9]{1,5}))?(?:\.([0-9]{1,8}))?"), "9.6.1 or 14.1.3"),
    "phone": (
        re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?(?:\(([0-9]{1,4})\))?(?:SR([0-9]{1,3}))?"),
        "11.0(1), 12.5(1)SR3 or 10.2.4(99)",
    ),
    "room": (
        re.compile(r"(TC|CE|RoomOS) ?([0-9]{1,4})(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?(?:\.([0-9]{1,4}))?"),
        "TC7.1, CE9.15.3 or RoomOS11.5",
    ),
}
_ROOM_LINES = {"TC": 0, "CE": 1, "RoomOS": 2}


class ReleaseError(ValueError):
    """A release that is not written as its product's releases are."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """A release: the text as written, the family that orders it, and the key by which it is ordered."""

    text: str
    family: str
    key: tuple[int, ...]

    @classmethod
    def parse(cls, text: str, product: Product) -> Release:
        """Read a release of ``product``. Raises `ReleaseError`, which says how one is written."""
        form, examples = _FORMS[product.family]
        match = form.fullmatch(text) if len(text) <= 40 else None
        if match is None:
            raise ReleaseError(f"a release of {product.value} such as {examples}")
        return cls(text, product.family, _key(product.family, match))

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash((self.family, self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Release) and (self.family, self.key) == (other.family, other.key)

    def __lt__(self, other: Release) -> bool:
        if self.family != other.family:
            raise TypeError(f"{self} ({self.family}) and {other} ({other.family}) have no order")
        return self.key < other.key


def _key(family: str, match: re.Match[str]) -> tuple[int, ...]:
    parts = match.groups()
    if family == "call control":
        major, minor, maintenance, build, update, letter = parts
        # 14 is 14.0(1); a build 1N900 belongs to SU N, 10000 to the release itself.
        third = int(maintenance) if maintenance else (1 if minor is None else 0)
        service_update = int(build) // 1000 - 10 if build else int(update or 0)
        return (int(major), int(minor or 0), third, max(service_update, 0), ord(letter) if letter else 0)
    if family == "room":
        return (_ROOM_LINES[parts[0]], *(int(part or 0) for part in parts[1:]))
    return tuple(int(part or 0) for part in parts)


@dataclass(frozen=True, slots=True)
class ReleaseOf:
    """Pydantic annotation: the field is a release of this product, written as text."""

    product: Product

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: Any) -> Release:
            if isinstance(value, Release):
                if value.family != self.product.family:
                    raise ValueError(f"a release of {self.product.value}")
                return value
            if not isinstance(value, str):
                raise ValueError(f"a release of {self.product.value}, as text")
            release = Release.parse(value, self.product)
            newest = NEWEST.get(self.product)
            if newest is not None and release.key[0] > newest:
                raise ValueError(f"a release of {self.product.value} up to {newest}: nothing is known of a later one")
            return release

        return core_schema.no_info_plain_validator_function(read, serialization=core_schema.to_string_ser_schema())

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        form, examples = _FORMS[self.product.family]
        return {"type": "string", "pattern": f"^{form.pattern}$", "description": f"Such as {examples}"}


NEWEST: dict[Product, int] = {
    Product.EXPRESSWAY: 15,
    Product.UNIFIED_CM: 15,
    Product.IM_PRESENCE: 15,
    Product.UNITY_CONNECTION: 15,
    Product.JABBER_WINDOWS: 15,
}
"""The newest major release of each product that the documents behind this project cover."""

ExpresswayRelease = Annotated[Release, ReleaseOf(Product.EXPRESSWAY)]
UnifiedCmRelease = Annotated[Release, ReleaseOf(Product.UNIFIED_CM)]
ImPresenceRelease = Annotated[Release, ReleaseOf(Product.IM_PRESENCE)]
UnityConnectionRelease = Annotated[Release, ReleaseOf(Product.UNITY_CONNECTION)]
JabberRelease = Annotated[Release, ReleaseOf(Product.JABBER_WINDOWS)]

DEFAULT_EXPRESSWAY = Release.parse("X14.3", Product.EXPRESSWAY)
DEFAULT_UNIFIED_CM = Release.parse("14SU3", Product.UNIFIED_CM)
DEFAULT_IM_PRESENCE = Release.parse("14SU3", Product.IM_PRESENCE)
DEFAULT_UNITY_CONNECTION = Release.parse("14SU3", Product.UNITY_CONNECTION)
DEFAULT_JABBER = Release.parse("14.1", Product.JABBER_WINDOWS)
