"""The SOAP documents of a chat sign-in: login, get-all-config, get-onetime-password, both ways (SOAP 1.2).

Requests are octet for octet those of public client code. No public capture shows a complete response: responses are
reconstructed from what clients read in them, and ``<failure>`` is a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

EPAS = "urn:cisco:epas:soap"
ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
CONTENT_TYPE = "application/soap+xml; charset=utf-8"
ACTION_LOGIN = "urn:cisco:epas:soap/EpasSoapServiceInterface/login"
ACTION_GET_ALL_CONFIG = "urn:cisco:epas:soap/EpasSoapServiceInterface/get_all_config"
SERVICE = "/EPASSoap/service"
VERSIONS = ("v70", "v80", "v105", "latest")
PATHS = tuple(f"{SERVICE}/{version}" for version in VERSIONS)
CLIENT_VERSION_TOO_OLD = "The client does not meet the minimal version requirement."
INVALID_REQUEST = "Invalid request"
MAX_DOCUMENT = 65_536
"""The maximum octets of a document; a longer one is refused unread."""
_MAX_DEPTH = 24


class SoapError(Exception):
    """The document is neither a request nor a response of this service."""


# ---- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Sign in. ``client_version`` is checked against the server's table of minimum versions."""

    username: str
    password: str
    client_type: str
    client_version: str = "9.7.0.18474"
    force: bool = True
    app_session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAllConfig:
    """Request the system's and the user's configuration."""

    session_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOnetimePassword:
    """Request a password for one XMPP sign-in."""

    session_key: str


SoapRequest = Login | GetAllConfig | GetOnetimePassword


def login_request(
    username: str, password: str, *, client_type: str, client_version: str = "9.7.0.18474", force: bool = True
) -> bytes:
    """Return the body of a login; send it with `CONTENT_TYPE` and SOAPAction `ACTION_LOGIN`."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE}"\n'
        ' xmlns:SOAP-ENC="http://www.w3.org/2003/05/soap-encoding"\n'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"\n'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"\n'
        f' xmlns:ns1="{EPAS}">\n'
        f' <SOAP-ENV:Body><ns1:login client-version="{_quoted(client_version)}" client-type="{_quoted(client_type)}"'
        f' force="{str(force).lower()}"><ns1:username>{_text(username)}</ns1:username>\n'
        f" <ns1:password>{_text(password)}</ns1:password>\n"
        " </ns1:login></SOAP-ENV:Body>\n"
        "</SOAP-ENV:Envelope>\n"
    ).encode()


def get_all_config_request(session_key: str) -> bytes:
    """Return the body of get-all-config; send it with SOAPAction `ACTION_GET_ALL_CONFIG`."""
    return _with_key(
        session_key,
        '<get-all-config><system-config/><user-config/><federated-domains auth-policy="all"/>'
        "<non-presence-aware-contacts/><contact-info/></get-all-config>",
    )


def get_onetime_password_request(session_key: str) -> bytes:
    """Return the body of get-onetime-password; it has no SOAPAction."""
    return _with_key(session_key, "<get-onetime-password/>")


def _with_key(session_key: str, body: str) -> bytes:
    return (
        f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:epas="{EPAS}" xmlns="{EPAS}">\n'
        f" <soapenv:Header><session-key>{_text(session_key)}</session-key></soapenv:Header>\n"
        f" <soapenv:Body>{body}</soapenv:Body>\n"
        "</soapenv:Envelope>\n"
    ).encode()


def parse_request(document: bytes) -> SoapRequest:
    """Parse a client's request. Raises `SoapError`."""
    header, body = _envelope(document)
    operation = body[0] if len(body) else None
    if operation is None or len(body) != 1:
        raise SoapError("expected one operation in the body")
    if operation.tag == _epas("login"):
        username, password = operation.findtext(_epas("username")), operation.findtext(_epas("password"))
        if not username or password is None:
            raise SoapError("login requires username and password")
        return Login(
            username=username,
            password=password,
            client_version=operation.get("client-version", ""),
            client_type=operation.get("client-type", ""),
            force=operation.get("force", "false") == "true",
            app_session_id=operation.get("app-session-id"),
        )
    key = (header.findtext(_epas("session-key")) or "") if header is not None else ""
    if operation.tag == _epas("get-all-config"):
        return GetAllConfig(session_key=key)
    if operation.tag == _epas("get-onetime-password"):
        return GetOnetimePassword(session_key=key)
    raise SoapError("unknown operation")


# ---- responses


def login_response(session_key: str) -> bytes:
    """Return the response to a successful login."""
    return _response(
        f'<login-resp xmlns="{EPAS}"><success><session-key>{_text(session_key)}</session-key></success></login-resp>'
    )


