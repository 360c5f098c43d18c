"""Dialogs and calls through both Expressways: the path they stay on, CANCEL, and their end."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from edgesim.journal import events
from edgesim.node import Node
from edgesim.sip import Connection, Request, Response, SipEndpoint
from edgesim.world import Service
from tests.servers.expressway_lab import EdgeLab, run
from tests.servers.sip_lab import Line, messages, with_line
from tests.sip.settings import LIMITS, TIMERS


class Callee:
    """A stand-in for a Unified CM node: answers INVITE with 200, or lets it ring, and records requests."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.requests: list[Request] = []
        self.connection: Any = None
        self.rings = False
        self.endpoint = SipEndpoint(node.host, node.journal, limits=LIMITS, timers=TIMERS, on_request=self._heard)

    async def start(self) -> Callee:
        await self.endpoint.listen(self.node.host.address(), 5060)
        return self

    async def stop(self) -> None:
        await self.endpoint.close()

    def _heard(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        self.connection = connection
        if self.rings:
            connection.send(request.response(180, to_tag="callee"))
        elif request.method != "ACK":
            contact = ("Contact", "<sip:1002@10.0.40.12:5060;transport=tcp>")
            layout = ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq", contact)
            connection.send(request.response(200, to_tag="callee", layout=layout))


async def build_callee(node: Node) -> Service:
    return await Callee(node).start()


def test_a_dialog_stays_on_its_path_in_both_directions() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        sub = "ucm-sub.inside.example.com"
        local = line.connection.local
        contact = ("Contact", f"<sip:x@{local[0]}:{local[1]};transport=tls>")
        invite = line.authorized(line.request("INVITE", f"sip:1002@{sub}", contact))
        provisional: list[Response] = []
        answer = await line.ask(invite, provisional=provisional.append)
        assert [one.status for one in provisional] == [100]
        assert answer.status == 200
        callee = lab.service("ucm-sub")
        recorded = answer.values("Record-Route")
        places = [one.split("@")[1] for one in recorded]
        assert places == [
            "10.0.30.10:5060;transport=tcp;lr>",
            "10.0.30.10:5061;transport=tls;lr>",
            "10.0.20.10:7001;transport=tls;lr>",
            "203.0.113.10:5061;transport=tls;lr>",
        ]
        ids = [one.split("@")[0].removeprefix("<sip:proxy-call-id=") for one in recorded]
        assert ids[0] == ids[1] != ids[2] == ids[3]
        [got] = callee.requests
        [at_c] = messages(lab, "expc", "INVITE")
        assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", at_c.get("X-TAATag") or "")
        assert got.get_all("X-TAATag") == at_c.get_all("X-TAATag")  # the first box names the call
        assert provisional[0].names == ("via", "call-id", "cseq", "from", "to", "server", "content-length")
        assert [via.split("proxy-call-id=")[1].split(";")[0] for via in got.get_all("Via")[:2]] == ids[1:3]

        line.routes = tuple(reversed(recorded))
        to = answer.get("To") or ""
        ack = line.request("ACK", answer.contacts[0].uri)
        ack.replace("To", to)
        line.connection.send(ack)
        await asyncio.sleep(1)
        assert callee.requests[-1].method == "ACK"
        assert callee.requests[-1].get_all("Route") == []
        info = line.authorized(line.request("INFO", answer.contacts[0].uri))
        assert (await line.ask(info)).status == 200
        assert callee.requests[-1].method == "INFO"

        bye = line.request("BYE", f"sip:x@{local[0]}:{local[1]};transport=tls", routes=False)
        bye.replace("Via", "SIP/2.0/TCP 10.0.40.12:5060;branch=z9hG4bKbye")
        for route in reversed(recorded):
            bye.insert_after("Via", "Route", route)
        assert (await callee.node.host.run(callee.endpoint.request(bye, callee.connection))).status == 200
        assert line.requests[-1].method == "BYE"
        assert line.requests[-1].get_all("Route") == []

    run(with_line(story), builds={"ucm-sub": build_callee})


def test_both_expressways_stay_in_the_path_of_a_dialog_from_either_side() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        target = (await line.register()).contacts[0].uri
        ucm = lab.service("ucm-pub")
        request = line.request("SUBSCRIBE", target, routes=False)
        request.replace("Via", "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bKdown")
        [connection] = ucm._endpoint.connections
        assert (await lab.node("ucm-pub").host.run(ucm._endpoint.request(request, connection))).status == 200
        [got] = line.requests
        routes = [route.address for route in map(_name_addr, got.values("Record-Route"))]
        assert [(uri.host, uri.port) for uri in routes] == [
            ("203.0.113.10", 5061),
            ("10.0.20.10", 7001),
            ("10.0.30.10", 5061),
            ("10.0.30.10", 5060),
        ]
        assert all((uri.user or "").startswith("proxy-call-id=") for uri in routes)
        assert len({uri.user for uri in routes}) == 2
        # the next request of the dialog goes by these routes, though its target was never registered
        back = line.request("NOTIFY", "sip:new@192.0.2.200", routes=False)
        back.replace("Via", "SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bKback")
        for route in got.values("Record-Route"):
            back.prepend("Route", route)
        assert (await lab.node("ucm-pub").host.run(ucm._endpoint.request(back, connection))).status == 200
        assert len(line.requests) == 2

    run(with_line(story))


def test_c_stays_in_the_path_towards_unified_cm() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        await line.ask(line.authorized(line.request("SUBSCRIBE")))
        [got] = messages(lab, "ucm-pub", "SUBSCRIBE")
        found = [_name_addr(value).address for value in got.values("Record-Route")]
        assert [(uri.host, uri.port) for uri in found] == [
            ("10.0.30.10", 5060),
            ("10.0.30.10", 5061),
            ("10.0.20.10", 7001),
            ("203.0.113.10", 5061),
        ]

    run(with_line(story))


def _name_addr(value: str) -> Any:
    from edgesim.sip import NameAddr

    return NameAddr.parse(value)


def statuses(lab: EdgeLab, line: Line) -> list[int]:
    """Return the statuses of all responses that came to a phone."""
    heard = (entry.event for entry in lab.journal if entry.node == line.node.name)
    return [event.status for event in heard if isinstance(event, events.SipResponse)]


def test_a_call_that_was_answered_is_over_for_both_expressways() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        invite = line.authorized(line.request("INVITE", "sip:1002@ucm-sub.inside.example.com"))
        assert (await line.ask(invite)).status == 200
        heard = len(statuses(lab, line))
        for name in ("expe", "expc"):
            assert [each for each in lab.service(name).sip.leaks() if "without an answer" in each] == []
        lab.service("ucm-sub").connection.abort()
        await asyncio.sleep(1)
        [link] = lab.service("expe").sip.zone.live()
        link.connection.abort()
        await asyncio.sleep(1)
        assert statuses(lab, line)[heard:] == []

    run(with_line(story), builds={"ucm-sub": build_callee})


def test_a_call_is_cancelled_from_hop_to_hop() -> None:
    async def story(lab: EdgeLab, line: Line) -> None:
        await line.register()
        callee = lab.service("ucm-sub")
        callee.rings = True
        invite = line.authorized(line.request("INVITE", "sip:1002@ucm-sub.inside.example.com"))
        pending = asyncio.ensure_future(line.ask(invite))
        await asyncio.sleep(1)
        line.endpoint.cancel(invite)
        assert (await pending).status == 487
        await asyncio.sleep(1)
        for name in ("expe", "expc", "ucm-sub"):
            assert [len(messages(lab, name, method)) for method in ("INVITE", "CANCEL", "ACK")] == [1, 1, 1], name
        assert [each.method for each in callee.requests] == ["INVITE"]

    run(with_line(story), builds={"ucm-sub": build_callee})
