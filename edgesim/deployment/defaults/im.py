"""Defaults of IM and Presence: SOAP, XMPP, high availability, files."""

from __future__ import annotations

from typing import Literal

from edgesim.deployment.base import Model
from edgesim.deployment.defaults.known import LOGIN_ISSUES, REDUNDANCY, REQUIREMENTS, known


class ImDefaults(Model):
    """SOAP sign-in and XMPP."""

    soap_path: str = known("/EPASSoap/service/v80", "SOAP endpoint that Jabber uses", tag="trace", source=LOGIN_ISSUES)
    failed_login_element: str = known(
        "failure", "child of login-resp beside which no success stands; status 200", tag="proposed", gap="I-10"
    )
    session_key_lifetime_s: int = known(86_400, "a SOAP session key, seconds", tag="proposed", ge=1)
    one_time_password_s: int = known(60, "a one-time password, seconds, good for one use", tag="proposed", ge=1)
    resource_digits: int = known(
        4,
        "resource of Jabber: jabber_ and so many digits; then bind, session, roster as in RFC 6120, 3921, 6121",
        tag="inferred",
        gap="I-11",
        ge=1,
    )
    stream_management: bool = known(True, "XEP-0198 is offered after authentication", tag="inferred", gap="I-11")
    token_mechanism: str = known(
        "",
        "SASL mechanism for an access token; empty: SOAP with Bearer, then a one-time password",
        tag="proposed",
        gap="I-12",
    )
    redirect: Literal["hostname", "see-other-host"] = known(
        "hostname", "how a client is told its home node: <hostname> in <mechanisms>", tag="inferred", gap="I-13"
    )
    file_transfer_url: str = known(
        "https://{node}:7336/{uuid}",
        "managed file transfer: PUT, then GET; the URL in jabber:x:oob",
        tag="proposed",
        gap="I-14",
    )
    bytestream_failure: str = known(
        "item-not-found", "how a peer-to-peer transfer ends over MRA", tag="inferred", gap="I-15"
    )
    no_mechanisms_close_s: float = known(
        10.0, "E's stream without a link to C: TLS, empty features, closed after this", tag="proposed", gap="I-18", gt=0
    )
    presence_domain_limit: int | None = known(
        None, "presence domains are not refused beyond the recommended 75", tag="proposed", gap="I-21"
    )
    presence_domains_recommended: int = known(75, "from X12.6.3", tag="doc", source=REQUIREMENTS, ge=1)
    handshake_patience_s: float = known(
        60.0, "a server gives a client so long from connecting to a session", tag="proposed", gt=0
    )
    stanza_s: float = known(
        30.0, "an element of a client's stream must have come whole so long after its first octet", tag="proposed", gt=0
    )
    unread_s: float = known(
        30.0, "a client that does not read what it is sent is disconnected after so long", tag="proposed", gt=0
    )
    client_octets_per_s: float = known(
        65_536.0,
        "octets a second that a client may send after a burst, a stanza counting for 1024 more; one that sends faster "
        "is read more slowly, as servers of this family do (they call it karma)",
        tag="proposed",
        gt=0,
    )
    client_octets_burst: int = known(262_144, "octets that it may send at once", tag="proposed", ge=1)
    client_idle_s: float = known(
        86_400.0,
        "an authenticated client that said nothing for so long is disconnected; nothing says that clients must speak",
        tag="proposed",
        gt=0,
    )
    auto_approve: bool = known(True, "users see each other's presence without being asked", tag="recalled")
    offline_message: Literal["error", "drop"] = known(
        "error", "a message for a user without an available client", tag="proposed"
    )
    resource_conflict: Literal["refuse", "replace"] = known(
        "refuse", "a bind of a resource in use: conflict to the newcomer, or the older session ends", tag="proposed"
    )
    unassigned_status: int = known(
        403, "SOAP login of a user without IM and Presence: anything but 200 says so to clients", tag="proposed"
    )
    bad_credentials: tuple[int, str] = known(
        (-2, "Invalid username or password."), "err-code and err-text of a refused SOAP login", tag="proposed"
    )
    whitespace_keepalive_s: float = known(30.0, "a client's keep-alive on its XMPP stream", tag="proposed", gt=0)


class RecoveryDefaults(Model):
    """Server Recovery Manager of IM and Presence."""

    critical_service_delay_s: int = known(90, "Critical Service Delay", tag="doc", source=REDUNDANCY, ge=0)
    automatic_fallback: bool = known(False, "Enable Automatic Fallback", tag="doc", source=REDUNDANCY)
    fallback_after_min: int = known(30, "users return so long after the primary is well", tag="doc", source=REDUNDANCY)
    initialization_timeout_s: int = known(120, "Initialization Keep Alive Timeout", tag="doc", source=REDUNDANCY)
    keepalive_timeout_s: int = known(60, "Keep Alive Timeout", tag="doc", source=REDUNDANCY, ge=1)
    keepalive_interval_s: int = known(15, "Keep Alive Interval", tag="doc", source=REDUNDANCY, ge=1)
    relogin_lower_s: int = known(120, "Client Re-Login Lower Limit", tag="doc", source=REDUNDANCY, ge=0)
    relogin_upper_s: int = known(537, "Client Re-Login Upper Limit", tag="doc", source=REDUNDANCY, ge=0)


class CapacityDefaults(Model):
    """How much one node takes."""

    registrations_per_node: int = known(
        2500, "registrations that a large VM proxies to Unified CM", tag="doc", source=REQUIREMENTS, ge=1
    )
    calls_kbps: int = known(384, "default call bandwidth on C", tag="doc", source=REQUIREMENTS, ge=1)
