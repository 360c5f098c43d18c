"""The users of an IM and Presence cluster: assignment, home node, and chat address."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.hosts import ImPresenceCluster
from edgesim.deployment.people import User
from edgesim.xmpp.jid import Jid, JidError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of IM and Presence. ``node`` is the home node's host name, None for an unassigned user."""

    user_id: str
    password: str
    name: str
    jid: Jid
    node: str | None


class Accounts:
    """The accounts of a cluster, by user id (case-sensitive) or address (case-insensitive)."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_id = {account.user_id: account for account in accounts}
        self._by_jid = {account.jid: account for account in self._by_id.values() if account.node is not None}

    @classmethod
    def of(cls, deployment: Deployment, cluster: ImPresenceCluster) -> Accounts:
        """Return the accounts of a deployment's users, whose addresses are in the cluster's first presence domain."""
        nodes = {node.name for node in cluster.nodes}
        domain = cluster.presence_domains[0]
        return cls(_account(user, domain, nodes) for user in deployment.users)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._by_id.values())

    def with_id(self, user_id: str) -> Account | None:
        """Return the account of a user id, assigned or not."""
        return self._by_id.get(user_id)

    def at(self, jid: Jid) -> Account | None:
        """Return the assigned account with a chat address."""
        return self._by_jid.get(jid.bare)

    def with_sasl_name(self, user: str, domain: str) -> Account | None:
        """Return the assigned account of a SASL user name: an address, or a user id in ``domain``."""
        with contextlib.suppress(JidError):
            if "@" in user and (found := self._by_jid.get(Jid.parse(user).bare)) is not None:
                return found
        with contextlib.suppress(JidError):
            return self._by_jid.get(Jid.of_user(user, domain))
        return None


def _account(user: User, domain: str, nodes: Collection[str]) -> Account:
    """Return a user's account; one whose id no address can represent is unassigned."""
    try:
        jid = Jid.of_user(user.id, domain)
    except JidError:
        jid = Jid(local="", domain=domain.lower())
    assigned = user.im_presence and user.im_presence_node in nodes and jid.local
    return Account(
        user_id=user.id,
        password=user.password,
        name=user.display_name,
        jid=jid,
        node=user.im_presence_node if assigned else None,
    )


def same_secret(given: str, known: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(given.encode(), known.encode())
