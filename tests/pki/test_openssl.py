"""The product's own judgement inside OpenSSL's handshake, held against another OpenSSL: that of Python's ``ssl``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from edgesim.pki import (
    CLIENT_ONLY,
    EXPIRED,
    NOT_YET,
    SERVER_ONLY,
    Authorities,
    Identity,
    Policy,
    Profile,
    Refusal,
    Request,
    TlsOptions,
    TrustStore,
    client_context,
    expressway_c,
    expressway_e,
    peer_certificates,
    self_signed,
    server_context,
    unified_cm,
)
from edgesim.pki.authority import Validity
from edgesim.pki.policy import EXPIRED as CODE_EXPIRED
from edgesim.world.entropy import Entropy
from edgesim.world.tls.events import alert_of, reason_of
from tests.pki.handshake import ends_of, handshake
from tests.pki.stock import NAME, both_versions, stock


@dataclass(frozen=True)
class Wrong:
    """A fault of a certificate, the verifier's error, and the alert that the peer gets."""

    reason: str
    alert: str


WRONG = {
    "expired": Wrong("certificate has expired", "certificate expired"),
    "not yet valid": Wrong("certificate is not yet valid", "bad certificate"),
    "issuer not held": Wrong("unable to get local issuer certificate", "unknown ca"),
    "self-signed": Wrong("self-signed certificate", "unknown ca"),
    "usage": Wrong("unsuitable certificate purpose", "unsupported certificate"),
    "name": Wrong(f"Hostname mismatch, certificate is not valid for '{NAME}'.", "bad certificate"),
}


def broken(how: str, cas: Authorities, *, client: bool) -> Identity:
    """A certificate with one thing wrong with it."""
    name = "other.example.com" if how == "name" else NAME
    request = Request(common_name=name, names=(f"DNS:{name}",), profile=Profile(name="both", usages=expressway_e(
        NAME).profile.usages))  # fmt: skip
    match how:
        case "expired":
            return cas.public.issue(request, validity=EXPIRED)
        case "not yet valid":
            return cas.public.issue(request, validity=NOT_YET)
        case "issuer not held":
            return cas.enterprise.issue(request)
        case "self-signed":
            return self_signed(request, Entropy(3, "x"))
        case "usage":
            return cas.public.issue(replace(request, profile=SERVER_ONLY if client else CLIENT_ONLY))
        case _:
            return cas.public.issue(request)


@both_versions
@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("check", ["client", "server"])
@pytest.mark.parametrize("peer", ["ours", "stock"])
def test_the_reason_and_the_alert_fit_what_is_wrong(
    tmp_path: Path, cas: Authorities, expe: Identity, version: ssl.TLSVersion, how: str, check: str, peer: str
) -> None:
    public = TrustStore.of("public", cas.public)
    bad = broken(how, cas, client=check == "server")
    options = TlsOptions(maximum=version)
    if check == "client":
        strict = client_context(public, options=options)
        checked = server_context(bad, options=options)
        if peer == "stock":
            checked = stock(tmp_path, server=bad, trust=public)
            checked.verify_mode = ssl.CERT_NONE
        ends = handshake(checked, strict, NAME)
        said, heard = ends.client_error, ends.server_error
    else:
        wants = Policy(names=(NAME,)) if how == "name" else Policy()
        strict_server = server_context(expe, trust=public, require_client=True, options=options, policy=wants)
        shows = client_context(public, identity=bad, options=options)
        if peer == "stock":
            shows = stock(tmp_path, trust=public, identity=bad)
        ends = handshake(strict_server, shows, NAME)
        said, heard = ends.server_error, ends.client_error
    assert said is not None and heard is not None
    assert reason_of(said) == f"certificate verify failed: {WRONG[how].reason}"
    assert alert_of(heard) == WRONG[how].alert


