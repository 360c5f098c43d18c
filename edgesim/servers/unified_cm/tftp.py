"""The TFTP service, as far as it serves configuration files over HTTP: port 6970 plain, 6972 with TLS.

Anyone who can reach the service may fetch any file; over TLS it requests a certificate, which both ``tomcat-trust`` and
``callmanager-trust`` must trust. Names are matched exactly.

Source: "Cisco Jabber and SIP OAuth Mode" (Cisco 215572); "Understand MRA Certificate Requirements and Apache Traffic
Server History" (Cisco 225476).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from edgesim.deployment.hosts import UnifiedCmCluster
from edgesim.deployment.people import Device
from edgesim.edge.config_files import (
    CACHE_LIST,
    CONTENT_TYPE,
    GLOBAL_SETTINGS,
    JABBER_CONFIG,
    CallManager,
    DeviceConfig,
    GlobalSettings,
    JabberConfig,
    Line,
    ServiceProfile,
    SipTimers,
    device_file,
    profile_file,
)
from edgesim.http import Headers, Request, Response
from edgesim.journal.keys import Key, device_key, user_key
from edgesim.servers.unified_cm.database import Database
from edgesim.world import HostClock

JABBER_SETTINGS = JabberConfig(groups=(("Directory", (("DirectoryServerType", "UDS"),)),))
"""The default content of ``jabber-config.xml``."""
_MODES = {"non secure": 1, "authenticated": 2, "encrypted": 3}
_TRANSPORTS = {"TCP": 1, "TCP+UDP": 1, "UDP": 2, "TLS": 3}


class Tftp:
    """The service on one node. ``jabber`` may be replaced while it runs."""

    def __init__(
        self,
        database: Database,
        *,
        product: str,
        timers: SipTimers,
        sip_port: int,
        secure_sip_port: int,
        oauth_port: int,
        oauth_edge_port: int,
        clock: HostClock,
        jabber: JabberConfig = JABBER_SETTINGS,
    ) -> None:
        self._database = database
        self._product = product
        self._timers = timers
        self._ports = (sip_port, secure_sip_port, oauth_port, oauth_edge_port)
        self._clock = clock
        self.jabber = jabber
        cluster = database.cluster
        self._files: dict[str, Callable[[], bytes]] = {
            GLOBAL_SETTINGS: self._global_settings,
            JABBER_CONFIG: lambda: self.jabber.document(),
            CACHE_LIST: self._cache_list,
        }
        for profile in cluster.service_profiles:
            self._files[profile_file(profile.name)] = lambda name=profile.name: self._service_profile(name)  # type: ignore[misc] # bound now
        for device in database.devices.values():
            self._files[device_file(device.name)] = lambda device=device: self._device(device)  # type: ignore[misc] # bound now

    def keys(self, request: Request) -> tuple[Key, ...]:
        """Return the journal's keys of the device whose file is requested."""
        device = self._database.devices.get(unquote(request.path[1:]).removesuffix(device_file("")))
        if device is None:
            return ()
        return (device_key(device.name), *((user_key(device.owner),) if device.owner else ()))

    def handle(self, request: Request) -> Response:
        """Answer a request: the file, 404, or 405 for anything but GET and HEAD."""
        date = ("Date", self._clock.http_date())
        if request.method not in ("GET", "HEAD"):
            return Response(status=405, headers=Headers([("Allow", "GET, HEAD"), date, ("Content-Length", "0")]))
        name = unquote(request.path[1:])
        make = self._files.get(name)
        if make is None:
            return Response(status=404, headers=Headers([date, ("Content-Length", "0")]))
        body = make()
        kind = "text/plain" if name == CACHE_LIST else CONTENT_TYPE
        headers = [("Cache-Control", "no-store"), ("Content-Type", kind), date, ("Content-Length", str(len(body)))]
        return Response(status=200, headers=Headers(headers), body=body)

    # ---- the files

    def _cluster(self) -> UnifiedCmCluster:
        return self._database.cluster

    def _cache_list(self) -> bytes:
        return "".join(f"{name}\n" for name in self._files if name != CACHE_LIST).encode()

    def _global_settings(self) -> bytes:
        cluster = self._cluster()
        return GlobalSettings(
            version=self._product,
            cluster_security_mode=int(cluster.mixed_mode),
            sip_oauth=cluster.sip_oauth,
            oauth_refresh=cluster.oauth_refresh,
            contact_search_authentication=cluster.contact_search_authentication,
        ).document()

    def _service_profile(self, name: str) -> bytes:
        cluster = self._cluster()
        profile = cluster.service_profile(name)
        chats = [each for each in self._database.deployment.im_presence if each.unified_cm == cluster.name]
        return ServiceProfile(
            name=name,
            presence=tuple(node.fqdn for each in chats for node in each.nodes) if profile.im_presence else (),
            cti=tuple(node.server_name for node in cluster.nodes) if profile.cti else (),
            uds_directory=profile.uds_directory,
        ).document()

    def _device(self, device: Device) -> bytes:
        cluster, database = self._cluster(), self._database
        profile = next((each for each in cluster.security_profiles if each.name == device.security_profile), None)
        user = database.user(device.owner) if device.owner else None
        plain, secure, oauth, oauth_edge = self._ports
        managers = (cluster.node(name) for name in cluster.call_manager_group)
        line = Line(
            name=device.line or "",
            contact=database.pkid("line", f"{device.name}/{device.line}"),
            label=user.display_name if user else "",
            display_name=user.display_name if user else "",
            port=plain,
        )
        return DeviceConfig(
            uuid=database.pkid("device", device.name),
            call_managers=tuple(
                CallManager(
                    name=node.server_name,
                    description=node.name,
                    process_node=node.server_name,
                    sip_port=plain,
                    secured_sip_port=secure,
                    sip_oauth_port=oauth,
                    sip_mra_oauth_port=oauth_edge,
                )
                for node in managers
            ),
            lines=(line,) if device.line else (),
            load=device.firmware or "",
            owner=device.owner or "",
            service_profile=(user.service_profile if user else None) or "SPDefault",
            timers=self._timers,
            transport=_TRANSPORTS[profile.transport] if profile else 1,
            security_mode=_MODES[profile.mode] if profile else 1,
            encrypted=profile.encrypted_configuration if profile else False,
            oauth=cluster.sip_oauth and profile is not None and profile.oauth,
            capf=cluster.publisher.server_name if device.enrolled else None,
        ).document()
