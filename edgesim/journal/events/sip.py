"""SIP: messages, written by their receiver, and the registrations of Unified CM."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("sip.request")
@dataclass(frozen=True, slots=True, kw_only=True)
class SipRequest(Event):
    """A SIP request as received."""

    method: str
    uri: str
    call_id: str
    cseq: str
    from_: str
    to: str
    transport: str

    def summary(self) -> str:
        return f"{self.method} {self.uri}"


@kind("sip.response")
@dataclass(frozen=True, slots=True, kw_only=True)
class SipResponse(Event):
    """A SIP response as received."""

    status: int
    reason: str
    method: str
    call_id: str
    cseq: str
    from_: str
    to: str
    transport: str

    def summary(self) -> str:
        return f"{self.status} {self.reason} ({self.method})"


@kind("sip.keepalive")
@dataclass(frozen=True, slots=True, kw_only=True)
class SipKeepalive(Event):
    """A keep-alive on a SIP connection as received: ``CRLF ping``, ``CRLF pong``, ``STUN request`` ..."""

    form: str
    transport: str

    def summary(self) -> str:
        return self.form


@kind("sip.registered")
@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Event):
    """Unified CM holds a registration (new or refreshed) of a device; the entry's node is the registrar."""

    device: str
    user: str
    line: str
    contact: str
    via: str
    expires: int
    fresh: bool

    def summary(self) -> str:
        return f"{self.device} {'registered' if self.fresh else 'refreshed'} via {self.via} for {self.expires} s"


@kind("sip.unregistered")
@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered(Event):
    """A registration ended: ``expired``, ``removed by the client``, ``displaced`` ...; ``alarm`` is what was raised."""

    device: str
    reason: str
    alarm: str = ""

    def summary(self) -> str:
        return f"{self.device} unregistered: {self.reason}{f' ({self.alarm})' if self.alarm else ''}"
