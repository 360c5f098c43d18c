"""One user's story, over all protocols, and nobody else's."""

from __future__ import annotations

from edgesim.journal import Entry, Selection, events
from edgesim.journal.correlate import JOINS, MANY, Correlator
from tests.journal import sample
from tests.journal.kinds import entry_of


def fed(*keys: str) -> tuple[Correlator, list[Entry[events.Event]]]:
    """Return a correlator fed with one entry for each string of keys, e.g. ``"user:alice call-id:1"``."""
    correlator = Correlator()
    entries = [
        entry_of(events.Note(text=text), number=number, keys=tuple(text.split())) for number, text in enumerate(keys, 1)
    ]
    for entry in entries:
        correlator.feed(entry)
    return correlator, entries


def texts(entries: list[Entry[events.Event]]) -> list[str]:
    return [entry.event.text for entry in entries if isinstance(entry.event, events.Note)]


def test_a_story_runs_from_the_user_over_cookie_and_tracking_to_the_inside() -> None:
    correlator, _ = fed(
        "tracking:1",
        "user:alice cookie:a",
        "cookie:a tracking:1",
        "tracking:1",
        "tracking:2",
        "",
    )
    assert texts(correlator.story_of("user:alice")) == [
        "tracking:1",
        "user:alice cookie:a",
        "cookie:a tracking:1",
        "tracking:1",
    ]


def test_two_users_share_their_call_and_nothing_else() -> None:
    correlator, _ = fed(
        "user:alice device:A",
        "user:bob device:B",
        "device:A call-id:1",
        "call-id:1 call-id:2",
        "device:B call-id:2",
        "device:A call-id:register-a",
        "device:B call-id:register-b",
    )
    alice = texts(correlator.story_of("user:alice"))
    assert alice == [
        "user:alice device:A",
        "device:A call-id:1",
        "call-id:1 call-id:2",
        "device:B call-id:2",
        "device:A call-id:register-a",
    ]
    assert texts(correlator.story_of("call-id:2")) == alice[1:4]
    assert len(correlator.story_of("user:alice", "user:bob")) == 7


def test_an_entry_with_two_users_joins_their_call_but_not_their_cookies() -> None:
    correlator, _ = fed("user:alice user:bob call-id:1 cookie:x", "call-id:1", "cookie:x")
    assert texts(correlator.story_of("user:bob")) == ["user:alice user:bob call-id:1 cookie:x", "call-id:1"]


def test_a_stanza_between_two_jids_makes_neither_the_others() -> None:
    correlator, _ = fed("user:alice jid:a", "user:alice jid:a jid:b", "jid:b", "jid:a")
    assert texts(correlator.story_of("user:alice")) == ["user:alice jid:a", "user:alice jid:a jid:b", "jid:a"]


def test_common_property_leads_nowhere() -> None:
    users = [f"user:{number} cookie:shared" for number in range(MANY + 1)]
    correlator, _ = fed(*users, "cookie:shared tracking:1")
    assert texts(correlator.story_of("user:0")) == ["user:0 cookie:shared"]
    correlator, _ = fed(*users[:-1], "cookie:shared tracking:1")
    assert len(correlator.story_of("user:0")) == MANY + 1


def test_undeclared_keys_select_but_never_join() -> None:
    correlator, _ = fed("user:alice connection:7", "connection:7")
    assert texts(correlator.story_of("user:alice")) == ["user:alice connection:7"]
    assert len(correlator.story_of("connection:7")) == 2
    assert correlator.story_of("user:nobody") == []


def test_no_join_leads_up_to_a_user() -> None:
    reached = {"user"}
    for _ in JOINS:
        reached |= {lower for upper in reached for lower in JOINS.get(upper, ())}
    assert all("user" not in JOINS[name] for name in JOINS)
    assert reached - {"user"} <= set(JOINS) | {"user"}


def test_the_sign_in_of_the_sample_is_alices_story() -> None:
    entries = sample.sign_in()
    correlator = Correlator()
    for entry in entries:
        correlator.feed(entry)
    story = correlator.story_of("user:alice")
    kinds = [entry.kind for entry in story]
    assert {"dns.query", "http.request", "sip.request", "sip.response", "xmpp.stream", "xmpp.session"} <= set(kinds)
    assert {entry.node for entry in story} == {"dns-public", "alice-laptop", "expe", "expc", "cucm1", "imp1"}
    assert all(entry.keys for entry in story)
    assert not any(isinstance(e.event, events.SipRequest) and e.event.method == "OPTIONS" for e in story)
    assert list(correlator.keys("user")) == ["user:alice"]


def test_selection_by_story_keeps_the_context() -> None:
    entries = sample.sign_in()
    kinds = {entry.kind for entry in Selection(stories=("user:alice",)).apply(entries)}
    assert {"step", "host.state", "fault.fired"} <= kinds
    assert "tcp.open" not in kinds
    bare = {entry.kind for entry in Selection(stories=("user:alice",), context=False).apply(entries)}
    assert not {"step", "host.state", "fault.fired"} & bare
