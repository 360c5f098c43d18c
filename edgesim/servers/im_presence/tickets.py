"""The tickets of SOAP sign-ins: session keys, and passwords for one XMPP sign-in each. They do not survive a crash."""

from __future__ import annotations

from collections.abc import Callable

from edgesim.world import Entropy

KEYS_PER_USER = 16
"""How many session keys a user may hold; the oldest is dropped first."""
PASSWORDS_PER_USER = 16


class Tickets:
    """Session keys and one-time passwords, with lifetimes in seconds; ``now`` is a clock in seconds."""

    def __init__(
        self, entropy: Entropy, now: Callable[[], float], *, key_lifetime: float, password_lifetime: float
    ) -> None:
        self._entropy = entropy
        self._now = now
        self._key_lifetime = key_lifetime
        self._password_lifetime = password_lifetime
        self._keys: dict[str, tuple[str, float]] = {}
        self._keys_of: dict[str, list[str]] = {}
        self._passwords: dict[str, dict[str, float]] = {}

    def issue_key(self, user_id: str) -> str:
        """Return a new session key, a UUID."""
        key = self._entropy.uuid()
        held = self._keys_of.setdefault(user_id, [])
        held.append(key)
        if len(held) > KEYS_PER_USER:
            self._keys.pop(held.pop(0), None)
        self._keys[key] = (user_id, self._now() + self._key_lifetime)
        return key

    def user_of(self, key: str) -> str | None:
        """Return the user of a session key, or None if it is stale or unknown."""
        user_id, expires = self._keys.get(key, ("", 0.0))
        return user_id if user_id and self._now() < expires else None

    def issue_password(self, user_id: str) -> str:
        """Return a new one-time password."""
        held = self._passwords.setdefault(user_id, {})
        while len(held) >= PASSWORDS_PER_USER:
            del held[next(iter(held))]
        password = self._entropy.token_hex(20)
        held[password] = self._now() + self._password_lifetime
        return password

    def redeem(self, user_id: str, password: str) -> str | None:
        """Use up a one-time password; return why it is refused (``unknown``, ``expired``), or None if it is valid."""
        expires = self._passwords.get(user_id, {}).pop(password, None)
        if expires is None:
            return "unknown or used one-time password"
        return None if self._now() < expires else "expired one-time password"
