"""The name server without sockets: what it answers, and to what it does not."""

from __future__ import annotations

import struct
from dataclasses import replace

import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgesim.dns
from edgesim.dns import Failure, Record
from tests.dns.lab import INSIDE, LIMITS, OUTSIDE, View, answer, query, rcode, respond, views
from tests.fuzz import cheap, fuzzed


def ask(view: View, name: str, qtype: str = "A", **options: object) -> dns.message.Message:
    octets = answer(query(name, qtype, **options).to_wire(), view)
    assert octets is not None
    return dns.message.from_wire(octets)


def test_views_answer_the_same_question_differently() -> None:
    assert ask(OUTSIDE, "expe1.example.com").answer[0].to_text() == "expe1.example.com. 3600 IN A 10.0.10.21"
    assert ask(INSIDE, "expe1.example.com").answer[0].to_text() == "expe1.example.com. 3600 IN A 10.0.20.21"
    assert rcode(answer(query("_cisco-uds._tcp.example.com", "SRV").to_wire(), OUTSIDE)) == "NXDOMAIN"
    assert len(ask(INSIDE, "_cisco-uds._tcp.example.com", "SRV").answer[0]) == 1


def test_srv_comes_in_its_order_with_the_addresses_of_its_targets() -> None:
    message = ask(OUTSIDE, "_collab-edge._tls.example.com", "SRV")
    assert [rdata.to_text() for rdata in message.answer[0]] == [
        "10 10 8443 expe1.example.com.",
        "10 10 8443 expe2.example.com.",
    ]
    assert [rrset.name.to_text() for rrset in message.additional] == ["expe1.example.com.", "expe2.example.com."]
    assert message.flags & dns.flags.AA
    assert message.flags & dns.flags.RA
    assert message.id == 0x1234


def test_no_such_name_and_no_such_type_are_different_things() -> None:
    missing = ask(OUTSIDE, "nobody.example.com")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    empty = ask(OUTSIDE, "expe1.example.com", "AAAA")
    assert empty.rcode() == dns.rcode.NOERROR
    for message in (missing, empty):
        assert message.answer == []
        (soa,) = message.authority
        assert (soa.name.to_text(), soa.ttl, soa.rdtype) == ("example.com.", 60, dns.rdatatype.SOA)
        assert message.flags & dns.flags.AA


def test_a_denial_is_remembered_no_longer_than_the_soa_itself() -> None:
    """RFC 2308, section 3: the lesser of the SOA's TTL, an hour here, and its minimum field."""
    record = Record(name="a.example.com", type="A", ttl=300, value="192.0.2.1")
    for negative_ttl, ttl in ((60, 60), (7200, 3600)):
        (soa,) = ask(edgesim.dns.View("outside", [record], negative_ttl=negative_ttl), "b.example.com").authority
        assert (soa.ttl, soa[0].minimum) == (ttl, negative_ttl)


def test_names_between_apex_and_record_exist() -> None:
    assert ask(OUTSIDE, "_tls.example.com").rcode() == dns.rcode.NOERROR
    assert ask(OUTSIDE, "example.com").rcode() == dns.rcode.NOERROR
    assert ask(OUTSIDE, "_tcp2.example.com").rcode() == dns.rcode.NXDOMAIN


WILD = View(
    "wild",
    [
        Record("*.example.com", "A", 3600, "192.0.2.1"),
        Record("host.example.com", "A", 3600, "192.0.2.2"),
        Record("*.alias.example.com", "CNAME", 3600, "host.example.com"),
        Record("*._tcp.example.com", "SRV", 3600, (10, 10, 8443, "host.example.com")),
        Record("a.below.example.com", "A", 3600, "192.0.2.3"),
    ],
)


@pytest.mark.parametrize(
    ("name", "qtype", "answers"),
    [
        ("any.example.com", "A", ["any.example.com. 3600 IN A 192.0.2.1"]),
        ("two.labels.example.com", "A", ["two.labels.example.com. 3600 IN A 192.0.2.1"]),
        ("*.example.com", "A", ["*.example.com. 3600 IN A 192.0.2.1"]),
        ("host.example.com", "A", ["host.example.com. 3600 IN A 192.0.2.2"]),
        ("a.host.example.com", "A", []),  # the closest that exists is host.example.com, which has no wildcard below it
        ("b.below.example.com", "A", []),
        ("below.example.com", "A", []),
        (
            "x.alias.example.com",
            "A",
            ["x.alias.example.com. 3600 IN CNAME host.example.com.", "host.example.com. 3600 IN A 192.0.2.2"],
        ),
        ("_sip._tcp.example.com", "SRV", ["_sip._tcp.example.com. 3600 IN SRV 10 10 8443 host.example.com."]),
        ("any.example.com", "AAAA", []),
    ],
)
def test_names_that_do_not_exist_get_their_records_from_a_wildcard(name: str, qtype: str, answers: list[str]) -> None:
    assert [rrset.to_text() for rrset in ask(WILD, name, qtype).answer] == answers


