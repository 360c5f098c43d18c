"""Single services of Unified CM and IM and Presence restart: what closes, what continues, what takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography import x509

from edgesim.deployment import builtin
from edgesim.lab import RunningLab
from edgesim.lab.administration import request, restart_service, sign, upload_certificate
from edgesim.pki import TrustStore, client_context
from edgesim.world.sim import SimWorld

UCM = "ucm-pub.inside.example.com"


def play(story: Callable[[RunningLab], Awaitable[None]], **changes: Any) -> None:
    world = SimWorld(1)
    lab = RunningLab(world, builtin("small").changed(changes) if changes else builtin("small"))

    async def main() -> None:
        await lab.start()
        await story(lab)
        await lab.stop()

    world.run(main())


async def issuer(lab: RunningLab, port: int, host: str = UCM) -> str:
    """Connect from a machine inside, as one who trusts all of the lab's CAs, and return who signed what is shown."""
    node = lab.node("inside-1")
    trust = TrustStore.of("all", *lab.authorities.trusted().values())

    async def connect() -> str:
        context = client_context(trust)
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(der).issuer.rfc4514_string()

    return await node.host.run(connect())


async def renewed(lab: RunningLab, service: str, host: str = "ucm-pub") -> None:
    node = lab.node(host)
    made = request(node, service)
    assert upload_certificate(lab, node, sign(lab, made.pem, by="private"), service) == ()


def test_a_new_tomcat_certificate_is_shown_after_tomcat_and_haproxy() -> None:
    async def story(lab: RunningLab) -> None:
        await renewed(lab, "tomcat")
        seen = [await issuer(lab, 8443)]
        for service in ("HAProxy", "CallManager", "Tomcat"):
            await restart_service(lab.node("ucm-pub"), service)
            seen.append(await issuer(lab, 8443))
        assert seen[0] == seen[1] == seen[2] != seen[3]

    play(story)


def test_a_new_callmanager_certificate_is_shown_with_files_after_all_three() -> None:
    async def story(lab: RunningLab) -> None:
        await renewed(lab, "callmanager")
        seen = [await issuer(lab, 6972)]
        for service in ("Tomcat", "TFTP", "CallManager"):
            await restart_service(lab.node("ucm-pub"), service)
            seen.append(await issuer(lab, 6972))
        assert seen[0] == seen[1] == seen[2] != seen[3]

    play(story)


@pytest.mark.parametrize(
    ("service", "closed"),
    [("Tomcat", {8443}), ("HAProxy", {8443, 6972}), ("TFTP", {6970, 8443, 6972}), ("CallManager", {5060})],
)
def test_connections_to_other_services_go_on(service: str, closed: set[int]) -> None:
    """TFTP takes HAProxy along."""

    async def story(lab: RunningLab) -> None:
        host = lab.node("inside-1").host
        writers: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

        async def connect() -> None:
            for port in (8443, 6970, 6972, 5060):
                tls = client_context(None, check_hostname=False) if port in (8443, 6972) else None
                writers[port] = await asyncio.open_connection(UCM, port, ssl=tls)

        await host.run(connect())
        await restart_service(lab.node("ucm-pub"), service)
        await asyncio.sleep(1)
        assert {port for port, (reader, _) in writers.items() if reader.at_eof() or reader.exception()} == closed
        for _, writer in writers.values():
            writer.close()

    play(story)


def test_lines_are_gone_when_callmanager_restarts() -> None:
    async def story(lab: RunningLab) -> None:
        product: Any = lab.node("ucm-pub").host.service
        before = product.lines
        await restart_service(lab.node("ucm-pub"), "CallManager")
        assert product.lines is not before and product.registrations == ()
        await asyncio.sleep(130)
        zones = {(host, zone): state for host, zone, state, _ in lab.zones()}
        assert zones["expc", f"CEtcp-{UCM}"] == "TCP: Active"

    play(story)


def test_the_xcp_router_ends_links_that_come_back() -> None:
    async def story(lab: RunningLab) -> None:
        await restart_service(lab.node("imp-pub"), "XCP Router")
        await asyncio.sleep(60)
        states = [
            entry.event.as_json()["state"] for entry in lab.journal.select(kind="xcp.link") if entry.node == "expc"
        ]
        assert states[-1] == "up" and "down" in states
        assert await issuer(lab, 8443, "imp-pub.inside.example.com")

    play(story)
