"""Hostile DNS: loops of compression, counts that lie, names out of bounds, messages out of place."""

# ruff: noqa: E501 - an input reads best on one line

from __future__ import annotations

import struct

from tests.hostile.case import Case


def query(
    question: bytes = b"\x04expe\x07example\x03com\x00\x00\x01\x00\x01",
    *,
    flags: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
    rest: bytes = b"",
) -> bytes:
    """Return a query with these counts, whatever follows."""
    return struct.pack(">HHHHHH", 0x4242, flags, *counts) + question + rest


LOOP = b"\xc0\x0c\x00\x01\x00\x01"
PINGPONG = b"\x01a\xc0\x10\x01b\xc0\x0c\x00\x01\x00\x01"
OPT = b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00"
FORMERR = rb"BB[\x80-\x8f][\x01\x11\x81]"
"""The query's own id, QR, and FORMERR (RA may be set)."""


def _case(name: str, octets: bytes, answer: bytes | None = FORMERR, *, malformed: bool | None = True) -> Case:
    return Case(name=name, pieces=[octets], answer=answer, malformed=malformed)


CASES = [
    _case("a name that points at itself", query(LOOP)),
    _case("two names that point at each other", query(PINGPONG)),
    _case("a pointer forward", query(b"\xc0\x20\x00\x01\x00\x01")),
    _case("a pointer beyond", query(b"\xff\xff\x00\x01\x00\x01")),
    _case("half a pointer", query(b"\xc0")),
    _case("a pointer into the header", query(b"\xc0\x00\x00\x01\x00\x01"), None, malformed=None),
    _case("a label beyond the end", query(b"\x3fabc")),
    _case("a label of a reserved kind", query(b"\x80abc\x00\x00\x01\x00\x01")),
    _case("a name without end", query((b"\x3f" + b"a" * 63) * 5 + b"\x00\x00\x01\x00\x01")),
    _case("a thousand labels", query(b"\x01a" * 400 + b"\x00\x00\x01\x00\x01")),
    _case("a question without its type", query(b"\x04expe\x07example\x03com\x00\x00")),
    _case("no question", query(b"", counts=(0, 0, 0, 0))),
    _case("two questions", query(counts=(2, 0, 0, 0), rest=b"\x04expe\x07example\x03com\x00\x00\x01\x00\x01")),
    _case("65,535 questions", query(counts=(65535, 0, 0, 0))),
    _case("65,535 answers", query(counts=(1, 65535, 65535, 65535))),
    _case("an answer in a query", query(counts=(1, 1, 0, 0), rest=b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x01\x02\x03\x04"), None, malformed=None),
    _case("octets after the end", query(rest=b"\xff" * 50)),
    _case("two OPT records", query(counts=(1, 0, 0, 2), rest=OPT * 2)),
    _case("EDNS 7", query(counts=(1, 0, 0, 1), rest=b"\x00\x00\x29\x10\x00\x00\x07\x00\x00\x00\x00"), rb"BB[\x80-\x8f]"),
    _case("an option beyond its end", query(counts=(1, 0, 0, 1), rest=b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x08\x00\x0a\xff\xff\x01\x02\x03\x04")),
    _case("an answer", query(flags=0x8180), None),
    _case("an answer with a loop", query(LOOP, flags=0x8180), None),
    _case("garbage", b"BB" + bytes(range(200, 255)) * 4, None),
    _case("a long message", query(rest=b"\0" * 3_000), None),
    *[_case(f"opcode {code}", query(flags=code << 11), rb"BB[\x80-\xff][\x04\x14\x84\x05\x15\x85]") for code in (1, 2, 4, 5, 15)],
    _case("a zone transfer", query(b"\x07example\x03com\x00\x00\xfc\x00\x01"), rb"BB", malformed=None),
    _case("class CHAOS", query(b"\x07version\x04bind\x00\x00\x10\x00\x03"), rb"BB", malformed=None),
    _case("type ANY", query(b"\x07example\x03com\x00\x00\xff\x00\x01"), rb"BB", malformed=None),
    _case("type 65535", query(b"\x07example\x03com\x00\xff\xff\x00\x01"), rb"BB", malformed=None),
    _case("a name of octets", query(b"\x05\x00\xff\x2e\x5c\x22\x07example\x03com\x00\x00\x01\x00\x01"), rb"BB", malformed=None),
]  # fmt: skip

DATAGRAMS = [
    *CASES,
    _case("a header that is cut", query()[:11], None),
    _case("an id alone", b"BB", None),
    _case("one octet", b"B", None),
]


def _framed(case: Case) -> Case:
    octets = case.pieces[0]
    answer = None if case.answer is None else rb".." + case.answer
    return Case(
        name=case.name, pieces=[struct.pack(">H", len(octets)) + octets], answer=answer, malformed=case.malformed
    )


STREAM = [
    *[_framed(case) for case in CASES if len(case.pieces[0]) < 1024],
    Case(name="a length of nothing", pieces=[b"\x00\x00"], closes=True, malformed=True),
    Case(name="a length of 65,535", pieces=[b"\xff\xff" + b"\0" * 65_535], closes=True, malformed=True),
    Case(name="a length alone", pieces=[b"\x00\x20"], closes=True),
    Case(name="drop by drop", pieces=[bytes([octet]) for octet in struct.pack(">H", 36) + query()[:-1]], pause=1.0, closes=True),
    Case(name="cut", pieces=[b"\x00\x22" + query()[:-5]], ends=True, closes=True),
    Case(name="nothing", pieces=[], ends=True, closes=True),
    Case(name="silence", pieces=[], closes=True),
    Case(name="HTTP", pieces=[b"GET / HTTP/1.1\r\n\r\n"], closes=True, malformed=True),
    Case(name="a thousand questions at once", pieces=[(struct.pack(">H", len(query())) + query()) * 1_000], answer=rb"..BB"),
]  # fmt: skip
