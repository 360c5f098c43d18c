"""Replication of user data between the peers of an Expressway-C cluster: accepted passwords and edge cookies.

Any peer may get a client's next request, through any E. The product's replication is not public: peers have TLS between
them on port 4372 (Expressway IP Port Usage Configuration Guide), and the exchange over it is the testbed's own. A peer
posts its new records to every other peer, and fetches all records when it starts. Both sides present certificates, and
each must name a configured peer.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from cryptography import x509

from edgesim.deployment import Product, closed, hosts
from edgesim.edge.descriptor import is_host
from edgesim.http import Headers, HttpClient, HttpError, HttpServer, Request, Response
from edgesim.journal import events
from edgesim.node import Node
from edgesim.pki import Policy, client_context, names_of, server_context
from edgesim.servers.expressway_c.credentials import Credentials, Issued, SignIn
from edgesim.servers.expressway_c.tls import shown_as_client, tls_options
from edgesim.servers.expressway_c.user_data import Account, UdsServer

TARGET = "/credentials"
MAX_PENDING = 10_000
BATCH = 500
Record = SignIn | Issued


class ClusterError(ValueError):
    """The body is not a list of records."""


def write_records(records: list[Record]) -> bytes:
    """Return the body for these records."""
    return json.dumps([_to_json(record) for record in records]).encode()


def read_records(body: bytes) -> list[Record]:
    """Parse a body. Raises `ClusterError`."""
    try:
        found: Any = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ClusterError("not JSON") from None
    if not isinstance(found, list):
        raise ClusterError("not a list")
    return [_from_json(one) for one in found]


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _to_json(record: Record) -> dict[str, Any]:
    if isinstance(record, Issued):
        return {"access_token": record.value, "user": record.user, "expires": record.expires}
    account = record.account
    return {
        "user": account.user,
        "password": record.password,
        "at": record.at,
        "home": [account.home.host, account.home.port],
        "servers": list(account.servers),
        "served": account.served,
    }


def _from_json(one: Any) -> Record:
    match one:
        case {"access_token": str(value), "user": str(user), "expires": float(expires), **rest} if not rest:
            return Issued(value=value, user=user, expires=expires)
        case {
            "user": str(user),
            "password": str(password),
            "at": float(at),
            "home": [str(host), int(port)],
            "servers": list(servers),
            "served": bool(served),
            **rest,
        } if not rest and is_host(host) and 0 < port < 65536 and all(isinstance(name, str) for name in servers):
            account = Account(user=user, home=UdsServer(host=host, port=port), servers=tuple(servers), served=served)
            return SignIn(account=account, password=password, at=at)
        case _:
            raise ClusterError("a member of the list is not a record")


class Peer:
    """Another C of the cluster, and the records not yet sent to it."""

    def __init__(self, node: Node, fqdn: str, client: HttpClient) -> None:
        self.node = node
        self.fqdn = fqdn
        self.state = ""
        self._client = client
        self._port = node.defaults.links.cluster_port
        self._pending: dict[str, Record] = {}
        self._news = asyncio.Event()

    def report(self, record: Record) -> None:
        """Queue new records; the oldest are dropped if a peer is away for long."""
        key = record.value if isinstance(record, Issued) else f"user {record.account.user}"
        self._pending.pop(key, None)
        self._pending[key] = record
        while len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._news.set()

    async def run(self) -> None:
        """Post records as they are queued."""
        while True:
            await self._news.wait()
            batch = dict(list(self._pending.items())[:BATCH])
            if not batch:
                self._news.clear()
                continue
            if await self._request("POST", write_records(list(batch.values()))) is None:
                await asyncio.sleep(self.node.defaults.links.cluster_retry_s)
                continue
            for key, record in batch.items():
                if self._pending.get(key) is record:
                    del self._pending[key]

    async def records(self) -> list[Record]:
        """Return all records of the peer; none if it does not answer."""
        answer = await self._request("GET", b"")
        try:
            return read_records(answer.body) if answer is not None else []
        except ClusterError:
            return []

    async def _request(self, method: str, body: bytes) -> Response | None:
        timeout = self.node.defaults.links.connect_timeout_s
        headers = [("Host", f"{self.fqdn}:{self._port}"), *([("Content-Type", "application/json")] if body else [])]
        try:
            answer = await self._client.request(
                method, f"https://{self.fqdn}:{self._port}{TARGET}", headers=headers, body=body, timeout=timeout
            )
        except HttpError as error:
            self._enter(f"lost: {error}")
            return None
        self._enter("active" if answer.status == 200 else f"refused: {answer.status}")
        return answer if answer.status == 200 else None

    def _enter(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.node.journal.emit(events.Note(text=f"cluster peer {self.fqdn} {state}"), peer=self.fqdn)


def _policy(node: Node) -> Policy:
    """Return how peers verify each other: from X15.4 on regardless of extended key usages (release notes X15.4)."""
    spec = node.spec.spec
    assert isinstance(spec, hosts.ExpresswayC)
    return Policy(usage=bool(closed("server-only certificate on e", {Product.EXPRESSWAY: spec.release})))


class ClusterDatabase:
    """One peer's end of the replication; without other peers it does nothing."""

    def __init__(self, node: Node, credentials: Credentials) -> None:
        self.node = node
        self._credentials = credentials
        self._policy = _policy(node)
        context = client_context(
            node.trusts["trusted-ca"],
            identity=shown_as_client(node),
            options=tls_options(node),
            policy=self._policy,
            keylog=node.keylog,
        )
        self._client = HttpClient(node.journal, ssl=context)
        self._server = HttpServer(node.journal, self._handle, name="cluster")
        names = [each.fqdn for each in node.deployment.expressway_c if each.name != node.name]
        self.peers = tuple(Peer(node, name, self._client) for name in names)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen to the other peers, fetch their records, and send them new ones. Raises `OSError`."""
        if not self.peers:
            return
        identity, trust = self.node.identities["server"], self.node.trusts["trusted-ca"]
        context = server_context(
            identity,
            trust=trust,
            require_client=True,
            options=tls_options(self.node),
            policy=self._policy,
            keylog=self.node.keylog,
        )
        await self._server.listen(self.node.host.address(), self.node.defaults.links.cluster_port, context)
        self._credentials.listen(self._changed)
        for peer in self.peers:
            self._tasks.append(self.node.host.spawn(self._keep(peer), name=f"cluster peer {peer.fqdn}"))

    async def stop(self) -> None:
        """Stop the replication."""
        for task in self._tasks:
            task.cancel()
        await self._server.close()
        await self._client.close()

    async def _keep(self, peer: Peer) -> None:
        for record in await peer.records():
            self._credentials.learn(record)
        await peer.run()

    def _changed(self, record: Record) -> None:
        for peer in self.peers:
            peer.report(record)

    async def _handle(self, request: Request) -> Response:
        if request.target != TARGET or not self._is_peer(request):
            return Response(status=403)
        if request.method == "GET":
            headers = Headers([("Content-Type", "application/json")])
            return Response(status=200, headers=headers, body=write_records(self._credentials.records()))
        try:
            records = read_records(request.body)
        except ClusterError as error:
            malformed = events.Malformed(protocol="cluster", reason=str(error), answer="answered 400")
            self.node.journal.emit(malformed, peer=request.peer)
            return Response(status=400)
        for record in records:
            self._credentials.learn(record)
        return Response(status=200)

    def _is_peer(self, request: Request) -> bool:
        if request.peer_certificate is None:
            return False
        names = names_of(x509.load_der_x509_certificate(request.peer_certificate))
        return any(f"DNS:{peer.fqdn}" in names for peer in self.peers)
