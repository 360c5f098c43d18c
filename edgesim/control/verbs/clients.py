"""Verbs on the simulated clients of a lab: a Jabber on each computer, and the devices that some machines are.

A client is named by its machine. It is built by the first verb that uses it, and exists until it is closed, or another
user signs in there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import Done, HostCommand, Site, Text, verb
from edgesim.deployment.settings import JabberPlatform, ProvisioningMode
from edgesim.node import Node

__all__ = ["AddCa", "AddContact", "Appear", "Boot", "ClientView", "CloseClient", "LookAtClient", "PresenceOf", "Say"]
__all__ += ["SetProvisioningMode", "SignIn", "SignOut", "SignedIn"]

SIGN_IN_S = 900.0
"""Seconds of lab time that a sign-in may take: many times what the sum of its stages' limits comes to."""
ENDS_S = 60.0
"""Seconds of lab time that the other verbs of a client may take, each of which waits for a server's answer at most."""

UNUSED = "signed out"
"""The stage of a client that was never used."""

Words = Annotated[str, Field(max_length=16_384)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The result of a sign-in. ``stage`` and ``reason`` say where and why it failed."""

    ok: bool
    phone: bool
    chat: bool
    outside: bool
    stage: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """The state of a client, as its user sees it.

    ``device`` is the name of the device that it registers, ``registered`` whether it is registered, ``attempts``
    how often a device tried. ``jid`` is the full JID of its chat session, empty without one; ``messages`` are what
    arrived, as pairs of the sender's bare JID and the text; ``contacts`` are pairs of a bare JID and its subscription.
    Of a client that was never used ``user`` is empty.
    """

    user: str
    device: str
    stage: str
    registered: bool
    outside: bool
    attempts: int = 0
    jid: str = ""
    messages: tuple[tuple[str, str], ...] = ()
    contacts: tuple[tuple[str, str], ...] = ()


def stages() -> frozenset[str]:
    """Return the words for the stages of a sign-in, of Jabbers and of devices."""
    from edgesim.clients.common.device import DeviceStage
    from edgesim.clients.jabber.stages import Stage

    return frozenset(each.value for each in (*Stage, *DeviceStage))


def outcomes() -> frozenset[str]:
    """Return the words for the results of a stage."""
    from edgesim.clients.common.stages import Result

    return frozenset(each.value for each in Result)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtClient(HostCommand[Done]):
    @property
    def limit_s(self) -> float | None:
        return ENDS_S


@verb("sign-in")
class SignIn(HostCommand[SignedIn]):
    """Sign a user in with Jabber on a machine; without a user, the phone or room device that the machine is.

    ``password`` is the user's own unless given. Of Jabber alone: ``platform`` is the machine's unless given;
    ``accept_untrusted`` is the user's answer to the question about a certificate that does not verify, ``take_over``
    the answer when the device is in use elsewhere; ``excluded`` are services left out of discovery: ``CUCM``, ``CUP``.
    """

    needs_up = False

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    domain: str | None = None
    platform: JabberPlatform | None = None
    accept_untrusted: bool = False
    take_over: bool = True
    excluded: tuple[str, ...] = ()

    @property
    def limit_s(self) -> float | None:
        return SIGN_IN_S

    async def work(self, site: Site, node: Node) -> SignedIn:
        try:
            if self.user is None:
                return await self._device(site, node)
            return await self._jabber(site, node, self.user)
        except RuntimeError as error:  # another sign-in is in progress there
            raise ControlError(str(error)) from None

    async def _device(self, site: Site, node: Node) -> SignedIn:
        device = site.lab.clients.device(node)
        device.domain = self.domain or node.deployment.domains.edge
        came = await device.sign_in(self.password)
        ok = came.registered
        return SignedIn(ok=ok, phone=ok, chat=False, outside=True, stage=came.stage.value, reason=came.reason)

    async def _jabber(self, site: Site, node: Node, user: str) -> SignedIn:
        jabber = site.lab.clients.jabber(node, user, self.password, self.platform)
        jabber.domain = self.domain or node.deployment.domains.edge
        jabber.accept_untrusted, jabber.take_over, jabber.excluded = (
            self.accept_untrusted,
            self.take_over,
            self.excluded,
        )
        came = await jabber.sign_in(self.password)
        return SignedIn(
            ok=came.ok,
            phone=came.phone,
            chat=came.chat,
            outside=came.outside,
            stage=came.stage.value,
            reason=came.reason,
        )


@verb("sign-out")
class SignOut(_AtClient):
    """End the registration and the chat session of the client on a machine; a sign-in under way ends first."""

    async def work(self, site: Site, node: Node) -> Done:
        client = site.lab.clients.used(node)
        if client is None:
            return Done(text=f"no user is signed in on {node.name}")
        await client.sign_out()
        return Done(text=f"{client.user.id} is signed out")


@verb("close-client")
class CloseClient(_AtClient):
    """Close the client on a machine, in any state; no error if it was never used."""

    needs_up = False

    async def work(self, site: Site, node: Node) -> Done:
        client = site.lab.clients.used(node)
        if client is not None:
            await client.close()
        return Done(text=f"the client on {node.name} is closed")


@verb("client")
class LookAtClient(HostCommand[ClientView]):
    """The client on a machine: its registration, received messages, contacts."""

    needs_up = False

    async def work(self, site: Site, node: Node) -> ClientView:
        if site.lab.clients.used(node) is None:
            return ClientView(user="", device="", stage=UNUSED, registered=False, outside=False)
        jabber = site.lab.clients.jabber_of(node)
        if jabber is None:
            device = site.lab.clients.device(node)
            return ClientView(
                user=device.user.id,
                device=device.name,
                stage=device.stage.value,
                registered=device.registered,
                outside=True,
                attempts=device.attempts,
            )
        chat = jabber.chat
        return ClientView(
            user=jabber.user.id,
            device=jabber.device,
            stage=jabber.stage.value,
            registered=jabber.phone is not None and jabber.phone.registered,
            outside=jabber.outside,
            jid="" if chat is None else str(chat.boundjid.full),
            messages=tuple(jabber.messages),
            contacts=tuple(jabber.contacts.items()),
        )


@verb("say")
class Say(_AtClient):
    """Send a one-to-one message to a user id or a JID."""

    to: Words
    text: Words

    async def work(self, site: Site, node: Node) -> Done:
        await site.lab.clients.chatting(node).say(self.to, self.text)
        return Done(text=f"said to {self.to}")


@verb("add-contact")
class AddContact(_AtClient):
    """Put a user (id or JID) on the roster and ask to see the user's presence."""

    user: Words

    async def work(self, site: Site, node: Node) -> Done:
        await site.lab.clients.chatting(node).add_contact(self.user)
        return Done(text=f"{self.user} is on the roster")


@verb("presence-of")
class PresenceOf(HostCommand[Text]):
    """A user's availability as the client on a machine knows it: ``available``, ``away`` ... ``unavailable``."""

    user: Words

    async def work(self, site: Site, node: Node) -> Text:
        jabber = site.lab.clients.jabber_of(node)
        return Text(text="unavailable" if jabber is None else jabber.presence_of(self.user))


@verb("appear")
class Appear(_AtClient):
    """Say how available the user is: ``available``, ``chat``, ``away``, ``xa``, ``dnd``."""

    show: Literal["available", "chat", "away", "xa", "dnd"]
    status: Words = ""

    async def work(self, site: Site, node: Node) -> Done:
        await site.lab.clients.chatting(node).appear(self.show, self.status)
        return Done(text=f"the user appears as {self.show}")


@verb("boot")
class Boot(_AtClient):
    """Switch a phone on: outside it asks for a service domain, unless it stays with a TFTP server."""

    async def work(self, site: Site, node: Node) -> Done:
        from edgesim.clients.ip_phone import IpPhone

        await site.lab.clients.device_of(node, IpPhone).boot()
        return Done(text=f"{node.name} has booted")


@verb("add-ca")
class AddCa(HostCommand[Done]):
    """Add one of the lab's CAs to the list of a room device; the next attempt takes it into account."""

    ca: str

    async def work(self, site: Site, node: Node) -> Done:
        from edgesim.clients.room_device import RoomDevice

        known = site.lab.authorities.trusted()
        if self.ca not in known:
            raise ControlError(f"no CA {self.ca!r}; known: {', '.join(known)}")
        site.lab.clients.device_of(node, RoomDevice).add_ca(known[self.ca])
        return Done(text=f"{node.name} trusts {self.ca}")


@verb("set-provisioning-mode")
class SetProvisioningMode(HostCommand[Done]):
    """Set the Provisioning Mode of a room device: with any but ``Edge`` it knows nothing of MRA."""

    mode: ProvisioningMode

    async def work(self, site: Site, node: Node) -> Done:
        from edgesim.clients.room_device import RoomDevice

        site.lab.clients.device_of(node, RoomDevice).mode = self.mode
        return Done(text=f"{node.name} is in mode {self.mode}")
