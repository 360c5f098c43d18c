"""Secrets in octets that broke their protocol's rules: too much rather than too little."""

from __future__ import annotations

import re
from typing import Final

from edgesim.journal.masking import Span, merged

_NAME = (
    rb"(?:[\w.:-]{0,32}(?:password|passwd|passphrase)|pin|client_secret|access_token|refresh_token|id_token|session-key"
    rb"|code_verifier|assertion)"
)
_VALUE = rb"""(?:"((?:[^"\\]|\\.)*)|'([^']*)|([^\s"'<>&,;]+))"""
_PATTERNS: Final = (
    # A header, whatever is around its colon, with the lines that it is folded over.
    re.compile(rb"(?:authorization|cookie2?)[ \t\0]*[:=]?((?:[^\r\n]|\r?\n[ \t]|\r(?!\n))+)", re.IGNORECASE),
    re.compile(rb"\b(?:basic|bearer|negotiate|ntlm)[ \t\r\n]+([A-Za-z0-9+/=_.~-]{4,})", re.IGNORECASE),
    # A field of a form, a query, an attribute, a member of JSON.
    re.compile(rb"(?<![A-Za-z0-9])" + _NAME + rb"[\"']?\s{0,8}[:=]\s{0,8}" + _VALUE, re.IGNORECASE | re.DOTALL),
    # An element, its text as it is or as CDATA; also one that is cut short.
    re.compile(rb"<" + _NAME + rb"(?:\s[^<>]{0,200})?>\s{0,8}(?:<!\[CDATA\[((?:(?!\]\]>).)+)|([^<]+))", re.I | re.S),
    re.compile(rb"<(?:[\w.-]{1,32}:)?(?:auth|response|credential)\b[^<>]{0,400}>([^<]+)", re.IGNORECASE),
    re.compile(rb"\b(?:response|token)\s{0,8}=\s{0,8}\"?([^\",\s]+)", re.IGNORECASE),
)

SEARCHED: Final = 8 * 1024
"""Octets that are searched; what lies beyond does not show at all."""


def suspected(octets: bytes) -> tuple[Span, ...]:
    """Return spans of what may be a secret: credentials and cookies of headers, values of fields called password."""
    searched = octets[:SEARCHED]
    spans: list[Span] = [(SEARCHED, len(octets))]
    for pattern in _PATTERNS:
        for match in pattern.finditer(searched):
            spans += [match.span(group) for group in range(1, pattern.groups + 1) if match[group]]
    return tuple(merged(spans, len(octets)))
