"""Documents about one user: the user and the credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from edgesim.edge.markup import LIMITS, XmlLimits, leaf, tag, text, word
from edgesim.edge.uds.common import LINKS, UdsError, count_of, encoded, is_true, root_of


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Response to ``user/{id}``, and to ``PUT user/{id}``.

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
        return encoded(tag("user", *children, attributes=(("uri", uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "user", limits)
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
            mobile_connect=is_true(text(root, "mobileConnect")),
            remote_destination_limit=count_of(text(root, "remoteDestinationLimit")),
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
            use_ldap_auth=account is not None and is_true(account.get("useLdapAuth")),
            account_type=text(root, "accountType"),
            home_cluster=is_true(text(root, "homeCluster")),
            enable_im_and_presence=home is not None and is_true(home.get("enableImAndPresence")),
            enable_calendar_presence=home is not None and is_true(home.get("enableCalendarPresence")),
            im_and_presence=text(root, "imAndPresence/server") or None,
            do_not_disturb=is_true(text(root, "enableDoNotDisturb")),
            service_profile=text(root, "serviceProfile/uri") or None,
            jabber_profile=text(root, "jabberProfile/uri") or None,
            version=root.get("version", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginDetails:
    """Response to ``GET user/{id}/credentials``. ``last_login`` is ISO 8601 in UTC with milliseconds, or empty."""

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
        return encoded(tag("credentials", credential, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "credentials", limits)
        return cls(
            uri=root.get("uri", ""),
            last_login=text(root, "credential/loginDetails/lastSuccessfulLogin"),
            last_login_address=text(root, "credential/loginDetails/lastSuccessfulLoginIp"),
            failures=count_of(text(root, "credential/loginFailures")),
            version=root.get("version", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredentials:
    """Body of ``PUT user/{id}/credentials``; None leaves a value unchanged. The response is 204 without a body."""

    password: str | None = None
    pin: str | None = None

    def document(self) -> bytes:
        """Return the body."""
        children = (
            leaf("credential", value, ("type", kind))
            for kind, value in (("password", self.password), ("pin", self.pin))
            if value is not None
        )
        return encoded(tag("credentials", *children))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError` for an unknown or repeated type, an empty value, or none at all."""
        root = root_of(body, "credentials", limits)
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
