"""Hostile XML on streams: XMPP before and after TLS, and XCP."""

from __future__ import annotations

import base64

from tests.hostile.case import Case

ERROR = rb".*<stream:error"
HEADER = (
    b"<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]>"
)
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
SASL = b"urn:ietf:params:xml:ns:xmpp-sasl"


def _broken(name: str, *pieces: bytes, **more: object) -> Case:
    more.setdefault("answer", ERROR)
    return Case(name=name, pieces=pieces, closes=True, malformed=True, **more)


HEADERS = [
    _broken("garbage", b"\x80\x81\x82\xff" * 100),
    _broken("NUL", b"\0" * 100),
    _broken("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    _broken("SIP", b"REGISTER sip:x SIP/2.0\r\n\r\n"),
    _broken("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 500),
    _broken("a bomb", BOMB + HEADER + b"&j;"),
    _broken("an external entity", EXTERNAL + HEADER + b"&e;"),
    _broken("an external DTD", b'<!DOCTYPE x SYSTEM "http://169.254.169.254/x.dtd">' + HEADER),
    _broken("a header without end", HEADER[:-1] + b" a='" + b"a" * 100_000),
    _broken("attributes without end", HEADER[:-1] + b"".join(b" a%d='x'" % n for n in range(300)) + b">"),
    _broken("an attribute twice", HEADER[:-1] + b" to='example.com'>"),
    _broken("another root", b"<html><body>"),
    _broken("another namespace", HEADER.replace(b"etherx", b"other")),
    _broken("another default namespace", HEADER.replace(b"jabber:client", b"jabber:other")),
    _broken("UTF-16", HEADER.decode().encode("utf-16")),
    _broken("another encoding", b"<?xml version='1.0' encoding='EBCDIC-CP-US'?>" + HEADER[21:]),
    _broken("no version", HEADER.replace(b" version='1.0' xmlns", b" xmlns")),
    _broken("version 0.9", HEADER.replace(b" version='1.0' xmlns", b" version='0.9' xmlns")),
    _broken("a host that is none", HEADER.replace(b"example.com", b"@")),
    Case(name="cut", pieces=[HEADER[:40]], ends=True, closes=True),
    Case(name="nothing", pieces=[], ends=True, closes=True),
    Case(name="silence", pieces=[], closes=True),
    Case(name="blanks", pieces=[b" \n" * 10_000], ends=True, closes=True),
    Case(name="drop by drop", pieces=[bytes([octet]) for octet in HEADER[:-1]], pause=1.0, closes=True),
]  # fmt: skip
"""In place of a stream header."""

STANZAS = [
    _broken("a comment", HEADER + b"<!-- hello -->"),
    _broken("an instruction", HEADER + b"<?php phpinfo() ?>"),
    _broken("a DTD inside", HEADER + b"<!DOCTYPE x []>"),
    _broken("an entity nobody declared", HEADER + b"<message>&boom;</message>"),
    _broken("text between stanzas", HEADER + b"hello"),
    _broken("a tag that does not match", HEADER + b"<message></iq>"),
    _broken("a prefix nobody declared", HEADER + b"<x:message/>"),
    _broken("a bare &", HEADER + b"<message>a & b</message>"),
    _broken("octets that are not UTF-8", HEADER + b"<message><body>\xff\xfe</body></message>"),
    _broken("overlong UTF-8", HEADER + b"<message><body>\xc0\xaf</body></message>"),
    _broken("a surrogate", HEADER + b"<message><body>\xed\xa0\x80</body></message>"),
    _broken("a control character", HEADER + b"<message><body>\x01</body></message>"),
    _broken("a character reference to NUL", HEADER + b"<message><body>&#0;</body></message>"),
    _broken("a stanza without end", HEADER + b"<message><body>" + b"a" * 200_000),
    _broken("depth without end", HEADER + b"<a>" * 20_000),
    _broken("elements without end", HEADER + b"<message>" + b"<a/>" * 20_000),
    _broken("attributes without end", HEADER + b"<message" + b"".join(b" a%d='x'" % n for n in range(5_000)) + b"/>"),
    _broken("a name without end", HEADER + b"<" + b"a" * 200_000),
    _broken("a message before authentication", HEADER + b"<message to='bob@example.com'><body>x</body></message>"),
    _broken("an iq before authentication", HEADER + b"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"),
    _broken("a second header", HEADER + HEADER),
]  # fmt: skip
"""After a stream header, where a client has not yet proved who it is."""


def _auth(mechanism: bytes, payload: bytes) -> bytes:
    return HEADER + b"<auth xmlns='" + SASL + b"' mechanism='" + mechanism + b"'>" + payload + b"</auth>"


FAILURE = rb".*<failure |.*<stream:error|.*<challenge "
CREDENTIALS = [
    Case(name=name, pieces=[_auth(mechanism, payload)], answer=FAILURE, never=b"<success")
    for name, mechanism, payload in (
        ("no base64", b"PLAIN", b"!!!!"),
        ("base64 without its padding", b"PLAIN", b"AGFsaWNlAGFsaWNlLXNlY3JldA"[:-1]),
        ("nothing", b"PLAIN", b""),
        ("an equals sign", b"PLAIN", b"="),
        ("no NUL", b"PLAIN", base64.b64encode(b"alice")),
        ("NULs alone", b"PLAIN", base64.b64encode(b"\0\0\0\0\0\0")),
        ("octets", b"PLAIN", base64.b64encode(b"\0\xff\xfe\0\xff")),
        ("another authorization", b"PLAIN", base64.b64encode(b"bob\0alice\0alice-secret")),
        ("a wrong password", b"PLAIN", base64.b64encode(b"\0alice\0guess")),
        ("a password without end", b"PLAIN", base64.b64encode(b"\0alice\0" + b"a" * 40_000)),
        ("a token of nobody", b"CISCO-VTG-TOKEN", base64.b64encode(b"userid=alice@example.com\0token=0000")),
        ("half a token", b"CISCO-VTG-TOKEN", base64.b64encode(b"userid=alice@example.com")),
        ("another mechanism", b"DIGEST-MD5", b"="),
        ("a mechanism of nonsense", b"&#x2028;" * 50, b"="),
        ("elements inside", b"PLAIN", b"<a/>"),
    )
]

XCP_HEADERS = [case for case in HEADERS if case.name not in ("no version", "version 0.9", "a host that is none",
                                                             "another default namespace")]  # fmt: skip
XCP_OPEN = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    b"xmlns:stream='http://etherx.jabber.org/streams' to='{realm}'>"
)
