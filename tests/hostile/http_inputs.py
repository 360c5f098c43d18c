"""Hostile HTTP: framing by which requests are smuggled, limits, and damaged text (RFC 9112, section 11)."""

# ruff: noqa: E501 - an input reads best on one line

from __future__ import annotations

from tests.hostile.case import Case

CRLF = b"\r\n"
REFUSED = rb"HTTP/1\.1 (400|408|413|414|417|431|501|505) "
ANY_ERROR = rb"HTTP/1\.1 [45]\d\d "


def request(*lines: bytes, start: bytes = b"GET / HTTP/1.1", body: bytes = b"", host: bool = True) -> bytes:
    """Return a request with these header lines as they are."""
    head = [start, *([b"Host: lab.example.com"] if host else []), *lines]
    return CRLF.join(head) + CRLF + CRLF + body


def _unreadable(name: str, *pieces: bytes, **more: object) -> Case:
    more.setdefault("answer", REFUSED)
    return Case(name=name, pieces=pieces, closes=True, malformed=True, counted=b"HTTP/1.1 ", **more)


POST = b"POST / HTTP/1.1"
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: lab.example.com\r\n\r\n"

SMUGGLING = [
    _unreadable(
        "CL.TE", request(b"Content-Length: 6", b"Transfer-Encoding: chunked", start=POST, body=b"0\r\n\r\n" + NEXT)
    ),
    _unreadable(
        "TE.CL", request(b"Transfer-Encoding: chunked", b"Content-Length: 4", start=POST, body=b"5c\r\n" + NEXT + b"\r\n0\r\n\r\n")
    ),
    _unreadable("TE.TE", request(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", start=POST, body=b"0\r\n\r\n" + NEXT)),
    _unreadable("TE of something", request(b"Transfer-Encoding: xchunked", start=POST, body=NEXT)),
    _unreadable("TE with a tab", request(b"Transfer-Encoding:\tchunked, gzip", start=POST, body=NEXT)),
    _unreadable("TE after a blank", request(b"Transfer-Encoding : chunked", start=POST, body=b"0\r\n\r\n" + NEXT)),
    _unreadable("two Content-Lengths", request(b"Content-Length: 0", b"Content-Length: 5", start=POST, body=b"hello" + NEXT)),
    _unreadable("a list of Content-Lengths", request(b"Content-Length: 0, 5", start=POST, body=b"hello" + NEXT)),
    _unreadable("Content-Length +5", request(b"Content-Length: +5", start=POST, body=b"hello" + NEXT)),
    _unreadable("Content-Length -1", request(b"Content-Length: -1", start=POST, body=b"hello" + NEXT)),
    _unreadable("Content-Length 0x5", request(b"Content-Length: 0x5", start=POST, body=b"hello" + NEXT)),
    _unreadable("Content-Length 1e3", request(b"Content-Length: 1e3", start=POST, body=b"hello" + NEXT)),
    _unreadable("Content-Length in other digits", request("Content-Length: ٥".encode(), start=POST, body=b"hello" + NEXT)),
    _unreadable("Content-Length without end", request(b"Content-Length: " + b"9" * 400, start=POST)),
    _unreadable("Content-Length of a terabyte", request(b"Content-Length: 1099511627776", start=POST)),
    _unreadable("a folded header", request(b"X-Folded: one", b" two", b"X: y")),
    _unreadable("a folded Transfer-Encoding", request(b"Transfer-Encoding:", b" chunked", start=POST, body=b"0\r\n\r\n" + NEXT)),
    _unreadable("a first line that is folded", request(b" X: y", host=False)),
    _unreadable("no Host", request(host=False)),
    _unreadable("two Hosts", request(b"Host: other.example.com")),
    _unreadable("a bare CR in a header", request(b"X: a\rTransfer-Encoding: chunked")),
    _unreadable("NUL in a header", request(b"X: a\0b")),
    _unreadable("a blank in a header's name", request(b"X Y: z")),
    _unreadable("an empty header name", request(b": z")),
    _unreadable("a line without a colon", request(b"nonsense")),
    _unreadable("chunk size of nonsense", request(b"Transfer-Encoding: chunked", start=POST, body=b"zz\r\nhello\r\n0\r\n\r\n" + NEXT)),
    _unreadable("chunk size -1", request(b"Transfer-Encoding: chunked", start=POST, body=b"-1\r\nhello\r\n0\r\n\r\n" + NEXT)),
    _unreadable("chunk size without end", request(b"Transfer-Encoding: chunked", start=POST, body=b"f" * 400 + b"\r\n")),
    _unreadable("chunk without its CRLF", request(b"Transfer-Encoding: chunked", start=POST, body=b"5\r\nhelloXX0\r\n\r\n" + NEXT)),
    _unreadable("chunk extension without end", request(b"Transfer-Encoding: chunked", start=POST, body=b"5;" + b"a" * 100_000)),
    _unreadable("trailers without end", request(b"Transfer-Encoding: chunked", start=POST, body=b"0\r\n" + b"X: y\r\n" * 20_000)),
    _unreadable("chunks of one octet", request(b"Transfer-Encoding: chunked", start=POST, body=b"1\r\nx\r\n" * 5_000)),
]  # fmt: skip

LIMITS = [
    _unreadable("a target without end", b"GET /" + b"a" * 100_000),
    _unreadable("a long target", request(start=b"GET /" + b"a" * 20_000 + b" HTTP/1.1")),
    _unreadable("a header without end", request()[:-2] + b"X: " + b"a" * 200_000),
    _unreadable("headers without end", request()[:-2] + b"X: y\r\n" * 20_000),
    _unreadable("a body beyond the limit", request(b"Content-Length: 4194304", start=POST, body=b"x" * 4_194_304)),
    _unreadable("a chunked body beyond the limit", request(b"Transfer-Encoding: chunked", start=POST, body=b"10000\r\n" + b"x" * 65536 + b"\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 63)),
    _unreadable("a request that never ends", request()[:-4], answer=rb"HTTP/1\.1 408 ", patient=True),
    _unreadable("a body that never comes", request(b"Content-Length: 10", start=POST, body=b"he"), answer=rb"HTTP/1\.1 408 ", patient=True),
    _unreadable("a header drop by drop", *[bytes([octet]) for octet in request(b"X: " + b"a" * 20)[:-2]], pause=2.0, answer=rb"HTTP/1\.1 408 ", patient=True),
]  # fmt: skip

TEXT = [
    _unreadable("garbage", b"\x00\x01\x02\x03" * 64 + b"\r\n\r\n"),
    _unreadable("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500 + b"\r\n\r\n"),
    _unreadable("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    _unreadable("HTTP/3.7", request(start=b"GET / HTTP/3.7")),
    _unreadable("HTTP/0.9", b"GET /\r\n\r\n"),
    _unreadable("SIP", b"REGISTER sip:lab.example.com SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKx\r\n\r\n"),
    _unreadable("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    _unreadable("a method with NUL", request(start=b"G\0T / HTTP/1.1")),
    _unreadable("a target with blanks", request(start=b"GET /a b HTTP/1.1")),
    _unreadable("a target with NUL", request(start=b"GET /a\0b HTTP/1.1")),
    Case(name="absolute form", pieces=[request(start=b"GET http://169.254.169.254/latest HTTP/1.1")], answer=ANY_ERROR),
    Case(name="absolute form of itself", pieces=[request(start=b"GET https://lab.example.com:8443/ HTTP/1.1")], answer=ANY_ERROR),
    Case(name="CONNECT", pieces=[request(start=b"CONNECT ucm-pub.inside.example.com:8443 HTTP/1.1")], answer=ANY_ERROR),
    Case(name="OPTIONS *", pieces=[request(start=b"OPTIONS * HTTP/1.1")], answer=ANY_ERROR),
    Case(name="TRACE", pieces=[request(start=b"TRACE / HTTP/1.1")], answer=ANY_ERROR),
    Case(name="a method nobody knows", pieces=[request(start=b"BREW /pot HTTP/1.1")], answer=ANY_ERROR),
    Case(name="a target that climbs", pieces=[request(start=b"GET /../../../etc/passwd HTTP/1.1")], answer=ANY_ERROR),
    Case(name="a target that climbs, encoded", pieces=[request(start=b"GET /..%2f..%2f%2e%2e/etc/passwd%00.xml HTTP/1.1")], answer=ANY_ERROR),
    Case(name="a header of other octets", pieces=[request(b"X: \xff\xfe\x80", b"Cookie: X-Auth=\xff\xfe; a=\xe2\x82")], answer=ANY_ERROR),
    Case(name="authorization of nonsense", pieces=[request(b"Authorization: Basic !!!!")], answer=ANY_ERROR),
    Case(name="authorization of octets", pieces=[request(b"Authorization: Basic //79/Dr+")], answer=ANY_ERROR),
    Case(name="authorization without end", pieces=[request(b"Authorization: Basic " + b"QUFB" * 5_000)], answer=ANY_ERROR),
    Case(name="a hundred cookies", pieces=[request(b"Cookie: " + b"; ".join(b"X-Auth=%d" % n for n in range(900)))], answer=ANY_ERROR),
    Case(name="Expect of something", pieces=[request(b"Expect: the-unexpected")], answer=ANY_ERROR),
    Case(name="pipelined", pieces=[request() * 50], answer=ANY_ERROR, counted=b"HTTP/1.1 ", at_most=50),
    Case(name="cut", pieces=[request()[:20]], ends=True, closes=True),
    Case(name="nothing", pieces=[], ends=True, closes=True),
    Case(name="blank lines", pieces=[b"\r\n" * 5_000], ends=True, closes=True),
    Case(name="silence", pieces=[], closes=True),
]  # fmt: skip

CASES = [*SMUGGLING, *LIMITS, *TEXT]
