"""Values keep their spelling; sipmessage, an independent parser, agrees on what both understand."""

from __future__ import annotations

import pytest
import sipmessage

from edgesim.sip import (
    Authentication,
    CSeq,
    MediaType,
    NameAddr,
    Parameters,
    SipProtocolError,
    SipUri,
    Via,
    WarningValue,
)
from edgesim.sip.text import quote, split, unquote
from edgesim.sip.values import delta_seconds, sip_date
from tests.sip import samples


def test_the_contact_of_jabber() -> None:
    [contact] = samples.request("mra_register").contacts
    assert contact.parameters.get("+sip.instance") == "<urn:uuid:00000000-0000-0000-0000-00005e005301>"
    assert contact.parameters.get("+u.sip!devicename.ccm.cisco.com") == "CSFJDOE"
    assert contact.parameters.raw("+U.SIP!model.ccm.cisco.com") == '"503"'
    assert "video" in contact.parameters
    assert contact.parameters.get("video") is None
    assert contact.address.transport == "tls"
    assert contact.address.hostport == "192.0.2.10:58980"


@pytest.mark.parametrize("name", sorted(path.stem for path in samples.FOLDER.glob("*.sip")))
def test_captured_values_are_rebuilt_as_spelled(name: str) -> None:
    data = samples.octets(name)
    message = samples.response(name) if data.startswith(b"SIP") else samples.request(name)
    parsed = 0
    for header, parse in (
        *((item, NameAddr.parse) for item in ("From", "To", "Contact", "Route", "Record-Route", "P-Asserted-Identity")),
        ("CSeq", CSeq.parse),
        ("Warning", WarningValue.parse),
        ("Proxy-Authenticate", Authentication.parse),
        ("Proxy-Authorization", Authentication.parse),
    ):
        for value in message.get_all(header):
            assert str(parse(value)) == value
            parsed += 1
    for value in message.get_all("Via"):
        assert str(Via.parse(value)) == value
        parsed += 1
    assert parsed >= 4


def test_the_routes_of_the_edge() -> None:
    first, second = samples.request("service").routes
    assert "apparent" in first.address.parameters
    assert "vcs-cate" in second.address.parameters
    edge = NameAddr.parse("<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>")
    assert edge.address.parameters.get("zone-id") == "3"
    assert [name for name, _ in edge.address.parameters] == ["transport", "zone-id", "directed", "lr"]


@pytest.mark.parametrize(
    "text",
    [
        "sip:10001@ucm-pub.inside.example.com",
        "sip:7514c56a-1034@10.0.30.10:5060;transport=tcp;orig-hostport=192.0.2.10:58980",
        "sips:user:secret@[2001:db8::1]:5061;lr",
        "sip:proxy-call-id=06e8fff6@203.0.113.10:5061;transport=tls;lr",
        "tel:+15550100;phone-context=example.com",
    ],
)
def test_uris_agree_with_sipmessage(text: str) -> None:
    uri, other = SipUri.parse(text), sipmessage.URI.parse(text)
    assert str(uri) == text
    assert (uri.scheme, uri.host, uri.user, uri.password, uri.port) == (
        other.scheme,
        other.host,
        other.user,
        other.password,
        other.port,
    )
    assert list(uri.parameters) == list(other.parameters.items())


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/TLS 192.0.2.10:58980;branch=z9hG4bK00007e98;received=198.51.100.25;rport=58980",
        "SIP/2.0/TCP host.example.com;branch=z9hG4bK1;rport",
    ],
)
def test_vias_agree_with_sipmessage(text: str) -> None:
    via, other = Via.parse(text), sipmessage.Via.parse(text)
    assert (via.transport, via.host, via.port) == (other.transport, other.host, other.port)
    assert dict(via.parameters) == dict(other.parameters)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "http://x",
        "sip:@host",
        "sip:a b@host",
        "sip:a@host:0",
        "sip:a@host:65536",
        "sip:a@[::1",
        "sip:a@ho st",
        "sip:a@host;;x",
        "sip:a@host\udcff",
    ],
)
def test_bad_uris(text: str) -> None:
    with pytest.raises(SipProtocolError):
        SipUri.parse(text)


