"""In no form of a request, valid or not, does a file, view or export of the journal show its secrets."""

from __future__ import annotations

import base64
import re

import pytest

from edgesim.cli.lines import line
from edgesim.http.journalling import secret_spans
from edgesim.journal import ladder, ladder_mermaid, ladder_svg, ladder_text
from edgesim.journal.codec import encode
from edgesim.journal.masking import mask
from edgesim.journal.suspects import suspected
from edgesim.journal.visible import payload_lines
from tests.fuzz import cheap
from tests.http.lab import Lab, play

WORD = "S3CRET"
BASIC = base64.b64encode(f"alice:{WORD}-pw".encode()).decode()
SHOWS = re.compile(rb"S3CRET|" + base64.b64encode(f"alice:{WORD}".encode())[:-2])

BODIES = [
    b"<login><username>alice</username><password>S3CRET-1</password></login>",
    b"<n:login xmlns:n='u'><n:password>S3CRET 2 with words</n:password></n:login>",
    b"<password><![CDATA[S3CRET<b]]></password>",
    b"<password\n kind='x'>S3CRET-3</password>",
    b'<user name="alice" password="S3CRET 4"/>',
    b"<user password = 'S3CRET 5'/>",
    b'{"user":"alice","password":"a\\"S3CRET-6"}',
    b'{"pin": "S3CRET-7", "refresh_token"\n:\n"S3CRET-8"}',
    b"username=alice&password=S3CRET-9&x=1",
    b"j_username=alice&j_password=S3CRET-10",
    b"<credential type='pin'>S3CRET-11</credential>",
    b"&".join(b"password=S3CRET-%d" % number for number in range(2_000)),
]
GOOD = "POST /x HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\n"
REFUSED = {
    "no Host": "POST /x HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n",
    "two Hosts": "POST /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n{headers}Content-Length: {length}\r\n\r\n",
    "bare LF": "POST /x HTTP/1.1\nHost: a\n{headers}Content-Length: {length}\n\n",
    "two lengths": "POST /x HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\nContent-Length: 1\r\n\r\n",
    "version": "POST /x HTTP/9.1\r\nHost: a\r\n{headers}Content-Length: {length}\r\n\r\n",
    "no line": "hello {headers}\r\n\r\n",
}
HEADERS = [
    "",
    f"Authorization: Basic {BASIC}\r\n",
    f"authorization : Basic {BASIC}\r\n",
    f"Authorization:\r\n Basic {BASIC}\r\n",
    "Cookie: a=S3CRET; X-Auth=S3CRET-cookie\r\n",
    "Proxy-Authorization: Bearer S3CRET.jwe.x\r\n",
]


def message(form: str, headers: str, body: bytes) -> bytes:
    return form.format(headers=headers, length=len(body)).encode() + body


CORPUS = [
    *(message(GOOD, header, b"") for header in HEADERS),
    *(message(GOOD, "", body) for body in BODIES),
    *(message(form, header, body) for form in REFUSED.values() for header in HEADERS[:4] for body in BODIES[:10:3]),
    b"GET /cb?access_token=S3CRET&x=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    message(GOOD, "", b"<password>S3CRET" + b"x" * 70_000),
    message(GOOD, "", b"x" * 4_000 + b"<password>S3CRET" * 10 + b"x" * 70_000),
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<pass\r\nzz\r\nword>S3CRET</password>",
]


def test_a_hostile_corpus_shows_nothing() -> None:
    async def scene(lab: Lab) -> None:
        for octets in CORPUS:
            await lab.raw(octets, end=True)

    journal = play(scene)
    entries = list(journal)
    kinds = [entry.kind for entry in entries]
    assert kinds.count("http.request") > 15 and kinds.count("malformed") > 80, "the corpus has both"
    assert sum(SHOWS.search(entry.payload) is not None for entry in entries) >= 80, "and there is something to hide"
    assert [encode(entry)[:300] for entry in entries if SHOWS.search(encode(entry))] == []
    assert [
        entry.id for entry in entries if SHOWS.search("\n".join([line(entry), *payload_lines(entry)]).encode())
    ] == []
    drawn = ladder.build(entries)
    for text in (
        ladder_text.render(drawn, width=200, details=True),
        ladder_svg.render(drawn),
        ladder_mermaid.render(drawn),
    ):
        assert SHOWS.search(text.encode()) is None


def test_two_megabytes_without_credentials_cost_little_of_the_journal() -> None:
    async def scene(lab: Lab) -> None:
        await lab.raw(message(GOOD, "", b"x" * 2_000_000), end=True)

    journal = play(scene)
    asked, answered = journal.select(kind="http.request")[0], journal.select(kind="http.response")
    assert asked.whole is not None and asked.whole.octets > 2_000_000
    assert len(encode(asked)) < 6_000
    assert asked.payload.startswith(b"POST /x HTTP/1.1\r\n")
    assert all(len(encode(entry)) < 6_000 for entry in answered)


def test_what_is_too_much_to_search_does_not_show() -> None:
    body = b"x" * (256 * 1024) + b"<password>S3CRET</password>"
    assert b"S3CRET" not in mask(body, secret_spans(b"", body))
    broken = b"x" * 8192 + b"\nAuthorization: Basic S3CRET"
    assert mask(broken, suspected(broken)) == b"x" * 8192 + b"<secret>"


@pytest.mark.parametrize(
    "piece", [b"<", b"<password ", b"password=", b"a-", b"cookie", b"<auth ", b".", b"pin  ", b'"']
)
def test_no_broken_input_makes_the_search_slow(piece: bytes) -> None:
    octets = piece * (64 * 1024 // len(piece))
    cheap(lambda: suspected(octets))
