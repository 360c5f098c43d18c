"""The core of both Expressways against RFC 3261, 16 (with RFC 6026 and RFC 4320): what goes where, and when.

A proxy stands between a caller and two targets over the simulated network. The rows of what must come back are typed
from 16.7 of the RFC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from edgesim.deployment.defaults import Defaults
from edgesim.journal import Journal
from edgesim.sip import Connection, Request, Response, SipEndpoint
from edgesim.sip.admission import ProxyRefusal
from edgesim.sip.answering import Answers
from edgesim.sip.proxy import Hop
from edgesim.sip.proxy_core import Later, ProxyCore, best_of
from edgesim.sip.proxy_state import Branch, ResponseContext
from edgesim.sip.rewriting import Rewriter
from edgesim.sip.transaction import ack_for, cancel_for
from edgesim.world.sim import SimWorld
from tests.simrun import host, sim_run
from tests.sip.settings import LIMITS, TIMERS

CALLER, PROXY, ONE, TWO = "10.0.50.10", "10.0.20.10", "10.0.40.11", "10.0.40.12"
BOUNDS = {"lost_status": 503, "lifetime": 180.0, "window": 32, "message_limits": LIMITS}
INGRESS = Hop(address=PROXY, port=5060, transport="tcp", zone="Outside", hop_count=15)
EGRESS = replace(INGRESS, zone="UC Traversal")


class Party:
    """A caller or a target: it keeps what arrives, each with its time, and sends what the test says."""

    def __init__(self) -> None:
        self.endpoint: SipEndpoint
        self.connection: Connection
        self.got: list[tuple[float, Request | Response]] = []

    def heard(self, message: Request | Response, connection: Connection) -> None:
        self.connection = connection
        self.got.append((asyncio.get_running_loop().time(), message))

    def all(self, kind: str) -> list[Any]:
        """Return the messages of a method, or the responses to it if it ends in ``?``."""
        if kind.endswith("?"):
            return [m for _, m in self.got if isinstance(m, Response) and m.cseq.method == kind[:-1]]
        return [m for _, m in self.got if isinstance(m, Request) and m.method == kind]

    def statuses(self, method: str = "INVITE") -> list[int]:
        return [each.status for each in self.all(f"{method}?")]

    async def say(self, message: Request | Response, wait: float = 0.1) -> None:
        self.connection.send_now(message)
        await asyncio.sleep(wait)

    async def answer(self, status: int, *, tag: str = "t", method: str = "INVITE", **headers: str) -> None:
        answer = self.all(method)[-1].response(status, to_tag=tag)
        for name, value in headers.items():
            answer.append(name.replace("_", "-"), value)
        await self.say(answer)


class Lab:
    """The proxy and its parties. ``targets`` are those that a request goes to."""

    def __init__(self, world: SimWorld, **options: Any) -> None:
        self.world = world
        self.options = options
        self.caller, self.one, self.two = Party(), Party(), Party()
        self.targets: list[Party] = [self.one]
        self.ways: dict[Party, Connection] = {}
        self.delay = 0.0
        self.succeeded_with: list[int] = []
        self.contexts: list[ResponseContext] = []
        self.core: ProxyCore
        self.endpoint: SipEndpoint

    async def open(self) -> None:
        journal = Journal(self.world)
        machines = [
            await host(self.world, name, address)
            for name, address in (("caller", CALLER), ("expe", PROXY), ("one", ONE), ("two", TWO))
        ]

        async def proxy() -> None:
            self.endpoint = SipEndpoint(
                machines[1], journal.recorder(machines[1]), stateful="INVITE", limits=LIMITS, timers=TIMERS
            )
            tags = iter(range(10_000))
            answers = Answers("proxy", lambda: f"p{next(tags)}")
            entropy = machines[1].entropy("core")
            self.core = ProxyCore(entropy, (INGRESS.sent_by,), self, answers, **{**BOUNDS, **self.options})
            self.core.serve(self.endpoint)
            self.endpoint.on_lost = lambda connection, _: self.core.lost(connection)
            await self.endpoint.listen(PROXY, 5060)

        for party, machine, address in ((self.one, machines[2], ONE), (self.two, machines[3], TWO)):

            async def listen(party: Party = party, machine: Any = machine, address: str = address) -> None:
                party.endpoint = SipEndpoint(
                    machine, journal.recorder(machine), limits=LIMITS, timers=TIMERS, stateful=False
                )
                party.endpoint.on_request = party.endpoint.on_response = party.heard
                await party.endpoint.listen(address, 5060)

            await machine.run(listen())
        await machines[1].run(proxy())

        async def dial() -> None:
            for party, address in ((self.one, ONE), (self.two, TWO)):
                self.ways[party] = await self.endpoint.connect(address, 5060)

        await machines[1].run(dial())
        self.machine = machines[0]

        async def call() -> None:
            caller = self.caller
            caller.endpoint = SipEndpoint(
                machines[0], journal.recorder(machines[0]), limits=LIMITS, timers=TIMERS, stateful=False
            )
            caller.endpoint.on_request = caller.endpoint.on_response = caller.heard
            caller.connection = await caller.endpoint.connect(PROXY, 5060)

        await machines[0].run(call())

    # ---- as the product of the core

    def hop_of(self, connection: Connection) -> Hop:
        return EGRESS if connection in self.ways.values() else INGRESS

    def route(self, context: ResponseContext) -> Later | None:
        self.contexts.append(context)
        self.core.admit(context)
        if self.delay:
            return partial(self.later, context)
        self.send(context)
        return None

    async def later(self, context: ResponseContext) -> None:
        await asyncio.sleep(self.delay)
        if not context.answered:
            self.send(context)

    def send(self, context: ResponseContext) -> None:
        for target in self.targets:
            way = self.ways[target]
            self.core.forward(context, context.request.copy(), way, EGRESS, unreachable=503, owner_data="data")

    def succeeded(self, branch: Branch, answer: Response) -> None:
        assert branch.owner_data == "data"
        self.succeeded_with.append(answer.status)


def request(method: str = "OPTIONS", number: int = 1) -> Request:
    headers = [
        ("Via", f"SIP/2.0/TCP {CALLER}:5061;branch=z9hG4bK{number}"),
        ("From", "<sip:a@x>;tag=1"),
        ("To", "<sip:b@x>"),
        ("Call-ID", f"c{number}"),
        ("CSeq", f"{number} {method}"),
        ("Max-Forwards", "70"),
        ("Route", "<sip:10.0.99.9;lr>"),
        ("Contact", f"<sip:a@{CALLER}>"),
    ]
    return Request.build(method, "sip:b@x", headers)


def lab_run(main: Callable[[Lab], Awaitable[None]], **options: Any) -> None:
    async def run(world: SimWorld) -> None:
        lab = Lab(world, **options)
        await lab.open()
        await lab.machine.run(main(lab))  # type: ignore[arg-type]  # a coroutine
        await asyncio.sleep(250)
        # Nothing is left once every timer has run out.
        assert lab.core.leaks() == []
        assert len(lab.endpoint.transactions) == 0
        lab.core.close()
        for endpoint in (lab.caller.endpoint, lab.endpoint, lab.one.endpoint, lab.two.endpoint):
            await endpoint.host.run(endpoint.close())

    sim_run(run)


def call(lab: Lab, *targets: Party) -> Request:
    """Return an INVITE that goes to these targets."""
    lab.targets = list(targets) or [lab.one]
    return request("INVITE")


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
    # answers of the first and of the second target, in this order; what the caller hears (RFC 3261, 16.7, 5 and 6)
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
def test_what_comes_back_from_two_targets(words: str, first: list[int], second: list[int], heard: list[int]) -> None:
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


def test_one_target_says_503_for_all_that_may_come() -> None:
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


# ---- calls that were answered


def test_an_answered_call_is_neither_a_leak_nor_answered_again_when_its_way_is_lost() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        assert lab.core.leaks() == ["1 SIP requests without an answer"]
        await lab.one.answer(180)
        await lab.one.answer(200)
        assert lab.core.leaks() == []
        lab.ways[lab.one].abort()
        await asyncio.sleep(1)
        assert lab.caller.statuses() == [100, 180, 200]

    lab_run(main)


def test_a_call_that_rings_is_refused_when_its_way_is_lost() -> None:
    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(180)
        lab.ways[lab.one].abort()
        await asyncio.sleep(1)
        assert lab.caller.statuses() == [100, 180, 503]
        assert lab.core.leaks() == []

    lab_run(main)


def test_the_2xx_is_repeated_through_the_proxy_for_64_t1_and_its_ack_goes_through() -> None:
    """RFC 3261, 13.3.1.4: the target repeats it; RFC 6026, 7.2: the proxy passes it on until timers L and M fire."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(200)
        await asyncio.sleep(30)
        await lab.one.answer(200)
        assert lab.caller.statuses() == [100, 200, 200]
        ack = request("ACK")
        ack.replace("Via", f"SIP/2.0/TCP {CALLER}:5061;branch=z9hG4bKack")
        await lab.caller.say(ack)
        [at_one] = lab.one.all("ACK")
        assert at_one.top_via.branch != lab.one.all("INVITE")[0].top_via.branch
        await asyncio.sleep(3)
        await lab.one.answer(200)
        assert lab.caller.statuses() == [100, 200, 200]  # 33 s after the first, the call is forgotten

    lab_run(main)


