"""The simulated clients on the machines of a lab: one on each at most, built when somebody first uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import Device, User
from edgesim.node import Node

if TYPE_CHECKING:
    from edgesim.clients.ip_phone import IpPhone
    from edgesim.clients.jabber import Jabber
    from edgesim.clients.room_device import RoomDevice

JabberPlatform = Literal["windows", "mac", "ios", "android"]


class NoClient(LookupError):
    """There is no such client, or not one that does what was asked; the text says what there is."""


class Clients:
    """The clients of a lab by their machines. What belongs to a machine's owner is found in the deployment."""

    def __init__(self) -> None:
        self._jabbers: dict[str, Jabber] = {}
        self._phones: dict[str, IpPhone] = {}
        self._rooms: dict[str, RoomDevice] = {}

    def jabber(self, node: Node, user: str, password: str | None, platform: JabberPlatform | None = None) -> Jabber:
        """Return the Jabber of a user on a machine, built where there is none; on the machine's platform unless told.

        A ``user`` whom the deployment does not have needs a ``password``. Raises `NoClient`.
        """
        from edgesim.clients.jabber import Jabber

        machine = _machine(node)
        if machine.platform not in get_args(JabberPlatform):
            raise NoClient(f"{node.name} is a {machine.platform}: no Jabber runs on it")
        found = self._jabbers.get(node.name)
        if found is not None and found.user.id == user and platform in (None, found.platform):
            return found
        if found is not None and found.stage.value != "signed out":
            raise NoClient(f"{found.user.id} uses {node.name}, with Jabber for {found.platform}")
        chosen = platform or machine.platform
        assert chosen != "phone" and chosen != "room"
        made = self._jabbers[node.name] = Jabber(node, _user(node, user, password), platform=chosen)
        return made

    def device(self, node: Node) -> IpPhone | RoomDevice:
        """Return the phone or room device that a machine is. Raises `NoClient`."""
        return self.phone(node) if _machine(node).platform == "phone" else self.room(node)

    def phone(self, node: Node) -> IpPhone:
        """Return the phone that a machine is. Raises `NoClient`."""
        from edgesim.clients.ip_phone import IpPhone

        if node.name not in self._phones:
            self._phones[node.name] = IpPhone(node, *_owned(node, "phone"))
        return self._phones[node.name]

    def room(self, node: Node) -> RoomDevice:
        """Return the room device that a machine is. Raises `NoClient`."""
        from edgesim.clients.room_device import RoomDevice

        if node.name not in self._rooms:
            self._rooms[node.name] = RoomDevice(node, *_owned(node, "room"))
        return self._rooms[node.name]

    def used(self, node: Node) -> Jabber | IpPhone | RoomDevice | None:
        """Return the client that was used on a machine, if any was."""
        return self._jabbers.get(node.name) or self._phones.get(node.name) or self._rooms.get(node.name)

    def jabber_of(self, node: Node) -> Jabber | None:
        """Return the Jabber that was used on a machine, if any was."""
        return self._jabbers.get(node.name)

    def chatting(self, node: Node) -> Jabber:
        """Return the Jabber that was used on a machine. Raises `NoClient` where there is none."""
        if node.name not in self._jabbers:
            raise NoClient(f"Jabber is not used on {node.name}")
        return self._jabbers[node.name]


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


def _owned(node: Node, platform: str) -> tuple[Device, User]:
    """Return the device that a machine is, and its owner. Raises `NoClient`."""
    machine, deployment = _machine(node), node.deployment
    if machine.device is None or machine.platform != platform:
        raise NoClient(f"{node.name} is not a {platform} of deployment {deployment.name!r}")
    device = deployment.device(machine.device)
    if device.owner is None:
        raise NoClient(f"{device.name} has no owner")
    return device, deployment.user(device.owner)
