"""The response to ``get_edge_config``: the services in the inside DNS, and the edge servers for the client.

Octet for octet as captured, including the spaces around ``userUdsServer``: "Collaboration Edge TC-based Endpoints
Configuration Example" (Cisco 211304). Several ``server`` and ``route`` elements are legal.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element

from edgesim.edge.markup import XmlLimits, escape, local, read, tag

RESOURCE = "get_edge_config"
CONTENT_TYPE = "text/xml"
DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>\n"
DEFAULT_SERVICES = ("_cisco-phone-tftp", "_cuplogin", "_cisco-uds")
"""The services returned when a request names none, in this order (same capture)."""
TFTP_SERVER = "tftpServer"
MAX_SERVICES = 16
LIMITS = XmlLimits(octets=64 * 1024, depth=16, elements=2_000)


class EdgeConfigError(ValueError):
    """The body is not a response to ``get_edge_config``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceServer:
    """One SRV record of a service, as Expressway-C got it from the inside DNS."""

    priority: int
    weight: int
    port: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One requested service: its servers, or the error of its SRV query, e.g. ``NameError``."""

    name: str
    servers: tuple[ServiceServer, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeServer:
    """One server of the edge; ``port`` is TLS, or UDP for TURN. An empty address is legal."""

    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """The complete response. ``tftp`` None omits the pseudo-service; ``routes`` are unescaped SIP Route values."""

    services: tuple[Service, ...] = ()
    tftp: tuple[str, ...] | None = ()
    sip: tuple[EdgeServer, ...] = ()
    routes: tuple[str, ...] = ()
    xmpp: tuple[EdgeServer, ...] = ()
    http: tuple[EdgeServer, ...] = ()
    turn: tuple[EdgeServer, ...] = ()
    user_uds: tuple[EdgeServer, ...] = ()
    version: str = "1.0"

    def service(self, name: str) -> Service | None:
        """Return a service by name."""
        return next((service for service in self.services if service.name == name), None)

    @property
    def uds_address(self) -> str | None:
        """The user's UDS server; a room device reports None as missing, despite the status 200."""
        return next((server.address for server in self.user_uds if server.address), None)

    @property
    def tftp_addresses(self) -> tuple[str, ...]:
        """The non-empty TFTP servers."""
        return tuple(address for address in self.tftp or () if address)


def requested_services(query: str) -> tuple[str, ...]:
    """Return the services that a request names by ``service_name``, each once; `DEFAULT_SERVICES` if it names none."""
    if query.count("&") > 100:
        raise EdgeConfigError("too many parameters")
    found = dict.fromkeys(value for name, value in parse_qsl(query) if name == "service_name")
    if len(found) > MAX_SERVICES:
        raise EdgeConfigError("too many services")
    return tuple(found) or DEFAULT_SERVICES


def build(config: EdgeConfig) -> bytes:
    """Return the body of a 200."""
    services = [_service(service) for service in config.services]
    if config.tftp is not None:
        addresses = "".join(_full("address", address) for address in config.tftp)
        services.append(_full("service", _full("name", TFTP_SERVER, plain=True) + addresses, plain=True))
    routes = [_full("route", route) for route in config.routes]
    edge = (
        tag("sipEdgeServer", *_servers(config.sip)),
        tag("sipRequest", *routes),
        tag("xmppEdgeServer", *_servers(config.xmpp)),
        tag("httpEdgeServer", *_servers(config.http)),
        tag("turnEdgeServer", *_servers(config.turn, "udpPort")),
        " ",
        tag("userUdsServer", *_servers(config.user_uds)),
        " ",
    )
    root = tag(
        "getEdgeConfigResponse",
        _full("serviceConfig", "".join(services), plain=True),
        tag("edgeConfig", *edge),
        attributes=(("version", config.version),),
    )
    return (DECLARATION + root).encode()


def _full(name: str, text: str, *, plain: bool = False) -> str:
    """Return an element with both tags even if it is empty, as captured."""
    return f"<{name}>{text if plain else escape(text)}</{name}>"


def _service(service: Service) -> str:
    inner = _full("name", service.name)
    if service.error is not None:
        inner += _full("error", service.error)
    for server in service.servers:
        inner += tag(
            "server",
            _full("priority", str(server.priority)),
            _full("weight", str(server.weight)),
            _full("port", str(server.port)),
            _full("address", server.address),
        )
    return _full("service", inner, plain=True)


def _servers(servers: tuple[EdgeServer, ...], port: str = "tlsPort") -> list[str]:
    return [tag("server", _full("address", one.address), _full(port, str(one.port))) for one in servers]


def parse(body: bytes, limits: XmlLimits = LIMITS) -> EdgeConfig:
    """Parse a response as a client does: unknown elements are ignored, entries without a valid number skipped.

    Raises `EdgeConfigError` if it is not such a document.
    """
    try:
        root = read(body, limits)
    except ValueError as error:
        raise EdgeConfigError(str(error)) from None
    if local(root.tag) != "getEdgeConfigResponse":
        raise EdgeConfigError(f"document of <{local(root.tag)[:40]}>")
    services: list[Service] = []
    tftp: tuple[str, ...] | None = None
    for service in _children(_child(root, "serviceConfig"), "service"):
        name = _text(_child(service, "name"))
        if name == TFTP_SERVER:
            tftp = tuple(_text(address) for address in _children(service, "address"))
        elif name:
            services.append(_parse_service(service, name))
    edge = _child(root, "edgeConfig")
    return EdgeConfig(
        services=tuple(services),
        tftp=tftp,
        sip=_parse_servers(edge, "sipEdgeServer"),
        routes=tuple(t for route in _children(_child(edge, "sipRequest"), "route") if (t := _text(route))),
        xmpp=_parse_servers(edge, "xmppEdgeServer"),
        http=_parse_servers(edge, "httpEdgeServer"),
        turn=_parse_servers(edge, "turnEdgeServer", "udpPort"),
        user_uds=_parse_servers(edge, "userUdsServer"),
        version=root.get("version", ""),
    )


def _parse_service(service: Element, name: str) -> Service:
    servers = []
    for server in _children(service, "server"):
        numbers = [_number(_child(server, field)) for field in ("priority", "weight", "port")]
        address = _text(_child(server, "address"))
        if None not in numbers and address:
            priority, weight, port = (number or 0 for number in numbers)
            servers.append(ServiceServer(priority=priority, weight=weight, port=port, address=address))
    error = _child(service, "error")
    return Service(name=name, servers=tuple(servers), error=None if error is None else _text(error))


def _parse_servers(edge: Element | None, name: str, port: str = "tlsPort") -> tuple[EdgeServer, ...]:
    return tuple(
        EdgeServer(address=_text(_child(server, "address")), port=number)
        for server in _children(_child(edge, name), "server")
        if (number := _number(_child(server, port))) is not None
    )


def _children(parent: Element | None, name: str) -> list[Element]:
    return [] if parent is None else [child for child in parent if local(child.tag) == name]


def _child(parent: Element | None, name: str) -> Element | None:
    return next(iter(_children(parent, name)), None)


def _text(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()


def _number(element: Element | None) -> int | None:
    text = _text(element)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 65536
    return number if number < 65536 else None
