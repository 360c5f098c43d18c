"""Expressway-C's handling of certificates."""

from __future__ import annotations

from edgesim.deployment import Product, closed, hosts
from edgesim.node import Node
from edgesim.pki import Identity, TlsOptions


def tls_options(node: Node) -> TlsOptions:
    """Return the options of C's contexts: of trusted CA list entries with one subject only the first is used.

    So of two self-signed certificates with one common name, those of Tomcat and CallManager on one Unified CM, the
    lower fails as if it were absent (Cisco bug CSCve56019; "MRA Deployment Guide X15.0, MRA Requirements and
    Prerequisites").
    """
    return node.tls_options(first_match=True)


def checks_usage(node: Node) -> bool:
    """Return whether a client of SIP over TLS must present a certificate with clientAuth: always before X15.5, then by
    *SIP TLS Certificate ExtendedKeyUsage Checking Mode* ("Navigate Client EKU Sunset with Expressway x15.5").
    """
    spec = node.spec.spec
    assert isinstance(spec, hosts.ExpresswayC)
    return spec.eku_checking or bool(closed("separate client certificate", {Product.EXPRESSWAY: spec.release}))


def shown_as_client(node: Node) -> Identity:
    """Return the certificate that C presents when it dials: from X15.5 on that of its client certificate store, if one
    was uploaded there; otherwise, and after an upgrade, the server certificate ("Navigate Client EKU Sunset with
    Expressway x15.5").
    """
    return node.identities.get("client") or node.identities["server"]


def sends_chain(node: Node, *, dialling: bool = False) -> bool:
    """Return whether this Expressway sends the CA chain with its certificate; by default it does not.

    ``dialling`` refers to the certificate that it presents as a client.
    """
    written = {each.service: each for each in node.deployment.certificates_of(node.name)}
    service = "client" if dialling and "client" in written else "server"
    return written[service].sends == "chain"
