"""What a story leaves behind fails it, kind by kind; what it puts away does not."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from edgesim.control import (
    Command,
    Faults,
    FaultTable,
    HostRow,
    Hosts,
    HostTable,
    Leftovers,
    LookForLeftovers,
    Netstat,
    Sockets,
    StopHost,
    StopServices,
)
from edgesim.scenario import Lab, Note, Outcome
from edgesim.scenario.leaks import stop_and_look
from edgesim.scenario.run import Options, run
from edgesim.world import Host
from edgesim.world.faults import DropDatagram
from edgesim.world.sim import SimWorld
from tests.exploration import Case
from tests.scenario.stories import judged
from tests.sip.settings import LIMITS, TIMERS

HEAD = "the scenario left something behind:\n"
kept: list[Any] = []
"""Keeps alive what stories open, as a careless program would."""


@pytest.fixture(autouse=True)
def _forget() -> Any:
    yield
    kept.clear()


async def machine(lab: Lab) -> Host:
    """Return a machine of clients, which a script may do everything with."""
    return (await lab.script("jabber-1")).node.host


async def listens(lab: Lab) -> None:
    lab.check(True, "an assertion")

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        kept.append(await loop.create_server(asyncio.Protocol, lab.address("jabber-1"), 5060))

    await (await lab.script("jabber-1")).run(listen())


async def connects(lab: Lab) -> None:
    lab.check(True, "an assertion")

    async def connect() -> None:
        server = lab.address("dns-outside")
        kept.append(await asyncio.get_running_loop().create_connection(asyncio.Protocol, server, 53))

    await (await lab.script("jabber-1")).run(connect())


async def binds(lab: Lab) -> None:
    lab.check(True, "an assertion")

    async def bind() -> None:
        local = (lab.address("jabber-1"), 5060)
        kept.append(
            await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=local)
        )

    await (await lab.script("jabber-1")).run(bind())


async def spawns(lab: Lab) -> None:
    lab.check(True, "an assertion")
    (await machine(lab)).spawn(asyncio.sleep(500), name="too long")


async def spawns_outside_hosts(lab: Lab) -> None:
    lab.check(True, "an assertion")
    kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(500), name="forgotten"))


async def schedules(lab: Lab) -> None:
    lab.check(True, "an assertion")

    async def schedule() -> None:
        asyncio.get_running_loop().call_later(500, kept.clear)

    await (await lab.script("jabber-1")).run(schedule())


async def counts(lab: Lab) -> None:
    lab.check(True, "an assertion")

    class Calls:
        def leaks(self) -> list[str]:
            return ["a dialog that nobody ended: 1@example.com"]

    (await machine(lab)).services["calls"] = Calls()


async def breaks(lab: Lab) -> None:
    lab.check(True, "an assertion")
    await lab.put(DropDatagram(name="forgotten rule"))


@pytest.mark.parametrize(
    ("story", "line"),
    [
        (listens, "jabber-1 left a tcp socket: 198.51.100.25:5060 LISTEN"),
        (connects, "jabber-1 left a tcp socket: 198.51.100.25:49152 to 203.0.113.53:53 "),
        (binds, "jabber-1 left a udp socket: 198.51.100.25:5060"),
        (spawns, "jabber-1 left a task: jabber-1: too long"),
        (spawns_outside_hosts, "the story left a task: forgotten"),
        (schedules, "jabber-1 left a timer: list.clear, due at 500.000000 s"),
        (counts, "jabber-1, calls: a dialog that nobody ended: 1@example.com"),
        (breaks, "a fault rule is still in force: forgotten rule"),
    ],
)
def test_what_is_left_behind_is_named(story: Callable[[Lab], Awaitable[None]], line: str) -> None:
    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.startswith(HEAD) and line in verdict.reason, verdict.reason


async def fails() -> None:
    raise ZeroDivisionError("as planned")


async def task_with_a_reference(lab: Lab) -> None:
    kept.append(asyncio.create_task(fails()))


async def task_without(lab: Lab) -> None:
    (await machine(lab)).spawn(fails(), name="fails")


async def task_in_a_circle(lab: Lab) -> None:
    circle: dict[str, Any] = {"task": asyncio.create_task(fails())}
    circle["circle"] = circle


async def future_in_a_circle(lab: Lab) -> None:
    circle: dict[str, Any] = {"future": asyncio.get_running_loop().create_future()}
    circle["circle"] = circle
    circle["future"].set_exception(ZeroDivisionError("as planned"))


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize(
    "forgets",
    [task_with_a_reference, task_without, task_in_a_circle, future_in_a_circle],
    ids=lambda each: each.__name__,
)
def test_an_error_that_no_code_asked_for_fails_a_story_whenever_the_collector_comes(
    forgets: Callable[[Lab], Awaitable[None]], collects: bool
) -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        await forgets(lab)
        await lab.wait(1)
        if collects:
            gc.collect()
        await lab.wait(1)

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.reason.count("an unhandled error") == 1, verdict.reason
    assert "ZeroDivisionError: as planned" in verdict.reason


def test_a_verb_that_is_not_awaited_fails_the_story() -> None:
    import warnings

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        lab.skew("jabber-1", 60)
        lab.expect(Note(text="what never comes"))
        warnings.warn("another", DeprecationWarning, stacklevel=1)

    where = story.__code__.co_firstlineno + 2
    for _ in range(2):  # a warning is shown once only, in general
        with pytest.warns(DeprecationWarning, match="another"):
            verdict = judged(story)
        assert verdict.outcome is Outcome.FAILED
        lines = verdict.reason.splitlines()
        assert f"LabVerbs.skew was never awaited (tests/scenario/test_leaks.py:{where})" in lines
        assert f"Lab.expect was never awaited (tests/scenario/test_leaks.py:{where + 1})" in lines


def test_an_error_that_is_asked_for_late_is_handled() -> None:
    async def story(lab: Lab) -> None:
        task = (await machine(lab)).spawn(fails(), name="fails")
        await lab.wait(100)
        lab.check(isinstance(task.exception(), ZeroDivisionError), "the error is there")

    verdict = judged(story)
    assert verdict.outcome is Outcome.PASSED, verdict.reason


def test_a_run_leaves_the_collector_as_it_was() -> None:
    seen: list[bool] = []

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        seen.append(gc.isenabled())

    assert gc.isenabled()
    judged(story)
    assert (seen, gc.isenabled()) == ([False], True)


def test_an_unanswered_sip_request_is_a_leak_and_one_that_is_answered_late_is_none() -> None:
    from edgesim.sip import Connection, Request, SipEndpoint

    def story(answers_after: float | None) -> Callable[[Lab], Awaitable[None]]:
        async def play(lab: Lab) -> None:
            lab.check(True, "an assertion")
            node = (await lab.script("inside-1")).node

            async def answer(request: Request, connection: Connection) -> None:
                if answers_after is not None:
                    await asyncio.sleep(answers_after)
                    connection.send(request.response(200))

            async def listen() -> SipEndpoint:
                endpoint = SipEndpoint(node.host, node.journal, limits=LIMITS, timers=TIMERS, on_request=answer)
                await endpoint.listen(node.spec.address, 5060)
                return endpoint

            endpoint = await node.host.run(listen())
            lab.cleanup(lambda: lab.wait(0.5))
            client = await lab.script("inside-2")
            line = await client.connect_sip(node.spec.address, 5060)
            line.send(
                b"OPTIONS sip:inside-1 SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.50.11;branch=z9hG4bK1\r\n"
                b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
                b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            line.inbox.ignore(lambda _: True)
            await lab.wait(1)

            class Closes:
                async def stop(self) -> None:
                    await endpoint.close()

            node.host.service = Closes()

        return play

    verdict = judged(story(answers_after=None))
    assert verdict.outcome is Outcome.FAILED
    assert "inside-1, sip #1: an unanswered request: <Request OPTIONS sip:inside-1>" in verdict.reason
    assert judged(story(answers_after=20)).outcome is Outcome.PASSED


def test_what_is_put_away_is_no_leak() -> None:
    async def story(lab: Lab) -> None:
        await listens(lab)
        await connects(lab)
        await binds(lab)
        kept[0].close()
        kept[1][0].close()
        kept[2][0].close()
        task = (await machine(lab)).spawn(asyncio.sleep(1), name="short")
        await task
        async with lab.fault(DropDatagram(name="for a while"), may_stay_idle=True):
            pass

    verdict = judged(story)
    assert verdict.outcome is Outcome.PASSED, verdict.reason


def test_a_host_that_crashed_holds_nothing() -> None:
    async def story(lab: Lab) -> None:
        await listens(lab)
        await spawns(lab)
        await lab.crash("jabber-1")

    assert judged(story).outcome is Outcome.PASSED


def test_unhandled_errors_count_unless_the_scenario_is_not_strict() -> None:
    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await lab.wait(1)

    verdict = judged(story)
    assert verdict.outcome is Outcome.FAILED
    assert "an unhandled error: " in verdict.reason and "ZeroDivisionError" in verdict.reason
    assert judged(story, strict=False).outcome is Outcome.PASSED


def test_a_failed_story_reports_unhandled_errors_but_no_leaks() -> None:
    async def story(lab: Lab) -> None:
        await listens(lab)
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await lab.wait(1)
        lab.check(False, "the story")

    verdict = judged(story)
    assert verdict.expected == "the story"
    assert "ZeroDivisionError" in verdict.reason and "socket" not in verdict.reason


def test_a_service_that_does_not_stop_is_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgesim.lab import products

    async def hangs(_: object) -> None:
        await asyncio.Event().wait()

    async def fails(_: object) -> None:
        raise RuntimeError("no")

    async def story(lab: Lab) -> None:
        lab.check(True, "an assertion")

    monkeypatch.setattr(products.Idle, "stop", hangs)
    assert "jabber-1 did not stop within 60 s of lab time" in judged(story).reason
    monkeypatch.setattr(products.Idle, "stop", fails)
    assert "jabber-1 failed to stop: RuntimeError: no" in judged(story).reason


@pytest.mark.parametrize(("node", "moment"), [("ucm-pub", 0.30), ("expe1", 0.24)])
def test_a_connection_whose_peer_forgot_it_is_given_the_time_that_tls_gives_it(node: str, moment: float) -> None:
    """A partition outlasts one end of a connection; the other end closes towards nothing, and gives up after 30 s."""
    done = run(Case(node=node, failure="partition", moment=moment).story(), Options(seed=1))
    assert done.verdict.outcome is Outcome.PASSED, done.verdict.reason


class Closing:
    """A carrier to a lab of one host, whose service holds a connection for so many looks after it was stopped."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    async def ask(self, command: Command[Any]) -> Any:
        match command:
            case Hosts():
                row = HostRow(name="expc", kind="expressway_c", fqdn="", addresses=(), state="up", incarnation=1)
                return HostTable(hosts=(row,))
            case Netstat():
                return Sockets(rows=())
            case LookForLeftovers():
                self.looks -= 1
                return Leftovers(lines=("a tcp socket",) if self.looks >= 0 else ())
            case StopServices() | StopHost():
                return Leftovers(lines=())
            case Faults():
                return FaultTable(faults=())
        raise AssertionError(command)


@pytest.mark.parametrize(("looks", "left"), [(0, []), (3, []), (10_000, ["a tcp socket"])])
def test_a_connection_has_three_seconds_of_real_time_to_close(looks: int, left: list[str]) -> None:
    """The process of a host closes connections when the machine lets it."""
    world = SimWorld(1)
    carrier = Closing(looks)
    assert world.run(stop_and_look(carrier, "live")) == left
    assert world.now() <= 3.2e9


def test_simulated_time_does_not_go_on_while_connections_close() -> None:
    world = SimWorld(1)
    assert world.run(stop_and_look(Closing(1), "sim")) == ["a tcp socket"]
