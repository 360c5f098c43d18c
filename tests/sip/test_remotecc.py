"""remotecc bodies, whose lengths are known from captures, and multipart framing."""

from __future__ import annotations

import pytest

from edgesim.sip import SipProtocolError
from edgesim.sip.remotecc import (
    JABBER_OPTIONS,
    MULTIPART_TYPE,
    Part,
    announced_options,
    join_parts,
    register_body,
    response_body,
    response_code,
    split_parts,
)
from tests.sip import samples


def test_the_bodies_have_the_captured_lengths() -> None:
    assert len(register_body()) == int(samples.request("phone_register").get("Content-Length") or 0) == 1313
    assert len(register_body(JABBER_OPTIONS)) == int(samples.request("oauth_again").get("Content-Length") or 0) == 1271
    assert register_body().count(b"\r\n") == 11


def test_unified_cm_echoes_a_subset() -> None:
    options = announced_options(register_body(), MULTIPART_TYPE)
    assert options is not None
    body = response_body(options)
    assert body.endswith(
        b'<presence usage="blf speed dial"><unot/></presence><joinreq></joinreq><ix/><bfcp/>'
        b"</optionsind></response></x-cisco-remotecc-response>"
    )
    assert response_code(body) == (200, ("combine", "dialog", "presence", "joinreq", "ix", "bfcp"))
    older = response_body(tuple(option for option in options if option not in ("ix", "bfcp")))
    assert b"<ix/>" not in older
    assert b"<joinreq>" in older


def test_parts_survive() -> None:
    parts = (
        Part(headers=(("Content-Type", "application/text"),), body=b"a\r\nb"),
        Part(headers=(("content-type", "Application/X; a=b"), ("X", "\udcff")), body=b"\x00\xff--x"),
    )
    body = join_parts(parts, "x-y")
    assert split_parts(body, "multipart/mixed;boundary=x-y") == parts
    assert split_parts(b"preamble\r\n" + body + b"epilogue", 'multipart/mixed; boundary="x-y"') == parts
    assert parts[1].type == "application/x"


def test_the_published_service_body_is_understood() -> None:
    message = samples.octets("service")
    body = (
        message.partition(b"\r\n\r\n")[2].replace(b"\n", b"\r\n")
        + b"\r\n--boundary-6j7zrmj35ifsu3efg5ga603hnz1nbf--\r\n"
    )
    one, two = split_parts(body, samples.request("service").get("Content-Type") or "")
    assert one.type == "application/text"
    assert one.body.startswith(b"<?xml")
    assert two.type == "application/x-x509-ca-cert"
    assert two.body.startswith(b"-----BEGIN CERTIFICATE-----")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", MULTIPART_TYPE),
        (register_body(), "text/plain"),
        (register_body(), "multipart/mixed"),
        (register_body(), "multipart/mixed; boundary=" + "x" * 71),
        (register_body()[:-30], MULTIPART_TYPE),
        (b"--uniqueBoundary junk\r\n\r\n\r\n--uniqueBoundary--", MULTIPART_TYPE),
        (b"--uniqueBoundary\r\n" * 100, MULTIPART_TYPE),
        (join_parts([Part(headers=(), body=b"")] * 40, "uniqueBoundary"), MULTIPART_TYPE),
    ],
)
def test_broken_multipart(body: bytes, kind: str) -> None:
    with pytest.raises(SipProtocolError):
        split_parts(body, kind)


@pytest.mark.parametrize(
    "document",
    [
        b"<x",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b'<?xml version="1.0" encoding="x-unknown"?><x/>',
        b"\xff\xfe",
    ],
)
def test_hostile_documents(document: bytes) -> None:
    with pytest.raises(SipProtocolError):
        response_code(document)
    part = Part(headers=(("Content-Type", "application/x-cisco-remotecc-request+xml"),), body=document)
    with pytest.raises(SipProtocolError):
        announced_options(join_parts([part], "uniqueBoundary"), MULTIPART_TYPE)


def test_a_register_without_options() -> None:
    part = Part(headers=(("Content-Type", "text/plain"),), body=b"x")
    assert announced_options(join_parts([part], "uniqueBoundary"), MULTIPART_TYPE) is None
    with pytest.raises(SipProtocolError):
        response_code(b"<other/>")
