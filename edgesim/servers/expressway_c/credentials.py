"""What Expressway-C remembers of users: passwords that Unified CM accepted, edge cookies, and how often each one asked.

C keeps accepted credentials for the *credentials refresh interval* (480 minutes) without asking Unified CM again, and
forgets them after the *credentials cleanup interval* (720 minutes). An ``X-Auth`` cookie lives for the refresh
interval. *Maximum authorizations per period* counts each user, whatever the client: the first authorization starts a
period, and when that has ended the next one starts another. All times are those of the host's clock. Sources: "MRA
Deployment Guide X14.3, MRA Maintenance"; "Expressway Administrator Guide X15.5, Reference Material" for the period.
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
    """A password that Unified CM accepted, and what C then learnt of the user. ``at`` is Unix time in seconds."""

    account: Account
    password: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An edge cookie that this C, or another peer of its cluster, issued. ``expires`` is Unix time in seconds."""

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
        """When a user's period began, and how many authorizations were in it."""
        self._listeners: list[Callable[[SignIn | Issued], None]] = []

    # ---- passwords

    def accept(self, account: Account, password: str) -> None:
        """Remember a sign-in that Unified CM accepted just now."""
        self._add(SignIn(account=account, password=password, at=self._clock.time()))

    def cached(self, user: str, password: str) -> Account | None:
        """Return the account if Unified CM accepted these credentials within the refresh interval."""
        found = self._sign_ins.get(user)
        if found is None or self._clock.time() - found.at >= self._refresh:
            return None
        if not hmac.compare_digest(found.password.encode(), password.encode()):
            return None
        # Asked for again: it serves on, though Unified CM was not asked. The table stays in the order of last use.
        self._sign_ins[user] = self._sign_ins.pop(user)
        self._used[user] = self._clock.time()
        return found.account

    def account(self, user: str) -> Account | None:
        """Return what C last learnt of a user, within the cleanup interval."""
        found = self._fresh(user)
        return found.account if found else None

    def password(self, user: str) -> str | None:
        """Return the password of the user's last successful sign-in, within the cleanup interval: SIP digest's secret.

        The user id counts in its exact case.
        """
        found = self._fresh(user)
        return found.password if found else None

    def ha1(self, user: str, realm: str) -> str | None:
        """Return ``MD5(user:realm:password)`` (RFC 7616, section 3.4.2), or None where `password` has none."""
        password = self.password(user)
        if password is None:
            return None
        return hashlib.md5(f"{user}:{realm}:{password}".encode(), usedforsecurity=False).hexdigest()

    def forget(self, user: str) -> None:
        """Forget a user's password; cookies stay."""
        self._sign_ins.pop(user, None)
        self._used.pop(user, None)

    def _fresh(self, user: str) -> SignIn | None:
        found = self._sign_ins.get(user)
        return found if found is not None and self._clock.time() - self._last(found) < self._cleanup else None

    def _last(self, found: SignIn) -> float:
        """Return when a sign-in was accepted or last served, Unix time in seconds."""
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

    # ---- the other peers of the cluster

    def listen(self, listener: Callable[[SignIn | Issued], None]) -> None:
        """Call ``listener`` with every sign-in and cookie of this peer's own."""
        self._listeners.append(listener)

    def everything(self) -> list[SignIn | Issued]:
        """Return all that is remembered."""
        self._purge()
        return [*self._sign_ins.values(), *self._cookies.values()]

    def learn(self, record: SignIn | Issued) -> None:
        """Remember what another peer remembers; of a user the later sign-in counts."""
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
        """Count an authorization of a user and say whether it stays within the period's maximum."""
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
        """Forget what is over: both stores are in the order in which their entries end."""
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
