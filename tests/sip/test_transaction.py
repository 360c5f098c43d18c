"""The four machines of RFC 3261, 17, over a clock that the test turns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgesim.sip import Request, Response
from edgesim.sip.matching import Transactions
from edgesim.sip.transaction import ClientTransaction, ServerTransaction
from edgesim.sip.transaction_events import Deliver, Output, Send, State, TimedOut, TransportFailed
from tests.sip.settings import TIMERS


def ask(method: str, branch: str = "z9hG4bK1", cseq: int = 1) -> Request:
    return Request.build(
        method,
        "sip:a@192.0.2.2",
        [
            ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", "<sip:b@192.0.2.1>;tag=1"),
            ("To", "<sip:a@192.0.2.2>"),
            ("Call-ID", "call"),
            ("CSeq", f"{cseq} {method}"),
        ],
    )


def sends(outputs: list[Output]) -> list[Request | Response]:
    return [output.message for output in outputs if isinstance(output, Send)]


def delivers(outputs: list[Output]) -> list[Request | Response]:
    return [output.message for output in outputs if isinstance(output, Deliver)]


def times_of_sending(transactions: Transactions, until: float) -> list[float]:
    """Let time run and return when something was sent."""
    times = []
    while (deadline := transactions.deadline) is not None and deadline <= until:
        for _, outputs in transactions.expire(deadline):
            times += [deadline] * len(sends(outputs))
    return times


def answered(
    transactions: Transactions, response: Response, now: float
) -> tuple[ClientTransaction, list[Output]] | None:
    """Give a response to the transaction that it belongs to."""
    transaction = transactions.client_transaction(response)
    return None if transaction is None else (transaction, transactions.response(transaction, response, now))


def start(method: str, *, reliable: bool) -> tuple[Transactions, ClientTransaction]:
    transactions = Transactions(TIMERS)
    transaction, outputs = transactions.request(ask(method), 0.0, reliable=reliable)
    assert len(sends(outputs)) == 1
    return transactions, transaction


def test_request_over_udp_is_retransmitted_until_timer_f() -> None:
    transactions, transaction = start("REGISTER", reliable=False)
    assert times_of_sending(transactions, 31.9) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    [(ended, outputs)] = transactions.expire(32.0)
    assert ended is transaction
    assert outputs == [TimedOut()]
    assert len(transactions) == 0
    assert transactions.deadline is None


def test_invite_over_udp_doubles_without_ceiling() -> None:
    transactions, _ = start("INVITE", reliable=False)
    assert times_of_sending(transactions, 31.9) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_request_over_tcp_is_sent_once() -> None:
    transactions, _ = start("REGISTER", reliable=True)
    assert times_of_sending(transactions, 31.9) == []
    assert transactions.deadline == 32.0


def test_provisional_slows_retransmission() -> None:
    transactions, transaction = start("REGISTER", reliable=False)
    assert times_of_sending(transactions, 0.6) == [0.5]
    found = answered(transactions, transaction.request.response(100), 0.7)
    assert found is not None
    assert [item.status for item in delivers(found[1]) if isinstance(item, Response)] == [100]
    assert times_of_sending(transactions, 12.0) == [1.5, 5.5, 9.5]


def test_final_response_is_delivered_once_and_lingers_for_timer_k() -> None:
    transactions, transaction = start("REGISTER", reliable=False)
    answer = transaction.request.response(200)
    found = answered(transactions, answer, 1.0)
    assert found is not None
    assert delivers(found[1]) == [answer]
    again = answered(transactions, answer, 2.0)
    assert again is not None
    assert again[1] == []
    assert transactions.deadline == 6.0
    transactions.expire(6.0)
    assert answered(transactions, answer, 6.1) is None


def test_over_tcp_nothing_lingers() -> None:
    transactions, transaction = start("REGISTER", reliable=True)
    answered(transactions, transaction.request.response(200), 1.0)
    assert len(transactions) == 0
    assert transactions.deadline is None


def test_invite_refused_is_acknowledged_each_time() -> None:
    transactions, transaction = start("INVITE", reliable=False)
    refusal = transaction.request.response(486, to_tag="9")
    found = answered(transactions, refusal, 1.0)
    assert found is not None
    [ack] = sends(found[1])
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.get("CSeq"), ack.to.tag) == ("ACK", transaction.request.uri, "1 ACK", "9")
    assert ack.get_all("Via") == transaction.request.get_all("Via")
    assert delivers(found[1]) == [refusal]
    again = answered(transactions, refusal, 2.0)
    assert again is not None
    assert sends(again[1]) == [ack]
    assert delivers(again[1]) == []
    assert transactions.deadline == 33.0
    transactions.expire(33.0)
    assert len(transactions) == 0


def test_invite_accepted_delivers_every_2xx() -> None:
    transactions, transaction = start("INVITE", reliable=True)
    answered(transactions, transaction.request.response(180, to_tag="9"), 1.0)
    assert transactions.deadline is None
    for _ in range(2):
        found = answered(transactions, transaction.request.response(200, to_tag="9"), 2.0)
        assert found is not None
        assert len(delivers(found[1])) == 1
        assert sends(found[1]) == []
    assert transaction.state is State.ACCEPTED
    transactions.expire(34.0)
    assert len(transactions) == 0


@pytest.mark.parametrize("reliable", [True, False])
def test_server_absorbs_and_repeats(reliable: bool) -> None:
    transactions = Transactions(TIMERS)
    request = ask("REGISTER")
    transaction, outputs = transactions.incoming(request, 0.0, reliable=reliable)
    assert isinstance(transaction, ServerTransaction)
    assert delivers(outputs) == [request]
    assert transactions.incoming(request, 0.1, reliable=reliable)[1] == []
    trying, answer = request.response(100), request.response(200, to_tag="5")
    found = transactions.respond(trying, 0.2)
    assert found is not None
    assert sends(found[1]) == [trying]
    assert sends(transactions.incoming(request, 0.3, reliable=reliable)[1]) == [trying]
    found = transactions.respond(answer, 0.4)
    assert found is not None
    assert sends(found[1]) == [answer]
    if reliable:
        assert len(transactions) == 0
        return
    assert sends(transactions.incoming(request, 0.5, reliable=False)[1]) == [answer]
    found = transactions.respond(request.response(500), 0.6)
    assert found is not None
    assert found[1] == []
    assert sends(transactions.incoming(request, 0.7, reliable=False)[1]) == [answer]
    assert transactions.deadline == 32.4
    transactions.expire(32.4)
    assert len(transactions) == 0


def test_server_repeats_a_refusal_until_the_ack() -> None:
    transactions = Transactions(TIMERS)
    invite = ask("INVITE")
    transactions.incoming(invite, 0.0, reliable=False)
    transactions.respond(invite.response(486, to_tag="5"), 0.0)
    assert times_of_sending(transactions, 8.0) == [0.5, 1.5, 3.5, 7.5]
    ack = ask("ACK")
    transaction, outputs = transactions.incoming(ack, 8.0, reliable=False)
    assert transaction is not None
    assert transaction.state is State.CONFIRMED
    assert outputs == []
    assert times_of_sending(transactions, 40.0) == []
    assert len(transactions) == 0


def test_server_gives_up_without_an_ack() -> None:
    transactions = Transactions(TIMERS)
    invite = ask("INVITE")
    transactions.incoming(invite, 0.0, reliable=True)
    transactions.respond(invite.response(486, to_tag="5"), 0.0)
    [(_, outputs)] = transactions.expire(32.0)
    assert outputs == [TimedOut()]


def test_ack_to_a_2xx_is_the_users() -> None:
    transactions = Transactions(TIMERS)
    ack = ask("ACK", branch="z9hG4bKother")
    assert transactions.incoming(ack, 0.0, reliable=True) == (None, [Deliver(ack)])


def test_cancel_finds_its_invite() -> None:
    transactions = Transactions(TIMERS)
    transaction, _ = transactions.incoming(ask("INVITE"), 0.0, reliable=True)
    assert transactions.cancelled(ask("CANCEL")) is transaction
    assert transactions.cancelled(ask("CANCEL", branch="z9hG4bK2")) is None


def test_old_branches_are_matched_by_more_than_the_branch() -> None:
    transactions = Transactions(TIMERS)
    first, second = ask("OPTIONS", branch="1"), ask("OPTIONS", branch="1", cseq=2)
    assert transactions.incoming(first, 0.0, reliable=False)[1] == [Deliver(first)]
    assert transactions.incoming(second, 0.0, reliable=False)[1] == [Deliver(second)]
    found = transactions.respond(first.response(200), 0.0)
    assert found is not None
    assert found[0].request is first


def test_transport_failure_and_reused_branch() -> None:
    transactions, transaction = start("REGISTER", reliable=True)
    with pytest.raises(ValueError, match="in progress"):
        transactions.request(ask("REGISTER"), 0.0, reliable=True)
    assert transactions.failed(transaction, 1.0) == [TransportFailed()]
    assert len(transactions) == 0


def test_timers_are_parameters() -> None:
    transactions = Transactions(replace(TIMERS, t1=0.1, t2=0.2))
    transactions.request(ask("REGISTER"), 0.0, reliable=False)
    assert times_of_sending(transactions, 0.75) == pytest.approx([0.1, 0.3, 0.5, 0.7])


def test_finished_transactions_leave_no_deadlines_behind() -> None:
    transactions = Transactions(TIMERS)
    for number in range(1000):
        transaction, _ = transactions.request(ask("REGISTER", branch=f"z9hG4bK{number}"), float(number), reliable=True)
        answered(transactions, transaction.request.response(200), float(number))
    assert len(transactions._heap) < 100
    assert transactions.deadline is None


@pytest.mark.parametrize("branch", ["z9hG4bK", "Z9HG4BK", "z9hG4bKsame", "1", ""])
@pytest.mark.parametrize("other", [{"Call-ID": "another"}, {"CSeq": "2 OPTIONS"}, {"From": "<sip:a@b>;tag=another"}])
def test_a_branch_that_is_not_unique_joins_nothing(branch: str, other: dict[str, str]) -> None:
    def options(**changed: str) -> Request:
        headers = {
            "Via": "SIP/2.0/UDP 192.0.2.1" + (f";branch={branch}" if branch else ""),
            "From": "<sip:a@b>;tag=1",
            "To": "<sip:c@d>",
            "Call-ID": "one",
            "CSeq": "1 OPTIONS",
        }
        return Request.build("OPTIONS", "sip:c@d", (headers | changed).items())

    transactions = Transactions(TIMERS)
    first, second = options(), options(**other)
    assert delivers(transactions.incoming(first, 0.0, reliable=False)[1]) == [first]
    assert delivers(transactions.incoming(second, 0.1, reliable=False)[1]) == [second]
    transactions.respond(first.response(200, to_tag="1"), 0.2)
    transactions.respond(second.response(404, to_tag="2"), 0.2)
    repeated = [transactions.incoming(each, 1.0, reliable=False)[1] for each in (options(), options(**other))]
    assert [each.message.status for outputs in repeated for each in outputs] == [200, 404]
