"""Keys: drawn from a stream, the same every time, and such that OpenSSL takes them for what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from edgesim.pki import Usage, expressway_e, fixture_authorities, self_signed, verify
from edgesim.pki.keys import describe, key_pem, new_key, sign_sha1, signed_sha1, too_weak
from edgesim.pki.trust import TrustStore
from edgesim.pki.verify import Defect
from edgesim.world.entropy import Entropy
from tests.pki.openssl import openssl

KINDS = ("P-256", "P-384", "RSA-2048", "RSA-1024")


@pytest.mark.parametrize("kind", KINDS)
def test_one_stream_gives_one_key(kind: str) -> None:
    first, again, other = (key_pem(new_key(Entropy(seed, "keys"), kind)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("seed", range(4))
def test_rsa_keys_are_sound(seed: int, tmp_path: Path) -> None:
    key = new_key(Entropy(seed, "rsa"), "RSA-1024")
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    assert key.key_size == 1024 and numbers.p > numbers.q
    assert numbers.p.bit_length() == numbers.q.bit_length() == 512
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(key))
    done = openssl("pkey", "-in", path, "-check", "-noout")
    assert "Key is valid" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("kind", "words", "weak"),
    [("P-256", "EC secp256r1", False), ("RSA-2048", "RSA 2048 bits", False), ("RSA-1024", "RSA 1024 bits", True)],
)
def test_kinds_in_words_and_which_is_weak(kind: str, words: str, weak: bool) -> None:
    key = new_key(Entropy(1, "keys"), kind).public_key()
    assert describe(key) == words
    assert too_weak(key) is weak
    authority = fixture_authorities(Entropy(1, "x")).public
    leaf = authority.issue(expressway_e("expe.example.com"), kind=kind)
    checked = verify(leaf.certificate, (), TrustStore.of("roots", authority), usage=Usage.SERVER)
    assert [each.defect for each in checked.problems] == ([Defect.KEY] if weak else [])


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_signatures_are_the_same_each_time_and_belong_to_text_and_key(kind: str) -> None:
    key, other = (new_key(Entropy(seed, "keys"), kind) for seed in (1, 2))
    signature = sign_sha1(key, b"text")
    assert signature == sign_sha1(key, b"text")
    assert signed_sha1(key.public_key(), signature, b"text")
    assert not signed_sha1(key.public_key(), signature, b"other")
    assert not signed_sha1(other.public_key(), signature, b"text")
    assert not signed_sha1(key.public_key(), b"", b"text")


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048"])
def test_key_usages_fit_the_key(kind: str) -> None:
    usage = self_signed(expressway_e("e.example.com"), Entropy(1, "x"), kind=kind).certificate.extensions
    value = next(each.value for each in usage if each.oid.dotted_string == "2.5.29.15")
    assert (value.key_encipherment, value.key_agreement) == ((True, False) if kind == "RSA-2048" else (False, True))
