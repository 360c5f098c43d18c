"""TLS over any transport of either world: asyncio's own protocol with six changes.

* 16 KiB of buffer a side in place of 256 KiB: a lab has hundreds of connections and hardly a long message.
* A failed handshake sends its alert before the connection closes, as products do; asyncio drops it.
* An application that pauses reading gets no more than one piece of what was decrypted already.
* Handshakes that end, well or badly, are told to the world, so that the journal shows them for every library.
* A transport may be closed more than once; asyncio's raises from its methods after the second time, and cannot abort.
* What is written to a connection that is over is dropped in silence; asyncio complains of it on standard error.

The methods with a leading underscore belong to `asyncio.sslproto`; they are the same in Python 3.11 to 3.13.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from cryptography import x509

from edgesim.world.api import _running
from edgesim.world.events import Address, TlsEstablished, TlsFailed, WorldEvent

TlsObserver = Callable[["TlsProtocol", BaseException | None], None]
TlsTap = Callable[["TlsProtocol", bytes], bytes | None]


_Base: Any = sslproto.SSLProtocol
_BaseTransport: Any = sslproto._SSLProtocolTransport
_WRAPPED = sslproto.SSLProtocolState.WRAPPED
_OVER = (
    sslproto.SSLProtocolState.FLUSHING,
    sslproto.SSLProtocolState.SHUTDOWN,
    sslproto.SSLProtocolState.UNWRAPPED,
)
PIECE = 64 * 1024
"""Decrypted octets after which an application may say that it has enough for now."""


class TlsTransport(_BaseTransport):  # type: ignore[misc]  # the same
    """What the application writes to."""

    def close(self) -> None:
        """Close once what was written is on its way. Whoever closes late finds it closed already, by the peer or us."""
        if not self._closed:
            super().close()


class TlsProtocol(_Base):  # type: ignore[misc]  # asyncio's protocol is typed for callers, not for those who derive from it
    """One side of a TLS connection; the application's protocol sits on top."""

    max_size = 16 * 1024
    observer: TlsObserver | None = None
    tap: TlsTap | None = None
    """Sees (and may change or drop) what was decrypted, just before the application does."""
    made: Callable[[TlsProtocol, Any], bool] | None = None
    """Asked when the connection below is there; false means that it must not go on."""
    lost: Callable[[TlsProtocol, BaseException | None], None] | None = None
    connection = ""
    _told = False

    def _get_app_transport(self) -> Any:
        if self._app_transport is None and not self._app_transport_created:
            self._app_transport: Any = TlsTransport(self._loop, self)
            self._app_transport_created: bool = True
        return super()._get_app_transport()

    def connection_made(self, transport: Any) -> None:
        if self.made is not None and not self.made(self, transport):
            return
        super().connection_made(transport)

    def _on_handshake_complete(self, handshake_exc: BaseException | type[BaseException] | None) -> None:
        if handshake_exc is None:
            self._tell(None)
            super()._on_handshake_complete(None)
            return
        error = handshake_exc() if isinstance(handshake_exc, type) else handshake_exc
        timer: asyncio.TimerHandle | None = self._handshake_timeout_handle
        if timer is not None:
            timer.cancel()
        self._tell(error)
        self._process_outgoing()  # the alert
        self._set_state(sslproto.SSLProtocolState.UNWRAPPED)
        if self._transport is not None:
            self._transport.close()
        self._wakeup_waiter(error)

    # ---- the usual case of each of these, in fewer steps; asyncio's own do the rest

    def get_data(self, data: bytes) -> None:
        """Take encrypted octets; the same as `get_buffer` and `buffer_updated`, without the copy in between."""
        self._incoming.write(data)
        if self._state is _WRAPPED:
            self._do_read()
        else:
            super().buffer_updated(0)

    def buffer_updated(self, nbytes: int) -> None:
        self.get_data(self._ssl_buffer_view[:nbytes])

    def _do_read(self) -> None:
        if self._state is not _WRAPPED or self._app_reading_paused or self._app_protocol_is_buffer:
            super()._do_read()
            return
        try:
            self._do_read__copied()
            if self._write_backlog:
                self._do_write()
            elif self._outgoing.pending:
                self._process_outgoing()
            if self._ssl_reading_paused or self._incoming.pending:
                self._control_ssl_reading()
        except Exception as error:
            self._fatal_error(error, "Fatal error on SSL protocol")

    def _write_appdata(self, list_of_data: Any) -> None:
        if self._state in _OVER:
            return
        usual = self._state is _WRAPPED and not self._write_backlog and not self._ssl_writing_paused
        if not usual or type(list_of_data) is not tuple or len(list_of_data) != 1:
            super()._write_appdata(list_of_data)
            return
        data = list_of_data[0]
        try:
            written = self._sslobj.write(data)
            self._transport.write(self._outgoing.read())
        except ssl.SSLWantReadError:
            written = 0
        except Exception as error:
            self._fatal_error(error, "Fatal error on SSL protocol")
            return
        if written < len(data):
            super()._write_appdata((data[written:],))

    # ---- ends

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._state == sslproto.SSLProtocolState.DO_HANDSHAKE:
            exc = exc or ConnectionResetError("connection closed during the TLS handshake")
            self._tell(exc)
        if self.lost is not None:
            self.lost(self, exc)
        super().connection_lost(exc)

    def _abort(self, exc: BaseException | None = None) -> None:
        self._set_state(sslproto.SSLProtocolState.UNWRAPPED)
        _force_close(self._transport, exc)

    def _check_shutdown_timeout(self) -> None:
        if self._state in (sslproto.SSLProtocolState.FLUSHING, sslproto.SSLProtocolState.SHUTDOWN):
            _force_close(self._transport, TimeoutError("TLS shutdown timed out"))

    def _check_handshake_timeout(self) -> None:
        if self._state == sslproto.SSLProtocolState.DO_HANDSHAKE:
            error = ConnectionAbortedError(f"no end of the TLS handshake within {self._ssl_handshake_timeout} s")
            self._tell(error)
            self._wakeup_waiter(error)
            self._abort(error)

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        if isinstance(exc, ssl.SSLError):
            if self._state is not sslproto.SSLProtocolState.SHUTDOWN:
                # Once both sides are closing, data that crossed our close_notify is no matter of the handshake.
                self._tell(exc, late=True)
            self._process_outgoing()  # an alert, if OpenSSL made one
        _force_close(self._transport, exc)
        if not isinstance(exc, (OSError, asyncio.CancelledError)):
            self._loop.call_exception_handler(
                {"message": message, "exception": exc, "transport": self._transport, "protocol": self}
            )

    def _do_read__copied(self) -> None:
        closed, more = False, True
        session, incoming = self._sslobj, self._incoming
        while more and not self._app_reading_paused:
            parts: list[bytes] = []
            closed = more = False
            size = 0
            try:
                while True:
                    chunk = session.read(self.max_size)
                    if not chunk:
                        closed = True
                        break
                    parts.append(chunk)
                    if not incoming.pending and not session.pending():
                        break  # else OpenSSL would say so by an exception
                    size += len(chunk)
                    if size >= PIECE:
                        more = True  # unless the application has enough with this
                        break
            except (ssl.SSLWantReadError, ssl.SSLSyscallError):
                pass
            if parts:
                data: bytes | None = parts[0] if len(parts) == 1 else b"".join(parts)
                if self.tap is not None and data is not None:
                    data = self.tap(self, data)
                if data:
                    self._app_protocol.data_received(data)
                if self._state is sslproto.SSLProtocolState.UNWRAPPED:
                    return
        if closed:
            self._call_eof_received()
            self._start_shutdown()

    def _tell(self, error: BaseException | None, *, late: bool = False) -> None:
        """Tell the world how the handshake ended, once; ``late`` errors come after a handshake that seemed fine."""
        if self.observer is not None and (not self._told or late):
            self._told = True
            self.observer(self, error)

    @property
    def role(self) -> str:
        """``client`` or ``server``."""
        return "server" if self._server_side else "client"

    @property
    def wire(self) -> Any:
        """The transport below, or None once the connection is lost."""
        return self._transport

    @property
    def session(self) -> ssl.SSLObject:
        """OpenSSL's view of the connection."""
        session: ssl.SSLObject = self._sslobj
        return session

    @property
    def wanted_name(self) -> str | None:
        """The server name that this client asked for."""
        name: str | None = self._server_hostname
        return name


