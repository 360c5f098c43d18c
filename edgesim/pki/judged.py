"""TLS by OpenSSL through pyOpenSSL, with the product's own judgement of certificates inside the handshake.

Python's ``ssl`` judges dates by the machine's clock, always checks the extended key usage, and has no say in the middle
of a handshake: an application that refuses a certificate afterwards sends no alert. Here OpenSSL's verification asks
a `Policy`, and tells the peer with the alert that fits.

`JudgedContext` offers what asyncio's TLS protocol asks of a context, ``wrap_bio``, and `JudgedObject` is used like an
`ssl.SSLObject`: it works on two `ssl.MemoryBIO`, raises the errors of ``ssl``, and words them as Python does.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from edgesim.pki import policy as policies
from edgesim.pki.identity import Identity
from edgesim.pki.keys import too_weak
from edgesim.pki.names import UNREADABLE
from edgesim.pki.policy import Clock, Policy, Refusal
from edgesim.pki.trust import TrustStore

# pyOpenSSL has no method for: the error that a verification ends with, the time of one connection's verification, how
# much waits in a memory BIO, and the list of groups. OpenSSL itself, as `cryptography` binds it for pyOpenSSL, has.
_lib: Any = SSL._lib  # type: ignore[attr-defined]  # see above
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]  # see above

CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""For TLS 1.2 and below, where nothing else is said: those of Python's ``ssl``."""
GROUPS = b"X25519:P-256:P-384:P-521"
"""For key exchange. OpenSSL's own list begins with ML-KEM, which these products do not know."""
NO_AUTO_CHAIN = 0x8
"""SSL_MODE_NO_AUTO_CHAIN: what is sent is what was given, and nothing from the trust store is added."""

TEXTS = {policies.NOT_YET_VALID: "certificate is not yet valid"}
"""The one that OpenSSL 4 words differently from 1.1 and 3, which the products have."""

if TYPE_CHECKING:  # to callers a context and a connection are those of `ssl`; in truth nothing of these is used
    from ssl import SSLContext as _Context
    from ssl import SSLObject as _Object
