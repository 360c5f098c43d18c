"""Defaults of identity: OAuth, SAML, TLS and certificates."""

from __future__ import annotations

from typing import Literal

from edgesim.deployment.base import Model
from edgesim.deployment.defaults.known import (
    ADFS,
    CERTIFICATES,
    CODE_GRANT,
    CONFIGURATION,
    ORIGIN,
    REQUIREMENTS,
    SYSTEM_GUIDE,
    UPGRADE,
    known,
)


class OAuthDefaults(Model):
    """Tokens, keys, and the flows that hand them out."""

    access_token_min: int = known(
        60, "OAuth Access Token Expiry Timer, minutes", tag="doc", source=CODE_GRANT, ge=1, le=1440
    )
    refresh_token_days: int = known(
        60, "OAuth Refresh Token Expiry Timer, days", tag="doc", source=SYSTEM_GUIDE, ge=1, le=365
    )
    phone_refresh_token_days: int = known(
        60, "Physical Phone OAuth Refresh Token Expiry Timer, days", tag="doc", ge=1, le=365
    )
    code_lifetime_s: int = known(60, "an authorization code, good for one use", tag="proposed", gap="I-03", ge=1)
    access_token_claims: tuple[str, ...] = known(
        ("iss", "sub", "exp", "ccid", "ctyp", "tid", "siss", "scopes"),
        "claims inside the access token",
        tag="one-source",
        gap="I-01",
    )
    access_token_type: str = known("access", "claim ctyp, beside the traced refresh", tag="inferred", gap="I-01")
    scopes: str = known("UnifiedCommunications:readwrite", "claim scopes", tag="proposed", gap="I-01")
    access_policy_from: Literal["user", "token"] = known(
        "user", "where the MRA access policy is read: from the user, as no claim is known", tag="proposed", gap="I-01"
    )
    keys_copied: Literal["add and refresh"] = known(
        "add and refresh",
        "C reads the keys when servers are added and on Refresh servers only",
        tag="inferred",
        gap="I-02",
    )
    token_path: str = known(
        "/ssosp/token", "UCM's token endpoint, parent of the revoke path", tag="inferred", gap="I-04"
    )
    token_error: str = known("invalid_grant", "error of a refused grant, RFC 6749, 5.2", tag="recalled", gap="I-04")
    edge_probe_root: str = known(
        "SSOResult", "root of the answer to get_edge_sso, taken from UCM's own probe", tag="inferred", gap="I-05"
    )
    edge_code_flow: Literal["authorize and proxied token"] = known(
        "authorize and proxied token",
        "code flow through the edge: GET /<domain>/authorize, then UCM's token endpoint through the proxy",
        tag="proposed",
        gap="I-06",
    )
    invalid_token_challenge: Literal["Basic", "Bearer"] = known(
        "Basic",
        'E\'s answer to a bad token: as for bad credentials, or Bearer error="invalid_token"',
        tag="proposed",
        gap="I-07",
    )
    two_addresses_error: str = known(
        "invalid_grant",
        "error with 400 when app and browser reach E from different addresses",
        tag="proposed",
        gap="I-08",
    )
    bad_assertion_status: int = known(403, "answer of /fedlet to a bad assertion", tag="proposed", gap="I-09")
    bad_assertion_text: str = known("Invalid SAML Response", "text in that answer", tag="proposed", gap="I-09")
    probe_root: str = known("SSOResult", "root of UCM's singleSignOn answer", tag="recalled", gap="I-19")
    home_by_email: bool = known(
        True, "C finds the home cluster of a single sign-on by clusterUser?email=", tag="inferred", gap="I-20"
    )
    authorize_proxy_path: str = known(
        "/ssosp/oauth/authorize_proxy",
        "C's request to UCM in the same flow, internal to this testbed",
        tag="proposed",
        gap="I-20",
    )
    sip_token_extra_ttl_s: int = known(0, "grace of simple tokens", tag="doc", source=CONFIGURATION, ge=0)
    saml_clock_skew_s: int = known(3, "how far IdP and applications may be apart", tag="doc", source=ADFS, ge=0)


