"""Session keys and one-time passwords: how long they serve, how often, and how many a user may hold."""

from __future__ import annotations

from edgesim.servers.im_presence.tickets import Tickets
from edgesim.world import Entropy

UNKNOWN = "unknown or used one-time password"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def tickets(clock: Clock) -> Tickets:
    return Tickets(Entropy(1, "tickets"), clock, key_lifetime=60, password_lifetime=10)


def test_a_session_key_names_its_user_for_its_lifetime() -> None:
    clock = Clock()
    issued = tickets(clock)
    key = issued.issue_key("alice")
    clock.now += 59.9
    assert issued.user_of(key) == "alice"
    assert issued.user_of(key[:-1]) is None
    clock.now += 0.1
    assert issued.user_of(key) is None


def test_a_one_time_password_serves_its_user_once_within_its_lifetime() -> None:
    clock = Clock()
    issued = tickets(clock)
    first, second = issued.issue_password("alice"), issued.issue_password("alice")
    assert issued.redeem("bob", first) == UNKNOWN
    assert issued.redeem("alice", first) is None
    assert issued.redeem("alice", first) == UNKNOWN
    clock.now += 10
    assert issued.redeem("alice", second) == "expired one-time password"


def test_of_more_than_sixteen_keys_of_a_user_the_oldest_is_forgotten() -> None:
    issued = tickets(Clock())
    other = issued.issue_key("bob")
    keys = [issued.issue_key("alice") for _ in range(17)]
    assert [issued.user_of(key) for key in keys] == [None, *["alice"] * 16]
    assert issued.user_of(other) == "bob"


def test_of_more_than_sixteen_passwords_of_a_user_the_oldest_is_forgotten() -> None:
    issued = tickets(Clock())
    other = issued.issue_password("bob")
    passwords = [issued.issue_password("alice") for _ in range(17)]
    assert [issued.redeem("alice", password) for password in passwords] == [UNKNOWN, *[None] * 16]
    assert issued.redeem("bob", other) is None
