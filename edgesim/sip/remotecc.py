"""Multipart bodies, and the remotecc documents in REGISTER and in Unified CM's response.

The request is a 7821's as captured (Cisco, "Troubleshoot Extension Mobility Cross Cluster", 214535); it has the
captured 1,313 octets if multipart lines end with CRLF and XML lines with LF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml.ElementTree import fromstring

from edgesim.sip.errors import SipProtocolError
from edgesim.sip.values import MediaType

REQUEST_TYPE = "application/x-cisco-remotecc-request+xml"
RESPONSE_TYPE = "application/x-cisco-remotecc-response+xml"
BOUNDARY = "uniqueBoundary"
MULTIPART_TYPE = f"multipart/mixed; boundary={BOUNDARY}"

PHONE_OPTIONS = (
    "joinreq",
    "cfwdall-anyline",
    "coaching",
    "oosalarm",
    "rpid-orig-called",
    "x-cisco-number",
    "bfcp",
    "ix",
    "gatewayrecording",
    "conferenceDisplayInstance",
)
"""The options that a 7821 announces besides dialog and presence, in its order."""

JABBER_OPTIONS = tuple(option for option in PHONE_OPTIONS if option != "gatewayrecording")
"""The same for Jabber for Windows 12.8. Its body of 1,271 octets is not published; the phone's without this one option
has that length.
"""

ECHOED_OPTIONS = ("joinreq", "ix", "bfcp")
"""The options that Unified CM repeats, in its order."""

MAX_PARTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body; header names and values as spelled."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str | None:
        """Return a header's value, or None."""
        return next((value for item, value in self.headers if item.lower() == name.lower()), None)

    @property
    def type(self) -> str:
        """The part's media type in lower case, without parameters."""
        return (self.get("Content-Type") or "text/plain").partition(";")[0].strip().lower()


def join_parts(parts: Sequence[Part], boundary: str) -> bytes:
    """Return a multipart body (RFC 2046, 5.1): only boundaries and part headers get CRLF."""
    out: list[bytes] = []
    for part in parts:
        out.append(b"--" + boundary.encode() + b"\r\n")
        out += [f"{name}: {value}\r\n".encode("utf-8", "surrogateescape") for name, value in part.headers]
        out += [b"\r\n", part.body, b"\r\n"]
    out.append(b"--" + boundary.encode() + b"--\r\n")
    return b"".join(out)


def split_parts(body: bytes, content_type: str) -> tuple[Part, ...]:
    """Split a multipart body into parts. Raises `SipProtocolError`.

    If no empty line follows a part's headers, its body begins at the first line that is not a header: the edge's
    SERVICE is published in that form.
    """
    media = MediaType.parse(content_type)
    boundary = (media.parameters.get("boundary") or "").encode("utf-8", "surrogateescape")
    if not media.type.startswith("multipart/") or not 1 <= len(boundary) <= 70:
        raise SipProtocolError("not multipart", status=415)
    delimiter = b"\r\n--" + boundary
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    if len(pieces) > MAX_PARTS + 2:
        raise SipProtocolError("too many parts in a multipart body")
    parts: list[Part] = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return tuple(parts)
        line_end = piece.find(b"\r\n")
        if line_end < 0 or piece[:line_end].strip(b" \t"):
            raise SipProtocolError("malformed boundary line")
        parts.append(_part(piece[line_end + 2 :]))
    raise SipProtocolError("multipart body without a closing boundary")


