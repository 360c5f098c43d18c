"""Digest authentication for SIP (RFC 2617, RFC 3261, 22; RFC 7616 for SHA-256): challenges, nonces, answers.

Sans-IO: the caller supplies the time in seconds and the stream of randomness. The challenging server need not store the
passwords (Expressway-E asks Expressway-C), so nonces and responses are checked separately.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from edgesim.sip.errors import SipProtocolError
from edgesim.sip.text import quote, unquote
from edgesim.sip.values import Authentication
from edgesim.world import Entropy

_COUNT = re.compile("[0-9a-fA-F]{8}").fullmatch
CLIENT_ORDER = ("username", "realm", "nonce", "uri", "response", "opaque", "cnonce", "qop", "nc", "algorithm")
EXPRESSWAY_ORDER = ("nonce", "realm", "opaque", "algorithm", "uri", "username", "response", "qop", "cnonce", "nc")
"""The order of parameters in an Authorization: a client's, and an Expressway's as captured."""
_HEX = re.compile("[0-9a-f]+").fullmatch
_TIME_OCTETS = 6
_STAMP_OCTETS = 10
"""The octets of a nonce that hold its time, in milliseconds, and random bits."""
KEY_OCTETS = 16
MIN_NONCE_OCTETS = 16
"""The length of the shortest nonce: its content and a signature of six octets."""
_HASHES = {"md5": "md5", "sha-256": "sha256"}


class DigestResult(Enum):
    """The result of checking credentials."""

    GRANTED = "granted"
    WRONG = "wrong response"
    STALE = "stale nonce"
    REPLAYED = "nonce count replayed"
    UNKNOWN_NONCE = "nonce not ours"
    INCOMPLETE = "incomplete or unsupported credentials"


def _hash(algorithm: str, text: str) -> str:
    return hashlib.new(_HASHES[algorithm], text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def secret_hash(username: str, realm: str, password: str, algorithm: str = "md5") -> str:
    """Return H(A1) in hexadecimal, which a server may store instead of the password (RFC 7616, 3.4.2)."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestCredentials:
    """Digest credentials, unquoted, as carried in Authorization or in the edge's SERVICE body."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    qop: str | None = None
    cnonce: str | None = None
    nc: str | None = None
    algorithm: str = "md5"
    opaque: str | None = None

    @classmethod
    def of(cls, header: Authentication) -> DigestCredentials:
        """Parse an Authorization value. Raises `SipProtocolError` if it is incomplete."""
        if header.scheme.lower() != "digest":
            raise SipProtocolError("credentials of a scheme other than Digest")
        found = {name.lower(): unquote(value) for name, value in reversed(header.parameters)}
        for name in ("username", "realm", "nonce", "uri", "response"):
            if name not in found:
                raise SipProtocolError(f"digest credentials without {name}")
        qop, nc, cnonce = found.get("qop"), found.get("nc"), found.get("cnonce")
        if qop is not None and (nc is None or cnonce is None):
            raise SipProtocolError("digest credentials with qop but without nc or cnonce")
        if nc is not None and not _COUNT(nc):
            raise SipProtocolError("malformed nonce count")
        return cls(
            username=found["username"],
            realm=found["realm"],
            nonce=found["nonce"],
            uri=found["uri"],
            response=found["response"].lower(),
            qop=qop,
            cnonce=cnonce,
            nc=nc,
            algorithm=(found.get("algorithm") or "md5").lower(),
            opaque=found.get("opaque"),
        )

    def expected(self, method: str, ha1: str) -> str:
        """Return the response that ``ha1`` yields (RFC 2617, 3.2.2; qop "auth" or none)."""
        ha2 = _hash(self.algorithm, f"{method}:{self.uri}")
        middle = self.nonce if self.qop is None else f"{self.nonce}:{self.nc}:{self.cnonce}:{self.qop}"
        return _hash(self.algorithm, f"{ha1}:{middle}:{ha2}")

    def check(self, method: str, ha1: str) -> DigestResult:
        """Return whether the response matches ``ha1``; `Nonces` checks the nonce."""
        if self.algorithm not in _HASHES or self.qop not in (None, "auth"):
            return DigestResult.INCOMPLETE
        expected = self.expected(method, ha1).encode()
        granted = hmac.compare_digest(expected, self.response.encode("utf-8", "surrogateescape"))
        return DigestResult.GRANTED if granted else DigestResult.WRONG


def answer(
    challenge: Authentication,
    *,
    method: str,
    uri: str,
    username: str,
    password: str,
    cnonce: str,
    count: int = 1,
    order: Sequence[str] = CLIENT_ORDER,
) -> str:
    """Return the Authorization value that answers a challenge, with its parameters in ``order``.

    ``count`` is how many requests used this nonce, including this one. Raises `SipProtocolError` for a challenge that
    cannot be answered: another scheme, an unknown algorithm, or no qop "auth".
    """
    realm, nonce = challenge.get("realm"), challenge.get("nonce")
    algorithm = (challenge.get("algorithm") or "MD5").lower()
    if challenge.scheme.lower() != "digest" or realm is None or nonce is None or algorithm not in _HASHES:
        raise SipProtocolError("challenge that cannot be answered", status=None)
    offered = challenge.get("qop")
    qop = None
    if offered is not None:
        if "auth" not in [item.strip().lower() for item in offered.split(",")]:
            raise SipProtocolError("challenge without qop auth", status=None)
        qop = "auth"
    credentials = DigestCredentials(
        username=username,
        realm=realm,
        nonce=nonce,
        uri=uri,
        response="",
        qop=qop,
        cnonce=cnonce if qop else None,
        nc=f"{count:08x}" if qop else None,
        algorithm=algorithm,
    )
    response = credentials.expected(method, secret_hash(username, realm, password, algorithm))
    items = [
        ("username", quote(username)),
        ("realm", quote(realm)),
        ("nonce", quote(nonce)),
        ("uri", quote(uri)),
        ("response", quote(response)),
    ]
    opaque = challenge.get("opaque")
    if opaque is not None:
        items.append(("opaque", quote(opaque)))
    if qop is not None:
        items += [("cnonce", quote(cnonce)), ("qop", qop), ("nc", f"{count:08x}")]
    if challenge.get("algorithm") is not None:
        items.append(("algorithm", challenge.get("algorithm") or "MD5"))
    items.sort(key=lambda item: order.index(item[0]))
    return str(Authentication(scheme="Digest", parameters=tuple(items)))


class Nonces:
    """The nonces of one server. Each carries its creation time and a signature, so none has to be stored.

    Use counts are stored for at most ``limit`` nonces; a nonce evicted from them is stale, never fresh. ``lifetime`` is
    in seconds of the clock that supplies ``now``; ``uses`` is the highest nonce count, ``uncounted_uses`` how often a
    nonce may be used without a count (RFC 2617, 3.2.1, leaves this to the server). ``key`` signs nonces: with the same
    key they remain valid across a restart.
    """

    def __init__(
        self,
        entropy: Entropy,
        *,
        key: bytes | None = None,
        lifetime: float,
        uses: int,
        octets: int,
        uncounted_uses: int = 1,
        limit: int = 10_000,
    ) -> None:
        if octets < MIN_NONCE_OCTETS:
            raise ValueError(f"expected a nonce of at least {MIN_NONCE_OCTETS} octets: it contains a signature")
        self._entropy = entropy
        self._key = key if key is not None else entropy.randbytes(KEY_OCTETS)
        self._lifetime = lifetime
        self._uses = uses
        self._uncounted_uses = uncounted_uses
        self._signature = octets - _STAMP_OCTETS
        self._limit = limit
        self._used: OrderedDict[str, int] = OrderedDict()
        self._forgotten = -1.0

    def __len__(self) -> int:
        """Return the number of nonces whose use is stored."""
        return len(self._used)

    def make(self, now: float) -> str:
        """Return a fresh nonce of ``2 * octets`` hexadecimal characters that do not reveal its content."""
        stamp = int(now * 1000).to_bytes(_TIME_OCTETS) + self._entropy.randbytes(_STAMP_OCTETS - _TIME_OCTETS)
        signature = self._hash(stamp, self._signature)
        return (_xor(stamp, self._hash(signature, _STAMP_OCTETS)) + signature).hex()

    def challenge(self, realm: str, now: float, *, stale: bool = False) -> str:
        """Return the value of a challenge: realm, a fresh nonce, opaque, qop "auth", stale, MD5."""
        opaque = base64.b64encode(self._entropy.randbytes(24)).decode()
        return (
            f'Digest realm={quote(realm)}, nonce="{self.make(now)}", opaque="{opaque}", qop="auth", '
            f"stale={'TRUE' if stale else 'FALSE'}, algorithm=MD5"
        )

    def check(self, credentials: DigestCredentials, now: float) -> DigestResult:
        """Check the nonce and its count; an accepted use is stored, so that the same count is later a replay."""
        nonce = credentials.nonce
        made = self._made(nonce)
        if made is None:
            return DigestResult.UNKNOWN_NONCE
        used = self._used.get(nonce)
        if not 0 <= now - made <= self._lifetime or (used is None and made <= self._forgotten):
            return DigestResult.STALE
        if credentials.nc is None:
            count = (used or 0) + 1
            if count > self._uncounted_uses:
                return DigestResult.STALE
        else:
            count = int(credentials.nc, 16)
            if count <= (used or 0):
                return DigestResult.REPLAYED
            if count > self._uses:
                return DigestResult.STALE
        self._used[nonce] = count
        self._forget(now)
        return DigestResult.GRANTED

    def _made(self, nonce: str) -> float | None:
        """Return when a nonce was made, or None if it is not ours."""
        if len(nonce) != 2 * (_STAMP_OCTETS + self._signature) or not _HEX(nonce):
            return None
        octets = bytes.fromhex(nonce)
        masked, signature = octets[:_STAMP_OCTETS], octets[_STAMP_OCTETS:]
        stamp = _xor(masked, self._hash(signature, _STAMP_OCTETS))
        if not hmac.compare_digest(self._hash(stamp, self._signature), signature):
            return None
        return int.from_bytes(stamp[:_TIME_OCTETS]) / 1000

    def _hash(self, data: bytes, size: int) -> bytes:
        return hashlib.blake2b(data, digest_size=size, key=self._key).digest()

    def _forget(self, now: float) -> None:
        """Evict expired nonces, and the oldest beyond the limit."""
        while self._used:
            first = next(iter(self._used))
            made = self._made(first) or 0.0
            if now - made <= self._lifetime and len(self._used) <= self._limit:
                return
            del self._used[first]
            self._forgotten = max(self._forgotten, made)


def _xor(data: bytes, pad: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, pad, strict=True))
