"""Rules about releases and dependent settings: authentication modes, push, single sign-on.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites" (the tables of minimum releases); "MRA
Deployment Guide X12.6, Configure MRA".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.features import Gate, closed, gate, least
from edgesim.deployment.releases import JABBER, Product, Release
from edgesim.readiness import modes
from edgesim.readiness.rule import Book, FieldPath, Finding

book = Book()

SEES = {
    "MRA": "no client gets any service through this edge",
    "password": "sign-in with name and password gets 401 from the edge",
    "legacy SSO": "the browser of a client that signs in by single sign-on never gets a token",
    "OAuth with refresh": "clients get no refresh token: where no other way to sign in is allowed, sign-in fails",
    "OAuth with refresh and SSO": "the browser of a client that signs in by single sign-on never gets a token",
    "push": "Jabber on an iPhone or iPad that sleeps misses calls and messages",
}
"""What a client sees if a release is too old for a mode."""


def _behind(wanted: Iterable[str], product: Product, release: Release) -> list[tuple[str, Gate]]:
    """Return the modes that a release does not support yet, each with its gate."""
    found = ((mode, least(mode, product)) for mode in wanted)
    return [(mode, gate) for mode, gate in found if gate is not None and not gate.open(release)]


def _too_old(at: FieldPath, who: str, release: Release, behind: list[tuple[str, Gate]]) -> Finding:
    needs = "; ".join(f"{mode} needs {gate}" for mode, gate in behind)
    highest = max((gate for _, gate in behind), key=lambda each: each.since)
    return Finding(
        at=at,
        what=f"{who} runs {release}: {needs}",
        sees="; ".join(dict.fromkeys(SEES[mode] for mode, _ in behind)),
        fix=f"upgrade {who} to {highest.since} or later, or turn off what needs it",
    )


# ---- UC-01: the servers


@book.rule("UC-01.expressway-release", requires="Expressway has the release that each way to sign in needs")
def expressway_release(deployment: Deployment) -> Iterator[Finding]:
    """X8.1.1 for MRA and passwords, X8.5.1 for the older single sign-on, X8.10.1 for OAuth with refresh and push."""
    wanted = modes.anywhere(deployment) or ("MRA",)
    machines = (("expressway_e", deployment.expressway_e), ("expressway_c", deployment.expressway_c))
    for section, found in machines:
        for index, each in enumerate(found):
            if behind := _behind(wanted, Product.EXPRESSWAY, each.release):
                yield _too_old((section, index, "release"), each.name, each.release, behind)


@book.rule("UC-01.unified-cm-release", requires="Unified CM has the release that each way to sign in needs")
def unified_cm_release(deployment: Deployment) -> Iterator[Finding]:
    """10.0 for MRA, 10.5(1) for the older single sign-on, 11.5(1)SU3 for OAuth with refresh and push."""
    for index, cluster in modes.served(deployment):
        if behind := _behind(modes.of(deployment, cluster), Product.UNIFIED_CM, cluster.release):
            yield _too_old(("unified_cm", index, "release"), f"cluster {cluster.name}", cluster.release, behind)


@book.rule("UC-01.im-presence-release", requires="IM and Presence has the release that each way to sign in needs")
def im_presence_release(deployment: Deployment) -> Iterator[Finding]:
    """The same releases as Unified CM's, where there is IM and Presence."""
    known = deployment.mra.im_presence_clusters
    for index, chat in enumerate(deployment.im_presence):
        if chat.name not in known:
            continue
        wanted = modes.of(deployment, deployment.cluster(chat.unified_cm))
        if behind := _behind(wanted, Product.IM_PRESENCE, chat.release):
            yield _too_old(("im_presence", index, "release"), f"cluster {chat.name}", chat.release, behind)


UNITY_SSO = {
    "cluster-wide": "legacy sso",
    "per node, SAML": "legacy sso per node, saml",
    "per node, OpenAM": "legacy sso per node, openam",
}
"""The feature behind each way in which Unity Connection supports the older single sign-on."""


@book.rule("UC-01.unity-connection-release", requires="Unity Connection has the release that each way to sign in needs")
def unity_connection_release(deployment: Deployment) -> Iterator[Finding]:
    """10.0 for MRA; for the older single sign-on 11.5(1) cluster-wide, 10.0(1) or, with OpenAM, 8.6(2) by node."""
    for index, cluster in enumerate(deployment.unity_connection):
        behind = _behind(("MRA",), Product.UNITY_CONNECTION, cluster.release)
        feature = UNITY_SSO.get(cluster.sso)
        if feature and "legacy SSO" in modes.anywhere(deployment):
            sso = gate(feature, Product.UNITY_CONNECTION)
            if sso is not None and not sso.open(cluster.release):
                behind.append(("legacy SSO", sso))
        if behind:
            at = ("unity_connection", index, "release")
            yield _too_old(at, f"cluster {cluster.name}", cluster.release, behind)