def _part(data: bytes) -> Part:
    headers: list[tuple[str, str]] = []
    while len(headers) < MAX_PARTS:
        line, _, rest = data.partition(b"\r\n")
        if not line:
            data = rest
            break
        name, colon, value = line.partition(b":")
        if not colon or not name or any(octet in b' \t<>"' for octet in name):
            break
        headers.append((name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape").strip()))
        data = rest
    return Part(headers=tuple(headers), body=data)


_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_BULK_REGISTER = """<x-cisco-remotecc-request>
<bulkregisterreq>
<contact all="true">
<register></register>
</contact>
</bulkregisterreq>
</x-cisco-remotecc-request>
"""
_DIALOGS = """    <dialog usage="hook status">
      <unot></unot>
      <sub></sub>
    </dialog>
    <dialog usage="shared line">
      <unot></unot>
      <sub></sub>
    </dialog>
    <presence usage="blf speed dial">
      <unot></unot>
      <sub></sub>
    </presence>
"""
_COMBINE = """    <combine max="6">
      <remotecc>
        <status></status>
      </remotecc>
      <service-control></service-control>
    </combine>
"""


def register_body(options: Sequence[str] = PHONE_OPTIONS) -> bytes:
    """Return the body of a REGISTER, of type `MULTIPART_TYPE`."""
    listed = "".join(f"    <{option}></{option}>\n" for option in options)
    announced = (
        f"<x-cisco-remotecc-request>\n  <optionsind>\n{_COMBINE}{_DIALOGS}{listed}  </optionsind>\n"
        "</x-cisco-remotecc-request>"
    )
    headers = (("Content-Type", REQUEST_TYPE), ("Content-Disposition", "session;handling=optional"))
    return join_parts(
        (
            Part(headers=headers, body=(_DECLARATION + _BULK_REGISTER).encode()),
            Part(headers=headers, body=(_DECLARATION + announced).encode()),
        ),
        BOUNDARY,
    )


def single_body(options: Sequence[str]) -> bytes:
    """Return the body of a REGISTER that announces options in a single part, like a TC codec's."""
    listed = "".join(f"<{option}/>" for option in options)
    announced = f"<x-cisco-remotecc-request><optionsind>{listed}</optionsind></x-cisco-remotecc-request>"
    headers = (("Content-Type", REQUEST_TYPE), ("Content-Disposition", "session;handling=optional"))
    return join_parts((Part(headers=headers, body=(_DECLARATION + announced).encode()),), BOUNDARY)


def announced_options(body: bytes, content_type: str) -> tuple[str, ...] | None:
    """Return the option names in a REGISTER's body, or None if it announces none.

    Raises `SipProtocolError` for malformed multipart or XML.
    """
    for part in split_parts(body, content_type):
        if part.type != REQUEST_TYPE:
            continue
        options = _parse(part.body).find("optionsind")
        if options is not None:
            return tuple(dict.fromkeys(str(child.tag) for child in options))
    return None


def response_body(options: Sequence[str]) -> bytes:
    """Return Unified CM's response to announced options, of type `RESPONSE_TYPE`, on one line."""
    spelled = {"joinreq": "<joinreq></joinreq>"}
    echoed = "".join(spelled.get(option, f"<{option}/>") for option in ECHOED_OPTIONS if option in options)
    return (
        "<x-cisco-remotecc-response><response><code>200</code><optionsind>"
        '<combine max="6"><remotecc><status/></remotecc><service-control/></combine>'
        '<dialog usage="hook status"><unot/></dialog><dialog usage="shared line"><unot/></dialog>'
        f'<presence usage="blf speed dial"><unot/></presence>{echoed}'
        "</optionsind></response></x-cisco-remotecc-response>"
    ).encode()


def response_code(body: bytes) -> tuple[int, tuple[str, ...]]:
    """Return the code and options of Unified CM's response. Raises `SipProtocolError`."""
    root = _parse(body)
    code = root.findtext("response/code") or ""
    if root.tag != "x-cisco-remotecc-response" or not (code.isascii() and code.isdecimal() and len(code) == 3):
        raise SipProtocolError("not a remotecc response")
    options = root.find("response/optionsind")
    return int(code), tuple(dict.fromkeys(str(child.tag) for child in options)) if options is not None else ()


def _parse(data: bytes) -> Element:
    try:
        root: Element = fromstring(data.strip(), forbid_dtd=True)
    except (ParseError, defusedxml.DefusedXmlException, ValueError, LookupError) as error:
        raise SipProtocolError("malformed XML in a body") from error
    return root
