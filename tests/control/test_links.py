"""What a lab says of the links between its boxes, when each is tried again, and that they can be tried now."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.control import ControlError, Crash, InProcess, Links, Retry, StartHost, Status, Zones
from tests.clients.desk import Desk, play


async def zone(carrier: InProcess, host: str) -> tuple[str, str]:
    """Return state and reason of a host's traversal zone."""
    (found,) = (each for each in (await carrier.ask(Zones())).zones if (each.host, each.zone) == (host, "UCTraversal"))
    return found.state, found.reason


def test_an_expressway_e_that_is_back_has_no_zone_until_c_tries_again() -> None:
    async def story(desk: Desk) -> None:
        carrier = InProcess(desk.lab)
        assert (await zone(carrier, "expe"))[0] == "TLS: Active"
        assert not (await carrier.ask(Status())).problems

        await carrier.ask(Crash(host="expe"))
        await asyncio.sleep(10)
        started = await carrier.ask(StartHost(host="expe"))
        assert "expc tries its zone UCTraversal again in 110 s" in started.text and "control retry" in started.text
        assert await zone(carrier, "expe") == ("Failed", "no connection since the host was started")
        state, reason = await zone(carrier, "expc")
        assert (state, reason) == ("Failed", "connection refused; tried again in 110 s")
        assert any(each.startswith("expe: zone UCTraversal") for each in (await carrier.ask(Status())).problems)
        assert not (await desk.jabber("alice").sign_in()).phone

        assert (await carrier.ask(Retry(host="expc"))).text == "1 link is tried now"
        await asyncio.sleep(1)
        assert await zone(carrier, "expe") == ("TLS: Active", "10.0.30.10")
        assert not (await carrier.ask(Status())).problems
        assert (await carrier.ask(Retry())).text == "no link waits for its next attempt"
        with pytest.raises(ControlError, match="ucm-pub dials no links"):
            await carrier.ask(Retry(host="ucm-pub"))
        with pytest.raises(ControlError, match="nosuch"):
            await carrier.ask(Retry(host="nosuch"))

    play(story)


def test_every_link_that_does_not_stand_is_a_problem() -> None:
    async def story(desk: Desk) -> None:
        carrier = InProcess(desk.lab)
        await asyncio.sleep(2)  # the first attempt has timed out
        links = {(each.what, each.peer): each for each in (await carrier.ask(Links())).links}
        assert set(links) == {
            ("zone UCTraversal", "expe.example.com"),
            ("SSH tunnel", "expe.example.com"),
            ("XCP", "expe.example.com"),
            ("XCP", "imp-pub.inside.example.com"),
        }
        xcp = links["XCP", "expe.example.com"]
        assert not xcp.stands and xcp.again_s is not None
        assert links["SSH tunnel", "expe.example.com"].stands
        (problem,) = (await carrier.ask(Status())).problems
        assert problem.startswith("expc: XCP to expe.example.com: down (") and "; tried again in " in problem

    play(story, changes={"network.firewalls.internal.closed": ["tcp 7400"]})
