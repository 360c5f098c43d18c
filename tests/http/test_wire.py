"""The octets of HTTP: strict reading, exact writing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.http import Headers, HttpLimits, MalformedHttp, Request, Response
from edgesim.http.wire import Incoming, Reader
from edgesim.http.writing import encode_request, encode_response
from tests.each import holds_for_each
from tests.fuzz import cheap, fuzzed

GET = b"GET / HTTP/1.1\r\nHost: e\r\n"


def read(data: bytes, *, limits: HttpLimits | None = None, end: bool = False) -> list[Incoming]:
    reader = Reader(limits or HttpLimits())
    reader.feed(data)
    if end:
        reader.end()
    found = []
    while (message := reader.next()) is not None:
        found.append(message)
    return found


def read_response(data: bytes, method: str = "GET", *, end: bool = False) -> Incoming | None:
    reader = Reader(HttpLimits(), client=True)
    reader.expect(method)
    reader.feed(data)
    if end:
        reader.end()
    return reader.next()


def test_a_captured_request_keeps_its_octets_and_order() -> None:
    captured = (
        b"GET /ZXhhbXBsZS5jb20/get_edge_config/ HTTP/1.1\r\n"
        b"Authorization: Basic amRvZTpzZWNyZXQ=\r\n"
        b"Host: expe.example.com:8443\r\n"
        b"Cookie: JSESSIONIDSSO=0123456789ABCDEF0123456789ABCDEF\r\n"
        b"Accept-Charset: ISO-8859-1,utf-8\r\n\r\n"
    )
    (message,) = read(captured)
    assert message.head == captured
    assert [name for name, _ in message.headers] == ["Authorization", "Host", "Cookie", "Accept-Charset"]
    again = Request(method="GET", target="/ZXhhbXBsZS5jb20/get_edge_config/", headers=message.headers)
    assert encode_request(again) == captured


def test_a_captured_401_comes_out_octet_for_octet() -> None:
    captured = (
        b"HTTP/1.1 401 Unauthorized\r\n"
        b'WWW-Authenticate: Basic realm="Cisco-Edge"\r\n'
        b"Server: CE_C ECS\r\n"
        b"Date: Thu, 25 Sep 2014 17:42:51 GMT\r\n"
        b"Age: 0\r\n"
        b"Transfer-Encoding: chunked\r\n"
        b"Connection: keep-alive\r\n\r\n"
        b"0\r\n\r\n"
    )
    message = read_response(captured)
    assert message is not None
    assert message.keep_alive
    answer = Response(status=401, headers=message.headers)
    head, body, close = encode_response(answer, request=Request(method="GET", target="/"), close=False)
    assert head + body == captured
    assert not close


def test_an_empty_value_is_written_without_a_blank() -> None:
    assert Headers([("Server", "")]).encode() == b"Server:\r\n"
    message = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer:\r\n\r\n")
    assert message is not None
    assert message.headers.get("server") == ""


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_pipelined_requests_in_pieces_of_any_size(step: int) -> None:
    data = (
        b"POST /a HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\n\r\nhello"
        b"\r\nPOST /b HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        b"GET /c HTTP/1.1\r\nHost: e\r\nConnection: Close\r\n\r\n"
    )
    reader, found = Reader(HttpLimits()), []
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
        while (message := reader.next()) is not None:
            found.append(message)
    assert [(m.start.target, m.body, m.keep_alive) for m in found] == [
        ("/a", b"hello", True),
        ("/b", b"abcde", True),
        ("/c", b"", False),
    ]
    assert not reader.started


REFUSED = [
    (b"GET / HTTP/1.1\nHost: e\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: e\n\r\n", 400),
    (GET + b"X: a\rb\r\n\r\n", 400),
    (GET + b"X: a\0b\r\n\r\n", 400),
    (GET + b"X: a\x1bb\r\n\r\n", 400),
    (GET + b"X: a\r\n folded\r\n\r\n", 400),
    (GET + b" X: a\r\n\r\n", 400),
    (GET + b"X : a\r\n\r\n", 400),
    (GET + b"no colon\r\n\r\n", 400),
    (GET + b": no name\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (GET + b"Host: f\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: user@e\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: e/f\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: e:port\r\n\r\n", 400),
    (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (GET + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    (GET + b"Content-Length: 1, 1\r\n\r\na", 400),
    (GET + b"Content-Length: +1\r\n\r\na", 400),
    (GET + b"Content-Length: 0x1\r\n\r\na", 400),
    (GET + b"Content-Length: -1\r\n\r\na", 400),
    (GET + b"Content-Length:\r\n\r\na", 400),
    (GET + "Content-Length: \u00b2\r\n\r\na".encode("latin-1"), 400),
    (GET + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
    (GET + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (GET + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (GET + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n 1\r\na\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", 400),
    (GET + b"Expect: 200-ok\r\n\r\n", 417),
    (b"GET ftp://inside/ HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET http://user@inside/ HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET http:/// HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET http://e/#x HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\x01\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nno field\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"y" * 9_000 + b"\r\n\r\n", 431),
    (b"GET inside:443 HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET /a#b HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET /\x80 HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET\t/\tHTTP/1.1\r\nHost: e\r\n\r\n", 400),
    (b"CONNECT inside:22 HTTP/1.1\r\nHost: e\r\n\r\n", 501),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET / HTTP/2\r\n\r\n", 505),
    (b"GET / HTTP/0.9\r\nHost: e\r\n\r\n", 505),
    (b"GET / HTTP/1.10\r\nHost: e\r\n\r\n", 400),
    (b"GET / http/1.1\r\nHost: e\r\n\r\n", 400),
    (b"GET /\r\n", 400),
    (b"\r\n" * 5 + GET + b"\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"\x00\x01", 400),
    (b"GET /" + b"a" * 9000, 414),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: e\r\n\r\n", 414),
    (GET + b"X: " + b"a" * 40_000, 431),
    (GET + b"X: a\r\n" * 200 + b"\r\n", 431),
    (GET + b"Content-Length: 2097153\r\n\r\n", 413),
    (GET + b"Content-Length: 999999999999999999\r\n\r\n", 413),
    (GET + b"Content-Length: 9999999999999999999999\r\n\r\n", 400),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000, 413),
    (GET + b"Transfer-Encoding: chunked\r\n\r\n200000\r\n" + b"a" * 0x200000 + b"\r\n1\r\na", 413),
]


def test_what_breaks_the_rules_is_refused() -> None:
    def check(data: bytes, status: int) -> None:
        with pytest.raises(MalformedHttp) as refused:
            read(data)
        assert refused.value.status == status

    holds_for_each(check, REFUSED)


def read_in_steps(octets: bytes, step: int) -> None:
    reader = Reader(HttpLimits())
    for start in range(0, len(octets), step):
        reader.feed(octets[start : start + step])
        assert reader.next() is None


CHUNKS = [
    (b"200001\r\n", 413),
    (b"ffffffffffff\r\n", 413),
    (b"3\r\nabc\r\n1ffffe\r\n", 413),
    (b"5\n", 400),
    (b"5;x=y\n", 400),
    (b"3\r\nabc\r\n2\n", 400),
    (b"3\r\nabc\n", 400),
    (b"0\n", 400),
    (b"1;" + b"x" * 10_000, 400),
]


def test_a_chunk_is_checked_by_its_size_line_before_its_octets_come() -> None:
    """RFC 9112, section 7.1, leaves no doubt about them: there is nothing to wait for."""

    def check(body: bytes, status: int, step: int) -> None:
        with pytest.raises(MalformedHttp) as refused:
            read_in_steps(GET + b"Transfer-Encoding: chunked\r\n\r\n" + body, step)
        assert refused.value.status == status

    holds_for_each(check, ((*row, step) for row in CHUNKS for step in (1, 10_000)))


@pytest.mark.parametrize("size", [b"1FFFFF", b"0001fffff", b"1fffff;name=value"])
def test_a_chunk_as_long_as_a_body_may_be_is_waited_for(size: bytes) -> None:
    reader = Reader(HttpLimits())
    reader.feed(GET + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\nab")
    assert reader.next() is None


@pytest.mark.parametrize("data", [GET, b"GET", GET + b"Content-Length: 3\r\n\r\nab"])
def test_a_truncated_request_is_malformed_only_at_its_end(data: bytes) -> None:
    assert read(data) == []
    with pytest.raises(MalformedHttp):
        read(data, end=True)


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS * HTTP/1.1\r\nHost: e\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        GET + b"\r\n",
        b"GET //a/../b%2e?x=1&y={z} HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:e\r\nX:\t a \t\r\n\r\n",
        GET + b"X: \xe9\r\n\r\n",
    ],
)
def test_what_is_odd_but_allowed_is_read(data: bytes) -> None:
    (message,) = read(data)
    assert message.head == data


def test_a_few_blank_lines_before_a_request_are_passed_over() -> None:
    (message,) = read(b"\r\n\r\n" + GET + b"\r\n")
    assert message.head == GET + b"\r\n"


def test_expect_waits_for_the_head_only() -> None:
    reader = Reader(HttpLimits())
    reader.feed(b"PUT / HTTP/1.1\r\nHost: e\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.next() is None
    assert reader.wants_continue
    reader.feed(b"ok")
    message = reader.next()
    assert message is not None
    assert message.body == b"ok"


def test_responses_with_every_framing() -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"
    for rest, method, end, body in [
        (b"Content-Length: 3\r\n\r\nabc", "GET", False, b"abc"),
        (b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET", False, b"abc"),
        (b"\r\nabc", "GET", True, b"abc"),
        (b"Content-Length: 300\r\n\r\n", "HEAD", False, b""),
    ]:
        message = read_response(head + rest, method, end=end)
        assert message is not None
        assert message.body == body
        assert message.keep_alive is not end
    assert read_response(b"HTTP/1.1 200 OK\r\n\r\nabc") is None
    none = read_response(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
    assert none is not None
    assert none.body == b""


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/2 200\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    ],
)
def test_a_malformed_response_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedHttp):
        read_response(data)


def test_writing_frames_by_what_the_response_and_the_request_ask() -> None:
    get = Request(method="GET", target="/")
    chunked = Response(status=200, headers=Headers([("Transfer-Encoding", "chunked"), ("Age", "0")]), body=b"abc")
    assert encode_response(chunked, request=get, close=False) == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nAge: 0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n\r\n",
        False,
    )
    old = Request(method="GET", target="/", version="1.0")
    assert encode_response(chunked, request=old, close=False) == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nAge: 0\r\nConnection: close\r\n\r\n",
        b"abc",
        True,
    )
    plain = Response(status=200, headers=Headers([("Connection", "keep-alive"), ("Age", "0")]), body=b"abc")
    assert encode_response(plain, request=get, close=True) == (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nAge: 0\r\nContent-Length: 3\r\n\r\n",
        b"abc",
        True,
    )
    head = Request(method="HEAD", target="/")
    assert encode_response(plain, request=head, close=False)[1] == b""
    assert encode_response(Response(status=204), request=get, close=False)[0] == b"HTTP/1.1 204 No Content\r\n\r\n"
    with pytest.raises(ValueError):
        encode_response(Response(status=200, headers=Headers([("Content-Length", "9")])), request=get, close=False)
    with pytest.raises(ValueError):
        Headers([("X", "a\r\nSet-Cookie: b")]).encode()


PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.1\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"Host: e\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\n",
        b" ",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"\0",
        b"hello",
    ]
)
HOSTILE = st.lists(PIECES | st.binary(max_size=12), max_size=10).map(b"".join)


@fuzzed
@given(data=HOSTILE, cut=st.integers(1, 40), client=st.booleans())
def test_any_octets_give_messages_or_malformed(data: bytes, cut: int, client: bool) -> None:
    reader = Reader(HttpLimits(), client=client)
    reader.expect("GET")
    status = 400
    try:
        for at in range(0, len(data), cut):
            reader.feed(data[at : at + cut])
            while reader.next() is not None:
                reader.expect("GET")
        reader.end()
        while reader.next() is not None:
            reader.expect("GET")
    except MalformedHttp as error:
        status = error.status
    assert 400 <= status <= 599


@fuzzed
@given(data=HOSTILE, cut=st.integers(1, 40))
def test_pieces_do_not_change_what_is_read(data: bytes, cut: int) -> None:
    def outcome(step: int) -> tuple[list[tuple[bytes, bytes]], bool]:
        reader, found = Reader(HttpLimits()), []
        try:
            for at in range(0, max(len(data), 1), step):
                reader.feed(data[at : at + step])
                while (message := reader.next()) is not None:
                    found.append((message.head, message.body))
        except MalformedHttp:
            return found, True
        return found, False

    assert outcome(cut) == outcome(len(data) + 1)


WORST = {
    "one-octet chunks": GET + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 400_000,
    "a chunk extension without end": GET + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 2_000_000,
    "trailers without end": GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 200_000,
    "a long body in one chunk": GET
    + b"Transfer-Encoding: chunked\r\n\r\n1fffff\r\n"
    + b"x" * 0x1FFFFF
    + b"\r\n0\r\n\r\n",
    "a long body": GET + b"Content-Length: 2097152\r\n\r\n" + b"x" * 2_097_152,
    "a line without end": b"GET /" + b"x" * 2_000_000,
    "a header without end": GET + b"X: " + b"y" * 2_000_000,
    "headers without end": GET + b"X: y\r\n" * 300_000,
    "nothing but line ends": b"\r\n" * 1_000_000,
    "a pipeline": b"GET / HTTP/1.1\r\nHost: e\r\n\r\n" * 300,
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_inputs_are_cheap(name: str) -> None:
    import tracemalloc

    data = WORST[name]

    def run(step: int) -> None:
        reader = Reader(HttpLimits())
        try:
            for at in range(0, len(data), step):
                reader.feed(data[at : at + step])
                while reader.next() is not None:
                    pass
        except MalformedHttp:
            pass

    cheap(lambda: run(65536))
    tracemalloc.start()
    run(65536)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 1024 * 1024


@pytest.mark.parametrize("name", WORST)
def test_octet_by_octet_costs_the_same_indefinitelyy_octet(name: str) -> None:
    data = WORST[name]

    def cost(octets: int) -> float:
        reader = Reader(HttpLimits())
        began = time.process_time()
        try:
            for at in range(octets):
                reader.feed(data[at : at + 1])
                while reader.next() is not None:
                    pass
        except MalformedHttp:
            pass
        return time.process_time() - began

    small = min(cost(2000) for _ in range(3))
    assert cost(16000) < 8 * 6 * small + 0.05


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("http://Other.Example:8443/a?b", "/a?b", "Other.Example:8443"),
        ("HTTPS://other/", "/", "other"),
        ("http://other", "/", "other"),
        ("http://other?x", "/?x", "other"),
        ("http://[2001:db8::1]:8443/a", "/a", "[2001:db8::1]:8443"),
    ],
)
def test_a_target_in_absolute_form_names_the_host(target: str, path: str, host: str) -> None:
    reader = Reader(HttpLimits())
    reader.feed(f"GET {target} HTTP/1.1\r\nHost: mine\r\nX: y\r\n\r\n".encode())
    message = reader.next()
    assert message is not None
    assert message.start.target == path
    assert message.headers.items == (("Host", host), ("X", "y"))
    assert target.encode() in message.head


def test_options_without_a_path_asks_the_server_itself() -> None:
    reader = Reader(HttpLimits())
    reader.feed(b"OPTIONS http://other HTTP/1.1\r\nHost: other\r\n\r\n")
    message = reader.next()
    assert message is not None
    assert message.start.target == "*"


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("trailer", [b"X-Sum: 1\r\n", b"A: b\r\n" * 100, b"X: " + b"y" * 8_000 + b"\r\n"])
def test_trailer_fields_are_read_and_dropped(trailer: bytes, step: int) -> None:
    reader = Reader(HttpLimits())
    octets = b"POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0;x=y\r\n" + trailer + b"\r\n"
    octets += b"GET /next HTTP/1.1\r\nHost: e\r\n\r\n"
    found = []
    for start in range(0, len(octets), step):
        reader.feed(octets[start : start + step])
        while (message := reader.next()) is not None:
            found.append((message.start.target, message.body, len(message.headers)))
    assert found == [("/", b"hi", 2), ("/next", b"", 1)]


@pytest.mark.parametrize("body", [b"password=hunter2\r\n", b"3\r\nabcpassword=hunter2\r\n", b"3;hunter2" * 20_000])
def test_what_is_wrong_with_a_body_is_said_without_quoting_it(body: bytes) -> None:
    reader = Reader(HttpLimits())
    reader.feed(b"POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    with pytest.raises(MalformedHttp) as raised:
        reader.next()
    assert "hunter2" not in raised.value.reason and "byte" not in raised.value.reason and raised.value.reason
