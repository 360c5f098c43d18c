"""Jabber's REGISTER: its Supported, Contact and body; and its timing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from edgesim.clients.common.habits import Habits, RegistrationPath
from edgesim.clients.common.register import JABBER_SESSION, Registrant
from edgesim.clients.jabber.platforms import SUPPORTED, PlatformTraits, sends_session_id, supported_by
from edgesim.deployment import Release
from edgesim.edge.config_files import DeviceConfig
from edgesim.node import Node
from edgesim.sip import remotecc

JABBER_BODY = remotecc.register_body(remotecc.JABBER_OPTIONS)
"""The 1,271-octet body that Jabber for Windows sends with every registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JabberRegistrant(Registrant):
    """A registering Jabber, by default of release 14."""

    supported: str = SUPPORTED
    body: bytes = JABBER_BODY
    traits: tuple[str, ...] = ("video",)


def registrant_of(
    node: Node,
    config: DeviceConfig,
    release: Release,
    *,
    path: RegistrationPath,
    device: str,
    traits: PlatformTraits,
    adaptive: bool,
) -> JabberRegistrant:
    """Return the registrant of a Jabber for a path, from the configuration file of its device."""
    line = config.lines[0]
    numbers = (*release.key, 0, 0, 0)[:3]
    return JabberRegistrant(
        node=path.node,
        number=line.name,
        contact_user=line.contact,
        device=device,
        model=traits.model,
        instance=hashlib.sha256(f"{node.name}/{device}".encode()).hexdigest()[:12],
        agent=traits.agent(node.defaults.agents),
        load=traits.load.format(release=".".join(map(str, numbers))),
        mra=adaptive,
        supported=supported_by(release),
        reg_id=node.defaults.unified_cm.reg_id,
    )


def habits_of(
    node: Node, config: DeviceConfig, release: Release, *, adaptive: bool, outside: bool, take_over: bool
) -> Habits:
    """Return a Jabber's registration habits; ``take_over`` is the user's reply if the device is in use."""
    client = node.defaults.client
    return Habits(
        delta=config.timers.register_delta,
        asked_expires=config.timers.register_expires,
        least_refresh=client.least_refresh_s,
        adaptive=adaptive,
        graceful=client.graceful_registration and not outside,
        take_over=take_over,
        session=JABBER_SESSION if sends_session_id(release) else None,
        short_refresh=client.short_refresh,
    )
