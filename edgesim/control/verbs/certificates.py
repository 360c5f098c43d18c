"""Verbs on the certificates of running hosts: ask for one, have it signed, upload it. The private key stays there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import HostCommand, HostsCommand, LabCommand, Site, Text, verb
from edgesim.lab import administration
from edgesim.lab.requests import RequestRefused
from edgesim.node import Node
from edgesim.pki import PkiError

__all__ = ["Discovered", "DiscoveredClusters", "MakeRequest", "RequestMade", "SignRequest", "UploadCertificate"]
__all__ += ["UploadTrust", "Uploaded", "WriteRequest"]

MOST_PEM = 1 << 16
"""Characters: a chain of certificates is far shorter."""

Pem = Annotated[str, Field(max_length=MOST_PEM)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMade:
    """A signing request in PEM that a host made for a service; ``names`` are pairs of a SAN and its reason."""

    host: str
    service: str
    pem: str
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredClusters:
    """The names of the IM and Presence clusters that Expressway-Cs have discovered."""

    im_presence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A product's answer to an upload. ``reasons`` are those of a refusal, which changes nothing."""

    accepted: bool
    reasons: tuple[str, ...]


@verb("request")
class MakeRequest(LabCommand[RequestMade]):
    """Have a host make a signing request for a service (its first); it keeps the private key.

    It has the chat node aliases of the IM and Presence clusters that the Expressway-C has discovered; into the request
    of an Expressway-E an administrator copies what the Expressway-Cs show.
    """

    host: str
    service: str | None = None

    async def work(self, site: Site) -> RequestMade:
        of = self.host if site.node(self.host).spec.kind == "expressway_c" else None
        found = (await site.ask(Discovered(host=of))).im_presence
        return await site.ask(WriteRequest(host=self.host, service=self.service, discovered=found))


@verb("discovered")
class Discovered(HostsCommand[DiscoveredClusters]):
    """The IM and Presence clusters that an Expressway-C, or all of them, have discovered."""

    async def work(self, site: Site, node: Node) -> DiscoveredClusters:
        return DiscoveredClusters(im_presence=site.lab.discovered(node.name))

    def merge(self, replies: Sequence[DiscoveredClusters]) -> DiscoveredClusters:
        return DiscoveredClusters(
            im_presence=tuple(dict.fromkeys(name for each in replies for name in each.im_presence))
        )


@verb("write-request")
class WriteRequest(HostCommand[RequestMade]):
    """Have a host make a signing request with the aliases of these IM and Presence clusters; see `MakeRequest`."""

    service: str | None = None
    discovered: tuple[str, ...] = ()

    async def work(self, site: Site, node: Node) -> RequestMade:
        try:
            made = administration.request(node, self.service, self.discovered)
        except (LookupError, RequestRefused) as error:
            raise ControlError(str(error)) from None
        names = tuple((each.name, each.reason) for each in made.names)
        return RequestMade(host=made.host, service=made.service, pem=made.pem.decode("ascii"), names=names)


@verb("sign")
class SignRequest(LabCommand[Text]):
    """Sign a request in PEM as one of the lab's authorities, which drops the usages in ``strip``."""

    pem: Pem
    by: str = "enterprise"
    strip: tuple[Literal["client auth", "server auth"], ...] = ()

    async def work(self, site: Site) -> Text:
        try:
            signed = administration.sign(site.lab, self.pem.encode(), by=self.by, strip=self.strip)
        except (LookupError, PkiError) as error:
            raise ControlError(str(error)) from None
        return Text(text=signed.decode("ascii"))


@verb("upload-certificate")
class UploadCertificate(HostCommand[Uploaded]):
    """Upload the certificate of a service (the host's first), in PEM; it is shown after a restart.

    ``copied``, without a PEM, is "Upload server certificate file as client certificate" of an Expressway.
    """

    pem: Pem | None = None
    service: str | None = None
    copied: bool = False

    async def work(self, site: Site, node: Node) -> Uploaded:
        if (self.pem is None) is not self.copied:
            raise ControlError(
                "expected either a certificate in PEM or copied (the server certificate as client certificate)"
            )
        pem = self.pem.encode() if self.pem is not None else None
        try:
            reasons = administration.upload_certificate(site.lab, node, pem, self.service, copied=self.copied)
        except (LookupError, PkiError) as error:
            raise ControlError(str(error)) from None
        return Uploaded(accepted=not reasons, reasons=reasons)


@verb("upload-trust")
class UploadTrust(HostCommand[Uploaded]):
    """Append a CA to a trust store: one of the lab's by its name, or a PEM text. It counts after a restart."""

    store: str
    ca: str | None = None
    pem: Pem | None = None

    async def work(self, site: Site, node: Node) -> Uploaded:
        if (self.ca is None) is (self.pem is None):
            raise ControlError("expected either the name of one of the lab's CAs or PEM")
        what: str | bytes = self.ca if self.ca is not None else (self.pem or "").encode()
        try:
            administration.upload_trust(site.lab, node, self.store, what)
        except (LookupError, PkiError) as error:
            raise ControlError(str(error)) from None
        return Uploaded(accepted=True, reasons=())
