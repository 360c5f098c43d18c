"""Declaring, running and judging scenarios.

The names below are imported when they are first used: pytest loads `edgesim.scenario.plugin` in every run, and a run
without a scenario shall not pay for the protocols.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesim.journal.matchers import (
        AddressBlocked,
        AddressUnblocked,
        Authentication,
        CertificateUpload,
        ClientState,
        ConnectionsRefused,
        Discovery,
        DnsAnswer,
        DnsQuery,
        FaultFired,
        FirewallBlocked,
        HostStateChanged,
        HttpRequest,
        HttpResponse,
        Malformed,
        Matcher,
        MediaFlow,
        Note,
        Registered,
        ServiceRestarted,
        SipKeepalive,
        SipRequest,
        SipResponse,
        SshTunnel,
        TcpClosed,
        TcpFailed,
        TcpOpened,
        Test,
        TlsRefused,
        TlsUp,
        UdpDropped,
        Unregistered,
        XcpLink,
        XmppSession,
        XmppStanza,
        XmppStream,
        ZoneState,
        at_least,
        containing,
        matching,
        one_of,
        other_than,
    )
    from edgesim.scenario.declare import Client, Inside, Outside, Scenario, hours, minutes, scenario, seconds
    from edgesim.scenario.expect import ExpectationError
    from edgesim.scenario.mutations import ClockSkew, HostDown, Mutation, Setting, WithFault
    from edgesim.scenario.scripted import ScriptedHost
    from edgesim.scenario.stage import Lab
    from edgesim.scenario.verdict import Outcome, Verdict

_HOME = {
    "Client": "edgesim.scenario.declare",
    "Inside": "edgesim.scenario.declare",
    "Outside": "edgesim.scenario.declare",
    "Scenario": "edgesim.scenario.declare",
    "hours": "edgesim.scenario.declare",
    "minutes": "edgesim.scenario.declare",
    "scenario": "edgesim.scenario.declare",
    "seconds": "edgesim.scenario.declare",
    "ExpectationError": "edgesim.scenario.expect",
    "AddressBlocked": "edgesim.journal.matchers",
    "AddressUnblocked": "edgesim.journal.matchers",
    "ConnectionsRefused": "edgesim.journal.matchers",
    "Authentication": "edgesim.journal.matchers",
    "CertificateUpload": "edgesim.journal.matchers",
    "ClientState": "edgesim.journal.matchers",
    "Discovery": "edgesim.journal.matchers",
    "DnsAnswer": "edgesim.journal.matchers",
    "DnsQuery": "edgesim.journal.matchers",
    "FaultFired": "edgesim.journal.matchers",
    "FirewallBlocked": "edgesim.journal.matchers",
    "HostStateChanged": "edgesim.journal.matchers",
    "HttpRequest": "edgesim.journal.matchers",
    "HttpResponse": "edgesim.journal.matchers",
    "Malformed": "edgesim.journal.matchers",
    "Matcher": "edgesim.journal.matchers",
    "MediaFlow": "edgesim.journal.matchers",
    "Note": "edgesim.journal.matchers",
    "Registered": "edgesim.journal.matchers",
    "ServiceRestarted": "edgesim.journal.matchers",
    "SipKeepalive": "edgesim.journal.matchers",
    "SipRequest": "edgesim.journal.matchers",
    "SipResponse": "edgesim.journal.matchers",
    "SshTunnel": "edgesim.journal.matchers",
    "TcpClosed": "edgesim.journal.matchers",
    "TcpFailed": "edgesim.journal.matchers",
    "TcpOpened": "edgesim.journal.matchers",
    "Test": "edgesim.journal.matchers",
    "TlsRefused": "edgesim.journal.matchers",
    "TlsUp": "edgesim.journal.matchers",
    "UdpDropped": "edgesim.journal.matchers",
    "Unregistered": "edgesim.journal.matchers",
    "XcpLink": "edgesim.journal.matchers",
    "XmppSession": "edgesim.journal.matchers",
    "XmppStanza": "edgesim.journal.matchers",
    "XmppStream": "edgesim.journal.matchers",
    "ZoneState": "edgesim.journal.matchers",
    "at_least": "edgesim.journal.matchers",
    "containing": "edgesim.journal.matchers",
    "matching": "edgesim.journal.matchers",
    "one_of": "edgesim.journal.matchers",
    "other_than": "edgesim.journal.matchers",
    "ClockSkew": "edgesim.scenario.mutations",
    "HostDown": "edgesim.scenario.mutations",
    "Mutation": "edgesim.scenario.mutations",
    "Setting": "edgesim.scenario.mutations",
    "WithFault": "edgesim.scenario.mutations",
    "ScriptedHost": "edgesim.scenario.scripted",
    "Lab": "edgesim.scenario.stage",
    "Outcome": "edgesim.scenario.verdict",
    "Verdict": "edgesim.scenario.verdict",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


__all__ = [
    "AddressBlocked",
    "AddressUnblocked",
    "Authentication",
    "CertificateUpload",
    "Client",
    "ClientState",
    "ClockSkew",
    "ConnectionsRefused",
    "Discovery",
    "DnsAnswer",
    "DnsQuery",
    "ExpectationError",
    "FaultFired",
    "FirewallBlocked",
    "HostDown",
    "HostStateChanged",
    "HttpRequest",
    "HttpResponse",
    "Inside",
    "Lab",
    "Malformed",
    "Matcher",
    "MediaFlow",
    "Mutation",
    "Note",
    "Outcome",
    "Outside",
    "Registered",
    "Scenario",
    "ScriptedHost",
    "ServiceRestarted",
    "Setting",
    "SipKeepalive",
    "SipRequest",
    "SipResponse",
    "SshTunnel",
    "TcpClosed",
    "TcpFailed",
    "TcpOpened",
    "Test",
    "TlsRefused",
    "TlsUp",
    "UdpDropped",
    "Unregistered",
    "Verdict",
    "WithFault",
    "XcpLink",
    "XmppSession",
    "XmppStanza",
    "XmppStream",
    "ZoneState",
    "at_least",
    "containing",
    "hours",
    "matching",
    "minutes",
    "one_of",
    "other_than",
    "scenario",
    "seconds",
]