def test_a_wildcard_without_the_type_denies_the_type_and_not_the_name() -> None:
    assert ask(WILD, "any.example.com", "AAAA").rcode() == dns.rcode.NOERROR
    assert ask(WILD, "b.below.example.com").rcode() == dns.rcode.NXDOMAIN


def test_names_of_no_zone_do_not_exist_without_authority() -> None:
    message = ask(OUTSIDE, "www.example.org")
    assert message.rcode() == dns.rcode.NXDOMAIN
    assert not message.flags & dns.flags.AA
    assert message.authority[0].name == dns.name.root
    strict = View("strict", OUTSIDE.records, strangers="REFUSED")
    assert rcode(answer(query("www.example.org").to_wire(), strict)) == "REFUSED"


def test_aliases_are_followed_and_circles_are_not() -> None:
    message = ask(OUTSIDE, "edge.example.com")
    assert [rrset.rdtype for rrset in message.answer] == [dns.rdatatype.CNAME, dns.rdatatype.A]
    assert [rrset.rdtype for rrset in ask(OUTSIDE, "edge.example.com", "CNAME").answer] == [dns.rdatatype.CNAME]
    assert ask(OUTSIDE, "loop.example.com").rcode() == dns.rcode.SERVFAIL
    away = ask(OUTSIDE, "away.example.com")
    assert away.rcode() == dns.rcode.NXDOMAIN
    assert [rrset.rdtype for rrset in away.answer] == [dns.rdatatype.CNAME]


def test_reverse_follows_from_the_addresses() -> None:
    assert ask(INSIDE, "11.40.0.10.in-addr.arpa", "PTR").answer[0][0].to_text() == "cucm1.example.com."
    assert ask(INSIDE, "12.40.0.10.in-addr.arpa", "PTR").rcode() == dns.rcode.NXDOMAIN
    assert not ask(OUTSIDE, "21.10.0.10.in-addr.arpa", "PTR").answer


def test_apex_has_soa_and_ns() -> None:
    assert (
        ask(OUTSIDE, "example.com", "SOA").answer[0][0].to_text().startswith("ns1.example.com. hostmaster.example.com.")
    )
    assert ask(OUTSIDE, "example.com", "NS").answer[0][0].to_text() == "ns1.example.com."
    assert [str(apex) for apex in INSIDE.apexes] == ["example.com.", "20.0.10.in-addr.arpa.", "40.0.10.in-addr.arpa."]


def test_case_of_the_question_is_kept() -> None:
    message = ask(OUTSIDE, "ExPe1.eXample.COM")
    assert message.question[0].name.to_text() == "ExPe1.eXample.COM."
    assert len(message.answer) == 1


