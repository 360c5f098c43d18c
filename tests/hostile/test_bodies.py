"""Hostile documents in sound HTTP: bombs and entities for UDS, AXL, SOAP; paths and descriptors at the edge."""

from __future__ import annotations

import base64
import re

import pytest

from edgesim.http import basic_authorization
from edgesim.xmpp import soap
from tests.hostile.case import Case
from tests.hostile.http_inputs import ANY_ERROR, request
from tests.hostile.lab import DOORS, Arena, Door, under_attack

AXL = basic_authorization("axl", "axl-password").encode()
ALICE = basic_authorization("alice", "alice-secret").encode()
HTTP = {(door.host, door.address, door.port): door for door in DOORS if door.dialect == "http"}
PUB = HTTP["ucm-pub", "10.0.40.11", 8443]
IMP = HTTP["imp-pub", "10.0.40.21", 8443]
EDGES = [door for door in HTTP.values() if door.host == "expe"]

ENTITIES = b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
DOCUMENTS = {
    "a bomb": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + ENTITIES + b"]><x>&j;</x>",
    "a quadratic bomb": b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 20_000 + b'">]><x>' + b"&a;" * 5_000 + b"</x>",
    "an external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "an external DTD": b'<!DOCTYPE x SYSTEM "http://169.254.169.254/x.dtd"><x/>',
    "a parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]><x/>',
    "depth without end": b"<a>" * 10_000,
    "attributes without end": b"<x " + b"".join(b"a%d='x' " % n for n in range(5_000)) + b"/>",
    "elements without end": b"<x>" + b"<y/>" * 10_000 + b"</x>",
    "not XML": b"hello",
    "nothing": b"",
    "octets": bytes(range(256)) * 10,
    "UTF-16": "<x/>".encode("utf-16"),
    "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-x/+AD4-',
    "cut": b"<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'><soapenv:Body>",
    "another document": b"<html><body/></html>",
    "NUL": b"<x>\0</x>",
    "includes": b'<x xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd" parse="text"/></x>',
}


def post(path: bytes, authorization: bytes, document: bytes, *, method: bytes = b"POST") -> bytes:
    return request(
        b"Authorization: " + authorization,
        b"Content-Type: text/xml",
        b"Content-Length: %d" % len(document),
        start=method + b" " + path + b" HTTP/1.1",
        body=document,
    )


@pytest.mark.parametrize(
    ("door", "path", "authorization", "method"),
    [
        (PUB, b"/axl/", AXL, b"POST"),
        (PUB, b"/cucm-uds/user/alice/credentials", ALICE, b"PUT"),
        (IMP, b"/axl/", AXL, b"POST"),
        (IMP, soap.SERVICE.encode() + b"/v80", ALICE, b"POST"),
    ],
    ids=["UDS AXL", "UDS credentials", "IM and Presence AXL", "IM and Presence SOAP"],
)
def test_hostile_documents(door: Door, path: bytes, authorization: bytes, method: bytes) -> None:
    async def story(arena: Arena) -> None:
        cases = [
            Case(
                name=name, pieces=[post(path, authorization, document, method=method)], answer=ANY_ERROR, malformed=True
            )
            for name, document in DOCUMENTS.items()
        ]
        await arena.strike_all(door, cases)

    under_attack(story)


async def cookie_of_carol(arena: Arena, door: Door) -> bytes:
    """Sign in as an attacker who is a user: her password is good for whatever the edge allows."""
    authorization = basic_authorization("carol", "carol-secret").encode()
    wire = await arena.open(door)
    wire.send(request(b"Authorization: " + authorization, start=b"GET /ZXhhbXBsZS5jb20/get_edge_config HTTP/1.1"))
    found = re.search(rb"\r\nSet-Cookie: (X-Auth=[0-9a-f]+);", await wire.quiet())
    wire.hang_up()
    assert found is not None
    return found[1]


def _wrapped(text: bytes, rest: bytes = b"/") -> bytes:
    return b"/" + base64.urlsafe_b64encode(text).rstrip(b"=") + rest


