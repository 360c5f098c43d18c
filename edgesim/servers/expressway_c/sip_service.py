"""SERVICE on C: checks a client's digest for E.

C accepts SERVICE only from E, on their own connection, with a fresh date and the certificate that E proved on that
connection, which before X15.4 must have both extended key usages. A 200 carries the user's interim hash, H(A1), so that
E can check further digests itself.

Sources: "Mobile and Remote Access phone services failing due to source IP translation" (Cisco 212347); "MRA Deployment
Guide X12.5, Troubleshooting"; for the extended key usages the Expressway release notes X15.4.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edgesim.deployment import Product, Release, closed
from edgesim.edge import service
from edgesim.journal import events
from edgesim.journal.keys import user_key
from edgesim.node import Node
from edgesim.pki import Usage
from edgesim.pki.keys import signed_sha1
from edgesim.sip.addresses import SipUri
from edgesim.sip.connection import Address
from edgesim.sip.digest import DigestCredentials, DigestResult
from edgesim.sip.message import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """The status of the response to a SERVICE, and the reason; ``body`` is that of a 200."""

    status: int
    reason: str
    user: str = ""
    body: bytes = b""


class ServiceServer:
    """Answers SERVICE. ``ha1`` returns H(A1) of a user for a realm, None for a user who has not signed in here."""

    def __init__(self, node: Node, release: Release, ha1: Callable[[str, str], str | None]) -> None:
        self._node = node
        self._ha1 = ha1
        self._demands_client_usage = bool(closed("server-only certificate on e", {Product.EXPRESSWAY: release}))

    def apparent(self, request: Request) -> Address | None:
        """Return the address and port that E sees as C's, taken from the first Route if it is an apparent one."""
        routes = request.routes
        if not routes or "apparent" not in (uri := routes[0].address).parameters:
            return None
        return _address(uri)

    def check(self, request: Request, peer: Address, shown: bytes | None) -> ServiceResult:
        """Check a SERVICE from ``peer`` and journal the result.

        ``shown`` is the certificate, in DER, that the peer proved on this connection.
        """
        found = self._check(request, shown)
        user = found.user[:128]
        self._node.journal.emit(
            events.Authentication(
                user=user, how="digest", granted=found.status == 200, detail=f"SERVICE: {found.reason}"
            ),
            peer=peer,
            keys=(user_key(user),) if user else (),
        )
        return found

    def _check(self, request: Request, shown: bytes | None) -> ServiceResult:
        sip = self._node.defaults.sip
        stale = service.refusal_of_timestamp(
            request.get("Date"), self._node.host.clock.time(), tolerance=sip.service_max_skew_s
        )
        if stale is not None:
            return ServiceResult(status=403, reason=stale)
        try:
            asked = service.parse(request.body, request.get("Content-Type") or "")
            certificate = x509.load_pem_x509_certificate(asked.certificate)
        except ValueError as error:
            return ServiceResult(status=400, reason=str(error))
        user = asked.username
        refusal: str | None = "the certificate is not that of the peer"
        if shown is not None and certificate.public_bytes(Encoding.DER) == shown:
            refusal = self._refusal_of_certificate(certificate)
        if refusal is None and sip.service_identity_verified and not _signed(request, certificate):
            refusal = "Identity does not verify"
        if refusal is not None:
            return ServiceResult(status=403, reason=refusal, user=user)
        ha1 = self._ha1(user, asked.realm)
        if ha1 is None:
            return ServiceResult(status=sip.service_unknown_status, reason="did not sign in here", user=user)
        credentials = DigestCredentials(
            username=user,
            realm=asked.realm,
            nonce=asked.nonce,
            uri=asked.uri,
            response=asked.response.lower(),
            qop=asked.qop or None,
            cnonce=asked.cnonce or None,
            nc=asked.nc or None,
        )
        verdict = credentials.check(asked.method, ha1)
        if verdict is not DigestResult.GRANTED:
            return ServiceResult(status=sip.service_wrong_status, reason=verdict.value, user=user)
        body = b""
        if sip.digest_cache:
            body = service.build_answer(ha1, element=sip.service_hash_element, msgid=asked.msgid)
        return ServiceResult(status=200, reason=verdict.value, user=user, body=body)

    def _refusal_of_certificate(self, certificate: x509.Certificate) -> str | None:
        """Return why E's certificate is refused, None if it is accepted: before X15.4 it needs both usages."""
        try:
            usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return None
        except ValueError as error:
            return str(error)
        wanted = (Usage.SERVER, Usage.CLIENT) if self._demands_client_usage else (Usage.SERVER,)
        missing = [usage.value for usage in wanted if usage.oid not in usages]
        return f"E's certificate lacks {missing[0]}" if missing else None


def _address(uri: SipUri) -> Address:
    return uri.host, uri.port or 5061


def _signed(request: Request, certificate: x509.Certificate) -> bool:
    """Return whether Identity is a signature by the certificate's key."""
    text = service.signed_text(
        from_=request.get("From") or "",
        to=request.get("To") or "",
        call_id=request.call_id,
        cseq=str(request.cseq),
        date=request.get("Date") or "",
        body=request.body,
    )
    try:
        signature = base64.b64decode((request.get("Identity") or "").strip('"'), validate=True)
    except binascii.Error:
        return False
    return signed_sha1(certificate.public_key(), signature, text)
