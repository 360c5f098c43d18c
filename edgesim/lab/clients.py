"""The simulated clients on the machines of a lab: at most one on each, built when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import Device, User
from edgesim.deployment.settings import JabberPlatform
from edgesim.node import Node

if TYPE_CHECKING:
    from edgesim.clients.common.device import EdgeDevice
    from edgesim.clients.jabber import Jabber

D = TypeVar("D", bound="EdgeDevice")


class NoClient(LookupError):
    """There is no such client, or it lacks a feature; the text says what exists."""


class Clients:
    """The clients of a lab by their machines. What belongs to a machine's owner is found in the deployment."""

    def __init__(self) -> None:
        self._jabbers: dict[str, Jabber] = {}
        self._devices: dict[str, EdgeDevice] = {}

    def jabber(self, node: Node, user: str, password: str | None, platform: JabberPlatform | None = None) -> Jabber:
        """Return the Jabber of a user on a machine, built if there is none; by default on the machine's platform.

        A ``user`` that the deployment does not have needs a ``password``. Raises `NoClient`.
        """
        from edgesim.clients.jabber import Jabber

        machine = _machine(node)
        if machine.jabber_platform is None:
            raise NoClient(f"{node.name} is a {machine.platform}: no Jabber runs on it")
        found = self._jabbers.get(node.name)
        if found is not None and found.user.id == user and platform in (None, found.platform):
            return found
        if found is not None and found.stage.value != "signed out":
            raise NoClient(f"{found.user.id} uses {node.name}, with Jabber for {found.platform}")
        chosen = platform or machine.jabber_platform
        made = self._jabbers[node.name] = Jabber(node, _user(node, user, password), platform=chosen)
        return made

    def device(self, node: Node) -> EdgeDevice:
        """Return the phone or room device that a machine is, built where there is none. Raises `NoClient`."""
        if node.name not in self._devices:
            self._devices[node.name] = _built(node)
        return self._devices[node.name]

    def device_of(self, node: Node, kind: type[D]) -> D:
        """Return the device of a kind that a machine is. Raises `NoClient`."""
        found = self.device(node)
        if not isinstance(found, kind):
            raise NoClient(f"{node.name} is a {_machine(node).platform}")
        return found

    def used(self, node: Node) -> Jabber | EdgeDevice | None:
        """Return the client that was used on a machine, if any was."""
        return self._jabbers.get(node.name) or self._devices.get(node.name)

    def jabber_of(self, node: Node) -> Jabber | None:
        """Return the Jabber that was used on a machine, if any was."""
        return self._jabbers.get(node.name)

    def chatting(self, node: Node) -> Jabber:
        """Return the Jabber that was used on a machine. Raises `NoClient` where there is none."""
        if node.name not in self._jabbers:
            raise NoClient(f"Jabber is not used on {node.name}")
        return self._jabbers[node.name]


def _phone(node: Node, device: Device, user: User) -> EdgeDevice:
    from edgesim.clients.ip_phone import IpPhone

    return IpPhone(node, device, user)


def _room(node: Node, device: Device, user: User) -> EdgeDevice:
    from edgesim.clients.room_device import RoomDevice

    return RoomDevice(node, device, user)


DEVICES: Mapping[str, Callable[[Node, Device, User], EdgeDevice]] = {"phone": _phone, "room": _room}
"""How the devices of each platform are built; a lab that has none of a family does not load its code."""


def _built(node: Node) -> EdgeDevice:
    """Build the device that a machine is. Raises `NoClient`."""
    machine, deployment = _machine(node), node.deployment
    build = DEVICES.get(machine.platform)
    if machine.device is None or build is None:
        raise NoClient(f"{node.name} is not a device of deployment {deployment.name!r}")
    device = deployment.device(machine.device)
    if device.owner is None:
        raise NoClient(f"{device.name} has no owner")
    return build(node, device, deployment.user(device.owner))


def _machine(node: Node) -> ClientHost:
    machine = node.spec.spec
    if not isinstance(machine, ClientHost):
        raise NoClient(f"{node.name} is not a machine of clients")
    return machine


def _user(node: Node, user: str, password: str | None) -> User:
    try:
        return node.deployment.user(user)
    except LookupError as error:
        if password is None:
            raise NoClient(f"{error}; somebody unknown needs a password") from None
    return User.stranger(user, password)
