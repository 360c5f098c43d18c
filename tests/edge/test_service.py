"""SERVICE: the captured body, damage to it, and the timestamp."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge.service import (
    DigestAuth,
    ServiceError,
    build,
    content_type,
    new_boundary,
    parse,
    parse_date,
    refusal_of_timestamp,
    signed_text,
)
from edgesim.world import Entropy
from tests.fuzz import fuzzed

BOUNDARY = "boundary-6j7zrmj35ifsu3efg5ga603hnz1nbf"
PEM = b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\nAAAA\n-----END CERTIFICATE-----\n"
QUESTION = DigestAuth(
    username="jdoe",
    realm="expe.example.com",
    nonce="0123",
    cnonce="54f80570",
    nc="00000001",
    response="abcd",
    uri="sip:ucm-sub.inside.example.com",
    id="12345678",
    msgid="12345678979",
    sipdomain="ucm-sub.inside.example.com",
    certificate=PEM,
)
CAPTURED = (
    b"--boundary-6j7zrmj35ifsu3efg5ga603hnz1nbf\r\n"
    b"Content-Type: application/text\r\n"
    b"\r\n"
    b'<?xml version="1.0" encoding="utf-8"?> <methodCall><params><username>jdoe</username>'
    b"<realm>expe.example.com</realm><nonce>0123</nonce><qop>auth</qop><cnonce>54f80570</cnonce><nc>00000001</nc>"
    b"<response>abcd</response><uri>sip:ucm-sub.inside.example.com</uri><method>REGISTER</method><id>12345678</id>"
    b"<caching-enabled>true</caching-enabled><reqtype>collab-edge</reqtype></params><methodName>DigestAuth</methodName>"
    b"<version>1.0</version><msgid>12345678979</msgid><sipdomain>ucm-sub.inside.example.com</sipdomain></methodCall>\r\n"
    b"\r\n"
    b"--boundary-6j7zrmj35ifsu3efg5ga603hnz1nbf\r\n"
    b"Content-Type: application/x-x509-ca-cert\r\n"
    b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\nAAAA\n-----END CERTIFICATE-----\r\n"
)
TYPE = content_type(BOUNDARY)


def test_the_captured_body_in_both_directions() -> None:
    assert build(QUESTION, BOUNDARY) == CAPTURED
    assert TYPE == "multipart/mixed;boundary=boundary-6j7zrmj35ifsu3efg5ga603hnz1nbf"
    assert parse(CAPTURED, TYPE) == QUESTION


def test_proper_multipart_is_read_as_well() -> None:
    proper = build(QUESTION, BOUNDARY, proper=True)
    assert b"x-x509-ca-cert\r\n\r\n-----BEGIN" in proper
    assert proper.endswith(f"--{BOUNDARY}--\r\n".encode())
    assert parse(proper, f'multipart/mixed; boundary="{BOUNDARY}"') == QUESTION
    assert parse(b"preamble\r\n" + proper + b"epilogue", TYPE) == QUESTION
    assert parse(CAPTURED.replace(b"\r\n", b"\n"), TYPE) == QUESTION


def test_a_boundary_looks_like_the_captured_one() -> None:
    made = new_boundary(Entropy(1, "boundary"))
    assert len(made) == len(BOUNDARY)
    assert made.startswith("boundary-")
    assert made != new_boundary(Entropy(2, "boundary"))


def test_values_are_escaped() -> None:
    odd = dataclasses.replace(QUESTION, username="a<b>&c", sipdomain="]]>")
    assert parse(build(odd, BOUNDARY), TYPE) == odd


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (CAPTURED, "multipart/mixed"),
        (CAPTURED, "application/sdp;boundary=x"),
        (CAPTURED, content_type("other")),
        (CAPTURED.replace(b"DigestAuth", b"Other"), TYPE),
        (CAPTURED.replace(b"application/text", b"text/plain"), TYPE),
        (CAPTURED.replace(b"<nonce>0123</nonce>", b""), TYPE),
        (CAPTURED.replace(b"jdoe", b""), TYPE),
        (CAPTURED.replace(b"</methodCall>", b""), TYPE),
        (CAPTURED.replace(b"END CERT", b"END CRL"), TYPE),
        (CAPTURED.replace(b"<methodCall>", b'<!DOCTYPE a [<!ENTITY b "c">]><methodCall>'), TYPE),
        (CAPTURED + CAPTURED, TYPE),
        (b"", TYPE),
        (b"x" * 100_000, TYPE),
    ],
)
def test_an_invalid_service_body_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(ServiceError):
        parse(body, kind)


@pytest.mark.parametrize(
    ("date", "now", "refused"),
    [
        ("Tue, 19 Apr 2016 07:09:13 GMT", 1461049753.0, False),
        ("Tue, 19 Apr 2016 07:09:13 GMT", 1461049753.0 + 60.9, False),
        ("Tue, 19 Apr 2016 07:09:13 GMT", 1461049753.0 + 61, True),
        ("Tue, 19 Apr 2016 07:09:13 GMT", 1461049753.0 - 60, False),
        ("Tue, 19 Apr 2016 07:09:13 GMT", 1461049753.0 - 61, True),
        ("yesterday", 0.0, True),
        ("Tue, 31 Feb 2016 07:09:13 GMT", 0.0, True),
        ("Tue, 19 Apr 2016 07:09:1: GMT", 0.0, True),
        (None, 0.0, True),
    ],
)
def test_a_minute_of_skew_is_the_limit(date: str | None, now: float, refused: bool) -> None:
    assert (refusal_of_timestamp(date, now, tolerance=60.0) is not None) is refused


def test_what_the_signature_covers() -> None:
    assert signed_text(from_="f", to="t", call_id="c", cseq="1 SERVICE", date="d", body=b"\xff") == (
        b"f|t|c|1 SERVICE|d|\xff"
    )


@fuzzed
@given(
    at=st.integers(0, len(CAPTURED)),
    length=st.integers(0, 60),
    put=st.binary(max_size=20)
    | st.sampled_from(
        [b"\r\n", b"\n", b"--" + BOUNDARY.encode(), b"--", b"<a>", b"&x;", b"Content-Type: application/text"]
    ),
    kind=st.just(TYPE) | st.text(max_size=40).map(lambda text: "multipart/mixed;boundary=" + text),
)
def test_any_damage_gives_a_question_or_the_error(at: int, length: int, put: bytes, kind: str) -> None:
    try:
        found = parse(CAPTURED[:at] + put + CAPTURED[at + length :], kind)
    except ServiceError:
        return
    assert found.username
    assert found.certificate.startswith(b"-----BEGIN")


@fuzzed
@given(date=st.text(max_size=40) | st.from_regex(r"Tue, [0-9]{2} Apr [0-9]{4} [0-9:]{8} GMT", fullmatch=True))
def test_any_date_is_read_or_not(date: str) -> None:
    assert parse_date(date) is None or date
