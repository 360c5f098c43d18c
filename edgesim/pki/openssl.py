"""TLS by OpenSSL through pyOpenSSL, with the product's certificate policy inside the handshake.

Python's ``ssl`` checks dates by the machine's clock, always checks the extended key usage, and allows no decision
during a handshake: an application that refuses a certificate afterwards sends no alert. Here OpenSSL's verification
calls a `Policy`, and the peer gets the matching alert.

A `PolicyContext` is passed where asyncio takes ``ssl=``, with either world's loop. For each connection it makes an
`OpenSslEngine`, which does no IO; it raises the errors of ``ssl``, with Python's texts.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from edgesim.pki import policy as policies
from edgesim.pki.identity import Identity
from edgesim.pki.keys import too_weak
from edgesim.pki.names import UNREADABLE
from edgesim.pki.policy import Clock, Policy, Refusal
from edgesim.pki.trust import TrustStore
from edgesim.world.tls.engine import PIECE, RECORD

# Not available through pyOpenSSL: the error of a failed verification, the time of one connection's verification, the
# octets in a memory BIO, and the list of groups. Its methods for a record cost nearly three times as much as the
# functions that they call. So all these are called as `cryptography` binds them for pyOpenSSL.
_lib: Any = SSL._lib  # type: ignore[attr-defined]  # see above
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # see above
_ssl_read, _ssl_write = _lib.SSL_read, _lib.SSL_write
_bio_read, _bio_write, _mem_data = _lib.BIO_read, _lib.BIO_write, _lib.BIO_get_mem_data
_unpack = _ffi.unpack
SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN = _lib.SSL_ERROR_WANT_READ, _lib.SSL_ERROR_ZERO_RETURN

ROOM = PIECE + RECORD
"""How much of the scratch space is used: a piece may end with a record that begins just below this bound."""

CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""The default for TLS 1.2 and below: the ciphers of Python's ``ssl``."""
GROUPS = b"X25519:P-256:P-384:P-521"
"""The groups for key exchange. OpenSSL's default begins with ML-KEM, which these products do not support."""
NO_AUTO_CHAIN = 0x8
"""SSL_MODE_NO_AUTO_CHAIN: send only the given certificates, none from the trust store."""

TEXTS = {policies.NOT_YET_VALID: "certificate is not yet valid"}
"""The error that OpenSSL 4 words differently from 1.1 and 3, which the products have."""

if TYPE_CHECKING:  # the loops' methods are typed for a context of `ssl`, but use nothing of it
    from ssl import SSLContext as _Context
else:
    _Context = object


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """All of a context that does not depend on the policy: hosts with the same setup share one OpenSSL context.

    ``asks`` and ``requires`` concern the peer's certificate; a client that verifies requires the server's.
    """

    server: bool
    identity: Identity | None
    trust: TrustStore | None
    asks: bool
    requires: bool
    send_chain: bool
    partial_chain: bool
    minimum: ssl.TLSVersion
    maximum: ssl.TLSVersion
    ciphers: str | None
    alpn: tuple[str, ...]
    keylog: str | None


