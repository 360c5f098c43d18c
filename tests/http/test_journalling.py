"""The spans of a message's secrets, and its correlation keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.http import Headers, Request
from edgesim.http.journalling import request_event, request_keys, response_keys, secret_spans
from edgesim.journal import Entry, events
from edgesim.journal.masking import present
from tests.fuzz import cheap, fuzzed


def secrets(head: bytes, body: bytes = b"") -> list[bytes]:
    return [(head + body)[start:end] for start, end in secret_spans(head, body)]


@pytest.mark.parametrize(
    ("head", "body", "found"),
    [
        (b"GET / HTTP/1.1\r\nauthorization:  Bearer aa.bb.cc\r\n\r\n", b"", [b"aa.bb.cc"]),
        (b"GET / HTTP/1.1\r\nAuthorization: opaque\r\n\r\n", b"", [b"opaque"]),
        (b"GET / HTTP/1.1\r\nProxy-Authorization: Basic eHg=\r\n\r\n", b"", [b"eHg="]),
        (b"GET / HTTP/1.1\r\nCookie: a=1; b=2==\r\nX: c=3\r\n\r\n", b"", [b"1", b"2=="]),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: X-Auth=v; Path=/\r\nSet-Cookie: J=w\r\n\r\n", b"", [b"v", b"w"]),
        (b"GET /cb?access_token=tok&x=1 HTTP/1.1\r\n\r\n", b"", [b"tok"]),
        (b"GET /cb?x=1 HTTP/1.1\r\n\r\n", b"grant_type=password&password=p%20w&x=1", [b"p%20w"]),
        (b"\r\n\r\n", b'{"password" : "p w", "refresh_token":"r"}', [b"p w", b"r"]),
        (b"\r\n\r\n", b"<ns:login><ns:password>p w</ns:password><n/></ns:login>", [b"p w"]),
        (b"\r\n\r\n", b'<credential type="pin">1234</credential>', [b"1234"]),
        (b"\r\n\r\n", b"<session-key>6f</session-key>", [b"6f"]),
        (b"GET / HTTP/1.1\r\nHost: password\r\n\r\n", b"nothing secret in here", []),
    ],
)
def test_secrets_are_found(head: bytes, body: bytes, found: list[bytes]) -> None:
    assert secrets(head, body) == found


@pytest.mark.parametrize("each", ["v{0}=secret{0}; ", "v=s; "], ids=["all different", "all the same"])
@pytest.mark.parametrize("count", [100, 101, 2000])
def test_a_line_of_many_cookies_costs_little_and_shows_nothing(count: int, each: str) -> None:
    line = "".join(map(each.format, range(count)))
    headers = Headers([("Host", "expe"), ("Cookie", line.strip())])
    request = Request(method="GET", target="/", headers=headers)
    head = f"GET / HTTP/1.1\r\nHost: expe\r\nCookie: {line}\r\n\r\n".encode()

    def shown() -> Entry[events.HttpRequest]:
        event = request_event(request)
        entry = Entry(
            node="expe", incarnation=1, sequence=1, at_ns=0, host_ns=0, direction="in", peer=None, event=event,
            payload=head, secrets=secret_spans(head, b""),
        )  # fmt: skip
        return present(entry)

    seen = cheap(shown)
    value = dict(seen.event.headers)["Cookie"]
    for text in (value, seen.payload.decode()):
        assert "secret0" not in text and "=s;" not in text and "<secret>" in text
    assert value.count("<secret>") == (100 if count == 100 else 1)


def test_keys() -> None:
    headers = Headers(
        [("TrackingID", "t"), ("Cookie", "A=1; X-Auth=c; X-Auth=d"), ("Authorization", "Basic amRvZTpwOnE=")]
    )
    assert request_keys(Request(method="GET", target="/", headers=headers), "X-Auth") == (
        "tracking:t",
        "cookie:c",
        "user:jdoe",
    )
    assert (
        request_keys(Request(method="GET", target="/", headers=Headers([("Authorization", "Basic !!")])), "X-Auth")
        == ()
    )
    assert response_keys(Headers([("Set-Cookie", "J=1"), ("set-cookie", "X-Auth=c; Path=/")]), "X-Auth") == (
        "cookie:c",
    )


PIECES = st.sampled_from(
    [b"Authorization: ", b"Cookie: ", b"Set-Cookie: a=", b"Basic ", b"\r\n", b"=", b"; ", b"<password>", b"&pin=", b" "]
)


@fuzzed
@given(
    head=st.lists(PIECES | st.binary(max_size=8), max_size=6).map(b"".join),
    body=st.lists(PIECES | st.binary(max_size=8), max_size=6).map(b"".join),
)
def test_spans_are_in_order_apart_and_inside(head: bytes, body: bytes) -> None:
    at = 0
    for start, end in secret_spans(head, body):
        assert at <= start < end <= len(head) + len(body)
        at = end


@pytest.mark.parametrize(
    "piece",
    [
        b"<password ",
        b"<password>",
        b'"password"',
        b"&password=",
        b"<a:",
        b"Authorization: a ",
        b"Cookie: ",
        b"=",
        b" ",
        b"a",
    ],
)
def test_no_input_makes_the_search_slow(piece: bytes) -> None:
    head, body = piece * (32 * 1024 // len(piece)), piece * (2 * 1024 * 1024 // len(piece))
    cheap(lambda: secret_spans(head, body), seconds=0.5)
