"""Via in Unified CM's responses: all values on one line, ``rport`` unchanged.

As captured in its responses to Expressway-C ("Troubleshoot Most Common Issues of Collaboration Edge", Cisco 118798),
also without ``received`` where it would repeat the address in the Via.
"""

from __future__ import annotations

from edgesim.sip.message import Request
from edgesim.sip.text import split


def note_source(request: Request, address: str) -> None:
    """Record the source address of a request in the top Via, if the Via has another (RFC 3261, 18.2.1)."""
    first, *others = split(request.get("Via") or "", ",")
    head, *parameters = split(first.strip(), ";")
    kept = [each for each in parameters if each.partition("=")[0].strip().lower() != "received"]
    if request.top_via.host != address:
        kept.append(f"received={address}")
    if kept != parameters:
        request.replace("Via", ",".join([";".join([head, *kept]), *others]))


def joined(request: Request) -> tuple[str, str]:
    """Return the Via of a response: the values of all lines on one."""
    return ("Via", ",".join(request.values("Via")))


def fill_source(request: Request, source: tuple[str, int]) -> None:
    """Record the source address and, if ``rport`` requests it, the source port in the top Via (RFC 3581, 4).

    The sender's own values of either are dropped.
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
