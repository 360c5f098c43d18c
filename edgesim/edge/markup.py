"""XML for the documents of the edge: a guarded reader and a plain writer.

The reader refuses document type declarations, entities and external references, and bounds size, depth and number of
elements before it builds anything. The writer keeps attributes in the order given, as the samples have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlLimits:
    """Bounds of a document: its size in octets, its depth, and its number of elements."""

    octets: int = 256 * 1024
    depth: int = 32
    elements: int = 10_000


LIMITS = XmlLimits()


class _Bounded(TreeBuilder):
    """Builds the tree and stops where the limits are passed."""

    def __init__(self, limits: XmlLimits) -> None:
        super().__init__()
        self._limits = limits
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > self._limits.depth or self._elements > self._limits.elements:
            raise ValueError("more elements, or deeper ones, than allowed")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def read(body: bytes, limits: XmlLimits = LIMITS) -> Element:
    """Return the root element of a document.

    Raises `ValueError` for anything that is not well-formed XML within ``limits``, or declares a document type.
    """
    if len(body) > limits.octets:
        raise ValueError(f"document of {len(body)} octets, {limits.octets} allowed")
    parser = DefusedXMLParser(target=_Bounded(limits), forbid_dtd=True)
    try:
        parser.feed(body)
        root = parser.close()
    except ParseError as error:
        raise ValueError(f"not well-formed XML: {error}") from None
    except DefusedXmlException as error:
        raise ValueError(f"forbidden in XML here: {type(error).__name__}") from None
    except LookupError as error:
        raise ValueError(f"unknown encoding: {error}") from None
    assert isinstance(root, Element)
    return root


def local(tag: str) -> str:
    """Return an element's name without its namespace."""
    return tag.rpartition("}")[2]


def text(parent: Element, path: str, default: str = "") -> str:
    """Return the stripped text of a descendant, or ``default`` where it is absent."""
    found = parent.find(path)
    return default if found is None else (found.text or "").strip()


_DROPPED = {code: None for code in (*range(0x20), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)) if code not in (9, 10, 13)}
_TEXT = _DROPPED | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_ATTRIBUTE = _TEXT | {ord('"'): "&quot;", 9: "&#9;", 10: "&#10;", 13: "&#13;"}


def escape(value: str) -> str:
    """Return ``value`` as character data; characters that XML 1.0 cannot carry are left out."""
    return value.translate(_TEXT)


def tag(name: str, *children: str, attributes: tuple[tuple[str, str], ...] = ()) -> str:
    """Return an element around markup that is already escaped; an empty one as ``<name/>``."""
    opening = name + "".join(f' {key}="{value.translate(_ATTRIBUTE)}"' for key, value in attributes)
    inner = "".join(children)
    return f"<{opening}>{inner}</{name}>" if inner else f"<{opening}/>"


def leaf(name: str, value: str | int | bool | None, *attributes: tuple[str, str]) -> str:
    """Return an element around text; booleans as ``true`` and ``false``, nothing as an empty element."""
    return tag(name, escape(word(value)), attributes=attributes)


def word(value: str | int | bool | None) -> str:
    """Return a value as XML writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
