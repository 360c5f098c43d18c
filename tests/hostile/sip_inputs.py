"""Hostile SIP: framing, endless and damaged headers, values out of range, messages out of place (see RFC 4475)."""

# ruff: noqa: E501 - an input reads best on one line

from __future__ import annotations

import base64
import itertools

from tests.hostile.case import Case

FINAL = rb"(SIP/2\.0 100 .*?\r\n\r\n)?SIP/2\.0 [3-6]\d\d "
REFUSED = rb"SIP/2\.0 4(00|03|07|13|14|16|20|83|85) |SIP/2\.0 5(01|05|13) "
TARGET = b"sip:ucm-pub.inside.example.com"
_numbers = itertools.count(1)


def message(
    *extra: bytes,
    start: bytes = b"REGISTER " + TARGET + b" SIP/2.0",
    cseq: bytes = b"1 REGISTER",
    without: tuple[bytes, ...] = (),
    length: bytes | None = b"0",
    body: bytes = b"",
    via: bytes | None = None,
) -> bytes:
    """Return a REGISTER, of a line that nobody has, that is sound but for what is given."""
    number = next(_numbers)
    headers = {
        b"Via": via or b"SIP/2.0/TCP 10.0.50.66:5060;branch=z9hG4bKhostile%d;rport" % number,
        b"Max-Forwards": b"70",
        b"From": b"<sip:6666@ucm-pub.inside.example.com>;tag=1",
        b"To": b"<sip:6666@ucm-pub.inside.example.com>",
        b"Call-ID": b"hostile%d@10.0.50.66" % number,
        b"CSeq": cseq,
        b"Contact": b"<sip:6666@10.0.50.66:5060>",
    }
    lines = [start, *(name + b": " + value for name, value in headers.items() if name not in without), *extra]
    if length is not None:
        lines.append(b"Content-Length: " + length)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _unframed(name: str, *pieces: bytes, **more: object) -> Case:
    """A stream that has lost its framing: it must be closed."""
    more.setdefault("counted", b"SIP/2.0 200")
    more.setdefault("at_most", 0)
    return Case(name=name, pieces=pieces, closes=True, malformed=True, **more)


def _unsound(name: str, *pieces: bytes, **more: object) -> Case:
    """A message that is framed but wrong: refused, and the connection goes on."""
    more.setdefault("counted", b"SIP/2.0 200")
    more.setdefault("at_most", 0)
    more.setdefault("answer", FINAL)
    return Case(name=name, pieces=pieces, **more)


def _options(name: str, **more: object) -> bytes:
    return message(start=b"OPTIONS " + TARGET + b" SIP/2.0", cseq=b"1 OPTIONS", **more)


STREAM = [
    _unframed("two Content-Lengths", message(b"Content-Length: 5", length=b"0", body=b"hello")),
    _unframed("Content-Length and l", message(b"l: 5", length=b"0", body=b"hello")),
    _unframed("Content-Length -1", message(length=b"-1")),
    _unframed("Content-Length +0", message(length=b"+0")),
    _unframed("Content-Length of nonsense", message(length=b"five")),
    _unframed("Content-Length in other digits", message(length="٥".encode())),
    _unframed("Content-Length without end", message(length=b"9" * 4000)),
    _unframed("Content-Length beyond the limit", message(length=b"100000000")),
    _unframed("no Content-Length", message(length=None, body=b"")),
    _unframed("a body that is longer than it says", message(length=b"2", body=b"hello, I go on\r\n\r\n")),
    _unframed("a header without end", message()[:-2] + b"X: " + b"a" * 200_000),
    _unframed("headers without end", message()[:-2] + b"X: y\r\n" * 20_000),
    _unframed("300 headers", message(*[b"X: y"] * 300)),
    _unframed("a start line without end", b"REGISTER sip:" + b"a" * 100_000),
    _unframed("bare LF", message().replace(b"\r\n", b"\n")),
    _unframed("bare CR", message(b"X: a\rb")[:80] + b"\r\r\r\r" + b"\r\n\r\n"),
    _unframed("garbage", b"\x80\x81\x82\xff" * 100),
    _unframed("NUL", b"\0" * 1000),
    _unframed("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    _unframed("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500),
    _unframed("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    _unframed("XMPP", b"<?xml version='1.0'?><stream:stream to='example.com'>"),
    _unframed("STUN of a bad length", b"\x00\x01\xff\xff\x21\x12\xa4\x42" + b"\0" * 12),
    _unframed("STUN of another cookie", b"\x00\x01\x00\x00\x00\x00\x00\x00" + b"\0" * 12),
    Case(name="cut", pieces=[message()[:100]], ends=True, closes=True),
    Case(name="cut in the body", pieces=[message(length=b"10", body=b"he")], ends=True, closes=True),
    Case(name="nothing", pieces=[], ends=True, closes=True),
    Case(name="keep-alives without end", pieces=[b"\r\n\r\n" * 2_000], ends=True, closes=True, never=b"SIP/2.0"),
    Case(name="octet by octet", pieces=[bytes([octet]) for octet in _options("slow")], pause=0.01, answer=rb"SIP/2\.0 \d"),
]  # fmt: skip
"""What only a stream can carry."""

XML_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><x>&j;</x>"
)

