"""Defaults of the SIP side: Expressway, Unified CM's registrar, timers, failover."""

from __future__ import annotations

from typing import Annotated, Literal

from edgesim.deployment.base import Model, Numeric
from edgesim.deployment.defaults.known import (
    ALARMS,
    ANDROID,
    EDGE_ISSUES,
    EMCC,
    ENDPOINTS,
    FAILOVER,
    HYBRID,
    LINE_GUIDE,
    MANAGED,
    PROTOCOLS,
    REFERENCE,
    REQUIREMENTS,
    SIP_OAUTH,
    SIPCC,
    SOURCE_NAT,
    SYSTEM_GUIDE,
    TC_EXAMPLE,
    UNREGISTERED,
    ZONES,
    known,
)

HEADER_ORDER = (
    "Via",
    "Call-ID",
    "CSeq",
    "Call-Info",
    "Remote-Party-ID",
    "Contact",
    "From",
    "To",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Allow",
    "User-Agent",
    "Server",
    "Expires",
    "Date",
    "Event",
    "Supported",
    "Session-Expires",
    "Min-SE",
    "Allow-Events",
    "P-Asserted-Identity",
    "X-TAATag",
    "Identity",
    "Warning",
    "Session-ID",
    "*",
    "Content-Type",
    "Content-Length",
)
"""As in captured messages that E and C sent on; ``*`` stands for all other headers, in the order in which they came."""


