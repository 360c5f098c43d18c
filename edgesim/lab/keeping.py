"""Keeps a node's certificates, trust stores and uploads on its host's disk, for hosts with their own process.

If the lab and its hosts share a process, a node object outlives a restart of its host. A host's own process does not,
so an administrator's changes have to be on the disk, where the next process reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edgesim.node import Node
from edgesim.pki import Identity, TrustStore, Upload
from edgesim.pki.keys import PrivateKey, key_pem

KEY = "certificates and uploads"


def keep(node: Node) -> None:
    """Write a node's certificates to its host's disk."""
    node.host.disk[KEY] = (
        [(service, written_identity(identity)) for service, identity in node.identities.items()],
        [(store, written_certificates(trust)) for store, trust in node.trusts.items()],
        [
            (
                each.store,
                written_certificates(each.trusted),
                each.identity and written_identity(each.identity),
                each.restarted,
            )
            for each in node.uploads
        ],
        [(service, key_pem(key)) for service, key in node.requested.items()],
    )


def restore(node: Node) -> None:
    """Take a node's certificates from its host's disk, if an earlier life kept them there."""
    kept = node.host.disk.get(KEY)
    if kept is None:
        return
    identities, trusts, uploads, requested = kept
    node.identities = {service: read_identity(*identity) for service, identity in identities}
    node.trusts = {store: TrustStore(node.trusts[store].name, read_certificates(trust)) for store, trust in trusts}
    node.uploads = [
        Upload(
            store=store,
            trusted=read_certificates(trusted),
            identity=None if identity is None else read_identity(*identity),
            restarted=list(restarted),
        )
        for store, trusted, identity, restarted in uploads
    ]
    node.requested = {service: read_key(key) for service, key in requested}


def written_identity(identity: Identity) -> tuple[bytes, list[bytes]]:
    """Return an identity's private key in PEM, and its certificates in DER, nearest first."""
    return identity.key_pem(), written_certificates((identity.certificate, *identity.chain))


def read_identity(key: bytes, certificates: Sequence[bytes]) -> Identity:
    """Return the identity that was written. Raises `ValueError`."""
    leaf, *chain = read_certificates(certificates)
    return Identity(read_key(key), leaf, tuple(chain))


def written_certificates(certificates: TrustStore | Sequence[x509.Certificate]) -> list[bytes]:
    """Return certificates in DER."""
    return [each.public_bytes(Encoding.DER) for each in certificates]


def read_certificates(certificates: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Return the certificates that were written. Raises `ValueError`."""
    return tuple(x509.load_der_x509_certificate(each) for each in certificates)


def read_key(key: bytes) -> PrivateKey:
    """Return a private key in PEM. Raises `ValueError`."""
    read: Any = load_pem_private_key(key, None)
    found: PrivateKey = read
    return found
