"""The private file that the nodes of one lab share when each is started separately.

It contains certificates and private keys, so that every node presents the certificate that the others trust.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from edgesim.lab.certificates import Certificates
from edgesim.lab.keeping import read_certificates, read_identity, written_certificates, written_identity
from edgesim.pki import Authorities, Identity, TrustStore

T = TypeVar("T")
VERSION = 1
Place = tuple[str, str]


class SharedError(ValueError):
    """The file is not one of ours."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A lab's beginning and certificates.

    ``deployment`` is YAML with its secrets; ``epoch_ns`` is Unix time at lab time zero, in nanoseconds.
    """

    deployment: str
    seed: int
    epoch_ns: int
    identities: Mapping[Place, Identity]
    trusts: Mapping[Place, TrustStore]
    pending: Mapping[Place, TrustStore]

    @classmethod
    def of(cls, deployment: str, seed: int, epoch_ns: int, certificates: Certificates) -> Shared:
        """Return what a lab's nodes share, with these certificates."""
        identities, trusts, pending = certificates.everything
        return cls(
            deployment=deployment,
            seed=seed,
            epoch_ns=epoch_ns,
            identities=identities,
            trusts=trusts,
            pending=pending,
        )

    def certificates(self, authorities: Authorities) -> Certificates:
        """Return the certificates; ``authorities`` are those that signed them."""
        return Certificates.kept(authorities, self.identities, self.trusts, self.pending)

    def encode(self) -> bytes:
        """Return it as JSON."""
        value = {
            "edgesim": "nodes",
            "version": VERSION,
            "deployment": self.deployment,
            "seed": self.seed,
            "epoch_ns": self.epoch_ns,
            "identities": [[*place, *_identity(identity)] for place, identity in self.identities.items()],
            "trusts": _stores(self.trusts),
            "pending": _stores(self.pending),
        }
        return json.dumps(value, indent=1).encode()

    @classmethod
    def decode(cls, text: bytes) -> Shared:
        """Read it. Raises `SharedError`."""
        try:
            value: dict[str, Any] = json.loads(text)
            if value["edgesim"] != "nodes" or value["version"] != VERSION:
                raise ValueError("another file, or another version")
            return cls(
                deployment=str(value["deployment"]),
                seed=int(value["seed"]),
                epoch_ns=int(value["epoch_ns"]),
                identities={
                    (host, service): read_identity(key.encode(), _octets(chain))
                    for host, service, key, chain in value["identities"]
                },
                trusts=_read_stores(value["trusts"]),
                pending=_read_stores(value["pending"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SharedError(f"it does not hold what nodes share: {error}") from None


def _identity(identity: Identity) -> tuple[str, list[str]]:
    key, certificates = written_identity(identity)
    return key.decode("ascii"), _texts(certificates)


def _stores(stores: Mapping[Place, TrustStore]) -> list[list[Any]]:
    return [[*place, store.name, _texts(written_certificates(store))] for place, store in stores.items()]


def _read_stores(values: Iterable[Sequence[Any]]) -> dict[Place, TrustStore]:
    return {
        (host, store): TrustStore(name, read_certificates(_octets(certificates)))
        for host, store, name, certificates in values
    }


def _texts(values: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(each).decode("ascii") for each in values]


def _octets(values: Iterable[str]) -> list[bytes]:
    return [base64.b64decode(each, validate=True) for each in values]
