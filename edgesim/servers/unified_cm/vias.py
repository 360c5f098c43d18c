"""Via in Unified CM's answers: all values in one line, ``rport`` left as it came.

Captured in its answers to Expressway-C ("Troubleshoot Most Common Issues of Collaboration Edge", Cisco 118798): no
``received`` either where it would repeat the address that stands there already.
"""

from __future__ import annotations

from edgesim.sip.message import Request
from edgesim.sip.values import split


def note_source(request: Request, address: str) -> None:
    """Note in the top Via the address that a request came from, where the Via says another (RFC 3261, 18.2.1)."""
    via = request.top_via
    if via.host == address:
        return
    first, *others = split(request.get("Via") or "", ",")
    head, *parameters = split(first.strip(), ";")
    kept = [each for each in parameters if each.partition("=")[0].strip().lower() != "received"]
    request.replace("Via", ",".join([";".join([head, *kept, f"received={address}"]), *others]))


def joined(request: Request) -> tuple[str, str]:
    """Return the Via of an answer: the values of all lines in one."""
    return ("Via", ",".join(request.values("Via")))
