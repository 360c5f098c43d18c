"""Events that a world reports to its observers: about hosts, sockets, TLS and faults.

The journal turns each into an entry. Addresses are ``(address, port)`` pairs as the sockets carry them.
"""

from __future__ import annotations

from dataclasses import dataclass

Address = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldEvent:
    """Something that happened to ``host`` (a name), at ``at_ns`` nanoseconds of lab time."""

    at_ns: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChanged(WorldEvent):
    """The host's state changed; ``state`` is a `HostState` value such as ``up`` or ``crashed``."""

    state: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOpened(WorldEvent):
    """``host`` opened a TCP connection that the other side accepted."""

    connection: str
    local: Address
    remote: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFailed(WorldEvent):
    """``host`` tried to open a TCP connection: ``reason`` is ``refused``, ``timed out`` or ``unreachable``."""

    local: Address | None
    remote: Address
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionClosed(WorldEvent):
    """A connection ended; ``how`` is ``closed``, ``reset`` or ``timed out``."""

    connection: str
    local: Address
    remote: Address
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsEstablished(WorldEvent):
    """A TLS handshake finished on ``host``'s side (``role`` is ``client`` or ``server``)."""

    connection: str
    local: Address
    remote: Address
    role: str
    version: str
    cipher: str
    server_name: str | None
    peer_subject: str | None
    peer_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFailed(WorldEvent):
    """A TLS handshake failed on ``host``'s side; ``reason`` is OpenSSL's own, ``alert`` the alert received, if any."""

    connection: str
    local: Address
    remote: Address
    role: str
    reason: str
    alert: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallBlocked(WorldEvent):
    """A firewall ended a flow from ``host`` (a name, or a stranger's address): reported once for each flow.

    ``rule`` is the text of what decided, ``verdict`` is ``drop`` or ``reject``; ``zone`` is where the flow came from,
    ``source`` its address and port as the firewall saw them, ``remote`` those that the host dialled.
    """

    firewall: str
    rule: str
    verdict: str
    protocol: str
    zone: str
    source: Address
    remote: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class DatagramDropped(WorldEvent):
    """A datagram from ``host`` was lost.

    ``reason`` is ``loss``, ``partition``, ``fault``, ``firewall``, ``unreachable`` or ``no listener``.
    """

    local: Address
    remote: Address
    size: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired(WorldEvent):
    """A fault rule acted on traffic that left ``host``."""

    fault: str
    kind: str
    local: Address
    remote: Address
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsRefused(WorldEvent):
    """``host`` refused connections to one of its ports: ``count`` since the last report; ``remote`` made the last.

    ``reason`` is a value of `edgesim.world.admission.Refusal`.
    """

    port: int
    remote: Address
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressBlocked(WorldEvent):
    """``host`` takes nothing more from ``address`` for ``seconds``; ``reason`` says for what.

    ``ports`` are the ports of ``host`` that it is about, none for all of them.
    """

    address: str
    reason: str
    seconds: float
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressUnblocked(WorldEvent):
    """``host`` takes connections from ``address`` again; ``dropped`` were refused meanwhile."""

    address: str
    reason: str
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorUnhandled(WorldEvent):
    """Code of ``host`` (``lab`` where it is not known whose) raised an unhandled error: a mistake of ours."""

    message: str
    error: str
    where: str
