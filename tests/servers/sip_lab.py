"""A phone outside, driven message by message, in the lab of `tests.servers.expressway_lab`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from edgesim.clients.common.register import Dialogue, register
from edgesim.clients.jabber.registration import JabberRegistrant
from edgesim.http import basic_authorization
from edgesim.journal import Entry, Event
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.sip import Connection, Request, Response, SipEndpoint, parse_message
from tests.servers.expressway_lab import EDGE, PUB, EdgeLab
from tests.sip.settings import LIMITS, TIMERS

ROUTE = "<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>"
INSTANCE = "00005e005301"
IDENTITY = "Peer's TLS certificate identity was unacceptable"
UUID = "7514c56a-1034-a684-3299-9b956979ee5c"


class Line:
    """A phone of alice's, on ``host``. ``requests`` are those that came to it; it answers each with 200."""

    def __init__(self, lab: EdgeLab, host: str = "jabber-1", user: str = "alice", password: str | None = None) -> None:
        self.lab = lab
        self.node: Node = lab.node(host)
        self.user = user
        self.password = password if password is not None else f"{user}-secret"
        self.requests: list[Request] = []
        self.answers: tuple[tuple[str, str], ...] = ()
        """Headers that its answers have beside those copied."""
        self.routes: tuple[str, ...] = (ROUTE,)
        self.target = PUB
        self.connection: Any = None
        self.dialogue: Any = None
        self.endpoint = SipEndpoint(
            self.node.host, self.node.journal, limits=LIMITS, timers=TIMERS, on_request=self._heard, stateful=False
        )

    def _heard(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        if request.method != "ACK":
            answer = request.response(200, to_tag="phone")
            for name, value in self.answers:
                answer.append(name, value)
            connection.send(answer)

    async def signed_in(self, edge: str = EDGE) -> Line:
        """Let C learn the password, as by ``get_edge_config``."""
        answer = await self.lab.config(basic_authorization(self.user, f"{self.user}-secret"), edge=edge)
        assert answer.status == 200
        return self

    async def connect(self, edge: str = "expe") -> Connection:
        """Open a connection to an E and begin anew."""
        spec = self.lab.deployment.host(edge)
        context = client_context(self.node.trusts["system"])
        connection: Connection = await self.node.host.run(
            self.endpoint.connect(spec.address, 5061, "tls", ssl=context, server_hostname=spec.fqdn)
        )
        self.connection = connection
        self.dialogue = Dialogue.new(
            self.node.host.entropy(f"line {len(self.lab.journal)}"),
            user=self.user,
            password=self.password,
            instance=INSTANCE,
            address=self.connection.local[0],
        )
        return connection

    def build(self, *, expires: int = 3600) -> Request:
        """Return the next REGISTER, with the answer to the last challenge."""
        device, number = {"alice": ("CSFALICE", "1001"), "bob": ("CSFBOB", "1002")}.get(self.user, ("CSFX", "9999"))
        who = JabberRegistrant(
            node=self.target,
            number=number,
            contact_user=UUID,
            device=device,
            model=503,
            instance=INSTANCE,
            agent="Cisco-CSF",
            load="x",
            reg_id="1",
            mra=True,
        )
        return register(
            who,
            self.dialogue,
            local=self.connection.local,
            transport="tls",
            date=self.node.host.clock.http_date(),
            expires=expires,
            routes=self.routes,
        )

    async def ask(self, request: Request, **options: Any) -> Response:
        """Send a request and return its final answer."""
        return await self.node.host.run(self.endpoint.request(request, self.connection, **options))

    async def register(self, *, expires: int = 3600) -> Response:
        """Send a REGISTER and answer a challenge once; return the final answer."""
        answer = await self.ask(self.build(expires=expires))
        if answer.status in (401, 407) and self.dialogue.challenged(answer):
            answer = await self.ask(self.build(expires=expires))
        return answer

    def request(self, method: str, uri: str | None = None, *headers: tuple[str, str], routes: bool = True) -> Request:
        """Return a request of another method."""
        local, draw = self.connection.local, self.node.host.entropy(f"{method} {len(self.lab.journal)}")
        base = [
            ("Via", f"SIP/2.0/TLS {local[0]}:{local[1]};branch=z9hG4bK{draw.token_hex(6)}"),
            *(("Route", route) for route in self.routes if routes),
            ("From", f"<sip:1001@{self.target}>;tag=f"),
            ("To", f"<sip:1002@{self.target}>"),
            ("Call-ID", f"{draw.token_hex(6)}@{local[0]}"),
            ("CSeq", f"1 {method}"),
        ]
        if not any(name == "Max-Forwards" for name, _ in headers):
            base.append(("Max-Forwards", "70"))
        return Request.build(method, uri or f"sip:1002@{self.target}", [*base, *headers])

    def authorized(self, request: Request) -> Request:
        """Add the answer to the last challenge, for a request of any method."""
        from edgesim.sip import digest

        self.dialogue.uses += 1
        value = digest.answer(
            self.dialogue.challenge,
            method=request.method,
            uri=request.uri,
            username=self.user,
            password=self.password,
            cnonce="0a1b2c3d",
            count=self.dialogue.uses,
        )
        request.append("Proxy-Authorization", value)
        return request

    async def close(self) -> None:
        """Let go of everything."""
        await self.node.host.run(self.endpoint.close())


def with_line(
    story: Callable[[EdgeLab, Line], Awaitable[None]], **options: Any
) -> Callable[[EdgeLab], Awaitable[None]]:
    """Return a ``main`` for `run` that hands out a signed-in line with an open connection."""

    async def main(lab: EdgeLab) -> None:
        line = Line(lab, **options)
        await line.signed_in()
        await line.connect()
        await story(lab, line)
        await line.close()

    return main


def messages(lab: EdgeLab, node: str, method: str | None = None, status: int | None = None) -> list[Any]:
    """Return the SIP messages that a node received: requests of a method, or responses with a status."""
    found: list[Any] = []
    for entry in lab.entries("sip.request" if status is None else "sip.response", node):
        event = entry.event.as_json()
        if (method is None or event["method"] == method) and (status is None or event["status"] == status):
            found.append(parse_message(entry.payload))
    return found


def zone_states(lab: EdgeLab, node: str, zone: str = "UCTraversal") -> list[tuple[str, str]]:
    """Return the states, with their reasons, that a zone went through on a node."""
    found: list[Entry[Event]] = lab.entries("zone.state", node)
    return [(e["state"], e["reason"]) for e in (entry.event.as_json() for entry in found) if e["zone"] == zone]


def zone_times(lab: EdgeLab, node: str, zone: str = "UCTraversal") -> list[float]:
    """Return when, in seconds of lab time, a zone entered the states of `zone_states`."""
    found = lab.entries("zone.state", node)
    return [entry.at_ns / 1e9 for entry in found if entry.event.as_json()["zone"] == zone]


def notes(lab: EdgeLab, node: str) -> list[str]:
    """Return what a node noted."""
    return [entry.event.summary() for entry in lab.entries("note", node)]


def masked(data: bytes) -> str:
    """Return a message with its random values replaced."""
    text = data.decode("utf-8", "backslashreplace")
    text = re.sub(r"z9hG4bK[0-9a-f]{32}[0-9]+", "[branch]", text)
    text = re.sub(r"\.[0-9a-f]{32}(?=;)", ".[hash]", text)
    return re.sub(r"proxy-call-id=[0-9a-f-]{36}", "proxy-call-id=[id]", text)


async def notify(lab: EdgeLab, uri: str, *headers: tuple[str, str], via_own_connection: bool = False) -> Response:
    """Send a NOTIFY from Unified CM, on the connection that C opened or on a new one."""
    ucm = lab.service("ucm-pub")
    node = lab.node("ucm-pub")
    endpoint = ucm._endpoint
    [connection] = endpoint.connections
    if via_own_connection:
        connection = await node.host.run(endpoint.connect("10.0.30.10", 5060))
    request = Request.build(
        "NOTIFY",
        uri,
        [
            (
                "Via",
                f"SIP/2.0/TCP 10.0.40.11:5060;branch=z9hG4bK{node.host.entropy(str(len(lab.journal))).token_hex(5)}",
            ),
            *headers,
            ("From", "<sip:1001@10.0.40.11>;tag=1"),
            ("To", "<sip:1001@10.0.30.10>"),
            ("Call-ID", f"n-{len(lab.journal)}@10.0.40.11"),
            ("CSeq", "101 NOTIFY"),
            ("Max-Forwards", "70"),
            ("Event", "message-summary"),
            ("Subscription-State", "active"),
            ("Contact", "<sip:1001@10.0.40.11:5060>"),
        ],
        b"Messages-Waiting: no\r\n",
    )
    answer: Response = await node.host.run(endpoint.request(request, connection))
    return answer


PHONES = ("imp-pub", "jabber-3", "inside-1", "inside-2")


async def two(lab: EdgeLab) -> tuple[Line, Line]:
    """Return alice's registered line, and bob's, whose connection is open."""
    alice, bob = Line(lab), Line(lab, "jabber-2", user="bob")
    for line in (alice, bob):
        await line.signed_in()
        await line.connect()
    assert (await alice.register()).status == 200
    return alice, bob


async def proved(line: Line, request: Request) -> Response:
    """Send a request with the line's own password, after a challenge where there was none."""
    if line.dialogue.challenge is None:
        line.dialogue.challenged(await line.ask(line.build()))
    return await line.ask(line.authorized(request))


def with_contact(line: Line, contact: str) -> Request:
    """Return the line's REGISTER with another Contact, and without credentials."""
    request = line.build()
    request.set("Contact", contact)
    request.remove("Proxy-Authorization")
    return request
