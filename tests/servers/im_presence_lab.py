"""An IM and Presence node in a small simulated world, a plain XMPP client, and an Expressway-C's machine."""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgesim.deployment import Deployment, builtin
from edgesim.http import HttpClient
from edgesim.journal import Entry, Event, Journal
from edgesim.node import Node
from edgesim.pki import Identity, TrustStore, client_context, expressway_c, fixture_authorities, im_presence
from edgesim.servers.im_presence import ImPresence
from edgesim.world import Host, World
from edgesim.world.live import LiveWorld
from edgesim.xmpp import sasl, soap, stanzas
from edgesim.xmpp.stream import STARTTLS, StanzaRead, StreamClosed, StreamOpened, StreamParser, client_header
from edgesim.xmpp.xml import Element
from tests.servers.no_resolver import NoResolver
from tests.simrun import bench, host, sim_run

FQDN = "imp-pub.inside.example.com"
ADDRESS = "10.0.40.21"
_PLACE = f"127.{1 + os.getpid() % 63}.79"
LIVE_ADDRESS, LIVE_C, LIVE_INSIDE = (f"{_PLACE}.{number}" for number in (1, 2, 3))
"""Addresses of this process's own, beside those of whole labs."""
SERVICE = f"https://{FQDN}:8443/EPASSoap/service/v80"
login_request = functools.partial(soap.login_request, client_type="CUPC")
"""What Jabber sends."""


@dataclass(slots=True, kw_only=True)
class Lab:
    """The running pieces; ``service`` is that of the present incarnation."""

    world: World
    address: str
    journal: Journal
    deployment: Deployment
    client_host: Host
    c: Host
    identity: Identity
    trust: TrustStore
    http: HttpClient

    @property
    def service(self) -> ImPresence:
        found = self.world.hosts["imp-pub"].service
        assert isinstance(found, ImPresence)
        return found

    def entries(self, kind: str) -> list[Entry[Event]]:
        """Return what the node wrote of one kind."""
        return [entry for entry in self.journal if entry.kind == kind and entry.node == "imp-pub"]

    async def soap(self, body: bytes, *headers: tuple[str, str], url: str = SERVICE) -> tuple[int, bytes]:
        """Post a SOAP document and return status and body."""
        sent = [("Content-Type", soap.CONTENT_TYPE), *headers]
        response = await self.http.request("POST", url, headers=sent, body=body, address=self.address, timeout=30)
        return response.status, response.body

    async def token(self, user: str, password: str) -> str:
        """Return a one-time password by way of a SOAP sign-in."""
        login = soap.parse_response((await self.soap(login_request(user, password)))[1])
        assert isinstance(login, soap.LoggedIn), login
        answer = await self.soap(soap.get_onetime_password_request(login.session_key))
        issued = soap.parse_response(answer[1])
        assert isinstance(issued, soap.OnetimePassword), issued
        return issued.password

    async def connect(self, domain: str = "example.com") -> Client:
        """Return a client with TLS up and mechanisms read."""
        client = Client(client_context(self.trust), domain, self.address)
        await client.connect()
        return client

    async def sign_in(self, user: str, resource: str | None = None, *, available: bool = True) -> Client:
        """Return a client that is bound and, unless asked not to be, available."""
        client = await self.connect()
        success = await client.auth("PLAIN", sasl.encode_plain(user, f"{user}-secret"))
        assert success.name == "success"
        await client.bind(resource)
        if available:
            client.send(stanzas.presence())
            await client.until(lambda what: what.name == "presence" and what.get("from") == client.jid)
        return client


