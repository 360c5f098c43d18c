"""The files that Unified CM's TFTP service serves over HTTP: device configurations, profiles, Jabber's settings.

Each file is a frozen class with a writer (``document``) and a reader (``parse``). A device file follows the public
fragment in "Cisco Jabber and SIP OAuth Mode" (Cisco 215572), including the undeclared prefix ``xsi`` of its root, which
is why it is read without namespaces. ``jabber-config.xml`` follows the parameters reference of Cisco Jabber. The
content of a service profile and of ``global-settings.xml`` is not public: their layout is the testbed's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from xml.etree.ElementTree import Element

from edgesim.edge.markup import LIMITS, XmlLimits, leaf, read, tag, text, word

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
CONTENT_TYPE = "text/xml"
GLOBAL_SETTINGS = "global-settings.xml"
JABBER_CONFIG = "jabber-config.xml"
CACHE_LIST = "ConfigFileCacheList.txt"


class ConfigFileError(Exception):
    """The body is not the expected configuration file."""


def device_file(device: str) -> str:
    """Return the name of a device's configuration file, e.g. ``CSFJDOE.cnf.xml``."""
    return f"{device}.cnf.xml"


def profile_file(profile: str) -> str:
    """Return the name of a service profile's file, e.g. ``SPDefault.cnf.xml``."""
    return f"{profile}.cnf.xml"


def _root(body: bytes, name: str, limits: XmlLimits) -> Element:
    try:
        root = read(body, limits, namespaces=False)
    except ValueError as error:
        raise ConfigFileError(str(error)) from None
    if root.tag != name:
        raise ConfigFileError(f"expected a <{name}> document, got <{root.tag[:40]}>")
    return root


def _number(parent: Element, path: str, default: int) -> int:
    value = text(parent, path)
    if not value:
        return default
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise ConfigFileError(f"<{path}> is {value[:20]!r}, not a number")
    return int(value)


def _lines(*elements: str) -> tuple[str, ...]:
    """Put every element on its own line."""
    return ("\n", *(f"{element}\n" for element in elements if element))


# ---- device files


