"""The common parts of all UDS documents."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from edgesim.edge.markup import XmlLimits, local, read

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
CONTENT_TYPE = "application/xml"
ROOT = "/cucm-uds"
LINKS = ("devices", "credentials", "extensions", "subscribedServices", "speedDials")
"""Resources below ``user/{id}`` that the user document links to, in captured order."""


class UdsError(Exception):
    """The body is not the expected UDS document."""


def root_of(body: bytes, name: str, limits: XmlLimits) -> Element:
    """Parse a body whose root element is ``name``. Raises `UdsError`."""
    try:
        root = read(body, limits)
    except ValueError as error:
        raise UdsError(str(error)) from None
    if local(root.tag) != name:
        raise UdsError(f"expected a <{name}> document, got <{local(root.tag)[:40]}>")
    return root


def number_of(root: Element, attribute: str, default: int | None = None) -> int:
    """Return a numeric attribute. Raises `UdsError`."""
    value = root.get(attribute)
    if value is None and default is not None:
        return default
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UdsError(f"{attribute}={value!r} of <{local(root.tag)}> is not a number")
    return int(value)


def is_true(value: str | None) -> bool:
    """Return whether a text is true."""
    return (value or "").strip().lower() == "true"


def encoded(root: str) -> bytes:
    """Return the body with a root element."""
    return (DECLARATION + root).encode()


def count_of(value: str) -> int:
    """Return a text as a number, 0 if it is empty. Raises `UdsError`."""
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UdsError(f"{value[:20]!r} is not a number")
    return int(value)