class Client:
    """A plain client that reads what comes, element by element."""

    def __init__(self, tls: ssl.SSLContext, domain: str, address: str) -> None:
        self.domain = domain
        self.address = address
        self.jid = ""
        self.features: Element | None = None
        self.stream_ids: list[str | None] = []
        self.closed = False
        self._tls = tls
        self._parser = StreamParser()

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self.address, 5222)
        await self.open()
        self.send(STARTTLS)
        assert (await self.read()).name == "proceed"
        await self._writer.start_tls(self._tls, server_hostname=FQDN)
        await self.open()

    async def open(self) -> None:
        """Open a stream and read the header and the features."""
        self._parser.restart()
        self._writer.write(client_header(self.domain))
        self.features = await self.read()

    def send(self, what: Element | bytes) -> None:
        self._writer.write(what if isinstance(what, bytes) else what.encode())

    async def read(self, within: float = 5.0) -> Element:
        """Return the next element. Raises `EOFError` after the stream's end."""
        while True:
            event = self._parser.next()
            if isinstance(event, StanzaRead):
                return event.element
            if isinstance(event, StreamOpened):
                self.stream_ids.append(event.id)
            elif isinstance(event, StreamClosed):
                self.closed = True
                raise EOFError
            elif event is None:
                async with asyncio.timeout(within):
                    data = await self._reader.read(4096)
                if not data:
                    raise EOFError
                self._parser.feed(data)

    async def until(self, wanted: Callable[[Element], bool], within: float = 5.0) -> Element:
        """Return the first element that is wanted; drop those before."""
        while not wanted(what := await self.read(within)):
            pass
        return what

    async def quiet(self, seconds: float = 2.0) -> list[Element]:
        """Return what arrives within some lab time."""
        found = []
        try:
            while True:
                found.append(await self.read(seconds))
        except TimeoutError:
            return found

    async def auth(self, mechanism: str, message: str) -> Element:
        self.send(sasl.auth(mechanism, message))
        return await self.read()

    async def bind(self, resource: str | None = None) -> Element:
        await self.open()
        self.send(stanzas.bind_request("b", resource))
        answer = await self.read()
        bound = answer.first()
        if answer.get("type") == "result" and bound is not None:
            self.jid = "".join(child.text for child in bound.elements())
        return answer

    async def ask(self, request: Element) -> Element:
        """Send an iq and return its answer."""
        self.send(request)
        return await self.until(lambda what: what.name == "iq" and what.get("id") == request.get("id"))

    async def end(self) -> None:
        self.send(b"</stream:stream>")
        await self.quiet_end()

    async def quiet_end(self) -> None:
        try:
            while True:
                await self.read()
        except EOFError:
            self._writer.close()

    def drop(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()


def run(
    main: Callable[[Lab], Awaitable[None]],
    *,
    changes: Mapping[str, Any] | None = None,
    seed: int = 1,
    live: bool = False,
) -> Journal:
    """Run ``main`` as an inside client's host against the node of the deployment ``small``."""
    kept: list[Journal] = []

    async def body(world: Any) -> None:
        deployment = builtin("small")
        if live:
            deployment = deployment.relocated({ADDRESS: LIVE_ADDRESS})
        if changes:
            deployment = deployment.changed(changes)
        journal = Journal(world)
        kept.append(journal)
        authorities = fixture_authorities(world.entropy("certificates"))
        issuing = authorities.enterprise
        held = TrustStore.of("held", *authorities.trust(), issuing.certificate)

        async def factory(machine: Host) -> ImPresence:
            node = Node(
                host=machine,
                journal=journal.recorder(machine),
                deployment=deployment,
                spec=deployment.host("imp-pub"),
                resolver=NoResolver(),
                identities={
                    service: issuing.issue(im_presence(FQDN, service, domains=("example.com",)))
                    for service in ("tomcat", "cup-xmpp")
                },
                trusts={"tomcat-trust": held, "cup-xmpp-trust": held},
            )
            service = ImPresence(node)
            await service.start()
            return service

        address = deployment.host("imp-pub").address
        await host(world, "imp-pub", address, factory=factory)
        c = await host(world, "expc", LIVE_C if live else "10.0.30.10")
        inside = await host(world, "inside-1", LIVE_INSIDE if live else "10.0.50.10")

        async def work() -> None:
            http = HttpClient(journal.recorder(inside), ssl=client_context(held))
            lab = Lab(
                world=world,
                address=address,
                journal=journal,
                deployment=deployment,
                client_host=inside,
                c=c,
                identity=issuing.issue(expressway_c("expc.inside.example.com")),
                trust=held,
                http=http,
            )
            await main(lab)
            await http.close()

        await inside.run(work())

    if live:
        world = bench(LiveWorld(seed))
        world.run(body(world))
        assert not world.errors(), world.unhandled
    else:
        sim_run(body, seed=seed)
    return kept[0]
