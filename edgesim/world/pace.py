"""When one stream is read, and how long its peer may keep us waiting: flow control and time bounds, without the octets.

A stream is *held* while there is a reason not to read it: its peer does not read what was sent to it, too many of
its requests await answers, or the connection that they go on by is congested. Held streams are not read, so TCP slows
the sender; no other connection waits for it. Released streams go on in the order of waiting, a few messages a turn:
many senders share one connection fairly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

TURN = "turn"
"""Held for the rest of this turn of the loop: others come first."""
UNREAD = "unread"
"""Held because the peer does not read what it was sent."""
RATE = "rate"
"""Held because the peer sends faster than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceLimits:
    """Bounds of one stream: octets that may wait for the peer before it counts as congested, and seconds.

    ``message_time`` is from the first octet of a message to its last, ``unread_time`` how long a peer may stay
    congested. A peer may send ``rate`` octets a second (None: no limit), and ``burst`` of them at once; each message
    counts ``each`` octets more.
    """

    congested: int
    message_time: float
    unread_time: float
    rate: float | None = None
    burst: int = 0
    each: int = 1024


class Pace:
    """The pace of one stream. ``go_on`` handles what has been received; ``end`` gets the reason when a time limit is
    reached.

    ``idle`` is how long, in seconds, the peer may send nothing; None: any time. It may be changed. All other bounds are
    those of the limits.
    """

    def __init__(
        self,
        limits: PaceLimits,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        *,
        go_on: Callable[[], None],
        end: Callable[[str], None],
    ) -> None:
        self.limits = limits
        self.idle: float | None = None
        self.congested = False
        """Whether more waits for the peer than should."""
        self._loop = loop
        self._context = context
        self._take = go_on
        self._end = end
        self._wire: asyncio.Transport | None = None
        self._holds: dict[object, None] = {}
        self._paused = False
        self._soon = False
        self._followers: dict[Pace, None] = {}
        self._heard = 0.0
        self._begun: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._stall: asyncio.TimerHandle | None = None
        self._credit = float(limits.burst)
        self._counted = loop.time()
        self._waits: asyncio.TimerHandle | None = None

    @property
    def held(self) -> bool:
        """Whether there is a reason not to read."""
        return bool(self._holds)

    # ---- life

    def start(self, wire: asyncio.Transport) -> None:
        """Start the timers: the connection is up, or continues over another transport."""
        self._wire = wire
        wire.set_write_buffer_limits(high=self.limits.congested)
        self._heard = self._loop.time()
        self._arm()

    def closing(self) -> None:
        """Give the peer a while to take what was written, then drop it."""
        self._stop(self._timer)
        self._timer = None
        self._arm_stall()

    def stop(self) -> None:
        """The connection is gone: nothing waits for it any more."""
        self._wire = None
        self._stop(self._timer)
        self._stop(self._stall)
        self._stop(self._waits)
        self._timer = self._stall = self._waits = None
        self._holds.clear()
        self.congested = False
        self._let_go()

    # ---- reading

    def hold(self, why: object) -> None:
        """Read no further until `release` for the same reason."""
        self._holds[why] = None
        if self._wire is not None and not self._paused:
            self._paused = True
            self._wire.pause_reading()

    def release(self, why: object) -> None:
        """Remove a reason; when none is left, reading resumes soon."""
        if self._holds.pop(why, 0) is None and not self._holds:
            self._later()

    def follow(self, way: Pace) -> None:
        """Wait until the connection that this stream's messages go on by has room, if it has none."""
        if way.congested and way is not self:
            way._followers[self] = None
            self.hold(way)

    def turn_over(self) -> None:
        """Let others have their turn before more is taken."""
        self.hold(TURN)
        self._later()

    def spend(self, octets: int, messages: int = 0) -> None:
        """Count what the peer sent; where that is more than its rate allows, it is not read until it would be within.

        So who sends much pays with its own time: the share of the others stays.
        """
        limits = self.limits
        if limits.rate is None:
            return
        now = self._loop.time()
        credit = min(float(limits.burst), self._credit + (now - self._counted) * limits.rate)
        self._credit = credit - octets - messages * limits.each
        self._counted = now
        # Less than an octet is not a debt: a clock that rounds would leave some indefinitely.
        if self._credit <= -1.0 and self._waits is None:
            self.hold(RATE)
            self._waits = self._loop.call_later(-self._credit / limits.rate, self._paid, context=self._context)

    def _paid(self) -> None:
        self._waits = None
        self.release(RATE)

    def took(self, frames: int, *, partial: bool) -> None:
        """Record that ``frames`` complete messages were handled, and whether part of the next one is there."""
        now = self._loop.time()
        if frames:
            self._heard = now
        if not partial:
            self._begun = None
        elif frames or self._begun is None:
            self._begun = now
        self._arm()

    def _later(self) -> None:
        if not self._soon and self._wire is not None:
            self._soon = True
            self._loop.call_soon(self._go_on, context=self._context)

    def _go_on(self) -> None:
        self._soon = False
        self._holds.pop(TURN, None)
        if self._wire is None or self._holds:
            return
        self._begun = None  # time that it was held is not the peer's
        self._take()
        if self._paused and not self._holds and self._wire is not None:
            self._paused = False
            self._wire.resume_reading()

    # ---- writing

    def pause_writing(self, *, shared: bool) -> None:
        """Handle congestion: the peer has some time to catch up, and is not read meanwhile unless it carries many
        clients.
        """
        self.congested = True
        self._arm_stall()
        if not shared:
            self.hold(UNREAD)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.congested = False
        self._stop(self._stall)
        self._stall = None
        self.release(UNREAD)
        self._let_go()

    def _let_go(self) -> None:
        followers, self._followers = self._followers, {}
        for each in followers:
            each.release(self)

    # ---- time

    def _arm_stall(self) -> None:
        if self._stall is None:
            self._stall = self._loop.call_later(self.limits.unread_time, self._stalled, context=self._context)

    def _stalled(self) -> None:
        self._stall = None
        self._end("unread")

    def _due(self) -> tuple[float, str] | None:
        if self._holds:
            return None
        found: tuple[float, str] | None = None
        if self.idle is not None:
            found = self._heard + self.idle, "idle"
        if self._begun is not None and (found is None or self._begun + self.limits.message_time < found[0]):
            found = self._begun + self.limits.message_time, "message"
        return found

    def _arm(self) -> None:
        due = self._due()
        if due is None or self._wire is None or (self._timer is not None and self._timer_at <= due[0]):
            return
        self._stop(self._timer)
        self._timer_at = due[0]
        self._timer = self._loop.call_at(due[0], self._check, context=self._context)

    def _check(self) -> None:
        self._timer = None
        due = self._due()
        if due is not None and due[0] <= max(self._loop.time(), self._timer_at):
            self._end(due[1])
        else:
            self._arm()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
