"""Timers and limits of the endpoints in SIP tests: the base values of RFC 3261, and wide bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edgesim.sip.framing import SipLimits
from edgesim.sip.transaction_events import Timers

TIMERS = Timers(t1=0.5, t2=4.0, t4=5.0)
LIMITS = SipLimits(message=32768, message_time=30.0, unread_time=30.0)


def limited(**bounds: Any) -> SipLimits:
    """Return limits with other bounds."""
    return replace(LIMITS, **bounds)
