"""Endpoints over the simulated network: TCP, TLS, UDP; requests, losses, keep-alives, hostile peers, the journal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.journal import events
from edgesim.pki import client_context, fixture_authorities, server_context, unified_cm
from edgesim.sip import (
    Connection,
    Request,
    SipTimeout,
    SipTransportError,
)
from edgesim.sip import stun as stun_codec
from edgesim.world.sim import SimWorld
from tests.simrun import host, sim_run
from tests.sip import samples
from tests.sip.endpoint_lab import NAME, PHONE, UCM, Lab, lab_run
from tests.sip.settings import limited


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


def test_a_lost_datagram_is_sent_again() -> None:
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


def test_a_request_that_waits_fails_when_its_connection_is_lost() -> None:
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


def test_a_request_may_have_its_own_time_limit() -> None:
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


def test_a_handler_that_fails_is_reported_and_answered_500() -> None:
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


def test_a_keepalive_is_answered_refused_or_times_out() -> None:
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
            slow._wire.pause_reading()
            sent = 0
            while connection.open and sent < 1000:
                connection.send_now(answer)
                sent += 1
            assert sent < 1000

        lab.ucm.on_request = flood
        with pytest.raises(SipTransportError):
            await lab.phone.request(lab.ask(), slow, timeout=None)

    lab_run(main, limits=limited(datagram_peers=1, write_buffer=200_000))


def test_local_ports_are_taken_from_a_range_in_turn() -> None:
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


def test_a_stateless_endpoint_hands_on_every_copy() -> None:
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


def test_the_same_seed_gives_the_same_journal() -> None:
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