@pytest.mark.parametrize("how", WRONG)
def test_errors_read_as_those_of_pythons_ssl(tmp_path: Path, cas: Authorities, how: str) -> None:
    public = TrustStore.of("public", cas.public)
    server = server_context(broken(how, cas, client=False))
    ours = handshake(server, client_context(public), NAME).client_error
    theirs = handshake(server, stock(tmp_path, trust=public), NAME).client_error
    assert isinstance(ours, ssl.SSLCertVerificationError) and isinstance(theirs, ssl.SSLCertVerificationError)
    assert (ours.verify_code, ours.verify_message) == (theirs.verify_code, theirs.verify_message)
    assert (ours.errno, ours.library, ours.reason) == (theirs.errno, theirs.library, theirs.reason)


@pytest.mark.parametrize(
    ("year", "defect"), [(2014, "certificate is not yet valid"), (2016, None), (2050, "certificate has expired")]
)
@pytest.mark.parametrize("check", ["client", "server"])
def test_dates_count_by_the_clock_given(
    everything: TrustStore, expe: Identity, year: int, defect: str | None, check: str
) -> None:
    policy = Policy(clock=lambda: datetime(year, 6, 1, tzinfo=UTC))
    client = client_context(everything, identity=expe, policy=policy if check == "client" else Policy())
    server = server_context(
        expe, trust=everything, require_client=True, policy=policy if check == "server" else Policy()
    )
    ends = handshake(server, client, NAME)
    said = ends.client_error if check == "client" else ends.server_error
    assert (reason_of(said) if said else None) == (f"certificate verify failed: {defect}" if defect else None)


def test_the_last_second_of_a_certificate_is_good(cas: Authorities, everything: TrustStore) -> None:
    end = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    server = server_context(
        cas.public.issue(expressway_e(NAME), validity=Validity(datetime(2026, 1, 1, tzinfo=UTC), end))
    )
    for microsecond, second, good in ((0, 0, True), (999_999, 0, True), (0, 1, False)):
        now = end.replace(second=second, microsecond=microsecond)
        policy = Policy(clock=lambda now=now: now)
        assert handshake(server, client_context(everything, policy=policy), NAME).ok is good, now


@both_versions
def test_extended_key_usage_of_clients_can_be_left_unchecked(
    cas: Authorities, everything: TrustStore, expe: Identity, version: ssl.TLSVersion
) -> None:
    """SIP TLS Certificate ExtendedKeyUsage Checking Mode (Expressway X15.5)."""
    request = Request(common_name="expc.example.com", names=("DNS:expc.example.com",), profile=SERVER_ONLY)
    client = client_context(everything, identity=cas.enterprise.issue(request), options=TlsOptions(maximum=version))
    on = server_context(expe, trust=everything, require_client=True)
    off = server_context(expe, trust=everything, require_client=True, policy=Policy(usage=False))
    ends = handshake(on, client, NAME)
    assert ends.server_error is not None and "unsuitable certificate purpose" in str(ends.server_error)
    assert handshake(off, client, NAME).ok
    late = cas.enterprise.issue(request, validity=EXPIRED)
    ends = handshake(off, client_context(everything, identity=late), NAME)
    assert ends.server_error is not None and "has expired" in str(ends.server_error), "all else is checked as ever"


def test_an_issuer_that_is_not_a_ca_is_refused_even_where_usage_is_not_checked(
    cas: Authorities, everything: TrustStore
) -> None:
    """``usage`` False is about the peer's own certificate alone."""
    leaf = self_signed(expressway_c("expc.example.com"), Entropy(4, "x"))
    server = server_context(leaf, trust=TrustStore.of("empty"), require_client=True, policy=Policy(usage=False))
    ends = handshake(server, client_context(None, identity=leaf), NAME)
    assert alert_of(ends.client_error or OSError()) == "unknown ca"


