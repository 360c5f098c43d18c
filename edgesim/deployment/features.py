"""Which feature waits for which release, as data: one row a feature and product.

A gate opens with its release and may close again with another. Where a mode has gates on several products, all count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgesim.deployment.releases import JABBER, Product, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A feature that a product has from ``since`` on; ``row`` is the documented behaviour that says so."""

    feature: str
    product: Product
    since: Release
    row: str

    def open(self, release: Release) -> bool:
        """Say whether a release of the gate's product has the feature."""
        return release >= self.since

    def __str__(self) -> str:
        return f"{self.product.value} {self.since}"


def _gates(row: str, feature: str, **since: str) -> tuple[Gate, ...]:
    gates: list[Gate] = []
    for name, text in since.items():
        products = JABBER if name == "jabber" else (Product[name.upper()],)
        gates += [
            Gate(feature=feature, product=product, since=Release.parse(text, product), row=row) for product in products
        ]
    return tuple(gates)


GATES: tuple[Gate, ...] = (
    *_gates("UC-01", "mra", expressway="X8.1.1", unified_cm="10.0", im_presence="10.0", unity_connection="10.0"),
    *_gates("UC-01", "password", expressway="X8.1.1"),
    *_gates("UC-01", "legacy sso", expressway="X8.5.1", unified_cm="10.5(1)", im_presence="10.5(1)",
            unity_connection="11.5(1)"),
    *_gates("UC-01", "oauth refresh", expressway="X8.10.1", unified_cm="11.5(1)SU3", im_presence="11.5(1)SU3"),
    *_gates("UC-01", "oauth refresh with sso", expressway="X8.10.1", unified_cm="10.5(2)", im_presence="10.5(2)"),
    *_gates("UC-01", "push", expressway="X8.10.1", unified_cm="11.5(1)SU3", im_presence="11.5(1)SU3"),
    *_gates("EP-01", "mra", jabber_windows="9.7", jabber_ios="9.6.1", jabber_android="9.6", jabber_mac="9.6"),
    *_gates("EP-01", "legacy sso", jabber="10.6"),
    *_gates("EP-01", "oauth refresh", jabber="11.9"),
    *_gates("EP-01", "oauth refresh with sso", jabber="11.9"),
    *_gates("EP-01", "push", jabber_ios="11.9"),
    *_gates("EP-01", "jabber for mac", expressway="X8.2"),
    *_gates("UC-01", "legacy sso per node, openam", unity_connection="8.6(2)"),
    *_gates("UC-01", "legacy sso per node, saml", unity_connection="10.0(1)"),
    *_gates("EP-04", "7800 and 8800 series", phone="11.0(1)"),
    *_gates("EP-04", "7832 and 8832", phone="12.1(1)"),
    *_gates("EP-04", "dx on android", phone="10.2.4(99)"),
    *_gates("EP-04", "telepresence on tc", room_device="TC7.1"),
    *_gates("EP-04", "telepresence on ce", room_device="CE8.2"),
    *_gates("NET-04", "no inside srv of the edge domain", expressway="X12.5"),
    *_gates("NET-12", "xcp over tls", expressway="X8.8"),
    *_gates("EP-09", "off-hook dialling", unified_cm="10.5(2)SU2"),
    *_gates("LIM-01", "im 11.5 features", im_presence="11.5(1)"),
    *_gates("LIM-11", "chat with oauth and redundancy", jabber="12.5"),
    *_gates("LIM-12", "cti monitoring of mobile jabber", unified_cm="12.5(1)SU1"),
    *_gates("LIM-13", "silent monitoring", expressway="X12.6.1"),
    *_gates("LIM-13", "whisper", expressway="X12.6.2"),
    *_gates("LIM-19", "managed file transfer", im_presence="10.5(2)", jabber="10.6"),
    *_gates("LIM-22", "hunt groups", unified_cm="11.5(1)SU5"),
    *_gates("LIM-24", "key expansion modules", unified_cm="11.5(1)SU3"),
    *_gates("EXP-10", "several deployments", expressway="X8.5"),
    *_gates("EXP-10", "several presence domains, preview", expressway="X8.5.1"),
    *_gates("EXP-10", "several presence domains", expressway="X12.6.3", im_presence="10.0"),
    *_gates("UC-13", "ice passthrough", expressway="X12.5", unified_cm="11.5"),
    *_gates("EXP-14", "static nat of one node", expressway="X12.5.3"),
    *_gates("EXP-14", "static nat in clusters", expressway="X12.5.5"),
    *_gates("EXP-17", "jabber takes the access policy", jabber="11.9"),
    *_gates("CERT-10", "profile names have the form of an fqdn", expressway="X12.6"),
    *_gates("CERT-05", "proxy presents its certificate", expressway="X14.0.2"),
    *_gates("CERT-04", "proxy verifies servers", expressway="X14.2"),
    *_gates("CERT-12", "server-only certificate on e", expressway="X15.4"),
    *_gates("CERT-12", "separate client certificate", expressway="X15.5"),
    *_gates("LIM-08", "adaptive routing", expressway="X12.7", jabber="12.9"),
    *_gates("LIM-08", "stun keep-alive", expressway="X14.0", unified_cm="14", jabber="14.0"),
    *_gates("LIM-26", "load balancing", expressway="X14.1", jabber="14.0"),
)  # fmt: skip


CONNECTION_RATE_SINCE = Release.parse("X14.2", Product.EXPRESSWAY)
"""Expressway limits the rate of new connections from here on. No documented behaviour of MRA mentions it, so it
gates none ("Expressway Administrator Guide X15.5, Network and System Settings")."""


SIP_FAILURES_COUNT_SINCE = Release.parse("X14.0", Product.EXPRESSWAY)
"""SIP authentication failure is on in new installations from here on (the same guide)."""
BAN_ALARM_SINCE = Release.parse("X15.0", Product.EXPRESSWAY)
"""Alarm 40056 reports blocked addresses from here on ("Expressway Administrator Guide X15.0, Reference Material"; that
of X14.3 does not list it)."""


MODES: Mapping[str, tuple[str, ...]] = {
    "MRA": ("mra",),
    "password": ("password",),
    "legacy SSO": ("legacy sso",),
    "OAuth with refresh": ("oauth refresh",),
    "OAuth with refresh and SSO": ("oauth refresh", "oauth refresh with sso"),
    "push": ("push",),
}
"""The ways to use MRA whose least releases are documented (UC-01, EP-01), and the features that each one takes. The
table prints a lower Unified CM release for OAuth with SSO than for OAuth: the higher counts."""


def least(mode: str, product: Product) -> Gate | None:
    """Return the highest of a mode's gates on one product, None where none is stated. Raises `LookupError`."""
    found = [each for feature in MODES[mode] for each in gates(feature) if each.product is product]
    return max(found, key=lambda each: each.since, default=None)


def gates(feature: str) -> tuple[Gate, ...]:
    """Return the gates of a feature. Raises `LookupError` for a feature that has none."""
    found = tuple(gate for gate in GATES if gate.feature == feature)
    if not found:
        raise LookupError(f"no gate for {feature!r}")
    return found


def gate(feature: str, product: Product) -> Gate | None:
    """Return the gate of a feature on one product, None where that product has none."""
    return next((each for each in gates(feature) if each.product is product), None)


def closed(feature: str, releases: Mapping[Product, Release]) -> tuple[Gate, ...]:
    """Return the gates of a feature that are closed for these releases; products not given do not count."""
    return tuple(each for each in gates(feature) if each.product in releases and not each.open(releases[each.product]))
