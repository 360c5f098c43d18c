"""Admission of connections: limits for each port and address and in total, rates, and blocked addresses.

A world asks its `Admission` about every incoming connection before any protocol object exists. A connection is
*unproved* until the product that serves it reports that its client has authenticated. When a limit is reached, the
oldest unproved connection of the address that has most of them is closed in favour of the new one; if all are proved,
the new one is refused. So silent connections, however many, never keep others out for long.

Hosts named in `Admission.products` are exempt from limits and rates: their links carry the traffic of all clients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from edgesim.world.events import Address, AddressBlocked, AddressUnblocked, ConnectionsRefused, WorldEvent

SECOND = 1_000_000_000


class Refusal(Enum):
    """Why a connection was refused or closed; the value is the journal's text."""

    BLOCKED = "the address is blocked"
    RATE = "more new connections than the rate allows"
    PORT = "more connections than the port takes"
    ADDRESS = "more connections than one address may have"
    DESCRIPTORS = "more connections than this process has descriptors for"
    FIREWALL = "no firewall lets strangers in there"
    GAVE_WAY = "gave way to another: the oldest that had not proved itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of connections: for one listening port, for one address at it, and for all ports together.

    A lab sets them from its deployment. ``total`` is None if only the ports' limits apply. ``waiting`` connections may
    wait for the rate at a time (live world). A TLS handshake may take ``handshake_s`` unless its listener sets another
    limit. Refusals are reported every ``report_every_s`` seconds at most for each port and reason; at most ``blocks``
    addresses are blocked at a time, the oldest block ends early.
    """

    per_port: int
    per_address: int
    total: int | None
    waiting: int
    handshake_s: float
    report_every_s: float
    blocks: int


@dataclass(slots=True, eq=False)
class Visit:
    """One connection that was let in; ``end`` resets it."""

    host: str
    port: int
    source: Address
    end: Callable[[], None]
    proved: bool = False

    @property
    def address(self) -> str:
        """Where it comes from."""
        return self.source[0]


@dataclass(slots=True, kw_only=True)
class Block:
    """A blocked address: by which host, until when (lab time in nanoseconds), why, and what it cost so far.

    ``ports`` are those of the host that it may not reach, None for all. ``silent`` blocks drop what comes; others reset
    it. ``dropped`` counts the connections that were refused.
    """

    host: str
    address: str
    reason: str
    until_ns: int
    silent: bool
    ports: frozenset[int] | None = None
    dropped: int = 0

    def holds(self, port: int) -> bool:
        """Return whether it is about a port of the host."""
        return self.ports is None or port in self.ports


class Admission:
    """The doors of all hosts of a world."""

    def __init__(self, now: Callable[[], int], report: Callable[[WorldEvent], None], *, silence: bool) -> None:
        self.limits: Limits
        self.products: frozenset[str] = frozenset()
        """Hosts whose connections are never limited."""
        self.refused: Counter[tuple[str, int, Refusal]] = Counter()
        """How many connections were refused, by host, port and reason."""
        self._now = now
        self._report = report
        self._silence = silence
        self._all = _Crowd()
        self._doors: dict[tuple[str, int], _Crowd] = {}
        self._visits: dict[tuple[str, int, Address], Visit] = {}
        self._blocks: dict[tuple[str, str, str], Block] = {}
        """By host, address and reason, the oldest first."""
        self._addresses: dict[tuple[str, str], list[Block]] = {}
        """The same blocks, by host and address: what every packet looks up."""
        self._rates: dict[tuple[str, int], Rates] = {}
        self._watchers: dict[str, list[Callable[[Block], None]]] = {}
        self.on_block: Callable[[Block], None] = lambda _: None
        """What a world does with an established connection when its peer is blocked with a reset."""
        self._reported: dict[tuple[str, int, Refusal], tuple[int, int]] = {}

    # ---- connections

    def check(self, host: str, port: int, source: Address, *, caller: str | None) -> Refusal | None:
        """Say why a connection to a host's port is refused, or None; ``caller`` is the lab host that makes it, if any.

        Where a limit is reached, another connection may be ended to make room.
        """
        refusal = self._check(host, port, source[0], caller)
        if refusal is not None:
            self._refuse(host, port, source, refusal)
        return refusal

    def _check(self, host: str, port: int, address: str, caller: str | None) -> Refusal | None:
        block = self._blocked(host, address, port)
        if block is not None:
            block.dropped += 1
            return Refusal.BLOCKED
        if caller in self.products:
            return None
        limits, door = self.limits, self._doors.get((host, port))
        if door is not None:
            if door.of(address) >= limits.per_address and not self._make_room(door.oldest(address)):
                return Refusal.ADDRESS
            if len(door) >= limits.per_port and not self._make_room(door.victim()):
                return Refusal.PORT
        if limits.total is not None and len(self._all) >= limits.total and not self._make_room(self._all.victim()):
            return Refusal.DESCRIPTORS
        return None

    def within_rate(self, host: str, port: int, source: Address, *, caller: str | None) -> bool:
        """Return whether a new connection is within the rate that its port takes, and count it if so."""
        rate = self._rates.get((host, port))
        if rate is None or caller in self.products or rate.take(source[0], self._now()):
            return True
        self._refuse(host, port, source, Refusal.RATE)
        return False

    def enter(
        self, host: str, port: int, source: Address, *, caller: str | None, end: Callable[[], None]
    ) -> Visit | None:
        """Count a connection that was let in; None for one that is exempt."""
        if caller in self.products:
            return None
        visit = Visit(host, port, source, end)
        self._all.add(visit)
        self._doors.setdefault((host, port), _Crowd()).add(visit)
        self._visits[host, port, source] = visit
        return visit

    def leave(self, visit: Visit) -> None:
        """Count a connection off. One that was counted off before stays so."""
        key = (visit.host, visit.port, visit.source)
        if self._visits.get(key) is visit:
            del self._visits[key]
        self._all.remove(visit)
        door = self._doors.get((visit.host, visit.port))
        if door is not None:
            door.remove(visit)
            if not len(door):
                del self._doors[visit.host, visit.port]

    def proved(self, host: str, port: int, source: Address) -> None:
        """Mark a connection's client as authenticated: the connection is no longer closed in favour of others."""
        visit = self._visits.get((host, port, source))
        if visit is not None and not visit.proved:
            visit.proved = True
            self._all.settle(visit)
            self._doors[host, port].settle(visit)

    def connections(self, host: str | None = None) -> int:
        """Return how many connections count now, at one host or in all."""
        if host is None:
            return len(self._all)
        return sum(len(door) for (name, _), door in self._doors.items() if name == host)

    def _make_room(self, victim: Visit | None) -> bool:
        if victim is None:
            return False
        self.leave(victim)
        self._refuse(victim.host, victim.port, victim.source, Refusal.GAVE_WAY)
        victim.end()
        return True

    # ---- rates

    def throttle(
        self, host: str, ports: Iterable[int], *, per_second: float, burst: int, each_address: bool = False
    ) -> None:
        """Limit the rate of new connections to these ports of a host together, with ``burst`` of them at once.

        The rate is that of all addresses together, or of each.
        """
        rate = Rates(per_second, burst, each_address=each_address, most=self.limits.blocks)
        for port in ports:
            self._rates[host, port] = rate

    # ---- blocked addresses

    def block(
        self,
        host: str,
        address: str,
        *,
        seconds: float,
        reason: str,
        silent: bool = True,
        ports: Iterable[int] | None = None,
    ) -> Block:
        """Block an address from these ports of a host, or from all of them, for a time.

        Open connections end, silently if the world can do that. The block applies to this host only and ends with its
        life. An address may be blocked for several reasons, each with its own duration.
        """
        until = self._now() + round(seconds * SECOND)
        silent = silent and self._silence
        shut = None if ports is None else frozenset(ports)
        made = Block(host=host, address=address, reason=reason, until_ns=until, silent=silent, ports=shut)
        self._expire()
        key = (host, address, reason)
        former = self._blocks.pop(key, None)
        if former is not None:
            self._forget(former)
        while len(self._blocks) >= self.limits.blocks:
            self._lift(next(iter(self._blocks)), "another block took its place")
        self._blocks[key] = made
        self._addresses.setdefault((host, address), []).append(made)
        reported = AddressBlocked(
            at_ns=self._now(),
            host=host,
            address=address,
            reason=reason,
            seconds=seconds,
            ports=() if shut is None else tuple(sorted(shut)),
        )
        self._report(reported)
        if not silent:
            for visit in tuple(self._visits.values()):
                if (visit.host, visit.address) == (host, address) and made.holds(visit.port):
                    visit.end()
            self.on_block(made)
        self._changed(made)
        return made

    def watch(self, host: str, reported: Callable[[Block], None]) -> None:
        """Have ``reported`` called with each block of a host that begins or ends, until its life does."""
        self._watchers.setdefault(host, []).append(reported)

    def unwatch(self, host: str, reported: Callable[[Block], None]) -> None:
        """Call it no more."""
        if reported in self._watchers.get(host, ()):
            self._watchers[host].remove(reported)

    def _changed(self, block: Block) -> None:
        for reported in tuple(self._watchers.get(block.host, ())):
            reported(block)

    def unblock(self, host: str | None, address: str) -> int:
        """Lift the blocks of an address, by one host or by all; return how many there were."""
        found = [key for key in self._blocks if key[1] == address and host in (None, key[0])]
        for key in found:
            self._lift(key, "lifted by hand")
        return len(found)

    def blocks(self) -> Sequence[Block]:
        """Return the blocks in force, the oldest first."""
        self._expire()
        return tuple(self._blocks.values())

    def silenced(self, host: str, address: str, port: int) -> bool:
        """Return whether packets from an address to a port of a host are dropped silently."""
        if not self._blocks:
            return False
        block = self._blocked(host, address, port)
        return block is not None and block.silent

    def blocked(self, host: str, address: str, port: int) -> bool:
        """Return whether an address may not reach a port of a host."""
        return bool(self._blocks) and self._blocked(host, address, port) is not None

    def _blocked(self, host: str, address: str, port: int) -> Block | None:
        now = self._now()
        for block in tuple(self._addresses.get((host, address), ())):
            if block.until_ns <= now:
                self._lift((host, address, block.reason), "its time is over")
            elif block.holds(port):
                return block
        return None

    def _forget(self, block: Block) -> None:
        there = self._addresses[block.host, block.address]
        there.remove(block)
        if not there:
            del self._addresses[block.host, block.address]

    def _expire(self) -> None:
        now = self._now()
        for key in [key for key, block in self._blocks.items() if block.until_ns <= now]:
            self._lift(key, "its time is over")

    def _lift(self, key: tuple[str, str, str], why: str) -> None:
        block = self._blocks.pop(key, None)
        if block is None:
            return  # a callback about the end of another block may have asked for the current blocks
        self._forget(block)
        reported = AddressUnblocked(
            at_ns=self._now(), host=block.host, address=block.address, reason=why, dropped=block.dropped
        )
        self._report(reported)
        self._changed(block)

    # ---- the end of a host's life

    def forget(self, host: str) -> None:
        """Forget the blocks and rates of a host whose life ended."""
        for key in [key for key in self._blocks if key[0] == host]:
            self._forget(self._blocks.pop(key))
        for door in [door for door in self._rates if door[0] == host]:
            del self._rates[door]
        self._watchers.pop(host, None)

    # ---- reports

    def turned_away(self, host: str, port: int, source: Address) -> None:
        """Count a stranger's connection that a firewall would have stopped and that is not reported by itself."""
        self._refuse(host, port, source, Refusal.FIREWALL)

    def _refuse(self, host: str, port: int, source: Address, why: Refusal) -> None:
        """Count a refusal; report the first, and then how many there were, every now and then."""
        key, now = (host, port, why), self._now()
        self.refused[key] += 1
        last, counted = self._reported.get(key, (0, 0))
        if counted and now - last < self.limits.report_every_s * SECOND:
            return
        self._reported[key] = (now, self.refused[key])
        count = self.refused[key] - counted
        self._report(
            ConnectionsRefused(at_ns=now, host=host, port=port, remote=source, reason=why.value, count=count),
        )