class SipDefaults(Model):
    """What the Expressways do with SIP."""

    forwarding: Literal["rewritten", "byte for byte"] = known(
        "rewritten",
        "E and C rewrite what they send on: in an order of their own, lists joined, needless blanks gone; the other "
        "form leaves every line as it came but for those that a proxy has to change",
        tag="trace",
        source=HYBRID,
    )
    header_order: tuple[str, ...] = known(
        HEADER_ORDER, "the order of headers in a message that is rewritten", tag="trace", source=HYBRID
    )
    headers_apart: tuple[str, ...] = known(
        ("Via", "Route", "Record-Route"),
        "lists that have a line for each value in a message that is rewritten; others are joined",
        tag="trace",
        source=HYBRID,
    )
    branch_hash: Literal["every zone", "not into the traversal zone"] = known(
        "every zone",
        "a branch ends in a dot and 32 hexadecimal digits by which loops are found; requests of the B2BUA have none",
        tag="trace",
        source=EDGE_ISSUES,
    )
    session_of_answers: bool = known(
        True,
        "E's and C's own answers to a request with a Session-ID have one of zeros, with the sender's as remote",
        tag="trace",
        source=HYBRID,
    )
    tags_calls: bool = known(
        True, "the first Expressway that a call comes to names it by a UUID in X-TAATag", tag="trace", source=HYBRID
    )
    warnings: tuple[tuple[int, str], ...] = known(
        ((403, "Policy Response"), (404, "Policy Response"), (408, "Request Timeout")),
        "text of Warning 399 in E's and C's own refusals, by status: 404 and 408 as captured, 403 like 404",
        tag="trace",
        source=HYBRID,
    )
    challenge: Annotated[Literal[407, 401], Numeric] = known(
        407,
        "E challenges a REGISTER as a proxy; 401 with WWW-Authenticate is the other form",
        tag="proposed",
        gap="S-03",
    )
    nonce_octets: int = known(30, "E's nonce: 60 hexadecimal characters", tag="doc", source=REFERENCE, ge=16, le=64)
    nonce_lifetime_s: float = known(300.0, "a nonce older than this is stale", tag="doc", source=REFERENCE, gt=0)
    nonce_uses: int = known(128, "a nonce serves at most so many requests", tag="doc", source=REFERENCE, ge=1)
    nonces_remembered: int = known(
        10_000, "of how many nonces E remembers how often they were used; one that it forgot is stale", tag="proposed"
    )
    challenges: int = known(
        3,
        "so often E challenges a client whose answers are wrong, then it answers 403",
        tag="doc",
        source=REFERENCE,
        ge=1,
    )
    digest_cache: bool = known(
        True,
        "E keeps the interim hash, H(A1), that comes with the 200 to SERVICE, and checks further answers with it",
        tag="doc",
        source=REFERENCE,
    )
    digest_cache_s: float = known(
        600.0,
        "lifetime of such a hash; 7200 is advised with pre-routed headers alone",
        tag="doc",
        source=REFERENCE,
        ge=0,
    )
    digest_cache_check_s: float = known(
        600.0, "how often E drops the hashes that are over", tag="doc", source=REFERENCE, gt=0
    )
    digest_cache_entries: int = known(10_000, "how many hashes E keeps", tag="doc", source=REFERENCE, ge=1)
    service_hash_element: str = known(
        "interim-hash",
        "the parameter with the hash in the body of C's 200 to SERVICE, a methodResponse in the form of the question",
        tag="proposed",
        gap="S-05",
        pattern="^[a-z][a-z-]{0,31}$",
    )
    service_identity_verified: bool = known(
        False,
        "C verifies Identity: base64 RSA-SHA1 over From, To, Call-ID, CSeq, Date and body",
        tag="proposed",
        gap="S-05",
    )
    service_from_outside_status: int = known(
        403, "E's answer to a SERVICE of a client: only E itself asks a C about digests", tag="proposed"
    )
    contact_taken_status: int = known(
        403,
        "answer of E and C to a REGISTER for a contact that another user's registration holds: requests for a contact "
        "go to whoever registered it",
        tag="proposed",
    )
    two_users_status: int = known(
        403, "C's answer to a request with proofs of two different users: it vouches for one", tag="proposed"
    )
    service_max_skew_s: float = known(60.0, "C refuses a SERVICE dated further off than this", tag="doc", gt=0)
    service_timeout_s: float = known(
        5.0, "C answers 408 to a SERVICE whose apparent route cannot be reached after this", tag="proposed", gt=0
    )
    c_drops_route: bool = known(
        True,
        "E removes its own hop and routes by zone-id; C drops the Route and goes by the Request-URI's host",
        tag="inferred",
        gap="S-02",
    )
    path_adds_user: bool = known(
        True,
        "with SIP Path headers C adds the user to Contact all the same, as Unified CM authorizes the device by it",
        tag="inferred",
        gap="S-06",
    )
    path_in_response: bool = known(
        True, "C puts its address into Path of the 200 to REGISTER, too", tag="doc", source=REFERENCE
    )
    path_form: str = known(
        "<sip:{address}:{port};transport={transport};lr>", "C's Path header", tag="inferred", gap="S-06"
    )
    pre_routed_header: str = known(
        "",
        "name of the pre-routed route header of fast path registration; empty: off (X-PreRouted-Route if on)",
        tag="proposed",
        gap="S-07",
    )
    ar_sk_inserted_by: Literal["unified_cm", "expressway_c"] = known(
        "unified_cm", "who adds X-cisco-supports-AR_SK to Supported", tag="proposed", gap="S-08"
    )
    invite_like_register: bool = known(
        True, "INVITE follows the rules of Via, zones and routes that REGISTER shows", tag="inferred", gap="S-18"
    )
    update_status: int = known(405, "answer of C's B2BUA to UPDATE, with its Allow", tag="inferred", gap="S-21")
    maintenance_status: int = known(
        503,
        "answer in maintenance mode, without Retry-After: seen at a registration with Expressway itself",
        tag="inferred",
        source=ENDPOINTS,
        gap="S-22",
    )
    maintenance_warning: tuple[int, str] = known(
        (382, "System in Maintenance Mode"),
        "code and text of the Warning in that answer, which names Expressway's address without a port",
        tag="inferred",
        source=ENDPOINTS,
        gap="S-22",
    )
    zone_index_on_c: int = known(
        4, "the traversal zone's number on C, as in ingress-zone-id", tag="trace", source=SOURCE_NAT, ge=1
    )
    service_wrong_status: int = known(
        401, "C's answer to a SERVICE with a wrong digest: E challenges the client again", tag="proposed", gap="S-05"
    )
    service_unknown_status: int = known(
        404,
        "C's answer to a SERVICE about a user who did not sign in there: E asks the next C, then challenges again",
        tag="proposed",
        gap="S-05",
    )
    service_lost_status: int = known(
        408, "the client's answer when no C answers SERVICE in time", tag="inferred", source=SOURCE_NAT
    )
    no_route_status: int = known(
        403, "E's answer to a request without a Route of a zone that it has", tag="proposed", gap="S-02"
    )
    zone_realm: str = known(
        "{zone}",
        "realm of E's challenge to a C. One log of X7.2.1 shows a text that its administrator gave, 'traversal (cluster"
        " 1)' beside the user name 'traversal': taken for the name of the zone. {fqdn} is E's own name, the realm that "
        "clients meet",
        tag="inferred",
    )
    zone_down_status: int = known(
        503, "E's answer when no C can be reached through the zone that the Route names", tag="proposed"
    )
    neighbour_down_status: int = known(503, "C's answer when the zone of a Unified CM node has failed", tag="proposed")
    unknown_target_status: int = known(480, "answer to a request for a client whose connection is gone", tag="proposed")
    unauthenticated_peer_status: int = known(
        403, "answer on the zone's port to anything before the peer authenticated by OPTIONS", tag="proposed"
    )
    hop_count: int = known(15, "Max-Forwards is clamped to the zone's hop count", tag="doc", source=ZONES, ge=1)
    connect_timeout_s: float = known(10.0, "SIP TCP connect timeout", tag="doc", source=PROTOCOLS, gt=0)
    tls_handshake_timeout_s: float = known(5.0, "SIP TLS handshake timeout", tag="doc", source=PROTOCOLS, gt=0)
    session_refresh_s: int = known(1800, "session refresh interval", tag="doc", source=PROTOCOLS, ge=90)
    min_session_refresh_s: int = known(500, "minimum session refresh interval", tag="doc", source=PROTOCOLS, ge=90)
    client_unproved_idle_s: float = known(
        18.0,
        "E closes a client's connection that said nothing for so long and has not proved who it is: "
        'Reason="Idle countdown expired", seen once, on a connection that had sent nothing valid',
        tag="one-source",
        gt=0,
    )
    client_idle_s: float = known(
        3900.0,
        "E closes the connection of a client that proved who it is after so long without any message or keep-alive: "
        "longer than the longest time between two refreshes of a registration",
        tag="proposed",
        gt=0,
    )
    message_s: float = known(
        30.0, "a SIP message must have come whole so long after its first octet", tag="proposed", gt=0
    )
    unread_s: float = known(
        30.0, "a peer that does not read what it is sent is dropped after so long", tag="proposed", gt=0
    )
    client_octets_per_s: float = known(
        65_536.0,
        "octets a second that E reads from one client's connection after a burst, a message counting for 1024 more: a "
        "client that floods waits, and does not use up what Unified CM takes from C",
        tag="proposed",
        gt=0,
    )
    client_octets_burst: int = known(65_536, "octets that it reads at once", tag="proposed", ge=1)
    client_window: int = known(
        32,
        "requests of one client's connection that an Expressway awaits answers to; it reads no more of them meanwhile",
        tag="proposed",
        ge=1,
    )
    max_message_bytes: int = known(32768, "the largest SIP message", tag="doc", source=PROTOCOLS, ge=1024)
    edge_zone: str = known(
        "CollaborationEdgeZone", "the zone of clients on E, as in ingress-zone", tag="trace", source=FAILOVER
    )
    t1_s: float = known(0.5, "timer T1", tag="doc", source="RFC 3261, section 17.1.1.1", gt=0)
    t2_s: float = known(4.0, "timer T2", tag="doc", source="RFC 3261, section 17.1.2.2", gt=0)
    t4_s: float = known(5.0, "timer T4", tag="doc", source="RFC 3261, section 17.1.2.2", gt=0)
    timer_c_s: float = known(
        180.0, "timer C of a proxy, above 3 minutes", tag="doc", source="RFC 3261, section 16.6", gt=0
    )
    stun_interval_s: float = known(
        30.0, "client to E, and C to Unified CM: STUN keep-alive on the SIP stream", tag="doc", source=FAILOVER, gt=0
    )
    stun_timeout_s: float = known(3.0, "no answer within this: the path is down", tag="doc", source=FAILOVER, gt=0)
    stun_registered_path: bool = known(
        True,
        "E hands a client's keep-alive on to C, which knows whether the Unified CM node of the path can be reached; "
        "otherwise E answers for the zone alone",
        tag="inferred",
        source=FAILOVER,
        gap="S-11",
    )
    stun_error: int = known(
        500, "Binding Error that reports a broken path; a host that is down does not answer", tag="proposed", gap="S-11"
    )
    imbalance_warning: str = known(
        "Registration load imbalance",
        "text of E's Warning 399 in a 200 to REGISTER by which a client learns of uneven load",
        tag="inferred",
        gap="S-13",
    )
    imbalance_ratio: float = known(
        1.2, "load is uneven when the highest count exceeds the mean by this factor", tag="inferred", gap="S-13", gt=1
    )
    imbalance_interval_s: float = known(60.0, "how often load is weighed", tag="inferred", gap="S-13", gt=0)