def test_any_and_transfers() -> None:
    assert {rrset.rdtype for rrset in ask(OUTSIDE, "example.com", "ANY").answer} == {
        dns.rdatatype.SOA,
        dns.rdatatype.NS,
    }
    assert ask(OUTSIDE, "example.com", "AXFR").rcode() == dns.rcode.REFUSED
    assert ask(OUTSIDE, "version.bind", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(("edns", "room"), [(None, 512), (0, 1232), (400, 512), (800, 800), (4096, 1232)])
def test_large_answers_are_truncated_over_udp(edns: int | None, room: int) -> None:
    asked = query("_many._tcp.example.com", "SRV", **({} if edns is None else {"use_edns": 0, "payload": edns or 1232}))
    octets = answer(asked.to_wire(), OUTSIDE)
    assert octets is not None
    assert len(octets) <= room
    message = dns.message.from_wire(octets)
    assert message.flags & dns.flags.TC
    assert not message.answer
    assert (message.edns >= 0) is (edns is not None)
    whole = answer(asked.to_wire(), OUTSIDE, "tcp")
    assert whole is not None
    assert len(dns.message.from_wire(whole).answer[0]) == 40


def test_additional_records_go_before_anything_is_truncated() -> None:
    asked = query("_collab-edge._tls.example.com", "SRV").to_wire()
    message = dns.message.from_wire(answer(asked, OUTSIDE, limits=replace(LIMITS, udp_plain=140)) or b"")
    assert not message.flags & dns.flags.TC
    assert len(message.answer[0]) == 2
    assert not message.additional


def test_failures_on_demand() -> None:
    lab = views()
    asked = query("expe1.example.com").to_wire()

    def now(view: View = OUTSIDE, octets: bytes = asked) -> str | None:
        reply = respond(octets, view, views=lab)
        return reply.rcode

    lift = lab.fail(Failure(view="outside", name="expe1.example.com", type="A"))
    assert now() == "SERVFAIL"
    assert now(INSIDE) == "NOERROR"
    assert now(OUTSIDE, query("expe1.example.com", "AAAA").to_wire()) == "NOERROR"
    lift()
    assert now() == "NOERROR"
    lab.fail(Failure(name="*.example.com", rcode="REFUSED", times=2))
    assert [now(), now(), now()] == ["REFUSED", "REFUSED", "NOERROR"]
    lab.fail(Failure(rcode=None))
    assert respond(asked, OUTSIDE, views=lab).octets is None


def header(flags: int = 0x0100, counts: tuple[int, int, int, int] = (1, 0, 0, 0), identifier: int = 7) -> bytes:
    return struct.pack("!HH4H", identifier, flags, *counts)


QUESTION = b"\x05expe1\x07example\x03com\x00\x00\x01\x00\x01"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", None),
        (b"\x00" * 11, None),
        (header(0x8100) + QUESTION, None),
        (header(0x2900) + QUESTION, "NOTIMP"),
        (header(0x1100) + QUESTION, "NOTIMP"),
        (header(counts=(0, 0, 0, 0)), "FORMERR"),
        (header(counts=(2, 0, 0, 0)) + QUESTION * 2, "FORMERR"),
        (header(counts=(1, 1, 0, 0)) + QUESTION, "FORMERR"),
        (header(counts=(1, 0, 0, 60000)) + QUESTION, "FORMERR"),
        (header() + QUESTION[:-3], "FORMERR"),
        (header() + b"\xc0\x0c\x00\x01\x00\x01", "FORMERR"),
        (header() + b"\x01a\xc0\x0c\x00\x01\x00\x01", "FORMERR"),
        (header() + b"\xc0\xff\x00\x01\x00\x01", "FORMERR"),
        (header() + b"\x7fa\x00\x00\x01\x00\x01", "FORMERR"),
        (header() + (b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01", "FORMERR"),
        (header() + QUESTION + b"junk", "FORMERR"),
        (header() + QUESTION + b"\x00" * 5000, "FORMERR"),
    ],
)  # fmt: skip
def test_bad_input_gets_the_protocols_answer(octets: bytes, expected: str | None) -> None:
    reply = respond(octets, OUTSIDE)
    assert reply.malformed
    assert reply.rcode == expected
    if expected is None:
        assert reply.octets is None
    else:
        assert reply.octets is not None
        assert reply.octets[:2] == octets[:2]
        assert rcode(reply.octets) == expected
        message = dns.message.from_wire(reply.octets)
        assert message.opcode() == dns.opcode.from_flags(struct.unpack_from("!H", octets, 2)[0])


def test_unknown_edns_version() -> None:
    reply = respond(query("expe1.example.com", use_edns=3, payload=1232).to_wire(), OUTSIDE)
    assert reply.rcode == "BADVERS"
    message = dns.message.from_wire(reply.octets or b"")
    assert (message.rcode(), message.edns) == (dns.rcode.BADVERS, 0)


@pytest.mark.parametrize(
    "record",
    [
        Record("a" * 64 + ".example.com", "A", 60, "10.0.0.1"),
        Record("a.example.com", "A", 60, "10.0.0.256"),
        Record("a.example.com", "SRV", 60, "10 ten 8443 a"),
        Record("a.example.com", "NOSUCH", 60, "x"),
    ],
)
def test_an_invalid_record_is_refused(record: Record) -> None:
    with pytest.raises(ValueError, match="example"):
        View("v", [record])


def test_a_cname_has_no_other_records() -> None:
    with pytest.raises(ValueError, match="must be the only record"):
        View("v", [Record("a.x.com", "CNAME", 60, "b.x.com"), Record("a.x.com", "A", 60, "10.0.0.1")])


WIRES = [
    query(name, kind, **options).to_wire()
    for name, kind, options in (
        ("expe1.example.com", "A", {}),
        ("_collab-edge._tls.example.com", "SRV", {"use_edns": 0, "payload": 1232}),
        ("loop.example.com", "ANY", {}),
        ("x.example.org", "PTR", {"want_dnssec": True}),
    )
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(st.sampled_from(WIRES)))
    for _ in range(draw(st.integers(0, 4))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(octets)))
    tail = draw(st.binary(max_size=30))
    return bytes(octets[:cut]) + tail if draw(st.booleans()) else bytes(octets)


COUNTS = st.tuples(*[st.integers(0, 3)] * 4)


@fuzzed
@given(
    mutated()
    | st.binary(max_size=300)
    | st.tuples(COUNTS, st.binary(max_size=120)).map(lambda parts: header(0x0100, parts[0]) + parts[1]),
    st.sampled_from(["udp", "tcp"]),
)  # fmt: skip
def test_no_octets_make_the_server_fail(octets: bytes, transport: str) -> None:
    reply = cheap(lambda: respond(octets, OUTSIDE, transport))
    if reply.octets is not None:
        assert transport == "tcp" or len(reply.octets) <= 1232
        assert dns.message.from_wire(reply.octets).flags & dns.flags.QR
    else:
        assert reply.malformed


def test_the_most_expensive_query_is_cheap() -> None:
    long = b"".join(b"\x01a" for _ in range(126)) + b"\x00"
    records = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x0c" * 2
    octets = header(counts=(1, 0, 0, 2)) + long + b"\x00\x21\x00\x01" + records
    assert cheap(lambda: respond(octets, OUTSIDE)).rcode == "NXDOMAIN"