class Rates:
    """Buckets of tokens, one for all addresses or one for each: full at the start, and refilled evenly."""

    def __init__(self, per_second: float, burst: int, *, each_address: bool, most: int) -> None:
        self._cost = round(SECOND / per_second)
        self._full = self._cost * burst
        self._each = each_address
        self._most = most
        self._buckets: dict[str, tuple[int, int]] = {}

    def take(self, address: str, now: int) -> bool:
        """Take a token for a connection from an address; return False if there is none."""
        key = address if self._each else ""
        level, at = self._buckets.pop(key, (self._full, now))
        level = min(self._full, level + now - at)
        enough = level >= self._cost
        self._buckets[key] = (level - self._cost if enough else level, now)
        if len(self._buckets) > self._most:
            del self._buckets[next(iter(self._buckets))]
        return enough


class _Crowd:
    """Connections by address, so that the next one to close is found in constant time."""

    def __init__(self) -> None:
        self._count = 0
        self._of: Counter[str] = Counter()
        self._unproved: dict[str, dict[Visit, None]] = {}
        self._levels: dict[int, dict[str, None]] = {}
        self._top = 0
        self._members: set[Visit] = set()

    def __len__(self) -> int:
        return self._count

    def of(self, address: str) -> int:
        """Return how many come from an address."""
        return self._of[address]

    def add(self, visit: Visit) -> None:
        self._members.add(visit)
        self._count += 1
        self._of[visit.address] += 1
        there = self._unproved.setdefault(visit.address, {})
        there[visit] = None
        self._moved(visit.address, len(there) - 1, len(there))

    def remove(self, visit: Visit) -> None:
        if visit not in self._members:
            return
        self._members.discard(visit)
        self._count -= 1
        self._of[visit.address] -= 1
        if not self._of[visit.address]:
            del self._of[visit.address]
        self.settle(visit)

    def settle(self, visit: Visit) -> None:
        """Remove a connection from those that may be closed in favour of others."""
        there = self._unproved.get(visit.address)
        if there is None or visit not in there:
            return
        del there[visit]
        self._moved(visit.address, len(there) + 1, len(there))
        if not there:
            del self._unproved[visit.address]

    def oldest(self, address: str) -> Visit | None:
        """Return the oldest connection of an address that has not proved itself."""
        return next(iter(self._unproved.get(address, ())), None)

    def victim(self) -> Visit | None:
        """Return the oldest unproved connection of the address that has most of them."""
        if not self._top:
            return None
        return self.oldest(next(iter(self._levels[self._top])))

    def _moved(self, address: str, before: int, after: int) -> None:
        if before:
            level = self._levels[before]
            del level[address]
            if not level:
                del self._levels[before]
        if after:
            self._levels.setdefault(after, {})[address] = None
        if after > self._top:
            self._top = after
        while self._top and self._top not in self._levels:
            self._top -= 1
