"""What stands among the defaults and cannot be set: what is planned, and what the lab does in one way only.

A planned default belongs to a subject that is not built yet: nothing acts on it, and a deployment that changes it is
refused. Ports among them stand in the documented list that ``edgesim ports`` prints. When the subject is built, its
defaults leave the table. A fixed one says what the lab does where another way is not known to exist; it is no setting,
and stands on the page of defaults for its grounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgesim.deployment.defaults.known import DISCOVERY, INSTALL, REQUIREMENTS, Tag

PLANNED: Mapping[str, tuple[str, ...]] = {
    "identity and access": (
        "edge.bearer",
        "edge.bearer_sets_cookie",
        "edge.activation_path",
        "edge.activation_srp_group_bits",
        "uds.service_domain_element",
        "oauth.access_token_min",
        "oauth.refresh_token_days",
        "oauth.phone_refresh_token_days",
        "oauth.code_lifetime_s",
        "oauth.access_token_claims",
        "oauth.access_token_type",
        "oauth.scopes",
        "oauth.access_policy_from",
        "oauth.keys_copied",
        "oauth.token_path",
        "oauth.token_error",
        "oauth.edge_probe_root",
        "oauth.edge_code_flow",
        "oauth.invalid_token_challenge",
        "oauth.two_addresses_error",
        "oauth.bad_assertion_status",
        "oauth.bad_assertion_text",
        "oauth.home_by_email",
        "oauth.authorize_proxy_path",
        "oauth.sip_token_extra_ttl_s",
        "oauth.saml_clock_skew_s",
        "im.token_mechanism",
    ),
    "clusters that fail and recover": (
        "sip.imbalance_interval_s",
        "sip.pre_routed_header",
        "im.redirect",
        "im.presence_domain_limit",
        "im.presence_domains_recommended",
        "recovery.critical_service_delay_s",
        "recovery.automatic_fallback",
        "recovery.fallback_after_min",
        "recovery.initialization_timeout_s",
        "recovery.keepalive_timeout_s",
        "recovery.keepalive_interval_s",
        "capacity.registrations_per_node",
        "client.fallback_monitor_s",
        "unified_cm.throttle_kb_per_s",
        "unified_cm.throttle_recommended_kb_per_s",
        "unified_cm.throttle_refusal_s",
    ),
    "clients that change networks": ("client.recheck_s", "client.inside_probe_s"),
    "calls": (
        "sip.invite_like_register",
        "sip.session_refresh_s",
        "sip.min_session_refresh_s",
        "unified_cm.video_kbps",
        "capacity.calls_kbps",
    ),
    "Jabber on tablets": ("agents.jabber_tablet",),
    "files between clients": ("im.file_transfer_url", "im.bytestream_failure", "ports.file_transfer"),
    "headsets": ("ports.headset_metrics",),
    "voicemail": (
        "ports.voicemail_https",
        "ports.voicemail_alternate",
        "ports.message_waiting_http",
        "ports.message_waiting_https",
    ),
}
"""By subject: the paths of the defaults that nothing reads before it is built."""

SUBJECTS: Mapping[str, str] = {path: subject for subject, paths in PLANNED.items() for path in paths}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Something that the lab does in one way: its path among the defaults, and the grounds as for any of them."""

    path: str
    value: Any
    why: str
    tag: Tag
    gap: str | None = None
    source: str | None = None


FIXED: tuple[Fixed, ...] = (
    Fixed(
        path="links.options_challenged_each_time",
        value=True,
        why="every OPTIONS is answered 401 first: the captured nonce count is 1 each time",
        tag="inferred",
        gap="S-09",
    ),
    Fixed(
        path="uds.asks_for_client_certificate",
        value=(6971, 6972),
        why="ports on which Unified CM asks its caller for a certificate",
        tag="doc",
        source=REQUIREMENTS,
    ),
    Fixed(
        path="sip.digest_secret",
        value="edge password",
        why="C checks the digest with the password of the user's last Basic get_edge_config",
        tag="proposed",
        gap="S-04",
    ),
    Fixed(
        path="sip.search_rule_priority",
        value=45,
        why="of the rules for CEtcp- and CEtls- zones, which C writes itself",
        tag="doc",
        source=INSTALL,
    ),
    Fixed(
        path="agents.phone_transport",
        value="tls",
        why="88xx over MRA: as the captured 7821, with TLS and a Route",
        tag="proposed",
        gap="S-20",
    ),
    Fixed(
        path="client.dns_cached",
        value=True,
        why="answers may come from the client's cache",
        tag="doc",
        source=DISCOVERY,
    ),
    Fixed(
        path="client.register_retries_exhausted",
        value="timer F",
        why="a client goes to its standby node when one REGISTER transaction has timed out (RFC 3261)",
        tag="proposed",
        gap="S-12",
    ),
)
