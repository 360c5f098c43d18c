"""The sign-in of a Jabber client as one table: stages, results, and next stages.

Phone and chat are independent services: if one fails the sign-in continues with the other, and the outcome lists the
services that the user has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edgesim.clients.common.stages import Result


class Stage(Enum):
    """The stages of a sign-in, named as a diagnostic client would show them."""

    SIGNED_OUT = "signed out"
    DISCOVERY = "service discovery"
    EDGE_CONFIGURATION = "edge configuration"
    HOME_CLUSTER = "home cluster"
    UDS_VERSION = "UDS version"
    UDS_SERVERS = "UDS servers"
    USER = "user"
    DEVICES = "devices"
    SERVICE_PROFILE = "service profile"
    JABBER_CONFIG = "jabber-config"
    DEVICE_FILE = "device configuration"
    PHONE = "phone registration"
    CHAT_LOGIN = "chat login"
    CHAT = "chat session"
    SIGNED_IN = "signed in"
    FAILED = "failed"


TRANSITIONS: dict[tuple[Stage, Result], Stage] = {
    (Stage.SIGNED_OUT, Result.OK): Stage.DISCOVERY,
    (Stage.DISCOVERY, Result.INSIDE): Stage.HOME_CLUSTER,
    (Stage.DISCOVERY, Result.OUTSIDE): Stage.EDGE_CONFIGURATION,
    (Stage.DISCOVERY, Result.FAILED): Stage.FAILED,
    (Stage.EDGE_CONFIGURATION, Result.OK): Stage.HOME_CLUSTER,
    (Stage.EDGE_CONFIGURATION, Result.FAILED): Stage.FAILED,
    (Stage.HOME_CLUSTER, Result.OK): Stage.UDS_VERSION,
    (Stage.HOME_CLUSTER, Result.FAILED): Stage.FAILED,
    (Stage.UDS_VERSION, Result.OK): Stage.UDS_SERVERS,
    (Stage.UDS_VERSION, Result.FAILED): Stage.FAILED,
    (Stage.UDS_SERVERS, Result.OK): Stage.USER,
    (Stage.UDS_SERVERS, Result.FAILED): Stage.FAILED,
    (Stage.USER, Result.OK): Stage.DEVICES,
    (Stage.USER, Result.FAILED): Stage.FAILED,
    (Stage.DEVICES, Result.OK): Stage.SERVICE_PROFILE,
    (Stage.DEVICES, Result.FAILED): Stage.SERVICE_PROFILE,
    (Stage.SERVICE_PROFILE, Result.OK): Stage.JABBER_CONFIG,
    (Stage.SERVICE_PROFILE, Result.FAILED): Stage.JABBER_CONFIG,
    (Stage.JABBER_CONFIG, Result.OK): Stage.DEVICE_FILE,
    (Stage.JABBER_CONFIG, Result.FAILED): Stage.DEVICE_FILE,
    (Stage.DEVICE_FILE, Result.OK): Stage.PHONE,
    (Stage.DEVICE_FILE, Result.NONE): Stage.CHAT_LOGIN,
    (Stage.DEVICE_FILE, Result.FAILED): Stage.CHAT_LOGIN,
    (Stage.PHONE, Result.OK): Stage.CHAT_LOGIN,
    (Stage.PHONE, Result.FAILED): Stage.CHAT_LOGIN,
    (Stage.CHAT_LOGIN, Result.OK): Stage.CHAT,
    (Stage.CHAT_LOGIN, Result.NONE): Stage.SIGNED_IN,
    (Stage.CHAT_LOGIN, Result.FAILED): Stage.SIGNED_IN,
    (Stage.CHAT, Result.OK): Stage.SIGNED_IN,
    (Stage.CHAT, Result.FAILED): Stage.SIGNED_IN,
}
"""Every legal transition. A missing pair is a bug in the client."""

FINAL = (Stage.SIGNED_IN, Stage.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """The outcome of a sign-in. ``stage`` and ``reason`` say where and why it failed; the services are available."""

    ok: bool
    phone: bool
    chat: bool
    outside: bool
    stage: Stage
    reason: str = ""
