"""Endpoints over the simulated network: TCP, TLS, UDP; requests, losses, keep-alives, hostile peers, the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from edgesim.journal import Journal, events
from edgesim.pki import client_context, fixture_authorities, server_context, unified_cm
from edgesim.sip import (
    Connection,
    Request,
    Response,
    SipEndpoint,
    SipTimeout,
    SipTransportError,
)
from edgesim.sip import stun as stun_codec
from edgesim.sip.transaction import cancel_for
from edgesim.sip.transaction_events import State
from edgesim.world import Host
from edgesim.world.sim import SimWorld
from tests.simrun import host, sim_run
from tests.sip import samples
from tests.sip.settings import LIMITS, TIMERS, limited
from tests.sip.test_framing import phone_register

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
        await lab.client.run(main(lab))  # type: ignore[arg-type]  # a coroutine
        await lab.end()

    sim_run(run)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_request_is_answered(transport: Any) -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, transport)
        provisional: list[int] = []
        request = lab.ask(transport=transport.upper())
        answer = await lab.phone.request(request, connection, provisional=lambda item: provisional.append(item.status))
        assert answer.status == 200
        assert provisional == [100]
        assert [bytes(item) for item in lab.seen] == [bytes(request)]
        [entry] = lab.entries(events.SipRequest)
        assert (entry.node, entry.peer, entry.payload) == ("ucm-pub", "phone", bytes(request))
        assert entry.keys == ("call-id:call-1",)
        assert entry.event.transport == transport
        assert [(entry.node, entry.event.status) for entry in lab.entries(events.SipResponse)] == [
            ("phone", 100),
            ("phone", 200),
        ]

    lab_run(main)


def test_tls_shows_the_certificates() -> None:
    async def main(lab: Lab) -> None:
        authorities = fixture_authorities(lab.world.entropy("pki"))
        identity = authorities.enterprise.issue(unified_cm(NAME))
        server = server_context(identity, trust=authorities.trust(), require_client=True, send_chain=True)
        client = client_context(authorities.trust(), identity=identity, send_chain=True)
        peers: list[bytes | None] = []

        def answer(request: Request, connection: Connection) -> None:
            peers.append(connection.peer_certificate)
            connection.send(request.response(200, to_tag="1"))

        lab.ucm.on_request = answer
        await lab.server.run(lab.ucm.listen(UCM, 5061, "tls", ssl=server))
        connection = await lab.phone.connect(UCM, 5061, "tls", ssl=client, server_hostname=NAME)
        assert connection.peer_certificate == identity.der
        assert connection.ssl_object is not None
        assert connection.ssl_object.version() == "TLSv1.3" or connection.ssl_object.version() == "TLSv1.2"
        assert (await lab.phone.request(lab.ask(transport="TLS"), connection)).status == 200
        assert peers == [identity.der]
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await lab.phone.connect(UCM, 5061, "tls", ssl=client, server_hostname="other.example.com")
        with pytest.raises(OSError):
            await lab.phone.connect(UCM, 5060, "tls", ssl=client, server_hostname=NAME)

    lab_run(main)


def test_lost_datagrams_are_sent_again() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, "udp")
        lab.world.fabric.paths.partition("phone", "ucm-pub")
        pending = asyncio.create_task(lab.phone.request(lab.ask(transport="UDP"), connection))
        await asyncio.sleep(2)
        lab.world.fabric.paths.heal("phone", "ucm-pub")
        assert (await pending).status == 200
        assert asyncio.get_running_loop().time() == pytest.approx(3.5, abs=0.1)
        lab.world.fabric.paths.partition("phone", "ucm-pub")
        with pytest.raises(SipTimeout):
            await lab.phone.request(lab.ask(transport="UDP"), connection)
        assert asyncio.get_running_loop().time() == pytest.approx(35.5, abs=0.1)

    lab_run(main)


def test_a_retransmission_is_absorbed() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, "udp")
        request = lab.ask(transport="UDP")
        for _ in range(3):
            connection.send(request)
            await asyncio.sleep(0.1)
        assert len(lab.seen) == 1
        assert [item.status for item in lab.stray] == [100, 200, 200, 200]

    lab_run(main)


def test_who_waits_learns_of_the_loss() -> None:
    async def main(lab: Lab) -> None:
        lab.ucm.on_request = lambda request, connection: connection.abort()
        connection = await lab.phone.connect(UCM, 5060)
        with pytest.raises(SipTransportError):
            await lab.phone.request(lab.ask(), connection)
        assert [transport for transport, _ in lab.lost] == ["tcp"]
        assert not connection.open
        with pytest.raises(SipTransportError):
            connection.send(lab.ask())
        with pytest.raises(SipTransportError):
            await lab.phone.request(lab.ask(), connection)
        assert lab.phone.connections == ()

    lab_run(main)


def test_the_callers_own_limit() -> None:
    async def main(lab: Lab) -> None:
        lab.ucm.on_request = None
        connection = await lab.phone.connect(UCM, 5060)
        with pytest.raises(SipTimeout, match="within 5 s"):
            await lab.phone.request(lab.ask(), connection, timeout=5)
        with pytest.raises(SipTimeout):
            await lab.phone.request(lab.ask(), connection)
        assert asyncio.get_running_loop().time() == pytest.approx(37, abs=0.1)
        with pytest.raises(ConnectionRefusedError):
            await lab.phone.connect(UCM, 5999)

    lab_run(main)


def test_an_invite_is_answered_later_and_cancelled_meanwhile() -> None:
    async def main(lab: Lab) -> None:
        cancelled: list[Request] = []

        async def answer(request: Request, connection: Connection) -> None:
            lab.seen.append(request)
            await asyncio.sleep(1)
            connection.send(request.response(180, to_tag="5"))
            await asyncio.sleep(5)
            connection.send(request.response(200, to_tag="5"))

        lab.ucm.on_request = answer
        lab.ucm.on_cancel = lambda request, _: cancelled.append(request)
        connection = await lab.phone.connect(UCM, 5060)
        first, second = lab.ask("INVITE"), lab.ask("INVITE")
        heard: list[int] = []
        accepted = await lab.phone.request(first, connection, provisional=lambda item: heard.append(item.status))
        assert accepted.status == 200
        assert heard == [100, 180]  # the 100 after 200 ms, since no answer came by then (RFC 3261, 17.2.1)
        pending = asyncio.create_task(lab.phone.request(second, connection))
        await asyncio.sleep(3)
        lab.phone.cancel(second)
        refusal = await pending
        assert (refusal.status, refusal.to.tag) == (487, "5")
        await asyncio.sleep(10)
        assert [bytes(item) for item in cancelled] == [bytes(second)]
        assert [item.method for item in lab.seen] == ["INVITE", "INVITE"]
        assert [entry.event.method for entry in lab.entries(events.SipRequest)] == ["INVITE", "INVITE", "CANCEL", "ACK"]
        answers = [(entry.event.method, entry.event.status) for entry in lab.entries(events.SipResponse)]
        assert answers[-2:] == [("CANCEL", 200), ("INVITE", 487)]  # and the 200 that came too late went nowhere
        assert lab.stray == []

    lab_run(main)


def test_a_cancel_waits_for_a_sign_of_life() -> None:
    async def main(lab: Lab) -> None:
        lab.ucm.on_request = lambda request, connection: lab.seen.append(request)
        connection = await lab.phone.connect(UCM, 5060)
        invite = lab.ask("INVITE")
        pending = asyncio.create_task(lab.phone.request(invite, connection))
        await asyncio.sleep(0)
        lab.phone.cancel(invite)
        assert (await pending).status == 487
        arrivals = [(entry.event.method, round(float(entry.at), 1)) for entry in lab.entries(events.SipRequest)]
        begun = arrivals[0][1]
        assert arrivals == [("INVITE", begun), ("CANCEL", pytest.approx(begun + 0.2, abs=0.05))]

    lab_run(main)


def test_an_invite_that_nobody_waits_for_any_more_is_cancelled() -> None:
    async def main(lab: Lab) -> None:
        async def answer(accepts_after: float, request: Request, connection: Connection) -> None:
            connection.send(request.response(180, to_tag="5"))
            await asyncio.sleep(accepts_after)
            connection.send(request.response(200, to_tag="5"))

        connection = await lab.phone.connect(UCM, 5060)
        for accepts_after, heard in ((60, []), (1.9999, [200])):
            lab.ucm.on_request = partial(answer, accepts_after)
            with pytest.raises(SipTimeout, match="within 2 s"):
                await lab.phone.request(lab.ask("INVITE"), connection, timeout=2)
            await asyncio.sleep(5)
            assert [each.status for each in lab.stray] == heard
        # The first was refused with 487 and acknowledged; the second was accepted before the CANCEL arrived.
        methods = [entry.event.method for entry in lab.entries(events.SipRequest)]
        assert methods == ["INVITE", "CANCEL", "ACK", "INVITE", "CANCEL"]
        await asyncio.sleep(60)

    lab_run(main)


def test_a_cancel_by_another_connection_ends_nothing() -> None:
    async def main(lab: Lab) -> None:
        lab.ucm.on_request = lambda request, connection: lab.seen.append(request)
        connection, other = await lab.phone.connect(UCM, 5060), await lab.phone.connect(UCM, 5060)
        invite = lab.ask("INVITE")
        waiting = asyncio.create_task(lab.phone.request(invite, connection))
        await asyncio.sleep(1)
        other.send(cancel_for(invite))
        await asyncio.sleep(1)
        assert [item.method for item in lab.seen] == ["INVITE", "CANCEL"]
        assert not waiting.done()
        waiting.cancel()

    lab_run(main)


def test_invite_accepted_and_acknowledged() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        invite = lab.ask("INVITE")
        assert (await lab.phone.request(invite, connection)).status == 200
        connection.send(lab.ask("ACK"))
        await asyncio.sleep(1)
        assert [item.method for item in lab.seen[:2]] == ["INVITE", "ACK"]
        assert [item.state for item in lab.ucm.transactions.servers.values()] == [State.ACCEPTED]
        await asyncio.sleep(32)
        assert not lab.ucm.transactions.servers

    lab_run(main)


def test_handlers_may_be_coroutines_and_may_fail() -> None:
    async def main(lab: Lab) -> None:
        async def slow(request: Request, connection: Connection) -> None:
            await asyncio.sleep(1)
            connection.send(request.response(200, to_tag="1"))

        lab.ucm.on_request = slow
        connection = await lab.phone.connect(UCM, 5060)
        assert (await lab.phone.request(lab.ask(), connection)).status == 200

        def confused(request: Request, connection: Connection) -> None:
            _ = request.authentication("Authorization")

        lab.ucm.on_request = confused
        answer = await lab.phone.request(lab.ask(Authorization='Digest realm="x'), connection)
        assert answer.status == 400
        assert [entry.event.answer for entry in lab.entries(events.Malformed)] == ["answered 400"]

    lab_run(main)


def test_our_own_mistakes_are_reported_and_answered_500() -> None:
    async def run(world: SimWorld) -> None:
        lab = Lab(world, await host(world, "ucm-pub", UCM), await host(world, "phone", PHONE))
        reported: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

        def broken(request: Request, connection: Connection) -> None:
            raise KeyError("a bug")

        async def broken_later(request: Request, connection: Connection) -> None:
            raise KeyError("a bug")

        await lab.open(on_request=broken)

        async def main() -> None:
            connection = await lab.phone.connect(UCM, 5060)
            assert (await lab.phone.request(lab.ask(), connection)).status == 500
            lab.ucm.on_request = broken_later
            assert (await lab.phone.request(lab.ask(), connection)).status == 500

        await lab.client.run(main())
        assert [type(item["exception"]) for item in reported] == [KeyError, KeyError]
        await lab.end()

    sim_run(run)


def test_keepalives() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        await connection.ping(3)
        answer = await connection.stun(3)
        assert answer.cls is stun_codec.StunClass.SUCCESS
        assert answer.mapped == connection.local
        lab.ucm.on_stun = lambda message, _: message.failure(500)
        refusal = await connection.stun(3)
        assert refusal.error == (500, "Server Error")
        lab.ucm.on_stun = lambda message, _: None
        lab.ucm.answer_crlf = False
        with pytest.raises(SipTimeout, match="no STUN answer within 3 s"):
            await connection.stun(3)
        with pytest.raises(SipTimeout, match="no CRLF pong"):
            await connection.ping(3)
        assert [(entry.node, entry.event.form) for entry in lab.entries(events.SipKeepalive)][:4] == [
            ("ucm-pub", "CRLF ping"),
            ("phone", "CRLF pong"),
            ("ucm-pub", "STUN request"),
            ("phone", "STUN success"),
        ]
        assert (await lab.phone.request(lab.ask(), connection)).status == 200
        lab.ucm.on_stun = lambda message, connection: connection.abort()
        with pytest.raises(SipTransportError):
            await connection.stun(3)
        flow = await lab.phone.connect(UCM, 5060, "udp")
        lab.ucm.on_stun = lambda message, connection: stun_codec.respond(message, connection.peer)
        assert (await flow.stun(3)).mapped == (PHONE, flow.local[1])

    lab_run(main)


def test_stun_to_a_peer_that_has_it_off_breaks_the_connection() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        with pytest.raises(SipTransportError):
            await connection.stun(3)
        assert [entry.event.answer for entry in lab.entries(events.Malformed)] == ["closed the connection"]

    lab_run(main, stun=False)


HOSTILE = [
    (b"\xff\xfe\xfd", None),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
    (phone_register().replace(b"Content-Length: 1313", b"Content-Length: 1313\r\nl: 1"), 400),
    (phone_register().replace(b"Content-Length: 1313\r\n", b""), 400),
    (phone_register().replace(b"Content-Length: 1313", b"Content-Length: 99999"), 413),
    (phone_register().replace(b"Expires: 3600", b"Expires: " + b"9" * 40_000), 513),
]
FAULTY_START = [
    (b"REGISTER sip:10.0.40.11 SIP/3.0", 505),
    (b"REGISTER sip:10.0.40.11 SIP/2.0 ", 400),
    (b"REGISTER  sip:10.0.40.11 SIP/2.0", 400),
    (b"REGISTER sip:10.0.40.11; lr SIP/2.0", 400),
    (b"REGISTER sip:10.0.40.11 SIP/two", 400),
    (b"SIP/2.0 1000 Beyond", None),
    (b"SIP/7.0 200 OK", None),
]
"""Start lines that are wrong, above header lines that are sound, and how the request is answered."""


@pytest.mark.parametrize(("start", "status"), FAULTY_START)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_faulty_start_line_costs_its_message_and_not_the_connection(
    start: bytes, status: int | None, transport: Any
) -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, transport)
        version = start.rpartition(b" ")[2]
        data = phone_register().replace(b"REGISTER sip:10.0.40.11 SIP/2.0", start, 1)
        if version.startswith(b"SIP/3"):
            data = data.replace(b"Via: SIP/2.0", b"Via: SIP/3.0", 1)  # such a client writes it there as well
        connection.send_raw(data)
        if transport == "tcp":
            connection.send_raw(data[:-5])
            await asyncio.sleep(0.1)
            connection.send_raw(data[-5:])
        await asyncio.sleep(1)
        done = [entry.event.answer for entry in lab.entries(events.Malformed) if entry.node == "ucm-pub"]
        assert done == [f"answered {status}" if status else "ignored"] * (2 if transport == "tcp" else 1)
        if transport == "tcp" and b"SIP/3" not in start:
            assert [item.status for item in lab.stray] == [status] * (2 if status else 0)
        assert (await lab.phone.request(lab.ask(transport=transport.upper()), connection)).status == 200
        assert len(lab.seen) == 1

    lab_run(main)


def test_a_quoted_nul_is_read_and_a_bare_one_is_not() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        good = lab.ask(Subject='"a\\\0b"')
        assert (await lab.phone.request(good, connection)).status == 200
        connection.send_raw(bytes(lab.ask(Subject="a\0b")))
        await connection.wait_closed()
        assert [item.status for item in lab.stray] == [400]

    lab_run(main)


@pytest.mark.parametrize(("data", "status"), HOSTILE)
def test_hostile_streams_get_their_answer_and_hurt_nobody_else(data: bytes, status: int | None) -> None:
    async def main(lab: Lab) -> None:
        good = await lab.phone.connect(UCM, 5060)
        bad = await lab.phone.connect(UCM, 5060)
        bad.send_raw(data)
        await bad.wait_closed()
        assert [item.status for item in lab.stray] == ([status] if status else [])
        [entry] = lab.entries(events.Malformed)
        assert entry.payload
        assert entry.event.answer.endswith("closed the connection")
        assert (await lab.phone.request(lab.ask(), good)).status == 200

    lab_run(main)


@pytest.mark.parametrize("header", [b"From", b"To", b"Call-ID", b"CSeq", b"Via"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_unsound_messages_are_answered_and_the_connection_goes_on(header: bytes, transport: Any) -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, transport)
        data = phone_register().replace(b"\r\n" + header + b": ", b"\r\nX-" + header + b": ", 1)
        connection.send_raw(data)
        await asyncio.sleep(1)
        reasons = [entry.event.reason for entry in lab.entries(events.Malformed)]
        assert reasons[0] == f"missing {header.decode()}"
        assert (await lab.phone.request(lab.ask(transport=transport.upper()), connection)).status == 200

    lab_run(main)


def test_garbage_over_udp_is_journalled() -> None:
    async def main(lab: Lab) -> None:
        flow = await lab.phone.connect(UCM, 5060, "udp")
        flow.send_raw(b"\xff\xff")
        flow.send_raw(b"\r\n\r\n")
        flow.send_raw(b"\x00\x01\x00\x00")
        await asyncio.sleep(1)
        assert [entry.event.answer for entry in lab.entries(events.Malformed)] == ["ignored", "ignored"]

    lab_run(main)


def test_the_memory_that_peers_may_use_is_bounded() -> None:
    async def main(lab: Lab) -> None:
        flow = await lab.phone.connect(UCM, 5060, "udp")
        other = await lab.phone.connect(UCM, 5060, "udp")
        for connection in (flow, other, flow):
            assert (await lab.phone.request(lab.ask(transport="UDP"), connection)).status == 200
        [socket] = lab.ucm._sockets
        assert len(socket.flows) == 1
        slow = await lab.phone.connect(UCM, 5060)
        answer = lab.ask().response(200, body=b"x" * 20_000)

        def flood(request: Request, connection: Connection) -> None:
            slow._wire.pause_reading()  # type: ignore[attr-defined]  # the peer stops reading
            sent = 0
            while connection.open and sent < 1000:
                connection.send_now(answer)
                sent += 1
            assert sent < 1000

        lab.ucm.on_request = flood
        with pytest.raises(SipTransportError):
            await lab.phone.request(lab.ask(), slow, timeout=None)

    lab_run(main, limits=limited(datagram_peers=1, write_buffer=200_000))


def test_ports_are_taken_from_a_range_in_turn() -> None:
    async def main(lab: Lab) -> None:
        ports = []
        for _ in range(3):
            connection = await lab.phone.connect(UCM, 5060, local_port_range=(25000, 25002))
            ports.append(connection.local[1])
        assert ports == [25000, 25001, 25002]
        with pytest.raises(OSError, match="in use"):
            await lab.phone.connect(UCM, 5060, local_port_range=(25000, 25002))
        lab.phone.connections[1].close()
        await asyncio.sleep(1)
        connection = await lab.phone.connect(UCM, 5060, local_port_range=(25000, 25002))
        assert connection.local == (PHONE, 25001)

    lab_run(main)


def test_a_stateless_endpoint_forwards_what_it_gets() -> None:
    async def main(lab: Lab) -> None:
        def forward(request: Request, connection: Connection) -> None:
            lab.seen.append(request)
            connection.send(request.response(200, to_tag="1"))

        lab.ucm.on_request = forward
        connection = await lab.phone.connect(UCM, 5060)
        request = lab.ask()
        connection.send(request)
        connection.send(request)
        await asyncio.sleep(1)
        assert len(lab.seen) == 2
        assert len(lab.ucm.transactions) == 0
        assert len(lab.stray) == 2

    lab_run(main, stateful=False)


def test_secrets_and_keys_are_marked() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        again = samples.request("oauth_again")
        again.set_body(b"")
        connection.send(again)
        contact = samples.request("mra_register").get("Contact") or ""
        digest = (
            'Digest username="jdoe", realm="expe.example.com", nonce="abc", uri="sip:x", '
            'response="0123456789abcdef0123456789abcdef", qop=auth, nc=00000001, cnonce="x"'
        )
        connection.send(lab.ask(Contact=contact, **{"Proxy-Authorization": digest}))
        connection.send(lab.ask(Authorization="Basic amRvZTpwdw=="))
        service = samples.request("service")
        service.set_body(b"<username>jdoe</username><response>0123abcd</response>")
        connection.send(service)
        await asyncio.sleep(1)
        secrets = [
            [entry.payload[start:end] for start, end in entry.secrets] for entry in lab.entries(events.SipRequest)
        ]
        assert secrets == [
            [b"<access"],
            [b"0123456789abcdef0123456789abcdef"],
            [b"amRvZTpwdw=="],
            [b"0123abcd"],
        ]
        keys = [entry.keys[1:] for entry in lab.entries(events.SipRequest)]
        assert keys == [("device:CSFJDOE",), ("device:CSFJDOE", "user:jdoe"), (), ("user:jdoe",)]

    lab_run(main)


def test_a_crashed_server_resets_its_connections() -> None:
    async def run(world: SimWorld) -> None:
        lab = Lab(world, await host(world, "ucm-pub", UCM), await host(world, "phone", PHONE))
        await lab.open(on_request=None)

        async def main() -> None:
            connection = await lab.phone.connect(UCM, 5060)
            pending = asyncio.create_task(lab.phone.request(lab.ask(), connection))
            await asyncio.sleep(1)
            await world.crash("ucm-pub")
            with pytest.raises(SipTransportError):
                await pending
            assert isinstance(lab.lost[0][1], ConnectionResetError)
            await lab.phone.close()

        await lab.client.run(main())

    sim_run(run)


def test_closing_cuts_a_peer_that_does_not_answer() -> None:
    async def main(lab: Lab) -> None:
        await lab.phone.connect(UCM, 5060)
        lab.world.fabric.paths.partition("phone", "ucm-pub")
        before = asyncio.get_running_loop().time()
        await lab.phone.close(grace=2)
        assert asyncio.get_running_loop().time() - before <= 2.1
        lab.world.fabric.paths.heal("phone", "ucm-pub")

    lab_run(main)


def test_one_seed_one_journal() -> None:
    def journal(seed: int) -> list[str]:
        lines: list[str] = []

        async def run(world: SimWorld) -> None:
            lab = Lab(world, await host(world, "ucm-pub", UCM), await host(world, "phone", PHONE))
            await lab.open()

            async def main() -> None:
                connection = await lab.phone.connect(UCM, 5060)
                for _ in range(3):
                    await lab.phone.request(lab.ask(), connection)
                await connection.stun(3)

            await lab.client.run(main())
            await lab.end()
            lines.extend(repr(entry) for entry in lab.journal)

        sim_run(run, seed=seed)
        return lines

    assert journal(1) == journal(1)
    assert journal(1) != journal(2)
