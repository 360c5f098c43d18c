"""The proxy core of both Expressways against RFC 3261, 16 (with RFC 6026 and RFC 4320).

A proxy between a caller and two targets over the simulated network. The expected responses are typed from 16.7 of the
RFC.
"""

from __future__ import annotations

import pytest

from edgesim.deployment.defaults import Defaults
from edgesim.sip.proxy_core import best_of
from edgesim.sip.rewriting import Rewriter
from edgesim.sip.transaction import ack_for
from tests.sip.proxy_lab import CALLER, PROXY, Lab, call, lab_run, request

# ---- forwarding


def test_a_received_message_stays_as_it_arrived_but_for_the_stamp_on_its_via() -> None:
    async def main(lab: Lab) -> None:
        sent = request("INVITE")
        await lab.caller.say(sent)
        [context] = lab.contexts
        [at_one] = lab.one.all("INVITE")
        stamped = context.request
        assert (
            stamped.get("Via")
            == f"{sent.get('Via')};received={CALLER};rport={lab.caller.connection.local[1]};ingress-zone=Outside"
        )
        others = [line for name, line in zip(stamped.names, stamped.lines, strict=True) if name != "via"]
        assert others == [line for name, line in zip(sent.names, sent.lines, strict=True) if name != "via"]
        assert stamped.start_line == sent.start_line
        # 16.6: Max-Forwards, Record-Route and Via are the proxy's, all else is as it came.
        assert at_one.get("Max-Forwards") == "15"
        assert len(at_one.get_all("Record-Route")) == 2
        assert at_one.values("Via")[1:] == stamped.values("Via")
        assert at_one.values("Via")[0].startswith(f"SIP/2.0/TCP {PROXY}:5060;egress-zone=UCTraversal;branch=z9hG4bK")
        await lab.one.answer(404)
        [refusal] = [each for each in lab.caller.all("INVITE?") if each.status == 404]
        assert refusal.values("Via") == stamped.values("Via")

    lab_run(main)


def test_an_answer_counts_once_and_from_the_side_that_was_asked() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(request())
        answer = lab.one.all("OPTIONS")[0].response(200, to_tag="t")
        lab.two.connection = lab.two.endpoint.connections[0]
        await lab.two.say(answer)
        assert lab.caller.got == []
        await lab.one.answer(100, method="OPTIONS")
        await lab.one.say(answer)
        await lab.one.say(answer)
        assert lab.caller.statuses("OPTIONS") == [200]
        assert lab.succeeded_with == [200]
        assert len(lab.core) == 0

    lab_run(main)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_response_to_a_request_of_another_sender_is_discarded(method: str) -> None:
    """RFC 3261, 18.1.2: the sent-by of its topmost Via is not the proxy's own."""

    async def main(lab: Lab) -> None:
        lab.targets = [lab.one]
        await lab.caller.say(request(method))
        before = lab.caller.statuses(method)
        foreign = lab.one.all(method)[-1].response(200, to_tag="t")
        foreign.replace("Via", foreign.get_all("Via")[0].replace(PROXY, "192.0.2.9"))
        await lab.one.say(foreign)
        assert lab.caller.statuses(method) == before
        await lab.one.answer(200, method=method)
        assert lab.caller.statuses(method) == [*before, 200]

    lab_run(main)


def test_what_may_go_no_further_is_refused_and_the_refusal_of_an_invite_is_acknowledged_here() -> None:
    async def main(lab: Lab) -> None:
        last = request("INVITE")
        last.replace("Max-Forwards", "0")
        await lab.caller.say(last)
        assert lab.caller.statuses() == [483]
        await lab.caller.say(ack_for(last, lab.caller.all("INVITE?")[0]))
        assert lab.one.got == []
        lab.ways[lab.one].close()
        await lab.caller.say(request("OPTIONS", 2))
        assert lab.caller.statuses("OPTIONS") == [503]

    lab_run(main)


# ---- 16.7: which answers go back


FORKS = [
    # responses of the first and second target, in this order; the response to the caller (RFC 3261, 16.7, 5 and 6)
    ("100 goes no further", [100, 200], [], [200]),
    ("every 1xx but 100", [180, 183, 200], [], [180, 183, 200]),
    ("2xx at once", [200], [], [200]),
    ("every 2xx of a fork", [200, 200], [200], [200, 200, 200]),
    ("no refusal before every target has answered", [486], [], []),
    ("a refusal does not stop a later 2xx", [486], [200], [200]),
    ("the lowest class", [503], [404], [404]),
    ("the lowest class, the other way round", [404], [302], [302]),
    ("of 4xx what says how to ask again", [404], [420], [420]),
    ("6xx before all", [600], [302], [600]),
    ("6xx waits for the others", [603], [], []),
    ("a 2xx after a 6xx all the same", [603], [200], [200]),
    ("another 5xx before 503", [503], [500], [500]),
    ("503 alone becomes 500: the next target may do better", [503], [503], [500]),
    ("a 1xx after the 2xx goes no further", [200], [180], [200]),
    ("a refusal after the 2xx goes no further", [200], [486], [200]),
]


@pytest.mark.parametrize(("words", "first", "second", "heard"), FORKS, ids=[row[0] for row in FORKS])
def test_which_of_the_answers_of_two_targets_go_back(
    words: str, first: list[int], second: list[int], heard: list[int]
) -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab, lab.one, lab.two))
        branches = [party.all("INVITE")[0].top_via.branch for party in (lab.one, lab.two)]
        assert branches[0] != branches[1]
        for status in first:
            await lab.one.answer(status, tag="one")
        for status in second:
            await lab.two.answer(status, tag="two")
        assert lab.caller.statuses() == [100, *heard]
        # 17.1.1.3: each refusal is acknowledged by the proxy, hop by hop; a 2xx is not.
        for party, statuses in ((lab.one, first), (lab.two, second)):
            refused = [status for status in statuses if status >= 300]
            assert len(party.all("ACK")) == len(refused)

    lab_run(main)


def test_the_503_of_a_single_target_goes_back_unchanged() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(503)
        assert lab.caller.statuses() == [100, 503]

    lab_run(main)


def test_challenges_of_all_targets_go_back_together() -> None:
    """RFC 3261, 16.7, step 7."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab, lab.one, lab.two))
        await lab.one.answer(407, Proxy_Authenticate='Digest realm="one"')
        await lab.two.answer(401, WWW_Authenticate='Digest realm="two"')
        refusal = lab.caller.all("INVITE?")[-1]
        assert refusal.get_all("Proxy-Authenticate") == ['Digest realm="one"']
        assert refusal.get_all("WWW-Authenticate") == ['Digest realm="two"']

    lab_run(main)


def test_the_best_of_many_is_found_in_any_order() -> None:
    asked = request("INVITE")
    for statuses in ([486, 404, 302, 503], [503, 302, 404, 486]):
        assert best_of([(asked.response(each), False) for each in statuses])[0].status == 302


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_an_unsound_answer_becomes_a_502_and_ends_no_connection(method: str) -> None:
    async def main(lab: Lab) -> None:
        lab.targets = [lab.one]
        await lab.caller.say(request(method))
        unsound = lab.one.all(method)[-1].response(200, to_tag="t")
        unsound.append("Record-Route", '<sip:a>, "')
        await lab.one.say(unsound)
        assert lab.caller.statuses(method)[-1] == 502
        assert lab.ways[lab.one].open
        assert lab.core.leaks() == []

    sip = Defaults().sip
    lab_run(main, write=Rewriter(sip.header_order, sip.headers_apart))
