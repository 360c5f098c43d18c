"""SIP: lossless messages, framing, header values, digest, transactions, and an endpoint over asyncio."""

from edgesim.sip.addresses import NameAddr, Parameters, SipUri
from edgesim.sip.connection import Connection
from edgesim.sip.endpoint import SipEndpoint
from edgesim.sip.errors import SipError, SipProtocolError, SipTimeout, SipTransportError
from edgesim.sip.framing import Framer, KeepAlive, SipLimits, StunData
from edgesim.sip.message import Message, Request, Response
from edgesim.sip.parsing import parse_message
from edgesim.sip.transaction_events import Timers
from edgesim.sip.values import Authentication, CSeq, MediaType, Via, WarningValue

__all__ = [
    "Authentication",
    "CSeq",
    "Connection",
    "Framer",
    "KeepAlive",
    "MediaType",
    "Message",
    "NameAddr",
    "Parameters",
    "Request",
    "Response",
    "SipEndpoint",
    "SipError",
    "SipLimits",
    "SipProtocolError",
    "SipTimeout",
    "SipTransportError",
    "SipUri",
    "StunData",
    "Timers",
    "Via",
    "WarningValue",
    "parse_message",
]
