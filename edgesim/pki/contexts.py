"""TLS contexts: explicit flags, loaded once for each pair of identity and trust store.

Never `ssl.create_default_context`: it takes 20 to 30 ms, and its flags differ between Python 3.11 and 3.13 (the later
adds VERIFY_X509_STRICT and VERIFY_X509_PARTIAL_CHAIN). A context is shared by all that ask for the same one: change
none.

What OpenSSL does on its own here: it builds the chain from the leaf, the certificates that the peer sent and the store;
it checks the dates by the real clock, the usage (a client needs a server's ``serverAuth``, a server that asks needs
``clientAuth``) and, for a client with ``check_hostname``, the name. In TLS 1.3 a client learns that its certificate was
refused only when it next reads: its own handshake has succeeded by then.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from edgesim.pki.identity import Identity, PkiError
from edgesim.pki.trust import TrustStore

CACHE_SIZE = 1024
"""How many contexts are kept; the one unused for longest goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """What a release or a setting decides about TLS. ``ciphers`` is an OpenSSL list for TLS 1.2 and below."""

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str | None = None
    alpn: tuple[str, ...] = ()
    partial_chain: bool = False
    """Let a chain end at any certificate of the store, not only at a root: trust in a leaf or an intermediate alone."""


DEFAULT = TlsOptions()

_cache: OrderedDict[tuple[object, ...], ssl.SSLContext] = OrderedDict()


def server_context(
    identity: Identity,
    *,
    trust: TrustStore | None = None,
    ask_client: bool = False,
    require_client: bool = False,
    send_chain: bool = False,
    options: TlsOptions = DEFAULT,
    keylog: str | None = None,
) -> ssl.SSLContext:
    """Return a server's context.

    ``ask_client`` asks for a client certificate and goes on without one; ``require_client`` does not. One that is shown
    must verify against ``trust`` in both cases. ``send_chain`` sends the intermediates with the leaf, which the
    products do not do. ``keylog`` is a file to which TLS secrets are appended (NSS format). Raises `PkiError` where a
    client certificate is asked for without a trust store.
    """
    asks = ask_client or require_client
    if asks and trust is None:
        raise PkiError("a server that asks for client certificates needs a trust store")
    store = trust if asks else None
    key = ("server", _identity_key(identity, send_chain), _store_key(store), require_client, options, keylog)
    if (found := _cached(key)) is not None:
        return found
    context = _context(ssl.PROTOCOL_TLS_SERVER, options, keylog)
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL if asks else ssl.CERT_NONE
    # No tickets: nothing resumes a session here, and a ticket sent late would make a reset out of a clean close.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    _load_identity(context, identity, send_chain, store)
    return _keep(key, _load_trust(context, store))


def client_context(
    trust: TrustStore | None,
    *,
    identity: Identity | None = None,
    check_hostname: bool = True,
    send_chain: bool = False,
    options: TlsOptions = DEFAULT,
    keylog: str | None = None,
) -> ssl.SSLContext:
    """Return a client's context.

    With ``trust`` None the handshake accepts any certificate: judge it afterwards with `edgesim.pki.verify` on
    `edgesim.pki.peer_certificates`. ``check_hostname`` False leaves the name to the application, as Expressway does
    that looks for a configured name in the SAN. ``identity`` is shown if the server asks.
    """
    checks = check_hostname and trust is not None
    key = ("client", _identity_key(identity, send_chain), _store_key(trust), checks, options, keylog)
    if (found := _cached(key)) is not None:
        return found
    context = _context(ssl.PROTOCOL_TLS_CLIENT, options, keylog)
    context.check_hostname = checks
    context.verify_mode = ssl.CERT_NONE if trust is None else ssl.CERT_REQUIRED
    context.hostname_checks_common_name = False
    if identity is not None:
        _load_identity(context, identity, send_chain, trust)
    return _keep(key, _load_trust(context, trust))


def _context(protocol: int, options: TlsOptions, keylog: str | None) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = options.minimum
    context.maximum_version = options.maximum
    flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST
    if options.partial_chain:
        flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags = flags
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if options.ciphers is not None:
        context.set_ciphers(options.ciphers)
    elif options.minimum < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 has nothing for TLS 1.0 and 1.1 above level 0
    if options.alpn:
        context.set_alpn_protocols(list(options.alpn))
    if keylog is not None:
        context.keylog_filename = keylog
    return context


def _load_trust(context: ssl.SSLContext, trust: TrustStore | None) -> ssl.SSLContext:
    if trust is not None and len(trust):
        context.load_verify_locations(cadata=trust.der())
    return context


def _load_identity(context: ssl.SSLContext, identity: Identity, send_chain: bool, trust: TrustStore | None) -> None:
    certificates = identity.pem(chain=send_chain)
    if not (send_chain and identity.chain) and trust is not None and _holds_issuer(trust, identity):
        # Left alone, OpenSSL completes a lone leaf from the context's own trust store and sends the chain after all;
        # any further certificate keeps it from that. The leaf itself is the one that tells a verifier nothing new.
        certificates += identity.pem()
    with _file(identity.key_pem() + certificates) as path:
        context.load_cert_chain(path)


def _holds_issuer(trust: TrustStore, identity: Identity) -> bool:
    return any(one.subject == identity.certificate.issuer != identity.certificate.subject for one in trust)


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Offer octets as a file, as OpenSSL wants keys: in memory where the system can, else private and short-lived."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("edgesim-identity", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:  # pragma: no cover - other systems than Linux
        with tempfile.TemporaryDirectory(prefix="edgesim-") as directory:
            path = os.path.join(directory, "identity.pem")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            yield path


def _identity_key(identity: Identity | None, send_chain: bool) -> object:
    # Certificate and key go together: one certificate has one key. The chain above it matters only where it is sent.
    return None if identity is None else (identity.fingerprint, identity.pem(chain=True) if send_chain else b"")


def _store_key(trust: TrustStore | None) -> object:
    return None if trust is None else trust.fingerprint


def _cached(key: tuple[object, ...]) -> ssl.SSLContext | None:
    found = _cache.get(key)
    if found is not None:
        _cache.move_to_end(key)
    return found


def _keep(key: tuple[object, ...], context: ssl.SSLContext) -> ssl.SSLContext:
    _cache[key] = context
    if len(_cache) > CACHE_SIZE:
        _cache.popitem(last=False)
    return context
