"""What all documents of UDS have in common."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from edgesim.edge.markup import XmlLimits, local, read

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
CONTENT_TYPE = "application/xml"
ROOT = "/cucm-uds"
LINKS = ("devices", "credentials", "extensions", "subscribedServices", "speedDials")
"""Resources below ``user/{id}`` that the user document links, in captured order."""


class UdsError(Exception):
    """A body is not the UDS document that it should be."""


def root_of(body: bytes, name: str, limits: XmlLimits) -> Element:
    """Read a body whose root element has a name. Raises `UdsError`."""
    try:
        root = read(body, limits)
    except ValueError as error:
        raise UdsError(str(error)) from None
    if local(root.tag) != name:
        raise UdsError(f"document of <{local(root.tag)[:40]}>, <{name}> expected")
    return root


def number_of(root: Element, attribute: str, default: int | None = None) -> int:
    """Return an attribute that is a number. Raises `UdsError`."""
    value = root.get(attribute)
    if value is None and default is not None:
        return default
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UdsError(f"{attribute}={value!r} of <{local(root.tag)}> is not a number")
    return int(value)


def is_true(value: str | None) -> bool:
    """Return whether a text says so."""
    return (value or "").strip().lower() == "true"


def encoded(root: str) -> bytes:
    """Return the body with a root element."""
    return (DECLARATION + root).encode()


def count_of(value: str) -> int:
    """Return the number that a text is, 0 for none. Raises `UdsError`."""
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UdsError(f"{value[:20]!r} is not a number")
    return int(value)
