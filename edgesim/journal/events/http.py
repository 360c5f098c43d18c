"""HTTP: written by the receiver of each message."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, Headers, kind


@kind("http.request")
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest(Event):
    """An HTTP request as the server received it. ``url`` is the decoded target where the edge wraps one."""

    method: str
    target: str
    headers: Headers
    decoded: str | None = None

    def summary(self) -> str:
        return f"{self.method} {self.decoded or self.target}"


@kind("http.response")
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse(Event):
    """An HTTP response as the client received it, with the method and target of its request."""

    status: int
    reason: str
    headers: Headers
    method: str
    target: str

    def summary(self) -> str:
        tail = self.target.partition("?")[0].rpartition("/")[2]
        return f"{f'{self.status} {self.reason}'.rstrip()} ({self.method} {tail or '/'})"