def test_a_retransmitted_invite_is_absorbed() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(invite)
        await lab.one.answer(180)
        await lab.caller.say(invite)
        assert lab.caller.statuses() == [100, 180, 180]  # 17.2.1: with the last response
        await lab.one.answer(486)
        await lab.caller.say(invite)
        assert lab.caller.statuses()[-2:] == [486, 486]
        await lab.caller.say(ack_for(invite, lab.caller.all("INVITE?")[-1]))
        assert [len(lab.one.all(method)) for method in ("INVITE", "ACK")] == [1, 1]

    lab_run(main)


# ---- CANCEL


def test_cancel_goes_from_hop_to_hop() -> None:
    """RFC 3261, 16.10 and 9.1: a 200 at once, a CANCEL of the proxy's own to each target, 487 as the best answer."""

    async def main(lab: Lab) -> None:
        invite = call(lab, lab.one, lab.two)
        await lab.caller.say(invite)
        await lab.one.answer(180)
        await lab.two.answer(180)
        await lab.caller.say(cancel_for(invite))
        assert lab.caller.statuses("CANCEL") == [200]
        for party in (lab.one, lab.two):
            [cancel] = party.all("CANCEL")
            sent = party.all("INVITE")[0]
            assert cancel.values("Via") == [sent.values("Via")[0]]
            assert (cancel.uri, cancel.call_id, cancel.cseq.number) == (sent.uri, sent.call_id, sent.cseq.number)
            assert cancel.get_all("Route") == sent.get_all("Route")
            await party.answer(200, method="CANCEL")
            await party.answer(487)
        assert lab.caller.statuses() == [100, 180, 180, 487]
        assert lab.caller.statuses("CANCEL") == [200]

    lab_run(main)