else:
    _Context = _Object = object


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything about a context that does not depend on who judges: two hosts with one setup share OpenSSL's part.

    ``asks`` and ``requires`` are about the peer's certificate; a client requires the server's where it verifies.
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
    """Return pyOpenSSL's context for a setup."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD if setup.server else SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(setup.minimum)
    context.set_max_proto_version(setup.maximum)
    # Nothing resumes a session here. In TLS 1.3 OpenSSL sends tickets all the same (pyOpenSSL cannot tell it how many);
    # they name sessions that are not kept.
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(NO_AUTO_CHAIN | _lib.SSL_MODE_RELEASE_BUFFERS)
    old = setup.minimum < ssl.TLSVersion.TLSv1_2  # OpenSSL 3 and later have nothing for TLS 1.0 and 1.1 above level 0
    weak = setup.identity is not None and too_weak(setup.identity.certificate.public_key())  # else it does not load
    context.set_cipher_list((setup.ciphers or ("DEFAULT:@SECLEVEL=0" if old or weak else CIPHERS)).encode())
    if _lib.SSL_CTX_set1_curves_list(context._context, GROUPS) != 1:
        raise ssl.SSLError(f"OpenSSL has not the groups {GROUPS.decode()}")
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


class JudgedContext(_Context):
    """A context whose ``policy`` judges. ``check_hostname``: the server's certificate must be for the name connected to
    (or for one of the policy's names, which count on both sides).
    """

    def __init__(self, openssl: SSL.Context, setup: Setup, policy: Policy, *, check_hostname: bool = False) -> None:
        self.openssl = openssl
        self.setup = setup
        self.policy = policy
        self.checks_hostname = check_hostname

    def dated_by(self, clock: Clock) -> JudgedContext:
        """Return the context for a host with this clock; a clock that its policy has already stays."""
        if self.policy.clock is not None:
            return self
        return JudgedContext(
            self.openssl, self.setup, replace(self.policy, clock=clock), check_hostname=self.checks_hostname
        )

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: object = None,
    ) -> JudgedObject:
        """Return a connection that reads and writes encrypted octets at these. Raises `ValueError` for a side that the
        context is not for, and without a name where one is checked.
        """
        if server_side is not self.setup.server:
            raise ValueError(f"a context for a {'server' if self.setup.server else 'client'}")
        name = server_hostname.decode("ascii") if isinstance(server_hostname, bytes) else server_hostname
        names, accepted = self.policy.names, self.policy.accepted
        if names is None and accepted is not None and self.checks_hostname and name is not None:
            names = accepted(name)
        if names is None:
            if self.checks_hostname and not name:
                raise ValueError("check_hostname requires server_hostname")
            names = (name,) if self.checks_hostname and name else ()
        return JudgedObject(self, incoming, outgoing, name, names)


PIECE = 32 * 1024
"""Encrypted octets that are given to OpenSSL at once; more than the largest record (RFC 8446, section 5.2)."""


class JudgedObject(_Object):
    """One side of a connection over two memory BIOs, with the interface of `ssl.SSLObject`."""

    __slots__ = (
        "__weakref__", "_connection", "_context", "_depth", "_from_openssl", "_incoming", "_into_openssl", "_names",
        "_outgoing", "_parameters", "_problem", "_refusal", "_server_hostname",
    )  # fmt: skip

    def __init__(
        self,
        context: JudgedContext,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_hostname: str | None,
        names: tuple[str, ...],
    ) -> None:
        self._context = context
        self._incoming, self._outgoing = incoming, outgoing
        self._server_hostname, self._names = server_hostname, names
        self._refusal: Refusal | None = None
        self._depth = 0
        self._problem: Exception | None = None
        connection = self._connection = SSL.Connection(context.openssl, None)
        self._into_openssl, self._from_openssl = connection._into_ssl, connection._from_ssl
        self._parameters = _lib.SSL_get0_param(connection._ssl)
        _sessions[connection._ssl] = self
        if context.setup.server:
            connection.set_accept_state()
            return
        connection.set_connect_state()
        if server_hostname and not policies.is_address(server_hostname):
            connection.set_tlsext_host_name(server_hostname.encode("idna"))

    # ---- octets

    def do_handshake(self) -> None:
        """Go on with the handshake. Raises `ssl.SSLWantReadError`, `ssl.SSLCertVerificationError`, `ssl.SSLError`."""
        clock = self._context.policy.clock
        if clock is not None:
            _lib.X509_VERIFY_PARAM_set_time(self._parameters, int(clock().timestamp()))
        self._run(self._connection.do_handshake)

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """Return decrypted octets, or how many were put into ``buffer``; none at all once the peer has closed."""
        try:
            data: bytes = self._run(self._connection.recv, size)
        except ssl.SSLZeroReturnError:
            if self._connection.get_shutdown() != SSL.RECEIVED_SHUTDOWN:
                raise
            data = b""
        if buffer is None:
            return data
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        """Encrypt octets and return how many were taken."""
        return self._run(self._connection.send, data) if data else 0

    def unwrap(self) -> None:
        """Close this side, and raise `ssl.SSLWantReadError` until the peer has closed the other."""
        if not self._run(self._connection.shutdown) and not self._run(self._connection.shutdown):
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the peer has not closed its side")

    def pending(self) -> int:
        """Return how many octets can be read, or that there may be some in what was not decrypted yet."""
        return self._connection.pending() or _waiting(self._into_openssl)

    def _run(self, step: Callable[..., Any], *arguments: Any) -> Any:
        incoming = self._incoming
        while True:
            # OpenSSL gets no more than it needs: what the reader leaves must stay where its flow control sees it.
            if incoming.pending and _waiting(self._into_openssl) < PIECE:
                self._connection.bio_write(incoming.read(PIECE))
            if incoming.eof:
                self._connection.bio_shutdown()
            try:
                return step(*arguments)
            except SSL.WantReadError as error:
                if not incoming.pending:
                    raise self._translated(error) from None
            except SSL.Error as error:
                raise self._translated(error) from None
            finally:
                if waiting := _waiting(self._from_openssl):
                    self._outgoing.write(self._connection.bio_read(waiting))

    def _translated(self, error: SSL.Error) -> ssl.SSLError | Exception:
        match error:
            case SSL.WantReadError():
                return ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
            case SSL.WantWriteError():
                return ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "The operation did not complete (write)")
            case SSL.ZeroReturnError():
                return ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)")
            case SSL.SysCallError():
                return _error(ssl.SSLEOFError, ssl.SSL_ERROR_EOF, "UNEXPECTED_EOF_WHILE_READING")
        if self._problem is not None:
            return self._problem
        reason = _reason(error)
        if reason == "CERTIFICATE_VERIFY_FAILED":
            refusal = self._refusal or Refusal(_lib.SSL_get_verify_result(self._connection._ssl))
            text = refusal.text or TEXTS.get(refusal.code) or _text(refusal.code)
            failed = _error(
                ssl.SSLCertVerificationError, ssl.SSL_ERROR_SSL, reason, f"certificate verify failed: {text}"
            )
            assert isinstance(failed, ssl.SSLCertVerificationError)
            failed.verify_code, failed.verify_message = refusal.code, text
            failed.verify_depth = self._depth  # type: ignore[attr-defined]  # where in the chain: Python tells it not
            return failed
        return _error(ssl.SSLError, ssl.SSL_ERROR_SSL, reason)

    # ---- the judgement

    def _judged(self, certificate: crypto.X509, error: int, depth: int) -> Refusal | None:
        try:
            found = certificate.to_cryptography()
        except UNREADABLE:
            return Refusal(error or policies.REJECTED)
        return self._context.policy.decide(found, error, depth, self._names)

    # ---- what is known of the peer

    def getpeercert(self, binary_form: bool = False) -> Any:
        """Return the peer's certificate in DER, None without one; in Python's form of a dictionary nothing is told."""
        if not binary_form:
            return {}
        certificate = self._connection.get_peer_certificate()
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) if certificate is not None else None

    def get_unverified_chain(self) -> list[bytes]:
        """Return what the peer sent, in DER, its own certificate first."""
        sent = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        chain = [one.public_bytes(Encoding.DER) for one in sent]
        own = self.getpeercert(binary_form=True)
        return [own, *chain] if self._context.setup.server and own is not None and own not in chain else chain

    def version(self) -> str | None:
        """Return ``TLSv1.3`` and the like, None before the first flight was answered."""
        return self._connection.get_protocol_version_name() if self._connection.get_cipher_name() else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Return the cipher's name, the version that defined it and the bits of its key."""
        name = self._connection.get_cipher_name()
        return (
            (name, self._connection.get_cipher_version() or "", self._connection.get_cipher_bits() or 0)
            if name
            else None
        )

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol that was agreed on by ALPN."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "replace") or None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Return the first Finished message of the handshake (RFC 5929, section 3)."""
        if cb_type != "tls-unique":
            raise ValueError(f"{cb_type} channel binding type not implemented")
        server = self._context.setup.server
        return self._connection.get_peer_finished() if server else self._connection.get_finished()

    def compression(self) -> None:
        """Return None: there is no compression."""

    @property
    def server_side(self) -> bool:
        """Whether this is the server."""
        return self._context.setup.server

    @property
    def server_hostname(self) -> str | None:
        """The name that a client connects to."""
        return self._server_hostname

    @property
    def context(self) -> JudgedContext:  # type: ignore[override]  # read-only: a connection keeps its judge
        """The context that it was made by."""
        return self._context


_sessions: WeakValueDictionary[Any, JudgedObject] = WeakValueDictionary()
"""Connections by OpenSSL's pointer, with which it asks about a certificate."""


@_ffi.callback("int (*)(int, X509_STORE_CTX *)")  # type: ignore[untyped-decorator]  # cffi has no types
def _verify(ok: int, verification: Any) -> int:
    """Called by OpenSSL: the answer is whether to go on, the error left behind becomes the alert."""
    session = _sessions[_lib.X509_STORE_CTX_get_ex_data(verification, _lib.SSL_get_ex_data_X509_STORE_CTX_idx())]
    if not session._context.policy.verify or not session._context.setup.asks:
        _lib.X509_STORE_CTX_set_error(verification, policies.OK)
        return 1
    error = 0 if ok else _lib.X509_STORE_CTX_get_error(verification)
    depth = _lib.X509_STORE_CTX_get_error_depth(verification)
    pointer = _lib.X509_STORE_CTX_get_current_cert(verification)
    _lib.X509_up_ref(pointer)
    try:
        refusal = session._judged(crypto.X509._from_raw_x509_ptr(pointer), error, depth)
    except Exception as problem:
        session._problem, refusal = problem, Refusal(policies.REJECTED)
    session._refusal, session._depth = refusal, depth
    _lib.X509_STORE_CTX_set_error(verification, refusal.code if refusal else policies.OK)
    return 0 if refusal else 1


def _waiting(bio: Any) -> int:
    count: int = _lib.BIO_get_mem_data(bio, _data)
    return count


_data: Any = _ffi.new("char **")


def _text(code: int) -> str:
    text: str = _ffi.string(_lib.X509_verify_cert_error_string(code)).decode()
    return text


_ALERT = re.compile("^(ssl/)?tls alert")
"""How OpenSSL 3.2 and later begin the texts of the alerts that SSL 3.0 has already."""


def _reason(error: SSL.Error) -> str:
    """Return what went wrong as Python's ``ssl`` calls it: OpenSSL's text, in the form of its symbol."""
    queue = error.args[0] if error.args else ()
    text = queue[-1][2] if queue else "unknown error"
    return _ALERT.sub("sslv3 alert", text).upper().replace(" ", "_")


def _error(kind: type[ssl.SSLError], number: int, reason: str, text: str = "") -> ssl.SSLError:
    error = kind(number, f"[SSL: {reason}] {text or reason.replace('_', ' ').lower()}")
    error.library, error.reason = "SSL", reason
    return error


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
