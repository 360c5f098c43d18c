"""Documents about a user's devices and their extensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from xml.etree.ElementTree import Element

from edgesim.edge.markup import LIMITS, XmlLimits, leaf, tag, text, word
from edgesim.edge.uds.common import LINKS, UdsError, encoded, is_true, root_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of a user. ``provision`` is the URI of its configuration file, only in the single resource."""

    uri: str
    id: str
    name: str
    model: str
    type: str = "Phone"
    description: str = ""
    protocol: str = "SIP"
    editable: bool = True
    provision: str | None = None
    has_primary_number: bool = True
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body of ``user/{id}/device/{pkid}``."""
        children = [
            leaf("id", self.id),
            leaf("name", self.name),
            leaf("type", self.type),
            leaf("description", self.description, ("editable", word(self.editable))),
            leaf("model", self.model),
            leaf("protocol", self.protocol),
            *([] if self.provision is None else [tag("provision", leaf("uri", self.provision))]),
            *(leaf(name, None, ("uri", f"{self.uri}/{name}")) for name in LINKS[2:]),
        ]
        attributes = (
            ("uri", self.uri),
            ("version", self.version),
            ("hasPrimaryNumber", word(self.has_primary_number)),
        )
        return encoded(tag("device", *children, attributes=attributes))

    def item(self) -> str:
        """Return its element in the list ``devices``."""
        children = (
            leaf("id", self.id),
            leaf("name", self.name),
            leaf("type", self.type),
            leaf("model", self.model),
            leaf("description", self.description, ("editable", word(self.editable))),
            leaf("protocol", self.protocol),
        )
        return tag("device", *children, attributes=(("uri", self.uri),))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body of ``user/{id}/device/{pkid}``. Raises `UdsError`."""
        return cls.of(root_of(body, "device", limits))

    @classmethod
    def of(cls, root: Element) -> Self:
        """Parse an element ``device``. Raises `UdsError`."""
        name = text(root, "name")
        if not name:
            raise UdsError("<device> without <name>")
        description = root.find("description")
        return cls(
            uri=root.get("uri", ""),
            id=text(root, "id"),
            name=name,
            model=text(root, "model"),
            type=text(root, "type"),
            description=text(root, "description"),
            protocol=text(root, "protocol"),
            editable=description is not None and is_true(description.get("editable")),
            provision=text(root, "provision/uri") or None,
            has_primary_number=root.get("hasPrimaryNumber") != "false",
            version=root.get("version", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """Response to ``user/{id}/devices``, the request with which Expressway-C has Unified CM check a password."""

    uri: str
    devices: tuple[Device, ...]
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        children = (device.item() for device in self.devices)
        return encoded(tag("devices", *children, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "devices", limits)
        devices = tuple(Device.of(item) for item in root.findall("device"))
        return cls(uri=root.get("uri", ""), devices=devices, version=root.get("version", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Response to ``user/{id}/extensions`` and ``.../device/{pkid}/extensions``: ids and numbers, the primary first."""

    uri: str
    extensions: tuple[tuple[str, str], ...]
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        children = (
            tag(
                "extension",
                leaf("id", key),
                leaf("directoryNumber", number),
                leaf("voiceMailPilotNumber", None),
                attributes=(("uri", f"{self.uri.removesuffix('s')}/{key}"), ("isPrimary", word(position == 0))),
            )
            for position, (key, number) in enumerate(self.extensions)
        )
        return encoded(tag("extensions", *children, attributes=(("version", self.version), ("uri", self.uri))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "extensions", limits)
        found = tuple((text(item, "id"), text(item, "directoryNumber")) for item in root.findall("extension"))
        return cls(uri=root.get("uri", ""), extensions=found, version=root.get("version", ""))