class TlsDefaults(Model):
    """TLS between the products, and their certificates."""

    sends: Literal["leaf", "chain"] = known(
        "leaf",
        "a product sends its own certificate alone: the peer needs the intermediates",
        tag="doc",
        source=CERTIFICATES,
    )
    mixed_mode_trusts: Literal["the certificate itself", "its chain"] = known(
        "the certificate itself",
        "what a cluster in mixed mode wants of Expressway-C's certificate in CallManager-trust and Tomcat-trust; "
        "its chain would do too in practice",
        tag="doc",
        source=REQUIREMENTS,
    )
    im_presence_link_trust: Literal["both stores", "cup-xmpp-trust"] = known(
        "both stores",
        "by which stores IM and Presence verifies Expressway-C on 7400: the documents want C's root in cup-xmpp-trust "
        "and tomcat-trust, and name no port for either",
        tag="proposed",
    )
    minimum_version: Literal["TLSv1.2", "TLSv1.3"] = known(
        "TLSv1.2", "least version that a product takes or offers, on every leg", tag="proposed"
    )
    maximum_version: Literal["TLSv1.2", "TLSv1.3"] = known(
        "TLSv1.3", "greatest version that it takes or offers: what OpenSSL has", tag="proposed"
    )
    key: Literal["ec-p256", "rsa-2048"] = known(
        "ec-p256", "keys of the lab's certificates: small and reproducible from a seed", tag="proposed"
    )
    handshake_timeout_s: float = known(
        10.0,
        "how long servers wait for a handshake, but on SIP ports, which have their own (`sip.tls_handshake_timeout_s`)",
        tag="proposed",
        gt=0,
    )
    san_limit_characters: int = known(
        999,
        "names of a SAN beyond this many characters, counted as OpenSSL writes the list, are ignored",
        tag="doc",
        source=CERTIFICATES,
        ge=1,
    )
    unverified_server_status: int = known(
        502, "what a client gets when C cannot verify a server", tag="trace", source=ORIGIN
    )
    unverified_server_reason: str = known("connect failed", "reason phrase of that", tag="trace", source=ORIGIN)
    certificate_days: int = known(
        397,
        "days that the lab's certificates are valid: Apple refuses server certificates of more than 398 days from "
        "public CAs, and of more than 825 from any; a clock that is years off refuses them too",
        tag="proposed",
        ge=1,
    )
    restarted_for_unified_cm: tuple[tuple[str, tuple[str, ...]], ...] = known(
        (
            ("uds", ("Cisco Tomcat", "Cisco HAProxy")),
            ("configuration_https", ("Cisco Tomcat", "Cisco CallManager", "Cisco HAProxy")),
            ("sip_tls", ("Cisco CallManager",)),
        ),
        "which services of Unified CM must have been restarted, in whatever order, before an uploaded certificate "
        "counts on a port: all three for configuration files, whose callers both trust stores must accept",
        tag="inferred",
        source=UPGRADE,
    )
    restarted_along: tuple[tuple[str, tuple[str, ...]], ...] = known(
        (("Cisco TFTP", ("Cisco HAProxy",)),),
        "what restarts along with a service: HAProxy, before the ports of TFTP, with that",
        tag="inferred",
        source=UPGRADE,
    )
    restarted_for_im_presence: tuple[tuple[str, tuple[str, ...]], ...] = known(
        (
            ("soap", ("Cisco Tomcat",)),
            ("im_presence_client", ("Cisco XCP Router",)),
            ("im_presence_xmpp", ("Cisco XCP Router",)),
        ),
        "the same for IM and Presence: the XCP router reads the trust stores when it starts",
        tag="inferred",
    )
