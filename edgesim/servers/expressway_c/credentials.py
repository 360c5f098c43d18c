"""Expressway-C's credential cache: passwords accepted by Unified CM, edge cookies, and authorization counts.

C keeps accepted credentials for the *credentials refresh interval* (480 minutes) without asking Unified CM again, and
deletes them after the *credentials cleanup interval* (720 minutes). An ``X-Auth`` cookie is valid for the refresh
interval. *Maximum authorizations per period* counts per user, whatever the client: a period starts with the first
authorization after the previous one ended. All times are those of the host's clock. Sources: "MRA Deployment Guide
X14.3, MRA Maintenance"; "Expressway Administrator Guide X15.5, Reference Material" for the period.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from edgesim.edge import cookie
from edgesim.node import Node
from edgesim.servers.expressway_c.user_data import Account

MAX_USERS = 100_000
MAX_COOKIES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A password that Unified CM accepted, and the user's data that C then fetched. ``at`` is Unix time in seconds."""

    account: Account
    password: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An edge cookie issued by this C or a peer of its cluster. ``expires`` is Unix time in seconds."""

    value: str
    user: str
    expires: float


class Credentials:
    """The credential cache and cookie store of one C."""

    def __init__(self, node: Node) -> None:
        edge, protection = node.defaults.edge, node.defaults.protection
        self._clock = node.host.clock
        self._tokens = node.host.entropy("edge cookies")
        self._form = edge.cookie_form
        self._name = edge.cookie_name
        self._http_only = edge.cookie_http_only
        self._refresh = edge.cookie_lifetime_min * 60
        self._cleanup = edge.cookie_cleanup_min * 60
        self._allowed = protection.authorizations_per_period
        self._period = protection.rate_period_s
        self._sign_ins: dict[str, SignIn] = {}
        self._used: dict[str, float] = {}
        self._cookies: dict[str, Issued] = {}
        self._asked: dict[str, tuple[float, int]] = {}
        """The start of each user's period, and its number of authorizations."""
        self._listeners: list[Callable[[SignIn | Issued], None]] = []

    # ---- passwords

    def accept(self, account: Account, password: str) -> None:
        """Store a sign-in that Unified CM just accepted."""
        self._add(SignIn(account=account, password=password, at=self._clock.time()))

    def cached(self, user: str, password: str) -> Account | None:
        """Return the account if Unified CM accepted these credentials within the refresh interval."""
        found = self._sign_ins.get(user)
        if found is None or self._clock.time() - found.at >= self._refresh:
            return None
        if not hmac.compare_digest(found.password.encode(), password.encode()):
            return None
        # In use: the entry is kept on, although Unified CM was not asked. The table stays in order of last use.
        self._sign_ins[user] = self._sign_ins.pop(user)
        self._used[user] = self._clock.time()
        return found.account

    def account(self, user: str) -> Account | None:
        """Return the account of a user's last sign-in, within the cleanup interval."""
        found = self._fresh(user)
        return found.account if found else None

    def password(self, user: str) -> str | None:
        """Return the password of the user's last successful sign-in, within the cleanup interval: the secret of SIP
        digest.

        The user id is case-sensitive.
        """
        found = self._fresh(user)
        return found.password if found else None

    def ha1(self, user: str, realm: str) -> str | None:
        """Return ``MD5(user:realm:password)`` (RFC 7616, section 3.4.2), or None without a `password`."""
        password = self.password(user)
        if password is None:
            return None
        return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()

    def forget(self, user: str) -> None:
        """Delete a user's password; cookies stay."""
        self._sign_ins.pop(user, None)
        self._used.pop(user, None)

    def _fresh(self, user: str) -> SignIn | None:
        found = self._sign_ins.get(user)
        return found if found is not None and self._clock.time() - self._last(found) < self._cleanup else None

    def _last(self, found: SignIn) -> float:
        """Return when a sign-in was accepted or last used, Unix time in seconds."""
        return max(found.at, self._used.get(found.account.user, found.at))

    # ---- cookies

    def issue(self, user: str, domain: str) -> str:
        """Issue an edge cookie and return the value of ``Set-Cookie``; ``domain`` is the serving E's DNS domain."""
        value = cookie.new_value(self._tokens, self._form)
        expires = float(int(self._clock.time()) + self._refresh)
        self._add(Issued(value=value, user=user, expires=expires))
        made = cookie.edge_cookie(value, name=self._name, expires=expires, domain=domain, http_only=self._http_only)
        return cookie.set_cookie(made)

    def owner(self, value: str) -> tuple[str | None, str]:
        """Return the user of a cookie, or None with the reason: ``expired`` or ``unknown``."""
        found = self._cookies.get(value)
        if found is None:
            return None, "unknown cookie"
        if found.expires <= self._clock.time():
            return None, "expired cookie"
        return found.user, ""

    # ---- cluster peers

    def listen(self, listener: Callable[[SignIn | Issued], None]) -> None:
        """Call ``listener`` with every sign-in and cookie of this peer."""
        self._listeners.append(listener)

    def records(self) -> list[SignIn | Issued]:
        """Return all stored records."""
        self._purge()
        return [*self._sign_ins.values(), *self._cookies.values()]

    def learn(self, record: SignIn | Issued) -> None:
        """Store a record of another peer; of a user's sign-ins the later one counts."""
        self._purge()
        if isinstance(record, Issued):
            self._cookies[record.value] = record
            return
        user = record.account.user
        known = self._sign_ins.get(user)
        if known is None or known.at < record.at:
            self._sign_ins.pop(user, None)
            self._sign_ins[user] = record

    def _add(self, record: SignIn | Issued) -> None:
        self.learn(record)
        for listener in self._listeners:
            listener(record)

    # ---- rate control

    def within_rate(self, user: str) -> bool:
        """Count an authorization of a user, and return whether it is within the period's maximum."""
        if not self._allowed:
            return True
        now = self._clock.time()
        begun, count = self._asked.get(user, (now, 0))
        if not 0 <= now - begun < self._period:
            begun, count = now, 0
        if count >= self._allowed:
            return False
        self._asked[user] = (begun, count + 1)
        if len(self._asked) > MAX_USERS:
            del self._asked[next(iter(self._asked))]
        return True

    def _purge(self) -> None:
        """Delete what is over; both stores are in the order in which their entries end."""
        now = self._clock.time()
        # An expired cookie is kept for a while, so that its refusal can say that it expired.
        grace = self._cleanup - self._refresh
        while self._sign_ins:
            user = next(iter(self._sign_ins))
            if now - self._last(self._sign_ins[user]) < self._cleanup and len(self._sign_ins) < MAX_USERS:
                break
            self.forget(user)
        while self._cookies:
            value = next(iter(self._cookies))
            if now - self._cookies[value].expires < grace and len(self._cookies) < MAX_COOKIES:
                break
            del self._cookies[value]
