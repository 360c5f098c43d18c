"""The names that a deployment has: a matcher, fault or mutation that names anything else is refused.

An assertion that cannot fail is worse than none: ``lab.never(SipResponse(node="jabber1"))`` always passes if the host
is called ``jabber-1``. So names are looked up when the story uses them, and an unknown one is refused with the nearest
known name. The same holds for words from closed lists: directions, the stages and outcomes of clients, zones and their
states. Conditions (`containing`, `matching`) are not checked.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from edgesim.control.verbs.clients import outcomes, stages
from edgesim.deployment import Deployment
from edgesim.journal.entry import Direction
from edgesim.journal.matchers import Matcher, Test
from edgesim.scenario.mutations import Mutation
from edgesim.world.faults import Fault

STORY = "scenario"
"""The node under which a story writes its own entries."""
WORDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "direction"): frozenset(get_args(Direction)),
    ("ClientState", "stage"): stages(),
    ("ClientState", "outcome"): outcomes(),
}
"""Closed lists of words, by the event (none: every event) and its field."""
NEIGHBOURS = ("CEtcp-", "CEtls-")
"""Prefixes of the names of zones that Expressway-C makes for discovered nodes."""


class UnknownName(LookupError):
    """A name that the deployment does not have."""


class Vocabulary:
    """The hosts, users and devices of a deployment. ``users`` grows with the clients that a story makes up."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.hosts = {spec.name for spec in deployment.host_specs()}
        self.users = {user.id for user in deployment.users}
        self.devices = {device.name for device in deployment.devices}
        self.devices |= {name for user in deployment.users for name in user.devices}
        self._accounts = {each.axl_account.user for each in deployment.unified_cm}
        self._accounts |= {each.axl_account.user for each in deployment.im_presence}
        links = deployment.defaults.links
        self._states = {links.failed, links.checking, links.active, links.active_tcp}
        self._partly = links.active_partly.partition("{")[0]
        self._ends = {*self.hosts, *(spec.fqdn for spec in deployment.host_specs())}

    # ---- what is checked

    def matcher(self, matcher: Matcher) -> None:
        """Check what a matcher names. Raises `UnknownName`."""
        for name, value in matcher.wanted.items():
            for each in _values(value):
                self._field(matcher, name, each)

    def fault(self, fault: Fault) -> None:
        """Check the hosts of a fault's selector. Raises `UnknownName`."""
        for field in ("source", "target"):
            host = getattr(fault.where, field)
            if host is not None:
                self.host(host, f"fault {fault.name!r}: {field}")

    def mutation(self, mutation: Mutation) -> None:
        """Check the hosts that a mutation names. Raises `UnknownName`."""
        for host in (*mutation.without(), *mutation.skews()):
            self.host(host, f"mutation {mutation.name!r}")
        for fault in mutation.faults():
            self.fault(fault)

    def host(self, name: str, where: str) -> None:
        """Check a host's name. Raises `UnknownName`."""
        if name not in self.hosts:
            raise _unknown(where, "host", name, self.hosts)

    def made(self, *names: str) -> None:
        """Check hosts that a scenario leaves out. Raises `UnknownName`."""
        for name in names:
            self.host(name, "without")

    # ---- fields of matchers

    def _field(self, matcher: Matcher, name: str, value: Any) -> None:
        where = f"{matcher}: {name}"
        kind = matcher.event.__name__
        if not isinstance(value, str):
            return
        if name in ("node", "peer"):
            if not (value in self._ends or (value == STORY if name == "node" else _is_address(value))):
                self.host(value, where)
        elif name == "key" and value.startswith("user:"):
            self._user(value.removeprefix("user:"), where, ())
        elif name == "user" and kind in ("Authentication", "ClientState"):
            self._user(value, where, self._accounts)
        elif words := WORDS.get((kind, name)) or WORDS.get(("", name)):
            if value not in words:
                raise _unknown(where, name, value, words)
        elif kind == "ZoneState" and name == "zone":
            if value != self.deployment.traversal_zone.name and not value.startswith(NEIGHBOURS):
                raise _unknown(where, "zone", value, (self.deployment.traversal_zone.name, *NEIGHBOURS))
        elif kind == "ZoneState" and name == "state":
            if value not in self._states and not value.startswith(self._partly):
                raise _unknown(where, "state", value, self._states)
        elif name == "device" and value not in self.devices:
            raise _unknown(where, "device", value, self.devices)

    def _user(self, name: str, where: str, more: Iterable[str]) -> None:
        known = {*self.users, *more}
        if name.casefold() not in {each.casefold() for each in known}:
            raise _unknown(where, "user", name, known)


class AnyName(Vocabulary):
    """Knows no deployment, and takes every name: for expectations outside of a story."""

    def __init__(self) -> None:
        self.users = set()

    def matcher(self, matcher: Matcher) -> None:
        return

    def fault(self, fault: Fault) -> None:
        return

    def host(self, name: str, where: str) -> None:
        return


def _values(value: Any) -> Iterator[Any]:
    """Yield what a wanted value names: itself, or what `one_of` and `other_than` were given."""
    if isinstance(value, Test):
        yield from value.values
    else:
        yield value


def _is_address(text: str) -> bool:
    host = text.rpartition(":")[0] if text.count(":") == 1 else text.removeprefix("[").partition("]")[0]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unknown(where: str, what: str, name: str, known: Iterable[str]) -> UnknownName:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return UnknownName(f"{where} {name!r}: the deployment has no such {what}; {hint}")
