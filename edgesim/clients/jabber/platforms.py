"""The differences between platforms: Jabber's names, models and agents, and the features of its releases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgesim.deployment import Product, Release, closed
from edgesim.deployment.defaults import AgentDefaults
from edgesim.deployment.device_models import DEVICE_TYPES
from edgesim.deployment.settings import JabberPlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTraits:
    """One platform: ``prefix`` of its device names, Unified CM's ``model``, the default with its User-Agent.

    ``load`` is its load in Reason, with the release. ``dual_mode`` devices follow the SIP profile's Timer Register
    Expires.
    """

    product: Product
    prefix: str
    model: int
    agent: Callable[[AgentDefaults], str]
    load: str
    dual_mode: bool


PLATFORMS: dict[JabberPlatform, PlatformTraits] = {
    "windows": PlatformTraits(
        product=Product.JABBER_WINDOWS,
        prefix="CSF",
        model=DEVICE_TYPES["desktop"][0].model,
        agent=lambda agents: agents.jabber_desktop,
        load="Jabber_for_Windows-{release}",
        dual_mode=False,
    ),
    "mac": PlatformTraits(
        product=Product.JABBER_MAC,
        prefix="CSF",
        model=DEVICE_TYPES["desktop"][0].model,
        agent=lambda agents: agents.jabber_desktop,
        load="Jabber_for_Mac-{release}",
        dual_mode=False,
    ),
    "ios": PlatformTraits(
        product=Product.JABBER_IOS,
        prefix="TCT",
        model=DEVICE_TYPES["iphone"][0].model,
        agent=lambda agents: agents.jabber_iphone,
        load="Jabber_for_iOS-{release}",
        dual_mode=True,
    ),
    "android": PlatformTraits(
        product=Product.JABBER_ANDROID,
        prefix="BOT",
        model=DEVICE_TYPES["android"][0].model,
        agent=lambda agents: agents.jabber_android,
        load="Jabber_for_Android-{release}",
        dual_mode=True,
    ),
}

SUPPORTED = (
    "replaces,join,sdp-anat,norefersub,resource-priority,extended-refer,X-cisco-callinfo,X-cisco-serviceuri,"
    "X-cisco-escapecodes,X-cisco-service-control,X-cisco-srtp-fallback,X-cisco-monrec,X-cisco-config,X-cisco-sis-7.0.0,"
    "X-cisco-sessionpersist,X-cisco-xsi-8.5.1,X-cisco-graceful-reg,X-cisco-duplicate-reg"
)
"""The Supported header of Jabber 14's REGISTER."""
SESSION_PERSIST = "X-cisco-sessionpersist,"
MAJOR_RELEASE_14 = 14
"""From this release on Supported has ``X-cisco-sessionpersist``, and ``Session-ID`` (RFC 7989) is sent."""


def supported_by(release: Release) -> str:
    """Return the Supported header of a release: 12.8 as captured ("Cisco Jabber and SIP OAuth Mode"), or 14."""
    return SUPPORTED if release.key[0] >= MAJOR_RELEASE_14 else SUPPORTED.replace(SESSION_PERSIST, "")


def sends_session_id(release: Release) -> bool:
    """Return whether a release sends ``Session-ID``."""
    return release.key[0] >= MAJOR_RELEASE_14


def announces_adaptive_routing(product: Product, release: Release) -> bool:
    """Return whether a release announces ``x-cisco-mra-ha``."""
    return not closed("adaptive routing", {product: release})
