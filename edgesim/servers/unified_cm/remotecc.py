"""Remote call control bodies of REGISTER: the options that a phone requests, and the subset that Unified CM confirms.

A phone sends ``multipart/mixed`` parts of ``application/x-cisco-remotecc-request+xml``; the one with ``optionsind``
lists its options. Unified CM answers in a single body of ``application/x-cisco-remotecc-response+xml``.

Source: "Troubleshoot Extension Mobility Cross Cluster" (Cisco 214535).
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from edgesim.edge.markup import XmlLimits, leaf, read, tag

CONTENT_TYPE = "application/x-cisco-remotecc-response+xml"
RESPONSE = "x-cisco-remotecc-response"
LIMITS = XmlLimits(octets=16 * 1024, depth=16, elements=500)
REMEMBERED = 256

_REQUEST = re.compile(rb"<x-cisco-remotecc-request>.*?</x-cisco-remotecc-request>", re.DOTALL)
_DIALOGS = ("hook status", "shared line")
_answers: dict[bytes, bytes | None] = {}


def answer(body: bytes) -> bytes | None:
    """Return the body of the response to a REGISTER's body, or None if it requests nothing or is unreadable.

    A phone always sends the same body, so recent responses are cached.
    """
    if b"<optionsind>" not in body or len(body) > LIMITS.octets:
        return None
    if body not in _answers:
        if len(_answers) >= REMEMBERED:
            _answers.clear()
        _answers[body] = _answer(body)
    return _answers[body]


def _answer(body: bytes) -> bytes | None:
    for found in _REQUEST.findall(body):
        try:
            root = read(found, LIMITS)
        except ValueError:
            return None
        options = root.find("optionsind")
        if options is not None:
            return _confirmed(options).encode()
    return None


def _confirmed(options: Element) -> str:
    """Confirm those of the requested options that Unified CM supports: one element per line, as captured."""
    lines = [f"<{RESPONSE}>", "<response>", "<code>200</code>", "<optionsind>"]
    combine = options.find("combine")
    if combine is not None:
        inner = []
        if combine.find("remotecc") is not None:
            inner.append(tag("remotecc", leaf("status", None)))
        if combine.find("service-control") is not None:
            inner.append(leaf("service-control", None))
        within = "\n".join(["", *inner, ""])
        lines.append(tag("combine", within, attributes=(("max", (combine.get("max") or "6")[:4]),)))
    notify = leaf("unot", None)
    asked = {element.get("usage") for element in options.findall("dialog")}
    lines += [tag("dialog", notify, attributes=(("usage", usage),)) for usage in _DIALOGS if usage in asked]
    if any(element.get("usage") == "blf speed dial" for element in options.findall("presence")):
        lines.append(tag("presence", notify, attributes=(("usage", "blf speed dial"),)))
    if options.find("joinreq") is not None:
        lines.append("<joinreq></joinreq>")
    lines += [leaf(name, None) for name in ("ix", "bfcp") if options.find(name) is not None]
    lines += ["</optionsind>", "</response>", f"</{RESPONSE}>", "\r\n"]
    return "\n".join(lines)