def _force_close(transport: Any, exc: BaseException | None) -> None:
    if transport is None:
        return
    close = getattr(transport, "_force_close", None)
    if close is None:  # uvloop's transports have only the public form
        transport.abort()
    else:
        close(exc)


@runtime_checkable
class Dated(Protocol):
    """A context that judges dates by a clock given: that of the host which runs the handshake."""

    def dated_by(self, clock: Callable[[], datetime]) -> ssl.SSLContext: ...


class TlsLoop:
    """What both event loops do about TLS: make its protocol, and tell the world through the loop's two hooks."""

    tls_observer: TlsObserver
    tls_tap: TlsTap

    def _tls(
        self,
        protocol: Any,
        context: ssl.SSLContext,
        waiter: asyncio.Future[None] | None,
        *,
        server_side: bool,
        name: str | None = None,
        handshake_timeout: float | None = None,
        shutdown_timeout: float | None = None,
        call_connection_made: bool = True,
    ) -> TlsProtocol:
        life = _running.get(None)
        if life is not None and isinstance(context, Dated):
            context = context.dated_by(life.host.clock.utc)
        tls = TlsProtocol(
            self,
            protocol,
            context,
            waiter,
            server_side,
            name,
            call_connection_made=call_connection_made,
            ssl_handshake_timeout=handshake_timeout,
            ssl_shutdown_timeout=shutdown_timeout,
        )
        tls.observer = self.tls_observer
        tls.tap = self.tls_tap
        return tls


