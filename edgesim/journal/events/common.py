"""What any server reports, whatever its protocol."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.journal.events.base import Event, kind


@kind("malformed")
@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed(Event):
    """Input that broke its protocol's rules: which protocol, what was wrong, what was answered."""

    protocol: str
    reason: str
    answer: str

    def summary(self) -> str:
        return f"malformed {self.protocol}: {self.reason}; {self.answer}"


@kind("auth")
@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication(Event):
    """A server checked credentials: ``how`` is ``basic``, ``digest``, ``cookie``, ``bearer``, ``sasl`` ..."""

    user: str
    how: str
    granted: bool
    detail: str = ""

    def summary(self) -> str:
        verdict = "granted" if self.granted else "refused"
        return f"{self.how} authentication of {self.user}: {verdict} {self.detail}".rstrip()


@kind("note")
@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """A line worth keeping that fits nowhere else, e.g. a product's own log line."""

    text: str

    def summary(self) -> str:
        return self.text
