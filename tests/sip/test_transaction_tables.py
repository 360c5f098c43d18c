"""The four machines against tables typed from RFC 3261, 17 (figures 5 to 8), RFC 6026 (figures 5 and 7) and 9.1.

Each row is an arrow of a figure, in the figure's words. Pairs that a figure does not show are listed here as having no
effect, with the reason, or cannot happen, and raise.
"""

from __future__ import annotations

from itertools import product

import pytest

from edgesim.sip import Request, Response, Timers
from edgesim.sip.transaction import ClientTransaction, ServerTransaction, Transaction
from edgesim.sip.transaction_events import (
    Cancel,
    Deliver,
    Output,
    Send,
    TimedOut,
    TransactionMisuse,
    TransportFailed,
    Trying,
)
from tests.sip import settings
from tests.sip.test_transaction import ask

NOTHING = ""

RFC = {
    # RFC 3261, figure 5, and RFC 6026, figure 5: the INVITE client transaction. The CANCEL rows are RFC 3261, 9.1.
    "INVITE client": """
        Calling     1xx             Proceeding  1xx to TU
        Calling     2xx             Accepted    2xx to TU
        Calling     300-699         Completed   ACK sent, resp. to TU
        Calling     Transport Err.  Terminated  inform TU
        Calling     cancel          Calling
        Proceeding  1xx             Proceeding  1xx to TU
        Proceeding  2xx             Accepted    2xx to TU
        Proceeding  300-699         Completed   ACK sent, resp. to TU
        Proceeding  Transport Err.  Terminated  inform TU
        Proceeding  cancel          Proceeding  CANCEL sent
        Completed   1xx             Completed
        Completed   2xx             Completed
        Completed   300-699         Completed   ACK sent
        Completed   Transport Err.  Terminated  inform TU
        Completed   cancel          Completed
        Accepted    1xx             Accepted
        Accepted    2xx             Accepted    2xx to TU
        Accepted    300-699         Accepted
        Accepted    Transport Err.  Accepted
        Accepted    cancel          Accepted
    """,
    # RFC 3261, figure 6: the non-INVITE client transaction; 17.1.2.2 has later responses absorbed.
    "other client": """
        Trying      1xx             Proceeding  1xx to TU
        Trying      2xx             Completed   2xx to TU
        Trying      300-699         Completed   resp. to TU
        Trying      Transport Err.  Terminated  inform TU
        Proceeding  1xx             Proceeding  1xx to TU
        Proceeding  2xx             Completed   2xx to TU
        Proceeding  300-699         Completed   resp. to TU
        Proceeding  Transport Err.  Terminated  inform TU
        Completed   1xx             Completed
        Completed   2xx             Completed
        Completed   300-699         Completed
        Completed   Transport Err.  Completed
    """,
    # RFC 6026, figure 7: the INVITE server transaction. The figure shows no ACK before the final response, and no
    # retransmission in Confirmed: both may come, and change nothing (RFC 3261, 17.2.1). A second final response of the
    # TU is discarded (17.2.2 says so of the other machine).
    "INVITE server": """
        Proceeding  INVITE          Proceeding  send response
        Proceeding  ACK             Proceeding
        Proceeding  1xx from TU     Proceeding  send response
        Proceeding  2xx from TU     Accepted    send response
        Proceeding  3xx from TU     Completed   send response
        Proceeding  Transport Err.  Proceeding  inform TU
        Completed   INVITE          Completed   send response
        Completed   ACK             Confirmed
        Completed   2xx from TU     Completed
        Completed   3xx from TU     Completed
        Completed   Transport Err.  Completed   inform TU
        Confirmed   INVITE          Confirmed
        Confirmed   ACK             Confirmed
        Confirmed   2xx from TU     Confirmed
        Confirmed   3xx from TU     Confirmed
        Confirmed   Transport Err.  Confirmed
        Accepted    INVITE          Accepted
        Accepted    ACK             Accepted    ACK to TU
        Accepted    2xx from TU     Accepted    send response
        Accepted    3xx from TU     Accepted
        Accepted    Transport Err.  Accepted    inform TU
    """,
    # RFC 3261, figure 8: the non-INVITE server transaction.
    "other server": """
        Trying      request         Trying
        Trying      1xx from TU     Proceeding  send response
        Trying      2xx from TU     Completed   send response
        Trying      3xx from TU     Completed   send response
        Trying      Transport Err.  Terminated  inform TU
        Proceeding  request         Proceeding  send response
        Proceeding  1xx from TU     Proceeding  send response
        Proceeding  2xx from TU     Completed   send response
        Proceeding  3xx from TU     Completed   send response
        Proceeding  Transport Err.  Terminated  inform TU
        Completed   request         Completed   send response
        Completed   2xx from TU     Completed
        Completed   3xx from TU     Completed
        Completed   Transport Err.  Terminated  inform TU
    """,
}

