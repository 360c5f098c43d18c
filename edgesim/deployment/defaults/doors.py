"""Defaults of the doors: how many connections a port takes, how fast, and whom intrusion protection blocks."""

from __future__ import annotations

from typing import Literal

from edgesim.deployment.base import IpNetwork, Model
from edgesim.deployment.defaults.known import (
    CAPACITY,
    CONFIGURATION,
    MAINTENANCE,
    NETWORK,
    REFERENCE,
    TROUBLESHOOTING,
    known,
)
from edgesim.deployment.defaults.network import PortOrName


class DoorDefaults(Model):
    """Bounds of this testbed's own on what connections cost; links between the servers are exempt."""

    connections_per_port: int = known(
        20_000,
        "connections that one listening port takes; the largest documented peer proxies 8500 registrations",
        tag="proposed",
        ge=1,
    )
    connections_per_address: int = known(
        10_000,
        "connections from one address that one port takes: more than the 8500 registrations of the largest documented "
        f"peer ({CAPACITY}), all of which may come through one NAT",
        tag="proposed",
        ge=1,
    )
    waiting: int = known(
        256, "connections that wait for a port's rate at a time, in the live world", tag="proposed", ge=0
    )
    refusals_report_s: float = known(
        10.0, "a port's refusals go to the journal at most this often for each reason, seconds", tag="proposed", ge=0
    )
    descriptors_base: int = known(
        64, "descriptors that a process of a live lab needs for itself whatever runs in it", tag="proposed", ge=0
    )
    descriptors_per_server: int = known(
        16,
        "descriptors that each server in a process needs: ports it listens on, and both ends of its links; 8 were "
        "measured",
        tag="proposed",
        ge=0,
    )
    descriptors_per_connection: int = known(
        3,
        "descriptors that a client's connection may cost: its own, and both ends of one that Expressway-C opens inside",
        tag="proposed",
        ge=1,
    )
    few_connections: int = known(
        1000, "a live lab that can take fewer connections of clients than this says so at its start", tag="proposed"
    )
    least_connections: int = known(
        16, "a live lab that could not take so many connections of clients does not start", tag="proposed", ge=1
    )


class ProtectionDefaults(Model):
    """Authorization rate control and automated intrusion protection."""

    authorizations_per_period: int = known(
        8,
        "authorizations of one user in a period before 429, right passwords and wrong ones alike, so that a stranger "
        "can use up a user's; 0 turns the control off; the printed example is 3",
        tag="recalled",
        gap="D-19",
        ge=0,
    )
    rate_period_s: int = known(
        300,
        "the period of rate control, seconds, as printed in an example: it begins with the first authorization",
        tag="doc",
        source=REFERENCE,
        ge=1,
    )
    intrusion_protection_on_e: bool = known(True, "E's default", tag="doc", source=CONFIGURATION)
    intrusion_protection_on_c: bool = known(
        False,
        "switched off on C by the task flow. Where it is on, C counts the digests that it refuses as failures of the E "
        "that asked, and exempts no server by itself; requests in the tunnel come from C's loopback and do not count",
        tag="doc",
        source=CONFIGURATION,
    )
    trigger_level: int = known(
        5,
        "failures of one address in one category that are tolerated; one more blocks it",
        tag="doc",
        source=TROUBLESHOOTING,
        ge=1,
    )
    block_s: int = known(600, "how long an address stays blocked, seconds", tag="doc", source=TROUBLESHOOTING, ge=1)
    detection_window_s: int = known(600, "failures older than this no longer count, seconds", tag="proposed", ge=1)
    blocked: Literal["silence", "reset"] = known(
        "silence",
        "how a blocked address is treated: the host receives no response. That its open connections fall silent too "
        "follows from everything timing out. The live world can only reset",
        tag="doc",
        source=NETWORK,
    )
    block_scope: Literal["destination port", "all ports"] = known(
        "destination port",
        "what a block on E is of: source address and destination port, so that an address blocked for one category "
        "still reaches the services of others, and may be blocked for several at different times. A block on C, whose "
        "one peer is E, is of all ports",
        tag="doc",
        source=NETWORK,
    )
    http_authorization_failure: bool = known(
        True, "HTTP proxy authorization failure (http-ce-auth) is on", tag="doc", source=MAINTENANCE
    )
    http_protocol_violation: bool = known(
        True, "HTTP proxy protocol violation (http-ce-intrusion) is on", tag="doc", source=MAINTENANCE
    )
    ssh_authorization_failure: bool = known(
        True, "SSH tunnels authorization failure (sshpfwd-auth) is on", tag="doc", source=MAINTENANCE
    )
    ssh_protocol_violation: bool = known(
        True, "SSH tunnels protocol violation (sshpfwd-intrusion) is on", tag="doc", source=MAINTENANCE
    )
    xmpp_protocol_violation: bool = known(
        True, "XMPP protocol violation (xmpp-intrusion) is on", tag="doc", source=MAINTENANCE
    )
    count_resource_access: bool = known(
        False,
        "HTTP proxy resource access failure counts too: 404s, which blocks good clients",
        tag="doc",
        source=TROUBLESHOOTING,
    )
    sip_authentication_failure: bool | None = known(
        None,
        "SIP authentication failure is on; empty: as the release comes, where it is from X14.0 on",
        tag="doc",
        source=NETWORK,
    )
    xmpp_authentication_failure: bool = known(
        True,
        "a refused SASL authentication counts as XMPP protocol violation: without it passwords could be guessed there",
        tag="proposed",
    )
    http_challenges_count: bool = known(
        False,
        "a 401 of C to a request without any credentials counts, as each client's first one may be; wrong credentials "
        "and E's own 401 always do",
        tag="proposed",
    )
    addresses: int = known(
        10_000,
        "addresses whose failures are remembered, and that are blocked, at a time; the oldest is forgotten",
        tag="proposed",
        ge=1,
    )
    exempt: tuple[IpNetwork, ...] = known(
        (), "addresses and networks that are never blocked: the list of exemptions is empty as shipped", tag="inferred"
    )
    exempt_servers: bool = known(
        True,
        "E never blocks the servers of the deployment, so that a C with wrong credentials goes on to show that; the "
        "product exempts no address by itself, and here C does not either",
        tag="proposed",
    )
    alarm_lowered: Literal["with the last block", "never"] = known(
        "with the last block",
        "when alarm 40056, raised with the first blocked address (X15.0 and later), is lowered: an alarm is when its "
        "issue has been resolved, which for this one is not spelt out",
        tag="inferred",
        source=REFERENCE,
    )
    connection_rate: int = known(
        100, "new connections a second to the SIP ports of E, and to its HTTPS ports", tag="doc", source=NETWORK, ge=1
    )
    connection_burst: int = known(20, "how many of them may come at once", tag="doc", source=NETWORK, ge=1)
    connection_rate_mode: Literal["enforce", "off"] = known(
        "enforce",
        "what exceeds the rate is dropped, from X14.2: a rate is set by default, which mode is not said",
        tag="inferred",
    )
    connection_rate_scope: Literal["all addresses", "each address"] = known(
        "all addresses",
        "whose connections share the rate: the guide names none, and one firewall rule counts for all",
        tag="inferred",
    )
    rated_sip_ports: tuple[PortOrName, ...] = known(
        (5060, "edge_sip", 5062), "SIP ports that share one rate", tag="doc", source=NETWORK
    )
    rated_edge_ports: tuple[PortOrName, ...] = known(
        ("edge_https", 9443), "HTTPS ports that share one rate", tag="doc", source=NETWORK
    )
