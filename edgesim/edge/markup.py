"""XML for the documents of the edge: a guarded reader and a plain writer.

The reader refuses document type declarations, entities and external references, and enforces limits on size, depth and
number of elements while parsing. The writer keeps the order of attributes, as in the captures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlLimits:
    """Bounds of a document: its size in octets, its depth, and its number of elements."""

    octets: int = 256 * 1024
    depth: int = 32
    elements: int = 10_000


LIMITS = XmlLimits()


def read(body: bytes, limits: XmlLimits = LIMITS, *, namespaces: bool = True) -> Element:
    """Return the root element of a document; names are ``{namespace}name``, or as written without ``namespaces``.

    Raises `ValueError` for anything that is not well-formed XML within ``limits``, or declares a document type.
    """
    if len(body) > limits.octets:
        raise ValueError(f"document of {len(body)} octets, the limit is {limits.octets}")
    reader = _Reader(limits, namespaces)
    try:
        return reader.read(body)
    except expat.ExpatError as error:
        raise ValueError(f"not well-formed XML: {error}") from None
    except LookupError as error:
        raise ValueError(f"unknown encoding: {error}") from None


class _Reader:
    """Builds the tree from expat's events, within the limits."""

    def __init__(self, limits: XmlLimits, namespaces: bool) -> None:
        self._limits = limits
        self._tree = TreeBuilder()
        self._depth = 0
        self._elements = 0
        self._parser = parser = expat.ParserCreate(None, "}" if namespaces else None)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._tree.data
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.EntityDeclHandler = self._forbidden
        parser.ExternalEntityRefHandler = self._forbidden

    def read(self, body: bytes) -> Element:
        self._parser.Parse(body, True)
        return self._tree.close()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > self._limits.depth or self._elements > self._limits.elements:
            raise ValueError("too many elements, or nested too deeply")
        if attributes:
            attributes = {_named(key): value for key, value in attributes.items()}
        self._tree.start("{" + name if "}" in name else name, attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._tree.end("{" + name if "}" in name else name)

    def _forbidden(self, *_: object) -> NoReturn:
        raise ValueError("document type declarations are not allowed")


def _named(name: str) -> str:
    return "{" + name if "}" in name else name


def local(tag: str) -> str:
    """Return an element's name without its namespace."""
    return tag.rpartition("}")[2]


def text(parent: Element, path: str, default: str = "") -> str:
    """Return the stripped text of a descendant, or ``default`` if absent."""
    found = parent.find(path)
    return default if found is None else (found.text or "").strip()


_DROPPED = {code: None for code in (*range(0x20), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)) if code not in (9, 10, 13)}
_TEXT = _DROPPED | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_ATTRIBUTE = _TEXT | {ord('"'): "&quot;", 9: "&#9;", 10: "&#10;", 13: "&#13;"}


def escape(value: str) -> str:
    """Return ``value`` escaped as character data; characters that XML 1.0 cannot represent are dropped."""
    return value.translate(_TEXT)


def tag(name: str, *children: str, attributes: tuple[tuple[str, str], ...] = ()) -> str:
    """Return an element around escaped markup; an empty one as ``<name/>``."""
    opening = name + "".join(f' {key}="{value.translate(_ATTRIBUTE)}"' for key, value in attributes)
    inner = "".join(children)
    return f"<{opening}>{inner}</{name}>" if inner else f"<{opening}/>"


def leaf(name: str, value: str | int | bool | None, *attributes: tuple[str, str]) -> str:
    """Return an element around text; booleans as ``true`` and ``false``, None as an empty element."""
    return tag(name, escape(word(value)), attributes=attributes)


def word(value: str | int | bool | None) -> str:
    """Return a value in XML notation."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
