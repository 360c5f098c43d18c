"""Expressway-C's authentication of users at Unified CM, over UDS.

``clusterUser`` gives the home cluster; there ``/user/<id>/devices`` checks the password, then ``/servers`` and
``/user/<id>`` give the data for the edge configuration ("Preferred Architecture for Cisco Collaboration 12.x Enterprise
On-Premises, Collaboration Edge"). From X14.2 on a failed node is replaced by a random one of its cluster, and is not
asked again for a while ("MRA Deployment Guide X15.0, MRA Requirements and Prerequisites").

A node has failed if it does not answer, or answers 500 and above. Any other status concerns the request, whose user
name an outsider chose; it refuses only that user.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgesim.deployment import Product, Release
from edgesim.edge import uds
from edgesim.http import Headers, HttpClient, HttpError, HttpTlsFailed, Response, basic_authorization, parse_url
from edgesim.journal.keys import user_key
from edgesim.node import Node

RETRIES_SINCE = Release.parse("X14.2", Product.EXPRESSWAY)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class UdsServer:
    """A Unified CM node that C queries."""

    host: str
    port: int

    def url(self, target: str) -> str:
        """Return the URL of a resource on it."""
        return f"https://{self.host}:{self.port}{target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user's data from the home cluster. ``served`` means that a UC service profile gives the user services."""

    user: str
    home: UdsServer
    servers: tuple[str, ...]
    served: bool


class Refused(Exception):
    """Unified CM does not know the user, or the password is wrong."""


class Unavailable(Exception):
    """No Unified CM node could be queried."""


class Unverified(Unavailable):
    """No Unified CM node presented a certificate that C trusts."""


class _NodeUseless(Exception):
    """A node's response is unusable; another node may do better. The node counts as up."""


class _NodeFailed(_NodeUseless):
    """A node did not answer, or answered that it cannot work."""


class _NodeUnverified(_NodeFailed):
    """C does not trust a node's certificate."""


