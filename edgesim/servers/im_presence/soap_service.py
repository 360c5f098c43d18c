"""The SOAP service of a chat sign-in: login, get-all-config, get-onetime-password under ``/EPASSoap/service/``.

Source: public client code and logs ("Troubleshoot Jabber Log in Problems - Non MRA", Cisco 220225, for the endpoint and
the version check). Responses are reconstructed from what clients read in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgesim.http import Headers, Request, Response
from edgesim.journal import Recorder, events
from edgesim.journal.keys import Key, session_key, user_key
from edgesim.servers.im_presence.accounts import Account, Accounts, same_secret
from edgesim.servers.im_presence.tickets import Tickets
from edgesim.xmpp import soap

Configuration = Callable[[Account], tuple[Mapping[str, str], Mapping[str, str]]]
TokenCheck = Callable[[str], str | None]


class SoapService:
    """Answers SOAP requests.

    ``configuration`` returns the properties of system and user. ``tokens`` maps an access token (``Authorization:
    Bearer`` on a login) to a user id, or None for an invalid one; without it no token is valid. ``minimum_versions`` is
    the minimum version by client type. ``failure_element`` and ``bad_credentials`` (err-code, err-text) form the
    response to a wrong password; ``unassigned_status`` is that to a user without IM and Presence, anything but 200.
    """

    def __init__(
        self,
        recorder: Recorder,
        accounts: Accounts,
        tickets: Tickets,
        configuration: Configuration,
        *,
        tokens: TokenCheck | None = None,
        minimum_versions: Mapping[str, str] | None = None,
        failure_element: str,
        bad_credentials: tuple[int, str],
        unassigned_status: int,
    ) -> None:
        self._recorder = recorder
        self._accounts = accounts
        self._tickets = tickets
        self._configuration = configuration
        self.tokens = tokens
        self.minimum_versions = minimum_versions or {}
        self._failure = failure_element
        self._bad_credentials = bad_credentials
        self._unassigned_status = unassigned_status

    def handle(self, request: Request) -> Response:
        """Answer a request to one of `soap.PATHS`."""
        if request.method != "POST":
            refused = _document(soap.fault("only POST is served here"), 405)
            return Response(status=405, headers=refused.headers.added("Allow", "POST"), body=refused.body)
        try:
            asked = soap.parse_request(request.body)
        except soap.SoapError as error:
            self._recorder.received(
                events.Malformed(protocol="soap", reason=str(error), answer="400 with a fault"), peer=request.peer
            )
            return _document(soap.fault(str(error)), 400)
        match asked:
            case soap.Login():
                return self._login(request, asked)
            case soap.GetAllConfig():
                return self._get_all_config(asked)
            case soap.GetOnetimePassword():
                return self._get_onetime_password(asked)

    def keys(self, request: Request) -> tuple[Key, ...]:
        """Return the correlation keys in a request's body."""
        try:
            asked = soap.parse_request(request.body)
        except soap.SoapError:
            return ()
        if isinstance(asked, soap.Login):
            return (user_key(asked.username),)
        user_id = self._tickets.user_of(asked.session_key)
        return (session_key(asked.session_key), *((user_key(user_id),) if user_id else ()))

    def _login(self, request: Request, login: soap.Login) -> Response:
        minimum = self.minimum_versions.get(login.client_type)
        if minimum is not None and _version(login.client_version) < _version(minimum):
            self._checked(login.username, "soap", "version below the minimum")
            return self._failed("login", -1, soap.CLIENT_VERSION_TOO_OLD)
        token = request.bearer()
        account, why = self._by_token(token, login) if token else self._by_password(login)
        self._checked(login.username, "bearer" if token else "soap", why)
        if account is None:
            return self._failed("login", *self._bad_credentials)
        if account.node is None:
            return _document(soap.fault("the user is not assigned to IM and Presence"), self._unassigned_status)
        return _document(soap.login_response(self._tickets.issue_key(account.user_id)))

    def _by_password(self, login: soap.Login) -> tuple[Account | None, str]:
        account = self._accounts.with_id(login.username)
        if account is None:
            return None, "unknown user"
        if not same_secret(login.password, account.password):
            return None, "wrong password"
        return account, "" if account.node else "not assigned to IM and Presence"

    def _by_token(self, token: str, login: soap.Login) -> tuple[Account | None, str]:
        user_id = self.tokens(token) if self.tokens else None
        account = self._accounts.with_id(user_id) if user_id == login.username and user_id else None
        if account is None:
            return None, "bad access token"
        return account, "" if account.node else "not assigned to IM and Presence"

    def _get_all_config(self, asked: soap.GetAllConfig) -> Response:
        account = self._holder(asked.session_key)
        if account is None:
            return self._failed("get-all-config", -1, soap.INVALID_REQUEST)
        return _document(soap.config_response(*self._configuration(account)))

    def _get_onetime_password(self, asked: soap.GetOnetimePassword) -> Response:
        account = self._holder(asked.session_key)
        if account is None:
            return self._failed("get-onetime-password", -1, soap.INVALID_REQUEST)
        return _document(soap.password_response(self._tickets.issue_password(account.user_id)))

    def _holder(self, session_key: str) -> Account | None:
        user_id = self._tickets.user_of(session_key)
        return self._accounts.with_id(user_id) if user_id else None

    def _failed(self, operation: str, code: int, text: str) -> Response:
        return _document(soap.failure_response(operation, code, text, element=self._failure))

    def _checked(self, user: str, how: str, refusal: str) -> None:
        event = events.Authentication(user=user[:128], how=how, granted=not refusal, detail=refusal)
        self._recorder.emit(event, keys=(user_key(user),))


def _document(body: bytes, status: int = 200) -> Response:
    return Response(status=status, headers=Headers([("Content-Type", soap.CONTENT_TYPE)]), body=body)


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(".")[:6]
    return tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 10 else 0 for part in parts)