@dataclass(frozen=True, slots=True, kw_only=True)
class CallManager:
    """A member of the CallManager group, where a device may register. Ports are those of the node."""

    name: str
    description: str = ""
    process_node: str = ""
    sip_port: int
    secured_sip_port: int
    sip_oauth_port: int
    sip_mra_oauth_port: int
    ethernet_phone_port: int = 2000

    def item(self) -> str:
        """Return the element ``callManager``."""
        ports = (
            leaf("ethernetPhonePort", self.ethernet_phone_port),
            leaf("sipPort", self.sip_port),
            leaf("securedSipPort", self.secured_sip_port),
            leaf("sipOAuthPort", self.sip_oauth_port),
            leaf("sipMRAOAuthPort", self.sip_mra_oauth_port),
            tag("mgcpPorts", *_lines(leaf("listen", 2427), leaf("keepAlive", 2428))),
        )
        return tag(
            "callManager",
            *_lines(
                leaf("name", self.name),
                leaf("description", self.description),
                tag("ports", *_lines(*ports)),
                leaf("processNodeName", self.process_node or self.name),
            ),
        )

    @classmethod
    def of(cls, root: Element) -> Self:
        """Parse an element ``callManager``. Raises `ConfigFileError`."""
        node = text(root, "processNodeName")
        name = text(root, "name") or node
        if not name:
            raise ConfigFileError("<callManager> without <name> and <processNodeName>")
        return cls(
            name=name,
            description=text(root, "description"),
            process_node=node or name,
            sip_port=_number(root, "ports/sipPort", 5060),
            secured_sip_port=_number(root, "ports/securedSipPort", 5061),
            sip_oauth_port=_number(root, "ports/sipOAuthPort", 5090),
            sip_mra_oauth_port=_number(root, "ports/sipMRAOAuthPort", 5091),
            ethernet_phone_port=_number(root, "ports/ethernetPhonePort", 2000),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the device: ``name`` is the directory number, ``contact`` the user part of Contact (a UUID)."""

    name: str
    contact: str
    button: int = 1
    label: str = ""
    display_name: str = ""
    proxy: str = "USECALLMANAGER"
    port: int
    auth_name: str = ""

    def item(self) -> str:
        """Return the element ``line``."""
        children = (
            leaf("featureID", 9),
            leaf("featureLabel", self.label),
            leaf("proxy", self.proxy),
            leaf("port", self.port),
            leaf("name", self.name),
            leaf("displayName", self.display_name),
            leaf("authName", self.auth_name),
            leaf("sharedLine", False),
            leaf("contact", self.contact),
        )
        number = str(self.button)
        return tag("line", *_lines(*children), attributes=(("button", number), ("lineIndex", number)))

    @classmethod
    def of(cls, root: Element) -> Self:
        """Parse an element ``line``. Raises `ConfigFileError`."""
        name = text(root, "name")
        if not name:
            raise ConfigFileError("<line> without <name>")
        button = root.get("button", "1")
        return cls(
            name=name,
            contact=text(root, "contact") or name,
            button=int(button) if button.isascii() and button.isdigit() and len(button) < 4 else 1,
            label=text(root, "featureLabel"),
            display_name=text(root, "displayName"),
            proxy=text(root, "proxy"),
            port=_number(root, "port", 5060),
            auth_name=text(root, "authName"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SipTimers:
    """Registration timers of the SIP profile, in seconds."""

    register_expires: int
    register_delta: int
    keep_alive_expires: int
    subscribe_expires: int
    subscribe_delta: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """``<device name>.cnf.xml``, of Jabber (CSF, TCT, BOT, TAB) and of phones (SEP).

    ``call_managers`` are in order of priority. ``security_mode`` is 1 non-secure, 2 authenticated, 3 encrypted;
    ``transport`` 1 TCP, 2 UDP, 3 TLS; with ``oauth`` (``sipOAuthMode``) a client outside registers to
    ``sip_mra_oauth_port``. ``cert_hash`` is the MD5 of a locally significant certificate. ``mra_service_domain``
    redirects an onboarded phone.
    """

    uuid: str
    call_managers: tuple[CallManager, ...]
    lines: tuple[Line, ...]
    ctiid: int = 24
    load: str = ""
    owner: str = ""
    service_profile: str = "SPDefault"
    timers: SipTimers
    transport: int = 1
    security_mode: int = 1
    cert_hash: str = ""
    encrypted: bool = False
    oauth: bool = False
    capf: str | None = None
    mra_service_domain: str | None = None
    connection_monitor: int = 120

    def document(self) -> bytes:
        """Return the file. Its root is as captured: two spaces, and an undeclared prefix."""
        opening = f'<device  xsi:type="axl:XIPPhone" ctiid="{self.ctiid}" uuid="{{{self.uuid}}}">'
        children = _lines(
            leaf("fullConfig", True),
            leaf("deviceProtocol", "SIP"),
            self._device_pool(),
            self._sip_profile(),
            leaf("loadInformation", self.load),
            leaf("deviceSecurityMode", self.security_mode),
            self._capf(),
            leaf("certHash", self.cert_hash),
            leaf("encrConfig", self.encrypted),
            leaf("sipOAuthMode", int(self.oauth)),
            "" if self.mra_service_domain is None else leaf("mraServiceDomain", self.mra_service_domain),
            leaf("transportLayerProtocol", self.transport),
            leaf("userId", self.owner, ("serviceProfileFile", profile_file(self.service_profile))),
            leaf("ownerId", self.owner, ("serviceProfileFile", profile_file(self.service_profile))),
        )
        return (DECLARATION + opening + "".join(children) + "</device>\n").encode()

    def _device_pool(self) -> str:
        members = (
            tag("member", *_lines(manager.item()), attributes=(("priority", str(priority)),))
            for priority, manager in enumerate(self.call_managers)
        )
        group = tag("callManagerGroup", *_lines(leaf("name", "Default"), tag("members", *_lines(*members))))
        monitor = leaf("connectionMonitorDuration", self.connection_monitor)
        return tag("devicePool", *_lines(leaf("name", "Default"), group, monitor))

    def _sip_profile(self) -> str:
        timers = self.timers
        stack = (
            leaf("timerRegisterExpires", timers.register_expires),
            leaf("timerRegisterDelta", timers.register_delta),
            leaf("timerKeepAliveExpires", timers.keep_alive_expires),
            leaf("timerSubscribeExpires", timers.subscribe_expires),
            leaf("timerSubscribeDelta", timers.subscribe_delta),
        )
        return tag(
            "sipProfile",
            *_lines(
                tag("sipProxies", *_lines(leaf("registerWithProxy", True))),
                tag("sipStack", *_lines(*stack)),
                tag("sipLines", *_lines(*(line.item() for line in self.lines))),
            ),
        )

    def _capf(self) -> str:
        if self.capf is None:
            return leaf("capfList", None)
        return tag("capfList", *_lines(tag("capf", leaf("phonePort", 3804), leaf("processNodeName", self.capf))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the file. Raises `ConfigFileError`."""
        root = _root(body, "device", limits)
        members = root.findall("devicePool/callManagerGroup/members/member")
        ordered = sorted(members, key=_priority)
        managers = tuple(CallManager.of(node) for item in ordered if (node := item.find("callManager")) is not None)
        if not managers:
            raise ConfigFileError("no <callManager> to register with")
        owner = root.find("ownerId")
        profile = "SPDefault" if owner is None else owner.get("serviceProfileFile", "SPDefault")
        stack = "sipProfile/sipStack/timer"
        return cls(
            uuid=root.get("uuid", "").strip("{}"),
            call_managers=managers,
            lines=tuple(Line.of(item) for item in root.findall("sipProfile/sipLines/line")),
            ctiid=_attribute_number(root, "ctiid"),
            load=text(root, "loadInformation"),
            owner=text(root, "ownerId"),
            service_profile=profile.removesuffix(".cnf.xml"),
            timers=SipTimers(
                register_expires=_number(root, stack + "RegisterExpires", 3600),
                register_delta=_number(root, stack + "RegisterDelta", 5),
                keep_alive_expires=_number(root, stack + "KeepAliveExpires", 120),
                subscribe_expires=_number(root, stack + "SubscribeExpires", 120),
                subscribe_delta=_number(root, stack + "SubscribeDelta", 5),
            ),
            transport=_number(root, "transportLayerProtocol", 1),
            security_mode=_number(root, "deviceSecurityMode", 1),
            cert_hash=text(root, "certHash"),
            encrypted=text(root, "encrConfig") == "true",
            oauth=_number(root, "sipOAuthMode", 0) == 1,
            capf=text(root, "capfList/capf/processNodeName") or None,
            mra_service_domain=text(root, "mraServiceDomain") or None,
            connection_monitor=_number(root, "devicePool/connectionMonitorDuration", 120),
        )


def _priority(member: Element) -> int:
    return _attribute_number(member, "priority")


def _attribute_number(element: Element, attribute: str) -> int:
    value = element.get(attribute, "0")
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise ConfigFileError(f"{attribute}={value[:20]!r} is not a number")
    return int(value)


# ---- service profile


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceProfile:
    """``SPDefault.cnf.xml`` and similar: Jabber's services, in order of preference.

    Each service is a list of host names. ``uds_directory`` makes UDS the directory; outside it always is.
    """

    name: str
    presence: tuple[str, ...] = ()
    cti: tuple[str, ...] = ()
    voicemail: tuple[str, ...] = ()
    conferencing: tuple[str, ...] = ()
    uds_directory: bool = True

    def document(self) -> bytes:
        """Return the file."""
        children = _lines(
            leaf("name", self.name),
            *(_servers(service, getattr(self, attribute)) for service, attribute in _SERVICES),
            tag("directory", leaf("useUDS", self.uds_directory)),
        )
        return (DECLARATION + tag("serviceProfile", *children, attributes=(("version", "1.0"),)) + "\n").encode()

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the file. Raises `ConfigFileError`."""
        root = _root(body, "serviceProfile", limits)
        name = text(root, "name")
        if not name:
            raise ConfigFileError("<serviceProfile> without <name>")
        services = {
            attribute: tuple(host for item in root.findall(f"{service}/server") if (host := (item.text or "").strip()))
            for service, attribute in _SERVICES
        }
        return cls(name=name, uds_directory=text(root, "directory/useUDS") == "true", **services)


_SERVICES = (
    ("imAndPresence", "presence"),
    ("cti", "cti"),
    ("voicemail", "voicemail"),
    ("conferencing", "conferencing"),
)


def _servers(service: str, hosts: tuple[str, ...]) -> str:
    return tag(service, *(leaf("server", host) for host in hosts))


# ---- jabber-config.xml and JAB_<id>.cnf.xml


@dataclass(frozen=True, slots=True, kw_only=True)
class JabberConfig:
    """``jabber-config.xml``: groups (``Policies``, ``Client``, ``Phone`` ...) of parameters, in file order."""

    groups: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    def get(self, group: str, parameter: str) -> str | None:
        """Return a parameter; the last occurrence counts."""
        found = [value for name, items in self.groups if name == group for key, value in items if key == parameter]
        return found[-1] if found else None

    def document(self) -> bytes:
        """Return the file. Group and parameter names must be XML names."""
        groups = (
            tag(name, *_lines(*(leaf(key, value) for key, value in parameters))) for name, parameters in self.groups
        )
        root = tag("config", *_lines(*groups), attributes=(("version", "1.0"),))
        return ('<?xml version="1.0" encoding="utf-8"?>\n' + root + "\n").encode()

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the file. Raises `ConfigFileError`."""
        root = _root(body, "config", limits)
        return cls(groups=tuple((group.tag, tuple((i.tag, (i.text or "").strip()) for i in group)) for group in root))


# ---- global-settings.xml


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalSettings:
    """``global-settings.xml``: the settings for every client of the cluster."""

    version: str
    cluster_security_mode: int = 0
    sip_oauth: bool = False
    oauth_refresh: bool = False
    contact_search_authentication: bool = False

    def document(self) -> bytes:
        """Return the file."""
        children = _lines(
            leaf("version", self.version),
            leaf("clusterSecurityMode", self.cluster_security_mode),
            leaf("sipOAuthMode", int(self.sip_oauth)),
            leaf("oauthRefreshLoginFlow", self.oauth_refresh),
            leaf("contactSearchAuthentication", word(self.contact_search_authentication)),
        )
        return (DECLARATION + tag("globalSettings", *children) + "\n").encode()

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the file. Raises `ConfigFileError`."""
        root = _root(body, "globalSettings", limits)
        return cls(
            version=text(root, "version"),
            cluster_security_mode=_number(root, "clusterSecurityMode", 0),
            sip_oauth=_number(root, "sipOAuthMode", 0) == 1,
            oauth_refresh=text(root, "oauthRefreshLoginFlow") == "true",
            contact_search_authentication=text(root, "contactSearchAuthentication") == "true",
        )