def test_a_cancel_is_held_back_until_the_target_shows_that_it_is_there() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(invite)
        await lab.caller.say(cancel_for(invite), wait=5)
        assert lab.caller.statuses("CANCEL") == [200]
        assert lab.one.all("CANCEL") == []
        await lab.one.answer(100)
        assert len(lab.one.all("CANCEL")) == 1
        await lab.one.answer(487)
        assert lab.caller.statuses() == [100, 487]

    lab_run(main)


def test_a_cancel_of_what_is_not_sent_on_yet_ends_it_here() -> None:
    async def main(lab: Lab) -> None:
        lab.delay = 2.0
        invite = call(lab)
        await lab.caller.say(invite, wait=1)
        await lab.caller.say(cancel_for(invite), wait=3)
        assert (lab.caller.statuses(), lab.caller.statuses("CANCEL")) == ([100, 487], [200])
        assert lab.one.got == []

    lab_run(main)


def test_a_cancel_after_the_answer_changes_nothing() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(invite)
        await lab.one.answer(200)
        await lab.caller.say(cancel_for(invite))
        assert (lab.caller.statuses(), lab.caller.statuses("CANCEL")) == ([100, 200], [200])
        assert lab.one.all("CANCEL") == []

    lab_run(main)


def test_a_cancel_of_nothing_known_is_forwarded_and_a_strangers_ends_nothing() -> None:
    async def main(lab: Lab) -> None:
        invite = call(lab)
        await lab.caller.say(cancel_for(invite))
        assert len(lab.one.all("CANCEL")) == 1
        await lab.one.answer(481, method="CANCEL")
        assert lab.caller.statuses("CANCEL") == [481]
        await lab.caller.say(invite)
        await lab.one.answer(180)
        lab.two.connection = lab.two.endpoint.connections[0]
        await lab.two.say(cancel_for(invite))
        assert lab.caller.statuses() == [100, 180]
        assert lab.two.statuses("CANCEL") == [481]
        assert len(lab.one.all("CANCEL")) == 1
        await lab.one.answer(486)
        assert lab.caller.statuses() == [100, 180, 486]

    lab_run(main)


