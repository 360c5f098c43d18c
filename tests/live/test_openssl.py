"""`openssl s_client` looks at certificates: who shows which, with what names, and who asks for one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgesim.pki import TrustStore
from tests.live.lab import LiveLab, Output

EDGE = "expe.example.com"


def s_client(lab: LiveLab, host: str, port: int, *arguments: str, source: str = "") -> Output:
    """Connect, look, and hang up."""
    bind = ("-bind", f"{lab.address(source)}:0") if source else ()
    zone = None if host != EDGE else "dmz" if source else "outer-dmz"
    where = f"{lab.address(host, zone)}:{port}"
    return lab.run("openssl", "s_client", "-connect", where, *bind, "-servername", host, "-verify_hostname", host,
                   "-CAfile", str(lab.ca_file), "-showcerts", *arguments, ok=False)  # fmt: skip


def certificates(output: Output) -> list[str]:
    """The certificates that the server sent."""
    return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", output.out, re.DOTALL)


def extensions(lab: LiveLab, certificate: str) -> str:
    """Alternative names and usages of a certificate, as openssl prints them."""
    return lab.run("openssl", "x509", "-noout", "-ext", "subjectAltName,extendedKeyUsage", stdin=certificate).out


ASKED = "Requested Signature Algorithms"
"""What s_client prints where the server asked for a certificate."""


def both_cas(lab: LiveLab) -> Path:
    """A file of the company's root and of its issuing CA."""
    path = lab.directory / "enterprise.pem"
    authorities = lab.lab.authorities
    path.write_bytes(TrustStore.of("enterprise", authorities.enterprise_root, authorities.enterprise).pem())
    return path


@pytest.mark.parametrize(("port", "options"), [(8443, ()), (5061, ()), (5222, ("-starttls", "xmpp"))])
def test_the_edge_shows_its_public_certificate(lab: LiveLab, port: int, options: tuple[str, ...]) -> None:
    since = lab.mark()
    xmpp = ("-xmpphost", "example.com") if options else ()
    output = s_client(lab, EDGE, port, *options, *xmpp)
    assert "Verify return code: 0 (ok)" in output.out and f"Verified peername: {EDGE}" in output.out, output.all
    sent = certificates(output)
    assert len(sent) == 1, "the leaf alone; its issuer is a root that clients have"
    assert "issuer=O = edgesim test public CA, CN = edgesim TEST Public Root CA" in output.out
    found = extensions(lab, sent[0])
    assert f"DNS:{EDGE}" in found and "DNS:example.com" in found, found
    assert "TLS Web Server Authentication" in found and "TLS Web Client Authentication" in found
    assert ASKED not in output.out, "clients need no certificate"
    assert "New, TLSv1.3" in output.out or "New, TLSv1.2" in output.out
    up = lab.expect("tls.established", "expe", since=since, port=port)
    assert up.event.role == "server" and up.event.peer_subject is None


def test_old_versions_of_tls_are_refused(lab: LiveLab) -> None:
    since = lab.mark()
    output = s_client(lab, EDGE, 8443, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert "Cipher is (NONE)" in output.out and "protocol version" in output.err
    lab.expect("tls.failed", "expe", since=since, port=8443, role="server")


def test_the_wrong_name_and_the_wrong_root(lab: LiveLab) -> None:
    where = f"{lab.edge}:8443"
    other = lab.run("openssl", "s_client", "-connect", where, "-verify_hostname", "other.example.com",
                    "-CAfile", str(lab.ca_file), ok=False)  # fmt: skip
    assert "Verify return code: 62 (hostname mismatch)" in other.out
    unknown = lab.run("openssl", "s_client", "-connect", where, "-CAfile", "/dev/null", ok=False)
    assert "Verify return code: 2" in unknown.out or "Verify return code: 20" in unknown.out or not unknown.out


@pytest.mark.parametrize("port", [7001, 7400])
def test_links_between_the_expressways_demand_a_client_certificate(lab: LiveLab, port: int) -> None:
    since = lab.mark()
    assert port in (lab.deployment.traversal_zone.port, lab.deployment.xcp_link.port)
    output = s_client(lab, EDGE, port, "-tls1_2", source="expc")
    assert len(certificates(output)) == 1
    assert ASKED in output.out
    assert "alert handshake failure" in output.err, output.all
    lab.expect("tls.failed", "expe", since=since, port=port, role="server")


@pytest.mark.parametrize("port", [8443, 6972])
def test_unified_cm_sends_its_leaf_alone(lab: LiveLab, port: int) -> None:
    since, host = lab.mark(), "ucm-pub.inside.example.com"
    output = s_client(lab, host, port, source="inside-1")
    sent = certificates(output)
    assert len(sent) == 1
    assert "CN = edgesim TEST Enterprise Issuing CA" in output.out
    assert "Verify return code: 21 (unable to verify the first certificate)" in output.out, "the root alone is no help"
    output = s_client(lab, host, port, "-verifyCAfile", str(both_cas(lab)), source="inside-1")
    assert "Verify return code: 0 (ok)" in output.out and f"Verified peername: {host}" in output.out
    assert lab.expect("tls.established", "ucm-pub", since=since, port=port).peer == "inside-1"


def test_only_6972_asks_for_a_client_certificate(lab: LiveLab) -> None:
    host = "ucm-pub.inside.example.com"
    assert ASKED not in s_client(lab, host, 8443, source="inside-1").out
    files = s_client(lab, host, 6972, source="inside-1")
    assert ASKED in files.out
    assert "Cipher is (NONE)" not in files.out, "it asks, but goes on without"
