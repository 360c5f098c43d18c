"""How Expressway-C looks at certificates, wherever it meets one."""

from __future__ import annotations

from edgesim.deployment import Product, closed, hosts
from edgesim.node import Node
from edgesim.pki import Identity, TlsOptions


def tls_options(node: Node) -> TlsOptions:
    """Return the options of C's contexts: of certificates with one subject in its trusted CA list it sees the first.

    So of two self-signed certificates with one common name, those of Tomcat and of CallManager on one Unified CM, the
    lower fails as if it were absent (Cisco bug CSCve56019; "MRA Deployment Guide X15.0, MRA Requirements and
    Prerequisites").
    """
    return node.tls_options(first_match=True)


def checks_usage(node: Node) -> bool:
    """Return whether a client of SIP over TLS must show a certificate with clientAuth: always before X15.5, from then
    on by *SIP TLS Certificate ExtendedKeyUsage Checking Mode* ("Navigate Client EKU Sunset with Expressway x15.5").
    """
    spec = node.spec.spec
    assert isinstance(spec, hosts.ExpresswayC)
    return spec.eku_checking or bool(closed("separate client certificate", {Product.EXPRESSWAY: spec.release}))


def shown_as_client(node: Node) -> Identity:
    """Return the certificate that C shows where it dials: from X15.5 on that of its client certificate store, where one
    was uploaded there; before, and as an upgrade leaves it, the server certificate is both ("Navigate Client EKU Sunset
    with Expressway x15.5").
    """
    return node.identities.get("client") or node.identities["server"]


def sends_chain(node: Node, *, dialling: bool = False) -> bool:
    """Return whether this Expressway sends the CAs above its certificate along with it; as shipped it does not.

    ``dialling`` is about the certificate that it shows as a client.
    """
    written = {each.service: each for each in node.deployment.certificates_of(node.name)}
    service = "client" if dialling and "client" in written else "server"
    return written[service].sends == "chain"
