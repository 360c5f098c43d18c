"""The client machines of a deployment, and the users that a story has assigned to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from edgesim.control import Carrier
from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.deployment.settings import JABBER_PLATFORMS
from edgesim.scenario.clients import DEVICE_USERS, DeviceUser, JabberUser, SeatedUser
from edgesim.scenario.declare import CannotRun, Client

D = TypeVar("D", bound=DeviceUser)
U = TypeVar("U", bound=SeatedUser)


class Seats:
    """The machines of a deployment's clients. Each is given to one user at a time."""

    def __init__(self, carrier: Carrier, deployment: Deployment) -> None:
        self.deployment = deployment
        self.users: dict[str, SeatedUser] = {}
        """The users that have a machine, by machine."""
        self._carrier = carrier
        self._taken: set[str] = set()

    def take(self, machine: str) -> None:
        """Take a machine out of what is given to users."""
        self._taken.add(machine)

    async def leave(self, user: SeatedUser) -> None:
        """Have a user close the client and leave the machine to the next."""
        await user.close()
        self._taken.discard(user.machine)

    def jabber(self, user: User, seat: Client, machine: str | None = None) -> JabberUser:
        """Seat a user at a Jabber: on a free machine in the right zone, or on the one named. Raises `CannotRun`."""
        platform = JABBER_PLATFORMS.get(seat.platform)
        if platform is None:
            raise CannotRun(f"Jabber does not run on a {seat.platform}: lab.{seat.platform} returns it")
        for spec in self._free(seat) if machine is None else self._named(machine):
            if spec.jabber_platform is not None:
                domain = self.deployment.domains.edge
                return self._seated(JabberUser(self._carrier, spec, user, domain=domain, platform=platform))
        zone = "inside" if seat.where == "inside" else "internet"
        which = f"free client machine {machine!r}" if machine else f"free client machine in zone {zone!r}"
        raise CannotRun(f"deployment {self.deployment.name!r} has no {which}")

    def at(self, user: str, seat: Client) -> SeatedUser:
        """Seat a user as wanted: at a Jabber, or at the device of that kind that the user owns. Raises `CannotRun`."""
        if seat.platform not in DEVICE_USERS:
            return self.jabber(self.deployment.user(user), seat)
        owned = {device.name for device in self.deployment.devices_of(user)}
        for machine in self._free(seat):
            if machine.platform == seat.platform and machine.device in owned:
                return self.device(machine.name)
        raise CannotRun(f"{user} owns no {seat.platform} {seat.where} in deployment {self.deployment.name!r}")

    def device(self, name: str) -> DeviceUser:
        """Seat its owner at the device that a machine is. Raises `CannotRun`."""
        return self.device_of(name, DEVICE_USERS.get(self._machine(name).platform, DeviceUser))

    def device_of(self, name: str, kind: type[D]) -> D:
        """Seat its owner at the device of a kind that a machine is. Raises `CannotRun`."""
        machine, deployment = self._machine(name), self.deployment
        if machine.device is None or DEVICE_USERS.get(machine.platform) is not kind:
            wanted = next((each for each, user in DEVICE_USERS.items() if user is kind), "device")
            raise CannotRun(f"{name} is not a {wanted} of deployment {deployment.name!r}")
        if name in self._taken:
            raise CannotRun(f"{name} is already in use")
        device = deployment.device(machine.device)
        if device.owner is None:
            raise CannotRun(f"{device.name} has no owner")
        owner = deployment.user(device.owner)
        return self._seated(kind(self._carrier, machine, owner, domain=deployment.domains.edge))

    def _machine(self, name: str) -> ClientHost:
        machine = self.deployment.host(name).spec
        if not isinstance(machine, ClientHost):
            raise CannotRun(f"{name} is not a machine of clients")
        return machine

    def _seated(self, user: U) -> U:
        self._taken.add(user.machine)
        self.users[user.machine] = user
        return user

    def _named(self, name: str) -> Iterator[ClientHost]:
        return (each for each in self.deployment.clients if each.name == name and name not in self._taken)

    def _free(self, seat: Client) -> Iterator[ClientHost]:
        """Yield the machines of clients in the right zone that are free."""
        zone = "inside" if seat.where == "inside" else "internet"
        for machine in self.deployment.clients:
            if machine.name not in self._taken and machine.zone == zone:
                yield machine
