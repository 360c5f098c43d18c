"""Digest authentication of clients on E: challenges, and the remote digest cache.

The cache stores interim hashes from C's responses to SERVICE. With a user's H(A1), E checks later digests of a client
itself, with its own nonces, and asks no C. Source: Expressway Administrator Guide X15.5, command reference,
``Authentication Remote Digest Cache``.
"""

from __future__ import annotations

from collections import OrderedDict

from edgesim.deployment.defaults import SipDefaults
from edgesim.node import Node
from edgesim.sip.digest import KEY_OCTETS, DigestCredentials, DigestResult, Nonces
from edgesim.sip.message import Request

HEADERS = {
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
    401: ("WWW-Authenticate", "Authorization"),
}
"""The headers of challenge and credentials, by the status of the challenge (RFC 3261, 22.2 and 22.3)."""


class Challenges:
    """One E's challenges to its clients. Times are seconds of any monotonic clock."""

    def __init__(self, node: Node) -> None:
        sip, entropy = node.defaults.sip, node.host.entropy("SIP nonces")
        self._realm = node.fqdn
        self._asks, self._answers = HEADERS[sip.challenge]
        self._nonces = Nonces(
            entropy,
            key=node.host.disk.setdefault("sip nonce key", entropy.randbytes(KEY_OCTETS)),
            lifetime=sip.nonce_lifetime_s,
            uses=sip.nonce_uses,
            octets=sip.nonce_octets,
            limit=sip.nonces_remembered,
        )

    def header(self, now: float, *, stale: bool = False) -> tuple[str, str]:
        """Return the header of a challenge, with a new nonce."""
        return self._asks, self._nonces.challenge(self._realm, now, stale=stale)

    def answer(self, request: Request) -> DigestCredentials | None:
        """Return the credentials for one of our challenges. Raises `SipProtocolError` if they are incomplete."""
        if self._answers not in request:
            return None
        for header in request.authentication(self._answers):
            if header.scheme.lower() == "digest" and header.get("realm") == self._realm:
                return DigestCredentials.of(header)
        return None

    def check(self, credentials: DigestCredentials, now: float) -> DigestResult:
        """Return whether the nonce is valid, and why not."""
        return self._nonces.check(credentials, now)


class DigestCache:
    """Interim hashes by user, for the realm of one E. Times are seconds of any monotonic clock."""

    def __init__(self, sip: SipDefaults) -> None:
        self._on = sip.digest_cache
        self._lifetime = sip.digest_cache_s
        self._limit = sip.digest_cache_entries
        self._interval = sip.digest_cache_check_s
        self._hashes: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._checked = 0.0

    def __len__(self) -> int:
        return len(self._hashes)

    def learn(self, user: str, interim: str, now: float) -> None:
        """Store a hash from a C; the oldest is evicted beyond the limit."""
        if not self._on:
            return
        self._hashes.pop(user, None)
        self._hashes[user] = (interim, now + self._lifetime)
        if len(self._hashes) > self._limit:
            self._hashes.popitem(last=False)

    def proves(self, credentials: DigestCredentials, method: str, now: float) -> bool:
        """Return whether a stored hash confirms a digest; if not, a C must be asked.

        A hash that does not may be that of an old password, and is deleted.
        """
        self._check(now)
        interim, until = self._hashes.get(credentials.username, ("", 0.0))
        if until <= now:
            return False
        if credentials.check(method, interim) is DigestResult.GRANTED:
            return True
        del self._hashes[credentials.username]
        return False

    def _check(self, now: float) -> None:
        """Periodically delete expired hashes; they are in order of expiry."""
        if now - self._checked < self._interval:
            return
        self._checked = now
        while self._hashes and next(iter(self._hashes.values()))[1] <= now:
            self._hashes.popitem(last=False)
