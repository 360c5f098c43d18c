"""TLS contexts: explicit flags, with one cached OpenSSL context per pair of identity and trust store.

OpenSSL builds the chain from the leaf, the certificates that the peer sent and the store; it checks signatures and the
usage (a client requires the server's ``serverAuth``, a server that asks requires ``clientAuth``). Dates are checked by
the clock of the host that runs the handshake, names by our own rules, and a `Policy` can override both: see
`edgesim.pki.openssl`. In TLS 1.3 a client learns that its certificate was refused only at its next read: its own
handshake has succeeded by then.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from dataclasses import dataclass

from OpenSSL import SSL

from edgesim.pki.identity import Identity, PkiError
from edgesim.pki.openssl import PolicyContext, Setup, openssl_context
from edgesim.pki.policy import DEFAULT as DEFAULT_POLICY
from edgesim.pki.policy import Policy
from edgesim.pki.trust import TrustStore

CACHE_SIZE = 1024
"""How many OpenSSL contexts are cached; the least recently used is evicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """TLS options of a release or setting. ``ciphers`` is an OpenSSL list for TLS 1.2 and below."""

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str | None = None
    alpn: tuple[str, ...] = ()
    partial_chain: bool = False
    """Let a chain end at any certificate of the store, not only at a root: trust in a leaf or intermediate alone."""
    first_match: bool = False
    """Of store certificates with one subject, use only the first, as Expressway-C does (Cisco bug CSCve56019)."""


DEFAULT = TlsOptions()

_cache: OrderedDict[tuple[object, ...], tuple[SSL.Context, Setup]] = OrderedDict()


def server_context(
    identity: Identity,
    *,
    trust: TrustStore | None = None,
    ask_client: bool = False,
    require_client: bool = False,
    send_chain: bool = False,
    options: TlsOptions = DEFAULT,
    policy: Policy = DEFAULT_POLICY,
    keylog: str | None = None,
) -> PolicyContext:
    """Return a server's context.

    ``ask_client`` asks for a client certificate and continues without one; ``require_client`` does not. A presented
    certificate must verify against ``trust`` in both cases, unless the policy verifies nothing. ``send_chain`` sends
    the intermediates with the leaf, which the products do not do. ``keylog`` is a file to which TLS secrets are
    appended (NSS format). Raises `PkiError` if a client certificate is asked for without a trust store.
    """
    asks = ask_client or require_client
    if asks and trust is None and policy.verify:
        raise PkiError("a server that asks for client certificates needs a trust store")
    openssl, setup = _openssl(
        server=True,
        identity=identity,
        trust=trust if asks else None,
        asks=asks,
        requires=require_client,
        send_chain=send_chain,
        options=options,
        keylog=keylog,
    )
    return PolicyContext(openssl, setup, policy)


def client_context(
    trust: TrustStore | None,
    *,
    identity: Identity | None = None,
    check_hostname: bool = True,
    send_chain: bool = False,
    options: TlsOptions = DEFAULT,
    policy: Policy = DEFAULT_POLICY,
    keylog: str | None = None,
) -> PolicyContext:
    """Return a client's context.

    With ``trust`` None the handshake accepts any certificate: verify it afterwards with `edgesim.pki.verify` on
    `edgesim.pki.peer_certificates`. ``check_hostname`` False leaves the name check to the application, like Expressway,
    which looks for a configured name in the SAN; the policy's names give the alternatives. ``identity`` is presented if
    the server asks.
    """
    openssl, setup = _openssl(
        server=False,
        identity=identity,
        trust=trust,
        asks=trust is not None,
        requires=False,
        send_chain=send_chain,
        options=options,
        keylog=keylog,
    )
    return PolicyContext(openssl, setup, policy, check_hostname=check_hostname and trust is not None)


def _openssl(
    *,
    server: bool,
    identity: Identity | None,
    trust: TrustStore | None,
    asks: bool,
    requires: bool,
    send_chain: bool,
    options: TlsOptions,
    keylog: str | None,
) -> tuple[SSL.Context, Setup]:
    # The certificate identifies the key, and the chain above it matters only if it is sent.
    shown = identity and (identity.fingerprint, identity.chain if send_chain else ())
    key = (server, shown, trust and trust.fingerprint, asks, requires, options, keylog)
    if (found := _cache.get(key)) is not None:
        _cache.move_to_end(key)
        return found
    setup = Setup(
        server=server,
        identity=identity,
        trust=trust.first_by_subject() if trust is not None and options.first_match else trust,
        asks=asks,
        requires=requires,
        send_chain=send_chain,
        partial_chain=options.partial_chain,
        minimum=options.minimum,
        maximum=options.maximum,
        ciphers=options.ciphers,
        alpn=options.alpn,
        keylog=keylog,
    )
    made = _cache[key] = (openssl_context(setup), setup)
    if len(_cache) > CACHE_SIZE:
        _cache.popitem(last=False)
    return made
