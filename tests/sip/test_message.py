"""Messages are lossless, and editing one line leaves all others as they came."""

from __future__ import annotations

import pytest

from edgesim.sip import Request, Response, SipProtocolError, parse_message
from edgesim.sip.names import canonical
from edgesim.sip.parsing import content_length, parse_head, salvage
from tests.sip import samples

ALL = sorted(path.stem for path in samples.FOLDER.glob("*.sip"))

ODD = (
    b"OPTIONS sip:a@b SIP/2.0\r\n"
    b"v: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1,\r\n  SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2\r\n"
    b'F :  "\xff\xfe" <sip:a@b>;tag=1\r\n'
    b"t:<sip:c@d>\r\n"
    b"CALL-id: x\r\n"
    b"cSEQ:1   OPTIONS\r\n"
    b"Subject: first\r\n\t second\r\n"
    b"Subject:\r\n"
    b"l: 3\r\n\r\nabc"
)


@pytest.mark.parametrize("name", ALL)
def test_captured_messages_survive_unchanged(name: str) -> None:
    data = samples.octets(name)
    head = data.partition(b"\r\n\r\n")[0]
    assert bytes(parse_head(head)) == head + b"\r\n\r\n"


def test_odd_spelling_survives_unchanged() -> None:
    message = parse_message(ODD)
    assert bytes(message) == ODD
    message.append("X", "1")
    message.remove("X")
    assert bytes(message) == ODD


def test_reading_understands_what_it_keeps() -> None:
    message = parse_message(ODD)
    message.check()
    assert message.values("Via") == ["SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2"]
    assert message.get("From") == '"\udcff\udcfe" <sip:a@b>;tag=1'
    assert message.from_.tag == "1"
    assert message.get_all("subject") == ["first second", ""]
    assert message.cseq.number == 1
    assert message.body == b"abc"
    assert message.get("Missing") is None
    assert "call-ID" in message


@pytest.mark.parametrize(("compact", "name"), [("v", "via"), ("M", "contact"), ("k", "supported"), ("Via", "via")])
def test_compact_names(compact: str, name: str) -> None:
    assert canonical(compact) == name


def changed(before: bytes, after: bytes) -> tuple[set[bytes], set[bytes]]:
    old, new = (set(data.partition(b"\r\n\r\n")[0].split(b"\r\n")) for data in (before, after))
    return old - new, new - old


def test_an_edit_changes_its_line_alone() -> None:
    message = parse_message(ODD)
    message.replace("From", "<sip:new@b>;tag=2")
    gone, come = changed(ODD, bytes(message))
    assert gone == {b'F :  "\xff\xfe" <sip:a@b>;tag=1'}
    assert come == {b"F: <sip:new@b>;tag=2"}
    message.prepend("Via", "SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK9")
    assert bytes(message).split(b"\r\n")[1] == b"Via: SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK9"


def test_popping_from_a_comma_list() -> None:
    message = parse_message(ODD)
    assert message.pop_value("Via") == "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1"
    assert message.values("Via") == ["SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2"]
    assert message.pop_value("Via") == "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK2"
    assert message.pop_value("Via") is None


def test_set_leaves_one_line() -> None:
    message = parse_message(ODD)
    message.set("Subject", "only")
    assert message.get_all("Subject") == ["only"]
    assert message.remove("Subject") == 1
    with pytest.raises(KeyError):
        message.replace("Subject", "x")


def test_no_line_end_gets_in() -> None:
    message = parse_message(ODD)
    with pytest.raises(ValueError, match="line end"):
        message.append("X", "a\r\nInjected: yes")
    with pytest.raises(ValueError, match="line end"):
        Request.build("OPTIONS", "sip:a\r\nb")
    assert isinstance(message, Request)
    with pytest.raises(ValueError, match="white space"):
        message.uri = "sip:a b"


def test_changing_the_request_uri() -> None:
    message = parse_message(ODD)
    assert isinstance(message, Request)
    message.uri = "sip:e@f"
    assert changed(ODD, bytes(message)) == ({b"OPTIONS sip:a@b SIP/2.0"}, {b"OPTIONS sip:e@f SIP/2.0"})


def test_the_oauth_challenge_is_built_as_captured() -> None:
    request = samples.request("oauth_register")
    answer = request.response(
        407,
        to_tag="441122775",
        layout=(
            "Via",
            "From",
            "To",
            ("Date", "Mon, 30 Mar 2020 11:03:31 GMT"),
            "Call-ID",
            ("Server", "Cisco-CUCM12.5"),
            "CSeq",
        ),
        headers=[("Proxy-Authenticate", 'Bearer realm="ccmsipline"')],
    )
    assert bytes(answer) == samples.octets("oauth_challenge")


def test_the_service_timeout_is_built_as_captured() -> None:
    request = samples.request("service")
    answer = request.response(
        408,
        to_tag="0987654321bbbb",
        layout=("Via", "Call-ID", "CSeq", "From", "To"),
        headers=[("Server", "TANDBERG/4132 (X8.7.2)"), ("Warning", '399 10.0.30.10:5061 "Request Timeout"')],
    )
    expected = samples.octets("service_timeout").split(b"\r\n")
    built = bytes(answer).split(b"\r\n")
    assert [line for line in built if line not in expected] == [built[1]]  # the Via that the receiver stamps