MESSAGES = [
    _unsound("a version from the future", message(start=b"REGISTER " + TARGET + b" SIP/7.0"), answer=rb"SIP/2\.0 505 ", malformed=True),
    _unsound("a blank in the Request-URI", message(start=b"REGISTER sip:a b SIP/2.0"), malformed=True),
    _unsound("two blanks", message(start=b"REGISTER  " + TARGET + b"  SIP/2.0"), malformed=True),
    _unsound("a method of separators", message(start=b"RE@GISTER " + TARGET + b" SIP/2.0"), answer=None, malformed=True),
    _unsound("no Via", message(without=(b"Via",)), answer=None, malformed=True),
    _unsound("no Call-ID", message(without=(b"Call-ID",)), malformed=True),
    _unsound("no CSeq", message(without=(b"CSeq",)), malformed=True),
    _unsound("no From", message(without=(b"From",)), malformed=True),
    _unsound("no To", message(without=(b"To",)), malformed=True),
    _unsound("two Call-IDs", message(b"Call-ID: other"), malformed=True),
    _unsound("two CSeqs", message(b"CSeq: 2 REGISTER"), malformed=True),
    _unsound("another method in CSeq", message(cseq=b"1 INVITE"), malformed=True),
    _unsound("CSeq out of range", message(cseq=b"99999999999999999999 REGISTER"), malformed=True),
    _unsound("CSeq of nonsense", message(cseq=b"one REGISTER"), malformed=True),
    _unsound("CSeq negative", message(cseq=b"-1 REGISTER"), malformed=True),
    _unsound("From without its bracket", message(b"From: <sip:1001@x;tag=1", without=(b"From",))),
    _unsound("From of octets", message(b"From: \xff\xfe\x80 <sip:\xff@x>;tag=1", without=(b"From",))),
    _unsound("To of nonsense", message(b"To: nonsense", without=(b"To",))),
    _unsound("To without a user", message(b"To: <sip:ucm-pub.inside.example.com>", without=(b"To",))),
    _unsound("To of another scheme", message(b"To: <javascript:alert(1)>", without=(b"To",))),
    _unsound("Contact of nonsense", message(b"Contact: <<<>>>", without=(b"Contact",))),
    _unsound("Contact without end", message(b"Contact: " + b"<" * 20_000, without=(b"Contact",))),
    _unsound("Contact with an open quote", message(b'Contact: "never closed <sip:6666@10.0.50.66>', without=(b"Contact",))),
    _unsound("Contact * with time left", message(b"Contact: *", b"Expires: 100", without=(b"Contact",))),
    _unsound("many Contacts", message(b"Contact: " + b", ".join(b"<sip:6666@10.0.50.%d>" % n for n in range(60)), without=(b"Contact",))),
    _unsound("Expires of nonsense", message(b"Expires: soon")),
    _unsound("Expires out of range", message(b"Expires: " + b"9" * 50)),
    _unsound("Via of nonsense", message(via=b"nonsense")),
    _unsound("Via of another protocol", message(via=b"HTTP/1.1/TCP 10.0.50.66;branch=z9hG4bKx")),
    _unsound("Via without end", message(via=b"SIP/2.0/TCP 10.0.50.66;rport;branch=" + b"a" * 20_000)),
    _unsound("Via of a bad port", message(via=b"SIP/2.0/TCP 10.0.50.66:99999999;branch=z9hG4bKx"), answer=None),
    _unsound("a hundred Vias", message(*[b"Via: SIP/2.0/TCP 10.0.50.%d;branch=z9hG4bK%d" % (n, n) for n in range(100)])),
    _unsound("Max-Forwards of nonsense", message(b"Max-Forwards: x", without=(b"Max-Forwards",))),
    _unsound("Max-Forwards out of range", message(b"Max-Forwards: 99999999999", without=(b"Max-Forwards",))),
    _unsound("no forwards left", message(b"Max-Forwards: 0", without=(b"Max-Forwards",)), answer=None, at_most=1),
    _unsound("a Route of nonsense", message(b"Route: nonsense")),
    _unsound("Routes in a ring", message(b"Route: " + b", ".join([b"<sip:expe.example.com:5061;lr>", b"<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>"] * 60))),
    _unsound("a Route elsewhere", message(b"Route: <sip:169.254.169.254:80;transport=tcp;lr>"), answer=None),
    _unsound("a Request-URI of octets", message(start=b"REGISTER sip:\xff\xfe SIP/2.0")),
    _unsound("a Request-URI of nonsense", message(start=b"REGISTER nonsense SIP/2.0")),
    _unsound("a Request-URI of another scheme", message(start=b"REGISTER file:///etc/passwd SIP/2.0")),
    _unsound("a Request-URI with a bad port", message(start=b"REGISTER sip:ucm-pub:0x50 SIP/2.0")),
    _unsound("a Request-URI with escapes", message(start=b"REGISTER sip:%00%ff%zz@ucm-pub SIP/2.0")),
    _unsound("a method nobody knows", message(start=b"FETCH " + TARGET + b" SIP/2.0", cseq=b"1 FETCH")),
    _unsound("SERVICE from anybody", message(start=b"SERVICE sip:serviceserver@" + TARGET[4:] + b" SIP/2.0", cseq=b"1 SERVICE")),
    _unsound("INVITE from anybody", message(start=b"INVITE sip:1002@ucm-pub.inside.example.com SIP/2.0", cseq=b"1 INVITE")),
    _unsound("NOTIFY from anybody", message(b"Event: message-summary", start=b"NOTIFY sip:1001@10.0.30.10 SIP/2.0", cseq=b"1 NOTIFY")),
    _unsound("BYE of nothing", message(start=b"BYE " + TARGET + b" SIP/2.0", cseq=b"1 BYE")),
    _unsound("CANCEL of nothing", message(start=b"CANCEL " + TARGET + b" SIP/2.0", cseq=b"1 CANCEL")),
    _unsound("ACK of nothing", message(start=b"ACK " + TARGET + b" SIP/2.0", cseq=b"1 ACK"), answer=None),
    _unsound("an answer to nothing", message(start=b"SIP/2.0 200 OK"), answer=None),
    _unsound("an answer of 999", message(start=b"SIP/2.0 999 What"), answer=None),
    _unsound("an answer of 0", message(start=b"SIP/2.0 000 What"), answer=None),
    _unsound("an answer with another's Via", message(start=b"SIP/2.0 200 OK", via=b"SIP/2.0/TLS 10.0.20.10:7001;branch=z9hG4bK1"), answer=None),
    _unsound("a folded header", message(b"Subject: one\r\n two\r\n\tthree", b"Contact:\r\n <sip:6666@10.0.50.66>", without=(b"Contact",)), answer=rb"SIP/2\.0 \d", at_most=1),
    _unsound("a folded line that folds without end", message(b"Subject: a" + b"\r\n b" * 5_000)),
    _unsound("a first header that is folded", message().replace(b"\r\nVia", b"\r\n Via", 1), answer=None, malformed=True),
    _unsound("a header of other octets", message(b"Subject: \xff\xfe\x80\xc3\x28", b"X: \x01\x02"), answer=rb"SIP/2\.0 \d", at_most=1),
    _unsound("NUL in a header", message(b"Subject: a\0b"), answer=rb"SIP/2\.0 \d", at_most=1),
    _unsound("a header without a name", message(b": x")),
    _unsound("a header without a colon", message(b"nonsense")),
    _unsound("compact names", message(b"s: short", b"c: text/plain"), answer=rb"SIP/2\.0 \d", at_most=1),
    _unsound("Require of something", message(b"Require: the-impossible")),
    _unsound("a bomb in the body", message(b"Content-Type: application/x-cisco-remotecc-request+xml", length=b"%d" % len(XML_BOMB), body=XML_BOMB), answer=rb"SIP/2\.0 \d", at_most=1),
    _unsound("multipart of nonsense", message(b"Content-Type: multipart/mixed;boundary=", length=b"9", body=b"--\r\n--\r\n\0"), answer=rb"SIP/2\.0 \d", at_most=1),
    *[
        _unsound(f"digest {name}", message(b"%s: Digest %s" % (header, value)), answer=rb"SIP/2\.0 \d", at_most=1)
        for name, header, value in (
            ("of nothing", b"Proxy-Authorization", b""),
            ("of nonsense", b"Proxy-Authorization", b"=,=,\"\"\""),
            ("of another realm", b"Proxy-Authorization", b'username="alice", realm="elsewhere", nonce="1", uri="sip:x", response="' + b"0" * 32 + b'"'),
            ("with a nonce of nobody", b"Proxy-Authorization", b'username="alice", realm="expe.example.com", nonce="' + b"0" * 60 + b'", uri="sip:x", response="' + b"0" * 32 + b'", qop=auth, nc=00000001, cnonce="1"'),
            ("with octets", b"Authorization", b'username="\xff\xfe", realm="ccmsipline", nonce="1", uri="sip:x", response="x"'),
            ("without end", b"Authorization", b'username="' + b"a" * 20_000 + b'"'),
            ("twice", b"Authorization", b'username="a", username="b", realm="ccmsipline"'),
            ("bearer", b"Authorization", b"Bearer token=" + base64.b64encode(b"\xff" * 300)),
        )
    ],
]  # fmt: skip
"""What a stream or a datagram can carry."""
