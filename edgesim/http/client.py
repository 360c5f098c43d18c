"""An HTTP/1.1 client: a pool of persistent connections, one exchange at a time on each."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edgesim.http.ends import peer_of
from edgesim.http.errors import HttpError, HttpReset, HttpTimedOut, HttpTooSlow, MalformedHttp, from_os_error
from edgesim.http.journalling import marked, merged, request_event, request_keys, response_event, response_keys
from edgesim.http.limits import DEFAULT_LIMITS, HttpLimits
from edgesim.http.message import Address, Headers, Items, Request, Response
from edgesim.http.wire import Incoming, Reader
from edgesim.http.writing import encode_request
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key
from edgesim.journal.suspects import suspected

_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]\s]+)(?::([0-9]{1,5}))?([/?][^#\s]*)?(?:#.*)?", re.IGNORECASE
)
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class Connect(Protocol):
    """Opens a connection, e.g. through a tunnel: ``tls`` and ``server_name`` are None for plain HTTP.

    Returns the transport and the protocol that ``factory`` made; raises `OSError`.
    """

    async def __call__(
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        server_name: str | None,
    ) -> tuple[Any, asyncio.BaseProtocol]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An absolute http or https URL in parts; ``host`` without brackets, ``target`` as written."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of ``Host``: with the port unless it is the scheme's default (RFC 9110, section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


_PORTS = {"http": 80, "https": 443}


def parse_url(url: str) -> Url:
    """Parse an absolute URL, leaving its path and query unchanged. Raises `ValueError`."""
    match = _URL.fullmatch(url)
    if match is None or not url.isascii():
        raise ValueError(f"not an absolute http or https URL: {url!r}")
    scheme, host, port, target = match[1].lower(), match[2].strip("[]"), match[3], match[4] or "/"
    number = int(port) if port else _PORTS[scheme]
    if not 0 < number < 65536:
        raise ValueError(f"no such port: {url!r}")
    return Url(scheme=scheme, host=host, port=number, target=target if target[0] == "/" else "/" + target)


async def direct(
    factory: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None,
    server_name: str | None,
) -> tuple[Any, asyncio.BaseProtocol]:
    """Connect by TCP, with TLS if ``tls`` is given; the running host resolves names."""
    loop = asyncio.get_running_loop()
    return await loop.create_connection(factory, host, port, ssl=tls, server_hostname=server_name)


class HttpClient:
    """Sends requests of the running host and journals the responses.

    ``ssl`` is the context for https; ``connect`` replaces how connections are opened. Idle connections are kept for
    ``limits.idle`` seconds, in one pool per scheme, host and port.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        ssl: ssl.SSLContext | None = None,
        limits: HttpLimits = DEFAULT_LIMITS,
        connect: Connect | None = None,
    ) -> None:
        self.recorder = recorder
        self.limits = limits
        self._tls = ssl
        self._connect: Connect = connect or direct
        self._idle: dict[tuple[str, str, int, str], dict[_Connection, None]] = {}
        self._open: dict[_Connection, None] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers | Items = (),
        body: bytes = b"",
        timeout: float | None,
        keys: Sequence[Key] = (),
        address: str | None = None,
        absolute: str = "",
        server_name: str | None = None,
    ) -> Response:
        """Send a request and return its response, whatever its status; redirects are not followed.

        Headers are sent as given, after ``Host`` unless they contain it; ``Content-Length`` is appended if a body needs
        it. ``timeout`` (seconds of lab time) covers connecting, sending and receiving. ``keys`` correlate the journal
        entries. ``address`` is dialled instead of the URL's host, ``server_name`` is the TLS server name instead of it.
        ``absolute`` (scheme and authority) precedes the target in the request line, as towards a proxy. An idempotent
        request is sent once more if a persistent connection closed before its response began (RFC 9110, section 9.2.2).
        Raises `HttpError` (its subclasses say what failed) and `ValueError` for a URL or header that cannot be sent.
        """
        where = parse_url(url)
        request = Request(
            method=method, target=absolute + where.target, headers=_framed(method, where, headers, body), body=body
        )
        octets = encode_request(request)
        used: list[_Connection] = []
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(where, request, octets, tuple(keys), address, server_name, used)
        except TimeoutError:
            if any(connection.answered for connection in used):
                raise HttpTooSlow(f"{where.authority}: no complete response within {timeout:g} s") from None
            raise HttpTimedOut(f"{where.authority}: no response within {timeout:g} s") from None

    async def close(self) -> None:
        """Close every connection; pending exchanges fail with `HttpReset`."""
        for connection in tuple(self._open):
            connection.close()
        self._idle.clear()

    async def _exchange(
        self,
        where: Url,
        request: Request,
        octets: bytes,
        keys: tuple[Key, ...],
        address: str | None,
        server_name: str | None,
        used: list[_Connection],
    ) -> Response:
        """Send and receive; the connections used are added to ``used``."""
        name = where.host if server_name is None else server_name
        pool = (where.scheme, address or where.host, where.port, name)
        connection = self._kept(pool)
        if connection is not None:
            used.append(connection)
            try:
                return await self._on(connection, pool, request, octets, keys)
            except HttpReset:
                if connection.answered or request.method not in _SAFE_TO_REPEAT:
                    raise
        connection = await self._dial(where, address, name)
        used[:] = [connection]
        return await self._on(connection, pool, request, octets, keys)

    async def _dial(self, where: Url, address: str | None, name: str) -> _Connection:
        tls = self._tls if where.scheme == "https" else None
        if where.scheme == "https" and tls is None:
            raise ValueError("an https URL, but the client has no TLS context")
        dialled = address or where.host
        try:
            _, protocol = await self._connect(
                lambda: _Connection(self), dialled, where.port, tls=tls, server_name=name if tls else None
            )
        except (OSError, ssl.SSLError) as error:
            raise from_os_error(error, where.authority) from error
        assert isinstance(protocol, _Connection)
        protocol.peer = protocol.peer or (dialled, where.port)
        return protocol

    def _kept(self, pool: tuple[str, str, int, str]) -> _Connection | None:
        kept = self._idle.get(pool, {})
        while kept:
            connection, _ = kept.popitem()
            if connection.usable:
                connection.taken()
                return connection
        return None

    def _forget(self, connection: _Connection) -> None:
        self._open.pop(connection, None)
        for pool, kept in tuple(self._idle.items()):
            kept.pop(connection, None)
            if not kept:
                del self._idle[pool]

    async def _on(
        self,
        connection: _Connection,
        pool: tuple[str, str, int, str],
        request: Request,
        octets: bytes,
        keys: tuple[Key, ...],
    ) -> Response:
        keys = merged(request_keys(request, self.recorder.session_cookie), keys)
        if not self.recorder.is_lab(connection.peer):
            head = octets[: len(octets) - len(request.body)] if "Transfer-Encoding" not in request.headers else octets
            payload, secrets = marked(self.recorder, head, octets[len(head) :])
            self.recorder.sent(
                request_event(request),
                peer=connection.peer,
                payload=payload,
                keys=keys,
                secrets=secrets,
            )
        try:
            incoming = await connection.exchange(request.method, octets)
        except MalformedHttp as error:
            remains = connection.remains
            self.recorder.received(
                events.Malformed(protocol="http", reason=error.reason, answer="closed"),
                peer=connection.peer,
                payload=remains,
                keys=keys,
                secrets=suspected(remains),
            )
            connection.abort()
            raise
        except BaseException:
            connection.abort()
            raise
        response = _response(incoming)
        payload, secrets = marked(self.recorder, response.raw, response.body)
        self.recorder.received(
            response_event(response, request),
            peer=connection.peer,
            payload=payload,
            keys=merged(keys, response_keys(response.headers, self.recorder.session_cookie)),
            secrets=secrets,
        )
        if incoming.keep_alive and self.limits.keep_alive and "close" not in request.headers.tokens("Connection"):
            connection.rest(self.limits.idle)
            self._idle.setdefault(pool, {})[connection] = None
        else:
            connection.close()
        return response