class UnifiedCmDefaults(Model):
    """Unified CM's registrar and its service parameters."""

    keepalive_interval_s: int = known(
        120, "SIP Station KeepAlive Interval: Expires of every 200 to REGISTER", tag="doc", ge=1
    )
    expiry_grace_s: float = known(
        10.0,
        "how long after that a registration is kept: Unified CM waits 15 s for a refresh that is due after 115, about "
        "130 s in all; the SIP line guide says 120",
        tag="doc",
        source=UNREGISTERED,
        ge=0,
    )
    expiry_alarm: str = known(
        "EndPointUnregistered Reason=13 LastSignalReceived=SIPStationDPrimaryLineTimeout",
        "the alarm when a registration expired",
        tag="doc",
        source=UNREGISTERED,
    )
    removal_alarm: str = known(
        "EndPointUnregistered Reason=10 (DeviceUnregistered)",
        "the alarm when a client removed its registration: the number is documented, not when it is used",
        tag="inferred",
        source=MANAGED,
    )
    reset_alarm: str = known(
        "EndPointUnregistered Reason=8 (DeviceInitiatedReset)",
        "the alarm when it did so for a reset or restart, as the Reason of its REGISTER says",
        tag="inferred",
        source=MANAGED,
    )
    displaced_alarm: str = known(
        "EndPointUnregistered Reason=29 (DeviceSwitch)",
        "the alarm when a second client of the same device took over",
        tag="doc",
        source=MANAGED,
    )
    moved_alarm: str = known(
        "EndPointUnregistered Reason=23 (SourceIPAddrChanged)",
        "the alarm when a client that shows no instance registered from another address",
        tag="inferred",
        source=MANAGED,
    )
    fills_rport: bool = known(
        False,
        "whether an rport that asks is filled in, with received beside it (RFC 3581); captured answers leave it as it "
        "came, and have received only where it differs from the Via",
        tag="trace",
        source=EDGE_ISSUES,
    )
    joins_vias: bool = known(
        True, "whether an answer has all Vias in one line, separated by commas", tag="trace", source=EDGE_ISSUES
    )
    register_delta_s: int = known(5, "Timer Register Delta: refresh so much before expiry", tag="impl", source=SIPCC)
    keepalive_expires_s: int = known(120, "Timer Keep Alive Expires, towards a standby node", tag="impl", source=SIPCC)
    subscribe_expires_s: int = known(120, "Timer Subscribe Expires", tag="impl", source=SIPCC)
    subscribe_delta_s: int = known(5, "Timer Subscribe Delta", tag="impl", source=SIPCC)
    register_expires_s: int = known(
        3600, "Timer Register Expires: what clients ask for, and dual-mode devices get", tag="trace", source=EMCC
    )
    realm: str = known("ccmsipline", "realm of digest and Bearer challenges to lines", tag="trace", source=SIP_OAUTH)
    oauth_mismatch_retry_after_s: int = known(
        35, "Retry-After of the 403 for a SIP OAuth port mismatch", tag="trace", source=SIP_OAUTH
    )
    warnings: tuple[str, ...] = known(
        (
            "Registration is active for another client",
            "SIP OAuth Registration port Mismatch",
            "TLS authentication failure",
        ),
        "the known texts of Warning 399; others are free text",
        tag="proposed",
        gap="S-19",
    )
    unknown_device_status: int = known(404, "answer to a REGISTER for a device that is not there", tag="proposed")
    unknown_line_status: int = known(404, "answer to a REGISTER for a line that is not there", tag="proposed")
    wrong_transport_status: int = known(
        403, "answer to a REGISTER over a transport that the device's profile excludes", tag="proposed"
    )
    find_by_line: Literal["edge user", "anybody", "nobody"] = known(
        "edge user",
        "a Contact that names no device, as of a third-party client, is taken for the line's device: that of the user "
        "whom the edge authenticated, that of anybody, or never",
        tag="proposed",
    )
    authorizes_user: bool = known(
        True,
        "the user in Contact, whom the edge names, has to be the device's owner or associated with it, and one alone: "
        "otherwise EndPointTransientConnection with reason 35, AuthorizationError",
        tag="doc",
        source=ALARMS,
    )
    authorization_error_status: int = known(403, "answer to a REGISTER with that error", tag="inferred", source=ALARMS)
    contact_star: Literal["refused", "removes"] = known(
        "refused",
        "Contact: * is not taken; the other value is RFC 3261, 10.3, step 6, for the client's own bindings",
        tag="doc",
        source=LINE_GUIDE,
    )
    contact_star_status: int = known(400, "answer to a REGISTER with Contact: *", tag="inferred", source=LINE_GUIDE)
    register_lists: Literal["own", "line"] = known(
        "own",
        "a 200 lists the client's own binding, known by Call-ID or address; RFC 3261 would list all of the line",
        tag="doc",
        source=LINE_GUIDE,
    )
    several_contacts_status: int = known(
        400,
        "answer to a REGISTER that would bind several Contacts: a device has one; one beside others that end is taken",
        tag="proposed",
    )
    expires_in_contact: Literal["always", "as asked", "to standard clients"] = known(
        "to standard clients",
        "in which Contacts of a 200 say how long they last: in those that asked for a lifetime, and, as RFC 3261, "
        "10.3, step 8, wants, in those of clients that speak no X-cisco-sis; Jabber, which does, was captured being "
        "answered with the header Expires alone",
        tag="inferred",
        source=SIP_OAUTH,
    )
    nonce_lifetime_s: float = known(300.0, "a nonce for a line older than this is stale", tag="proposed", gt=0)
    nonce_uses: int = known(
        128,
        "how often a nonce for a line serves: the challenge has no qop, so that clients cannot count and reuse it",
        tag="proposed",
        ge=1,
    )
    says_stale: bool = known(
        True,
        "stale=TRUE in the challenge after a right answer to an old nonce; the captured, first, challenge has none",
        tag="proposed",
    )
    graceful_over_edge: bool = known(
        False, "over MRA a second client takes the device without asking", tag="doc", source=SYSTEM_GUIDE
    )
    sis_versions: tuple[tuple[str, str], ...] = known(
        (("11.5", "8.0.0"), ("12.0", "9.0.0"), ("12.5", "9.2.0"), ("14", "10.0.0")),
        "X-cisco-sis- in a 200 to REGISTER, from each release on",
        tag="trace",
    )
    reg_id: str = known("1", "x-cisco-reg-id of a client: echoed, otherwise ignored", tag="proposed", gap="S-01")
    trunk_conflict_status: int = known(
        405, "answer to a REGISTER on a port that a SIP trunk from the same C uses", tag="trace", source=EDGE_ISSUES
    )
    trunk_conflict_warning: str = known(
        "SIP trunk disallows REGISTER", "text of Warning 399 in that answer", tag="trace", source=EDGE_ISSUES
    )
    certificate_name_mismatch: Literal["close", "403"] = known(
        "close", "C's certificate lacks the security profile's name on the secure port", tag="trace", source=TC_EXAMPLE
    )
    first_message_s: float = known(
        60.0, "a SIP connection that is no other server's must say something within so long", tag="proposed", gt=0
    )
    connection_idle_s: float = known(
        3900.0,
        "and is closed after so long without any message or keep-alive: longer than the longest registration",
        tag="proposed",
        gt=0,
    )
    throttle_kb_per_s: int = known(
        150,
        "SIP Station TCP Port Throttle Threshold: bytes received from one source in a second",
        tag="proposed",
        gap="S-14",
        ge=1,
    )
    throttle_recommended_kb_per_s: int = known(750, "the value recommended for MRA", tag="doc", source=REQUIREMENTS)
    throttle_refusal_s: float = known(
        60.0,
        "after the threshold trips the connection closes and its source is refused so long",
        tag="proposed",
        gap="S-14",
        gt=0,
    )
    video_kbps: int = known(
        384, "maximum session bit rate for video calls of a region", tag="doc", source=REQUIREMENTS, ge=1
    )


