"""Endpoint settings from a deployment's defaults: base timers and message limits."""

from __future__ import annotations

from collections.abc import Collection

from edgesim.deployment.defaults import SipDefaults
from edgesim.sip.answering import Answers
from edgesim.sip.framing import SipLimits
from edgesim.sip.proxy import Hop
from edgesim.sip.proxy_core import ProxyCore, Routing
from edgesim.sip.rewriting import Rewriter, as_received
from edgesim.sip.transaction_events import Timers
from edgesim.world import Entropy


def timers_of(sip: SipDefaults) -> Timers:
    """Return the base timer values."""
    return Timers(t1=sip.t1_s, t2=sip.t2_s, t4=sip.t4_s)


def limits_of(sip: SipDefaults) -> SipLimits:
    """Return the bounds of a stream; products override those that differ."""
    return SipLimits(message=sip.max_message_bytes, message_time=sip.message_s, unread_time=sip.unread_s)


def proxy_core_of(
    sip: SipDefaults,
    entropy: Entropy,
    own: Collection[str],
    routing: Routing,
    answers: Answers,
    *,
    lost_status: int,
    message_limits: SipLimits,
    warned_by: Hop | None = None,
) -> ProxyCore:
    """Return the proxy core of an Expressway: what E and C do alike."""
    return ProxyCore(
        entropy,
        own,
        routing,
        answers,
        write=Rewriter(sip.header_order, sip.headers_apart) if sip.forwarding == "rewritten" else as_received,
        warnings=sip.warnings,
        warned_by=warned_by,
        lost_status=lost_status,
        tags_calls=sip.tags_calls,
        lifetime=sip.timer_c_s,
        message_limits=message_limits,
        window=sip.client_window,
    )
