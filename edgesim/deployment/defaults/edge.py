"""Defaults of the HTTPS side: edge configuration, proxy, allow list, cookie, rate control, UDS, configuration files."""

from __future__ import annotations

from typing import Annotated, Literal

from edgesim.deployment.base import Model, Numeric
from edgesim.deployment.defaults.known import (
    EDGE_ISSUES,
    MAINTENANCE,
    MULTI_DOMAIN,
    ORIGIN,
    RELEASE_NOTES,
    RENEWAL,
    TC_EXAMPLE,
    TRAFFIC_SERVER,
    TROUBLESHOOTING,
    UDS_REFERENCE,
    known,
)
from edgesim.deployment.defaults.network import PortOrName

Method = Literal["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]


AxlMethod = Literal[
    "getCallManager",
    "listCallManager",
    "listProcessNode",
    "listProcessNodeService",
    "getCCMVersion",
    "executeSQLQuery",
    "listExpresswayCConfiguration",
]
"""The methods of AXL with which Expressway-C discovers a cluster."""


class AutomaticRule(Model):
    """A rule that C makes for every discovered server of one product. All are prefix rules."""

    product: Literal["unified_cm", "im_presence", "unity_connection"]
    scheme: Literal["http", "https"]
    ports: tuple[PortOrName, ...]
    path: str
    methods: tuple[Method, ...]


_ALL: tuple[Method, ...] = ("GET", "PUT", "POST", "DELETE")
_UDS: tuple[tuple[str, tuple[Method, ...]], ...] = (
    ("/cucm-uds/user/", ("GET", "PUT", "DELETE")),
    ("/cucm-uds/private/", ("GET", "POST")),
    ("/cucm-uds/version", ("GET",)),
    ("/cucm-uds/servers", ("GET",)),
    ("/cucm-uds/clusterUser", ("GET",)),
    ("/cucm-uds/users", ("GET",)),
    ("/cucm-uds/options/", ("GET",)),
    ("/cucm-uds/phoneServices", ("GET",)),
)
"""The resources of UDS that have a rule each."""

AUTOMATIC_RULES = (
    *(
        AutomaticRule(product="unified_cm", scheme="https", ports=("uds", 443), path=path, methods=methods)
        for path, methods in _UDS
    ),
    AutomaticRule(product="unified_cm", scheme="http", ports=("configuration_http",), path="/", methods=("GET",)),
    AutomaticRule(product="unified_cm", scheme="https", ports=("configuration_https",), path="/", methods=("GET",)),
    AutomaticRule(
        product="unified_cm", scheme="https", ports=("headset_https", 443), path="/headset/", methods=("GET",)
    ),
    AutomaticRule(product="unified_cm", scheme="http", ports=("headset_metrics",), path="/", methods=("POST",)),
    AutomaticRule(
        product="unified_cm",
        scheme="https",
        ports=("uds", 443),
        path="/devicemanagement/v1/clientAutoProv/createDevice",
        methods=("POST",),
    ),
    AutomaticRule(product="im_presence", scheme="https", ports=("soap",), path="/EPASSoap/", methods=("POST",)),
    AutomaticRule(
        product="unity_connection",
        scheme="https",
        ports=("voicemail_alternate", "voicemail_https"),
        path="/vmrest/",
        methods=_ALL,
    ),
    AutomaticRule(
        product="unity_connection", scheme="http", ports=("message_waiting_http",), path="/", methods=("GET", "POST")
    ),
    AutomaticRule(
        product="unity_connection", scheme="https", ports=("message_waiting_https",), path="/", methods=("GET", "POST")
    ),
)


class EdgeDefaults(Model):
    """Edge configuration, the HTTPS proxy and the edge cookie."""

    realm: str = known("Cisco-Edge", "the realm of the edge's own 401", tag="trace", source=TC_EXAMPLE)
    server_of_configuration: str = known("CE_C ECS", "Server of C's edge configuration", tag="trace", source=TC_EXAMPLE)
    server_of_e: str = known("CE_E", "Server of E's own answers", tag="trace", source=MULTI_DOMAIN)
    server_of_c: str = known("CE_C", "Server of C's proxy where it refuses", tag="proposed", gap="D-09")
    bearer: Literal["plain", "base64"] = known(
        "plain", "a token stands in Authorization as it is, as it does for UDS", tag="inferred", gap="D-03"
    )
    service_error: str = known(
        "NameError", "text of <error> for every service that the inside DNS does not have", tag="proposed", gap="D-04"
    )
    route_address: Literal["expressway_c", "expressway_e inner"] = known(
        "expressway_c", "whose address sipRequest/route carries: the traced one is private", tag="inferred", gap="D-05"
    )
    routes: Literal["answering", "every peer"] = known(
        "answering", "one <route> for the C that answered, or one for every live C peer", tag="inferred", gap="D-05"
    )
    servers: Literal["all, answering first", "answering"] = known(
        "all, answering first", "E peers listed under sip-, xmpp- and httpEdgeServer", tag="inferred", gap="D-06"
    )
    addressed_from: str = known(
        "X14.1",
        "from this release on get_edge_config has IP addresses in place of FQDNs",
        tag="doc",
        source=RELEASE_NOTES,
    )
    addressed_servers: tuple[Literal["sip", "xmpp", "http", "turn"], ...] = known(
        ("sip", "xmpp", "http", "turn"),
        "which elements hold E's address, the public one, in place of its FQDN: sipEdgeServer, xmppEdgeServer, "
        "httpEdgeServer, turnEdgeServer; the note does not say which. Empty: FQDNs, as before. Routes always hold an "
        "address; servers inside are named as Unified CM and DNS list them",
        tag="inferred",
        source=RELEASE_NOTES,
    )
    turn_server: Literal["empty", "filled"] = known(
        "empty", "turnEdgeServer was only ever seen empty", tag="inferred", gap="D-07"
    )
    unauthenticated_status: Annotated[Literal[401, 403], Numeric] = known(
        401, "E's answer to a proxied request without cookie or token", tag="proposed", gap="D-08"
    )
    allow_list_status: int = known(
        403, "refusal by the allow list, decided by C, the same for host, path and method", tag="proposed", gap="D-09"
    )
    upstream_failure_status: int = known(
        502, "E's answer where no C can be reached, or the tunnel breaks", tag="doc", source=TROUBLESHOOTING
    )
    upstream_failure_reason: str = known(
        "Next Hop Connection Failed", "reason phrase of that", tag="doc", source=TROUBLESHOOTING
    )
    upstream_timeout_status: int = known(504, "E's answer where C is silent", tag="impl", source=TRAFFIC_SERVER)
    upstream_timeout_reason: str = known("Next Hop Timeout", "reason phrase of that", tag="impl", source=TRAFFIC_SERVER)
    server_failures: tuple[tuple[str, int, str], ...] = known(
        (
            ("refused", 502, "connect failed"),
            ("unreachable", 502, "connect failed"),
            ("reset", 502, "Server Hangup"),
            ("malformed", 502, "Invalid HTTP Response"),
            ("timed out", 504, "Connection Timed Out"),
            ("too slow", 504, "Maximum Transaction Time Exceeded"),
            ("unresolved", 500, "Cannot find server."),
            ("failed", 502, "connect failed"),
        ),
        "C's answer where a server behind it fails: how it fails, status and reason. The phrases are those of the "
        "proxy software; the product may show the text of the system's error for a connection that is refused",
        tag="impl",
        source=TRAFFIC_SERVER,
    )
    server_tls_attempts: int = known(
        2, "how often C dials a server whose certificate it refuses", tag="trace", source=ORIGIN, ge=1
    )
    server_tls_pause_s: float = known(0.01, "between these attempts, seconds", tag="trace", source=ORIGIN, ge=0)
    inner_request: Literal["absolute form", "origin form"] = known(
        "absolute form",
        "the request line from E to C: http://vcs_control.<C's domain>:8443 before the target",
        tag="trace",
        source=ORIGIN,
    )
    retry_after_s: int | None = known(
        None, "Retry-After of 429, 502 and 503: none was ever seen", tag="proposed", gap="D-10"
    )
    second_service_status: int = known(
        403,
        "E's answer in the name of MRA or the Web Proxy where the other was configured first for the same domain: "
        "that it fails is documented, how is not; the 403 is that of a domain which E does not accept",
        tag="proposed",
    )
    edge_auth_header: str = known(
        "", "name of a header that authenticates to the edge alone; empty: not accepted", tag="proposed", gap="D-11"
    )
    edge_cookie_stripped: bool = known(
        False,
        "whether C takes X-Auth out of Cookie: the whole line was seen at the inside server",
        tag="trace",
        source=RENEWAL,
    )
    automatic_rules: tuple[AutomaticRule, ...] = known(
        AUTOMATIC_RULES,
        "the allow list that C makes for discovered servers, a rule for each resource, as the log has it: the prefix "
        "/cucm-uds/user/ on 8443 was traced (218018), its methods and /cucm-uds/version, /cucm-uds/private/user/, "
        "/headset/ on 443 and all of 6970 were seen once, clientAutoProv/createDevice is documented; the other "
        "resources are those that clients ask UDS for, the other ports those of the port guide",
        tag="proposed",
        gap="D-13",
    )
    rule_types: tuple[tuple[Literal["unified_cm", "im_presence", "unity_connection", "own"], str], ...] = known(
        (
            ("unified_cm", "Automatically generated rule for CUCM server"),
            ("im_presence", "Automatically generated rule for IM and Presence server"),
            ("unity_connection", "Automatically generated rule for Unity Connection server"),
            ("own", "Manually added rule"),
        ),
        "Type in the line that C logs of a request that a rule allows, by what the rule is for: that for Unified CM is "
        "captured, the others follow it",
        tag="inferred",
        source=ORIGIN,
    )
    deployment_number: str = known(
        "1", "Deployment in that line: the number of the only deployment", tag="trace", source=ORIGIN
    )
    bearer_sets_cookie: bool = known(
        True, "a sign-in by token also gets X-Auth, until the token expires", tag="proposed", gap="D-23"
    )
    configuration_headers: tuple[tuple[str, str], ...] = known(
        (("Content-Type", "text/xml"), ("Server", "CE_C ECS"), ("Age", "0")),
        "headers of a 200 to get_edge_config beside framing and cookie, taken from the traced 401",
        tag="inferred",
        gap="D-22",
    )
    cookie_name: str = known("X-Auth", "the edge cookie", tag="trace", source=MULTI_DOMAIN)
    cookie_form: Literal["hex", "uuid"] = known(
        "hex", "64 lower-case hexadecimal characters (X15), or a UUID (2014)", tag="one-source", gap="D-24"
    )
    cookie_http_only: bool = known(True, "X15 adds HttpOnly; 2014 had Secure alone", tag="one-source", gap="D-24")
    cookie_lifetime_min: int = known(
        480,
        "credentials refresh interval, minutes: an X-Auth cookie lives so long",
        tag="doc",
        source=MAINTENANCE,
        ge=1,
    )
    cookie_cleanup_min: int = known(
        720, "credentials cleanup interval, minutes: expired cookies are forgotten", tag="doc", source=MAINTENANCE, ge=1
    )
    unreachable_at_start: Literal["refused until restart", "asked again"] = known(
        "asked again",
        "C that started while Unified CM was down: X15.5.1 was seen to refuse every login until restarted",
        tag="proposed",
    )
    proxy_timeout_s: float = known(30.0, "C waits so long for a server's answer, seconds", tag="proposed", gt=0)
    next_hop_timeout_s: float = known(
        45.0,
        "E waits so long for C's answer, seconds: longer than C, whose word on a server it passes on",
        tag="proposed",
        gt=0,
    )
    client_idle_s: float = known(115.0, "E closes an idle client connection after this", tag="proposed", gt=0)
    client_requests_per_s: float = known(
        5.0,
        "requests a second that E takes from one client connection after a burst: one that pipelines more waits, and "
        "nobody else does",
        tag="proposed",
        gt=0,
    )
    client_requests_burst: int = known(100, "requests that it takes at once", tag="proposed", ge=1)
    message_s: float = known(60.0, "an HTTP message must be complete within this, seconds", tag="proposed", gt=0)
    clock_tolerance_s: float = known(
        60.0,
        "C's and E's clocks further apart than this: 403 on everything; the number is that of SERVICE",
        tag="inferred",
        gt=0,
    )
    failed_node_s: float = known(
        600.0, "for so long C does not ask a node again that failed it (X14.2 and later)", tag="proposed", ge=0
    )
    discovery_retry_s: float = known(60.0, "C repeats a failed discovery after this, seconds", tag="proposed", gt=0)
    ipv6_client: Literal["502", "closed"] = known(
        "502",
        "what E does with a client that comes to 8443 by IPv6: answers 502 Next Hop Connection Failed, or closes the "
        "connection; documented is that E does not proxy it",
        tag="proposed",
    )
    node_does_not_resolve: str = known(
        "does not resolve", "what C says of a discovered node that its DNS does not know", tag="proposed"
    )
    node_has_ipv6: str = known(
        "has only an IPv6 address", "what C says of a node that is addressed by IPv6: it is not used", tag="proposed"
    )
    node_without_fqdn: str = known(
        "has no FQDN in reverse DNS",
        "what C says of a node that is listed by address or host name and whose FQDN it does not find",
        tag="proposed",
    )
    node_fqdn_required: bool = known(
        True,
        "C does not use a node listed by address or host name unless reverse DNS gives its FQDN: the guide requires "
        "both records and does not say what happens without",
        tag="inferred",
    )
    discovery_s: float = known(
        0.0, "how long Refresh servers takes; the guide says 5 to 10 s, up to 45", tag="proposed", ge=0
    )
    axl_methods: tuple[AxlMethod, ...] = known(
        (
            "getCallManager",
            "listCallManager",
            "listProcessNode",
            "listProcessNodeService",
            "getCCMVersion",
            "executeSQLQuery",
            "listExpresswayCConfiguration",
        ),
        "the AXL requests by which C discovers Unified CM, in this order. The first five are documented as examples of "
        "what it gets and lists, in the order in which they are named; then come the queries for CallManager-trust and "
        "tomcat-trust. That the cluster's parameters are queried with those, and that C's own entry is listed, added "
        "or updated last, is this testbed's",
        tag="inferred",
        gap="D-18",
        source=EDGE_ISSUES,
    )
    axl_methods_of_im_presence: tuple[Literal["listProcessNode", "getCCMVersion"], ...] = known(
        ("listProcessNode", "getCCMVersion"),
        "the same for IM and Presence, as far as its AXL goes here: C is known to look for certificates there, too",
        tag="proposed",
        gap="D-18",
    )
    call_manager_name: str = known(
        "CM_{host}",
        "how Unified CM names the Cisco CallManager of a node, by the first label of its name: C asks for that of the "
        "publisher, to learn the ports of lines",
        tag="recalled",
        gap="D-18",
    )
    activation_path: str = known(
        "activation",
        "last element of E's URL for activation codes, an exchange of this testbed's own",
        tag="proposed",
        gap="D-21",
    )
    activation_srp_group_bits: int = known(
        2048, "SRP-6a group of the activation-code exchange (RFC 5054)", tag="proposed", gap="D-21"
    )


class UdsDefaults(Model):
    """User Data Services and configuration files of Unified CM."""

    realm: str = known("Cisco Web Services Realm", "the realm of UCM's own 401", tag="trace", source=TC_EXAMPLE)
    schema_version: str = known(
        "",
        "attribute version of UDS documents; empty: the release, as captured at 10.5 and 12.5",
        tag="trace",
        source=TC_EXAMPLE,
    )
    reason_phrases_before: str = known(
        "14",
        "Tomcat of older releases writes reason phrases; from this release on the status line ends after the status "
        "and a blank, also through the edge",
        tag="trace",
        source=ORIGIN,
    )
    session_cookie: str = known(
        "JSESSIONIDSSO",
        "cookie that UCM's Tomcat sets with the answer to good credentials where the request has none: a client was "
        "seen to hold it, its value 32 hexadecimal digits, through the edge. Nothing hangs on it: credentials are "
        "asked for each time. Empty: none",
        tag="trace",
        source=TC_EXAMPLE,
    )
    user_id_limit: int = known(
        128, "characters of the longest user id of Unified CM: no user has a longer one", tag="recalled", ge=1
    )
    search_limit: int = known(64, "users returned by default", tag="doc", source=UDS_REFERENCE, ge=1)
    search_maximum: int = known(500, "users returned at most", tag="doc", source=UDS_REFERENCE, ge=1)
    private_users_status: int = known(
        400, "answer to POST /cucm-uds/private/users, seen not to stop a sign-in", tag="proposed", gap="D-14"
    )
    service_domain_element: str = known(
        "mraServiceDomain",
        "element of cnf.xml with the MRA service domain, named as in AXL",
        tag="proposed",
        gap="D-15",
    )
