"""The registrar: devices, lines and bindings. Sans-IO: a registration and ``now`` in, an outcome out.

``now`` is seconds of any monotonic clock. Each node keeps its own bindings, in memory.

A device has one client at a time. A client with another instance replaces the previous one; a client that first probes,
with an instance of zeros, is told instead that the device is taken. Every binding lasts the station keep-alive
interval, whatever was requested, so that bindings expire in the order in which they were last refreshed.

Sources: RFC 3261, section 10.3; "Troubleshoot Extension Mobility Cross Cluster" (Cisco 214535); "System Configuration
Guide for Cisco Unified Communications Manager 12.5(1)", chapter "Configure Cisco Jabber".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Literal, Protocol

from edgesim.journal import events
from edgesim.servers.unified_cm.database import Phone
from edgesim.servers.unified_cm.registration import Cause, Contact, Registration


class Leg(Enum):
    """The port on which a request arrived, by the kind of security profile that it serves."""

    PLAIN = "plain"
    SECURE = "secure"
    OAUTH = "OAuth on premises"
    OAUTH_EDGE = "OAuth over the edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A final response other than 2xx. ``warning`` is the text of ``Warning: 399``; ``retry_after`` is in seconds.

    ``close`` closes the connection instead of responding.
    """

    status: int
    reason: str
    warning: str | None = None
    retry_after: int | None = None
    close: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The registrar's settings. Times are in seconds.

    ``keepalive_interval`` is the service parameter SIP Station KeepAlive Interval, ``dual_mode_interval`` the SIP
    profile's Timer Register Expires. ``grace`` is how long after that a binding is kept for a late refresh; ``alarms``
    are the alarms that Unified CM raises when a device goes, by cause. ``graceful_over_edge``: whether a probe through
    the edge is told that the device is taken; Cisco documents graceful registration as unsupported there.
    ``find_by_line``: whether a Contact without device name, as of a third-party client, matches a device with that
    line: one of the user named by the edge (``edge user``), the first one (``anybody``), or none (``nobody``).
    ``authorizes``: whether the user in Contact must be one of the device's. ``removes_everything``: whether ``Contact:
    *`` is carried out; ``lists``: which bindings a query returns.
    """

    keepalive_interval: int
    dual_mode_interval: int
    grace: float
    alarms: Mapping[Cause, str]
    graceful_over_edge: bool
    find_by_line: Literal["edge user", "anybody", "nobody"]
    authorizes: bool
    removes_everything: bool
    lists: Literal["own", "line"]
    unknown_device: Refusal
    unknown_line: Refusal
    wrong_transport: Refusal
    unauthorized: Refusal
    several_contacts: Refusal
    everything: Refusal
    taken: Refusal
    oauth_mismatch: Refusal
    name_mismatch: Refusal
    trunk_conflict: Refusal
    trunks: tuple[str, ...] = ()
    out_of_order: Refusal = Refusal(status=500, reason="Server Internal Error")


@dataclass(slots=True, kw_only=True, eq=False)
class Binding:
    """A binding of a device's line: the client, its path, and the expiry."""

    phone: Phone
    line: str
    contact: Contact
    user: str
    via: str
    call_id: str
    cseq: int
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The line is registered. ``new_registration``: the device was not registered before (``x-cisco-newreg``)."""

    binding: Binding
    expires: int
    fresh: bool
    new_registration: bool
    events: tuple[events.Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The client requested no registration: its binding is removed, or it had none (a standby keep-alive)."""

    events: tuple[events.Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The client only queried the bindings of its line."""

    bindings: tuple[Binding, ...]


Outcome = Granted | Released | Listed | Refusal


class Phones(Protocol):
    """The registrar's lookup of devices."""

    def phone(self, name: str) -> Phone | None: ...

    def phones_with(self, line: str) -> tuple[Phone, ...]: ...


Reason = Literal["expired", "removed by the client", "displaced by another client"]


class Registrar:
    """The bindings of one node. ``show`` maps the address of Expressway-C to the name that events use."""

    def __init__(self, phones: Phones, policy: Policy, *, show: Callable[[str], str] = str) -> None:
        self.policy = policy
        self._show = show
        self._phones = phones
        self._devices: dict[str, dict[str, Binding]] = {}
        self._queue: dict[Binding, None] = {}
        self._slow_queue: dict[Binding, None] = {}

    def __len__(self) -> int:
        return len(self._queue) + len(self._slow_queue)

    def __iter__(self) -> Iterator[Binding]:
        return iter((*self._queue, *self._slow_queue))

    @property
    def deadline(self) -> float | None:
        """When the next binding is removed: after its expiry and the grace period."""
        first = self._first()
        return first.expires_at + self.policy.grace if first is not None else None

    def _first(self) -> Binding | None:
        heads = [binding for queue in (self._queue, self._slow_queue) for binding in islice(queue, 1)]
        return min(heads, key=lambda binding: binding.expires_at, default=None)

    def _queue_of(self, phone: Phone) -> dict[Binding, None]:
        return self._slow_queue if phone.dual_mode else self._queue

    def expire(self, now: float) -> list[events.Unregistered]:
        """Remove the expired bindings."""
        gone: list[events.Unregistered] = []
        while (binding := self._first()) is not None and binding.expires_at + self.policy.grace <= now:
            gone += self._remove(binding, "expired", "expired")
        return gone

    def identify(self, asked: Registration) -> Phone | Refusal:
        """Return the device that a REGISTER is for, or why there is none."""
        contact = asked.contact
        phone = None
        if contact is None:
            phone = self._without_contact(asked)
        elif contact.device is not None:
            phone = self._phones.phone(contact.device)
        else:
            if contact.instance is not None:
                phone = self._phones.phone(f"SEP{contact.instance.upper()}")
            if phone is None:
                phone = self._by_line(asked.line, contact.user)
        if phone is None:
            return self.policy.unknown_device
        return phone if asked.line in phone.lines else self.policy.unknown_line

    def _bindings(self, line: str) -> Iterator[Binding]:
        """Return the bindings of a line, on every device that has it."""
        for phone in self._phones.phones_with(line):
            binding = self._devices.get(phone.name, {}).get(line)
            if binding is not None:
                yield binding

    def _own(self, asked: Registration) -> Iterator[Binding]:
        """Return the requesting client's own bindings of a line: by its Call-ID, or by its address."""
        for binding in self._bindings(asked.line):
            if binding.call_id == asked.call_id or binding.contact.client_host == asked.source:
                yield binding

    def _without_contact(self, asked: Registration) -> Phone | None:
        """Return the device of a REGISTER without Contact: the client's own, else any that has the line."""
        own = next(self._own(asked), None)
        return own.phone if own is not None else next(iter(self._phones.phones_with(asked.line)), None)

    def authorizes(self, asked: Registration, phone: Phone) -> str | None:
        """Return why the user in Contact may not register a device (AuthorizationError), None if allowed.

        The user must be the device's owner or associated with it; more than one user counts as an attack.
        """
        users = asked.users
        if not self.policy.authorizes or not users:
            return None
        if len(users) > 1 or any(len(each.users) > 1 for each in (*asked.contacts, *asked.leaving)):
            return "more than one user"
        return None if users[0] in (phone.owner, *phone.users) else f"{users[0][:128]} is not a user of the device"

    def _by_line(self, line: str, user: str | None) -> Phone | None:
        if self.policy.find_by_line == "nobody" or (self.policy.find_by_line == "edge user" and user is None):
            return None
        having = self._phones.phones_with(line)
        return next((each for each in having if user is None or each.owner == user), None)

    def admits(
        self,
        phone: Phone,
        *,
        leg: Leg,
        transport: str,
        source: str,
        peer_names: tuple[str, ...] = (),
        has_token: bool = False,
    ) -> Refusal | None:
        """Return why a device may not register in this way; None if it may.

        ``peer_names`` are the names in the certificate that the peer presented: the device's own or, from Expressway-C,
        that of the device's security profile.
        """
        policy = self.policy
        if source in policy.trunks:
            return policy.trunk_conflict
        by_token = leg in (Leg.OAUTH, Leg.OAUTH_EDGE)
        if by_token != phone.oauth or (has_token and not by_token):
            return policy.oauth_mismatch
        if by_token:
            return None
        if (leg is Leg.SECURE) != phone.secure or transport not in phone.transports:
            return policy.wrong_transport
        if phone.secure and not _named(peer_names, phone):
            return policy.name_mismatch
        return None

    def register(self, asked: Registration, phone: Phone, now: float) -> Outcome:
        """Carry out a REGISTER of a device that may register."""
        contact = asked.contact
        if contact is not None and contact.keeps_alive and asked.expires == 0:
            return Released()
        held = self._devices.get(phone.name)
        binding = held.get(asked.line) if held else None
        if binding is not None and binding.call_id == asked.call_id and asked.cseq <= binding.cseq:
            return self.policy.out_of_order
        if asked.everything and not self.policy.removes_everything:
            return self.policy.everything
        if contact is None:
            own = tuple(self._own(asked))
            if asked.everything:
                gone = [
                    self._remove(each, "removed by the client", asked.cause) for each in own if _follows(asked, each)
                ]
                return Released(events=tuple(event for group in gone for event in group))
            return Listed(bindings=own if self.policy.lists == "own" else tuple(self._bindings(asked.line)))
        if len(asked.contacts) > 1:
            return self.policy.several_contacts
        if asked.expires == 0:
            if binding is None or all(_is_other(binding.contact, each) for each in asked.leaving):
                return Released()
            return Released(events=tuple(self._remove(binding, "removed by the client", asked.cause)))
        displaced: list[events.Event] = []
        if held is not None and (binding is None or binding.contact is not contact):
            others = [each for each in held.values() if _is_other(each.contact, contact)]
            if others and contact.is_probe and (self.policy.graceful_over_edge or not asked.over_edge):
                return self.policy.taken
            for other in others:
                shown = other.contact.instance is not None and contact.instance is not None
                displaced += self._remove(other, "displaced by another client", "displaced" if shown else "moved")
            binding = held.get(asked.line) if held else None
        return self._grant(asked, contact, phone, binding, displaced, now)

    def _grant(
        self,
        asked: Registration,
        contact: Contact,
        phone: Phone,
        binding: Binding | None,
        displaced: list[events.Event],
        now: float,
    ) -> Granted:
        interval = self.policy.dual_mode_interval if phone.dual_mode else self.policy.keepalive_interval
        queue = self._queue_of(phone)
        first = False
        if binding is None:
            lines = self._devices.setdefault(phone.name, {})
            first = not lines
            binding = lines[asked.line] = Binding(
                phone=phone,
                line=asked.line,
                contact=contact,
                user=contact.user or phone.owner,
                via=self._show(asked.via),
                call_id="",
                cseq=0,
                expires_at=0.0,
            )
        else:
            del queue[binding]
        fresh = binding.call_id != asked.call_id
        binding.contact = contact
        binding.user = contact.user or phone.owner
        binding.via = self._show(asked.via)
        binding.call_id = asked.call_id
        binding.cseq = asked.cseq
        binding.expires_at = now + interval
        queue[binding] = None
        registered = events.Registered(
            device=phone.name,
            user=binding.user,
            line=asked.line,
            contact=contact.value,
            via=binding.via,
            expires=interval,
            fresh=fresh,
        )
        return Granted(
            binding=binding,
            expires=interval,
            fresh=fresh,
            new_registration=first,
            events=(*displaced, registered),
        )

    def _remove(self, binding: Binding, reason: Reason, cause: Cause) -> list[events.Unregistered]:
        """Remove a binding; the device counts as unregistered with its last one."""
        del self._queue_of(binding.phone)[binding]
        lines = self._devices[binding.phone.name]
        del lines[binding.line]
        if lines:
            return []
        del self._devices[binding.phone.name]
        alarm = self.policy.alarms.get(cause, "")
        return [events.Unregistered(device=binding.phone.name, reason=reason, alarm=alarm)]


def _is_other(held: Contact, contact: Contact) -> bool:
    """Return whether two Contacts are of two clients: by their instances or, if one has none, by address."""
    if held.instance is None or contact.instance is None:
        return held.client_host != contact.client_host
    if held.is_probe or contact.is_probe:
        return held.client != contact.client
    return held.instance != contact.instance


def _follows(asked: Registration, binding: Binding) -> bool:
    """Return whether a request is later than the one that created a binding (RFC 3261, 10.3, step 6)."""
    return binding.call_id != asked.call_id or asked.cseq > binding.cseq


def _named(names: tuple[str, ...], phone: Phone) -> bool:
    wanted = (phone.name.lower(), phone.profile.lower())
    return any(name.lower() in wanted for name in names)
