"""Defaults of the wires: latency, TCP, DNS, and the documented port numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from edgesim.deployment.base import Model, Port
from edgesim.deployment.defaults.known import (
    EDGE_ISSUES,
    HYBRID,
    PORTS,
    PROTOCOLS,
    REFERENCE,
    REQUIREMENTS,
    STATUS,
    ZONES,
    known,
)


class Latency(Model):
    """One-way delay between two zones, in either direction, in milliseconds."""

    zone: str
    other: str
    ms: float


class NetworkDefaults(Model):
    """How long the wires take, and how long TCP waits. The live world has the machine's own network and its kernel; it
    takes from here how long an attempt to connect waits, and when a firewall forgets an idle UDP flow."""

    latencies: tuple[Latency, ...] = known(
        (
            Latency(zone="internet", other="internet", ms=20.0),
            Latency(zone="internet", other="outer-dmz", ms=20.0),
            Latency(zone="internet", other="dmz", ms=20.0),
            Latency(zone="internet", other="inside", ms=21.0),
            Latency(zone="outer-dmz", other="dmz", ms=0.2),
            Latency(zone="outer-dmz", other="inside", ms=0.5),
            Latency(zone="dmz", other="inside", ms=0.5),
        ),
        "a home connection to the company, and firewalls around the DMZ; one way, milliseconds",
        tag="proposed",
    )
    other_zone_ms: float = known(
        1.0, "one-way delay between two zones that no latency names, milliseconds", tag="proposed", ge=0
    )
    latency_spread: float = known(
        0.25,
        "the share below and above its latency from which a seed draws that of each pair of hosts: no two homes, and"
        " no two switches, lie equally far",
        tag="proposed",
        ge=0,
        lt=1,
    )
    jitter_share: float = known(
        0.1,
        "each packet takes up to this share of its latency longer, drawn again, behind those sent before it on its"
        " connection: queues that fill and empty, 2 ms of 20 on the internet",
        tag="proposed",
        ge=0,
        le=1,
    )
    wake_ms: float = known(
        10.0,
        "each packet waits up to so long at its host, drawn again, until the program that it is for gets to it:"
        " machines do other things, too; a tick of their scheduler, at least",
        tag="proposed",
        ge=0,
    )
    timer_tick_ms: float = known(
        1.0,
        "a host's timers fire at ticks so far apart, at a phase that a seed draws for each host: programs that wait by"
        " epoll round up to its millisecond",
        tag="proposed",
        ge=0,
    )
    start_spread_s: float = known(
        2.0,
        "within this time the hosts of a lab start, each at a moment that a seed draws: as the machines of a rack do;"
        " short of what their neighbours wait for each other",
        tag="proposed",
        ge=0,
    )
    same_zone_ms: float = known(0.2, "one-way delay within a zone, milliseconds: a LAN", tag="proposed", ge=0)
    loopback_ms: float = known(
        0.01, "one-way delay between two sockets of one host, milliseconds", tag="proposed", ge=0
    )
    first_ephemeral_port: Port = known(
        49152,
        "the first port that a simulated host takes by itself; the last is 65535",
        tag="doc",
        source="RFC 6335, section 6",
    )
    loss: float = known(0.0, "share of UDP datagrams lost; faults raise it", tag="proposed", ge=0, le=1)
    tcp_connect_timeout_s: float = known(
        127.0,
        "a connection attempt that meets silence gives up after this, as Linux does with six SYN retries",
        tag="impl",
        gt=0,
    )
    tcp_initial_rto_s: float = known(
        1.0, "the first retransmission timeout of TCP, seconds", tag="doc", source="RFC 6298, section 2", gt=0
    )
    tcp_rto_min_s: float = known(
        0.2, "the first retransmission on a connection that stands, seconds: Linux's TCP_RTO_MIN", tag="impl", gt=0
    )
    tcp_rto_max_s: float = known(
        120.0, "retransmissions are at most so far apart, seconds: Linux's TCP_RTO_MAX", tag="impl", gt=0
    )
    tcp_window_bytes: int = known(
        262144, "what one end of a connection may have in flight: a usual receive buffer", tag="proposed", ge=1024
    )
    tcp_user_timeout_s: float = known(
        924.6,
        "unacknowledged data ends a connection after this, as Linux does with tcp_retries2 = 15",
        tag="impl",
        gt=0,
    )
    firewall_idle_tcp_s: float = known(
        3600.0,
        "a firewall forgets a TCP connection that has been idle for so long: Cisco ASA's timeout conn",
        tag="impl",
        gt=0,
    )
    firewall_idle_udp_s: float = known(
        120.0, "a firewall forgets an idle UDP flow after this: Cisco ASA's timeout udp", tag="impl", gt=0
    )
    udp_payload_bytes: int = known(65507, "the largest UDP payload over IPv4", tag="doc", source="RFC 768", ge=512)

    def latency_ms(self, zone: str, other: str) -> float:
        """Return the one-way delay between two zones, in milliseconds."""
        for each in self.latencies:
            if {each.zone, each.other} == {zone, other}:
                return each.ms
        return self.same_zone_ms if zone == other else self.other_zone_ms


class DnsDefaults(Model):
    """Records that derive from a deployment, and resolvers."""

    ttl: int = known(3600, "time to live of derived records, seconds", tag="proposed", ge=0)
    srv_priority: int = known(10, "priority of derived SRV records", tag="doc", source=REQUIREMENTS, ge=0, le=65535)
    srv_weight: int = known(10, "weight of derived SRV records", tag="doc", source=REQUIREMENTS, ge=0, le=65535)
    query_timeout_s: float = known(2.0, "a resolver waits so long for an answer, seconds", tag="proposed", gt=0)
    attempts: int = known(3, "how often a resolver asks before it gives up", tag="proposed", ge=1)
    negative_ttl: int = known(
        60, "how long a resolver remembers that a name does not exist, seconds", tag="proposed", ge=0
    )
    udp_size_bytes: int = known(
        512, "answers above this are truncated without EDNS", tag="doc", source="RFC 1035, 4.2.1"
    )
    udp_edns_bytes: int = known(
        1232, "the largest UDP answer, whatever EDNS offers: passes every path unfragmented", tag="recalled", ge=512
    )


class PortDefaults(Model):
    """The documented port numbers; links between C and E carry theirs in their own sections."""

    dns: Port = known(53, "name servers, UDP and TCP", tag="doc", source="RFC 1035, section 4.2")
    edge_https: Port = known(8443, "client to E: every HTTPS request", tag="doc", source=PORTS)
    web_proxy: Port = known(443, "browser to E: the Web Proxy for Meeting Server", tag="recalled")
    edge_sip: Port = known(5061, "client to E: SIP over TLS", tag="doc", source=REQUIREMENTS)
    edge_xmpp: Port = known(5222, "client to E: XMPP with STARTTLS", tag="doc", source=REQUIREMENTS)
    turn: Port = known(3478, "client to E: TURN control, UDP; a large system has five more", tag="doc", source=PORTS)
    turn_relay_first: Port = known(24000, "first relay port of E's TURN server", tag="doc", source=PORTS)
    turn_relay_last: Port = known(29999, "last relay port of E's TURN server", tag="doc", source=PORTS)
    media_first: Port = known(36000, "first media port of C and E", tag="doc", source=PORTS)
    edge_media_first: Port = known(
        36002, "first port of E that clients outside send media to", tag="doc", source=REQUIREMENTS
    )
    media_last: Port = known(59999, "last media port of C and E", tag="doc", source=PORTS)
    multiplex_rtp: Port = known(2776, "C to E: multiplexed RTP of a small or medium system", tag="doc", source=PORTS)
    multiplex_rtcp: Port = known(2777, "C to E: multiplexed RTCP of a small or medium system", tag="doc", source=PORTS)
    multiplex_large_first: Port = known(36000, "C to E: first multiplexed port of a large one", tag="doc", source=PORTS)
    multiplex_large_last: Port = known(36011, "C to E: last multiplexed port of a large one", tag="doc", source=PORTS)
    cluster_sip: Port = known(5061, "Expressway peer to peer: SIP over TLS", tag="doc", source=PORTS)
    cluster_database: Port = known(4371, "Expressway peer to peer: cluster database", tag="doc", source=PORTS)
    cluster_gatekeeper: Port = known(1719, "Expressway peer to peer: H.323, UDP", tag="doc", source=PORTS)
    sip_source_first: Port = known(25000, "C's SIP connections come from here up", tag="doc", source=PORTS)
    sip_source_last: Port = known(29999, "C's SIP connections come from up to here", tag="doc", source=PORTS)
    http_source_first: Port = known(30000, "C's HTTP and SSH connections come from here up", tag="doc", source=PORTS)
    http_source_last: Port = known(35999, "C's HTTP and SSH connections come from up to here", tag="doc", source=PORTS)
    sip: Port = known(5060, "Unified CM: SIP over TCP and UDP, non-secure profiles", tag="doc", source=PORTS)
    sip_tls: Port = known(5061, "Unified CM and C: SIP over TLS, secure profiles", tag="doc", source=PORTS)
    sip_oauth: Port = known(5090, "Unified CM: SIP OAuth on premises", tag="doc", source=PORTS)
    sip_oauth_mra: Port = known(5091, "Unified CM: SIP OAuth from C, mutual TLS", tag="doc", source=PORTS)
    uds: Port = known(8443, "Unified CM: UDS, AXL, single sign-on", tag="doc", source=PORTS)
    configuration_http: Port = known(6970, "Unified CM: configuration files, plain", tag="doc", source=PORTS)
    headset_https: Port = known(6971, "Unified CM: headset configuration", tag="doc", source=PORTS)
    configuration_https: Port = known(6972, "Unified CM: configuration files over TLS", tag="doc", source=PORTS)
    headset_metrics: Port = known(9444, "Unified CM: headset metrics", tag="doc", source=PORTS)
    soap: Port = known(8443, "IM and Presence: SOAP and AXL", tag="doc", source=PORTS)
    im_presence_xmpp: Port = known(7400, "C to IM and Presence: XMPP over TLS", tag="doc", source=PORTS)
    im_presence_client: Port = known(
        5222, "inside client to IM and Presence: XMPP", tag="doc", source="RFC 6120, section 14.7"
    )
    file_transfer: Port = known(7336, "IM and Presence: managed file transfer", tag="doc", source=PORTS)
    voicemail_https: Port = known(8443, "Unity Connection: visual voicemail", tag="doc", source=PORTS)
    voicemail_alternate: Port = known(443, "Unity Connection: visual voicemail as well", tag="doc", source=PORTS)
    message_waiting_http: Port = known(7080, "Unity Connection: message waiting, plain", tag="doc", source=PORTS)
    message_waiting_https: Port = known(7443, "Unity Connection: message waiting, TLS", tag="doc", source=PORTS)

    def number(self, port: int | str) -> int:
        """Return a `PortOrName` as a number."""
        return port if isinstance(port, int) else int(getattr(self, port))

    def multiplexed(self, size: str) -> tuple[tuple[int, int], ...]:
        """Return the pairs of multiplexed ports, RTP and RTCP, of an Expressway-E of this size."""
        if size != "large":
            return ((self.multiplex_rtp, self.multiplex_rtcp),)
        firsts = range(self.multiplex_large_first, self.multiplex_large_last, 2)
        return tuple((first, first + 1) for first in firsts)

    def turn_control(self, size: str) -> tuple[int, int]:
        """Return the first and last TURN control port of an Expressway-E of this size."""
        return self.turn, self.turn + (5 if size == "large" else 0)

    def client_media(self, size: str) -> tuple[int, int]:
        """Return the first and last port of an Expressway-E of this size that clients send media to."""
        taken = max(port for pair in self.multiplexed(size) for port in pair)
        return max(self.edge_media_first, taken + 1), self.media_last


def _read(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _known(value: int | str) -> int | str:
    if value not in PortDefaults.model_fields and not (isinstance(value, int) and 1 <= value <= 65535):
        raise ValueError("a port, or the name of one among defaults.ports such as edge_https")
    return value


PortOrName = Annotated[int | str, BeforeValidator(_read), AfterValidator(_known)]
"""A port by its number, or by its name in `PortDefaults`: `PortDefaults.number`."""


class LinkDefaults(Model):
    """The three links that C opens to E."""

    ssh_ciphers: tuple[str, ...] = known(
        ("aes256-ctr",), "xConfiguration Ciphers sshd_pfwd_ciphers: what the tunnel offers", tag="doc", source=REFERENCE
    )
    options_interval_s: float = known(
        60.0, "C sends OPTIONS through the traversal zone every so often", tag="proposed", gap="S-09", gt=0
    )
    zone_retry_s: float = known(120.0, "C tries a failed zone again after this", tag="doc", source=ZONES, gt=0)
    probe_retry_count: int = known(5, "TCP and UDP probes of a zone before it counts as lost", tag="doc", source=ZONES)
    probe_keepalive_s: float = known(20.0, "interval of the zone's TCP and UDP probes", tag="doc", source=ZONES, gt=0)
    probe_retry_s: float = known(2.0, "interval of repeated probes", tag="trace", source=HYBRID, gt=0)
    zone_connect_timeout_s: float = known(10.0, "global SIP TCP connect timeout", tag="doc", source=PROTOCOLS, gt=0)
    zone_tls_timeout_s: float = known(5.0, "global SIP TLS handshake timeout", tag="doc", source=PROTOCOLS, gt=0)
    cvs_refused: str = known(
        "Certificate verification failed for host={host}, additional info: {why}",
        "what C says where the certificate of a peer of its XMPP side does not verify",
        tag="trace",
        source=EDGE_ISSUES,
    )
    cvs_wrong_name: str = known(
        "Invalid Hostname", "the additional information where it lacks the name", tag="trace", source=EDGE_ISSUES
    )
    cvs_lookup_failed: str = known(
        "caught exception: exception in reverseDNSLookup: reverse DNS lookup failed for address={address}",
        "what C says where reverse DNS has no name of the peer",
        tag="trace",
        source=EDGE_ISSUES,
    )
    failed: str = known(
        "Failed",
        "state of a zone without a connection: the documented states have no reason, which the journal has beside it",
        tag="doc",
        source=STATUS,
    )
    checking: str = known("Checking", "state of a zone's connection before its first result", tag="doc", source=STATUS)
    active: str = known(
        "TLS: Active",
        "state of a zone with all its connections, as logged; the documented list has Active without the transport",
        tag="trace",
    )
    active_tcp: str = known("TCP: Active", "the same of a zone over TCP, after the one over TLS", tag="inferred")
    active_partly: str = known(
        "Active ({active} of {connections})",
        "state of a zone some of whose connections failed: a count is documented, its form is not",
        tag="inferred",
        source=STATUS,
    )
    calls_available: int = known(
        750, "non-traversal calls that C reports as free in its resource usage", tag="one-source", ge=0
    )
    traversal_calls_available: int = known(
        249, "traversal calls that C reports as free in its resource usage", tag="one-source", ge=0
    )
    registrations_available: int = known(
        2494, "registrations that C reports as free in its resource usage", tag="one-source", ge=0
    )
    tunnel_retry_s: float = known(5.0, "C dials a lost SSH tunnel again after this", tag="proposed", gt=0)
    tunnel_keepalive_s: float = known(15.0, "SSH keep-alive of the tunnel", tag="proposed", gt=0)
    tunnel_keepalive_count: int = known(3, "unanswered SSH keep-alives that end the tunnel", tag="proposed", ge=1)
    tunnel_login_timeout_s: float = known(
        30.0, "E gives a caller so long for the SSH handshake and authentication", tag="proposed", gt=0
    )
    cluster_port: Port = known(
        4372,
        "mutual TLS between the peers of a cluster; what it carries here is our own",
        tag="doc",
        source=PORTS,
    )
    cluster_retry_s: float = known(5.0, "a C dials a lost peer of its cluster again after this", tag="proposed", gt=0)
    xcp_keepalive_s: float = known(30.0, "interval of pings on the XCP link", tag="proposed", gt=0)
    xcp_patience_s: float = known(
        10.0, "for the handshake of the XCP link, and from a ping to any octet back", tag="proposed", gt=0
    )
    xcp_retry_s: float = known(5.0, "C dials a lost XCP link again after this", tag="proposed", gt=0)
    connect_timeout_s: float = known(
        10.0, "C gives up a TCP connection to E or a server after this", tag="proposed", gt=0
    )
