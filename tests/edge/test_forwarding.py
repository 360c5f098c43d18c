"""What the two proxies of the edge do to header fields."""

from __future__ import annotations

import pytest

from edgesim.edge.forwarding import Hop, at_first_hop, at_second_hop, end_to_end, from_server, to_client, without_cookie
from edgesim.http import Headers, Request, Response

E = Hop(scheme="https", uuid="e")
C = Hop(scheme="http", uuid="c")


def request(*headers: tuple[str, str]) -> Request:
    return Request(method="GET", target="/", headers=Headers(headers), peer=("198.51.100.25", 50000))


def test_hop_by_hop_fields_end_here() -> None:
    headers = Headers(
        [
            ("A", "1"),
            ("connection", "close, x-Own , Cookie,Authorization, Host"),
            ("X-OWN", "2"),
            ("Host", "h"),
            ("Cookie", "c"),
            ("Authorization", "a"),
            ("Upgrade", "h2c"),
            ("Keep-Alive", "1"),
            ("Transfer-Encoding", "chunked"),
            ("B", ""),
        ]
    )
    assert end_to_end(headers).items == (("A", "1"), ("Host", "h"), ("Cookie", "c"), ("Authorization", "a"), ("B", ""))


def test_what_a_client_forges_of_our_fields_is_gone() -> None:
    forged = request(
        ("x-forwarded-for", "127.0.0.1"),
        ("TRACKINGID", "mine"),
        ("Connection", "TrackingID, Via"),
        ("Client-IP", "127.0.0.1"),
        ("Accept", "*/*"),
    )
    assert at_first_hop(forged, tracking="t", hop=E).items == (
        ("Accept", "*/*"),
        ("TrackingID", "t"),
        ("Client-ip", "198.51.100.25"),
        ("X-Forwarded-For", "198.51.100.25"),
        ("Via", "https/1.1 vcs[e] (ATS)"),
    )


def test_a_via_that_came_along_stays_in_front() -> None:
    came = request(("Via", "1.1 one"), ("Via", "1.1 two"))
    first = at_first_hop(came, tracking="t", hop=E)
    second = at_second_hop(Request(method="GET", target="/", headers=first), host="h:1", hop=C, previous="127.0.0.1")
    assert second.get_all("Via") == ["1.1 one, 1.1 two, https/1.1 vcs[e] (ATS), http/1.1 vcs[c] (ATS)"]
    assert second.get_all("X-Forwarded-For") == ["198.51.100.25, 127.0.0.1"]
    assert second.items[0] == ("Host", "h:1")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("X-Auth=1", None),
        ("X-Auth=1;", None),
        (" X-Auth=1; a=2", "a=2"),
        ("a=1;  X-Auth=2;b=3", "a=1;b=3"),
        ("a=1; X-Authority=2", "a=1; X-Authority=2"),
        ("a=X-Auth", "a=X-Auth"),
        ("X-Auth=1; X-Auth=2", None),
    ],
)
def test_one_cookie_is_taken_out_and_the_rest_stays_as_written(before: str, after: str | None) -> None:
    left = without_cookie(Headers([("A", "1"), ("cookie", before), ("B", "2")]), "X-Auth")
    assert left.get("Cookie") == after
    assert [name for name, _ in left if name in "AB"] == ["A", "B"]


def test_answers_on_their_way_back() -> None:
    answer = Response(
        status=200,
        headers=Headers([("Content-Length", "3"), ("Connection", "X"), ("X", "1"), ("Age", "7")]),
        body=b"abc",
    )
    chunked = from_server(answer)
    assert chunked.items == (("Age", "7"), ("Transfer-Encoding", "chunked"))
    assert from_server(answer, chunked=False).items == (("Content-Length", "3"), ("Age", "7"))
    assert from_server(answer, head=True).items == (("Content-Length", "3"), ("Age", "7"))
    client = to_client(Response(status=200, headers=chunked, body=b"abc"))
    assert client.items == (("Age", "7"), ("Transfer-Encoding", "chunked"), ("Connection", "keep-alive"))
    bare = to_client(Response(status=304), keep_alive=False)
    assert bare.items == (("Age", "0"), ("Connection", "close"))
