"""A TLS context of Python's own, which knows nothing of ours."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from edgesim.pki import Identity, TrustStore

NAME = "expe.example.com"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


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