@pytest.mark.parametrize("final", [200, 603])
def test_a_2xx_cancels_the_other_targets_and_so_does_a_6xx(final: int) -> None:
    """RFC 3261, 16.7, steps 5 and 10."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab, lab.one, lab.two))
        await lab.two.answer(180)
        await lab.one.answer(final)
        assert len(lab.two.all("CANCEL")) == 1
        await lab.two.answer(487)
        assert lab.caller.statuses() == [100, 180, final]
        assert lab.one.all("CANCEL") == []

    lab_run(main)


# ---- silence


def test_a_target_that_says_nothing_counts_as_408_after_timer_b() -> None:
    async def main(lab: Lab) -> None:
        begun = asyncio.get_running_loop().time()
        await lab.caller.say(call(lab), wait=40)
        assert lab.caller.statuses() == [100, 408]
        assert lab.caller.got[-1][0] - begun == pytest.approx(32, abs=0.1)

    lab_run(main)


def test_a_target_that_rings_for_ever_is_cancelled_by_timer_c_which_each_1xx_sets_anew() -> None:
    """RFC 3261, 16.6 (11), 16.7 (2), 16.8; 9.1 for how long a final response is waited for then."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(call(lab))
        await lab.one.answer(180)
        await asyncio.sleep(170)
        assert lab.one.all("CANCEL") == []
        await lab.one.answer(180)
        rang = asyncio.get_running_loop().time()
        await asyncio.sleep(240)
        [cancelled] = [at for at, message in lab.one.got if isinstance(message, Request) and message.method == "CANCEL"]
        assert cancelled - rang == pytest.approx(180, abs=0.2)
        assert lab.caller.statuses() == [100, 180, 180, 408]
        assert lab.caller.got[-1][0] - cancelled == pytest.approx(32, abs=0.1)

    lab_run(main)


def test_another_request_without_an_answer_gets_none() -> None:
    """RFC 4320, 4.2: a proxy sends no 408 to what is no INVITE."""

    async def main(lab: Lab) -> None:
        await lab.caller.say(request(), wait=179)
        assert len(lab.core) == 1
        await asyncio.sleep(2)
        assert len(lab.core) == 0
        await lab.one.answer(200, method="OPTIONS")
        assert lab.caller.got == []

    lab_run(main)


# ---- bounds


def test_it_refuses_what_is_too_much_and_forgets_the_overdue() -> None:
    async def main(lab: Lab) -> None:
        for number in range(1, 5):
            await lab.caller.say(request(number=number))
        assert lab.caller.statuses("OPTIONS") == [503]
        assert (len(lab.core), len(lab.one.all("OPTIONS"))) == (3, 3)
        await asyncio.sleep(11)
        await lab.caller.say(request(number=9))
        assert len(lab.core) == 1
        await lab.one.answer(200, method="OPTIONS")

    lab_run(main, lifetime=10.0, limit=3)


def test_octets_that_wait_for_an_answer_are_bounded() -> None:
    async def main(lab: Lab) -> None:
        for number in range(1, 5):
            await lab.caller.say(request(number=number))
        taken = len(lab.core)
        assert 0 < taken < 4
        assert lab.caller.statuses("OPTIONS") == [503] * (4 - taken)
        await lab.one.answer(200, method="OPTIONS")
        assert len(lab.core) == taken - 1
        await lab.caller.say(request(number=6))
        assert len(lab.core) == taken

    lab_run(main, octets=1000, lifetime=5.0)


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE"])
def test_a_client_is_not_read_while_too_many_of_its_requests_await_an_answer(method: str) -> None:
    async def main(lab: Lab) -> None:
        lab.targets = [lab.one]
        for number in range(1, 6):
            await lab.caller.say(request(method, number))
        assert len(lab.one.all(method)) == 3
        await lab.one.answer(180, method=method)
        assert len(lab.one.all(method)) == 3
        await lab.one.answer(200, method=method)
        assert len(lab.one.all(method)) == 4  # an accepted INVITE counts no more

    lab_run(main, window=3, lifetime=10.0)


def test_whoever_awaits_answers_that_never_come_is_read_again_in_time() -> None:
    async def main(lab: Lab) -> None:
        for number in range(1, 4):
            await lab.caller.say(request(number=number))
        assert len(lab.one.all("OPTIONS")) == 2
        await asyncio.sleep(9)
        assert len(lab.one.all("OPTIONS")) == 2
        await asyncio.sleep(2)
        assert len(lab.one.all("OPTIONS")) == 3

    lab_run(main, window=2, lifetime=10.0)


def test_a_request_that_is_sent_again_before_it_is_answered_counts_once() -> None:
    async def main(lab: Lab) -> None:
        for _ in range(5):
            await lab.caller.say(request())
        assert len(lab.core) == 1
        await lab.one.answer(200, method="OPTIONS")
        assert len(lab.core) == 0
        assert lab.caller.statuses("OPTIONS") == [200]
        await lab.caller.say(request(number=2))
        assert len(lab.one.all("OPTIONS")) == 6  # it is still read
        await lab.one.answer(200, method="OPTIONS")

    lab_run(main, window=2)


def test_a_refusal_on_the_way_leaves_nothing_behind() -> None:
    async def main(lab: Lab) -> None:
        def refuse(context: ResponseContext) -> None:
            raise ProxyRefusal(404, "nobody")

        lab.send = refuse  # type: ignore[method-assign]
        lab.delay = 0.5
        await lab.caller.say(request("INVITE"), wait=1)
        assert lab.caller.statuses() == [100, 404]
        assert len(lab.core) == 0

    lab_run(main)
