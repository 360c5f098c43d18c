"""XMPP addresses (RFC 7622): ``local@domain/resource``, with user ids escaped where needed (XEP-0106).

Local parts are prepared by Nodeprep (RFC 6122, appendix A), as servers and clients of that time do; domains compare
without regard to case.
"""

from __future__ import annotations

import re
import stringprep
import unicodedata
from dataclasses import dataclass, replace

_FORBIDDEN = frozenset("\"&'/:<>@")
_LONGEST = 1023
_ESCAPED = {character: f"\\{ord(character):02x}" for character in " \"&'/:<>@\\"}
"""The XEP-0106 escapes of characters that a local part cannot contain; the backslash is escaped only where needed."""
_UNESCAPED = {code: character for character, code in _ESCAPED.items()}
_CODE = re.compile("|".join(map(re.escape, _UNESCAPED)))
_PROHIBITED = (
    stringprep.in_table_a1,
    stringprep.in_table_c11_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class JidError(ValueError):
    """Not a valid address by RFC 7622, section 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jid:
    """An address; an empty ``local`` or ``resource`` is absent."""

    local: str
    domain: str
    resource: str = ""

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Parse an address. Raises `JidError`."""
        bare, slash, resource = text.partition("/")
        local, at, domain = bare.rpartition("@")
        local, domain = prepared(local), domain.lower().rstrip(".")
        if (slash and not resource) or (at and not local) or not domain:
            raise JidError("empty part")
        if any(len(part.encode()) > _LONGEST for part in (local, domain, resource)):
            raise JidError("part too long")
        if any(c in _FORBIDDEN or c.isspace() or not c.isprintable() for c in local):
            raise JidError("character not allowed in the local part")
        if any(c.isspace() or c in "<>&'\"@" or not c.isprintable() for c in domain):
            raise JidError("character not allowed in the domain")
        if any(not c.isprintable() for c in resource):
            raise JidError("character not allowed in the resource")
        return cls(local=local, domain=domain, resource=resource)

    @classmethod
    def of_user(cls, user_id: str, domain: str) -> Jid:
        """Return the address of a user id in a domain. Raises `JidError` for an id that no local part can represent."""
        return cls.parse(f"{escaped(user_id)}@{domain}")

    @property
    def user_id(self) -> str:
        """The user id of the local part, in its prepared form."""
        return _CODE.sub(lambda code: _UNESCAPED[code[0]], self.local)

    @property
    def bare(self) -> Jid:
        """The same address without its resource."""
        return replace(self, resource="") if self.resource else self

    def at(self, resource: str) -> Jid:
        """Return the same address with a resource."""
        return replace(self, resource=resource)

    def __str__(self) -> str:
        bare = f"{self.local}@{self.domain}" if self.local else self.domain
        return f"{bare}/{self.resource}" if self.resource else bare


def escaped(user_id: str) -> str:
    """Return a user id with characters escaped that a local part cannot contain (XEP-0106, section 3.2)."""
    codes = _CODE.sub(lambda code: "\\5c" + code[0][1:], user_id)
    return "".join(each if each == "\\" else _ESCAPED.get(each, each) for each in codes)


def prepared(local: str) -> str:
    """Return a local part in the form that servers compare: Nodeprep. Raises `JidError` for prohibited characters."""
    if local.isascii():
        return local.lower()
    kept = (each for each in local if not stringprep.in_table_b1(each))
    text = unicodedata.normalize("NFKC", "".join(map(stringprep.map_table_b2, kept)))
    if any(within(each) for each in text for within in _PROHIBITED):
        raise JidError("character not allowed in the local part")
    if any(map(stringprep.in_table_d1, text)):  # right-to-left text
        ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
        if not ends or any(map(stringprep.in_table_d2, text)):
            raise JidError("both text directions in the local part")
    return text
