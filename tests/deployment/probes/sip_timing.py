"""Stories about what SIP waits for, retransmits and holds back."""

from __future__ import annotations

import asyncio

from edgesim.pki import client_context
from edgesim.sip import Request, SipEndpoint
from tests.deployment.probes.base import edge, unified_cm
from tests.servers import unified_cm_lab
from tests.servers.expressway_lab import EDGE, PUB, EdgeLab
from tests.servers.sip_lab import Line, with_line
from tests.servers.test_expressway_sip_load import options
from tests.servers.unified_cm_line import Line as Trunk
from tests.servers.unified_cm_line import register
from tests.sip.settings import LIMITS, TIMERS

PHONE = "SIP/2.0/UDP 10.0.30.10:5060"


@edge({"sip.client_octets_per_s": 8192.0}, {"defaults.sip.client_octets_burst": 512})
@with_line
async def more_octets_than_the_burst(lab: EdgeLab, line: Line) -> None:
    await line.register()
    await asyncio.gather(*(line.ask(line.request("OPTIONS")) for _ in range(10)), return_exceptions=True)


@edge({"sip.client_window": 2})
@with_line
async def requests_that_wait_for_answers(lab: EdgeLab, line: Line) -> None:
    await line.register()
    await lab.freeze("ucm-pub")
    for request in options(line, count=5):
        line.connection.send(request)
    await asyncio.sleep(10)


@edge({"sip.unread_s": 10.0})
@with_line
async def a_phone_that_does_not_read(lab: EdgeLab, line: Line) -> None:
    await line.register()
    line.connection.hold("asleep")
    for request in options(line, count=1500):
        line.connection.send_raw(bytes(request))
    await asyncio.sleep(60)


@edge({"sip.service_lost_status": 504})
@with_line
async def expressway_c_crashes_while_it_is_asked(lab: EdgeLab, line: Line) -> None:
    line.dialogue.challenged(await line.ask(line.build()))
    await lab.freeze("expc")
    line.connection.send(line.build())
    await asyncio.sleep(1)
    await lab.crash("expc")
    await asyncio.sleep(5)


@edge({"sip.service_identity_verified": True})
@with_line
async def an_identity_that_does_not_verify(lab: EdgeLab, line: Line) -> None:
    service = lab.service("expe").sip._service
    build = service.request

    def unsigned(*args: object, **more: object) -> Request:
        request: Request = build(*args, **more)
        request.replace("Identity", '"AAAA"')
        return request

    service.request = unsigned
    await line.register()


@edge({"sip.unauthenticated_peer_status": 404})
async def a_peer_that_begins_without_options(lab: EdgeLab) -> None:
    node = lab.node("expc")
    endpoint = SipEndpoint(node.host, node.journal, limits=LIMITS, timers=TIMERS)

    async def ask() -> None:
        context = client_context(node.trusts["trusted-ca"], identity=node.identities["server"])
        connection = await endpoint.connect("10.0.20.10", 7001, "tls", ssl=context, server_hostname=EDGE)
        headers = [
            ("Via", "SIP/2.0/TLS 10.0.30.10:5061;branch=z9hG4bK1"),
            ("From", f"<sip:c@{PUB}>;tag=1"),
            ("To", f"<sip:1001@{PUB}>"),
            ("Call-ID", "first"),
            ("CSeq", "1 INFO"),
            ("Max-Forwards", "70"),
        ]
        await endpoint.request(Request.build("INFO", f"sip:1001@{PUB}", headers), connection)
        await endpoint.close()

    await node.host.run(ask())


class Ringing(Line):
    """A phone that rings and is never answered."""

    def _heard(self, request: Request, connection: object) -> None:
        self.requests.append(request)
        self.connection.send(request.response(180, to_tag="phone"))


@edge({"sip.timer_c_s": 60.0})
async def a_phone_that_rings_without_end(lab: EdgeLab) -> None:
    line = await Ringing(lab).signed_in()
    await line.connect()
    target = (await line.register()).contacts[0].uri
    [connection] = lab.service("ucm-pub")._endpoint.connections
    invite = line.request("INVITE", target, routes=False)
    invite.replace("Via", f"SIP/2.0/TCP 10.0.40.11:5060;branch={invite.top_via.branch}")
    await lab.node("ucm-pub").host.run(_said(connection, invite))
    await asyncio.sleep(300)
    await line.close()


async def _said(connection: object, message: Request) -> None:
    connection.send(message)


@unified_cm({"sip.t2_s": 1.0})
async def a_final_answer_that_nobody_acknowledges(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect("udp")
    line.connection.send_raw(bytes(register(via=PHONE, method="INVITE")))
    await asyncio.sleep(20)
    await line.close()


@unified_cm({"sip.t4_s": 1.0})
async def a_call_that_comes_again_after_its_ack(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect("udp")
    invite = register(via=PHONE, method="INVITE")
    await line.ask(invite)
    await asyncio.sleep(3)
    line.connection.send_raw(bytes(invite))
    await asyncio.sleep(1)
    await line.ask(register(102, via=PHONE))
    await line.close()
