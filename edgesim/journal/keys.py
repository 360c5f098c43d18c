"""Correlation keys: ``kind:value``, by which entries of one user, device, call or request find each other.

`KEY_KINDS` is the closed set of kinds, with what each one leads to (`edgesim.journal.correlate`) and who may read it
(`edgesim.journal.masking`). Every key is made by a function of this module. Values may come from strangers, so those of
unbounded fields are cut here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NewType

Key = NewType("Key", str)
"""A correlation key such as ``user:alice``."""

LONGEST: Final = 128
"""Characters of a user id or device name that a key keeps."""
LONGEST_SESSION: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyKind:
    """One kind of key.

    ``leads_to`` names the kinds that a key of this one takes along into a story. An entry about one party has at most
    one key of an ``exclusive`` kind. ``secret`` values are credentials: files and views show an alias.
    ``uncontrollable`` values follow from no seed (a JWE's initialisation vector): every file shows an alias.
    """

    name: str
    what: str
    leads_to: tuple[str, ...] = ()
    exclusive: bool = True
    secret: bool = False
    uncontrollable: bool = False


KEY_KINDS: Final[Mapping[str, KeyKind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            KeyKind(
                name="user",
                what="a user id of Unified CM",
                leads_to=("device", "jid", "cookie", "session", "token", "call-id", "tracking"),
            ),
            KeyKind(name="device", what="a device name", leads_to=("cookie", "call-id", "tracking")),
            KeyKind(name="jid", what="a bare JID", leads_to=("session",)),
            KeyKind(name="cookie", what="the edge's X-Auth cookie", leads_to=("tracking",), secret=True),
            KeyKind(name="session", what="a session key of the SOAP login", leads_to=("tracking",), secret=True),
            KeyKind(
                name="token",
                what="an OAuth token",
                leads_to=("tracking", "call-id"),
                secret=True,
                uncontrollable=True,
            ),
            KeyKind(
                name="call-id",
                what="a SIP Call-ID; to another Call-ID from one leg of a B2BUA to the other",
                leads_to=("call-id", "tracking"),
                exclusive=False,
            ),
            KeyKind(name="tracking", what="a TrackingID of HTTP", exclusive=False),
        )
    }
)


def user_key(user: str) -> Key:
    """Return the key of a user id."""
    return Key(f"user:{user[:LONGEST]}")


def device_key(device: str) -> Key:
    """Return the key of a device, by its name."""
    return Key(f"device:{device[:LONGEST]}")


def jid_key(bare: object) -> Key:
    """Return the key of a bare JID."""
    return Key(f"jid:{bare}")


def cookie_key(value: str) -> Key:
    """Return the key of an edge cookie, by its value."""
    return Key(f"cookie:{value}")


def session_key(value: str) -> Key:
    """Return the key of a SOAP session, by its session key."""
    return Key(f"session:{value[:LONGEST_SESSION]}")


def call_id_key(value: str) -> Key:
    """Return the key of a Call-ID."""
    return Key(f"call-id:{value}")


def tracking_key(value: str) -> Key:
    """Return the key of a TrackingID."""
    return Key(f"tracking:{value}")


def aliased_key(key: Key, alias: str) -> Key:
    """Return a key of the same kind with an alias in place of its value."""
    return Key(f"{kind_of(key)}:{alias}")


def kind_of(key: str) -> str:
    """Return the name of a key's kind."""
    return key.partition(":")[0]


def value_of(key: str) -> str:
    """Return a key's value."""
    return key.partition(":")[2]
