"""The ways that a line has to a registrar, and how its client registers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPath:
    """One way to a registrar: the SIP peer to connect to, the Route to preload, and the Unified CM node meant.

    ``uri`` is the Request-URI where it says more than the node; ``server_name`` is what TLS asks the peer for, where
    that is not its host.
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
        """What a connection is made to."""
        return self.host, self.port, self.transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a client registers. Times in seconds.

    ``delta`` is how long before expiry it refreshes, ``asked_expires`` what it asks for, ``least_refresh`` the shortest
    interval that it takes. ``adaptive``: it announced adaptive routing. ``graceful``: it asks whether its device is
    free before it takes it, and takes it anyway if ``take_over``. ``session`` is the form of its ``Session-ID``, None
    for a client that sends none. ``short_refresh``: a refresh has no body and a new tag. ``alarm``: it sends an alarm
    when it has registered; ``standby_s`` is how often it shows its standby node that it lives, None for never.
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
