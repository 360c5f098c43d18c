"""Documents of User Data Services (UDS), the directory and self-care interface of Unified CM under ``/cucm-uds``.

Every document is a frozen class with its writer (``document``, what the server sends) and its reader (``parse``, for
clients and for Expressway-C). Element order, attribute order and the missing line breaks are those of public captures;
where a capture and the API reference differ, the capture won.

Sources: User Data Services API reference and developer guide (developer.cisco.com); captures in "Collaboration Edge
TC-based Endpoints Configuration Example" (Cisco 211304).

Hosts in URIs may be bare host names, and absolute and bare ones are mixed in one answer: readers take what they get.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import quote
from xml.etree.ElementTree import Element

from edgesim.edge.markup import LIMITS, XmlLimits, leaf, local, read, tag, text, word

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
CONTENT_TYPE = "application/xml"
REALM = "Cisco Web Services Realm"
ROOT = "/cucm-uds"


class UdsError(Exception):
    """A body is not the UDS document that it should be."""


def _root(body: bytes, name: str, limits: XmlLimits) -> Element:
    try:
        root = read(body, limits)
    except ValueError as error:
        raise UdsError(str(error)) from None
    if local(root.tag) != name:
        raise UdsError(f"document of <{local(root.tag)[:40]}>, <{name}> expected")
    return root


def _number(root: Element, attribute: str, default: int | None = None) -> int:
    value = root.get(attribute)
    if value is None and default is not None:
        return default
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UdsError(f"{attribute}={value!r} of <{local(root.tag)}> is not a number")
    return int(value)


def _true(value: str | None) -> bool:
    return (value or "").strip().lower() == "true"


def _encode(root: str) -> bytes:
    return (DECLARATION + root).encode()


# ---- clusterUser


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeCluster:
    """Where a user is homed: the cluster's answering host, and the URIs of its servers and of the user there."""

    host: str
    servers_uri: str
    user_uri: str
    self_provisioning_secure_mode: bool = True
    admin_provision_mode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterUser:
    """Answer to ``clusterUser?username=|email=|useridentifier=``: the home cluster, or None for an unknown user.

    The status is 200 either way. ``uri`` repeats the request's URI.
    """

    uri: str
    home: HomeCluster | None = None
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        return _encode(tag("clusterUser", *self._children(), attributes=(("version", self.version), ("uri", self.uri))))

    def _children(self) -> tuple[str, ...]:
        home = self.home
        if home is None:
            return (leaf("result", None, ("found", "false")),)
        details = tag(
            "homeClusterDetails",
            leaf("selfProvisioningSecureMode", home.self_provisioning_secure_mode),
            leaf("adminProvisionMode", home.admin_provision_mode),
        )
        return (
            leaf("result", None, ("found", "true"), ("uri", home.user_uri), ("version", self.version)),
            leaf("homeCluster", home.host, ("serversUri", home.servers_uri)),
            details,
        )

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "clusterUser", limits)
        answer = cls(uri=root.get("uri", ""), version=root.get("version", ""))
        result = root.find("result")
        if result is None or result.get("found") not in ("true", "false"):
            raise UdsError("<clusterUser> without a <result> that says whether the user was found")
        if result.get("found") == "false":
            return answer
        cluster = root.find("homeCluster")
        if cluster is None or not (cluster.text or "").strip():
            raise UdsError("<clusterUser> of a user that was found, without <homeCluster>")
        home = HomeCluster(
            host=(cluster.text or "").strip(),
            servers_uri=cluster.get("serversUri", ""),
            user_uri=result.get("uri", ""),
            self_provisioning_secure_mode=_true(text(root, "homeClusterDetails/selfProvisioningSecureMode")),
            admin_provision_mode=_true(text(root, "homeClusterDetails/adminProvisionMode")),
        )
        return replace(answer, home=home)