@pytest.mark.parametrize(
    ("names", "good"),
    [
        (("example.com",), False),
        (("example.com", "SRV:_collab-edge._tls.example.com"), True),
        (("SRV:_collab-edge._tls.example.org", "SRV:_sip._tls.example.com"), False),
        ((NAME.upper(),), True),
        ((), True),
    ],
)
@pytest.mark.parametrize("check", ["client", "server"])
def test_one_of_several_names_is_enough_and_without_names_none_is_checked(
    everything: TrustStore, expe: Identity, names: tuple[str, ...], good: bool, check: str
) -> None:
    policy = Policy(names=names)
    client = client_context(everything, identity=expe, policy=policy if check == "client" else Policy())
    server = server_context(
        expe, trust=everything, require_client=True, policy=policy if check == "server" else Policy()
    )
    ends = handshake(server, client, NAME if check == "server" else "elsewhere.example.net")
    assert ends.ok is good
    if not good:
        said = ends.client_error if check == "client" else ends.server_error
        assert said is not None
        assert str(said).endswith(f"certificate is not valid for {' or '.join(repr(name) for name in names)}.")


def test_an_address_is_verified_against_the_addresses_of_the_certificate(
    cas: Authorities, everything: TrustStore
) -> None:
    server = server_context(cas.public.issue(Request(common_name="x", names=("IP:10.0.0.1",), profile=SERVER_ONLY)))
    assert handshake(server, client_context(everything), "10.0.0.1").ok
    ends = handshake(server, client_context(everything), "10.0.0.2")
    assert "IP address mismatch, certificate is not valid for '10.0.0.2'." in str(ends.client_error)


def test_a_certificate_can_be_asked_for_without_verifying_it(everything: TrustStore, expe: Identity) -> None:
    stranger = self_signed(unified_cm("cucm1.example.com"), Entropy(1, "x"), validity=EXPIRED)
    lenient = Policy(verify=False)
    without_store = server_context(expe, ask_client=True, policy=lenient)
    with_store = server_context(expe, trust=everything, require_client=True, policy=lenient)
    for asks in (without_store, with_store):
        ends = handshake(asks, client_context(None, identity=stranger), NAME)
        assert ends.ok
        assert peer_certificates(ends.server.ssl_object) == (stranger.der,)
    assert handshake(without_store, client_context(None), NAME).ok
    required = server_context(expe, require_client=True, policy=lenient)
    ends = handshake(required, client_context(None), NAME)
    assert alert_of(ends.client_error or OSError()) == "certificate required", "not verified, and yet required"


def test_the_first_of_equal_subjects_is_the_one_that_counts() -> None:
    mine = self_signed(unified_cm("cucm1.example.com"), Entropy(1, "x"))
    twin = self_signed(unified_cm("cucm1.example.com"), Entropy(2, "x"))
    server = server_context(mine)
    first = TlsOptions(first_match=True)
    for held, good in ((TrustStore.of("C", mine, twin), True), (TrustStore.of("C", twin, mine), False)):
        assert handshake(server, client_context(held, options=first), "cucm1.example.com").ok is good
        assert handshake(server, client_context(held), "cucm1.example.com").ok


def test_a_check_of_the_callers_own_has_the_last_word(cas: Authorities, everything: TrustStore, expe: Identity) -> None:
    heard: list[tuple[str, int, int]] = []

    def check(certificate: x509.Certificate, error: int, depth: int) -> Refusal | None:
        heard.append((certificate.subject.rfc4514_string(), error, depth))
        return Refusal(CODE_EXPIRED, "we do not like it") if depth == 0 else None

    ends = handshake(server_context(expe), client_context(everything, policy=Policy(check=check)), NAME)
    assert heard == [(cas.public.subject, 0, 1), (expe.subject, 0, 0)]
    assert ends.client_error is not None and ends.server_error is not None
    assert reason_of(ends.client_error) == "certificate verify failed: we do not like it"
    assert alert_of(ends.server_error) == "certificate expired"


def test_a_check_that_raises_refuses_the_peer_and_its_error_is_raised(everything: TrustStore, expe: Identity) -> None:
    def check(*_: object) -> Refusal | None:
        raise LookupError("no such setting")

    ends = ends_of(server_context(expe), client_context(everything, policy=Policy(check=check)), NAME)
    for end in (ends.client, ends.server):
        assert not end.handshake()
        ends.carry()
    with pytest.raises(LookupError, match="no such setting"):
        ends.client.handshake()
    ends.carry()
    with pytest.raises(ssl.SSLError) as refused:
        ends.server.handshake()
    assert alert_of(refused.value) == "bad certificate"
