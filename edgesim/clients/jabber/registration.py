"""What is Jabber's own in a REGISTER: what it supports, what its Contact says, its body."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.clients.common.register import Registrant
from edgesim.clients.jabber.platforms import SUPPORTED
from edgesim.sip import remotecc

JABBER_BODY = remotecc.register_body(remotecc.JABBER_OPTIONS)
"""The 1,271 octets that Jabber for Windows sends with every registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JabberRegistrant(Registrant):
    """A Jabber that registers; unless told otherwise, one of release 14."""

    supported: str = SUPPORTED
    body: bytes = JABBER_BODY
    traits: tuple[str, ...] = ("video",)
