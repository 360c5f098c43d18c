"""RFC 4475 against the servers: Unified CM on the inside, and through Expressway-E with credentials.

Each message is sent unchanged, except that a host in its Request-URI becomes the Unified CM node, so that the message
is tested and not its target. Through E it also has a Route and credentials for E's challenge.
"""

from __future__ import annotations

import asyncio
import re

from edgesim.pki import client_context
from edgesim.sip import digest
from tests.servers.expressway_lab import EDGE, EdgeLab
from tests.servers.expressway_lab import run as run_edge
from tests.servers.sip_lab import ROUTE, Line, with_line
from tests.servers.unified_cm_lab import ADDRESS, C_ADDRESS, PUB, Lab, run
from tests.sip.torture import MESSAGES, Torture

HOST = re.compile(rb"^(\S+ +<?sips?:(?:[^\s@]*@)?)[a-z.-]+", re.IGNORECASE)
STREAMED = [each for each in MESSAGES if each.name != "dblreq"]
"""All but the one that needs a datagram: on a stream its trailing octets are another message."""
PROCESSED = {
    "INVITE": (405, 404),  # Unified CM's lines take no calls here
    "OPTIONS": (200,),
    "REGISTER": (404, 401, 403),  # a line that no device has
    "MESSAGE": (405, 404),
}
"""What shows that a message was read and went its way, by its method."""


def retargeted(torture: Torture) -> bytes:
    """Return the octets with the Unified CM node in the Request-URI."""
    return HOST.sub(rb"\g<1>" + PUB.encode(), torture.octets, count=1)


def method_of(torture: Torture) -> str:
    return torture.octets.partition(b" ")[0].decode()


def allowed(torture: Torture, proxy: bool = False) -> tuple[int, ...]:
    """Return the statuses by which a message may be answered, as the RFC has it; empty for silence."""
    if torture.response:
        return ()
    own = torture.proxy if proxy else torture.ua
    return torture.answers or own or PROCESSED[method_of(torture)]


def finals(heard: bytes) -> list[int]:
    """Return the statuses of the final responses in octets, which need not parse."""
    return [int(status) for status in re.findall(rb"(?:^|\r\n)SIP/2\.0 ([2-6][0-9][0-9]) ", heard)]


def differs(torture: Torture, statuses: list[int], wanted: tuple[int, ...]) -> bool:
    """Return whether a message was not answered once, by one of the wanted statuses, or not at all where none is."""
    return bool(statuses) != bool(wanted) or len(statuses) > 1 or not set(statuses) <= set(wanted)


def on_a_stream(torture: Torture, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return what a stream changes: a message without length has no end, one that is too short is incomplete."""
    if torture.name == "inv2543":
        return (400,)
    return () if torture.framing == "waits" else wanted


async def reported(reader: asyncio.StreamReader, seconds: float) -> tuple[bytes, bool]:
    """Return what arrives within ``seconds``, and whether the stream is still open then."""
    heard = b""
    try:
        async with asyncio.timeout(seconds):
            while piece := await reader.read(65536):
                heard += piece
    except TimeoutError:
        return heard, True
    return heard, False


def test_unified_cm_over_tcp() -> None:
    wrong: dict[str, object] = {}

    async def main(lab: Lab) -> None:
        for torture in STREAMED:
            reader, writer = await asyncio.open_connection(ADDRESS, 5060)
            writer.write(retargeted(torture))
            heard, stands = await reported(reader, 2)
            wanted = on_a_stream(torture, allowed(torture))
            if differs(torture, finals(heard), wanted):
                wrong[torture.name] = (finals(heard), wanted)
            if stands != (torture.framing != "lost"):
                wrong[f"{torture.name} framing"] = stands
            writer.transport.abort()
        reader, writer = await asyncio.open_connection(ADDRESS, 5060)
        writer.write(retargeted(next(each for each in MESSAGES if each.name == "semiuri")))
        assert finals((await reported(reader, 2))[0]) == [200]
        writer.transport.abort()
        await asyncio.sleep(1)

    run(main)
    assert wrong == {}


class Datagrams(asyncio.DatagramProtocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.heard.append(data)


def test_unified_cm_over_udp() -> None:
    wrong: dict[str, object] = {}

    async def main(lab: Lab) -> None:
        loop, answers = asyncio.get_running_loop(), Datagrams()
        sockets = []
        for port in (5050, 5060, 5070):  # an answer without rport goes to the port in Via
            sockets.append((await loop.create_datagram_endpoint(lambda: answers, local_addr=(C_ADDRESS, port)))[0])
        for torture in MESSAGES:
            sockets[1].sendto(retargeted(torture), (ADDRESS, 5060))
            await asyncio.sleep(0.2)
            statuses = [status for one in answers.heard for status in finals(one)]
            if differs(torture, statuses, allowed(torture)):
                wrong[torture.name] = (statuses, allowed(torture))
            await asyncio.sleep(40)  # until nothing is sent again
            answers.heard.clear()
        for socket in sockets:
            socket.close()

    run(main)
    assert wrong == {}


def test_through_the_edge_with_credentials() -> None:
    wrong: dict[str, object] = {}

    async def story(lab: EdgeLab, line: Line) -> None:
        assert (await line.register()).status == 200
        context = client_context(line.node.trusts["system"])
        for torture in STREAMED:
            reader, writer = await asyncio.open_connection("203.0.113.10", 5061, ssl=context, server_hostname=EDGE)
            line.dialogue.challenge = None
            assert line.dialogue.challenged(await line.ask(line.build()))
            writer.write(with_credentials(line, torture))
            heard, stands = await reported(reader, 2)
            wanted = on_a_stream(torture, allowed(torture, proxy=True))
            if torture.name in ("wsinv", "mpart01"):
                wanted = (404,)  # its own Route leads to a host that no search rule knows
            if differs(torture, finals(heard), wanted):
                wrong[torture.name] = (finals(heard), wanted)
            if stands != (torture.framing != "lost"):
                wrong[f"{torture.name} framing"] = stands
            writer.transport.abort()
        assert (await line.register()).status == 200

    async def main(lab: EdgeLab, line: Line) -> None:
        await line.node.host.run(story(lab, line))

    run_edge(with_line(main))
    assert wrong == {}


def with_credentials(line: Line, torture: Torture) -> bytes:
    """Return a request with a Route and the answer to E's challenge below its start line; a response as it is."""
    octets = retargeted(torture)
    if torture.response:
        return octets
    start, _, rest = octets.partition(b"\r\n")
    line.dialogue.uses += 1
    proof = digest.answer(
        line.dialogue.challenge,
        method=start.partition(b" ")[0].decode(),
        uri=start.split()[1].decode(),
        username=line.user,
        password=line.password,
        cnonce="0a1b2c3d",
        count=line.dialogue.uses,
    )
    return b"\r\n".join((start, b"Route: " + ROUTE.encode(), b"Proxy-Authorization: " + proof.encode(), rest))
