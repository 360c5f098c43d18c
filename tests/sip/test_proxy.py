"""What an Expressway changes, checked against captures line by line; and that it changes nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgesim.sip import NameAddr, Request, SipProtocolError, SipUri, parse_message
from edgesim.sip.admission import Passage, ProxyRefusal, admit
from edgesim.sip.proxy import (
    Branches,
    Hop,
    add_path,
    assert_user,
    clamp_hops,
    loop_hash,
    original_target,
    pop_route,
    push_via,
    record_route,
    restored,
    rewrite_contacts,
    stamp_via,
    zone_token,
)
from edgesim.world import Entropy
from tests.sip import samples
from tests.sip.test_framing import phone_register

E = Hop(address="203.0.113.10", port=7003, transport="tls", zone="UC Traversal", zone_id=4)
C = Hop(address="10.0.30.10", port=5060, transport="tcp", zone="CEtcp-ucm")
OUTSIDE = Hop(address="203.0.113.10", port=5061, transport="tls", zone="CollaborationEdgeZone")
Z = replace(OUTSIDE, zone="Z")
FORM = "<sip:{address}:{port};transport={transport};lr>"
CALL = "06e8fff6-d275-412c-8277-62a5fcb12f98"

ODD_LINES = [
    b"X-Odd :\xff\xfe  spaced ",
    b"s: folded\r\n  subject",
    b"k:replaces,  join",
    b"User-Agent:Cisco-CSF",
]


def odd_register() -> Request:
    data = phone_register().replace(b"\r\nUser-Agent: Cisco-CP7821/12.1.1", b"\r\n" + b"\r\n".join(ODD_LINES))
    request = parse_message(data)
    assert isinstance(request, Request)
    return request


def lines_of(data: bytes) -> list[bytes]:
    return parse_message(data).lines


def test_the_stamp_on_jabbers_via_is_as_captured() -> None:
    request = samples.request("mra_register")
    request.replace("Via", "SIP/2.0/TLS 192.0.2.10:58980;branch=z9hG4bK00007e98")
    stamp_via(request, ("198.51.100.25", 58980), OUTSIDE)
    assert request.get("Via") == samples.response("mra_registered").get("Via")


def test_the_stamp_on_the_edges_via_is_as_captured() -> None:
    request = samples.request("service")
    stamp_via(request, ("203.0.113.10", 7003), E)
    captured = samples.response("service_timeout").get_all("Via")
    assert request.get_all("Via") == [captured[0], captured[1]]


def test_the_stamp_fills_rport_in_its_place_as_captured() -> None:
    request = samples.request("b2bua_invite")
    captured = request.get_all("Via")[1]
    sent = captured.replace("rport=44543", "rport").replace(";received=203.0.113.10;ingress-zone=DefaultZone", "")
    request.remove("Via")
    request.prepend("Via", sent)
    stamp_via(request, ("203.0.113.10", 44543), replace(OUTSIDE, zone="DefaultZone"))
    assert request.get("Via") == captured


def test_the_stamp_keeps_other_vias_of_the_line() -> None:
    request = odd_register()
    request.replace("Via", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/UDP 192.0.2.2")
    stamp_via(request, ("192.0.2.9", 1), Z)
    assert request.values("Via") == [
        "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1;received=192.0.2.9;rport=1;ingress-zone=Z",
        "SIP/2.0/UDP 192.0.2.2",
    ]


def test_the_pushed_via_has_the_captured_form() -> None:
    request = samples.request("service")
    captured = request.get("Via")
    request.remove("Via", 0)
    push_via(request, E, branch="[branchID]", proxy_call_id="[callid]")
    assert request.get("Via") == captured.replace("UCTraversal", zone_token("UC Traversal")) if captured else False
    assert request.start_line.startswith(b"SERVICE")
    assert request.names[:2] == ("via", "via")


def test_the_contact_without_path_is_as_captured() -> None:
    request = samples.request("mra_register")
    rewrite_contacts(request, C, user="jdoe")
    captured = samples.response("mra_registered").get("Contact") or ""
    assert request.get("Contact") == captured.removesuffix(";x-cisco-newreg")
    uri = request.contacts[0].address
    assert original_target(uri) == ("192.0.2.10", 58980)
    assert str(restored(uri, "tls")) == samples.request("mra_register").contacts[0].uri
    rewrite_contacts(request, C, user="other")
    assert request.contacts[0].parameters.get("+u.sip!userid.ccm.cisco.com") == "other"


def test_contact_star_and_lists() -> None:
    request = odd_register()
    request.set("Contact", "*")
    rewrite_contacts(request, C)
    assert request.get("Contact") == "*"
    request.set("Contact", '"A, B" <sip:a@192.0.2.1>;q=1, sip:b@192.0.2.2:5070')
    rewrite_contacts(request, C, user="x")
    assert [contact.display for contact in request.contacts] == ['"A, B"', ""]
    assert [original_target(contact.address) for contact in request.contacts] == [
        ("192.0.2.1", None),
        ("192.0.2.2", 5070),
    ]
    assert all(contact.address.hostport == "10.0.30.10:5060" for contact in request.contacts)


def test_path_leaves_the_contact_alone_but_for_the_user() -> None:
    request = samples.request("mra_register")
    before = request.get("Contact")
    assert_user(request, "jdoe")
    add_path(request, C, FORM)
    add_path(request, E, FORM)
    assert request.get("Contact") == f'{before};+u.sip!userid.ccm.cisco.com="jdoe"'
    assert request.get_all("Path") == [
        "<sip:203.0.113.10:7003;transport=tls;lr>",
        "<sip:10.0.30.10:5060;transport=tcp;lr>",
    ]


def test_two_record_routes_a_hop() -> None:
    request = samples.request("b2bua_invite")
    request.remove("Record-Route")
    ingress = Hop(address="203.0.113.10", port=5061, transport="tls")
    record_route(request, egress=E, ingress=ingress, proxy_call_id=CALL)
    assert request.get_all("Record-Route") == [
        f"<sip:proxy-call-id={CALL}@203.0.113.10:7003;transport=tls;lr>",
        f"<sip:proxy-call-id={CALL}@203.0.113.10:5061;transport=tls;lr>",
    ]
    inner = Hop(address="10.0.30.10", port=5061, transport="tls")
    record_route(request, egress=C, ingress=inner, proxy_call_id=CALL)
    assert [NameAddr.parse(value).address.port for value in request.get_all("Record-Route")] == [5060, 5061, 7003, 5061]
    assert request.names[:7] == (
        "via",
        "via",
        "record-route",
        "record-route",
        "record-route",
        "record-route",
        "max-forwards",
    )


def test_max_forwards_is_clamped_as_captured() -> None:
    request = odd_register()
    assert [clamp_hops(request, 15), clamp_hops(request, 15), request.get("Max-Forwards")] == [15, 14, "14"]
    request.replace("Max-Forwards", "0")
    with pytest.raises(ProxyRefusal) as caught:
        clamp_hops(request, 15)
    assert caught.value.status == 483
    for bad in ("x", "-1", "256", ""):
        request.replace("Max-Forwards", bad)
        with pytest.raises(SipProtocolError):
            clamp_hops(request, 15)
    request.remove("Max-Forwards")
    assert clamp_hops(request, 15) == 15
    assert request.get("Max-Forwards") == "15"


def test_routes() -> None:
    request = odd_register()
    routes = ["<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>", "<sip:127.0.0.1:22210;transport=tcp;lr>"]
    for route in routes:
        request.append("Route", route)
    assert pop_route(request, lambda uri: uri.host == "192.0.2.99") is None
    popped = pop_route(request, lambda uri: uri.host == "10.0.30.10")
    assert popped is not None
    assert "directed" in popped.address.parameters
    assert request.get_all("Route") == routes[1:]
    request.remove("Route")
    assert pop_route(request, lambda uri: True) is None


def test_branches_follow_the_request() -> None:
    branches = Branches(Entropy(1, "branches"))
    request = odd_register()
    one = branches.make(request)
    assert one == branches.make(request.copy())
    cancel = request.copy()
    cancel.method = "CANCEL"
    cancel.replace("CSeq", "113 CANCEL")
    assert branches.make(cancel) == one
    assert one.startswith("z9hG4bK")
    assert "." not in one
    hashed = branches.make(request, loop_hash=loop_hash(request))
    assert hashed == f"{one}.{loop_hash(request)}"
    assert len(loop_hash(request)) == 32
    request.replace("CSeq", "114 REGISTER")
    assert branches.make(request) != one
    assert Branches(Entropy(2, "branches")).make(request) != branches.make(request)


def test_a_loop_is_found_and_a_spiral_is_not() -> None:
    def check(own: set[str], loop: str) -> int | None:
        try:
            admit(request, Passage(own=own, loop=loop))
        except ProxyRefusal as refusal:
            return refusal.status
        return None

    request = odd_register()
    loop = loop_hash(request)
    assert check({C.sent_by}, loop) is None
    push_via(request, C, branch=f"z9hG4bK1.{loop}", proxy_call_id=CALL)
    assert loop_hash(request) == loop
    assert check({C.sent_by}, loop_hash(request)) == 482
    assert check({E.sent_by}, loop) is None
    request.uri = "sip:elsewhere@10.0.40.12"
    assert check({C.sent_by}, loop_hash(request)) is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, None),
        ({"uri": "foo:bar"}, 416),
        ({"uri": "soap.beep://192.0.2.103:3002"}, 416),
        ({"uri": "nonsense"}, 400),
        ({"uri": "<sip:a@b>"}, 400),
        ({"uri": "sip:a@b:0x50"}, 400),
        ({"uri": "foo:<bar>"}, 400),
        ({"Max-Forwards": "0"}, 483),
        ({"Max-Forwards": "000070"}, None),
        ({"Max-Forwards": "0000000"}, 483),
        ({"Max-Forwards": "256"}, 400),
        ({"Route": "sip:10.0.30.10:5061;lr"}, 400),
        ({"Route": "<sip:10.0.30.10:5061"}, 400),
        ({"Proxy-Require": "one, two"}, 420),
        # in the RFC's order: the first failed check determines the response
        ({"Proxy-Require": "one", "Max-Forwards": "0"}, 483),
        ({"Proxy-Require": "one", "Max-Forwards": "0", "uri": "foo:bar"}, 416),
        ({"Max-Forwards": "x", "uri": "foo:bar"}, 400),
    ],
)
def test_what_a_proxy_looks_at_before_it_forwards(change: dict[str, str], status: int | None) -> None:
    request = odd_register()
    for name, value in change.items():
        if name == "uri":
            request.uri = value
        else:
            request.set(name, value)
    passage = Passage(own={C.sent_by}, loop=loop_hash(request))
    if status is None:
        admit(request, passage)
        return
    with pytest.raises(ProxyRefusal) as caught:
        admit(request, passage)
    assert caught.value.status == status
    if status == 420:
        assert caught.value.headers == (("Unsupported", "one,two"),)


def test_nothing_can_be_required_of_an_ack() -> None:
    request = odd_register()
    request.set("Proxy-Require", "one")
    request.method = "ACK"
    admit(request, Passage(own={C.sent_by}, loop=loop_hash(request)))


@pytest.mark.parametrize(
    ("sent", "stamped"),
    [
        ("SIP/2.0/TLS a;branch=1", "SIP/2.0/TLS a;branch=1;received=192.0.2.9;rport=7;ingress-zone=Z"),
        ("SIP/2.0/TLS a;rport=1;branch=1", "SIP/2.0/TLS a;rport=7;branch=1;received=192.0.2.9;ingress-zone=Z"),
        ("SIP/2.0/TLS a;branch=1;rport=99", "SIP/2.0/TLS a;branch=1;received=192.0.2.9;rport=7;ingress-zone=Z"),
        (
            "SIP/2.0/TLS a;Received=10.0.0.1;branch=1;ingress-zone=Other;ingress-zone-id=4",
            "SIP/2.0/TLS a;branch=1;received=192.0.2.9;rport=7;ingress-zone=Z",
        ),
        (
            'SIP/2.0/TLS a ; x="received=;rport" ; rport;branch=1',
            'SIP/2.0/TLS a; x="received=;rport" ;rport=7;branch=1;received=192.0.2.9;ingress-zone=Z',
        ),
    ],
)
def test_the_stamp_is_this_hops_word_whatever_the_sender_wrote(sent: str, stamped: str) -> None:
    request = odd_register()
    request.replace("Via", sent)
    stamp_via(request, ("192.0.2.9", 7), Z)
    assert request.get("Via") == stamped


@pytest.mark.parametrize(
    "claim",
    [
        ';+u.sip!userid.ccm.cisco.com="bob"',
        ';+U.SIP!USERID.ccm.cisco.com="bob";+u.sip!userid.ccm.cisco.com=carol',
        ' ; +u.sip!userid.ccm.cisco.com = "bob"',
    ],
)
def test_the_user_is_the_edges_word_whatever_the_client_says(claim: str) -> None:
    for by in ("path", "rewriting"):
        request = odd_register()
        request.set("Contact", f"<sip:a@192.0.2.1>{claim};video")
        if by == "path":
            assert_user(request, "alice")
        else:
            rewrite_contacts(request, C, user="alice")
        [contact] = request.contacts
        users = [value for name, value in contact.parameters if name.lower() == "+u.sip!userid.ccm.cisco.com"]
        assert users == ['"alice"']
        assert "video" in contact.parameters
        assert "bob" not in (request.get("Contact") or "")


def test_untouched_lines_pass_byte_for_byte() -> None:
    request = odd_register()
    before = list(request.lines)
    body = request.body
    # E: from the client into the traversal zone; C: from there to Unified CM.
    request.append("Route", "<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>")
    branches = Branches(Entropy(1, "branches"))
    for hop, ingress in ((E, OUTSIDE), (C, E)):
        stamp_via(request, ("192.0.2.1", 5061), ingress)
        pop_route(request, lambda uri: uri.host == "10.0.30.10")
        clamp_hops(request, 15)
        branch = branches.make(request, loop_hash=None if hop is E else loop_hash(request))
        push_via(request, hop, branch=branch, proxy_call_id=CALL)
        record_route(request, egress=hop, ingress=ingress, proxy_call_id=CALL)
    rewrite_contacts(request, C, user="jdoe")
    after = parse_message(bytes(request))
    touched = ("via", "max-forwards", "contact", "record-route")
    kept = [line for line, name in zip(after.lines, after.names, strict=True) if name not in touched]
    untouched = [line for line, name in zip(before, odd_register().names, strict=True) if name not in touched]
    assert kept == untouched
    assert all(line in kept for line in ODD_LINES)
    assert after.body == body
    assert after.get("Max-Forwards") == "14"
    assert len(after.get_all("Via")) == 3


def test_a_foreign_uri_is_no_rewritten_one() -> None:
    uri = SipUri.parse("sip:a@b")
    assert original_target(uri) is None
    assert restored(uri, "tls") is uri
