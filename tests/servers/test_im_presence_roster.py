"""Subscription states against the tables of RFC 6121, appendix A."""

from __future__ import annotations

import pytest

from edgesim.servers.im_presence.roster import (
    FROM,
    LISTED,
    NONE,
    PENDING_IN,
    PENDING_OUT,
    RECEIVED,
    SENT,
    TO,
    Entry,
    Rosters,
    Rule,
)
from edgesim.xmpp.jid import Jid

STATES = {
    "None": NONE,
    "None + Pending Out": PENDING_OUT,
    "None + Pending In": PENDING_IN,
    "None + Pending Out+In": PENDING_OUT | PENDING_IN,
    "To": TO,
    "To + Pending In": TO | PENDING_IN,
    "From": FROM,
    "From + Pending Out": FROM | PENDING_OUT,
    "Both": TO | FROM,
}
RFC = {
    ("sent", "subscribe"): {
        "None": "None + Pending Out",
        "None + Pending In": "None + Pending Out+In",
        "From": "From + Pending Out",
    },
    ("sent", "unsubscribe"): {
        "None + Pending Out": "None",
        "None + Pending Out+In": "None + Pending In",
        "To": "None",
        "To + Pending In": "None + Pending In",
        "From + Pending Out": "From",
        "Both": "From",
    },
    ("sent", "subscribed"): {
        "None + Pending In": "From",
        "None + Pending Out+In": "From + Pending Out",
        "To + Pending In": "Both",
    },
    ("sent", "unsubscribed"): {
        "None + Pending In": "None",
        "None + Pending Out+In": "None + Pending Out",
        "To + Pending In": "To",
        "From": "None",
        "From + Pending Out": "None + Pending Out",
        "Both": "To",
    },
    ("received", "subscribe"): {
        "None": "None + Pending In",
        "None + Pending Out": "None + Pending Out+In",
        "To": "To + Pending In",
    },
    ("received", "unsubscribe"): {
        "None + Pending In": "None",
        "None + Pending Out+In": "None + Pending Out",
        "To + Pending In": "To",
        "From": "None",
        "From + Pending Out": "None + Pending Out",
        "Both": "To",
    },
    ("received", "subscribed"): {
        "None + Pending Out": "To",
        "None + Pending Out+In": "To + Pending In",
        "From + Pending Out": "Both",
    },
    ("received", "unsubscribed"): {
        "None + Pending Out": "None",
        "None + Pending Out+In": "None + Pending In",
        "To": "None",
        "To + Pending In": "None + Pending In",
        "From + Pending Out": "From",
        "Both": "From",
    },
}
"""Appendix A.2 (sent by the user) and A.3 (received from the contact); a state that is missing stays as it is."""


def _after(rule: Rule, name: str) -> str:
    before = Entry(contact="bob@example.com", state=STATES[name])
    after = (rule.applied(before) or before).state & ~LISTED
    return next(name for name, state in STATES.items() if state == after)


@pytest.mark.parametrize(("direction", "stanza"), RFC)
def test_subscription_stanzas_change_the_states_of_the_rfc(direction: str, stanza: str) -> None:
    rule = (SENT if direction == "sent" else RECEIVED)[stanza]
    changes = RFC[direction, stanza]
    assert {name: _after(rule, name) for name in STATES} == {name: changes.get(name, name) for name in STATES}


def test_a_roster_survives_on_the_disk_with_every_state() -> None:
    disk: dict = {}
    alice = Jid.parse("alice@example.com")
    for number, state in enumerate(STATES.values()):
        entry = Entry(contact=f"c{number}@example.com", name="C", groups=("Work",), state=state | LISTED)
        assert Rosters(disk).store(alice, entry)
    for number, state in enumerate(STATES.values()):
        assert Rosters(disk).entry(alice, Jid.parse(f"c{number}@example.com")).state == state | LISTED
    assert [item.subscription for item in Rosters(disk).listed(alice)] == [
        "none", "none", "none", "none", "to", "to", "from", "from", "both",
    ]  # fmt: skip
