"""Secrets stay secret in whatever a reader sees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.journal import Entry, events, ladder, ladder_mermaid, ladder_svg, ladder_text
from edgesim.journal.codec import encode
from edgesim.journal.masking import SECRET, Aliases, mask, merged, present
from tests.fuzz import fuzzed
from tests.journal import sample

VIEWS: dict[str, Callable[[list[Entry[events.Event]], bool], str]] = {
    "text": lambda entries, secrets: ladder_text.render(ladder.build(entries, secrets=secrets), 200, details=True),
    "narrow": lambda entries, secrets: ladder_text.render(ladder.build(entries, secrets=secrets), 60, details=True),
    "svg": lambda entries, secrets: ladder_svg.render(ladder.build(entries, secrets=secrets)),
    "mermaid": lambda entries, secrets: ladder_mermaid.render(ladder.build(entries, secrets=secrets)),
    "json": lambda entries, secrets: b"".join(encode(entry, secrets=secrets) for entry in entries).decode(),
    "json with aliases": lambda entries, secrets: b"".join(
        encode(entry, secrets=secrets, aliases=aliases) for aliases in [Aliases()] for entry in entries
    ).decode(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_of_a_sign_in_shows_a_secret(view: str) -> None:
    shown = VIEWS[view](sample.sign_in(), False)
    for secret in (sample.PASSWORD, sample.COOKIE, sample.JWE):
        assert secret not in shown
    assert "secret" in shown or view == "mermaid"


@pytest.mark.parametrize("view", ["text", "svg", "json"])
def test_secrets_show_when_asked_for(view: str) -> None:
    shown = VIEWS[view](sample.sign_in(), True)
    assert sample.COOKIE in shown
    assert sample.PASSWORD in shown


def test_the_placeholder_does_not_reveal_the_length() -> None:
    assert mask(b"a=1;b=2", [(2, 3)]) == b"a=<secret>;b=2"
    assert mask(b"a=123456;b=2", [(2, 8)]) == b"a=<secret>;b=2"


def test_spans_that_overlap_touch_or_run_out_become_one() -> None:
    assert merged([(5, 99), (1, 3), (2, 4), (7, 7), (4, 5), (-3, 0)], 10) == [(1, 10)]
    assert mask(b"0123456789", [(8, 20), (6, 9), (1, 2)]) == b"0<secret>2345<secret>"
    assert mask(b"abc", [(2, 1)]) == b"a<secret>c"


@fuzzed
@given(st.binary(max_size=80), st.lists(st.tuples(st.integers(-5, 90), st.integers(-5, 90)), max_size=6))
def test_masking_keeps_exactly_the_octets_outside_of_spans(payload: bytes, spans: list[tuple[int, int]]) -> None:
    covered = {place for low, high in spans for place in range(min(low, high), max(low, high))}
    outside = bytes(octet for place, octet in enumerate(payload) if place not in covered)
    shown = mask(payload, spans)
    count = len(merged(spans, len(payload)))
    assert len(shown) == len(outside) + count * len(SECRET)
    if b"<" not in payload:
        assert shown.replace(SECRET.encode(), b"") == outside


def _request(secret: str, header: str, spans: list[tuple[int, int]] | None = None) -> Entry[events.HttpRequest]:
    payload = f"GET /cisco-uds/{secret[:0]} HTTP/1.1\r\nHost: e\r\nAuthorization: {header}\r\n\r\n".encode()
    start = payload.index(secret.encode())
    return Entry(
        node="expe",
        incarnation=1,
        sequence=1,
        at_ns=0,
        host_ns=0,
        direction="in",
        peer="alice",
        event=events.HttpRequest(method="GET", target="/cisco-uds/", headers=(("Authorization", header),)),
        payload=payload,
        secrets=tuple(spans or [(start, start + len(secret.encode()))]),
    )


FRAME = "GET /cisco-uds/ HTTP/1.1 Host: e Basic <secret>"
SECRETS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=4, max_size=40).filter(
    lambda text: text.strip() == text and text not in FRAME
)


@fuzzed
@given(SECRETS)
def test_a_secret_in_a_header_is_masked_in_payload_and_field(secret: str) -> None:
    shown = present(_request(secret, f"Basic {secret}"))
    event = shown.event
    assert isinstance(event, events.HttpRequest)
    assert event.headers == (("Authorization", "Basic <secret>"),)
    assert shown.payload.endswith(b"Authorization: Basic <secret>\r\n\r\n")
    line = json.loads(encode(_request(secret, f"Basic {secret}")))
    assert line["event"]["headers"] == [["Authorization", "Basic <secret>"]]


def test_a_span_over_the_whole_header_line_masks_the_field_too() -> None:
    entry = _request("abc", "Basic abc")
    start = entry.payload.index(b"Authorization")
    shown = present(_request("abc", "Basic abc", [(start, len(entry.payload))]))
    assert isinstance(shown.event, events.HttpRequest)
    assert shown.event.headers == (("Authorization", "<secret>"),)


def test_a_short_password_does_not_blot_out_parts_of_words() -> None:
    shown = present(_request("cisco", 'Basic "cisco"'))
    assert isinstance(shown.event, events.HttpRequest)
    assert shown.event.target == "/cisco-uds/"
    assert shown.event.headers == (("Authorization", 'Basic "<secret>"'),)


def test_presenting_twice_changes_nothing_and_spans_point_at_placeholders() -> None:
    for entry in sample.sign_in():
        aliases = Aliases()
        once = present(entry, aliases=aliases)
        assert present(once, aliases=aliases) == once
        for start, end in once.secrets:
            assert re.fullmatch(rb"<[a-z]+(#\d+)?>", once.payload[start:end])


def test_aliases_are_numbered_by_name_in_order_of_first_sight() -> None:
    aliases = Aliases()
    assert aliases.alias("token", "x") == "<token#1>"
    assert aliases.alias("cookie", "x") == "<cookie#1>"
    assert aliases.alias("token", "y") == "<token#2>"
    assert aliases.key("token:x") == "token:<token#1>"
    assert aliases.alias("token", "<token#1>") == "<token#1>"
    assert len(aliases) == 3


def test_uncontrollable_values_are_aliases_even_where_secrets_show() -> None:
    def line(token: str) -> bytes:
        payload = f"pw=hunter2 <auth>{token}</auth> pin=1234"
        secrets = [
            (payload.index(secret), payload.index(secret) + len(secret)) for secret in ("hunter2", token, "1234")
        ]
        entry = Entry(
            node="imp1",
            incarnation=1,
            sequence=1,
            at_ns=0,
            host_ns=0,
            direction="in",
            peer=None,
            event=events.Note(text=f"token {token}"),
            payload=payload.encode(),
            keys=(f"token:{token}", "user:alice"),
            secrets=tuple(secrets),
        )
        return encode(entry, secrets=True, aliases=Aliases())

    one, two = line("eyJhbGciOi.first"), line("eyJhbGciOi.another-one")
    assert json.loads(one)["payload"] == "pw=hunter2 <auth><token#1></auth> pin=1234"
    spans = json.loads(one)["secrets"]
    text = json.loads(one)["payload"]
    assert [text[slice(*span)] for span in spans] == ["hunter2", "<token#1>", "1234"]
    assert json.loads(one)["event"] == {"text": "token <token#1>"}
    assert json.loads(one)["payload"] == json.loads(two)["payload"]