def test_a_response_keeps_a_to_tag_and_copies_all_vias() -> None:
    request = parse_message(ODD.replace(b"t:<sip:c@d>", b"t:<sip:c@d>;tag=7"))
    assert isinstance(request, Request)
    answer = request.response(200, to_tag="8", headers=[("Server", "x")], body=b"ok")
    assert answer.to.tag == "7"
    assert answer.lines[:1] == request.lines[:1]
    assert bytes(answer).endswith(b"\r\nServer: x\r\nContent-Length: 2\r\n\r\nok")
    trying = samples.request("oauth_register").response(100, to_tag="1")
    assert trying.to.tag is None


@pytest.mark.parametrize(
    ("head", "reason", "status"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\ny: z", "bare", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\0", "NUL", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nno colon", "without a name", 400),
        (b"OPTIONS sip:a SIP/2.0\r\n: empty", "without a name", 400),
        (b"OPTIONS sip:a SIP/2.0\r\nb@d: x", "valid name", 400),
        (b"OPTIONS sip:a SIP/2.0\r\n folded: x", "continuation", 400),
        (b"OPTIONS sip:a SIP/3.0", "version", 505),
        (b"GET / HTTP/1.1", "not a SIP", None),
        (b"OPTIONS  sip:a SIP/2.0", "request line", 400),
        (b"SIP/2.0 99 x", "status line", None),
        (b"SIP/2.0 2\xb20 x", "status line", None),
        (b"OPTIONS sip:a SIP/2.0" + b"\r\nx: y" * 257, "too many", 513),
    ],
)
def test_broken_heads(head: bytes, reason: str, status: int | None) -> None:
    with pytest.raises(SipProtocolError, match=reason) as caught:
        parse_head(head)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "lengths", ["l: 3\r\nContent-Length: 4", "l: -1", "l: 3, 3", "l: x", "l: ", "l: 99999999999", "l: ²"]
)
def test_bad_content_lengths(lengths: str) -> None:
    with pytest.raises(SipProtocolError, match="Content-Length"):
        content_length(parse_head(b"OPTIONS sip:a SIP/2.0\r\n" + lengths.encode()))


def test_equal_content_lengths_are_one() -> None:
    zeros = b"0" * 4300
    assert content_length(parse_head(b"OPTIONS sip:a SIP/2.0\r\nl: 3\r\nContent-Length: " + zeros + b"3")) == 3


def test_a_datagram_is_cut_to_its_content_length() -> None:
    assert parse_message(ODD + b"rubbish").body == b"abc"
    with pytest.raises(SipProtocolError, match="shorter"):
        parse_message(ODD[:-1])


def test_what_was_read_follows_every_edit() -> None:
    message = parse_message(ODD)
    assert (message.top_via.host, message.from_.tag, message.cseq.number, message.get("To")) == (
        "192.0.2.1",
        "1",
        1,
        "<sip:c@d>",
    )
    message.prepend("Via", "SIP/2.0/TLS 192.0.2.9")
    message.replace("From", "<sip:x@y>;tag=2")
    message.set("CSeq", "2 OPTIONS")
    other = message.copy()
    message.remove("To")
    assert (message.top_via.host, message.from_.tag, message.cseq.number) == ("192.0.2.9", "2", 2)
    assert message.get("To") is None
    assert other.to.uri == "sip:c@d"
    other.pop_value("Via")
    assert (other.top_via.host, message.top_via.host) == ("192.0.2.1", "192.0.2.9")


def test_a_name_without_its_colon_is_no_header() -> None:
    for line in (b"Via", b"l", b"Via\r\n : x"):
        with pytest.raises(SipProtocolError):
            parse_head(b"OPTIONS sip:a SIP/2.0\r\nFrom: x\r\n" + line)


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_mandatory_headers(name: str) -> None:
    message = samples.request("oauth_register")
    message.check()
    message.remove(name)
    with pytest.raises(SipProtocolError, match=f"missing {name}"):
        message.check()


def test_cseq_names_the_method() -> None:
    message = samples.request("oauth_register")
    message.replace("CSeq", "1 INVITE")
    with pytest.raises(SipProtocolError, match="method"):
        message.check()


def test_salvage_answers_what_can_be_answered() -> None:
    broken = ODD.partition(b"\r\n\r\n")[0] + b"\r\nno colon"
    request = salvage(broken)
    assert request is not None
    answer = request.response(400, to_tag="1")
    assert isinstance(answer, Response)
    assert answer.get("To") == "<sip:c@d>;tag=1"
    assert salvage(broken.replace(b"OPTIONS sip", b"ACK sip")) is None
    assert salvage(broken.replace(b"CALL-id", b"Other")) is None
    assert salvage(b"\xff\xfe") is None