def test_addresses() -> None:
    address = NameAddr.parse('"Doe, \\"Jane\\" <x>"   <sip:a@b;lr>;tag=1')
    assert address.display == '"Doe, \\"Jane\\" <x>"'
    assert unquote(address.display) == 'Doe, "Jane" <x>'
    assert (address.uri, address.tag) == ("sip:a@b;lr", "1")
    assert NameAddr.parse("Jane Doe <sip:a@b>").display == "Jane Doe"
    bare = NameAddr.parse("sip:a@b;tag=1")
    assert (bare.uri, bare.tag, str(bare)) == ("sip:a@b", "1", "sip:a@b;tag=1")
    assert NameAddr.parse("<urn:X-cisco-remotecc:token-registration>").uri.startswith("urn:")


@pytest.mark.parametrize(
    "text",
    ["", '"open <sip:a@b>', '"x" sip:a@b', "<sip:a@b", "<>", "<sip:a@b> junk", "a b", "<sip:a@b>;", "<sip:a@b>;=1"],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(SipProtocolError):
        NameAddr.parse(text)


def test_parameters_keep_order_and_spelling() -> None:
    parameters = Parameters.parse(' ; A = "x;y" ;b;C=<u;v> ')
    assert list(parameters) == [("A", '"x;y"'), ("b", None), ("C", "<u;v>")]
    assert str(parameters.with_("a", "1").with_("d")) == ";A=1;b;C=<u;v>;d"
    assert str(parameters.without("B")) == ';A="x;y";C=<u;v>'
    assert parameters.get("a") == "x;y"


def test_via_details() -> None:
    via = Via.parse("SIP / 2.0 / udp [2001:db8::1] : 5070 ; branch=z9hG4bK1 ;rport=70000")
    assert (via.transport, via.host, via.port, via.rport) == ("UDP", "[2001:db8::1]", 5070, None)
    assert via.sent_by == "[2001:db8::1]:5070"
    for bad in ("SIP/1.0/UDP x", "SIP/2.0/UDP", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP a b"):
        with pytest.raises(SipProtocolError):
            Via.parse(bad)


def test_authentication() -> None:
    value = Authentication.parse('Digest realm="a, \\"b\\"", nonce="x" , qop="auth,auth-int",stale=FALSE')
    assert value.get("REALM") == 'a, "b"'
    assert value.get("qop") == "auth,auth-int"
    assert value.get("stale") == "FALSE"
    assert value.get("opaque") is None
    assert Authentication.parse("Bearer abc.def").token == "abc.def"
    assert Authentication.parse('Bearer token="abc"').get("token") == "abc"
    for bad in (
        "Digest",
        "",
        'Digest realm="x',
        'Digest realm="x",',
        'Digest a="1", a="2"',
        "Digest a=1 b=2",
        "D\xe9 a=1",
    ):
        with pytest.raises(SipProtocolError):
            Authentication.parse(bad)


def test_small_values() -> None:
    assert CSeq.parse("104 REGISTER") == CSeq(number=104, method="REGISTER")
    for bad in ("x", "1", "2147483648 A", "-1 A", "1 A B", "² A"):
        with pytest.raises(SipProtocolError):
            CSeq.parse(bad)
    assert delta_seconds("35") == 35
    assert delta_seconds("18000;duration=3600 (busy)") == 18000
    assert delta_seconds("99999999999") == 2**32 - 1
    for bad in ("", "x", "-1", "1x"):
        with pytest.raises(SipProtocolError):
            delta_seconds(bad)
    assert sip_date("Thu, 24 Jun 2021 19:09:09 GMT") == 1624561749
    for bad in ("Thu, 24 Jun 2021 19:09:09 CET", "Thu, 24 Jun 2021 29:09:09 GMT", "x"):
        with pytest.raises(SipProtocolError):
            sip_date(bad)
    assert MediaType.parse("Multipart/Mixed;boundary=x").type == "multipart/mixed"
    for bad in ("text", "/", "a/b/c", "a b/c"):
        with pytest.raises(SipProtocolError):
            MediaType.parse(bad)
    warning = WarningValue.parse('399 UCM-PUB "SIP OAuth Registration port Mismatch"')
    assert (warning.code, warning.agent, warning.text) == (399, "UCM-PUB", "SIP OAuth Registration port Mismatch")
    with pytest.raises(SipProtocolError):
        WarningValue.parse("399 x")


def test_splitting_and_quoting() -> None:
    assert split('a,"b,c",<d,e>', ",") == ["a", '"b,c"', "<d,e>"]
    assert unquote(quote('a"b\\c')) == 'a"b\\c'
    for bad in ('"a', "<a", 'x,"a\\"'):
        with pytest.raises(SipProtocolError):
            split(bad, ";")
    with pytest.raises(SipProtocolError):
        Parameters.parse(';a="x')
