"""Two SIP endpoints in a simulated world: a phone that asks, and Unified CM, which answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from edgesim.journal import Journal, events
from edgesim.sip import (
    Connection,
    Request,
    Response,
    SipEndpoint,
)
from edgesim.world import Host
from edgesim.world.sim import SimWorld
from tests.simrun import host, sim_run
from tests.sip.settings import LIMITS, TIMERS

UCM, PHONE = "10.0.40.11", "10.0.50.10"
NAME = "ucm-pub.inside.example.com"


class Lab:
    """A server and a client with an endpoint each."""

    def __init__(self, world: SimWorld, server: Host, client: Host) -> None:
        self.world = world
        self.server = server
        self.client = client
        self.journal = Journal(world)
        self.seen: list[Request] = []
        self.stray: list[Response] = []
        self.lost: list[tuple[str, Exception | None]] = []
        self.ucm: SipEndpoint
        self.phone: SipEndpoint
        self.branch = 0

    async def open(self, **options: Any) -> None:
        async def ucm() -> None:
            settings = {"limits": LIMITS, "timers": TIMERS, "on_request": self.answer, **options}
            self.ucm = SipEndpoint(self.server, self.journal.recorder(self.server), **settings)
            await self.ucm.listen(UCM, 5060)
            await self.ucm.listen(UCM, 5060, "udp")

        async def phone() -> None:
            self.phone = SipEndpoint(
                self.client,
                self.journal.recorder(self.client),
                limits=LIMITS,
                timers=TIMERS,
                on_response=lambda response, _: self.stray.append(response),
                on_lost=lambda connection, error: self.lost.append((connection.transport, error)),
            )

        await self.server.run(ucm())
        await self.client.run(phone())

    def answer(self, request: Request, connection: Connection) -> None:
        self.seen.append(request)
        connection.send(request.response(100))
        connection.send(request.response(200, to_tag=self.ucm.tag()))

    def ask(self, method: str = "REGISTER", transport: str = "TCP", **more: str) -> Request:
        self.branch += 1
        return Request.build(
            method,
            f"sip:{UCM}",
            [
                ("Via", f"SIP/2.0/{transport} {PHONE}:5060;branch=z9hG4bK{self.branch};rport"),
                ("From", f"<sip:10001@{UCM}>;tag=1"),
                ("To", f"<sip:10001@{UCM}>"),
                ("Call-ID", f"call-{self.branch}"),
                ("CSeq", f"1 {method}"),
                *more.items(),
            ],
        )

    def entries(self, kind: type[events.Event]) -> list[Any]:
        return [entry for entry in self.journal if isinstance(entry.event, kind)]

    async def end(self) -> None:
        await self.client.run(self.phone.close())
        await self.server.run(self.ucm.close())
        await asyncio.sleep(1)
        assert self.world.fabric.sockets() == []
        for endpoint in (self.phone, self.ucm):
            assert len(endpoint.transactions) == 0
            assert endpoint.layer._timer is None
            assert not endpoint._tasks


def lab_run(main: Callable[[Lab], Awaitable[None]], **options: Any) -> None:
    async def run(world: SimWorld) -> None:
        lab = Lab(world, await host(world, "ucm-pub", UCM), await host(world, "phone", PHONE))
        await lab.open(**options)
        await lab.client.run(main(lab))
        await lab.end()

    sim_run(run)