OUTSIDE_THE_LIST = [
    b"example.com/http/169.254.169.254/80",
    b"example.com/http/127.0.0.1/8443",
    b"example.com/http/localhost/22",
    b"example.com/https/ucm-pub.inside.example.com/22",
    b"example.com/http/ucm-pub.inside.example.com/8443",
    b"example.com/https/expe.example.com/8443",
    b"example.com/https/expc.inside.example.com/443",
    b"example.com/https/dns-inside.inside.example.com/53",
    b"example.com/https/www.example.org/443",
    b"example.com/https/ucm-pub.inside.example.com.evil.example/8443",
    b"example.com/https/10.0.40.11/9443",
]
NO_DESCRIPTORS = [
    b"example.com/ftp/ucm-pub/21",
    b"example.com/file/x/1",
    b"example.com/http/0x7f000001/80",
    b"example.com/http/2130706433/80",
    b"example.com/http/127.1/80",
    b"example.com/http/ucm-pub/0",
    b"example.com/http/ucm-pub/65536",
    b"example.com/http/ucm-pub/-1",
    b"example.com/http/ucm-pub/80/more",
    b"example.com/http/ucm-pub",
    b"example.com/http//80",
    b"example.com/http/a@b/80",
    b"example.com/http/[::1]/80",
    b"example.com/http/ucm pub/80",
    b"example.com/http/ucm-pub\r\nX: y/80",
    b"example.com/http/ucm-pub\0/80",
    b"//////",
    b"",
    b"\xff\xfe\xfd\x00\x01\x02",
    "exämple.com/http/ucm-pub/80".encode(),
    b"a" * 700,
]
PATHS = [
    b"/!!!!/x",
    b"/ZXhhbXBsZS5jb20=====/get_edge_config",
    b"/ZXhhbXBsZS5jb2/get_edge_config",
    b"/Z/get_edge_config",
    b"/%5a%58%68/get_edge_config",
    b"/%%%%/get_edge_config",
    b"/" + b"A" * 4_000,
    b"//",
    b"/./ZXhhbXBsZS5jb20/get_edge_config",
    b"/.greeting",
    b"/ZXhhbXBsZS5jb20/get_edge_config/../../x",
]


@pytest.mark.parametrize("door", EDGES, ids=str)
def test_descriptors_that_lead_astray(door: Door) -> None:
    async def story(arena: Arena) -> None:
        cookie = await cookie_of_carol(arena, door)

        def get(target: bytes) -> bytes:
            return request(b"Cookie: " + cookie, start=b"GET " + target + b" HTTP/1.1")

        def case(target: bytes, status: bytes) -> Case:
            return Case(name=repr(target), pieces=[get(target)], answer=rb"HTTP/1\.1 " + status)

        climbs = _wrapped(b"example.com/https/ucm-pub.inside.example.com/8443", b"/cucm-uds/../axl/")
        cases = [
            *[case(_wrapped(text), b"403") for text in OUTSIDE_THE_LIST],
            *[case(_wrapped(text), b"404") for text in NO_DESCRIPTORS],
            *[case(path, b"404") for path in PATHS],
            case(climbs, b"403"),
        ]
        start = len(arena.journal)
        await arena.strike_all(door, cases)
        asked = [entry for entry in arena.entries("http.request", start) if entry.node not in ("expe", "expc")]
        targets = {str(entry.event.as_json()["target"]).partition("?")[0] for entry in asked}
        known = ("/cucm-uds/", "/EPASSoap/", "/CSFBOB.cnf.xml", "/jabber-config.xml", "/SPDefault", "/axl/", "/ssosp/")
        assert all(target.startswith(known) for target in targets), targets
        dialled = {entry.event.as_json()["port"] for entry in arena.entries("tcp.open", start) if entry.node == "expc"}
        assert dialled <= {8443, 6970, 6972, 5060, 5061, 7001, 7400, 2222}, dialled

    under_attack(story)