WAYS = {
    ("INVITE client", "Calling"): (),
    ("INVITE client", "Proceeding"): ("1xx",),
    ("INVITE client", "Completed"): ("300-699",),
    ("INVITE client", "Accepted"): ("2xx",),
    ("other client", "Trying"): (),
    ("other client", "Proceeding"): ("1xx",),
    ("other client", "Completed"): ("2xx",),
    ("INVITE server", "Proceeding"): ("1xx from TU",),
    ("INVITE server", "Completed"): ("3xx from TU",),
    ("INVITE server", "Confirmed"): ("3xx from TU", "ACK"),
    ("INVITE server", "Accepted"): ("2xx from TU",),
    ("other server", "Trying"): (),
    ("other server", "Proceeding"): ("1xx from TU",),
    ("other server", "Completed"): ("2xx from TU",),
}
"""How each state is reached, over an unreliable transport."""

EVENTS = {
    "INVITE client": ("1xx", "2xx", "300-699", "Transport Err.", "cancel"),
    "other client": ("1xx", "2xx", "300-699", "Transport Err."),
    "INVITE server": ("INVITE", "ACK", "1xx from TU", "2xx from TU", "3xx from TU", "Transport Err."),
    "other server": ("request", "1xx from TU", "2xx from TU", "3xx from TU", "Transport Err."),
}
STATUS = {"1xx": 180, "2xx": 200, "3xx": 302, "300-699": 486}


def rows() -> dict[tuple[str, str, str], tuple[str, str]]:
    found = {}
    for machine, table in RFC.items():
        for line in table.strip().splitlines():
            line = line.strip()
            state, event, after, does = line[:12].strip(), line[12:28].strip(), line[28:40].strip(), line[40:].strip()
            found[machine, state, event] = (after, does)
    return found


ROWS = rows()


def begin(machine: str, *, reliable: bool, timers: Timers | None = None) -> Transaction:
    kind, side = machine.split()
    make = ClientTransaction if side == "client" else ServerTransaction
    request = ask("INVITE" if kind == "INVITE" else "OPTIONS")
    transaction = make(("key",), request, reliable=reliable, timers=timers or settings.TIMERS)
    transaction.start(0.0)
    return transaction


def apply(transaction: Transaction, event: str, now: float = 0.0) -> list[Output]:
    if event == "Transport Err.":
        return transaction.transport_failed(now)
    if isinstance(transaction, ClientTransaction):
        if event == "cancel":
            return transaction.cancel(now)
        return transaction.receive(transaction.request.response(STATUS[event], to_tag="9"), now)
    assert isinstance(transaction, ServerTransaction)
    if event.endswith("from TU"):
        return transaction.respond(transaction.request.response(STATUS[event[:3]], to_tag="9"), now)
    return transaction.receive(ask("ACK") if event == "ACK" else transaction.request, now)


def shown(output: Output) -> str:
    match output:
        case Send(Request(method="ACK")):
            return "ACK sent"
        case Send(Request()):
            return "request sent"
        case Send(Response()):
            return "send response"
        case Deliver(Request(method=method)):
            return f"{method} to TU"
        case Deliver(Response(status=status)):
            return f"{status // 100}xx to TU" if status < 300 else "resp. to TU"
        case Cancel():
            return "CANCEL sent"
        case Trying():
            return "send 100"
        case TimedOut() | TransportFailed():
            return "inform TU"
        case _:
            raise AssertionError(output)


@pytest.mark.parametrize("machine", RFC)
def test_every_arrow_of_the_figures(machine: str) -> None:
    states = [state for where, state in WAYS if where == machine]
    assert {(machine, *pair) for pair in product(states, EVENTS[machine])} >= {key for key in ROWS if key[0] == machine}
    for state, event in product(states, EVENTS[machine]):
        transaction = begin(machine, reliable=False)
        for step in WAYS[machine, state]:
            apply(transaction, step)
        assert transaction.state.name == state.upper()
        row = ROWS.get((machine, state, event))
        if row is None:
            with pytest.raises(TransactionMisuse):
                apply(transaction, event)
            continue
        outputs = apply(transaction, event)
        assert (transaction.state.name, ", ".join(map(shown, outputs))) == (row[0].upper(), row[1]), (state, event)


