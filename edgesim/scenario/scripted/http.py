"""HTTP by hand: a script answers each request that arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from edgesim.http import Headers, HttpServer
from edgesim.http import Request as HttpRequest
from edgesim.http import Response as HttpResponse
from edgesim.node import Node
from edgesim.scenario.expect import Expectations
from edgesim.scenario.scripted.inbox import Inbox

HeaderList = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class HttpArrival:
    """An HTTP request that a script received and has to answer."""

    request: HttpRequest
    _answer: asyncio.Future[HttpResponse] = field(repr=False)

    def answer(self, status: int, *, reason: str | None = None, headers: HeaderList = (), body: bytes = b"") -> None:
        """Answer it."""
        if not self._answer.done():
            self._answer.set_result(HttpResponse(status=status, reason=reason, headers=Headers(headers), body=body))


class ScriptedHttp:
    """An HTTP or HTTPS port of a scripted host."""

    def __init__(self, node: Node, owner: str, expectations: Expectations) -> None:
        self._node = node
        self.inbox: Inbox[HttpArrival] = Inbox(
            owner, expectations, lambda item: f"{item.request.method} {item.request.target}"
        )
        self.server = HttpServer(node.journal, self._handle, host=node.host)

    async def receive(self, method: str | None = None, target: str = "", *, within: float = 10.0) -> HttpArrival:
        """Return the next request, of a method and with ``target`` in its target. Raises `ExpectationError`."""

        def fits(item: HttpArrival) -> bool:
            return method in (None, item.request.method) and target in item.request.target

        return await self.inbox.next(f"{method or 'a request'}{f' for {target}' if target else ''}", fits, within)

    async def _handle(self, request: HttpRequest) -> HttpResponse:
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.inbox.put(HttpArrival(request, answer))
        return await answer

    async def close(self) -> None:
        """Close everything."""
        await self._node.host.run(self.server.close(), name="close HTTP")
