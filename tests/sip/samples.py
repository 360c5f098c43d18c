"""Literal messages from public captures, anonymised: a file each in ``wire/``, with LF for the CRLF of headers."""

from __future__ import annotations

from pathlib import Path

from edgesim.sip.message import Request, Response
from edgesim.sip.parsing import parse_head

FOLDER = Path(__file__).parent / "wire"


def octets(name: str) -> bytes:
    """Return a sample's octets: CRLF after each header line, the body unchanged."""
    head, _, body = (FOLDER / f"{name}.sip").read_bytes().partition(b"\n\n")
    return head.strip(b"\n").replace(b"\n", b"\r\n") + b"\r\n\r\n" + body


def request(name: str) -> Request:
    """Return a sample's headers as a request."""
    message = parse_head(octets(name).partition(b"\r\n\r\n")[0])
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    """Return a sample's headers as a response."""
    message = parse_head(octets(name).partition(b"\r\n\r\n")[0])
    assert isinstance(message, Response)
    return message
