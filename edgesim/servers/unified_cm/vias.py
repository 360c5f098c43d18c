"""Via in Unified CM's answers: all values in one line, ``rport`` left as it came.

Captured in its answers to Expressway-C ("Troubleshoot Most Common Issues of Collaboration Edge", Cisco 118798): no
``received`` either where it would repeat the address that is there already.
"""

from __future__ import annotations

from edgesim.sip.message import Request
from edgesim.sip.text import split


def note_source(request: Request, address: str) -> None:
    """Note in the top Via the address that a request came from, where the Via says another (RFC 3261, 18.2.1)."""
    first, *others = split(request.get("Via") or "", ",")
    head, *parameters = split(first.strip(), ";")
    kept = [each for each in parameters if each.partition("=")[0].strip().lower() != "received"]
    if request.top_via.host != address:
        kept.append(f"received={address}")
    if kept != parameters:
        request.replace("Via", ",".join([";".join([head, *kept]), *others]))


def joined(request: Request) -> tuple[str, str]:
    """Return the Via of an answer: the values of all lines in one."""
    return ("Via", ",".join(request.values("Via")))


def fill_source(request: Request, source: tuple[str, int]) -> None:
    """Note in the top Via the address, and where ``rport`` asks the port, that a request came from (RFC 3581, 4).

    Whatever the sender wrote into either is dropped.
    """
    address, port = source
    first, *others = split(request.get("Via") or "", ",")
    head, *parameters = split(first, ";")
    kept: list[str] = []
    asks = False
    for each in parameters:
        name = each.partition("=")[0].strip().lower()
        if name == "rport" and not asks:
            asks = True
            kept += [f"received={address}", f"rport={port}"]
        elif name not in ("rport", "received"):
            kept.append(each)
    if not asks and request.top_via.host != address:
        kept.append(f"received={address}")
    if kept != parameters:
        request.replace("Via", ",".join([";".join([head.rstrip(), *kept]), *others]))
