"""Digest authentication for SIP (RFC 2617, RFC 3261, 22; RFC 7616 for SHA-256): challenges, nonces, answers.

Sans-IO: whoever calls gives the time in seconds and the stream of randomness. A server that challenges need not be
the one that knows passwords (Expressway-E asks Expressway-C), so nonces and answers are judged separately.
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
from edgesim.sip.values import Authentication, quote, unquote
from edgesim.world import Entropy

_COUNT = re.compile("[0-9a-fA-F]{8}").fullmatch
CLIENT_ORDER = ("username", "realm", "nonce", "uri", "response", "opaque", "cnonce", "qop", "nc", "algorithm")
EXPRESSWAY_ORDER = ("nonce", "realm", "opaque", "algorithm", "uri", "username", "response", "qop", "cnonce", "nc")
"""The order in which an answer has its parameters: a client's, and an Expressway's as captured."""
_HASHES = {"md5": "md5", "sha-256": "sha256"}


class Verdict(Enum):
    """How a server judges credentials."""

    GRANTED = "granted"
    WRONG = "wrong response"
    STALE = "stale nonce"
    REPLAYED = "nonce count replayed"
    UNKNOWN_NONCE = "nonce not ours"
    INCOMPLETE = "incomplete or unsupported credentials"


def _hash(algorithm: str, text: str) -> str:
    return hashlib.new(_HASHES[algorithm], text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def secret_hash(username: str, realm: str, password: str, algorithm: str = "md5") -> str:
    """Return H(A1) in hexadecimal: what a server may keep instead of the password (RFC 7616, 3.4.2)."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestCredentials:
    """What a digest answer says, unquoted; as it travels in Authorization, or inside the edge's SERVICE body."""

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
        """Read credentials from an Authorization value. Raises `SipProtocolError` if they are incomplete."""
        if header.scheme.lower() != "digest":
            raise SipProtocolError("credentials of another scheme")
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
        """Return the response that the holder of ``ha1`` gives (RFC 2617, 3.2.2; qop "auth" or none)."""
        ha2 = _hash(self.algorithm, f"{method}:{self.uri}")
        middle = self.nonce if self.qop is None else f"{self.nonce}:{self.nc}:{self.cnonce}:{self.qop}"
        return _hash(self.algorithm, f"{ha1}:{middle}:{ha2}")

    def judge(self, method: str, ha1: str) -> Verdict:
        """Say whether the answer is that of the holder of ``ha1``; nonces are judged by `NonceStore`."""
        if self.algorithm not in _HASHES or self.qop not in (None, "auth"):
            return Verdict.INCOMPLETE
        expected = self.expected(method, ha1).encode()
        granted = hmac.compare_digest(expected, self.response.encode("utf-8", "surrogateescape"))
        return Verdict.GRANTED if granted else Verdict.WRONG


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
    """Return the Authorization value that answers a challenge, its parameters in ``order``.

    ``count`` is how many requests used this nonce, this one included. Raises `SipProtocolError` for a challenge
    that cannot be answered: another scheme, an unknown algorithm, no qop that is "auth".
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


@dataclass(slots=True)
class _Nonce:
    made: float
    count: int = 0


class NonceStore:
    """The nonces that one server gave out, bounded in number and in age (seconds of whatever clock gives ``now``)."""

    def __init__(self, entropy: Entropy, *, lifetime: float = 300.0, limit: int = 20_000, octets: int = 30) -> None:
        self._entropy = entropy
        self._lifetime = lifetime
        self._limit = limit
        self._octets = octets
        self._nonces: OrderedDict[str, _Nonce] = OrderedDict()

    def __len__(self) -> int:
        return len(self._nonces)

    def make(self, now: float) -> str:
        """Return a fresh nonce: ``2 * octets`` hexadecimal characters."""
        while self._nonces:
            oldest = next(iter(self._nonces.values()))
            if len(self._nonces) < self._limit and now - oldest.made <= 2 * self._lifetime:
                break
            self._nonces.popitem(last=False)
        nonce = self._entropy.token_hex(self._octets)
        self._nonces[nonce] = _Nonce(now)
        return nonce

    def challenge(self, realm: str, now: float, *, stale: bool = False) -> str:
        """Return a challenge's value: realm, a fresh nonce, opaque, qop "auth", stale, MD5."""
        opaque = base64.b64encode(self._entropy.randbytes(24)).decode()
        return (
            f'Digest realm={quote(realm)}, nonce="{self.make(now)}", opaque="{opaque}", qop="auth", '
            f"stale={'TRUE' if stale else 'FALSE'}, algorithm=MD5"
        )

    def judge(self, credentials: DigestCredentials, now: float) -> Verdict:
        """Judge the nonce and its count; a granted use is remembered, so that the same count is a replay later."""
        nonce = self._nonces.get(credentials.nonce)
        if nonce is None:
            return Verdict.UNKNOWN_NONCE
        if now - nonce.made > self._lifetime:
            return Verdict.STALE
        count = int(credentials.nc, 16) if credentials.nc is not None else nonce.count + 1
        if count <= nonce.count:
            return Verdict.REPLAYED
        if credentials.nc is None and nonce.count:
            return Verdict.STALE  # Without a count a nonce serves once (RFC 2617, 3.2.1, leaves it to the server).
        nonce.count = count
        return Verdict.GRANTED