def _framed(method: str, where: Url, headers: Headers | Items, body: bytes) -> Headers:
    given = headers if isinstance(headers, Headers) else Headers(headers)
    if "Host" not in given:
        given = Headers((("Host", where.authority), *given))
    if "Content-Length" not in given and "Transfer-Encoding" not in given and (body or method in ("POST", "PUT")):
        given = given.added("Content-Length", str(len(body)))
    return given


def _response(incoming: Incoming) -> Response:
    start = incoming.start
    return Response(
        status=start.status,
        reason=start.reason,
        headers=incoming.headers,
        body=incoming.body,
        version=start.version,
        raw=incoming.head,
    )


class _Connection(asyncio.Protocol):
    """The client's end of one connection; also usable as the session of an SSH channel."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._reader = Reader(client.limits, client=True)
        self._transport: Any = None
        self._waiter: asyncio.Future[Incoming] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lost = False
        self.peer: Address | None = None
        self.answered = False

    @property
    def usable(self) -> bool:
        return not self._lost and not self._transport.is_closing()

    @property
    def remains(self) -> bytes:
        return self._reader.remains()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._client._open[self] = None
        self.peer = peer_of(transport)

    def session_started(self) -> None:
        """An SSH channel is open; the request follows."""

    async def exchange(self, method: str, octets: bytes) -> Incoming:
        self._reader.expect(method)
        self.answered = False
        if self._lost:
            raise HttpReset(f"{self._where}: closed before the request")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._write(octets)
            return await self._waiter
        finally:
            self._waiter = None

    def _write(self, octets: bytes) -> None:
        try:
            self._transport.write(octets)
        except OSError as error:  # a channel of an SSH tunnel that its peer has closed, not yet reported
            raise from_os_error(error, self._where) from error

    def data_received(self, data: bytes, datatype: object = None) -> None:
        if self._waiter is None or self._waiter.done():
            self.abort()  # unsolicited: it must not answer the next request
            return
        self.answered = True
        self._reader.feed(data)
        self._advance(self._waiter)

    def eof_received(self) -> bool:
        self._reader.end()
        if self._waiter is not None and not self._waiter.done() and self._reader.started:
            self._advance(self._waiter)
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lost = True
        self._stop_timer()
        self._client._forget(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(from_os_error(exc, self._where))

    def pause_writing(self) -> None:
        """Ignore: a request is written as a whole."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def rest(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def taken(self) -> None:
        self._stop_timer()

    def close(self) -> None:
        self._stop_timer()
        self._transport.close()

    def abort(self) -> None:
        self._stop_timer()
        self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _advance(self, waiter: asyncio.Future[Incoming]) -> None:
        try:
            message = self._reader.next()
        except MalformedHttp as error:
            if self._reader.ended:
                waiter.set_exception(HttpReset(f"{self._where}: closed in the middle of the response"))
            else:
                waiter.set_exception(error)
            return
        if message is not None:
            if self._reader.buffered:
                waiter.set_exception(MalformedHttp("more octets than the response has"))
            else:
                waiter.set_result(message)

    @property
    def _where(self) -> str:
        return f"{self.peer[0]}:{self.peer[1]}" if self.peer else "peer"


__all__ = ["Connect", "HttpClient", "HttpError", "Url", "direct", "parse_url"]
