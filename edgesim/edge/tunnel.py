"""The SSH tunnel between Expressway-C and Expressway-E: keys and greetings.

How the products provision the keys, and what they exchange, is not public; both parts here are the testbed's own. The
key pairs derive from the credentials of the Unified Communications traversal zone, so that wrong credentials break the
tunnel too, which "MRA Deployment Guide X12.5, Troubleshooting" lists among its causes. As the first request through a
new tunnel, E posts a `Greeting` to C's `GREETING_TARGET`, and C answers with its own.

From X15.5 on, with its store for client certificates, a C whose client certificate lacks clientAuth gets no tunnel
("Cisco Expressway Certificate Creation and Use Deployment Guide", X15.5). There the products authenticate by X.509
inside SSH. Here such a C presents its certificate in its greeting, signed over E's challenge; E checks it, and either
posts its greeting again to accept C, or disconnects with the reason.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edgesim.deployment.defaults import LinkDefaults
from edgesim.edge.descriptor import is_domain, is_host

GREETING_TARGET = "/.greeting"
"""Never the first path element of a client's request: it is not base64."""
GREETING_TYPE = "application/json"
MAX_GREETING = 16 * 1024
MAX_DOMAINS = 500
OPTIONAL = ("address", "challenge", "certificate", "proof")
LOOPBACK = "127.0.0.1"
KEY_EXCHANGES = ["curve25519-sha256"]
"""The algorithms that both ends offer: the products' choice is not public, and these are the cheapest in Python."""
NEVER = 10**9
"""Seconds: rekeying by time would follow the machine's clock, not the lab's."""
NEVER_BYTES = 2**60


class TunnelError(ValueError):
    """The body is not a greeting."""


class Role(Enum):
    """The owner of a key pair: E (its host key) or C (the key of its forwarding user)."""

    HOST = "expressway-e ssh host key"
    USER = "expressway-c ssh user key"


def key_pair(role: Role, *, user: str, password: str) -> tuple[bytes, bytes]:
    """Return the private key (PKCS #8, PEM) and public key (one OpenSSH line) derived from the credentials."""
    seed = hashlib.sha256(f"edgesim tunnel\0{role.value}\0{user}\0{password}".encode()).digest()
    key = Ed25519PrivateKey.from_private_bytes(seed)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def ssh_options(links: LinkDefaults) -> dict[str, Any]:
    """Return the options of an SSH connection that are the same at both ends, as asyncssh takes them."""
    return {
        "config": None,
        "gss_host": None,
        "compression_algs": None,
        "kex_algs": KEY_EXCHANGES,
        "encryption_algs": links.ssh_ciphers,
        "rekey_seconds": NEVER,
        "rekey_bytes": NEVER_BYTES,
        "keepalive_interval": links.tunnel_keepalive_s,
        "keepalive_count_max": links.tunnel_keepalive_count,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """Identifies one end: its FQDN, its DNS domain, and, from C, the domains that it accepts.

    ``address`` is E's address for clients outside: behind a static NAT the public one; E writes it if it proxies by
    IPv4. ``challenge`` is E's, in hexadecimal; ``certificate`` (PEM) and ``proof`` (base64, over `proved_text`) come
    from a C that presents its client certificate.
    """

    fqdn: str
    domain: str
    domains: tuple[str, ...] = ()
    address: str = ""
    challenge: str = ""
    certificate: str = ""
    proof: str = ""

    def encode(self) -> bytes:
        """Return the body; empty optional members are left out."""
        body: dict[str, Any] = {"fqdn": self.fqdn, "domain": self.domain, "domains": list(self.domains)}
        body |= {name: value for name in OPTIONAL if (value := getattr(self, name))}
        return json.dumps(body).encode()


def proved_text(challenge: str, fqdn: str) -> bytes:
    """Return the text that C signs with the key of its client certificate."""
    return f"edgesim tunnel\0{challenge}\0{fqdn}".encode()


def read_greeting(body: bytes) -> Greeting:
    """Parse a greeting. Raises `TunnelError`."""
    if len(body) > MAX_GREETING:
        raise TunnelError("the greeting is too long")
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise TunnelError("the greeting is not JSON") from None
    if not isinstance(found, dict) or set(found) - set(OPTIONAL) != {"fqdn", "domain", "domains"}:
        raise TunnelError("the greeting has unexpected members")
    more = {name: found[name] for name in OPTIONAL if name in found}
    if not all(isinstance(value, str) for value in more.values()):
        raise TunnelError("a member is not a string")
    if more.get("address") and not _is_address(more["address"]):
        raise TunnelError("the address is not an IP address")
    fqdn, domain, domains = found["fqdn"], found["domain"], found["domains"]
    if not isinstance(fqdn, str) or not is_host(fqdn) or not isinstance(domain, str):
        raise TunnelError("the greeting has no host name")
    if domain and not is_domain(domain):
        raise TunnelError("the DNS domain is not a domain name")
    if not isinstance(domains, list) or len(domains) > MAX_DOMAINS:
        raise TunnelError("the domains are not a list")
    if not all(isinstance(one, str) and is_domain(one) for one in domains):
        raise TunnelError("a domain is not a domain name")
    return Greeting(fqdn=fqdn, domain=domain, domains=tuple(domains), **more)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
