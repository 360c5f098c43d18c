"""SASL as the IM and Presence service offers it: ``PLAIN`` (RFC 4616) and Cisco's ``CISCO-VTG-TOKEN``.

Both are client-first with a single message. ``CISCO-VTG-TOKEN`` carries ``userid=<user>@<presence domain>``, a NUL and
``token=<one-time password>``; the one-time password comes from the SOAP service. The form is known from public client
and test code for the mechanism.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from edgesim.xmpp.xml import DOMAIN_BASED_NAME, SASL, Element, element

PLAIN = "PLAIN"
CISCO_VTG_TOKEN = "CISCO-VTG-TOKEN"
MECHANISMS = (PLAIN, CISCO_VTG_TOKEN)
SUCCESS = element("success", SASL)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_LONGEST = 1024


class SaslError(Exception):
    """A SASL message that the mechanism refuses; ``condition`` is one of RFC 6120, section 6.5."""

    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A client's credentials: ``user`` as written (a bare JID or a user id), and a password or one-time password."""

    mechanism: str
    user: str
    secret: str
    authorization: str = ""


def encode_plain(user: str, password: str, *, authorization: str = "") -> str:
    """Return the ``PLAIN`` message (RFC 4616, section 2) in base64."""
    return base64.b64encode(f"{authorization}\0{user}\0{password}".encode()).decode()


def encode_token(jid: str, token: str) -> str:
    """Return the ``CISCO-VTG-TOKEN`` message in base64. ``jid`` is ``user@presence domain``."""
    return base64.b64encode(f"userid={jid}\0token={token}".encode()).decode()


def decode(mechanism: str, text: str) -> Credentials:
    """Decode a client's message. Raises `SaslError`.

    Base64 is strict (RFC 6120, section 6.4.2: padding required, no foreign characters); ``=`` alone is an empty
    message.
    """
    message = _unbase64(text)
    if mechanism == PLAIN:
        parts = message.split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise SaslError("malformed-request", "expected authzid NUL authcid NUL passwd in PLAIN")
        return Credentials(mechanism=PLAIN, user=parts[1], secret=parts[2], authorization=parts[0])
    if mechanism == CISCO_VTG_TOKEN:
        parts = message.split("\0")
        if len(parts) != 2 or not parts[0].startswith("userid=") or not parts[1].startswith("token="):
            raise SaslError("malformed-request", "expected userid= NUL token= in CISCO-VTG-TOKEN")
        user, token = parts[0][len("userid=") :], parts[1][len("token=") :]
        if not user or not token:
            raise SaslError("malformed-request", "empty userid or token")
        return Credentials(mechanism=CISCO_VTG_TOKEN, user=user, secret=token)
    raise SaslError("invalid-mechanism", mechanism[:40])


def _unbase64(text: str) -> str:
    if text == "=":
        return ""
    if len(text) > _LONGEST * 2 or not _BASE64.fullmatch(text):
        raise SaslError("incorrect-encoding", "not base64")
    try:
        raw = base64.b64decode(text, validate=True)
        if base64.b64encode(raw).decode() != text:
            raise SaslError("incorrect-encoding", "stray bits in the last character")
        return raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        raise SaslError("malformed-request", "not UTF-8") from None


def auth(mechanism: str, message: str) -> Element:
    """Return a client's ``<auth>``."""
    return element("auth", SASL, message, mechanism=mechanism)


def mechanisms(names: tuple[str, ...] = MECHANISMS, hostnames: tuple[str, ...] = ()) -> Element:
    """Return ``<mechanisms>``; ``hostnames`` name the user's home node and its backup, if the server sends them."""
    hosts = (element("hostname", DOMAIN_BASED_NAME, name) for name in hostnames)
    return element("mechanisms", SASL, *(element("mechanism", SASL, name) for name in names), *hosts)


def failure(condition: str = "not-authorized") -> Element:
    """Return ``<failure>``. A wrong domain, user or password all give ``not-authorized``."""
    return element("failure", SASL, element(condition, SASL))
