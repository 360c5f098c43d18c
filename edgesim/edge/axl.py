"""The part of AXL, Unified CM's administrative SOAP interface, that Expressway-C uses to discover a cluster.

Requests and responses are the classes of `edgesim.edge.axl_messages`; `write_request` and `write_response` write them
into a SOAP 1.1 envelope, `read_request` and `read_response` read them from one. A fault is the exception `AxlFault` on
both sides.

Sources: AXL schema and AXL developer guide (developer.cisco.com).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from edgesim.edge.axl_messages import (
    METHODS,
    AddExpresswayC,
    CallManager,
    CallManagers,
    CcmVersion,
    ExecuteSQLQuery,
    ExpresswayC,
    ExpresswayCs,
    GetCallManager,
    GetCCMVersion,
    ListCallManager,
    ListExpresswayC,
    ListProcessNode,
    ListProcessNodeService,
    ProcessNode,
    ProcessNodes,
    ProcessNodeService,
    ProcessNodeServices,
    RemoveExpresswayC,
    Request,
    Response,
    Rows,
    Stored,
    UpdateExpresswayC,
)
from edgesim.edge.markup import LIMITS, XmlLimits, leaf, local, read, tag, text

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = "http://www.cisco.com/AXL/API/"
CONTENT_TYPE = "text/xml;charset=UTF-8"
TARGET = "/axl/"
R = TypeVar("R", bound=Response)


class AxlError(Exception):
    """The body is not an AXL message."""


class UnknownMethod(AxlError):
    """A well-formed request for a method outside the subset; ``method`` is its name."""

    def __init__(self, method: str, version: str) -> None:
        super().__init__(f"no method {method[:80]!r}")
        self.method = method
        self.version = version


class AxlFault(Exception):
    """A SOAP fault: AXL's own code, the message, and the method that failed.

    Known codes: 201 SQL syntax, 5003 the item to change was not found, 5007 the item to get was not found, -239 the
    item to add already exists.
    """

    def __init__(self, code: int, message: str, request: str, side: str = "Server") -> None:
        super().__init__(f"{request}: {message} ({code})")
        self.code = code
        self.message = message
        self.request = request
        self.side = side


# ---- writing


def soap_action(request: Request, version: str) -> str:
    """Return the value of ``SOAPAction`` without its quotes, e.g. ``CUCM:DB ver=14.0 getCCMVersion``."""
    return f"CUCM:DB ver={version} {METHODS[type(request)]}"


def write_request(request: Request, version: str) -> bytes:
    """Return the envelope of a request for schema ``version``, e.g. ``14.0``."""
    inner = tag(f"ns:{METHODS[type(request)]}", *_request_fields(request), attributes=(_namespace(version),))
    envelope = tag(
        "soapenv:Envelope",
        "<soapenv:Header/>",
        tag("soapenv:Body", inner),
        attributes=(("xmlns:soapenv", SOAP),),
    )
    return envelope.encode()


def write_response(request: Request, response: Response, version: str) -> bytes:
    """Return the envelope of the response to ``request``."""
    name = f"ns:{METHODS[type(request)]}Response"
    inner = tag(name, tag("return", *_response_fields(response)), attributes=(_namespace(version),))
    return _answer(inner)


def write_fault(fault: AxlFault) -> bytes:
    """Return the envelope of a fault; its HTTP status is 500."""
    detail = tag(
        "axlError",
        leaf("axlcode", fault.code),
        leaf("axlmessage", fault.message),
        leaf("request", fault.request),
    )
    inner = tag(
        "soapenv:Fault",
        leaf("faultcode", f"soapenv:{fault.side}"),
        leaf("faultstring", fault.message),
        tag("detail", detail),
    )
    return _answer(inner)


def _namespace(version: str) -> tuple[str, str]:
    return ("xmlns:ns", NAMESPACE + version)


def _answer(inner: str) -> bytes:
    body = tag("soapenv:Body", inner)
    envelope = tag("soapenv:Envelope", body, attributes=(("xmlns:soapenv", SOAP),))
    return ("<?xml version='1.0' encoding='UTF-8'?>" + envelope).encode()


_CALL_MANAGER_TAGS = ("name", "description", "processNodeName")
_SERVICE_TAGS = ("processNodeName", "service", "enable", "isActive")
_NODE_TAGS = ("name", "description", "nodeUsage", "processNodeRole")
_EXPRESSWAY_TAGS = ("HostNameOrIP", "description", "X509SubjectNameorSubjectAlternateName")


def _search(column: str, like: str, returned: tuple[str, ...]) -> list[str]:
    return [
        tag("searchCriteria", leaf(column, like)),
        tag("returnedTags", *(leaf(name, None) for name in returned)),
    ]


def _given(**values: str | None) -> list[str]:
    return [leaf(name, value) for name, value in values.items() if value is not None]


def _request_fields(request: Request) -> list[str]:
    match request:
        case GetCallManager(name=name):
            return [leaf("name", name)]
        case ListCallManager(name=name):
            return _search("name", name, _CALL_MANAGER_TAGS)
        case ListProcessNodeService(node=name):
            return _search("processNodeName", name, _SERVICE_TAGS)
        case GetCCMVersion(process_node=node):
            return _given(processNodeName=node)
        case ListProcessNode(name=name):
            return _search("name", name, _NODE_TAGS)
        case ExecuteSQLQuery(sql=sql):
            return [leaf("sql", sql)]
        case AddExpresswayC():
            return [tag("expresswayCConfiguration", *_expressway(request.host, request.description, request.subject))]
        case UpdateExpresswayC():
            return _given(
                HostNameOrIP=request.host,
                newHostNameOrIP=request.new_host,
                description=request.description,
                X509SubjectNameorSubjectAlternateName=request.subject,
            )
        case RemoveExpresswayC(host=host):
            return [leaf("HostNameOrIP", host)]
        case ListExpresswayC(host=host):
            return _search("HostNameOrIP", host, _EXPRESSWAY_TAGS)


def _expressway(host: str, description: str, subject: str) -> list[str]:
    return [leaf(name, value) for name, value in zip(_EXPRESSWAY_TAGS, (host, description, subject), strict=True)]


def _response_fields(response: Response) -> list[str]:
    match response:
        case CallManager():
            return [_call_manager(response)]
        case CallManagers(call_managers=found):
            return [_call_manager(each) for each in found]
        case ProcessNodeServices(services=services):
            return [
                tag(
                    "processNodeService",
                    leaf("processNodeName", each.node),
                    leaf("service", each.service),
                    leaf("enable", str(each.enabled).lower()),
                    leaf("isActive", str(each.active).lower()),
                    attributes=(("uuid", each.uuid),),
                )
                for each in services
            ]
        case CcmVersion(version=version):
            return [tag("componentVersion", leaf("version", version))]
        case ProcessNodes(nodes=nodes):
            return [
                tag(
                    "processNode",
                    leaf("name", node.name),
                    leaf("description", node.description),
                    leaf("nodeUsage", node.usage),
                    leaf("processNodeRole", node.role),
                    attributes=(("uuid", node.uuid),),
                )
                for node in nodes
            ]
        case Rows(rows=rows):
            return [tag("row", *(leaf(name, value) for name, value in row)) for row in rows]
        case Stored(uuid=uuid):
            return [uuid]
        case ExpresswayCs(entries=entries):
            return [
                tag(
                    "expresswayCConfiguration",
                    *_expressway(entry.host, entry.description, entry.subject),
                    attributes=(("uuid", entry.uuid),),
                )
                for entry in entries
            ]


def _call_manager(one: CallManager) -> str:
    ports: tuple[str, ...] = ()
    if one.sip_port is not None:
        sip = _given(sipPhonePort=_text(one.sip_port), sipPhoneSecurePort=_text(one.secure_sip_port))
        ports = (tag("ports", *_given(ethernetPhonePort=_text(one.phone_port)), tag("sipPorts", *sip)),)
    return tag(
        "callManager",
        leaf("name", one.name),
        leaf("description", one.description),
        *ports,
        leaf("processNodeName", one.node),
        attributes=(("uuid", one.uuid),),
    )


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


# ---- reading


def read_request(body: bytes, limits: XmlLimits = LIMITS) -> tuple[Request, str]:
    """Return a request and the schema version of its namespace.

    Raises `UnknownMethod` for a method outside the subset, `AxlError` for anything else that is not an AXL request.
    """
    element, version = _payload(body, limits)
    method = local(element.tag)
    reader = _REQUESTS.get(method)
    if reader is None:
        raise UnknownMethod(method, version)
    return reader(element), version


def read_response(body: bytes, expected: type[R], limits: XmlLimits = LIMITS) -> R:
    """Return the response in an envelope.

    Raises `AxlFault` if the server answered with a fault, `AxlError` if the body is not a response of the kind
    ``expected``.
    """
    element, _ = _payload(body, limits)
    if local(element.tag) == "Fault":
        raise _fault(element)
    answer = element.find("return")
    if answer is None or not local(element.tag).endswith("Response"):
        raise AxlError(f"<{local(element.tag)[:80]}> is not an AXL response")
    response = _RESPONSES[expected](answer)
    assert isinstance(response, expected)
    return response


def _payload(body: bytes, limits: XmlLimits) -> tuple[Element, str]:
    try:
        root = read(body, limits)
    except ValueError as error:
        raise AxlError(str(error)) from None
    if root.tag != f"{{{SOAP}}}Envelope":
        raise AxlError(f"<{local(root.tag)[:80]}> is not a SOAP 1.1 envelope")
    inner = root.find(f"{{{SOAP}}}Body")
    if inner is None or len(inner) != 1:
        raise AxlError("expected a SOAP body with exactly one element")
    element = inner[0]
    namespace = element.tag.rpartition("}")[0].lstrip("{")
    if namespace == SOAP:
        return element, ""
    if not namespace.startswith(NAMESPACE):
        raise AxlError(f"namespace {namespace[:80]!r} is not AXL's")
    return element, namespace.removeprefix(NAMESPACE)


def _fault(element: Element) -> AxlFault:
    code = text(element, "detail/axlError/axlcode", "-1")
    return AxlFault(
        int(code) if re.fullmatch("-?[0-9]{1,9}", code) else -1,
        text(element, "detail/axlError/axlmessage") or text(element, "faultstring"),
        text(element, "detail/axlError/request"),
        text(element, "faultcode").rpartition(":")[2],
    )


def _needed(element: Element, path: str) -> str:
    value = text(element, path)
    if not value:
        raise AxlError(f"<{local(element.tag)}> without {path}")
    return value


def _optional(element: Element, path: str) -> str | None:
    found = element.find(path)
    return None if found is None else (found.text or "").strip()


def _add(element: Element) -> AddExpresswayC:
    return AddExpresswayC(
        host=_needed(element, "expresswayCConfiguration/HostNameOrIP"),
        description=text(element, "expresswayCConfiguration/description"),
        subject=text(element, "expresswayCConfiguration/X509SubjectNameorSubjectAlternateName"),
    )


def _update(element: Element) -> UpdateExpresswayC:
    return UpdateExpresswayC(
        host=_needed(element, "HostNameOrIP"),
        new_host=_optional(element, "newHostNameOrIP"),
        description=_optional(element, "description"),
        subject=_optional(element, "X509SubjectNameorSubjectAlternateName"),
    )


_REQUESTS: dict[str, Callable[[Element], Request]] = {
    "getCallManager": lambda e: GetCallManager(name=_needed(e, "name")),
    "listCallManager": lambda e: ListCallManager(name=_needed(e, "searchCriteria/name")),
    "listProcessNodeService": lambda e: ListProcessNodeService(node=_needed(e, "searchCriteria/processNodeName")),
    "getCCMVersion": lambda e: GetCCMVersion(process_node=_optional(e, "processNodeName") or None),
    "listProcessNode": lambda e: ListProcessNode(name=_needed(e, "searchCriteria/name")),
    "executeSQLQuery": lambda e: ExecuteSQLQuery(sql=_needed(e, "sql")),
    "addExpresswayCConfiguration": _add,
    "updateExpresswayCConfiguration": _update,
    "removeExpresswayCConfiguration": lambda e: RemoveExpresswayC(host=_needed(e, "HostNameOrIP")),
    "listExpresswayCConfiguration": lambda e: ListExpresswayC(host=_needed(e, "searchCriteria/HostNameOrIP")),
}


def _port(element: Element, path: str) -> int | None:
    value = text(element, path)
    return int(value) if re.fullmatch("[0-9]{1,5}", value) and 0 < int(value) < 65536 else None


def _one_call_manager(item: Element) -> CallManager:
    return CallManager(
        name=_needed(item, "name"),
        node=_needed(item, "processNodeName"),
        description=text(item, "description"),
        phone_port=_port(item, "ports/ethernetPhonePort"),
        sip_port=_port(item, "ports/sipPorts/sipPhonePort"),
        secure_sip_port=_port(item, "ports/sipPorts/sipPhoneSecurePort"),
        uuid=item.get("uuid", ""),
    )


def _call_managers(answer: Element) -> CallManagers:
    return CallManagers(call_managers=tuple(_one_call_manager(item) for item in answer.findall("callManager")))


def _first_call_manager(answer: Element) -> CallManager:
    item = answer.find("callManager")
    if item is None:
        raise AxlError("<return> without callManager")
    return _one_call_manager(item)


def _services(answer: Element) -> ProcessNodeServices:
    found = (
        ProcessNodeService(
            node=_needed(item, "processNodeName"),
            service=_needed(item, "service"),
            enabled=text(item, "enable") in ("true", "t"),
            active=text(item, "isActive") in ("true", "t"),
            uuid=item.get("uuid", ""),
        )
        for item in answer.findall("processNodeService")
    )
    return ProcessNodeServices(services=tuple(found))


def _nodes(answer: Element) -> ProcessNodes:
    nodes = (
        ProcessNode(
            name=_needed(item, "name"),
            description=text(item, "description"),
            usage=text(item, "nodeUsage"),
            role=text(item, "processNodeRole"),
            uuid=item.get("uuid", ""),
        )
        for item in answer.findall("processNode")
    )
    return ProcessNodes(nodes=tuple(nodes))


def _rows(answer: Element) -> Rows:
    rows = (tuple((local(cell.tag), (cell.text or "").strip()) for cell in row) for row in answer.findall("row"))
    return Rows(rows=tuple(rows))


def _expressways(answer: Element) -> ExpresswayCs:
    entries = (
        ExpresswayC(
            host=_needed(item, "HostNameOrIP"),
            description=text(item, "description"),
            subject=text(item, "X509SubjectNameorSubjectAlternateName"),
            uuid=item.get("uuid", ""),
        )
        for item in answer.findall("expresswayCConfiguration")
    )
    return ExpresswayCs(entries=tuple(entries))


_RESPONSES: dict[type[Any], Callable[[Element], Response]] = {
    CallManager: _first_call_manager,
    CallManagers: _call_managers,
    ProcessNodeServices: _services,
    CcmVersion: lambda answer: CcmVersion(version=_needed(answer, "componentVersion/version")),
    ProcessNodes: _nodes,
    Rows: _rows,
    Stored: lambda answer: Stored(uuid=(answer.text or "").strip()),
    ExpresswayCs: _expressways,
}
