"""The versions of TLS that a deployment allows hold on every leg with a product, and a sign-in goes by them."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from edgesim.deployment import DeploymentError, builtin
from edgesim.journal import events
from edgesim.pki import TlsOptions, client_context
from tests.hostile.lab import DOORS, Arena, Door, Wire, under_attack

TLS = [door for door in DOORS if door.tls]
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def spoken(arena: Arena, door: Door, version: ssl.TLSVersion) -> Any:
    """Return a function that opens a TLS connection of only one version; its result is the version or the refusal."""
    owner = "expe" if door.host == "expc" else "expc"
    identity = arena.lab.certificates.identities(owner)["server"] if door.mutual else None
    context = client_context(None, identity=identity, options=TlsOptions(minimum=version, maximum=version))

    async def connect() -> str:
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                Wire, door.address, door.port, ssl=context, server_hostname="lab.example.com"
            )
        except (ssl.SSLError, ConnectionError) as error:
            return type(error).__name__
        found = str(transport.get_extra_info("ssl_object").version())
        transport.abort()
        return found

    return arena.attacker(door).run(connect())


@pytest.mark.parametrize("name", ["minimum", "maximum"])
def test_every_port_speaks_the_versions_that_are_allowed_alone(name: str) -> None:
    only = {"minimum": V13, "maximum": V12}[name]

    async def story(arena: Arena) -> None:
        heard = {door: [await spoken(arena, door, version) for version in (V12, V13)] for door in TLS}
        assert len(heard) > 10
        taken = {V12: "TLSv1.2", V13: "TLSv1.3"}[only]
        for door, results in heard.items():
            assert results[[V12, V13].index(only)] == taken, door
            assert not results[[V13, V12].index(only)].startswith("TLS"), door

    under_attack(story, changes={f"defaults.tls.{name}_version": "TLSv1.3" if only is V13 else "TLSv1.2"})


def test_the_links_between_the_servers_and_a_sign_in_use_the_greatest_version_that_is_allowed() -> None:
    async def story(arena: Arena) -> None:
        made = [(each.node, each.event) for each in arena.lab.journal if isinstance(each.event, events.TlsUp)]
        assert {event.version for _, event in made} == {"TLSv1.2"}
        legs = {(node, event.role) for node, event in made}
        assert {("expe", "server"), ("ucm-pub", "server"), ("imp-pub", "server"), ("expc", "client")} <= legs

    under_attack(story, changes={"defaults.tls.maximum_version": "TLSv1.2"})


def test_no_version_between_two_that_exclude_each_other() -> None:
    changes = {"defaults.tls.minimum_version": "TLSv1.3", "defaults.tls.maximum_version": "TLSv1.2"}
    with pytest.raises(DeploymentError, match=r"defaults\.tls\.minimum_version: .* must not be greater"):
        builtin("small").changed(changes)
