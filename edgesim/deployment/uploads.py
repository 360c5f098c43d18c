"""Which certificates an Expressway takes when an administrator uploads them, by release.

Source: Expressway release notes X15.4 and X15.5; Cisco, "Cisco Expressway Certificate Creation and Use Deployment
Guide". A certificate without the extended key usages that the product wants is refused; which ones those are changed
twice, see the gates of `CERT-12` in `edgesim.deployment.features`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from edgesim.deployment.features import gate
from edgesim.deployment.releases import Product, Release

ExpresswayKind = Literal["expressway_e", "expressway_c"]
CertificateStore = Literal["server", "client"]

SERVER_AUTH, CLIENT_AUTH = "serverAuth", "clientAuth"
_LABELS = {"expressway_e": "Expressway-E", "expressway_c": "Expressway-C"}


def upload_problems(
    usages: Collection[str] | None,
    product: ExpresswayKind,
    release: Release,
    *,
    store: CertificateStore = "server",
    server_eku_upload: bool = False,
    copied: bool = False,
) -> tuple[str, ...]:
    """Return why an Expressway refuses to upload a certificate with these extended key usages; empty if it accepts it.

    ``usages`` are ``serverAuth``, ``clientAuth`` and others; None means that the certificate has no such extension.
    ``server_eku_upload`` is the switch EnableServerEkuUpload of Expressway-E in X15.4. ``store`` is where the upload
    goes; a store for the client certificate exists from X15.5 on. ``copied`` is "Upload server certificate file as
    client certificate", which skips the check.
    """
    label = f"{_LABELS[product]} {release}"
    separate = gate("separate client certificate", Product.EXPRESSWAY)
    switch = gate("server-only certificate on e", Product.EXPRESSWAY)
    two_stores = separate is not None and separate.open(release)
    if store == "client" and not two_stores:
        return (f"{label} has no separate client certificate, which requires {separate}",)
    wanted: tuple[str, ...]
    if two_stores:
        wanted = () if copied else (SERVER_AUTH,) if store == "server" else (CLIENT_AUTH,)
    elif product == "expressway_e" and server_eku_upload and switch is not None and switch.open(release):
        wanted = (SERVER_AUTH,)
    else:
        wanted = (SERVER_AUTH, CLIENT_AUTH)
    return tuple(
        f"{label} wants {usage} among the extended key usages of its {store} certificate"
        for usage in wanted
        if usage not in (usages or ())
    )
