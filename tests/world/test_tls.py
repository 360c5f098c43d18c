"""Who judges a certificate judges it by the clock of its own host, and says so on the wire: in both worlds."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from edgesim.pki import (
    Authorities,
    Identity,
    Policy,
    TlsOptions,
    TrustStore,
    client_context,
    server_context,
    unified_cm,
)
from edgesim.pki.authority import Validity
from edgesim.world import SECOND, Host, World
from edgesim.world.events import TlsFailed, WorldEvent
from tests.world.worlds import FAR, authorities, both, play

NAME = "far.example.com"
YEAR = 365 * 86_400
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
both_versions = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
both_ways = pytest.mark.parametrize("check", ["near", "far"], ids=["client checks", "server checks"])
skews = pytest.mark.parametrize(
    ("years", "reason", "alert"),
    [(10, "certificate has expired", "certificate expired"), (-10, "certificate is not yet valid", "bad certificate")],
    ids=["ahead", "behind"],
)


def dated(cas: Authorities, world: World, *, days: float = 397) -> Identity:
    """A certificate that is good for some days of the world's time."""
    start = datetime.fromtimestamp(world.epoch_ns // SECOND, UTC)
    validity = Validity(start - timedelta(days=1), start + timedelta(days=days))
    return cas.enterprise.issue(unified_cm(NAME), validity=validity)


class Lab:
    """A server on ``far`` that echoes, a client on ``near``, and what the world says about handshakes."""

    def __init__(self, world: World, near: Host, far: Host, **options: Any) -> None:
        self.world, self.near, self.far = world, near, far
        self.reported: list[WorldEvent] = []
        world.observe(self.reported.append)
        cas = authorities()
        self.trust = TrustStore.of("all", *cas.enterprise.full_chain)
        self.identity = dated(cas, world, **options)

    async def listen(self, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, **how: Any) -> int:
        options = TlsOptions(maximum=maximum)
        context = server_context(self.identity, trust=self.trust, require_client=True, options=options, **how)
        server = await self.far.run(_serve(context))
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def dial(self, port: int, **how: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = client_context(self.trust, identity=self.identity, **how)
        return await self.near.run(asyncio.open_connection(FAR, port, ssl=context, server_hostname=NAME))

    async def refused(self, port: int, **how: Any) -> None:
        """Dial, and on until the refusal has reached both sides."""

        async def use() -> None:
            reader, _writer = await self.dial(port, **how)
            await reader.readexactly(1)  # TLS 1.3: the server's word about us comes when we read

        with pytest.raises(OSError):
            await use()
        await asyncio.sleep(0.1)

    def failed(self, host: str) -> TlsFailed:
        found = [event for event in self.reported if isinstance(event, TlsFailed) and event.host == host]
        return found[-1]


async def _serve(context: ssl.SSLContext) -> Any:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(echo, FAR, 0, ssl=context)


async def echoed(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> None:
    reader, writer = pair
    writer.write(text)
    assert await reader.readexactly(len(text)) == text


@both
@both_versions
@both_ways
@skews
def test_a_host_whose_clock_is_years_off_refuses_a_valid_certificate_and_says_why(
    kind: str, version: ssl.TLSVersion, check: str, years: int, reason: str, alert: str
) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        lab = Lab(world, near, far)
        port = await lab.listen(version)
        await echoed(await lab.dial(port), b"both clocks are right")
        strict, checked = (near, far) if check == "near" else (far, near)
        strict.clock.skew_ns = years * YEAR * SECOND
        await lab.refused(port)
        assert lab.failed(strict.name).reason == f"certificate verify failed: {reason}"
        assert lab.failed(checked.name).alert == alert
        strict.clock.skew_ns = 0
        await echoed(await lab.dial(port), b"and right again")

    play(kind, story)


@both
@both_ways
def test_the_other_sides_clock_does_not_matter(kind: str, check: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        lab = Lab(world, near, far)
        lenient = Policy(verify=False)
        client, server = (Policy(), lenient) if check == "near" else (lenient, Policy())
        port = await lab.listen(policy=server)
        (far if check == "near" else near).clock.skew_ns = 20 * YEAR * SECOND
        await echoed(await lab.dial(port, policy=client), b"the judge's clock is right")

    play(kind, story)


@both_versions
def test_a_certificate_expires_in_the_middle_of_a_run(version: ssl.TLSVersion) -> None:
    """What stands goes on; the next handshake fails, in the second after the last good one."""

    async def story(world: World, near: Host, far: Host) -> None:
        lab = Lab(world, near, far, days=1 / 24)
        port = await lab.listen(version)
        standing = await lab.dial(port)
        await asyncio.sleep(3600 - world.now() / SECOND)
        await echoed(await lab.dial(port), b"its last second")
        await asyncio.sleep(1)
        await lab.refused(port)
        assert lab.failed("near").reason == "certificate verify failed: certificate has expired"
        assert lab.failed("far").alert == "certificate expired"
        await echoed(standing, b"nobody asks a connection that stands")

    play("sim", story)


@both
def test_a_contexts_own_clock_comes_before_its_hosts(kind: str) -> None:
    async def story(world: World, near: Host, far: Host) -> None:
        lab = Lab(world, near, far)
        port = await lab.listen()
        near.clock.skew_ns = 10 * YEAR * SECOND
        await echoed(await lab.dial(port, policy=Policy(clock=far.clock.utc)), b"asked for the time")

    play(kind, story)
