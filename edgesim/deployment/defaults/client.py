"""Defaults of simulated clients: discovery, retries, time-outs."""

from __future__ import annotations

from typing import Literal

from edgesim.deployment.base import Model
from edgesim.deployment.defaults.known import (
    DISCOVERY,
    EDGE_SNI,
    EMCC,
    FAILOVER,
    ORIGIN,
    PHONE_MRA,
    PHONES,
    SIP_OAUTH,
    SIPCC,
    TC_EXAMPLE,
    TROUBLESHOOTING,
    UNREGISTERED,
    known,
)


class ClientDefaults(Model):
    """Jabber, the Webex app, phones and room devices."""

    together_spread_s: float = known(
        0.1,
        "in a story, people who do something together begin within so much of each other, each at a moment that a seed"
        " draws, as likely a few milliseconds as a few dozen: no two press a key at the same instant, and what they do"
        " overlaps, as short as it may be",
        tag="proposed",
        ge=0,
    )
    recheck_s: float = known(
        60.0,
        "outside, the SRV queries are repeated every so often and on each network change",
        tag="proposed",
        gap="D-01",
        gt=0,
    )
    inside_probe_s: float = known(
        3.0,
        "inside means: _cisco-uds answers, and TCP to its target connects within this",
        tag="proposed",
        gap="D-01",
        gt=0,
    )
    srv_queries: Literal["at once", "one after the other"] = known(
        "at once",
        "_cisco-uds, _cuplogin and _collab-edge; the order of one community note is the other form",
        tag="doc",
        source=DISCOVERY,
    )
    asks_cuplogin: bool = known(
        True,
        "older guides name the query, newer ones do not",
        tag="doc",
        source='Deployment and Installation Guide for Cisco Jabber 10.5, "Requirements"',
    )
    sni: Literal["service domain", "target", "none"] = known(
        "service domain",
        "the server name that a client asks an Expressway-E for: the SRV target where it is within the user's service "
        "domain, otherwise the target's first label before that domain; or the target as it is; or none",
        tag="doc",
        source=EDGE_SNI,
    )
    address_names: Literal["resolved target", "signed in"] = known(
        "resolved target",
        "what a client takes an edge server for that it knows by address alone, for server name, certificate and "
        "cookies: the SRV target that leads to the address, where none does an unnamed peer of the one it signed in "
        "to, whose certificate must still hold the edge domain; or always the one that it signed in to",
        tag="proposed",
        gap="D-02",
    )
    devices_asked: int = known(100, "max of Jabber's question for the user's devices", tag="trace", source=ORIGIN, ge=1)
    asked_services: tuple[str, ...] = known(
        ("_cisco-uds", "_cuplogin"),
        "service_name of Jabber's get_edge_config",
        tag="doc",
        source='Preferred Architecture for Cisco Collaboration 12.x Enterprise On-Premises, "Collaboration Edge"',
    )
    connect_timeout_s: float = known(10.0, "a client gives up a TCP connection after this", tag="proposed", gt=0)
    request_timeout_s: float = known(30.0, "a client gives up an HTTP request after this", tag="proposed", gt=0)
    xmpp_timeout_s: float = known(30.0, "a client gives up an XMPP step after this", tag="proposed", gt=0)
    room_retry_s: float = known(
        15.0, "a room device repeats its provisioning after this", tag="trace", source=TC_EXAMPLE, gt=0
    )
    phone_mra_mode: Literal["network and checkbox", "TFTP timeout"] = known(
        "network and checkbox",
        "what makes a phone of the 7800 and 8800 series ask for its service domain: that DHCP names no TFTP server "
        "(options 150 and 66) and, from Expressway X14.0 on, that Allow Activation Code via MRA is checked; or no TFTP "
        "answer for phone_tftp_wait_s, and no condition",
        tag="doc",
        source=PHONE_MRA,
    )
    phone_tftp_wait_s: float = known(
        60.0,
        "with phone_mra_mode TFTP timeout: a phone without a TFTP answer on boot for so long prompts for MRA",
        tag="proposed",
        gap="D-16",
        gt=0,
    )
    phone_retry_s: float = known(15.0, "a phone repeats its sign-in after this, as TC does", tag="proposed", gap="D-17")
    unfit_device: Literal["no MRA", "tries"] = known(
        "no MRA",
        "a phone or room device that MRA does not support, by model or firmware, knows nothing of it and never asks "
        "for _collab-edge; or it tries as any other",
        tag="proposed",
    )
    secure_uri: str = known(
        "sip:{node}:{port};transport=tls",
        "Request-URI of a REGISTER over the edge where the configuration file says that the device is secure: it tells "
        "C to take the zone to 5061",
        tag="inferred",
    )
    edge_names: tuple[str, ...] = known(
        ("{domain}", "SRV:_collab-edge._tls.{domain}", "collab-edge.{domain}"),
        "phones and room devices want one of these in the SAN of E's certificate, Jabber too beside E's FQDN: the edge "
        "domain or its SRV name, as TC logs, or the third form that Expressway's CSR offers",
        tag="trace",
        source=TC_EXAMPLE,
    )
    phone_retry_most_s: float = known(
        120.0,
        "a rejected client, which provisions again, waits twice as long each time, but never longer than this",
        tag="proposed",
        gt=0,
    )
    service_retry_s: float = known(
        60.0,
        "a client that signed in without one of its services tries that one again after this",
        tag="proposed",
        gt=0,
    )
    service_retry_most_s: float = known(
        600.0, "it waits twice as long each time, but never longer than this", tag="proposed", gt=0
    )
    short_refresh: bool = known(
        True,
        "a refresh has a new tag in From, no body and no Reason, as a 7821's; other clients alike",
        tag="trace",
        source=PHONES,
    )
    phone_alarm: bool = known(
        True,
        "a desk phone tells Unified CM of its trust lists, by REFER, when it has registered",
        tag="trace",
        source=EMCC,
    )
    standby_keepalive: bool = known(
        True,
        "a desk phone shows the next node of its group that it lives, every Timer Keep Alive Expires",
        tag="trace",
        source=UNREGISTERED,
    )
    least_refresh_s: int = known(
        60,
        "a grant that would have to be refreshed sooner is too short: the client unregisters and tries again later",
        tag="impl",
        source=SIPCC,
        ge=0,
    )
    graceful_registration: bool = known(
        True,
        "on premises Jabber first asks, with an instance of zeros, whether its device is free; not over MRA",
        tag="impl",
    )
    resolution_delay_s: float = known(
        0.0,
        "a client with both kinds of address asks for both and dials the kind whose answer comes first; so long after "
        "the IPv4 answer the IPv6 one still counts as first. RFC 8305, section 3, recommends 0.05, with which IPv6 "
        "would all but always win; documented is that such clients fail intermittently",
        tag="inferred",
        ge=0,
    )
    edge_refresh_before_s: float = known(
        300.0, "a client signs in to the edge again so long before its cookie expires", tag="proposed", ge=0
    )
    node_limit: int = known(3, "nodes of a CallManager group that a client uses", tag="trace", source=SIP_OAUTH, ge=1)
    fallback_monitor_s: float = known(
        300.0, "how long a client watches a node that came back before it returns", tag="impl", gt=0
    )
    honours_imbalance: Literal["AR_SK only", "all", "none"] = known(
        "AR_SK only", "clients that move when E warns of uneven load", tag="proposed", gap="S-13"
    )
    adaptive_routing: bool = known(True, "x-cisco-mra-ha=AR_SK is announced by release 14", tag="doc", source=FAILOVER)
    invalid_certificate: Literal["prompt", "refuse"] = known(
        "prompt", "InvalidCertificateBehavior of Jabber for an untrusted E", tag="doc", source=TROUBLESHOOTING
    )
    soap_client_type: str = known("CUPC", "client-type of the SOAP login", tag="impl")