# ---- servers, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Answer to ``servers``: the nodes of the cluster. Clients use the first, then the next if it is busy."""

    uri: str
    servers: tuple[str, ...]
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        children = (leaf("server", name) for name in self.servers)
        return _encode(tag("servers", *children, attributes=(("version", self.version), ("uri", self.uri))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "servers", limits)
        names = tuple(name for item in root.findall("server") if (name := (item.text or "").strip()))
        return cls(uri=root.get("uri", ""), servers=names, version=root.get("version", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Answer to ``version``: ``product`` is the release of Unified CM, ``version`` that of the schema."""

    uri: str
    product: str
    version: str = "10.5.0"
    users_resource_auth_enabled: bool = False
    upgrade_in_progress: bool | None = None

    def document(self) -> bytes:
        """Return the body."""
        children = [
            leaf("version", self.product),
            tag("capabilities", leaf("usersResourceAuthEnabled", self.users_resource_auth_enabled)),
        ]
        if self.upgrade_in_progress is not None:
            children.append(leaf("upgradeInProgress", self.upgrade_in_progress))
        return _encode(tag("versionInformation", *children, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "versionInformation", limits)
        product = text(root, "version")
        if not product:
            raise UdsError("<versionInformation> without <version>")
        upgrading = root.find("upgradeInProgress")
        return cls(
            uri=root.get("uri", ""),
            product=product,
            version=root.get("version", ""),
            users_resource_auth_enabled=_true(text(root, "capabilities/usersResourceAuthEnabled")),
            upgrade_in_progress=None if upgrading is None else _true(upgrading.text),
        )


# ---- user


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Answer to ``user/{id}``, and to ``PUT user/{id}``.

    ``im_and_presence`` is the user's home IM and Presence node or None, ``home_cluster`` whether *Home Cluster* is
    ticked, ``service_profile`` and ``jabber_profile`` the URIs of configuration files (the latter from release 12.5).
    """

    uri: str
    id: str
    user_name: str
    first_name: str = ""
    last_name: str = ""
    middle_name: str = ""
    nick_name: str = ""
    display_name: str | None = None
    phone_number: str = ""
    home_number: str = ""
    mobile_number: str = ""
    mobile_connect: bool = False
    remote_destination_limit: int = 4
    locale: str = "English, United States"
    locale_value: str = ""
    locales_uri: str = ""
    email: str = ""
    directory_uri: str = ""
    ms_uri: str = ""
    department: str = ""
    manager: str = ""
    title: str = ""
    pager: str = ""
    self_service_id: str = ""
    use_ldap_auth: bool = False
    account_type: str = "local"
    home_cluster: bool = True
    enable_im_and_presence: bool = False
    enable_calendar_presence: bool = False
    im_and_presence: str | None = None
    do_not_disturb: bool = False
    service_profile: str | None = None
    jabber_profile: str | None = None
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body, in the element order of the capture."""
        uri = self.uri
        presence = tag("imAndPresence", leaf("server", self.im_and_presence) if self.im_and_presence else "")
        children = [
            leaf("id", self.id),
            leaf("userName", self.user_name),
            leaf("firstName", self.first_name),
            leaf("lastName", self.last_name),
            leaf("middleName", self.middle_name),
            leaf("nickName", self.nick_name),
            *([] if self.display_name is None else [leaf("displayName", self.display_name)]),
            leaf("phoneNumber", self.phone_number),
            leaf("homeNumber", self.home_number),
            leaf("mobileNumber", self.mobile_number),
            leaf("mobileConnect", self.mobile_connect),
            leaf("remoteDestinationLimit", self.remote_destination_limit),
            leaf(
                "userLocale",
                self.locale,
                ("uri", self.locales_uri),
                ("value", self.locale_value),
                ("appliesToAllDevices", "true"),
            ),
            leaf("email", self.email),
            leaf("directoryUri", self.directory_uri),
            leaf("msUri", self.ms_uri),
            leaf("department", self.department),
            leaf("manager", self.manager),
            leaf("title", self.title),
            leaf("pager", self.pager),
            leaf("selfServiceId", self.self_service_id),
            leaf("accountType", self.account_type, ("useLdapAuth", word(self.use_ldap_auth))),
            leaf(
                "homeCluster",
                self.home_cluster,
                ("enableImAndPresence", word(self.enable_im_and_presence)),
                ("enableCalendarPresence", word(self.enable_calendar_presence)),
            ),
            presence,
            leaf("enableDoNotDisturb", self.do_not_disturb, ("appliesToAllDevices", "true")),
            *([] if self.service_profile is None else [tag("serviceProfile", leaf("uri", self.service_profile))]),
            *([] if self.jabber_profile is None else [tag("jabberProfile", leaf("uri", self.jabber_profile))]),
            *(leaf(name, None, ("uri", f"{uri}/{name}")) for name in LINKS),
        ]
        return _encode(tag("user", *children, attributes=(("uri", uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "user", limits)
        name = text(root, "userName")
        if not name:
            raise UdsError("<user> without <userName>")
        home, account, locale = root.find("homeCluster"), root.find("accountType"), root.find("userLocale")
        return cls(
            uri=root.get("uri", ""),
            id=text(root, "id"),
            user_name=name,
            first_name=text(root, "firstName"),
            last_name=text(root, "lastName"),
            middle_name=text(root, "middleName"),
            nick_name=text(root, "nickName"),
            display_name=None if root.find("displayName") is None else text(root, "displayName"),
            phone_number=text(root, "phoneNumber"),
            home_number=text(root, "homeNumber"),
            mobile_number=text(root, "mobileNumber"),
            mobile_connect=_true(text(root, "mobileConnect")),
            remote_destination_limit=_count(text(root, "remoteDestinationLimit")),
            locale=text(root, "userLocale"),
            locale_value="" if locale is None else locale.get("value", ""),
            locales_uri="" if locale is None else locale.get("uri", ""),
            email=text(root, "email"),
            directory_uri=text(root, "directoryUri"),
            ms_uri=text(root, "msUri"),
            department=text(root, "department"),
            manager=text(root, "manager"),
            title=text(root, "title"),
            pager=text(root, "pager"),
            self_service_id=text(root, "selfServiceId"),
            use_ldap_auth=account is not None and _true(account.get("useLdapAuth")),
            account_type=text(root, "accountType"),
            home_cluster=_true(text(root, "homeCluster")),
            enable_im_and_presence=home is not None and _true(home.get("enableImAndPresence")),
            enable_calendar_presence=home is not None and _true(home.get("enableCalendarPresence")),
            im_and_presence=text(root, "imAndPresence/server") or None,
            do_not_disturb=_true(text(root, "enableDoNotDisturb")),
            service_profile=text(root, "serviceProfile/uri") or None,
            jabber_profile=text(root, "jabberProfile/uri") or None,
            version=root.get("version", ""),
        )


LINKS = ("devices", "credentials", "extensions", "subscribedServices", "speedDials")
"""Resources below ``user/{id}`` that the user document links, in captured order."""


def _count(value: str) -> int:
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UdsError(f"{value[:20]!r} is not a number")
    return int(value)


# ---- devices, device


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of a user. ``provision`` is the URI of its configuration file; only the single resource carries it."""

    uri: str
    id: str
    name: str
    model: str
    type: str = "Phone"
    description: str = ""
    protocol: str = "SIP"
    editable: bool = True
    provision: str | None = None
    has_primary_number: bool = True
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body of ``user/{id}/device/{pkid}``."""
        children = [
            leaf("id", self.id),
            leaf("name", self.name),
            leaf("type", self.type),
            leaf("description", self.description, ("editable", word(self.editable))),
            leaf("model", self.model),
            leaf("protocol", self.protocol),
            *([] if self.provision is None else [tag("provision", leaf("uri", self.provision))]),
            *(leaf(name, None, ("uri", f"{self.uri}/{name}")) for name in LINKS[2:]),
        ]
        attributes = (
            ("uri", self.uri),
            ("version", self.version),
            ("hasPrimaryNumber", word(self.has_primary_number)),
        )
        return _encode(tag("device", *children, attributes=attributes))

    def item(self) -> str:
        """Return the element by which the list ``devices`` mentions it."""
        children = (
            leaf("id", self.id),
            leaf("name", self.name),
            leaf("type", self.type),
            leaf("model", self.model),
            leaf("description", self.description, ("editable", word(self.editable))),
            leaf("protocol", self.protocol),
        )
        return tag("device", *children, attributes=(("uri", self.uri),))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body of ``user/{id}/device/{pkid}``. Raises `UdsError`."""
        return cls.of(_root(body, "device", limits))

    @classmethod
    def of(cls, root: Element) -> Self:
        """Read an element ``device``. Raises `UdsError`."""
        name = text(root, "name")
        if not name:
            raise UdsError("<device> without <name>")
        description = root.find("description")
        return cls(
            uri=root.get("uri", ""),
            id=text(root, "id"),
            name=name,
            model=text(root, "model"),
            type=text(root, "type"),
            description=text(root, "description"),
            protocol=text(root, "protocol"),
            editable=description is not None and _true(description.get("editable")),
            provision=text(root, "provision/uri") or None,
            has_primary_number=root.get("hasPrimaryNumber") != "false",
            version=root.get("version", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """Answer to ``user/{id}/devices``: the call by which Expressway-C has Unified CM check a password."""

    uri: str
    devices: tuple[Device, ...]
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        children = (device.item() for device in self.devices)
        return _encode(tag("devices", *children, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "devices", limits)
        devices = tuple(Device.of(item) for item in root.findall("device"))
        return cls(uri=root.get("uri", ""), devices=devices, version=root.get("version", ""))


# ---- extensions


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Answer to ``user/{id}/extensions`` and ``.../device/{pkid}/extensions``: ids and numbers, the primary first."""

    uri: str
    extensions: tuple[tuple[str, str], ...]
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        children = (
            tag(
                "extension",
                leaf("id", key),
                leaf("directoryNumber", number),
                leaf("voiceMailPilotNumber", None),
                attributes=(("uri", f"{self.uri.removesuffix('s')}/{key}"), ("isPrimary", word(position == 0))),
            )
            for position, (key, number) in enumerate(self.extensions)
        )
        return _encode(tag("extensions", *children, attributes=(("version", self.version), ("uri", self.uri))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "extensions", limits)
        found = tuple((text(item, "id"), text(item, "directoryNumber")) for item in root.findall("extension"))
        return cls(uri=root.get("uri", ""), extensions=found, version=root.get("version", ""))


# ---- users: the directory search


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A hit of the directory search."""

    uri: str
    id: str
    user_name: str
    first_name: str = ""
    last_name: str = ""
    display_name: str = ""
    phone_number: str = ""
    home_number: str = ""
    mobile_number: str = ""
    email: str = ""
    directory_uri: str = ""
    ms_uri: str = ""
    department: str = ""
    manager: str = ""
    title: str = ""

    def item(self) -> str:
        """Return the element ``user``."""
        children = (
            leaf("id", self.id),
            leaf("userName", self.user_name),
            leaf("firstName", self.first_name),
            leaf("lastName", self.last_name),
            leaf("middleName", ""),
            leaf("nickName", ""),
            leaf("displayName", self.display_name),
            leaf("phoneNumber", self.phone_number),
            leaf("homeNumber", self.home_number),
            leaf("mobileNumber", self.mobile_number),
            leaf("email", self.email),
            leaf("directoryUri", self.directory_uri),
            leaf("msUri", self.ms_uri),
            leaf("department", self.department),
            leaf("manager", self.manager),
            leaf("title", self.title),
            leaf("pager", ""),
        )
        return tag("user", *children, attributes=(("uri", self.uri),))

    @classmethod
    def of(cls, root: Element) -> Self:
        """Read an element ``user``. Raises `UdsError`."""
        name = text(root, "userName")
        if not name:
            raise UdsError("<user> without <userName>")
        return cls(
            uri=root.get("uri", ""),
            id=text(root, "id"),
            user_name=name,
            first_name=text(root, "firstName"),
            last_name=text(root, "lastName"),
            display_name=text(root, "displayName"),
            phone_number=text(root, "phoneNumber"),
            home_number=text(root, "homeNumber"),
            mobile_number=text(root, "mobileNumber"),
            email=text(root, "email"),
            directory_uri=text(root, "directoryUri"),
            ms_uri=text(root, "msUri"),
            department=text(root, "department"),
            manager=text(root, "manager"),
            title=text(root, "title"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Answer to ``users?...``: ``requested`` is the request's ``max``, ``total`` counts every match."""

    uri: str
    users: tuple[Person, ...]
    requested: int
    total: int
    start: int = 0
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        attributes = (
            ("uri", self.uri),
            ("version", self.version),
            ("start", str(self.start)),
            ("requestedCount", str(self.requested)),
            ("returnedCount", str(len(self.users))),
            ("totalCount", str(self.total)),
        )
        return _encode(tag("users", *(person.item() for person in self.users), attributes=attributes))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`, also where ``returnedCount`` is not the number of users."""
        root = _root(body, "users", limits)
        users = tuple(Person.of(item) for item in root.findall("user"))
        if _number(root, "returnedCount", len(users)) != len(users):
            raise UdsError(f"returnedCount={root.get('returnedCount')} with {len(users)} users")
        return cls(
            uri=root.get("uri", ""),
            users=users,
            requested=_number(root, "requestedCount", len(users)),
            total=_number(root, "totalCount", len(users)),
            start=_number(root, "start", 0),
            version=root.get("version", ""),
        )


# ---- credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginDetails:
    """Answer to ``GET user/{id}/credentials``. ``last_login`` is ISO 8601 in UTC with milliseconds, or empty."""

    uri: str
    last_login: str = ""
    last_login_address: str = ""
    failures: int = 0
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        details = tag(
            "loginDetails",
            leaf("lastSuccessfulLogin", self.last_login),
            leaf("lastSuccessfulLoginIp", self.last_login_address),
        )
        credential = tag("credential", details, leaf("loginFailures", self.failures))
        return _encode(tag("credentials", credential, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "credentials", limits)
        return cls(
            uri=root.get("uri", ""),
            last_login=text(root, "credential/loginDetails/lastSuccessfulLogin"),
            last_login_address=text(root, "credential/loginDetails/lastSuccessfulLoginIp"),
            failures=_count(text(root, "credential/loginFailures")),
            version=root.get("version", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """Body of ``PUT user/{id}/credentials``; None leaves a value as it is. The answer is 204 without a body."""

    password: str | None = None
    pin: str | None = None

    def document(self) -> bytes:
        """Return the body."""
        children = (
            leaf("credential", value, ("type", kind))
            for kind, value in (("password", self.password), ("pin", self.pin))
            if value is not None
        )
        return _encode(tag("credentials", *children))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError` for an unknown or repeated type, an empty value, or none at all."""
        root = _root(body, "credentials", limits)
        values: dict[str, str] = {}
        for item in root.findall("credential"):
            kind = item.get("type", "")
            if kind not in ("password", "pin") or kind in values:
                raise UdsError(f"credential of type {kind[:20]!r}: one password and one pin are allowed")
            if not item.text:
                raise UdsError(f"empty {kind}")
            values[kind] = item.text
        if not values:
            raise UdsError("no <credential>")
        return cls(**values)


# ---- errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Body of an error answer other than 401."""

    uri: str
    code: int
    message: str
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        error = tag("error", leaf("code", self.code), leaf("message", self.message))
        return _encode(tag("errors", error, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Read the body. Raises `UdsError`."""
        root = _root(body, "errors", limits)
        return cls(
            uri=root.get("uri", ""),
            code=_count(text(root, "error/code")),
            message=text(root, "error/message"),
            version=root.get("version", ""),
        )


# ---- targets of requests


def cluster_user_target(*, username: str | None = None, email: str | None = None, upn: str | None = None) -> str:
    """Return the request target that asks for a home cluster by exactly one of user id, mail address and UPN."""
    given = [
        (key, v) for key, v in (("username", username), ("email", email), ("useridentifier", upn)) if v is not None
    ]
    if len(given) != 1:
        raise ValueError("clusterUser takes exactly one of username, email and upn")
    ((key, value),) = given
    return f"{ROOT}/clusterUser?{key}={quote(value, safe='@')}"


def user_target(user: str, *below: str) -> str:
    """Return the target of ``user/{id}`` or of a resource below it, e.g. ``user_target("jdoe", "devices")``."""
    return "/".join((ROOT, "user", quote(user, safe="@"), *below))
