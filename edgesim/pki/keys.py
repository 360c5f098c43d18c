"""Private keys drawn from a stream of randomness: the same stream gives the same key, RSA keys included."""

from __future__ import annotations

import math
from itertools import compress
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""The types of the lab's keys."""

CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "P-384": (
        ec.SECP384R1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
}
"""Curves by name, with their group orders (FIPS 186-4, D.1.2)."""
RSA_BITS = {"RSA-2048": 2048, "RSA-1024": 1024}
"""RSA keys by name. Keys below 2048 bits are weak: OpenSSL refuses them at security level 2."""
EXPONENT = 65537
LEAST_RSA, LEAST_EC = 2048, 224
"""The fewest bits that OpenSSL accepts at security level 2, its default (112 bits of security)."""

_SIEVE = 1 << 13
_SMALL = [n for n in range(3, 4000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))]
_WITNESSES = 24
"""Rounds of the Miller-Rabin test; each accepts at most one composite number in four (FIPS 186-5, B.3.1)."""


class Randomness(Protocol):
    """The source of keys and serial numbers: an `Entropy` stream, or ``random.SystemRandom`` for real secrets."""

    def randrange(self, start: int, stop: int, /) -> int: ...


def new_ec_key(entropy: Randomness, curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """Return a new elliptic curve key."""
    kind, order = CURVES[curve]
    return ec.derive_private_key(entropy.randrange(1, order), kind)


def new_key(entropy: Randomness, kind: str = "P-256") -> PrivateKey:
    """Return a new private key of a kind in `CURVES` or `RSA_BITS`. An RSA key takes a few tenths of a second."""
    if kind not in RSA_BITS:
        return new_ec_key(entropy, kind)
    bits = RSA_BITS[kind]
    p = _prime(entropy, bits // 2)
    q = _prime(entropy, bits // 2)
    while q == p:  # pragma: no cover - as likely as guessing the key
        q = _prime(entropy, bits // 2)
    p, q = max(p, q), min(p, q)
    d = pow(EXPONENT, -1, math.lcm(p - 1, q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    ).private_key()


def key_pem(key: PrivateKey) -> bytes:
    """Return a private key in PEM (PKCS #8, not encrypted)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def sign_sha1(key: PrivateKey, text: bytes) -> bytes:
    """Return the signature over ``text`` with SHA-1, as in RFC 4474; deterministic."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), hashes.SHA1())
    return key.sign(text, ec.ECDSA(hashes.SHA1(), deterministic_signing=True))


def signed_sha1(key: PublicKeyTypes, signature: bytes, text: bytes) -> bool:
    """Return whether ``signature`` is the key's over ``text``, see `sign_sha1`."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), hashes.SHA1())
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, text, ec.ECDSA(hashes.SHA1()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def describe(key: PublicKeyTypes) -> str:
    """Return a description of a key: ``EC secp256r1``, ``RSA 2048 bits``."""
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size} bits"
        case ec.EllipticCurvePublicKey():
            return f"EC {key.curve.name}"
        case _:
            return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def too_weak(key: PublicKeyTypes) -> bool:
    """Return whether OpenSSL refuses a certificate with this key at security level 2."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size < LEAST_RSA
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < LEAST_EC


def _prime(entropy: Randomness, bits: int) -> int:
    """Return a prime for RSA with its two highest bits set, so that a product of two has twice the bits."""
    while True:
        start = entropy.randrange(3 << (bits - 2), 1 << bits) | 1
        # Odd numbers from here up; the sieve removes those with a small divisor.
        sieve = bytearray(b"\x01") * _SIEVE
        for small in _SMALL:
            first = (-start * pow(2, -1, small)) % small
            sieve[first::small] = bytes(len(range(first, _SIEVE, small)))
        for offset in compress(range(_SIEVE), sieve):
            candidate = start + 2 * offset
            if candidate.bit_length() > bits:
                break
            if (candidate - 1) % EXPONENT and pow(2, candidate - 1, candidate) == 1 and _is_prime(entropy, candidate):
                return candidate


def _is_prime(entropy: Randomness, number: int) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(_WITNESSES):
        x = pow(entropy.randrange(2, number - 1), odd, number)
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True