def openssl_context(setup: Setup) -> SSL.Context:
    """Return the OpenSSL context of a setup."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD if setup.server else SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(setup.minimum)
    context.set_max_proto_version(setup.maximum)
    # No session is resumed here. In TLS 1.3 OpenSSL sends tickets nevertheless (pyOpenSSL cannot set their number);
    # they name sessions that are not kept.
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(NO_AUTO_CHAIN | _lib.SSL_MODE_RELEASE_BUFFERS)
    old = setup.minimum < ssl.TLSVersion.TLSv1_2  # OpenSSL 3 and later support TLS 1.0 and 1.1 only at level 0
    weak = setup.identity is not None and too_weak(
        setup.identity.certificate.public_key()
    )  # otherwise a weak key does not load
    context.set_cipher_list((setup.ciphers or ("DEFAULT:@SECLEVEL=0" if old or weak else CIPHERS)).encode())
    if _lib.SSL_CTX_set1_curves_list(context._context, GROUPS) != 1:
        raise ssl.SSLError(f"OpenSSL does not support the groups {GROUPS.decode()}")
    if setup.identity is not None:
        context.use_certificate(setup.identity.certificate)
        context.use_privatekey(setup.identity.key)
        for one in setup.identity.chain if setup.send_chain else ():
            context.add_extra_chain_cert(one)
    mode = (SSL.VERIFY_PEER if setup.asks else 0) | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if setup.requires else 0)
    _lib.SSL_CTX_set_verify(context._context, mode, _verify)
    store = context.get_cert_store()
    assert store is not None
    for certificate in setup.trust or ():
        store.add_cert(crypto.X509.from_cryptography(certificate))
    if setup.partial_chain:
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    if setup.alpn:
        _set_alpn(context, setup)
    if (keylog := setup.keylog) is not None:
        context.set_keylog_callback(lambda _connection, line: _append(keylog, line))
    return context


class PolicyContext(_Context):
    """A context with a ``policy``. ``check_hostname``: the server's certificate must have the name dialled, or one of
    the policy's names, which apply to both sides.
    """

    def __init__(self, openssl: SSL.Context, setup: Setup, policy: Policy, *, check_hostname: bool = False) -> None:
        self.openssl = openssl
        self.setup = setup
        self.policy = policy
        self.checks_hostname = check_hostname

    def engine(
        self, *, server_side: bool, server_hostname: str | None, clock: Clock | None, scratch: bytearray
    ) -> OpenSslEngine:
        """Return one side of a new connection (see `edgesim.world.tls.engine.TlsContext`). ``clock`` checks the dates
        if the policy has no clock.

        Raises `ValueError` for the wrong side, or without a name where one is checked.
        """
        if server_side is not self.setup.server:
            raise ValueError(f"the context is for a {'server' if self.setup.server else 'client'}")
        names, accepted = self.policy.names, self.policy.accepted
        if names is None and accepted is not None and self.checks_hostname and server_hostname is not None:
            names = accepted(server_hostname)
        if names is None:
            if self.checks_hostname and not server_hostname:
                raise ValueError("check_hostname requires server_hostname")
            names = (server_hostname,) if self.checks_hostname and server_hostname else ()
        verification = Verification(self.policy, names, self.policy.clock or clock, asks=self.setup.asks)
        return OpenSslEngine(self, server_hostname, verification, scratch)


class Verification:
    """The verification state of one handshake: its policy and result."""

    __slots__ = ("asks", "clock", "depth", "names", "policy", "problem", "refusal")

    def __init__(self, policy: Policy, names: tuple[str, ...], clock: Clock | None, *, asks: bool) -> None:
        self.policy = policy
        self.names = names
        self.clock = clock
        self.asks = asks
        self.refusal: Refusal | None = None
        self.depth = 0
        """The depth of the certificate checked last: 0 is the peer's own."""
        self.problem: Exception | None = None
        """An exception raised by the policy."""

    def refuses(self, certificate: crypto.X509, error: int, depth: int) -> Refusal | None:
        """Return why a certificate is refused, or None."""
        try:
            found = certificate.to_cryptography()
        except UNREADABLE:
            return Refusal(error or policies.REJECTED)
        return self.policy.decide(found, error, depth, self.names)


