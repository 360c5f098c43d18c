"""A Unified CM node in a small simulated world, and an Expressway-C's machine that talks to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgesim.deployment import Deployment, builtin
from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from edgesim.http import HttpClient, Response, basic_authorization
from edgesim.journal import Entry, Event, Journal
from edgesim.node import Node
from edgesim.pki import Identity, TrustStore, client_context, expressway_c, fixture_authorities, unified_cm
from edgesim.servers.unified_cm import UnifiedCm
from edgesim.world import Host
from edgesim.world.events import WorldEvent
from edgesim.world.sim import SimWorld
from tests.servers.no_resolver import NoResolver
from tests.simrun import host, sim_run

PUB = "ucm-pub.inside.example.com"
ADDRESS = "10.0.40.11"
C_ADDRESS = "10.0.30.10"
ALICE = ("alice", "alice-secret")


@dataclass(slots=True, kw_only=True)
class Lab:
    """The running pieces: ``ucm`` is the service of the present incarnation."""

    world: SimWorld
    journal: Journal
    deployment: Deployment
    name: str
    c: Host
    client: HttpClient
    identity: Identity
    trust: TrustStore
    happened: list[WorldEvent]

    @property
    def ucm(self) -> UnifiedCm:
        service = self.world.hosts[self.name].service
        assert isinstance(service, UnifiedCm)
        return service

    def entries(self, kind: str) -> list[Entry[Event]]:
        """Return what the Unified CM node wrote of one kind."""
        return [entry for entry in self.journal if entry.kind == kind and entry.node == self.name]

    async def get(
        self, target: str, user: str | None = None, password: str = "", *, method: str = "GET", **options: Any
    ) -> Response:
        """Send a request to port 8443 from Expressway-C's machine."""
        headers = list(options.pop("headers", []))
        if user is not None:
            headers.append(("Authorization", basic_authorization(user, password)))
        return await self.client.request(
            method, f"https://{PUB}:8443{target}", headers=headers, address=ADDRESS, timeout=30, **options
        )


def run(
    main: Callable[[Lab], Awaitable[None]],
    *,
    changes: Mapping[str, Any] | None = None,
    name: str = "ucm-pub",
    trusts: Callable[[str, TrustStore], TrustStore] = lambda _, store: store,
    c_names: tuple[str, ...] = (),
) -> None:
    """Run ``main`` against a node of the deployment ``small``; ``trusts`` may change the node's trust stores."""

    async def body(world: SimWorld) -> None:
        deployment = builtin("small")
        if changes:
            deployment = deployment.changed(changes)
        journal = Journal(world)
        happened: list[WorldEvent] = []
        world.observe(happened.append)
        authorities = fixture_authorities(world.entropy("certificates"))
        everyone = authorities.trust()
        issuing = authorities.enterprise
        identity = issuing.issue(expressway_c("expc.inside.example.com", security_profiles=c_names))
        held = TrustStore.of("held", *everyone, issuing.certificate)
        # In mixed mode C's own certificate has to be there.
        in_stores = held.plus(identity) if deployment.unified_cm[0].mixed_mode else held

        async def factory(machine: Host) -> UnifiedCm:
            node = Node(
                host=machine,
                journal=journal.recorder(machine),
                deployment=deployment,
                spec=deployment.host(name),
                resolver=NoResolver(),
                identities={
                    service: issuing.issue(unified_cm(deployment.host(name).fqdn, profile))
                    for service, profile in (("tomcat", "tomcat"), ("callmanager", "CallManager"))
                },
                trusts={store: trusts(store, in_stores) for store in ("tomcat-trust", "callmanager-trust")},
            )
            service = UnifiedCm(node)
            await service.start()
            return service

        await host(world, name, deployment.host(name).address, factory=factory)
        c = await host(world, "expc", C_ADDRESS)

        async def work() -> None:
            client = HttpClient(journal.recorder(c), ssl=client_context(held, identity=identity))
            lab = Lab(
                world=world,
                journal=journal,
                deployment=deployment,
                name=name,
                c=c,
                client=client,
                identity=identity,
                trust=held,
                happened=happened,
            )
            await main(lab)
            await client.close()

        await c.run(work())

    sim_run(body)


async def ask(lab: Lab, wanted: messages.Request, version: str = "14.0", user: str = "axl") -> bytes:
    headers = [("Content-Type", axl.CONTENT_TYPE), ("SOAPAction", f'"{axl.soap_action(wanted, version)}"')]
    body = axl.write_request(wanted, version)
    response = await lab.get(axl.TARGET, user, "axl-password", method="POST", body=body, headers=headers)
    if response.status not in (200, 500):
        raise AssertionError(response.status)
    return response.body
