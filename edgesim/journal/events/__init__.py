"""The kinds of journal entries: one frozen class for each kind of thing that can happen in a lab.

A class has a ``kind`` (its name in JSON, ``protocol.thing``) and a `Event.summary`, the one line that a
ladder shows. Fields are JSON values: strings, integers, booleans, tuples of them. Scenarios match on
these classes and fields.

Written by ``python -m edgesim.journal.generate``.
"""

from edgesim.journal.events.base import KINDS, Event, Headers, kind
from edgesim.journal.events.common import Authentication, Malformed, Note
from edgesim.journal.events.dns import DnsAnswer, DnsFailed, DnsQuery
from edgesim.journal.events.expressway import AddressBlocked, AddressUnblocked, Alarm, Discovery, ZoneState
from edgesim.journal.events.hosts import ErrorUnhandled, FaultFired, HostStateChanged, ServiceRestarted
from edgesim.journal.events.http import HttpRequest, HttpResponse
from edgesim.journal.events.media import MediaFlow
from edgesim.journal.events.network import (
    ConnectionsRefused,
    FirewallBlocked,
    TcpClosed,
    TcpFailed,
    TcpOpened,
    UdpDropped,
)
from edgesim.journal.events.sip import Registered, SipKeepalive, SipRequest, SipResponse, Unregistered
from edgesim.journal.events.ssh import SshTunnel
from edgesim.journal.events.story import ClientState, JournalGap, Step
from edgesim.journal.events.tls import CertificateUpload, TlsRefused, TlsUp
from edgesim.journal.events.xmpp import XcpLink, XcpRoute, XmppSession, XmppStanza, XmppStream

__all__ = [
    "KINDS",
    "AddressBlocked",
    "AddressUnblocked",
    "Alarm",
    "Authentication",
    "CertificateUpload",
    "ClientState",
    "ConnectionsRefused",
    "Discovery",
    "DnsAnswer",
    "DnsFailed",
    "DnsQuery",
    "ErrorUnhandled",
    "Event",
    "FaultFired",
    "FirewallBlocked",
    "Headers",
    "HostStateChanged",
    "HttpRequest",
    "HttpResponse",
    "JournalGap",
    "Malformed",
    "MediaFlow",
    "Note",
    "Registered",
    "ServiceRestarted",
    "SipKeepalive",
    "SipRequest",
    "SipResponse",
    "SshTunnel",
    "Step",
    "TcpClosed",
    "TcpFailed",
    "TcpOpened",
    "TlsRefused",
    "TlsUp",
    "UdpDropped",
    "Unregistered",
    "XcpLink",
    "XcpRoute",
    "XmppSession",
    "XmppStanza",
    "XmppStream",
    "ZoneState",
    "kind",
]
