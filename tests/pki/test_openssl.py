"""The product's own judgement inside OpenSSL's handshake, held against another OpenSSL: that of Python's ``ssl``."""

from __future__ import annotations

import contextlib
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
    fixture_authorities,
    peer_certificates,
    self_signed,
    server_context,
    unified_cm,
)
from edgesim.pki.authority import Validity
from edgesim.pki.policy import EXPIRED as CODE_EXPIRED
from edgesim.world.entropy import Entropy
from edgesim.world.tls.engine import PIECE, RECORD
from edgesim.world.tls.events import alert_of, reason_of
from tests.pki.handshake import ends_of, engine, handshake

NAME = "expe.example.com"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture
def cas() -> Authorities:
    return fixture_authorities(Entropy(7, "tests"))


@pytest.fixture
def everything(cas: Authorities) -> TrustStore:
    return TrustStore.of("all", *cas.enterprise.full_chain, cas.public)


@pytest.fixture
def expe(cas: Authorities) -> Identity:
    return cas.public.issue(expressway_e(NAME, domains=["example.com"], form="SRVName"))


def stock(tmp_path: Path, *, server: Identity | None = None, trust: TrustStore, identity: Identity | None = None,
          maximum: ssl.TLSVersion = V13, name: bool = True) -> ssl.SSLContext:  # fmt: skip
    """A context of Python's own, which knows nothing of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = maximum
    if not server:
        context.check_hostname = name
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trust.der())
    shown = server or identity
    if shown:
        path = tmp_path / f"{shown.fingerprint}.pem"
        path.write_bytes(shown.key_pem() + shown.pem())
        context.load_cert_chain(path)
    return context


@dataclass(frozen=True)
class Wrong:
    """What may be wrong with a certificate, what the judge says of it, and the alert that its owner hears."""

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
            checked = stock(tmp_path, server=bad, trust=public)  # type: ignore[assignment]  # one that is not ours
            checked.verify_mode = ssl.CERT_NONE
        ends = handshake(checked, strict, NAME)
        said, heard = ends.client_error, ends.server_error
    else:
        wants = Policy(names=(NAME,)) if how == "name" else Policy()
        strict_server = server_context(expe, trust=public, require_client=True, options=options, policy=wants)
        shows = client_context(public, identity=bad, options=options)
        if peer == "stock":
            shows = stock(tmp_path, trust=public, identity=bad)  # type: ignore[assignment]  # one that is not ours
        ends = handshake(strict_server, shows, NAME)
        said, heard = ends.server_error, ends.client_error
    assert said is not None and heard is not None
    assert reason_of(said) == f"certificate verify failed: {WRONG[how].reason}"
    assert alert_of(heard) == WRONG[how].alert


@pytest.mark.parametrize("how", WRONG)
def test_errors_read_as_pythons_own(tmp_path: Path, cas: Authorities, how: str) -> None:
    public = TrustStore.of("public", cas.public)
    server = server_context(broken(how, cas, client=False))
    ours = handshake(server, client_context(public), NAME).client_error
    theirs = handshake(server, stock(tmp_path, trust=public), NAME).client_error
    assert isinstance(ours, ssl.SSLCertVerificationError) and isinstance(theirs, ssl.SSLCertVerificationError)
    assert (ours.verify_code, ours.verify_message) == (theirs.verify_code, theirs.verify_message)
    assert (ours.errno, ours.library, ours.reason) == (theirs.errno, theirs.library, theirs.reason)


# ---- the policy


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
        policy = Policy(clock=lambda now=now: now)  # type: ignore[misc]  # a default that binds early
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


def test_a_ca_that_is_none_is_not_excused_with_the_usage(cas: Authorities, everything: TrustStore) -> None:
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
def test_one_of_several_names_is_enough_and_none_wanted_is_none_checked(
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


def test_addresses_are_names_too(cas: Authorities, everything: TrustStore) -> None:
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


def test_a_judge_of_ones_own_has_the_last_word(cas: Authorities, everything: TrustStore, expe: Identity) -> None:
    heard: list[tuple[str, int, int]] = []

    def check(certificate: x509.Certificate, error: int, depth: int) -> Refusal | None:
        heard.append((certificate.subject.rfc4514_string(), error, depth))
        return Refusal(CODE_EXPIRED, "we do not like it") if depth == 0 else None

    ends = handshake(server_context(expe), client_context(everything, policy=Policy(check=check)), NAME)
    assert heard == [(cas.public.subject, 0, 1), (expe.subject, 0, 0)]
    assert ends.client_error is not None and ends.server_error is not None
    assert reason_of(ends.client_error) == "certificate verify failed: we do not like it"
    assert alert_of(ends.server_error) == "certificate expired"


def test_a_judge_that_breaks_refuses_and_its_error_is_not_lost(everything: TrustStore, expe: Identity) -> None:
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


# ---- on the wire, as another TLS sees it


@both_versions
def test_the_leaf_goes_once_and_alone(
    tmp_path: Path, cas: Authorities, everything: TrustStore, version: ssl.TLSVersion
) -> None:
    """Even from a context whose own store could complete the chain, as OpenSSL does when left alone."""
    cucm, expc = cas.enterprise.issue(unified_cm(NAME)), cas.enterprise.issue(expressway_c("expc.example.com"))
    blind = stock(tmp_path, trust=everything, identity=expc, maximum=version)
    seen = handshake(server_context(cucm, trust=everything, require_client=True), blind, NAME)
    assert seen.ok
    assert sent(seen.client.ssl_object) == [cucm.der]
    server = stock(tmp_path, server=cucm, trust=everything, maximum=version)
    seen = handshake(server, client_context(everything, identity=expc), NAME)
    assert seen.ok
    assert sent(seen.server.ssl_object) in ([], [expc.der]), "Python 3.11's server has the leaf elsewhere"
    chained = handshake(server, client_context(everything, identity=expc, send_chain=True), NAME)
    assert TrustStore.of("i", cas.enterprise).der() in sent(chained.server.ssl_object)


def sent(end: Any) -> list[bytes]:
    """Everything that the peer sent, repetitions included."""
    inner: Any = getattr(end, "_sslobj", end)
    found = [one if isinstance(one, bytes) else one.public_bytes(1) for one in inner.get_unverified_chain() or ()]
    return [ssl.PEM_cert_to_DER_cert(one) if isinstance(one, str) else one for one in found]


@both_versions
def test_no_session_can_be_resumed(
    tmp_path: Path, everything: TrustStore, expe: Identity, version: ssl.TLSVersion
) -> None:
    server, client = server_context(expe), stock(tmp_path, trust=everything, maximum=version)
    first = handshake(server, client, NAME)
    assert first.ok
    seen: Any = first.client.ssl_object
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    again = client.wrap_bio(to_client, to_server, server_hostname=NAME, session=seen.session)
    other = engine(server, server=True)
    for _ in range(3):
        with contextlib.suppress(ssl.SSLWantReadError):
            again.do_handshake()
        other.feed(to_server.read())
        other.handshake()
        to_client.write(other.outgoing())
    assert again.version() == other.ssl_object.version() is not None
    assert not again.session_reused


def test_the_name_is_sent_but_an_address_is_not(tmp_path: Path, everything: TrustStore, expe: Identity) -> None:
    server, asked = stock(tmp_path, server=expe, trust=everything), []
    server.verify_mode = ssl.CERT_NONE
    server.sni_callback = lambda _connection, name, _context: asked.append(name)
    for name in (NAME, "10.0.0.1"):
        handshake(server, client_context(everything, check_hostname=False), name)
    assert asked == [NAME, None]


def test_groups_are_those_of_the_products_time(tmp_path: Path, everything: TrustStore) -> None:
    client = engine(client_context(everything), server=False, name=NAME)
    assert not client.handshake()
    assert 0 < len(client.outgoing()) < 600, "a client hello with ML-KEM has some 1,500 octets"


def test_alpn_picks_the_servers_first(everything: TrustStore, expe: Identity) -> None:
    server = server_context(expe, options=TlsOptions(alpn=("h2", "http/1.1")))
    for offered, chosen in ((("http/1.1", "h2"), "h2"), (("http/1.1",), "http/1.1"), (("sip",), None), ((), None)):
        ends = handshake(server, client_context(everything, options=TlsOptions(alpn=offered)), NAME)
        assert ends.ok
        assert {end.ssl_object.selected_alpn_protocol() for end in (ends.client, ends.server)} == {chosen}


# ---- octets


@both_versions
def test_it_tells_of_a_connection_what_pythons_own_tells(
    tmp_path: Path, everything: TrustStore, expe: Identity, version: ssl.TLSVersion
) -> None:
    server = server_context(expe, options=TlsOptions(maximum=version))
    for client in (client_context(everything), stock(tmp_path, trust=everything)):
        ends = handshake(server, client, NAME)
        assert ends.ok
        one, other = ends.client.ssl_object, ends.server.ssl_object
        assert one.version() == other.version() == version.name.replace("v1_", "v1.")
        assert one.cipher() == other.cipher()
        assert one.get_channel_binding() == other.get_channel_binding() is not None
        assert one.getpeercert(binary_form=True) == expe.der
        assert other.getpeercert(binary_form=True) is None
        assert one.compression() is None
        assert (ends.client.context, ends.server.context) == (client, server)


@both_versions
@pytest.mark.parametrize("client", ["ours", "stock"])
def test_octets_arrive_as_they_were_said_and_both_sides_close(
    tmp_path: Path, everything: TrustStore, expe: Identity, version: ssl.TLSVersion, client: str
) -> None:
    context = client_context(everything) if client == "ours" else stock(tmp_path, trust=everything)
    ends = handshake(server_context(expe, options=TlsOptions(maximum=version)), context, NAME)
    long = bytes(range(256)) * 4096
    for one, other in ((ends.client, ends.server), (ends.server, ends.client)):
        for data in (b"two ", bytearray(b"messa"), memoryview(b"ges")):
            one.encrypt(data)
        assert one.unsent > 12
        ends.carry()
        assert one.unsent == 0
        assert other.decrypt() == b"two messages"
        assert (other.unread, other.decrypt()) == (0, b"")
        one.encrypt(long)
        ends.carry()
        pieces = []
        while len(piece := other.decrypt()) >= PIECE:
            pieces.append(piece)
        assert max(map(len, pieces)) < PIECE + RECORD
        assert b"".join((*pieces, piece)) == long
    assert not ends.client.close()
    ends.carry()
    assert (ends.server.decrypt(), ends.server.peer_closed) == (b"", True)
    assert ends.server.close()
    ends.carry()
    assert ends.client.close()


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, PIECE, PIECE + 1])
def test_a_record_holds_no_more_than_it_may(everything: TrustStore, expe: Identity, size: int) -> None:
    ends = handshake(server_context(expe), client_context(everything), NAME)
    ends.client.encrypt(bytes(size))
    sent = ends.client.outgoing()
    lengths = []
    while sent:
        length = int.from_bytes(sent[3:5], "big")
        lengths.append(length)
        sent = sent[5 + length :]
    assert len(lengths) == -(-size // RECORD)
    assert max(lengths) <= RECORD + 256, "RFC 8446, section 5.2"


def test_a_record_that_was_changed_on_the_way_is_an_error_with_an_alert(everything: TrustStore, expe: Identity) -> None:
    ends = handshake(server_context(expe), client_context(everything), NAME)
    ends.client.encrypt(b"hello")
    data = bytearray(ends.client.outgoing())
    data[-1] ^= 1
    ends.server.feed(bytes(data))
    with pytest.raises(ssl.SSLError):
        ends.server.decrypt()
    ends.carry()
    with pytest.raises(ssl.SSLError) as heard:
        ends.client.decrypt()
    assert alert_of(heard.value) == "bad record mac"


def test_data_in_place_of_a_close_notify_is_an_error(everything: TrustStore, expe: Identity) -> None:
    ends = handshake(server_context(expe), client_context(everything), NAME)
    ends.server.encrypt(b"one thing more")
    assert not ends.client.close()
    ends.carry()
    with pytest.raises(ssl.SSLError, match="application data after close notify"):
        ends.client.close()


def test_what_is_not_read_stays_in_sight(everything: TrustStore, expe: Identity) -> None:
    """A megabyte that the peer sent unasked, while this side writes and reads a little, waits where it is counted."""
    ends = handshake(server_context(expe), client_context(everything), NAME)
    for _ in range(64):
        ends.client.encrypt(bytes(RECORD))
    ends.carry()
    ends.server.encrypt(b"an answer")
    first = len(ends.server.decrypt())
    assert PIECE <= first < PIECE + RECORD
    assert ends.server.unread > (1 << 20) - first
    left = (1 << 20) - first
    while ends.server.unread:
        left -= len(ends.server.decrypt())
    assert left == 0


def test_before_the_handshake_nothing_is_known(everything: TrustStore) -> None:
    client: Any = engine(client_context(everything), server=False, name=NAME).ssl_object
    assert (client.version(), client.cipher(), client.selected_alpn_protocol()) == (None, None, None)
    assert client.getpeercert(True) is None
    assert client.get_unverified_chain() == []


def test_what_is_no_tls_is_an_error(everything: TrustStore, expe: Identity) -> None:
    server = engine(server_context(expe), server=True)
    server.feed(b"OPTIONS sip:example.com SIP/2.0\r\n\r\n")
    with pytest.raises(ssl.SSLError) as refused:
        server.handshake()
    assert refused.value.reason in ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")


def test_mistakes_of_the_caller_are_told(everything: TrustStore, expe: Identity) -> None:
    with pytest.raises(ValueError, match="a context for a server"):
        engine(server_context(expe), server=False)
    with pytest.raises(ValueError, match="server_hostname"):
        engine(client_context(everything), server=False)
    with pytest.raises(ValueError, match="exporter"):
        engine(client_context(None), server=False).ssl_object.get_channel_binding("tls-exporter")
    with pytest.raises(ValueError, match="scratch"):
        client_context(None).engine(server_side=False, server_hostname=None, clock=None, scratch=bytearray(100))