# ---- EP-01: Jabber


@book.rule("EP-01.jabber-release", requires="Jabber has the release that MRA and one of the ways to sign in need")
def jabber_release(deployment: Deployment) -> Iterator[Finding]:
    """A client may use any permitted mode that it supports; push is required in addition if Unified CM offers it."""
    used = modes.anywhere(deployment)
    for index, client in modes.clients(deployment):
        product = modes.JABBER_OF.get(client.platform)
        if product not in JABBER:
            continue
        behind = _behind([mode for mode in used if mode not in modes.SIGN_IN], product, client.release)
        ways = [mode for mode in used if mode in modes.SIGN_IN]
        too_new = _behind(ways, product, client.release)
        if len(too_new) == len(ways):
            behind += too_new
        if behind:
            at = ("clients", index, "release")
            yield _too_old(at, f"{product.value} on {client.name}", client.release, behind)


@book.rule("EP-01.jabber-for-mac", requires="Jabber for Mac needs Expressway X8.2 or later")
def jabber_for_mac(deployment: Deployment) -> Iterator[Finding]:
    """The one platform that requires a newer Expressway than MRA itself does."""
    needed = gate("jabber for mac", Product.EXPRESSWAY)
    assert needed is not None
    machines = (*deployment.expressway_e, *deployment.expressway_c)
    old = [each for each in machines if not needed.open(each.release)]
    macs = [each.name for _, each in modes.clients(deployment) if each.platform == "mac"]
    if old and macs:
        section = "expressway_e" if old[0] in deployment.expressway_e else "expressway_c"
        index = [each.name for each in getattr(deployment, section)].index(old[0].name)
        named = ", ".join(f"{each.name} ({each.release})" for each in old)
        yield Finding(
            at=(section, index, "release"),
            what=f"Jabber for Mac is in use ({', '.join(macs)}) with Expressways older than {needed.since}: {named}",
            sees="Jabber for Mac does not sign in through the edge; other platforms do",
            fix=f"upgrade the Expressways to {needed.since} or later",
        )


# ---- UC-07, UC-09


@book.rule(
    "UC-07.push-notifications",
    requires="for Jabber or Webex on iOS or Android, Unified CM has push notifications and cloud onboarding",
)
def push_notifications(deployment: Deployment) -> Iterator[Finding]:
    """Mobile systems suspend an app in the background; only a push wakes it for a call.

    Products without push support are not asked for it.
    """
    if any(closed("push", {product: release}) for product, release in deployment.releases().items()):
        return
    machines = [each.name for _, each in modes.clients(deployment) if each.platform in ("ios", "android")]
    for index, cluster in modes.served(deployment):
        mobile = [each.name for each in modes.devices(deployment, cluster) if each.type in modes.MOBILE_DEVICES]
        missing = {
            "push_notifications": "push notifications",
            "cloud_onboarding": "cloud onboarding",
        }
        missing = {field: words for field, words in missing.items() if not getattr(cluster, field)}
        if not missing or not (mobile or machines):
            continue
        shown = [*mobile, *machines]
        some = ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
        yield Finding(
            at=("unified_cm", index, next(iter(missing))),
            what=f"cluster {cluster.name} has no {' and no '.join(missing.values())}, but has mobile clients: {some}",
            sees="the app signs in and works in the foreground; asleep it misses calls and messages",
            fix=f"onboard {cluster.name} to the Cisco cloud and enable Push Notifications",
        )


@book.rule("UC-09.sso-on-unified-cm-first", requires="SAML SSO is configured on Unified CM before it is on Expressway")
def sso_on_unified_cm_first(deployment: Deployment) -> Iterator[Finding]:
    """Expressway passes the identity provider's assertion about a user to Unified CM, which must support single
    sign-on.
    """
    path = deployment.mra.access.authentication_path
    if "SAML SSO" not in path:
        return
    for index, cluster in modes.served(deployment):
        if not cluster.saml_sso:
            yield Finding(
                at=("unified_cm", index, "saml_sso"),
                what=f"the authentication path of the Expressways is {path}, and SAML SSO is off on {cluster.name}",
                sees=f"users of {cluster.name} return from the identity provider and are refused",
                fix=f"enable SAML SSO on {cluster.name}, then refresh its servers on Expressway-C",
            )
