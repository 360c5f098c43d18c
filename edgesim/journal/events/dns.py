"""DNS: written by the receiver of each message."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("dns.query")
@dataclass(frozen=True, slots=True, kw_only=True)
class DnsQuery(Event):
    """A DNS question, as the server received it."""

    name: str
    qtype: str
    transport: str

    def summary(self) -> str:
        return f"DNS {self.qtype}? {self.name}"


@kind("dns.answer")
@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer(Event):
    """A DNS answer, as the resolver received it; ``answers`` are the records' texts."""

    name: str
    qtype: str
    rcode: str
    answers: tuple[str, ...]
    truncated: bool
    transport: str

    def summary(self) -> str:
        return f"DNS {self.qtype} {self.name}: {self.reported()}"

    def reported(self) -> str:
        """Return the records without the type that was asked for, or the code where there are none."""
        return "; ".join(answer.removeprefix(f"{self.qtype} ") for answer in self.answers) or self.rcode


@kind("dns.failed")
@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFailed(Event):
    """A resolver gave up: no server gave an answer that could be used. ``reason`` is e.g. ``timed out``."""

    name: str
    qtype: str
    reason: str

    def summary(self) -> str:
        return f"DNS {self.qtype} {self.name} {self.reason}"
