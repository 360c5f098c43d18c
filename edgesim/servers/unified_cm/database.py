"""The configuration database of a Unified CM cluster, as read by one node.

The administrator's configuration comes from the deployment. Data that changes at run time (passwords, login details,
entries under *Device > Expressway-C*) is on the disk of the node that received it, and survives a restart.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import UnifiedCmCluster
from edgesim.deployment.people import Device, User
from edgesim.deployment.settings import SecurityProfile

LOGINS_KEPT = 10_000
"""How many user ids may have login details: attempts with invented ids must not fill the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A device, as needed for registration. ``users`` are the associated users."""

    name: str
    lines: tuple[str, ...]
    owner: str
    model: int
    profile: str
    secure: bool
    oauth: bool
    digest: bool
    transports: tuple[str, ...]
    users: tuple[str, ...] = ()
    dual_mode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Login details of a user: Unix time and address of the last success, and failures since."""

    at: float | None = None
    address: str = ""
    failures: int = 0


class Database:
    """The cluster's users, devices and nodes, with the data stored on ``disk``."""

    def __init__(self, deployment: Deployment, cluster: UnifiedCmCluster, disk: dict[str, Any]) -> None:
        self.deployment = deployment
        self.cluster = cluster
        self.users: dict[str, User] = {user.id: user for user in deployment.users if _is_known(user, cluster)}
        devices = [device for device in deployment.devices if device.cluster == cluster.name]
        self.devices: dict[str, Device] = {device.name: device for device in devices}
        profiles = {profile.name: profile for profile in cluster.security_profiles}
        associated: dict[str, tuple[str, ...]] = {}
        for user in deployment.users:
            for name in user.devices:
                associated[name] = (*associated.get(name, ()), user.id)
        self._phones = {
            device.name: _phone(device, profiles.get(device.security_profile), associated.get(device.name, ()))
            for device in devices
        }
        self._by_line: dict[str, tuple[Phone, ...]] = {}
        for phone in self._phones.values():
            for line in phone.lines:
                self._by_line[line] = (*self._by_line.get(line, ()), phone)
        self._passwords: dict[str, str] = disk.setdefault("enduser.password", {})
        self._pins: dict[str, str] = disk.setdefault("enduser.pin", {})
        self._logins: dict[str, Login] = disk.setdefault("enduser.login", {})
        self.expressways: dict[str, tuple[str, str]] = disk.setdefault("expresswaycconfiguration", {})
        """Description and subject names of every Expressway-C, by host."""

    def pkid(self, kind: str, name: str) -> str:
        """Return the primary key of a row: a UUID that depends only on the deployment."""
        return self.deployment.pkid(kind, f"{self.cluster.name}/{name}")

    # ---- phones

    def phone(self, name: str) -> Phone | None:
        """Return a device by name."""
        return self._phones.get(name)

    def phones_with(self, line: str) -> tuple[Phone, ...]:
        """Return the devices that have a directory number."""
        return self._by_line.get(line, ())

    # ---- users

    def user(self, user_id: str) -> User | None:
        """Return an end user; the id is case-sensitive."""
        return self.users.get(user_id)

    def is_homed_here(self, user: User) -> bool:
        """Return whether *Home Cluster* is ticked for the user on this cluster."""
        return (user.homed and user.home_cluster == self.cluster.name) or self.cluster.name in user.also_homed_at

    def home_of(self, user: User) -> UnifiedCmCluster | None:
        """Return the user's home cluster, as known here: this cluster first, then its cluster view."""
        if self.is_homed_here(user):
            return self.cluster
        for name in self.cluster.knows_clusters:
            if (user.homed and user.home_cluster == name) or name in user.also_homed_at:
                return self.deployment.cluster(name)
        return None

    def find(self, *, username: str | None = None, email: str | None = None, upn: str | None = None) -> User | None:
        """Return the user, of any cluster of the network, by id, mail address or UPN."""
        for user in self.deployment.users:
            if username is not None and user.id == username:
                return user
            if email is not None and user.mail.lower() == email.lower():
                return user
            if upn is not None and upn.lower() in (user.mail.lower(), user.directory_uri.lower()):
                return user
        return None

    def devices_of(self, user: User) -> tuple[Device, ...]:
        """Return the user's devices on this cluster."""
        names = user.devices
        return tuple(device for name in names if (device := self.devices.get(name)) is not None)

    def accepts(self, user_id: str, password: str) -> User | None:
        """Return the user with this id (case-sensitive) and password."""
        user = self.users.get(user_id)
        if user is None:
            return None
        known = self._passwords.get(user_id, user.password)
        return user if hmac.compare_digest(known.encode(), password.encode("utf-8", "surrogateescape")) else None

    def set_credentials(self, user_id: str, *, password: str | None, pin: str | None) -> None:
        """Store new credentials; None leaves a value unchanged."""
        if password is not None:
            self._passwords[user_id] = password
        if pin is not None:
            self._pins[user_id] = pin

    def login(self, user_id: str) -> Login:
        """Return a user's login details."""
        return self._logins.get(user_id, Login())

    def logged_in(self, user_id: str, *, granted: bool, at: float, address: str) -> None:
        """Store the outcome of a known user's login; ``at`` is Unix time."""
        if user_id not in self.users or (user_id not in self._logins and len(self._logins) >= LOGINS_KEPT):
            return
        if granted:
            self._logins[user_id] = Login(at=at, address=address)
        else:
            before = self.login(user_id)
            self._logins[user_id] = Login(at=before.at, address=before.address, failures=before.failures + 1)


def _is_known(user: User, cluster: UnifiedCmCluster) -> bool:
    return cluster.name == user.home_cluster or cluster.name in user.also_homed_at


def _phone(device: Device, profile: SecurityProfile | None, users: tuple[str, ...]) -> Phone:
    profile = profile or SecurityProfile()
    secure = profile.mode != "non secure"
    return Phone(
        name=device.name,
        lines=() if device.line is None else (device.line,),
        owner=device.owner or "",
        users=users,
        model=device.model,
        profile=profile.name,
        secure=secure,
        oauth=profile.oauth,
        digest=profile.digest,
        dual_mode=device.type in ("iphone", "android"),
        transports=("TLS",) if secure else tuple(name for name in profile.transport.split("+") if name != "TLS"),
    )
