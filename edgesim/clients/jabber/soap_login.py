"""The SOAP part of a chat sign-in: a session with an IM and Presence node, and its one-time passwords for XMPP.

"Troubleshoot Jabber Log in - Common Issues" (Cisco 221845) for the service's version and Jabber's error names.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.clients.common.access import CERTIFICATE_ERROR, Access
from edgesim.clients.common.stages import StageFailed
from edgesim.xmpp import soap


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapSession:
    """A login: the node that holds it, its key, the presence domain, and the XMPP servers that the node returned."""

    server: str
    key: str
    domain: str
    primary: str
    secondary: str | None = None


class SoapClient:
    """Logs one user in. ``client_type`` and ``path`` depend on Jabber's release."""

    def __init__(self, access: Access, user: str, password: str, *, client_type: str, path: str) -> None:
        self._access = access
        self._user = user
        self._password = password
        self._client_type = client_type
        self._path = path

    async def login(self, server: str) -> SoapSession:
        """Log in at a node and read its configuration. Raises `StageFailed`."""
        request = soap.login_request(self._user, self._password, client_type=self._client_type)
        logged_in = await self._call(server, request, soap.ACTION_LOGIN)
        if not isinstance(logged_in, soap.LoggedIn):
            raise StageFailed(f"LERR_CUP_AUTH: {_failure(logged_in, 'no session key')}", refused=True)
        request = soap.get_all_config_request(logged_in.session_key)
        config = await self._call(server, request, soap.ACTION_GET_ALL_CONFIG)
        if not isinstance(config, soap.AllConfig) or not config.presence_domain:
            raise StageFailed(f"LERR_CUP_INTERNAL_ERROR: {_failure(config, 'no presence domain')}")
        return SoapSession(
            server=server,
            key=logged_in.session_key,
            domain=config.presence_domain,
            primary=config.user.get("XMPP.Primary") or server,
            secondary=config.user.get("XMPP.Secondary"),
        )

    async def one_time_password(self, session: SoapSession) -> str:
        """Return a password for one XMPP sign-in. Raises `StageFailed`."""
        once = await self._call(session.server, soap.get_onetime_password_request(session.key), None)
        if not isinstance(once, soap.OnetimePassword):
            raise StageFailed(f"LERR_CUP_INTERNAL_ERROR: {_failure(once, 'no one-time password')}")
        return once.password

    async def _call(self, server: str, body: bytes, action: str | None) -> soap.SoapResponse:
        headers = [("Content-Type", soap.CONTENT_TYPE)]
        if action is not None:
            headers.append(("SOAPAction", action))
        url = f"https://{server}:{self._access.node.defaults.ports.soap}{self._path}"
        try:
            response = await self._access.request("POST", url, headers=headers, body=body)
        except StageFailed as error:
            name = "LERR_CUP_CERT <11>" if str(error).startswith(CERTIFICATE_ERROR) else "LERR_CUP_UNREACHABLE <9>"
            raise StageFailed(f"{name}: {error}") from error
        if response.status != 200:
            raise StageFailed(f"LERR_CUP_UNREACHABLE <9>: {response.status} {response.phrase}")
        try:
            return soap.parse_response(response.body)
        except soap.SoapError as error:
            raise StageFailed(f"LERR_CUP_INTERNAL_ERROR: {error}") from error


def _failure(answer: soap.SoapResponse, otherwise: str) -> str:
    return answer.text if isinstance(answer, soap.Failure) and answer.text else otherwise
