"""Registration paths, and the registration habits of clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPath:
    """One path to a registrar: the SIP peer to connect to, the Route to preload, and the Unified CM node addressed.

    ``uri`` is the Request-URI if it is more than the node; ``server_name`` is the TLS server name if it differs from
    the peer's host.
    """

    host: str
    port: int
    transport: str
    node: str
    routes: tuple[str, ...] = ()
    uri: str | None = None
    server_name: str | None = None

    @property
    def peer(self) -> tuple[str, int, str]:
        """The peer of the connection."""
        return self.host, self.port, self.transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a client registers. Times are in seconds.

    ``delta`` is how long before expiry it refreshes, ``asked_expires`` the Expires that it requests, ``least_refresh``
    the shortest refresh interval it accepts. ``adaptive``: it announced adaptive routing. ``graceful``: it asks whether
    its device is free before it registers, and if not registers only with ``take_over``. ``session`` is the form of its
    ``Session-ID``, None if it sends none. ``short_refresh``: a refresh has no body and a new tag. ``alarm``: it sends
    an alarm after it has registered; ``standby_s`` is the interval of its keep-alives to the standby node, None for
    never.
    """

    delta: int
    asked_expires: int
    least_refresh: int
    adaptive: bool = False
    graceful: bool = False
    take_over: bool = True
    session: str | None = None
    short_refresh: bool = True
    alarm: bool = False
    standby_s: float | None = None
