"""Wraps inside URLs into Expressway-E URLs, and unwraps them.

The first element of the path is the base64, without padding, of either the edge domain (a control resource follows,
such as ``get_edge_config``) or of ``domain/scheme/host/port`` (the path at that inside server follows)::

    http://10.0.40.11:6970/jabber-config.xml
    https://expe.example.com:8443/ZXhhbXBsZS5jb20vaHR0cC8xMC4wLjQwLjExLzY5NzA/jabber-config.xml

Sources: "Troubleshoot Jabber for Windows auto-update over MRA" (Cisco 212180) for the wrapped form, "Collaboration Edge
TC-based Endpoints Configuration Example" (Cisco 211304) for the missing padding.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote

MAX_ELEMENT = 1024
"""The maximum length of a first path element; the longest legal descriptor needs fewer than 720 characters."""

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)", re.DOTALL)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_URL = re.compile(r"(https?)://([^/?#@:\[\]\s]+)(?::([0-9]{1,5}))?([/?][^#\s]*)?", re.IGNORECASE)
_ALPHABET = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_PORTS = {"http": 80, "https": 443}


class DescriptorError(ValueError):
    """A path element, or its decoded text, is not a descriptor."""


def is_domain(text: str) -> bool:
    """Return whether ``text`` is a DNS name of letters, digits, hyphens and, as Expressway permits, underscores."""
    return len(text) <= 253 and _NAME.fullmatch(text) is not None and not _NUMERIC.fullmatch(text)


def is_host(text: str) -> bool:
    """Return whether ``text`` is a DNS name or an IPv4 address in dotted decimal (no octal, hex or short forms)."""
    if _NUMERIC.fullmatch(text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
        return True
    return is_domain(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeDomain:
    """The first element of a control resource: only the edge domain."""

    domain: str

    def encode(self) -> str:
        """Return the path element."""
        return encode(self.domain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """The first element of a proxied URL: the edge domain and the inside server."""

    domain: str
    scheme: str
    host: str
    port: int

    @property
    def text(self) -> str:
        """The four parts before encoding."""
        return f"{self.domain}/{self.scheme}/{self.host}/{self.port}"

    def encode(self) -> str:
        """Return the path element."""
        return encode(self.text)

    def url(self, rest: str) -> str:
        """Return the inside URL for the rest of the target (from its slash, query included)."""
        return f"{self.scheme}://{self.host}:{self.port}{rest or '/'}"


def encode(text: str) -> str:
    """Return base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def decode(element: str) -> EdgeDomain | Descriptor:
    """Decode a first path element: either alphabet of RFC 4648, padded or not. Raises `DescriptorError`.

    Only the canonical encoding of valid text is accepted, so that each server has one spelling.
    """
    if len(element) > MAX_ELEMENT:
        raise DescriptorError("the element is too long")
    if "%" in element:
        element = unquote(element, errors="replace")
    if not _ALPHABET.fullmatch(element):
        raise DescriptorError("not base64")
    bare = element.rstrip("=").replace("-", "+").replace("_", "/")
    padding = -len(bare) % 4
    if padding == 3 or len(element) - len(bare) not in (0, padding):
        raise DescriptorError("invalid base64 padding")
    try:
        octets = base64.b64decode(bare + "=" * padding, validate=True)
        text = octets.decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise DescriptorError("not base64 of ASCII text") from None
    if base64.b64encode(octets).decode().rstrip("=") != bare:
        raise DescriptorError("not the canonical encoding")
    return parse(text)


def parse(text: str) -> EdgeDomain | Descriptor:
    """Parse a decoded text: one part is a domain, four a descriptor. Raises `DescriptorError`.

    The final dot of a rooted name is removed here, before names are compared.
    """
    parts = text.split("/")
    parts[0] = _unrooted(parts[0])
    if not is_domain(parts[0]):
        raise DescriptorError("the edge domain is not a domain")
    if len(parts) == 1:
        return EdgeDomain(domain=parts[0])
    if len(parts) != 4:
        raise DescriptorError(f"expected one part or four, got {len(parts)}")
    domain, scheme, host, port = parts
    host = _unrooted(host)
    if scheme not in _PORTS:
        raise DescriptorError("the scheme is neither http nor https")
    if not is_host(host):
        raise DescriptorError("the host is neither a name nor an address")
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise DescriptorError("the port is not a port number")
    return Descriptor(domain=domain, scheme=scheme, host=host, port=int(port))


def _unrooted(name: str) -> str:
    return name.removesuffix(".") if len(name) > 1 else name


def split_target(target: str) -> tuple[EdgeDomain | Descriptor, str]:
    """Split a request target into its first element, decoded, and the unchanged rest from the next slash.

    ``/ZXhhbXBsZS5jb20/get_edge_config/?x=1`` gives ``EdgeDomain("example.com")`` and ``/get_edge_config/?x=1``.
    Raises `DescriptorError`.
    """
    if not target.startswith("/"):
        raise DescriptorError("the target has no path")
    cut = min((at for at in (target.find("/", 1), target.find("?", 1)) if at > 0), default=len(target))
    element, rest = target[1:cut], target[cut:]
    if not element:
        raise DescriptorError("the first element of the path is empty")
    return decode(element), rest


def descriptor_for(url: str, domain: str) -> tuple[Descriptor, str]:
    """Return the descriptor for an absolute inside URL, and the rest of the target. Raises `DescriptorError`."""
    match = _URL.fullmatch(url)
    if match is None or not url.isascii():
        raise DescriptorError(f"not an absolute http or https URL: {url!r}")
    scheme, host, port, rest = match[1].lower(), match[2], match[3], match[4] or "/"
    found = parse(f"{domain}/{scheme}/{host}/{int(port) if port else _PORTS[scheme]}")
    assert isinstance(found, Descriptor)
    return found, rest if rest[0] == "/" else "/" + rest


def wrap(url: str, *, domain: str, edge: str, port: int = 8443) -> str:
    """Return the URL by which a client reaches an inside URL through an Expressway-E. Raises `DescriptorError`."""
    descriptor, rest = descriptor_for(url, domain)
    return f"https://{edge}:{port}/{descriptor.encode()}{rest}"


def control_url(resource: str, *, domain: str, edge: str, port: int = 8443) -> str:
    """Return the URL of a control resource, e.g. ``get_edge_config?service_name=_cisco-uds``."""
    if not is_domain(domain):
        raise DescriptorError("the edge domain is not a domain")
    return f"https://{edge}:{port}/{encode(domain)}/{resource}"


def decoded_target(target: str) -> str | None:
    """Return a target in readable form for journals and logs; None if it wraps nothing."""
    try:
        first, rest = split_target(target)
    except DescriptorError:
        return None
    return first.url(rest) if isinstance(first, Descriptor) else f"/{first.domain}{rest}"
