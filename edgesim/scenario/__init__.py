"""Declaring and running scenarios, and their verdicts.

The names below are imported on first use: pytest loads `edgesim.scenario.plugin` in every run, and a run without
scenarios need not import the protocols.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesim.journal.matchers import (
        AddressBlocked,
        AddressUnblocked,
        Alarm,
        Authentication,
        CertificateUpload,
        ClientState,
        ConnectionsRefused,
        Discovery,
        DnsAnswer,
        DnsFailed,
        DnsQuery,
        ErrorUnhandled,
        FaultFired,
        FirewallBlocked,
        HostStateChanged,
        HttpRequest,
        HttpResponse,
        JournalGap,
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
        Step,
        TcpClosed,
        TcpFailed,
        TcpOpened,
        Test,
        TlsRefused,
        TlsUp,
        UdpDropped,
        Unregistered,
        XcpLink,
        XcpRoute,
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
    from edgesim.scenario.clients import JabberUser, PhoneUser, RoomUser, SeatedUser
    from edgesim.scenario.declare import Client, Inside, Outside, Scenario, hours, minutes, scenario, seconds
    from edgesim.scenario.expect import ExpectationError
    from edgesim.scenario.mutations import ClockSkew, HostDown, Mutation, Setting, WithFault
    from edgesim.scenario.scripted import ScriptedHost
    from edgesim.scenario.stage import Lab
    from edgesim.scenario.verdict import Outcome, Verdict

_MATCHERS = "edgesim.journal.matchers"
_HOME = {
    "JabberUser": "edgesim.scenario.clients",
    "PhoneUser": "edgesim.scenario.clients",
    "RoomUser": "edgesim.scenario.clients",
    "SeatedUser": "edgesim.scenario.clients",
    "Client": "edgesim.scenario.declare",
    "Inside": "edgesim.scenario.declare",
    "Outside": "edgesim.scenario.declare",
    "Scenario": "edgesim.scenario.declare",
    "hours": "edgesim.scenario.declare",
    "minutes": "edgesim.scenario.declare",
    "scenario": "edgesim.scenario.declare",
    "seconds": "edgesim.scenario.declare",
    "ExpectationError": "edgesim.scenario.expect",
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
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME.get(name, _MATCHERS)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "AddressBlocked",
    "AddressUnblocked",
    "Alarm",
    "Authentication",
    "CertificateUpload",
    "Client",
    "ClientState",
    "ClockSkew",
    "ConnectionsRefused",
    "Discovery",
    "DnsAnswer",
    "DnsFailed",
    "DnsQuery",
    "ErrorUnhandled",
    "ExpectationError",
    "FaultFired",
    "FirewallBlocked",
    "HostDown",
    "HostStateChanged",
    "HttpRequest",
    "HttpResponse",
    "Inside",
    "JabberUser",
    "JournalGap",
    "Lab",
    "Malformed",
    "Matcher",
    "MediaFlow",
    "Mutation",
    "Note",
    "Outcome",
    "Outside",
    "PhoneUser",
    "Registered",
    "RoomUser",
    "Scenario",
    "ScriptedHost",
    "SeatedUser",
    "ServiceRestarted",
    "Setting",
    "SipKeepalive",
    "SipRequest",
    "SipResponse",
    "SshTunnel",
    "Step",
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
    "XcpRoute",
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
