"""The DNS of a small lab: two views of one domain, and what tests ask them with."""

from __future__ import annotations

import functools

import dns.message
import dns.rcode

import edgesim.dns
from edgesim.dns import DnsLimits, Record, ResolverOptions, Srv, Views

LIMITS = DnsLimits(udp_plain=512, udp_edns=1232)
OPTIONS = ResolverOptions(timeout=2.0, attempts=3, negative_ttl=60, resolution_delay=0.0)
answer = functools.partial(edgesim.dns.answer, limits=LIMITS)
respond = functools.partial(edgesim.dns.respond, limits=LIMITS)
View = functools.partial(edgesim.dns.View, negative_ttl=60)

OUTSIDE = View(
    "outside",
    [
        Record("expe1.example.com", "A", 3600, "10.0.10.21"),
        Record("expe2.example.com", "A", 3600, "10.0.10.22"),
        Record("edge.example.com", "CNAME", 300, "expe1.example.com"),
        Record("away.example.com", "CNAME", 300, "elsewhere.example.net"),
        Record("loop.example.com", "CNAME", 300, "loop2.example.com"),
        Record("loop2.example.com", "CNAME", 300, "loop.example.com"),
        Record("_collab-edge._tls.example.com", "SRV", 3600, Srv(10, 10, 8443, "expe1.example.com")),
        Record("_collab-edge._tls.example.com", "SRV", 3600, Srv(10, 10, 8443, "expe2.example.com")),
        *[
            Record("_many._tcp.example.com", "SRV", 60, Srv(10, 10, 8443, f"node{n:02}.a-rather-long-name.example.com"))
            for n in range(40)
        ],
    ],
    server="ns1.example.com",
)
INSIDE = View(
    "inside",
    [
        Record("expe1.example.com", "A", 3600, "10.0.20.21"),
        Record("cucm1.example.com", "A", 3600, "10.0.40.11"),
        Record("_cisco-uds._tcp.example.com", "SRV", 3600, Srv(10, 10, 8443, "cucm1.example.com")),
        Record("_nothing._tcp.example.com", "SRV", 3600, Srv(0, 0, 0, "")),
    ],
    server="ns2.example.com",
    reverse=True,
)


def views() -> Views:
    """Fresh views: failures asked of them end with the test."""
    return Views([OUTSIDE, INSIDE])


def query(name: str, qtype: str = "A", **options: object) -> dns.message.Message:
    """A query with a fixed id."""
    options.setdefault("id", 0x1234)
    return dns.message.make_query(name, qtype, **options)


def rcode(octets: bytes | None) -> str:
    """The response code of an answer."""
    assert octets is not None
    return dns.rcode.to_text(dns.message.from_wire(octets).rcode())
