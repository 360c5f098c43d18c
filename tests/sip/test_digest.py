"""Digest: the RFC's own example, a verifying server, an answering client."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.sip import Authentication, SipProtocolError
from edgesim.sip.digest import DigestCredentials, DigestResult, Nonces, answer, secret_hash
from edgesim.world import Entropy

REALM = "expe.example.com"
SHIPPED: dict[str, Any] = {"lifetime": 300.0, "uses": 128, "octets": 30}


def store(**options: Any) -> Nonces:
    return Nonces(Entropy(1, "nonces"), **{**SHIPPED, **options})


def answered(
    challenge: str, *, count: int = 1, password: str = "secret", method: str = "REGISTER"
) -> DigestCredentials:
    value = answer(
        Authentication.parse(challenge),
        method=method,
        uri="sip:ucm-pub.inside.example.com",
        username="jdoe",
        password=password,
        cnonce="54f80570",
        count=count,
    )
    return DigestCredentials.of(Authentication.parse(value))


def test_the_example_of_rfc_2617() -> None:
    credentials = DigestCredentials(
        username="Mufasa",
        realm="testrealm@host.com",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        uri="/dir/index.html",
        response="6629fae49393a05397450978507c4ef1",
        qop="auth",
        nc="00000001",
        cnonce="0a4f113b",
    )
    ha1 = secret_hash("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert credentials.check("GET", ha1) is DigestResult.GRANTED
    assert credentials.check("POST", ha1) is DigestResult.WRONG


def test_the_example_of_rfc_7616_with_sha_256() -> None:
    credentials = DigestCredentials(
        username="Mufasa",
        realm="http-auth@example.org",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        uri="/dir/index.html",
        response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        qop="auth",
        nc="00000001",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        algorithm="sha-256",
    )
    ha1 = secret_hash("Mufasa", "http-auth@example.org", "Circle of Life", "sha-256")
    assert credentials.check("GET", ha1) is DigestResult.GRANTED


def test_challenge_and_answer() -> None:
    nonces = store()
    challenge = nonces.challenge(REALM, 0.0)
    parsed = Authentication.parse(challenge)
    assert [name for name, _ in parsed.parameters] == ["realm", "nonce", "opaque", "qop", "stale", "algorithm"]
    assert len(parsed.get("nonce") or "") == 60
    credentials = answered(challenge)
    ha1 = secret_hash("jdoe", REALM, "secret")
    assert credentials.check("REGISTER", ha1) is DigestResult.GRANTED
    assert credentials.check("INVITE", ha1) is DigestResult.WRONG
    assert answered(challenge, password="other").check("REGISTER", ha1) is DigestResult.WRONG
    assert credentials.opaque == parsed.get("opaque")


def test_nonces_expire_and_are_not_replayed() -> None:
    nonces = store(lifetime=300)
    challenge = nonces.challenge(REALM, 0.0)
    assert nonces.check(answered(challenge), 1.0) is DigestResult.GRANTED
    assert nonces.check(answered(challenge), 2.0) is DigestResult.REPLAYED
    assert nonces.check(answered(challenge, count=3), 3.0) is DigestResult.GRANTED
    assert nonces.check(answered(challenge, count=2), 4.0) is DigestResult.REPLAYED
    for late in (301.0, 601.0, 1e6):
        assert nonces.check(answered(challenge, count=4), late) is DigestResult.STALE


def test_a_nonce_serves_as_often_as_is_allowed() -> None:
    nonces = store(uses=128)
    challenge = nonces.challenge(REALM, 0.0)
    verdicts = [nonces.check(answered(challenge, count=count), 1.0) for count in range(1, 131)]
    assert verdicts == [DigestResult.GRANTED] * 128 + [DigestResult.STALE] * 2


@pytest.mark.parametrize("octets", [16, 30, 60])
def test_nothing_but_a_nonce_of_ours_is_one(octets: int) -> None:
    nonces, others = store(octets=octets), Nonces(Entropy(2, "nonces"), **{**SHIPPED, "octets": octets})
    nonce = nonces.make(5.0)
    assert len(nonce) == 2 * octets

    def check(text: str) -> DigestResult:
        return nonces.check(answered(f'Digest realm="{REALM}", nonce="{text}", qop="auth"'), 6.0)

    for place in range(len(nonce)):
        forged = nonce[:place] + format(int(nonce[place], 16) ^ 1, "x") + nonce[place + 1 :]
        assert check(forged) is DigestResult.UNKNOWN_NONCE
    for forged in (
        "",
        nonce[:-1],
        nonce + "0",
        nonce.upper(),
        "g" * len(nonce),
        others.make(5.0),
        "\u00e9" * len(nonce),
    ):
        assert check(forged) is DigestResult.UNKNOWN_NONCE
    assert check(nonce) is DigestResult.GRANTED


def test_nonces_are_known_after_a_restart_with_the_same_key() -> None:
    key = bytes(range(16))
    challenge = store(key=key).challenge(REALM, 0.0)
    restarted = Nonces(Entropy(7, "nonces"), key=key, **SHIPPED)
    assert restarted.check(answered(challenge), 301.0) is DigestResult.STALE
    assert restarted.check(answered(challenge), 10.0) is DigestResult.GRANTED


def test_what_is_remembered_is_bounded_and_what_is_forgotten_is_stale() -> None:
    nonces = store(limit=10)
    challenges = [nonces.challenge(REALM, second) for second in range(50)]
    assert len(nonces) == 0
    for challenge in challenges:
        assert nonces.check(answered(challenge), 50.0) is DigestResult.GRANTED
    assert len(nonces) == 10
    assert nonces.check(answered(challenges[0]), 50.0) is DigestResult.STALE
    assert nonces.check(answered(challenges[-1]), 50.0) is DigestResult.REPLAYED
    assert nonces.check(answered(nonces.challenge(REALM, 400.0)), 400.0) is DigestResult.GRANTED
    assert len(nonces) == 1


def test_without_qop_a_nonce_serves_once() -> None:
    nonces = store()
    challenge = f'Digest realm="{REALM}", nonce="{nonces.make(0.0)}"'
    credentials = answered(challenge)
    assert credentials.qop is None
    assert credentials.check("REGISTER", secret_hash("jdoe", REALM, "secret")) is DigestResult.GRANTED
    assert nonces.check(credentials, 1.0) is DigestResult.GRANTED
    assert nonces.check(credentials, 1.0) is DigestResult.STALE
    several = store(uncounted_uses=3)
    credentials = answered(f'Digest realm="{REALM}", nonce="{several.make(0.0)}"')
    assert [several.check(credentials, 1.0) for _ in range(4)] == [DigestResult.GRANTED] * 3 + [DigestResult.STALE]


@pytest.mark.parametrize(
    "value",
    [
        "Bearer token=x",
        'Digest username="a"',
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth',
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth, cnonce="x", nc=1',
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth, cnonce="x", nc=0000000g',
    ],
)
def test_incomplete_credentials(value: str) -> None:
    with pytest.raises(SipProtocolError):
        DigestCredentials.of(Authentication.parse(value))


def test_unsupported_credentials_are_not_granted() -> None:
    for extra in ("qop=auth-int", "algorithm=MD5-sess"):
        value = f'Digest username="a", realm="b", nonce="c", uri="d", response="é", cnonce="x", nc=00000001, {extra}'
        assert DigestCredentials.of(Authentication.parse(value)).check("REGISTER", "") is DigestResult.INCOMPLETE


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="x"',
        'Digest realm="x"',
        'Digest realm="x", nonce="y", qop="auth-int"',
        'Digest realm="x", nonce="y", algorithm=X',
    ],
)
def test_challenges_that_cannot_be_answered(challenge: str) -> None:
    with pytest.raises(SipProtocolError):
        answered(challenge)
