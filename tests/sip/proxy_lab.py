"""A proxy core on its own host, with a caller before it and two targets behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from edgesim.journal import Journal
from edgesim.sip import Connection, Request, Response, SipEndpoint
from edgesim.sip.answering import Answers
from edgesim.sip.proxy import Hop
from edgesim.sip.proxy_core import Later, ProxyCore
from edgesim.sip.proxy_state import Branch, ResponseContext
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
        await lab.machine.run(main(lab))
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
