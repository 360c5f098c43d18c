"""The web applications of a node's Tomcat on 8443: SOAP for clients, the single sign-on probe, AXL on the publisher."""

from __future__ import annotations

from collections.abc import Callable

from edgesim.deployment.settings import Account as AxlAccount
from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from edgesim.edge.markup import leaf, tag
from edgesim.http import Headers, Request, Response
from edgesim.http.message import standard_reason
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key, user_key
from edgesim.servers.im_presence.accounts import same_secret
from edgesim.servers.im_presence.soap_service import SoapService
from edgesim.xmpp import soap

PROBE = "/ssosp/ws/public/singleSignOn"
Application = Callable[[Request], Response]


class Web:
    """Dispatches requests to applications by path."""

    def __init__(self, service: SoapService, probe: SingleSignOn, axl_service: Axl | None) -> None:
        self._service = service
        self._applications: dict[str, Application] = dict.fromkeys(soap.PATHS, service.handle)
        self._applications[PROBE] = probe.handle
        if axl_service is not None:
            self._applications |= {"/axl": axl_service.handle, "/axl/": axl_service.handle}

    async def handle(self, request: Request) -> Response:
        """Answer a request."""
        application = self._applications.get(request.path)
        return error_page(404) if application is None else application(request)

    def keys(self, request: Request) -> tuple[Key, ...]:
        """Return the correlation keys of a request to the SOAP service."""
        return self._service.keys(request) if request.path in soap.PATHS else ()


class SingleSignOn:
    """Answers whether users of this node sign in through an identity provider.

    Clients read ``Response``, ``SingleSignOn`` with ``version`` and ``Status`` with ``enabled``; ``root`` is the
    outermost element.
    """

    def __init__(self, *, root: str, version: str, enabled: bool = False) -> None:
        status = leaf("Status", None, ("enabled", "true" if enabled else "false"))
        answer = tag("Response", tag("SingleSignOn", status, attributes=(("version", version),)))
        text = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>' + tag(
            root, answer, attributes=(("version", "1.0"),)
        )
        self._body = text.encode()

    def handle(self, request: Request) -> Response:
        """Answer the probe."""
        if request.method not in ("GET", "HEAD"):
            return error_page(405, ("Allow", "GET, HEAD"))
        return Response(status=200, headers=Headers([("Content-Type", "application/xml")]), body=self._body)


class Axl:
    """The Cisco AXL Web Service of the database publisher, as far as discovery needs it: the release and the nodes."""

    def __init__(
        self, recorder: Recorder, account: AxlAccount, *, release: str, nodes: tuple[messages.ProcessNode, ...]
    ) -> None:
        self._recorder = recorder
        self._account = account
        self._release = release
        self._nodes = nodes

    def handle(self, request: Request) -> Response:
        """Answer a request to ``/axl/``."""
        if not self._is_admitted(request):
            return error_page(401, ("WWW-Authenticate", 'Basic realm="Cisco AXL API"'))
        if request.method != "POST":
            return error_page(405, ("Allow", "POST"))
        try:
            wanted, version = axl.read_request(request.body)
        except axl.UnknownMethod as error:
            return _axl(
                axl.write_fault(axl.AxlFault(-1, "No handler for the method", error.method[:80], "Client")), 500
            )
        except axl.AxlError as error:
            broken = events.Malformed(protocol="axl", reason=str(error), answer="500 with a fault")
            self._recorder.received(broken, peer=request.peer)
            return _axl(axl.write_fault(axl.AxlFault(-1, str(error), "", "Client")), 500)
        match wanted:
            case messages.GetCCMVersion():
                return _axl(axl.write_response(wanted, messages.CcmVersion(version=self._release), version))
            case messages.ListProcessNode(name=like):
                found = tuple(node for node in self._nodes if like in ("%", node.name))
                return _axl(axl.write_response(wanted, messages.ProcessNodes(nodes=found), version))
            case _:
                name = messages.METHODS[type(wanted)]
                return _axl(axl.write_fault(axl.AxlFault(-1, "not on IM and Presence", name, "Client")), 500)

    def _is_admitted(self, request: Request) -> bool:
        given = request.basic()
        if given is None:
            return False
        granted = same_secret(given.user, self._account.user) and same_secret(given.password, self._account.password)
        user = given.user[:128]
        self._recorder.emit(
            events.Authentication(user=user, how="basic", granted=granted, detail="AXL"), keys=(user_key(user),)
        )
        return granted


def error_page(status: int, *headers: tuple[str, str]) -> Response:
    """Return an error page of the node's Tomcat."""
    title = f"HTTP Status {status} - {standard_reason(status)}"
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()
    return Response(status=status, headers=Headers([*headers, ("Content-Type", "text/html;charset=utf-8")]), body=body)


def _axl(body: bytes, status: int = 200) -> Response:
    return Response(status=status, headers=Headers([("Content-Type", axl.CONTENT_TYPE)]), body=body)
