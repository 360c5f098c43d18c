"""The users of a story: each has a client, and acts by verbs on the lab.

The objects here do not contain the client, which runs on its machine; they send commands and query its state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgesim.control import (
    AddCa,
    AddContact,
    Appear,
    Boot,
    Carrier,
    ClientView,
    CloseClient,
    LookAtClient,
    PresenceOf,
    Say,
    SetProvisioningMode,
    SignedIn,
    SignIn,
    SignOut,
)
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.deployment.settings import JabberPlatform, ProvisioningMode
from edgesim.scenario.declare import Show


class SeatedUser:
    """A user at a client. ``machine`` is the client's machine by name, ``address`` that machine's first address.

    ``domain`` is the services domain of the next sign-in.
    """

    def __init__(self, carrier: Carrier, machine: ClientHost, user: User, *, domain: str) -> None:
        self.machine = machine.name
        self.address = machine.address
        self.user = user
        self.domain = domain
        self._carrier = carrier

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.user.id} at {self.machine}>"

    async def sign_in(self, password: str | None = None) -> SignedIn:
        """Sign in with name and password (the user's own, unless given); never raises for what the network does."""
        return await self._carrier.ask(self._sign_in(password))

    def _sign_in(self, password: str | None) -> SignIn:
        return SignIn(host=self.machine, password=password, domain=self.domain)

    async def sign_out(self) -> None:
        """End registration and chat session; a sign-in under way ends first."""
        await self._carrier.ask(SignOut(host=self.machine))

    async def close(self) -> None:
        """End the client without signing out, like a killed program. It can be used again."""
        await self._carrier.ask(CloseClient(host=self.machine))

    async def look(self) -> ClientView:
        """Return what the client shows: registration, messages, contacts; nothing where it was never used."""
        return await self._carrier.ask(LookAtClient(host=self.machine))

    async def registered(self) -> bool:
        """Return whether the device, or Jabber's phone service, is registered."""
        return (await self.look()).registered


class JabberUser(SeatedUser):
    """A user at a Jabber.

    ``accept_untrusted`` is the user's answer to the question about a certificate that does not verify, ``take_over``
    the answer when the device is in use by another client. ``excluded`` are services left out of discovery: ``CUCM``,
    ``CUP``. All of them count from the next sign-in on.
    """

    def __init__(
        self, carrier: Carrier, machine: ClientHost, user: User, *, domain: str, platform: JabberPlatform = "windows"
    ) -> None:
        super().__init__(carrier, machine, user, domain=domain)
        self.platform = platform
        self.accept_untrusted = False
        self.take_over = True
        self.excluded: Sequence[str] = ()

    def _sign_in(self, password: str | None) -> SignIn:
        return SignIn(
            host=self.machine,
            user=self.user.id,
            password=self.user.password if password is None else password,
            domain=self.domain,
            platform=self.platform,
            accept_untrusted=self.accept_untrusted,
            take_over=self.take_over,
            excluded=tuple(self.excluded),
        )

    async def say(self, to: str, text: str) -> None:
        """Send a one-to-one message to a user id or a JID. Raises `ControlError` without a chat session."""
        await self._carrier.ask(Say(host=self.machine, to=to, text=text))

    async def add_contact(self, user: str) -> None:
        """Put a user (id or JID) on the roster and ask to see the user's presence. Raises `ControlError`."""
        await self._carrier.ask(AddContact(host=self.machine, user=user))

    async def presence_of(self, user: str) -> str:
        """Return a user's availability as this client knows it: ``available``, ``away`` ... ``unavailable``."""
        return (await self._carrier.ask(PresenceOf(host=self.machine, user=user))).text

    async def appear(self, show: Show, status: str = "") -> None:
        """Say how available the user is: ``available``, ``chat``, ``away``, ``xa``, ``dnd``. Raises `ControlError`."""
        await self._carrier.ask(Appear(host=self.machine, show=show, status=status))

    async def messages(self) -> list[tuple[str, str]]:
        """Return what arrived: pairs of the sender's bare JID and the text."""
        return list((await self.look()).messages)

    async def contacts(self) -> dict[str, str]:
        """Return the roster: bare JID to subscription (``both``, ``to`` ...)."""
        return dict((await self.look()).contacts)


class DeviceUser(SeatedUser):
    """A user at a device that registers over MRA; it tries by itself until it is closed."""

    async def attempts(self) -> int:
        """Return how often it tried to register."""
        return (await self.look()).attempts


class PhoneUser(DeviceUser):
    """A user at a desk phone."""

    async def boot(self) -> None:
        """Switch the phone on: it asks for a service domain, unless it stays with a TFTP server."""
        await self._carrier.ask(Boot(host=self.machine))


class RoomUser(DeviceUser):
    """A user at a room device, which an administrator has set up with the user's name and password."""

    async def add_ca(self, ca: str) -> None:
        """Add one of the lab's CAs (``enterprise``, ``private`` ...) to the list of CAs that the device trusts."""
        await self._carrier.ask(AddCa(host=self.machine, ca=ca))

    async def set_mode(self, mode: ProvisioningMode) -> None:
        """Set the device's Provisioning Mode: with any but ``Edge`` it knows nothing of MRA."""
        await self._carrier.ask(SetProvisioningMode(host=self.machine, mode=mode))


DEVICE_USERS: Mapping[str, type[DeviceUser]] = {"phone": PhoneUser, "room": RoomUser}
"""The class of the user of a machine that is a device, by platform."""
