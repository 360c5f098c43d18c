"""What the resolver reads: no octets may make it fail."""

from __future__ import annotations

import contextlib

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.dns import MalformedDns, Status
from edgesim.dns.answers import belongs, interpret
from edgesim.dns.message import AnswerLimits, read_answer, write
from tests.dns.lab import INSIDE, OUTSIDE, answer, query
from tests.fuzz import cheap, fuzzed

NAME = "_collab-edge._tls.example.com"
WIRES = [
    answer(query(name, kind).to_wire(), view) or b""
    for name, kind, view in (
        (NAME, "SRV", OUTSIDE),
        ("edge.example.com", "A", OUTSIDE),
        ("nobody.example.com", "A", OUTSIDE),
        ("example.com", "ANY", OUTSIDE),
        ("11.40.0.10.in-addr.arpa", "PTR", INSIDE),
    )
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(st.sampled_from(WIRES)))
    for _ in range(draw(st.integers(0, 5))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        del octets[draw(st.integers(0, len(octets))) :]
        octets += draw(st.binary(max_size=40))
    return bytes(octets)


@fuzzed
@given(mutated() | st.binary(max_size=200) | st.binary(max_size=100).map(lambda body: WIRES[0][:12] + body))
def test_no_octets_make_the_resolver_fail(octets: bytes) -> None:
    def read() -> None:
        with contextlib.suppress(MalformedDns):
            message = read_answer(octets)
            belongs(message, 0x1234, dns.name.from_text(NAME), dns.rdatatype.SRV)
            assert interpret(message, NAME, "SRV", negative_ttl=60).ttl >= 0
            assert all(record.text() for record in message.answer)

    cheap(read)


def test_what_was_written_is_read() -> None:
    message = read_answer(WIRES[0])
    read = interpret(message, NAME, "SRV", negative_ttl=60)
    assert (read.status, len(read.services), read.ttl) == (Status.ANSWER, 2, 3600)


def test_denial_without_soa_is_not_remembered() -> None:
    message = dns.message.make_response(query("a.example.com"))
    message.set_rcode(dns.rcode.NXDOMAIN)
    assert interpret(read_answer(write(message)), "a.example.com", "A", negative_ttl=60).ttl == 0


def test_circle_of_aliases() -> None:
    message = dns.message.make_response(query("a.example.com"))
    message.answer = [
        dns.rrset.from_text("a.example.com.", 60, "IN", "CNAME", "b.example.com."),
        dns.rrset.from_text("b.example.com.", 60, "IN", "CNAME", "A.example.com."),
    ]
    with pytest.raises(MalformedDns, match="loop"):
        interpret(read_answer(write(message)), "a.example.com", "A", negative_ttl=60)


def test_more_records_than_allowed() -> None:
    many = answer(query("_many._tcp.example.com", "SRV").to_wire(), OUTSIDE, "tcp") or b""
    assert read_answer(many)
    with pytest.raises(MalformedDns, match="40 records"):
        read_answer(many, AnswerLimits(records=30))
    with pytest.raises(MalformedDns, match="octets"):
        read_answer(many, AnswerLimits(octets=600))


def test_the_most_expensive_answer_is_cheap() -> None:
    long = b"".join(b"\x01a" for _ in range(126)) + b"\x00"
    record = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c"
    octets = WIRES[0][:4] + b"\x00\x01\x00\xff\x00\x00\x00\x00" + long + b"\x00\x05\x00\x01" + record * 255

    def read() -> None:
        with contextlib.suppress(MalformedDns):
            interpret(read_answer(octets), "a", "CNAME", negative_ttl=1)

    cheap(read)


def test_records_that_all_point_at_one_long_name_are_refused() -> None:
    long = b"".join(b"\x01a" for _ in range(126)) + b"\x00"
    record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01"
    octets = WIRES[0][:4] + b"\x00\x01\x00\x28\x00\x00\x00\x00" + long + b"\x00\x01\x00\x01" + record * 40
    with pytest.raises(MalformedDns, match="labels"):
        read_answer(octets)


def test_upper_bits_of_the_response_code_count() -> None:
    reply = dns.message.make_response(query("a.example.com", use_edns=0, payload=1232))
    reply.set_rcode(dns.rcode.BADVERS)
    assert read_answer(write(reply)).rcode == dns.rcode.BADVERS


def test_a_ttl_with_the_highest_bit_set_is_zero() -> None:
    record = b"\xc0\x0c\x00\x01\x00\x01\x80\x00\x00\x01\x00\x04\x0a\x00\x00\x01"
    octets = WIRES[1][:4] + b"\x00\x01\x00\x01\x00\x00\x00\x00" + b"\x01a\x00\x00\x01\x00\x01" + record
    assert read_answer(octets).answer[0].ttl == 0
