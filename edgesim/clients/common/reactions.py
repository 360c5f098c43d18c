"""A client's reaction to each response to REGISTER, as a table; and the causes of a lost registration.

The table is that of the published ancestor of the Jabber, 7800 and 8800 SIP stack (SIPCC, about 2013), with one more
row for adaptive routing: responses by which the edge reports a broken path lead to the next path.
"""

from __future__ import annotations

from enum import Enum

from edgesim.clients.common.stages import StageFailed
from edgesim.sip import Response, SipUri
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.values import WarningValue, delta_seconds


class Reaction(Enum):
    """The reaction to a response to REGISTER."""

    GRANTED = "registered"
    ANSWER = "answer the challenge"
    REDIRECT = "register at the returned Contact, with a new Call-ID"
    INTERVAL = "ask again with Min-Expires, with a new Call-ID"
    WAIT = "ask again after Retry-After"
    NEXT_PATH = "take the next path"
    REJECTED = "registration rejected: start over, with provisioning"


REACTIONS: dict[int, Reaction] = {
    200: Reaction.GRANTED,
    300: Reaction.REDIRECT,
    301: Reaction.REDIRECT,
    302: Reaction.REDIRECT,
    305: Reaction.REDIRECT,
    401: Reaction.ANSWER,
    404: Reaction.WAIT,
    407: Reaction.ANSWER,
    413: Reaction.WAIT,
    423: Reaction.INTERVAL,
    480: Reaction.WAIT,
    486: Reaction.WAIT,
    503: Reaction.WAIT,
}
"""Statuses outside the table are `Reaction.REJECTED`; so is `Reaction.WAIT` without a ``Retry-After``."""
PATH_BROKEN = (408, 503, 504)
"""Without ``Retry-After``, these concern the path through the edge: adaptive routing takes another one."""


class Loss(Enum):
    """How a client noticed that it is no longer registered."""

    CONNECTION = "the connection ended"
    SILENCE = "no answer to a keep-alive"
    PATH = "a keep-alive says that the path is broken"
    REFRESH = "the registration could not be refreshed"


class Unregistered(StageFailed):
    """A REGISTER failed. ``after`` is the wait before a retry in seconds, if the server gave one."""

    def __init__(self, text: str, reaction: Reaction, *, after: float | None = None) -> None:
        super().__init__(text)
        self.reaction = reaction
        self.after = after


def reaction_to(response: Response, *, adaptive: bool) -> Reaction:
    """Return the reaction to a response; ``adaptive`` for a client with adaptive routing."""
    reaction = REACTIONS.get(response.status, Reaction.REJECTED)
    if reaction is Reaction.WAIT and retry_after(response) is not None:
        return Reaction.WAIT
    if adaptive and response.status in PATH_BROKEN:
        return Reaction.NEXT_PATH
    return Reaction.REJECTED if reaction is Reaction.WAIT else reaction


def retry_after(response: Response) -> int | None:
    """Return ``Retry-After`` in seconds, None if missing or not a number (RFC 3261, 20.33)."""
    return _seconds(response, "Retry-After")


def min_expires(response: Response) -> int | None:
    """Return ``Min-Expires`` in seconds, None if missing or not a number (RFC 3261, 20.23)."""
    return _seconds(response, "Min-Expires")


def _seconds(response: Response, name: str) -> int | None:
    value = response.get(name)
    try:
        return None if value is None else delta_seconds(value)
    except SipProtocolError:
        return None


def redirected_to(response: Response) -> SipUri | None:
    """Return the URI of the first Contact of a redirection, None if none is usable."""
    try:
        return next((contact.address for contact in response.contacts if contact.address.host), None)
    except SipProtocolError:
        return None


def refusal(response: Response) -> str:
    """Return the diagnostic text of a refusal: status, reason, and the texts of Warning."""
    try:
        warnings = [str(value) for value in map(WarningValue.parse, response.values("Warning"))]
    except SipProtocolError:
        warnings = []
    return " ".join([f"{response.status} {response.reason}", *warnings])


def warns(response: Response, text: str) -> bool:
    """Return whether a Warning of the response contains a text."""
    return any(text in value for value in response.values("Warning"))
