"""Endpoint settings from a deployment's defaults: base timers and message limits."""

from __future__ import annotations

from edgesim.deployment.defaults import SipDefaults
from edgesim.sip.framing import SipLimits
from edgesim.sip.transaction_events import Timers


def timers_of(sip: SipDefaults) -> Timers:
    """Return the base timer values."""
    return Timers(t1=sip.t1_s, t2=sip.t2_s, t4=sip.t4_s)


def limits_of(sip: SipDefaults) -> SipLimits:
    """Return the bounds of a stream; products override those that differ."""
    return SipLimits(message=sip.max_message_bytes, message_time=sip.message_s, unread_time=sip.unread_s)