class OpenSslEngine:
    """One side of a connection over two OpenSSL memory BIOs (see `edgesim.world.tls.engine.TlsEngine`).

    The peer's properties have the methods of an `ssl.SSLObject`.
    """

    __slots__ = (
        "_connection", "_from_openssl", "_into_openssl", "_scratch", "_ssl", "_verification", "context", "peer_closed",
        "server_hostname",
    )  # fmt: skip

    def __init__(
        self, context: PolicyContext, server_hostname: str | None, verification: Verification, scratch: bytearray
    ) -> None:
        self.context = context
        self.server_hostname = server_hostname
        self.peer_closed = False
        self._verification: Verification | None = verification
        if len(scratch) < ROOM:  # OpenSSL writes there unprompted
            raise ValueError(f"scratch space of {len(scratch)} octets, not {ROOM}")
        self._scratch = _ffi.from_buffer(scratch)
        connection = self._connection = SSL.Connection(context.openssl, None)
        self._ssl = connection._ssl
        self._into_openssl, self._from_openssl = connection._into_ssl, connection._from_ssl
        if context.setup.server:
            connection.set_accept_state()
            return
        connection.set_connect_state()
        if server_hostname and not policies.is_address(server_hostname):
            connection.set_tlsext_host_name(server_hostname.encode("idna"))

    # ---- octets

    def handshake(self) -> bool:
        """Continue the handshake. Raises `ssl.SSLCertVerificationError`, `ssl.SSLError` and the policy's exceptions."""
        verification = self._verification
        if verification is None:
            return True
        if verification.clock is not None:
            now = int(verification.clock().timestamp())
            _lib.X509_VERIFY_PARAM_set_time(_lib.SSL_get0_param(self._ssl), now)
        _verifying[self._ssl] = verification
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise self._translated(error) from None
        finally:
            del _verifying[self._ssl]
        self._verification = None
        return True

    def feed(self, data: bytes) -> None:
        """Take encrypted octets."""
        _bio_write(self._into_openssl, data, len(data))

    def decrypt(self) -> bytes:
        """Return decrypted octets, at most one piece."""
        session, scratch = self._ssl, self._scratch
        size = _ssl_read(session, scratch, RECORD)
        if size <= 0:
            self._stopped(size)
            return b""
        while size < PIECE and _waiting(self._into_openssl):
            count = _ssl_read(session, scratch + size, RECORD)
            if count <= 0:
                self._stopped(count)
                break
            size += count
        data: bytes = _unpack(scratch, size)
        return data

    def encrypt(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt one or more octets."""
        if type(data) is bytes and len(data) <= RECORD:
            if (count := _ssl_write(self._ssl, data, len(data))) <= 0:
                self._fail(count)
            return
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise self._translated(error) from None

    def outgoing(self) -> bytes:
        """Return the output for the peer."""
        bio, scratch = self._from_openssl, self._scratch
        count = _bio_read(bio, scratch, ROOM)
        data: bytes = _unpack(scratch, count) if count > 0 else b""
        if count < ROOM:
            return data
        parts = [data]
        while (count := _bio_read(bio, scratch, ROOM)) > 0:
            parts.append(_unpack(scratch, count))
        return b"".join(parts)

    def close(self) -> bool:
        """Close this side; return whether the peer has closed the other."""
        try:
            return self._connection.shutdown() or self._connection.shutdown()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise self._translated(error) from None

    @property
    def unread(self) -> int:
        """The number of encrypted octets that wait for `decrypt`."""
        return _waiting(self._into_openssl)

    @property
    def unsent(self) -> int:
        """The number of encrypted octets that wait for `outgoing`."""
        return _waiting(self._from_openssl)

    # ---- errors

    def _stopped(self, result: int) -> None:
        error = _lib.SSL_get_error(self._ssl, result)
        if error == SSL_ERROR_ZERO_RETURN:
            self.peer_closed = True
        elif error != SSL_ERROR_WANT_READ:
            self._fail(result)

    def _fail(self, result: int) -> None:
        try:
            self._connection._raise_ssl_error(self._ssl, result)
        except SSL.Error as error:
            raise self._translated(error) from None

    def _translated(self, error: SSL.Error) -> Exception:
        verification = self._verification
        if verification is not None and verification.problem is not None:
            return verification.problem
        reason = _reason(error)
        if verification is None or reason != "CERTIFICATE_VERIFY_FAILED":
            return _error(ssl.SSLError, reason)
        refusal = verification.refusal or Refusal(_lib.SSL_get_verify_result(self._ssl))
        text = refusal.text or TEXTS.get(refusal.code) or _text(refusal.code)
        failed = _error(ssl.SSLCertVerificationError, reason, f"certificate verify failed: {text}")
        assert isinstance(failed, ssl.SSLCertVerificationError)
        failed.verify_code, failed.verify_message = refusal.code, text
        failed.verify_depth = verification.depth  # type: ignore[attr-defined]  # the depth, which Python's error lacks
        return failed

    # ---- the peer

    @property
    def ssl_object(self) -> OpenSslEngine:
        """Itself: a transport's ``ssl_object``."""
        return self

    @property
    def server_side(self) -> bool:
        """Whether this is the server side."""
        return self.context.setup.server

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the peer's certificate in DER, None without one; Python's dictionary form is always empty."""
        if not binary_form:
            return {}
        certificate = self._connection.get_peer_certificate()
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if certificate is not None else None

    def get_unverified_chain(self) -> list[bytes]:
        """Return the certificates that the peer sent, in DER, its own first."""
        sent = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        chain = [one.public_bytes(Encoding.DER) for one in sent]
        own = self.getpeercert(binary_form=True)
        return [own, *chain] if self.server_side and own is not None and own not in chain else chain

    def version(self) -> str | None:
        """Return ``TLSv1.3`` etc., None before the handshake has chosen one."""
        return self._connection.get_protocol_version_name() if self._connection.get_cipher_name() else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Return the cipher's name, the version that defined it and the bits of its key."""
        connection = self._connection
        name = connection.get_cipher_name()
        return (name, connection.get_cipher_version() or "", connection.get_cipher_bits() or 0) if name else None

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol agreed on by ALPN."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Return the first Finished message of the handshake (RFC 5929, section 3)."""
        if cb_type != "tls-unique":
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return self._connection.get_peer_finished() if self.server_side else self._connection.get_finished()

    def compression(self) -> None:
        """Return None: compression is off."""


_verifying: dict[Any, Verification] = {}
"""The verification of each handshake in progress, by OpenSSL's pointer, which is all its callback gets."""


@_ffi.callback("int (*)(int, X509_STORE_CTX *)")  # type: ignore[untyped-decorator]  # cffi has no types
def _verify(ok: int, store_context: Any) -> int:
    """OpenSSL's callback: returns whether to continue; the error left behind becomes the alert."""
    pointer = _lib.X509_STORE_CTX_get_ex_data(store_context, _lib.SSL_get_ex_data_X509_STORE_CTX_idx())
    verification = _verifying[pointer]
    if not verification.policy.verify or not verification.asks:
        _lib.X509_STORE_CTX_set_error(store_context, policies.OK)
        return 1
    error = 0 if ok else _lib.X509_STORE_CTX_get_error(store_context)
    depth = _lib.X509_STORE_CTX_get_error_depth(store_context)
    certificate = _lib.X509_STORE_CTX_get_current_cert(store_context)
    _lib.X509_up_ref(certificate)
    try:
        refusal = verification.refuses(crypto.X509._from_raw_x509_ptr(certificate), error, depth)
    except Exception as problem:
        verification.problem, refusal = problem, Refusal(policies.REJECTED)
    verification.refusal, verification.depth = refusal, depth
    _lib.X509_STORE_CTX_set_error(store_context, refusal.code if refusal else policies.OK)
    return 0 if refusal else 1


def _waiting(bio: Any) -> int:
    count: int = _mem_data(bio, _ffi.NULL)
    return count


def _text(code: int) -> str:
    text: str = _ffi.string(_lib.X509_verify_cert_error_string(code)).decode()
    return text


_ALERT = re.compile("^(ssl/)?tls alert")
"""The prefixes that OpenSSL 3.2 and later give the texts of alerts that SSL 3.0 has too."""


def _reason(error: SSL.Error) -> str:
    """Return the reason in the form of Python's ``ssl``: OpenSSL's text written as a symbol."""
    queue = error.args[0] if error.args else ()
    text = queue[-1][2] if queue else "unknown error"
    return _ALERT.sub("sslv3 alert", text).upper().replace(" ", "_")


def _error(kind: type[ssl.SSLError], reason: str, text: str = "") -> ssl.SSLError:
    error = kind(ssl.SSL_ERROR_SSL, f"[SSL: {reason}] {text or reason.replace('_', ' ').lower()}")
    error.library, error.reason = "SSL", reason
    return error


def verify_depth(error: ssl.SSLCertVerificationError) -> int:
    """Return where in the chain the certificate is that did not verify; 0 is the peer's own."""
    depth: int = getattr(error, "verify_depth", 0)  # set by the engine: Python's own error does not say
    return depth


def _set_alpn(context: SSL.Context, setup: Setup) -> None:
    wanted = [one.encode("ascii") for one in setup.alpn]
    if not setup.server:
        context.set_alpn_protos(wanted)
        return

    def choose(_connection: SSL.Connection, offered: list[bytes]) -> Any:
        return next((one for one in wanted if one in offered), SSL.NO_OVERLAPPING_PROTOCOLS)

    context.set_alpn_select_callback(choose)


def _append(path: str, line: bytes) -> None:
    with open(path, "ab") as file:
        file.write(line + b"\n")