class UserData:
    """C's UDS client. ``clusters`` returns the names of the discovered nodes of each cluster."""

    def __init__(
        self, node: Node, client: HttpClient, clusters: Callable[[], Sequence[Sequence[str]]], release: Release
    ) -> None:
        self.node = node
        self._client = client
        self._clusters = clusters
        self._retries = release >= RETRIES_SINCE
        self._choices = node.host.entropy("uds nodes")
        self._bad: dict[str, float] = {}

    # ---- nodes

    def mark_failed(self, host: str, seconds: float) -> None:
        """Skip a node for a while; ``inf`` until `restart`."""
        self._bad[host.lower()] = self.node.host.clock.time() + seconds

    def restart(self) -> None:
        """Forget which nodes failed, as a restart of the edge configuration service does."""
        self._bad.clear()

    def usable(self, host: str) -> bool:
        """Return whether a node is not marked as failed."""
        return self._bad.get(host.lower(), 0.0) <= self.node.host.clock.time()

    async def _ask(self, places: Sequence[UdsServer], ask: Callable[[UdsServer], Awaitable[T]]) -> T:
        """Query the first node that has not failed; from X14.2 on, if it is of no use, others at random."""
        left = [place for place in places if self.usable(place.host)]
        failures: list[_NodeUseless] = []
        while left:
            place = left.pop(0)
            try:
                return await ask(place)
            except _NodeUseless as failure:
                failures.append(failure)
                if not self._retries:
                    break
                if isinstance(failure, _NodeFailed) and not isinstance(failure, _NodeUnverified):
                    self.mark_failed(place.host, self.node.defaults.edge.failed_node_s)
                self._choices.shuffle(left)
        if failures and all(isinstance(failure, _NodeUnverified) for failure in failures):
            raise Unverified(str(failures[-1]))
        raise Unavailable("no Unified CM node answers" if self._retries or not failures else str(failures[-1]))

    # ---- a sign-in

    async def sign_in(self, user: str, password: str, *, tracking: str | None = None) -> Account:
        """Authenticate a user. Raises `Refused`, `Unavailable` and its subclass `Unverified`."""
        clusters = [places for nodes in self._clusters() if (places := self._places(nodes))]
        if not clusters:
            raise Unavailable("no Unified CM server was discovered")
        # Which cluster is asked first is not documented; a user unknown to it is refused.
        asked = clusters[0] if len(clusters) == 1 else self._choices.choice(clusters)
        call = _Call(self, user, password, tracking)
        home = await self._ask(asked, call.find_home)
        if home is None:
            raise Refused("unknown user, or not homed here")
        return await self._ask(self._home_places(home, clusters), call.read)

    def _places(self, names: Sequence[str]) -> list[UdsServer]:
        port = self.node.defaults.ports.uds
        return [UdsServer(host=name, port=port) for name in names]

    def _home_places(self, home: UdsServer, clusters: list[list[UdsServer]]) -> list[UdsServer]:
        """Return the home node, then the other discovered nodes of its cluster."""
        for places in clusters:
            if any(place.host.lower() == home.host.lower() for place in places):
                return [home, *(place for place in places if place.host.lower() != home.host.lower())]
        return [home]

    async def get(
        self, place: UdsServer, target: str, *, user: str, tracking: str | None, authorization: str | None = None
    ) -> Response:
        """Send a UDS request. Raises `_NodeFailed` if the node is at fault."""
        headers = [("Host", f"{place.host}:{place.port}"), ("Accept", "*/*")]
        if tracking:
            headers.append(("TrackingID", tracking))
        if authorization:
            headers.append(("Authorization", authorization))
        try:
            answer = await self._client.request(
                "GET",
                place.url(target),
                headers=Headers(headers),
                timeout=self.node.defaults.links.connect_timeout_s,
                keys=(user_key(user),),
            )
        except HttpTlsFailed as error:
            raise _NodeUnverified(f"{place.host}: {error}") from None
        except (HttpError, ValueError) as error:
            raise _NodeFailed(f"{place.host}: {error}") from None
        if answer.status >= 500:
            raise _NodeFailed(f"{place.host} answered {answer.status}")
        return answer


class _Call:
    """One sign-in in progress."""

    def __init__(self, data: UserData, user: str, password: str, tracking: str | None) -> None:
        self._data = data
        self._user = user
        self._tracking = tracking
        self._authorization = basic_authorization(user, password)

    async def find_home(self, place: UdsServer) -> UdsServer | None:
        answer = await self._get(place, uds.cluster_user_target(username=self._user))
        found = self._read(place, answer, uds.ClusterUser.parse)
        if found.home is None:
            return None
        try:
            where = parse_url(found.home.servers_uri)
        except ValueError:
            return UdsServer(host=found.home.host, port=place.port)
        return UdsServer(host=where.host, port=where.port)

    async def read(self, place: UdsServer) -> Account:
        devices = await self._get(place, uds.user_target(self._user, "devices"), self._authorization)
        self._granted(place, devices)
        servers = self._read(place, await self._get(place, SERVERS), uds.Servers.parse)
        body = await self._get(place, uds.user_target(self._user), self._authorization)
        user = self._read(place, body, uds.User.parse)
        return Account(
            user=self._user,
            home=place,
            servers=servers.servers,
            served=user.home_cluster and bool(user.service_profile),
        )

    async def _get(self, place: UdsServer, target: str, authorization: str | None = None) -> Response:
        return await self._data.get(
            place, target, user=self._user, tracking=self._tracking, authorization=authorization
        )

    def _granted(self, place: UdsServer, answer: Response) -> None:
        if answer.status != 200:
            raise Refused(f"{place.host} answered {answer.status}")

    def _read(self, place: UdsServer, answer: Response, parse: Callable[[bytes], T]) -> T:
        self._granted(place, answer)
        try:
            return parse(answer.body)
        except uds.UdsError as error:
            raise _NodeUseless(f"{place.host}: {error}") from None


SERVERS = "/cucm-uds/servers"
