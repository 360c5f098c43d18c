"""Hostile input: each parser raises its protocol error or nothing, quickly, and gives back unchanged what it takes."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.sip import (
    Authentication,
    CSeq,
    Framer,
    MediaType,
    NameAddr,
    Parameters,
    SipProtocolError,
    SipUri,
    Via,
    WarningValue,
    parse_message,
)
from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.digest import DigestCredentials
from edgesim.sip.journalling import event_of, keys_of, secrets_of
from edgesim.sip.parsing import salvage
from edgesim.sip.proxy import Hop, clamp_hops, loop_hash, rewrite_contacts, stamp_via
from edgesim.sip.remotecc import MULTIPART_TYPE, announced_options, register_body, response_code, split_parts
from edgesim.sip.stun import StunMessage, binding
from edgesim.sip.text import split
from edgesim.sip.values import delta_seconds, sip_date
from tests.each import holds_for_each
from tests.fuzz import cheap, fuzzed
from tests.sip import samples
from tests.sip.settings import LIMITS

HOP = Hop(address="10.0.30.10", port=5060, transport="tcp", zone="Z")
ALL = [samples.octets(path.stem) for path in sorted(samples.FOLDER.glob("*.sip"))]
WHOLE = [
    samples.octets("phone_register") + register_body(),
    samples.octets("service_timeout"),
    bytes(binding(b"0" * 12)),
]
PIECES = [
    b"\r\n", b"\n", b"\r", b"\0", b":", b";", b",", b"<", b">", b'"', b"\\", b"=", b" ", b"\t", b"\xff", b"@", b"[",
    b"\r\n ", b"\r\n\r\n", b"Via: ", b"l: 5\r\n", b"Content-Length: 7\r\n", b"SIP/2.0", b"]", b"sip:", b"a", b"9",
    b"\x00\x01\x00\x00\x21\x12\xa4\x42", b"99999999999", b"--uniqueBoundary", b"<!DOCTYPE x [", b"&a;",
]  # fmt: skip


def damage(bases: list[bytes], program: bytes) -> bytes:
    """Damage a good input as a program of four octets a step says: insert, cut, double, flip; or give plain noise."""
    if program[:1] > b"\xe0":
        return program[1:]
    data = bytearray(bases[program[0] % len(bases)] if program else b"")
    for at in range(1, len(program) - 3, 4):
        how, high, low, what = program[at : at + 4]
        place = (high << 8 | low) % (len(data) + 1)
        piece = PIECES[what % len(PIECES)]
        if how < 80:
            data[place:place] = piece
        elif how < 120:
            del data[place : place + 1 + what % 40]
        elif how < 160:
            data[place:place] = data[place : place + 1 + what]
        elif how < 200 and place < len(data):
            data[place] ^= 1 << what % 8
        else:
            data[place:place] = piece * (1 + what % 50)
    return bytes(data)


def damaged(bases: list[bytes]) -> st.SearchStrategy[bytes]:
    """Good inputs with up to six damages, or noise."""
    return st.binary(max_size=25).map(lambda program: damage(bases, program))


@fuzzed
@given(damaged(ALL + WHOLE))
def test_messages(data: bytes) -> None:
    try:
        message = parse_message(data)
    except SipProtocolError:
        return
    assert bytes(message) in data
    copy = message.copy()
    assert bytes(copy) == bytes(message)
    try:
        message.check()
        event = event_of(message, "tls")
        json.dumps([event.as_json(), keys_of(message), event.summary()], ensure_ascii=False).encode()
        for start, end in secrets_of(message):
            assert 0 <= start <= end <= len(bytes(message))
        for name in ("Contact", "Route", "Via"):
            _ = message.values(name)
        _ = (message.contacts, message.routes, message.authentication("Proxy-Authorization"))
        if hasattr(message, "method"):
            stamp_via(message, ("192.0.2.1", 5061), HOP)
            clamp_hops(message, 15)
            rewrite_contacts(message, HOP, user="x")
            assert len(loop_hash(message)) == 32
    except (SipProtocolError, ProxyRefusal):
        return


@fuzzed
@given(st.lists(damaged(WHOLE), min_size=1, max_size=2), st.sampled_from([1, 7, 50, 300, 1460]))
def test_streams(inputs: list[bytes], step: int) -> None:
    def run(size: int) -> tuple[list[bytes], str]:
        framer = Framer(LIMITS)
        out: list[bytes] = []
        try:
            for start in range(0, len(data), size):
                framer.receive(data[start : start + size])
                while (event := framer.next_event()) is not None:
                    if hasattr(event, "start_line"):
                        out.append(bytes(event))
        except SipProtocolError as error:
            return out, "error" if error.data or not data else "nothing kept"
        return out, "open"

    data = b"".join(inputs)
    messages, end = run(step)
    assert end != "nothing kept"
    # How the stream is cut changes nothing about the messages in it.
    assert messages == run(len(data) or 1)[0]


@fuzzed
@given(damaged(ALL))
def test_salvage(data: bytes) -> None:
    request = salvage(data)
    if request is not None:
        answer = request.response(400, to_tag="1")
        assert parse_message(bytes(answer)).get("CSeq") == request.get("CSeq")


VALUES = [
    "<sip:a@b:5061;transport=tls;zone-id=3;directed;lr>",
    '"Jane \\"x\\" Doe" <sip:jdoe@example.com>;tag=52e56d4a339dd9d0;+sip.instance="<urn:uuid:0>"',
    "SIP/2.0/TLS 203.0.113.10:7003;egress-zone=UCTraversal;branch=z9hG4bK1;rport",
    "sip:user:secret@[2001:db8::1]:5061;lr?subject=x",
    '399 UCM-PUB "SIP OAuth Registration port Mismatch"',
    'Digest username="jdoe", realm="r", nonce="n", uri="sip:x", response="0", qop=auth, nc=00000001, cnonce="c"',
    "104 REGISTER",
    "multipart/mixed; boundary=uniqueBoundary",
    "Thu, 24 Jun 2021 19:09:09 GMT",
    "18000;duration=3600 (x)",
]
PARSERS: dict[str, Callable[[str], Any]] = {
    "address": NameAddr.parse,
    "via": Via.parse,
    "uri": SipUri.parse,
    "cseq": CSeq.parse,
    "authentication": Authentication.parse,
    "warning": WarningValue.parse,
    "media type": MediaType.parse,
    "parameters": Parameters.parse,
    "delta seconds": delta_seconds,
    "date": sip_date,
    "list": lambda text: split(text, ","),
    "digest": lambda text: DigestCredentials.of(Authentication.parse(text)),
}


@fuzzed
@given(damaged([value.encode() for value in VALUES]))
def test_values(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for name, parse in PARSERS.items():
        try:
            value = parse(text)
        except SipProtocolError:
            continue
        if name in ("address", "via", "uri"):
            assert parse(str(value)) == value, "what is written is read the same"


@fuzzed
@given(damaged([bytes(binding(b"0" * 12).success(("192.0.2.1", 5061))), bytes(binding(b"0" * 12).failure(500))]))
def test_stun(data: bytes) -> None:
    try:
        message = StunMessage.decode(data)
        assert StunMessage.decode(bytes(message)) == message
        _ = (message.mapped, message.error)
    except SipProtocolError:
        pass


@fuzzed
@given(damaged([register_body()]))
def test_bodies(data: bytes) -> None:
    for parse in (
        lambda: announced_options(data, MULTIPART_TYPE),
        lambda: split_parts(data, MULTIPART_TYPE),
        lambda: response_code(data),
    ):
        try:
            parse()
        except SipProtocolError:
            continue


LIMIT = 32_768


UNITS = [
    "a", " ", '"', "<", "\\", ";", ",", ":", '";', '\\"', "a ", ";a", "<>", '""', "=", "@", "1", "\t ", "a=,", "a=b,",
]  # fmt: skip
PREFIXES = ["", '"', "<", "SIP/2.0/UDP ", "sip:", "Digest ", "Digest a=", "1 ", "a/b;", ";a=", "<sip:a>"]


def test_no_value_takes_long() -> None:
    def is_cheap(parser: str, prefix: str, unit: str, end: str) -> None:
        text = (prefix + unit * LIMIT)[:LIMIT] + end
        cheap(lambda: _tried(PARSERS[parser], text))

    holds_for_each(is_cheap, itertools.product(PARSERS, PREFIXES, UNITS, ["", "\udcff"]))


@pytest.mark.parametrize("unit", [b"a", b"\r\n", b"\r\n ", b"a:b\r\n", b"Via: x,\r\n", b":", b"\xff", b" \r\n\t"])
def test_no_message_takes_long(unit: bytes) -> None:
    data = b"OPTIONS sip:a SIP/2.0\r\n" + unit * (LIMIT // len(unit))
    for candidate in (data, data + b"\r\n\r\n", data[:LIMIT] + b"\r\nl: 0\r\n\r\n"):
        cheap(lambda candidate=candidate: _tried(_framed, candidate))


def _framed(data: bytes) -> None:
    framer = Framer(LIMITS)
    framer.receive(data)
    while framer.next_event() is not None:
        pass


def _tried(parse: Callable[[Any], object], candidate: object) -> None:
    with contextlib.suppress(SipProtocolError):
        parse(candidate)
