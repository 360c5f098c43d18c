"""Addresses of XMPP (RFC 7622): ``local@domain/resource``.

Local part and domain compare without regard to case here; the full PRECIS profiles are not applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_FORBIDDEN = frozenset("\"&'/:<>@")
_LONGEST = 1023


class JidError(ValueError):
    """Not an address by RFC 7622, section 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jid:
    """An address; ``local`` and ``resource`` may be empty, and then are absent."""

    local: str
    domain: str
    resource: str = ""

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Return the address that ``text`` is. Raises `JidError`."""
        bare, slash, resource = text.partition("/")
        local, at, domain = bare.rpartition("@")
        local, domain = local.lower(), domain.lower().rstrip(".")
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