@lru_cache(maxsize=512)
def certificate_names(der: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the subject's common name and the subject alternative names of a DER certificate."""
    certificate = x509.load_der_x509_certificate(der)
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    subject = str(common[0].value) if common else certificate.subject.rfc4514_string()
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return subject, ()
    names = [str(getattr(name, "value", name)) for name in san if isinstance(name, (x509.DNSName, x509.IPAddress))]
    return subject, tuple(names)


def tls_event(
    tls: TlsProtocol,
    error: BaseException | None,
    at_ns: int,
    host: str,
    connection: str,
    local: Address,
    remote: Address,
) -> WorldEvent:
    """Return what observers are told about the end of a handshake."""
    place: dict[str, Any] = {"at_ns": at_ns, "host": host, "connection": connection, "local": local, "remote": remote}
    if error is not None:
        return TlsFailed(**place, role=tls.role, reason=reason_of(error), alert=alert_of(error))
    der = tls.session.getpeercert(True)
    subject, names = certificate_names(der) if der else (None, ())
    cipher = tls.session.cipher()
    return TlsEstablished(
        **place,
        role=tls.role,
        version=tls.session.version() or "TLS",
        cipher=cipher[0] if cipher else "",
        server_name=tls.wanted_name,
        peer_subject=subject,
        peer_names=names,
    )


def alert_of(error: BaseException) -> str | None:
    """Return the alert that the peer sent, in the words of RFC 8446, section 6 (``unknown ca``), or None."""
    reason = getattr(error, "reason", None) or ""
    if "ALERT" not in reason:
        return None
    return reason.split("ALERT_", 1)[-1].replace("_", " ").lower()


def reason_of(error: BaseException) -> str:
    """Return in one line why a handshake failed on this side."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return str(error) or type(error).__name__
