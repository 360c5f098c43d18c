"""Matchers: pure predicates over journal entries, one for each kind of entry.

``Registered(device="CSFALICE", node=other_than("ucm-pub"))`` matches an entry of that kind whose named
fields fit; what is not named fits anything. See `edgesim.journal.matching`.

Written by ``python -m edgesim.journal.generate``.
"""

from edgesim.journal import events
from edgesim.journal.matching import Matcher, Test, at_least, containing, matcher_of, matching, one_of, other_than

__all__ = [
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
    "FaultFired",
    "FirewallBlocked",
    "HostStateChanged",
    "HttpRequest",
    "HttpResponse",
    "JournalGap",
    "Malformed",
    "Matcher",
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
    "Test",
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
    "at_least",
    "containing",
    "matching",
    "one_of",
    "other_than",
]

AddressBlocked = matcher_of(events.AddressBlocked)
AddressUnblocked = matcher_of(events.AddressUnblocked)
Alarm = matcher_of(events.Alarm)
Authentication = matcher_of(events.Authentication)
CertificateUpload = matcher_of(events.CertificateUpload)
ClientState = matcher_of(events.ClientState)
ConnectionsRefused = matcher_of(events.ConnectionsRefused)
Discovery = matcher_of(events.Discovery)
DnsAnswer = matcher_of(events.DnsAnswer)
DnsFailed = matcher_of(events.DnsFailed)
DnsQuery = matcher_of(events.DnsQuery)
ErrorUnhandled = matcher_of(events.ErrorUnhandled)
FaultFired = matcher_of(events.FaultFired)
FirewallBlocked = matcher_of(events.FirewallBlocked)
HostStateChanged = matcher_of(events.HostStateChanged)
HttpRequest = matcher_of(events.HttpRequest)
HttpResponse = matcher_of(events.HttpResponse)
JournalGap = matcher_of(events.JournalGap)
Malformed = matcher_of(events.Malformed)
MediaFlow = matcher_of(events.MediaFlow)
Note = matcher_of(events.Note)
Registered = matcher_of(events.Registered)
ServiceRestarted = matcher_of(events.ServiceRestarted)
SipKeepalive = matcher_of(events.SipKeepalive)
SipRequest = matcher_of(events.SipRequest)
SipResponse = matcher_of(events.SipResponse)
SshTunnel = matcher_of(events.SshTunnel)
Step = matcher_of(events.Step)
TcpClosed = matcher_of(events.TcpClosed)
TcpFailed = matcher_of(events.TcpFailed)
TcpOpened = matcher_of(events.TcpOpened)
TlsRefused = matcher_of(events.TlsRefused)
TlsUp = matcher_of(events.TlsUp)
UdpDropped = matcher_of(events.UdpDropped)
Unregistered = matcher_of(events.Unregistered)
XcpLink = matcher_of(events.XcpLink)
XcpRoute = matcher_of(events.XcpRoute)
XmppSession = matcher_of(events.XmppSession)
XmppStanza = matcher_of(events.XmppStanza)
XmppStream = matcher_of(events.XmppStream)
ZoneState = matcher_of(events.ZoneState)
