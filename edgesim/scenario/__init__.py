"""Declaring, running and judging scenarios.

The names below are imported when they are first used: pytest loads `edgesim.scenario.plugin` in every run, and a run
without a scenario shall not pay for the protocols.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgesim.scenario.declare import Client, Inside, Outside, Scenario, hours, minutes, scenario, seconds
    from edgesim.scenario.expect import ExpectationError
    from edgesim.scenario.matchers import (
        Authentication,
        ClientState,
        Discovery,
        DnsAnswer,
        DnsQuery,
        FaultFired,
        HostStateChanged,
        HttpRequest,
        HttpResponse,
        Malformed,
        Matcher,
        Note,
        Registered,
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
    from edgesim.scenario.mutations import HostDown, Mutation, Setting, WithFault
    from edgesim.scenario.scripted import ScriptedHost
    from edgesim.scenario.stage import Lab
    from edgesim.scenario.verdict import Outcome, Verdict

_HOME = {
    "Client": "declare",
    "Inside": "declare",
    "Outside": "declare",
    "Scenario": "declare",
    "hours": "declare",
    "minutes": "declare",
    "scenario": "declare",
    "seconds": "declare",
    "ExpectationError": "expect",
    "Authentication": "matchers",
    "ClientState": "matchers",
    "Discovery": "matchers",
    "DnsAnswer": "matchers",
    "DnsQuery": "matchers",
    "FaultFired": "matchers",
    "HostStateChanged": "matchers",
    "HttpRequest": "matchers",
    "HttpResponse": "matchers",
    "Malformed": "matchers",
    "Matcher": "matchers",
    "Note": "matchers",
    "Registered": "matchers",
    "SipKeepalive": "matchers",
    "SipRequest": "matchers",
    "SipResponse": "matchers",
    "SshTunnel": "matchers",
    "TcpClosed": "matchers",
    "TcpFailed": "matchers",
    "TcpOpened": "matchers",
    "Test": "matchers",
    "TlsRefused": "matchers",
    "TlsUp": "matchers",
    "UdpDropped": "matchers",
    "Unregistered": "matchers",
    "XcpLink": "matchers",
    "XmppSession": "matchers",
    "XmppStanza": "matchers",
    "XmppStream": "matchers",
    "ZoneState": "matchers",
    "at_least": "matchers",
    "containing": "matchers",
    "matching": "matchers",
    "one_of": "matchers",
    "other_than": "matchers",
    "HostDown": "mutations",
    "Mutation": "mutations",
    "Setting": "mutations",
    "WithFault": "mutations",
    "ScriptedHost": "scripted",
    "Lab": "stage",
    "Outcome": "verdict",
    "Verdict": "verdict",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})


__all__ = [
    "Authentication",
    "Client",
    "ClientState",
    "Discovery",
    "DnsAnswer",
    "DnsQuery",
    "ExpectationError",
    "FaultFired",
    "HostDown",
    "HostStateChanged",
    "HttpRequest",
    "HttpResponse",
    "Inside",
    "Lab",
    "Malformed",
    "Matcher",
    "Mutation",
    "Note",
    "Outcome",
    "Outside",
    "Registered",
    "Scenario",
    "ScriptedHost",
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