class AgentDefaults(Model):
    """User-Agent values and model texts of clients."""

    jabber_desktop: str = known("Cisco-CSF", "Jabber for Windows and Mac", tag="trace", source=SIP_OAUTH)
    jabber_iphone: str = known("Cisco-TCT", "Jabber for iPhone", tag="trace")
    jabber_android: str = known("Cisco-SOUNDWAVE", "Jabber for Android", tag="trace", source=ANDROID)
    jabber_tablet: str = known(
        "Cisco-TAB", "Jabber on tablets, without integration of the mobile phone", tag="trace", source=ANDROID
    )
    phone: str = known("Cisco-CP{model}/{release}", "desk phones", tag="trace", source=EMCC)
    phone_http: str = known(
        "Cisco-CP{model}/{release}", "78xx and 88xx over HTTPS, otherwise as a TC codec", tag="proposed", gap="D-17"
    )
    phone_load: str = known(
        "sip{series}.{release}.loads",
        "ActiveLoad in a desk phone's Reason, as sip78xx.12-1-1-12.loads",
        tag="trace",
        source=EMCC,
    )
    tc: str = known("TANDBERG/518 ({release})", "TC codecs", tag="one-source")
    tc_http: str = known("Cisco/TC", "TC codecs over HTTPS", tag="trace", source=TC_EXAMPLE)
    ce: str = known("TANDBERG/518 ({release})", "CE over SIP: as TC", tag="proposed", gap="S-20")
    ce_http: str = known("Cisco/CE", "CE over HTTPS, otherwise as TC", tag="proposed", gap="D-17")
    roomos: str = known("Cisco/RoomOS {release}", "RoomOS over SIP, otherwise as TC", tag="proposed", gap="S-20")
    roomos_http: str = known("Cisco/RoomOS", "RoomOS over HTTPS, otherwise as TC", tag="proposed", gap="D-17")
    expressway: str = known("TANDBERG/4135 ({release})", "the proxies", tag="trace", source=HYBRID)
    b2bua: str = known("TANDBERG/4352 ({release}-b2bua-1.0)", "C's B2BUA", tag="trace", source=HYBRID)