T1, T2, T4 = 0.5, 4.0, 5.0
DOUBLING = [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
TO_T2 = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
AT_T2 = [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]

TIMERS = [
    # RFC 3261, table 4, and RFC 6026, 7, for L and M: machine, state, when it retransmits, when the state ends over an
    # unreliable transport and over a reliable one (0: at once; None: by no timer), and what the TU is notified of.
    ("A and B", "INVITE client", "Calling", DOUBLING, 64 * T1, 64 * T1, "inform TU"),
    ("none in Proceeding", "INVITE client", "Proceeding", [], None, None, NOTHING),
    ("D", "INVITE client", "Completed", [], 32.0, 0, NOTHING),
    ("M", "INVITE client", "Accepted", [], 64 * T1, 64 * T1, NOTHING),
    ("E and F", "other client", "Trying", TO_T2, 64 * T1, 64 * T1, "inform TU"),
    # In Proceeding, E is reset to T2 when it fires; here the 1xx comes at once, before E first fires.
    ("E at T2", "other client", "Proceeding", AT_T2, 64 * T1, 64 * T1, "inform TU"),
    ("K", "other client", "Completed", [], T4, 0, NOTHING),
    ("none before the answer", "INVITE server", "Proceeding", [], None, None, NOTHING),
    ("G and H", "INVITE server", "Completed", TO_T2, 64 * T1, 64 * T1, "inform TU"),
    ("I", "INVITE server", "Confirmed", [], T4, 0, NOTHING),
    ("L", "INVITE server", "Accepted", [], 64 * T1, 64 * T1, NOTHING),
    ("none before the answer", "other server", "Trying", [], None, None, NOTHING),
    ("J", "other server", "Completed", [], 64 * T1, 0, NOTHING),
]


@pytest.mark.parametrize("reliable", [False, True])
@pytest.mark.parametrize(("letters", "machine", "state", "again", "unreliable_end", "reliable_end", "heard"), TIMERS)
def test_the_lettered_timers(
    letters: str,
    machine: str,
    state: str,
    again: list[float],
    unreliable_end: float | None,
    reliable_end: float | None,
    heard: str,
    reliable: bool,
) -> None:
    transaction = begin(machine, reliable=reliable)
    for step in WAYS[machine, state]:
        apply(transaction, step)
    sent: list[float] = []
    last: list[str] = []
    at: float | None = 0.0
    while not transaction.terminated and (at := transaction.deadline) is not None:
        outputs = [shown(each) for each in transaction.expire(at)]
        if transaction.terminated:
            last = outputs
        else:
            sent += [at] * len(outputs)
    assert sent == ([] if reliable else again), letters
    end = reliable_end if reliable else unreliable_end
    assert (at if transaction.terminated else None) == end, letters
    assert ", ".join(last) == heard


def test_an_invite_that_its_user_does_not_answer_within_200_ms_gets_a_100() -> None:
    """RFC 3261, 17.2.1."""
    silent, quick = begin("INVITE server", reliable=True), begin("INVITE server", reliable=True)
    assert silent.deadline == 0.2
    assert silent.expire(0.19) == []
    assert list(map(shown, silent.expire(0.2))) == ["send 100"]
    assert silent.deadline is None
    apply(quick, "1xx from TU", 0.1)
    assert quick.deadline is None


def test_a_cancel_is_held_back_until_a_provisional_response_and_then_waits_64_t1() -> None:
    """RFC 3261, 9.1."""
    transaction = begin("INVITE client", reliable=True)
    assert apply(transaction, "cancel", 1.0) == []
    deliver, cancel = apply(transaction, "1xx", 2.0)
    assert (shown(deliver), shown(cancel)) == ("1xx to TU", "CANCEL sent")
    assert isinstance(cancel, Cancel)
    invite, made = transaction.request, cancel.request
    assert made.method == "CANCEL"
    assert made.uri == invite.uri
    assert made.get_all("Via") == [str(invite.top_via)]
    for name in ("From", "To", "Call-ID", "Route"):
        assert made.get_all(name) == invite.get_all(name)
    assert (made.cseq.number, made.cseq.method) == (invite.cseq.number, "CANCEL")
    assert list(map(shown, apply(transaction, "1xx", 3.0))) == ["1xx to TU"]  # one CANCEL is enough
    assert apply(transaction, "cancel", 3.0) == []
    assert transaction.deadline == 2.0 + 64 * T1
    assert list(map(shown, transaction.expire(2.0 + 64 * T1))) == ["inform TU"]
    assert transaction.terminated


def test_a_cancelled_invite_that_is_answered_with_2xx_is_accepted_all_the_same() -> None:
    """RFC 3261, 9.1: the CANCEL and the 200 may cross."""
    transaction = begin("INVITE client", reliable=True)
    apply(transaction, "1xx")
    apply(transaction, "cancel", 1.0)
    assert list(map(shown, apply(transaction, "2xx", 2.0))) == ["2xx to TU"]
    assert transaction.deadline == 2.0 + 64 * T1
    assert transaction.expire(2.0 + 64 * T1) == []
