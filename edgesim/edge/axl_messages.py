"""The AXL messages between Expressway-C and Unified CM: requests, responses, and database queries.

All are frozen classes; `edgesim.edge.axl` writes and reads their envelopes. Documented examples show which methods
Expressway-C calls: get and list functions, then the trust stores ("Troubleshoot Most Common Issues of Collaboration
Edge", Cisco 118798). Elements are those of the AXL schema (developer.cisco.com); tables those of the Data Dictionary
and, for certificates, of "CUCM Certificate Management and Change Notification" (Cisco 210541).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENTERPRISE_WIDE_DATA = "EnterpriseWideData"
"""The placeholder row of the table of nodes; `listProcessNode` returns it, `ProcessNodes.servers` omits it."""

CLUSTER_SECURITY_MODE = "ClusterSecurityMode"
"""Enterprise parameter: 1 in mixed mode, else 0."""
SIP_OAUTH_MODE = "ClusterSipOAuthMode"
"""Enterprise parameter: 1 if SIP OAuth mode is on, else 0."""
OAUTH_REFRESH = "OAuthRefreshLoginFlow"
"""Enterprise parameter: 1 if OAuth with Refresh Login Flow is enabled, else 0."""
PARAMETERS_QUERY = (
    "select paramname, paramvalue from processconfig where paramname in "
    f"('{CLUSTER_SECURITY_MODE}', '{SIP_OAUTH_MODE}', '{OAUTH_REFRESH}')"
)
"""Selects the cluster's parameters that concern the edge."""
SKINNY_PORT = 2000
"""``ethernetPhonePort`` as in configuration files; nothing listens on it."""
CALLMANAGER_TRUST, TOMCAT_TRUST = "CallManager-trust", "tomcat-trust"
"""The stores that `trust_query` selects, by their names in ``typecertificateservice``."""
CALL_MANAGER_SERVICE, TFTP_SERVICE, AXL_SERVICE = "Cisco CallManager", "Cisco Tftp", "Cisco AXL Web Service"
"""Services of a node, by their names in ``processnodeservice``."""


def trust_query(store: str) -> str:
    """Return the query for the certificates of a trust store."""
    return (
        "select c.subjectname, c.issuername, c.serialnumber, c.certificate from certificate c "
        "inner join certificateservicecertificatemap m on m.fkcertificate = c.pkid "
        f"inner join typecertificateservice t on t.enum = m.tkcertificateservice where t.name = '{store}'"
    )


# ---- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCallManager:
    """Request the Cisco CallManager of a name, with its ports."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCallManager:
    """Request the Cisco CallManagers whose name is like ``name``."""

    name: str = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCCMVersion:
    """Request the release of a node, by default of the one that answers."""

    process_node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProcessNode:
    """Request the nodes whose name is like ``name`` (``%`` matches anything)."""

    name: str = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProcessNodeService:
    """Request the services of the nodes whose name is like ``node``."""

    node: str = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteSQLQuery:
    """Request rows of the configuration database."""

    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddExpresswayC:
    """Add an entry under *Device > Expressway-C*; ``subject`` is the certificate's subject or alternative names."""

    host: str
    description: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateExpresswayC:
    """Change the entry of ``host``; None leaves a value unchanged."""

    host: str
    new_host: str | None = None
    description: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveExpresswayC:
    """Remove the entry of ``host``."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExpresswayC:
    """Request the entries whose host is like ``host``."""

    host: str = "%"


Request = (
    GetCallManager
    | ListCallManager
    | ListProcessNode
    | ListProcessNodeService
    | GetCCMVersion
    | ExecuteSQLQuery
    | AddExpresswayC
    | UpdateExpresswayC
    | RemoveExpresswayC
    | ListExpresswayC
)

METHODS: dict[type[Any], str] = {
    GetCallManager: "getCallManager",
    ListCallManager: "listCallManager",
    ListProcessNode: "listProcessNode",
    ListProcessNodeService: "listProcessNodeService",
    GetCCMVersion: "getCCMVersion",
    ExecuteSQLQuery: "executeSQLQuery",
    AddExpresswayC: "addExpresswayCConfiguration",
    UpdateExpresswayC: "updateExpresswayCConfiguration",
    RemoveExpresswayC: "removeExpresswayCConfiguration",
    ListExpresswayC: "listExpresswayCConfiguration",
}
"""Method names by request class."""


# ---- responses


@dataclass(frozen=True, slots=True, kw_only=True)
class CallManager:
    """A Cisco CallManager, by default one per node; in a list the ports are None."""

    name: str
    node: str
    description: str = ""
    phone_port: int | None = None
    sip_port: int | None = None
    secure_sip_port: int | None = None
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallManagers:
    """The matching Cisco CallManagers."""

    call_managers: tuple[CallManager, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CcmVersion:
    """The full release, e.g. ``14.0.1.11900-132``."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNode:
    """A node of the cluster: ``usage`` is ``Publisher`` or ``Subscriber``, ``role`` is its product."""

    name: str
    description: str = ""
    usage: str = "Subscriber"
    role: str = "CUCM Voice/Video"
    uuid: str = ""

    @property
    def is_call_processing(self) -> bool:
        """Return whether the node is a Unified CM rather than an IM and Presence node."""
        return self.role == "CUCM Voice/Video"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNodes:
    """The rows of the table of nodes."""

    nodes: tuple[ProcessNode, ...]

    @property
    def servers(self) -> tuple[ProcessNode, ...]:
        """The rows that are real nodes."""
        return tuple(node for node in self.nodes if node.name != ENTERPRISE_WIDE_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNodeService:
    """A service of a node: whether it is activated, and whether it is running."""

    node: str
    service: str
    enabled: bool = True
    active: bool = True
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNodeServices:
    """Services of nodes."""

    services: tuple[ProcessNodeService, ...]

    def nodes_with(self, service: str) -> tuple[str, ...]:
        """Return the nodes on which a service is activated, in list order."""
        return tuple(each.node for each in self.services if each.service == service and each.enabled)


Row = tuple[tuple[str, str], ...]
"""The columns of a row in order: name and value, both text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows that a query returned."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The UUID, in braces, of the entry that was added, changed or removed."""

    uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpresswayC:
    """An entry under *Device > Expressway-C*."""

    host: str
    description: str = ""
    subject: str = ""
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpresswayCs:
    """The matching entries under *Device > Expressway-C*."""

    entries: tuple[ExpresswayC, ...] = field(default=())


Response = CallManager | CallManagers | CcmVersion | ProcessNodes | ProcessNodeServices | Rows | Stored | ExpresswayCs
