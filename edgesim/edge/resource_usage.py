"""The body of the keep-alive OPTIONS on the traversal zone: the remaining capacity of Expressway-C."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.edge.markup import XmlLimits, leaf, local, read, tag

CONTENT_TYPE = "text/xml"
SUPPORTED = "com.tandberg.vcs.resourceusage"
"""The option tag in ``Supported`` of the OPTIONS that carries the body."""
LIMITS = XmlLimits(octets=8 * 1024, depth=4, elements=32)

_FIELDS = {
    "traversal_calls": "traversalcallsavailable",
    "non_traversal_calls": "nontraversalcallsavailable",
    "registrations": "registrationsavailable",
    "turn_relays": "turnrelaysavailable",
}


class ResourceUsageError(ValueError):
    """The body is not a resource usage report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage:
    """The remaining capacity: calls of both kinds, registrations, TURN relays."""

    traversal_calls: int
    non_traversal_calls: int
    registrations: int
    turn_relays: int = 0


def build(usage: ResourceUsage) -> bytes:
    """Return the body, on one line."""
    return tag("resourceusageinfo", *(leaf(name, getattr(usage, field)) for field, name in _FIELDS.items())).encode()


def parse(body: bytes) -> ResourceUsage:
    """Parse a body; raises `ResourceUsageError`."""
    try:
        root = read(body, LIMITS)
    except ValueError as error:
        raise ResourceUsageError(str(error)) from None
    if local(root.tag) != "resourceusageinfo":
        raise ResourceUsageError(f"document of <{local(root.tag)[:40]}>")
    found = {local(child.tag): (child.text or "").strip() for child in root}
    values = {}
    for field, name in _FIELDS.items():
        text = found.get(name, "")
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise ResourceUsageError(f"<{name}> is not a number")
        values[field] = int(text)
    return ResourceUsage(**values)
