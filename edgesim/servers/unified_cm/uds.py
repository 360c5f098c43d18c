"""User Data Services: the web application ``/cucm-uds`` on port 8443.

``version``, ``servers``, ``clusterUser``, ``options`` and (unless contact search is authenticated) ``users`` are
public. ``user/{id}`` and everything below it require Basic credentials, and only those of that user: another name in
the path gets a 401 without a challenge.

Source: User Data Services API reference and developer guide (developer.cisco.com).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from edgesim.deployment.hosts import UnifiedCmNode
from edgesim.deployment.people import Device, User
from edgesim.edge import uds
from edgesim.edge.config_files import device_file, profile_file
from edgesim.edge.markup import tag
from edgesim.http import Credentials, Request, Response
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key, user_key
from edgesim.servers.unified_cm.database import Database
from edgesim.servers.unified_cm.directory_search import CRITERIA, search
from edgesim.servers.unified_cm.tomcat import Tomcat
from edgesim.world import HostClock

Answer = Callable[["Call"], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The node's and cluster's parameters that UDS shows. ``product`` is the release in the form of UDS.

    ``ids_are_exact``: the user id in the credentials must have the case of the one on record; otherwise its case does
    not matter for the password, only for the comparison with the path.
    """

    schema: str
    product: str
    port: int
    search_limit: int
    search_maximum: int
    private_users_status: int
    configuration_port: int
    secure_configuration_port: int
    search_needs_credentials: bool = False
    ids_are_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request in the application: the variable parts of its path, and its user."""

    request: Request
    uri: str
    parts: tuple[str, ...]
    user: User | None = None

    @property
    def owner(self) -> User:
        """The user whose resource it is; always set, because the resource requires credentials."""
        assert self.user is not None
        return self.user


class Refused(Exception):
    """A response other than success; the message goes into the body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Uds:
    """The application on one node. ``available`` False answers 503, as during an upgrade."""

    def __init__(
        self,
        database: Database,
        node: UnifiedCmNode,
        settings: Settings,
        *,
        tomcat: Tomcat,
        journal: Recorder,
        clock: HostClock,
    ) -> None:
        self._database = database
        self._node = node
        self._settings = settings
        self._tomcat = tomcat
        self._journal = journal
        self._clock = clock
        self.available = True
        self._base = self._base_of(node.server_name)
        private = settings.search_needs_credentials
        self._resources: dict[tuple[str, ...], tuple[bool, dict[str, Answer]]] = {
            ("version",): (False, {"GET": self._version}),
            ("servers",): (False, {"GET": self._servers}),
            ("clusterUser",): (False, {"GET": self._cluster_user}),
            ("users",): (private, {"GET": self._users}),
            ("private", "users"): (False, {"POST": self._private_users}),
            ("options", "installedLocales"): (False, {"GET": self._locales}),
            ("user", "*"): (True, {"GET": self._user}),
            ("user", "*", "devices"): (True, {"GET": self._devices}),
            ("user", "*", "device", "*"): (True, {"GET": self._device}),
            ("user", "*", "device", "*", "extensions"): (True, {"GET": self._device_extensions}),
            ("user", "*", "credentials"): (True, {"GET": self._credentials, "PUT": self._set_credentials}),
            ("user", "*", "extensions"): (True, {"GET": self._extensions}),
            ("user", "*", "speedDials"): (True, {"GET": self._no_speed_dials}),
            ("user", "*", "subscribedServices"): (True, {"GET": self._no_services}),
        }

    def _base_of(self, host: str) -> str:
        return f"https://{host}:{self._settings.port}{uds.ROOT}"

    def keys(self, request: Request) -> tuple[Key, ...]:
        """Return the journal's key of the user that the target names, if any."""
        parts = request.path.split("/", 4)
        if parts[1:3] == ["cucm-uds", "user"] and len(parts) > 3:
            return (user_key(unquote(parts[3])),)
        if parts[1:] == ["cucm-uds", "clusterUser"] and (name := request.parameter("username")):
            return (user_key(name),)
        return ()

    # ---- dispatch

    def handle(self, request: Request) -> Response:
        """Answer a request whose path begins with ``/cucm-uds``."""
        uri = self._base + request.target[len(uds.ROOT) :]
        if not self.available:
            return self._failure(uri, 503, "the service is not available")
        path = [unquote(part) for part in request.path[len(uds.ROOT) :].split("/")[1:]]
        if path and path[-1] == "":
            path.pop()
        found = self._find(path)
        if found is None:
            return self._failure(uri, 404, "no such resource")
        (needs_user, methods), parts = found
        user = None
        if needs_user:
            verdict = self._authenticate(request, parts)
            if isinstance(verdict, Response):
                return verdict
            user = verdict
        answer = methods.get("GET" if request.method == "HEAD" else request.method)
        if answer is None:
            return self._failure(uri, 405, f"{request.method[:20]} is not supported here", allow=_allowed(methods))
        try:
            response = answer(Call(request=request, uri=uri, parts=parts, user=user))
        except Refused as refused:
            response = self._failure(uri, refused.status, refused.message)
        return self._tomcat.signed_in(request, response) if needs_user else response

    def _find(self, path: list[str]) -> tuple[tuple[bool, dict[str, Answer]], tuple[str, ...]] | None:
        for pattern, resource in self._resources.items():
            if len(pattern) == len(path) and all(p in ("*", part) for p, part in zip(pattern, path, strict=True)):
                return resource, tuple(part for p, part in zip(pattern, path, strict=True) if p == "*")
        return None

    def _failure(self, uri: str, status: int, message: str, *, allow: tuple[str, ...] = ()) -> Response:
        body = uds.Failure(uri=uri, code=status, message=message, version=self._settings.schema).document()
        response = self._tomcat.document(body, uds.CONTENT_TYPE, status)
        if allow:
            headers = response.headers.added("Allow", ", ".join(allow))
            return Response(status=status, reason=response.reason, headers=headers, body=body)
        return response

    def _authenticate(self, request: Request, parts: tuple[str, ...]) -> User | Response:
        """Return the authenticated user, or the 401. A user's resource is only for that user."""
        given = request.basic()
        if given is None:
            return self._tomcat.unauthorized()
        user = self._check(given, request)
        if user is None:
            return self._tomcat.unauthorized()
        if parts and parts[0] != given.user:
            self._authenticated(given.user, False, f"for user/{parts[0][:128]}")
            return self._tomcat.unauthorized(challenge=False)
        self._authenticated(user.id, True, "")
        return user

    def _check(self, given: Credentials, request: Request) -> User | None:
        database = self._database
        known = given.user
        if not self._settings.ids_are_exact:
            folded = known.casefold()
            known = next((name for name in database.users if name.casefold() == folded), known)
        user = database.accepts(known, given.password)
        address = request.peer[0] if request.peer else ""
        database.logged_in(known, granted=user is not None, at=self._clock.time(), address=address)
        if user is None:
            detail = "wrong password" if known in database.users else "unknown user"
            self._authenticated(given.user, False, detail)
        return user

    def _authenticated(self, user: str, granted: bool, detail: str) -> None:
        event = events.Authentication(user=user[:128], how="basic", granted=granted, detail=detail)
        self._journal.emit(event, keys=(user_key(user),))

    # ---- public resources

    def _document(self, body: Any) -> Response:
        return self._tomcat.document(body.document(), uds.CONTENT_TYPE)

    def _version(self, call: Call) -> Response:
        settings = self._settings
        return self._document(
            uds.Version(
                uri=call.uri,
                product=settings.product,
                version=settings.schema,
                users_resource_auth_enabled=settings.search_needs_credentials,
            )
        )

    def _servers(self, call: Call) -> Response:
        names = tuple(node.server_name for node in self._database.cluster.nodes)
        return self._document(uds.Servers(uri=call.uri, servers=names, version=self._settings.schema))

    def _cluster_user(self, call: Call) -> Response:
        names = {"username": "username", "email": "email", "useridentifier": "upn"}
        given = {names[key]: value for key, value in call.request.query_items() if key in names and value}
        if len(given) != 1:
            raise Refused(415, "one of username, email and useridentifier is needed")
        user = self._database.find(**given)
        cluster = self._database.home_of(user) if user is not None else None
        home = None
        if user is not None and cluster is not None:
            host = cluster.publisher.server_name
            base = self._base_of(host)
            home = uds.HomeCluster(host=host, servers_uri=f"{base}/servers", user_uri=f"{base}{_below(user)}")
        return self._document(uds.ClusterUser(uri=call.uri, home=home, version=self._settings.schema))

    def _users(self, call: Call) -> Response:
        settings = self._settings
        given = dict(reversed(call.request.query_items()))
        start = _count(given.get("start"), 0)
        limit = min(_count(given.get("max"), settings.search_limit), settings.search_maximum)
        criteria = {name: given[name] for name in CRITERIA if given.get(name)}
        found = search(self._database.users.values(), criteria)
        people = tuple(self._person(user) for user in found[start : start + limit])
        return self._document(
            uds.Users(
                uri=call.uri,
                users=people,
                requested=limit,
                total=len(found),
                start=start,
                version=settings.schema,
            )
        )

    def _person(self, user: User) -> uds.Person:
        return uds.Person(
            uri=self._user_uri(user),
            id=self._database.pkid("enduser", user.id),
            user_name=user.id,
            first_name=user.first_name,
            last_name=user.last_name,
            display_name=user.display_name,
            phone_number=user.numbers[0] if user.numbers else "",
            email=user.mail,
            directory_uri=user.directory_uri,
        )

    def _private_users(self, call: Call) -> Response:
        raise Refused(self._settings.private_users_status, "this request cannot be processed")

    def _locales(self, call: Call) -> Response:
        option = tag("option", "<value>1</value>", "<name>English, United States</name>")
        body = uds.DECLARATION + tag("installedLocales", option)
        return self._tomcat.document(body.encode(), uds.CONTENT_TYPE)

    # ---- the user's own resources

    def _user(self, call: Call) -> Response:
        user, database, settings = call.owner, self._database, self._settings
        tftp = database.cluster.node(database.cluster.tftp[0]).server_name if database.cluster.tftp else None
        profile = user.service_profile if tftp else None
        return self._document(
            uds.User(
                uri=self._user_uri(user),
                id=database.pkid("enduser", user.id),
                user_name=user.id,
                first_name=user.first_name,
                last_name=user.last_name,
                display_name=user.display_name,
                phone_number=user.numbers[0] if user.numbers else "",
                locales_uri=f"{self._base}/options/installedLocales",
                email=user.mail,
                directory_uri=user.directory_uri,
                home_cluster=database.is_homed_here(user),
                enable_im_and_presence=user.im_presence,
                im_and_presence=self._im_presence_of(user),
                service_profile=profile and f"http://{tftp}:{settings.configuration_port}/{profile_file(profile)}",
                version=settings.schema,
            )
        )

    def _im_presence_of(self, user: User) -> str | None:
        for node in self._database.deployment.im_presence_nodes:
            if user.im_presence and node.name == user.im_presence_node:
                return node.fqdn
        return None

    def _user_uri(self, user: User) -> str:
        return f"{self._base}{_below(user)}"

    def _devices(self, call: Call) -> Response:
        wanted = call.request.parameter("model")
        devices = tuple(
            self._device_of(call.owner, device)
            for device in self._database.devices_of(call.owner)
            if not wanted or wanted in (device.product, str(device.model))
        )
        uri = f"{self._user_uri(call.owner)}/devices"
        return self._document(uds.Devices(uri=uri, devices=devices, version=self._settings.schema))

    def _device(self, call: Call) -> Response:
        return self._document(self._device_of(call.owner, self._owned(call)))

    def _owned(self, call: Call) -> Device:
        for device in self._database.devices_of(call.owner):
            if self._database.pkid("device", device.name) == call.parts[1].lower():
                return device
        raise Refused(404, "no such device")

    def _device_of(self, user: User, device: Device) -> uds.Device:
        key = self._database.pkid("device", device.name)
        cluster = self._database.cluster
        tftp = cluster.node(cluster.tftp[0]).server_name if cluster.tftp else None
        port = self._settings.secure_configuration_port
        return uds.Device(
            uri=f"{self._user_uri(user)}/device/{key}",
            id=key,
            name=device.name,
            model=device.product,
            description=device.description,
            provision=tftp and f"https://{tftp}:{port}/{device_file(device.name)}",
            version=self._settings.schema,
        )

    def _extensions(self, call: Call) -> Response:
        lines = dict.fromkeys(each.line for each in self._database.devices_of(call.owner) if each.line)
        return self._extensions_of(call, tuple(lines))

    def _device_extensions(self, call: Call) -> Response:
        line = self._owned(call).line
        return self._extensions_of(call, (line,) if line else ())

    def _extensions_of(self, call: Call, lines: tuple[str, ...]) -> Response:
        found = tuple((self._database.pkid("numplan", line), line) for line in lines)
        return self._document(uds.Extensions(uri=call.uri, extensions=found, version=self._settings.schema))

    def _no_speed_dials(self, call: Call) -> Response:
        return self._empty(call, "userSpeedDials", "speedDials")

    def _no_services(self, call: Call) -> Response:
        return self._empty(call, "userSubscribedServices", "subscribedServices")

    def _empty(self, call: Call, outer: str, inner: str) -> Response:
        nothing = tag(inner, attributes=(("appliesToAllDevices", "true"), ("totalCount", "0")))
        body = tag(outer, nothing, attributes=(("uri", call.uri), ("version", self._settings.schema)))
        return self._tomcat.document((uds.DECLARATION + body).encode(), uds.CONTENT_TYPE)

    def _credentials(self, call: Call) -> Response:
        login = self._database.login(call.owner.id)
        at = ""
        if login.at is not None:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(login.at * 1000))
            at = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        return self._document(
            uds.LoginDetails(
                uri=call.uri,
                last_login=at,
                last_login_address=login.address,
                failures=login.failures,
                version=self._settings.schema,
            )
        )

    def _set_credentials(self, call: Call) -> Response:
        if not self._database.is_homed_here(call.owner):
            raise Refused(409, "the user is not homed on this cluster")
        kind = (call.request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if kind not in ("application/xml", "text/xml"):
            raise Refused(415, "an XML body is needed")
        try:
            new = uds.NewCredentials.parse(call.request.body)
        except uds.UdsError as error:
            broken = events.Malformed(protocol="uds", reason=str(error), answer="answered 415")
            self._journal.received(broken, peer=call.request.peer)
            raise Refused(415, str(error)) from None
        self._database.set_credentials(call.owner.id, password=new.password, pin=new.pin)
        return self._tomcat.nothing()


def _below(user: User) -> str:
    """Return the path of a user below the root of UDS, with the id encoded as in request targets."""
    return uds.user_target(user.id)[len(uds.ROOT) :]


def _allowed(methods: Iterable[str]) -> tuple[str, ...]:
    """Return the methods that a resource allows: HEAD wherever GET is."""
    return tuple(each for method in methods for each in ((method, "HEAD") if method == "GET" else (method,)))


def _count(value: str | None, default: int) -> int:
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 6):
        raise Refused(415, "start and max are numbers")
    return int(value)
