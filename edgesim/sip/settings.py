"""What a deployment's defaults say of every endpoint: the base timers, and what one message may cost."""

from __future__ import annotations

from edgesim.deployment.defaults import SipDefaults
from edgesim.sip.framing import SipLimits
from edgesim.sip.transaction_events import Timers


def timers_of(sip: SipDefaults) -> Timers:
    """Return the base values from which the timers of transactions follow."""
    return Timers(t1=sip.t1_s, t2=sip.t2_s, t4=sip.t4_s)


def limits_of(sip: SipDefaults) -> SipLimits:
    """Return the bounds of a stream; a product replaces those that it has of its own."""
    return SipLimits(message=sip.max_message_bytes, message_time=sip.message_s, unread_time=sip.unread_s)
