"""What a client outside knows of the Expressway-Es: addresses, and names for TLS and cookies.

From X14.1 on the edge configuration contains addresses. A certificate is for names, an edge cookie for a domain, and a
TLS server name is never an address (RFC 6066, section 3), so a client that dials an address needs a name for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgesim.pki.policy import is_address


@dataclass(slots=True, kw_only=True)
class Edge:
    """The edge used by a client outside: the domain of its descriptors and the E hosts, best first.

    ``form`` is the default ``client.sni``; ``known`` are the names of Es, SRV targets first; ``signed_in`` is the E
    that gave the edge configuration. ``names`` has the name behind each address of that configuration, empty if
    unknown.
    """

    domain: str
    hosts: list[tuple[str, int]] = field(default_factory=list)
    form: Literal["service domain", "target", "none"] = "service domain"
    known: tuple[str, ...] = ()
    signed_in: str = ""
    names: dict[str, str] = field(default_factory=dict)

    def name_of(self, host: str) -> str:
        """Return the name of a host, empty for an address of the configuration without a known name."""
        return self.names.get(host, host)

    def cookie_host(self, host: str) -> str:
        """Return the host whose cookies a request to ``host`` carries: peers share a cookie domain."""
        return self.name_of(host) or self.signed_in or host

    def server_name(self, host: str) -> str:
        """Return the TLS server name for ``host``: a name, an address if no name is known, or None for none."""
        name = self.name_of(host)
        if not name or is_address(name):
            return host
        if self.form == "none":
            return ""
        domain = self.domain.lower()
        if self.form == "target" or name.lower() == domain or name.lower().endswith(f".{domain}"):
            return name
        return f"{name.partition('.')[0]}.{self.domain}"

    def accepted(self, server_name: str) -> tuple[str, ...]:
        """Return the names of which one must be in a certificate received for ``server_name``: itself, and the Es for
        which it is used. None for an address without a name, for which only the edge domain counts.
        """
        if not self.names.get(server_name, server_name) and server_name:
            return ()
        own = (server_name,) if server_name else ()
        return tuple(dict.fromkeys((*own, *(one for one in self.known if self.server_name(one) == server_name))))

    def chat_names(self, hosts: Sequence[str], besides: Sequence[str]) -> tuple[str, ...]:
        """Return the names of hosts; ``besides``, the forms of the edge domain, replace a missing name."""
        names = [self.name_of(host) for host in hosts]
        return tuple(dict.fromkeys((*filter(None, names), *(() if all(names) else besides))))
