"""The lab's DNS: zones with views, a name server over UDP and TCP, and the hosts' resolver."""

from edgesim.dns.answers import Answer, DnsError, NoAnswer, NoData, NoSuchName, ServerFailure, Status
from edgesim.dns.message import AnswerLimits, DnsLimits, MalformedDns
from edgesim.dns.records import Record, RecordLike, Srv, order, reverse_name
from edgesim.dns.resolver import Resolver, ResolverOptions, options_of
from edgesim.dns.served import served
from edgesim.dns.server import DnsServer, Reply, answer, respond
from edgesim.dns.zone import Failure, View, Views

__all__ = [
    "Answer",
    "AnswerLimits",
    "DnsError",
    "DnsLimits",
    "DnsServer",
    "Failure",
    "MalformedDns",
    "NoAnswer",
    "NoData",
    "NoSuchName",
    "Record",
    "RecordLike",
    "Reply",
    "Resolver",
    "ResolverOptions",
    "ServerFailure",
    "Srv",
    "Status",
    "View",
    "Views",
    "answer",
    "options_of",
    "order",
    "respond",
    "reverse_name",
    "served",
]
