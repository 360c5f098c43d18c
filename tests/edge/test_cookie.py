"""The edge cookie: as traced, and what a client keeps of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge.cookie import (
    Cookie,
    CookieError,
    CookieStore,
    EdgeCookieUnusable,
    domain_matches,
    edge_cookie,
    http_date,
    new_value,
    parse_date,
    parse_set_cookie,
    set_cookie,
)
from edgesim.world import Entropy
from tests.fuzz import fuzzed

TRACED = (
    "X-Auth=1e1111e1-dddb-49e9-ad0d-ab34526e2b00; Expires=Fri, 09 May 2014 20:21:31 GMT; "
    "Domain=.example.com ; Path=/; Secure"
)
EXPIRES = 1399666891.0
E = "expe.example.com"


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


def test_the_traced_cookie_in_both_directions() -> None:
    made = edge_cookie(
        "1e1111e1-dddb-49e9-ad0d-ab34526e2b00", name="X-Auth", expires=EXPIRES, domain="example.com", http_only=False
    )
    assert set_cookie(made, blank_after_domain=True) == TRACED
    assert parse_set_cookie(TRACED, now=0) == made


def test_the_present_form() -> None:
    value = new_value(Entropy(1, "cookie"))
    assert len(value) == 64
    assert value == value.lower()
    int(value, 16)
    text = set_cookie(edge_cookie(value, name="X-Auth", expires=EXPIRES, domain="example.com"))
    assert text == (
        f"X-Auth={value}; Expires=Fri, 09 May 2014 20:21:31 GMT; Domain=.example.com; Path=/; HttpOnly; Secure"
    )
    assert parse_set_cookie(text, now=0).http_only
    assert new_value(Entropy(1, "cookie"), "uuid").count("-") == 4


def test_a_client_keeps_it_until_it_expires() -> None:
    clock = Clock(EXPIRES - 10)
    store = CookieStore(clock.time)
    assert store.take([TRACED], host=E) == []
    assert store.edge_cookie(E, "X-Auth").expires == EXPIRES
    assert store.header(host=E, path="/abc/get_edge_config") == "X-Auth=1e1111e1-dddb-49e9-ad0d-ab34526e2b00"
    assert store.header(host="expe2.example.com") is not None
    assert store.header(host=E, secure=False) is None
    assert store.header(host="example.org") is None
    clock.now = EXPIRES
    assert store.header(host=E) is None
    with pytest.raises(EdgeCookieUnusable):
        store.edge_cookie(E, "X-Auth")


@pytest.mark.parametrize(
    "value",
    [
        "X-Auth=a; Expires=Fri, 09 May 2014 20:21:31 GMT; Domain=.other.com; Path=/; Secure",
        "X-Auth=a; Domain=.example.com; Path=/; Secure",
        "X-Auth=a; Expires=never; Domain=.example.com; Path=/; Secure",
        "X-Auth=a; Expires=Fri, 31 Feb 2014 20:21:31 GMT; Domain=.example.com; Path=/; Secure",
        "X-Auth=a; Expires=Fri, 09 May 2014 10:21:31 GMT; Domain=.example.com; Path=/; Secure",
        "X-Other=a; Expires=Fri, 09 May 2014 20:21:31 GMT; Domain=.example.com; Path=/; Secure",
    ],
)
def test_without_a_usable_cookie_the_client_says_so(value: str) -> None:
    store = CookieStore(Clock(EXPIRES - 100).time)
    store.take([value], host=E)
    with pytest.raises(EdgeCookieUnusable) as refused:
        store.edge_cookie(E, "X-Auth")
    assert str(refused.value) == (
        "XAuth Cookie expiration time is invalid or not available. Attempting to Failover ."
    )  # the blank before the stop is Jabber's


def test_a_domain_that_does_not_match_is_reported() -> None:
    store = CookieStore(Clock(0).time)
    (why,) = store.take(["X-Auth=a; Domain=.inside.example.com; Max-Age=60"], host=E)
    assert "inside.example.com" in str(why)
    assert len(store) == 0


def test_case_matters_only_where_it_is_asked_for() -> None:
    value = "X-Auth=a; Domain=.Example.com; Max-Age=60; Secure"
    assert CookieStore(Clock(0).time).take([value], host=E) == []
    assert len(CookieStore(Clock(0).time, exact_case=True).take([value], host=E)) == 1


def test_a_later_cookie_replaces_and_an_expired_one_removes() -> None:
    clock = Clock(100)
    store = CookieStore(clock.time)
    store.take(["X-Auth=a; Max-Age=60; Domain=example.com", "J=1; Path=/cucm-uds"], host=E)
    store.take(["X-Auth=b; Max-Age=60; Domain=.example.com"], host=E)
    assert store.header(host=E, path="/cucm-uds/user") == "J=1; X-Auth=b"
    assert store.header(host=E, path="/cucm-udsx") == "X-Auth=b"
    assert store.header(host="expe2.example.com", path="/cucm-uds") == "X-Auth=b"
    store.take(["X-Auth=; Max-Age=0; Domain=example.com"], host=E)
    assert store.header(host=E) is None


@pytest.mark.parametrize(
    ("text", "unix"),
    [
        ("Fri, 09 May 2014 20:21:31 GMT", EXPIRES),
        ("Friday, 09-May-14 20:21:31 GMT", EXPIRES),
        ("Fri May  9 20:21:31 2014", EXPIRES),
        ("Wed, 31 Dec 1969 19:00:00 EST", -18000.0),
        ("", None),
        ("tomorrow", None),
        ("Fri, 09 May 2014", None),
        ("Fri, 09 May 2014 25:00:00 GMT", None),
    ],
)
def test_dates_are_read_by_the_tolerant_rules(text: str, unix: float | None) -> None:
    # The rules ignore the zone: EST is read as if it were GMT, five hours early.
    assert parse_date(text) == unix


def test_dates_are_written() -> None:
    assert http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert http_date(EXPIRES + 0.9) == "Fri, 09 May 2014 20:21:31 GMT"


def test_domains() -> None:
    assert domain_matches("a.b.example.com", "example.com")
    assert not domain_matches("badexample.com", "example.com")
    assert not domain_matches("10.0.40.11", "40.11")


@pytest.mark.parametrize("value", ["", "novalue", "=x", "a=b\r\nSet-Cookie: c=d", "a=\0", "a=" + "b" * 5000])
def test_an_invalid_cookie_is_refused(value: str) -> None:
    with pytest.raises(CookieError):
        parse_set_cookie(value, now=0)


def test_a_store_does_not_grow_without_bound() -> None:
    store = CookieStore(Clock(0).time)
    refused = store.take([f"n{n}=v" for n in range(500)], host=E)
    assert len(store) == 200
    assert len(refused) == 300


@fuzzed
@given(
    value=st.text(max_size=80)
    | st.lists(
        st.sampled_from(["X-Auth=a", "Expires=", "Domain=.example.com", "Max-Age=", "Path=/", "; ", "=", "GMT", "-9"])
        | st.text(max_size=8),
        max_size=12,
    ).map("".join)
)
def test_any_text_gives_a_cookie_or_its_error(value: str) -> None:
    try:
        cookie = parse_set_cookie(value, now=0)
    except CookieError:
        return
    assert isinstance(cookie, Cookie)
    store = CookieStore(Clock(0).time)
    store.take([value], host=E)
    store.header(host=E)


@fuzzed
@given(unix=st.integers(0, 4102444800))
def test_every_date_comes_back(unix: int) -> None:
    assert parse_date(http_date(unix)) == unix