def failure_response(operation: str, code: int, text: str, *, element: str) -> bytes:
    """Return the response to a failed operation (``login`` ...): status 200 without ``success``.

    A stale session key is answered with the text `INVALID_REQUEST`, which clients look for. ``element`` holds code and
    text.
    """
    return _response(
        f'<{operation}-resp xmlns="{EPAS}"><{element}><err-code>{code}</err-code><err-text>{_text(text)}</err-text>'
        f"</{element}></{operation}-resp>"
    )


def config_response(system: Mapping[str, str], user: Mapping[str, str]) -> bytes:
    """Return the response to get-all-config: the properties of system and user."""
    return _response(
        f'<get-all-config-resp xmlns="{EPAS}">'
        f"<get-system-config-resp>{_properties(system)}</get-system-config-resp>"
        f"<get-user-config-resp>{_properties(user)}</get-user-config-resp></get-all-config-resp>"
    )


def password_response(password: str) -> bytes:
    """Return the response to get-onetime-password."""
    return _response(
        f'<get-onetime-password-resp xmlns="{EPAS}"><success><password>{_text(password)}</password></success>'
        "</get-onetime-password-resp>"
    )


def fault(reason: str, *, code: str = "Sender") -> bytes:
    """Return a SOAP 1.2 fault; ``code`` is ``Sender`` or ``Receiver``."""
    return _response(
        f"<env:Fault><env:Code><env:Value>env:{code}</env:Value></env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{_text(reason)}</env:Text></env:Reason></env:Fault>'
    )


def _response(body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<env:Envelope xmlns:env="{ENVELOPE}"><env:Body>{body}</env:Body></env:Envelope>'
    ).encode()


def _properties(values: Mapping[str, str]) -> str:
    return "".join(f'<property name="{_quoted(name)}">{_text(value)}</property>' for name, value in values.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The service refused: a response without ``success``, or a fault."""

    text: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A login succeeded."""

    session_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllConfig:
    """Configuration properties by name."""

    system: Mapping[str, str]
    user: Mapping[str, str]

    @property
    def presence_domain(self) -> str | None:
        """The property ``Presence.Domain``."""
        return self.system.get("Presence.Domain")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnetimePassword:
    """A password for one XMPP sign-in."""

    password: str


SoapResponse = LoggedIn | AllConfig | OnetimePassword | Failure


def parse_response(document: bytes) -> SoapResponse:
    """Parse the service's response. Raises `SoapError` if it is not one."""
    _, body = _envelope(document)
    answer = body[0] if len(body) else None
    if answer is None:
        raise SoapError("empty body")
    if answer.tag == f"{{{ENVELOPE}}}Fault":
        reason = answer.findtext(f"{{{ENVELOPE}}}Reason/{{{ENVELOPE}}}Text") or ""
        return Failure(text=reason, code=answer.findtext(f"{{{ENVELOPE}}}Code/{{{ENVELOPE}}}Value") or "")
    success = answer.find(_epas("success"))
    if answer.tag == _epas("login-resp") and success is not None:
        if key := success.findtext(_epas("session-key")):
            return LoggedIn(session_key=key)
    elif answer.tag == _epas("get-onetime-password-resp") and success is not None:
        if password := success.findtext(_epas("password")):
            return OnetimePassword(password=password)
    elif answer.tag == _epas("get-all-config-resp") and answer.find(_epas("failure")) is None:
        return AllConfig(
            system=_read_properties(answer.find(_epas("get-system-config-resp"))),
            user=_read_properties(answer.find(_epas("get-user-config-resp"))),
        )
    failed = answer.find(_epas("failure"))
    if failed is None:
        return Failure(text="no success element in the response")
    return Failure(text=failed.findtext(_epas("err-text")) or "", code=failed.findtext(_epas("err-code")) or "")


def _read_properties(parent: Element | None) -> dict[str, str]:
    found = parent.findall(_epas("property")) if parent is not None else []
    return {each.get("name", ""): each.text or each.get("value") or "" for each in found}


# ---- helpers


def _envelope(document: bytes) -> tuple[Element | None, Element]:
    if len(document) > MAX_DOCUMENT:
        raise SoapError("document too large")
    try:
        root: Element = fromstring(document, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SoapError(f"not XML: {type(error).__name__}") from None
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        raise SoapError("not a SOAP 1.2 envelope")
    if _depth(root) > _MAX_DEPTH:
        raise SoapError("nested too deeply")
    body = root.find(f"{{{ENVELOPE}}}Body")
    if body is None:
        raise SoapError("no body")
    return root.find(f"{{{ENVELOPE}}}Header"), body


def _depth(root: Element) -> int:
    level, deep = [root], 0
    while level and deep <= _MAX_DEPTH:
        level = [child for each in level for child in each]
        deep += 1
    return deep


def _epas(name: str) -> str:
    return f"{{{EPAS}}}{name}"


def _text(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _quoted(value: str) -> str:
    return _text(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
