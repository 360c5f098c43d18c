"""What Expressway-C asks Unified CM by AXL, and what it answers: requests, answers, and the queries of the database.

All are frozen classes; `edgesim.edge.axl` puts them into envelopes and takes them out again. Which methods Expressway-C
calls is documented by examples, get and list functions and then the trust stores ("Troubleshoot Most Common Issues of
Collaboration Edge", Cisco 118798); elements are those of the AXL schema (developer.cisco.com), tables those of the Data
Dictionary and, for certificates, of "CUCM Certificate Management and Change Notification" (Cisco 210541).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENTERPRISE_WIDE_DATA = "EnterpriseWideData"
"""The row of the table of nodes that is no node; `listProcessNode` returns it, `ProcessNodes.servers` leaves it out."""

CLUSTER_SECURITY_MODE = "ClusterSecurityMode"
"""Enterprise parameter: 1 in mixed mode, else 0."""
SIP_OAUTH_MODE = "ClusterSipOAuthMode"
"""Enterprise parameter: 1 where SIP OAuth mode is on, else 0."""
OAUTH_REFRESH = "OAuthRefreshLoginFlow"
"""Enterprise parameter: 1 where OAuth with Refresh Login Flow is enabled, else 0."""
PARAMETERS_QUERY = (
    "select paramname, paramvalue from processconfig where paramname in "
    f"('{CLUSTER_SECURITY_MODE}', '{SIP_OAUTH_MODE}', '{OAUTH_REFRESH}')"
)
"""Asks for the cluster's parameters that concern the edge."""
SKINNY_PORT = 2000
"""``ethernetPhonePort`` as configuration files have it; nothing listens there."""
CALLMANAGER_TRUST, TOMCAT_TRUST = "CallManager-trust", "tomcat-trust"
"""The stores that `trust_query` asks for, by their names in ``typecertificateservice``."""
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
    """Asks for the Cisco CallManager of a name, with its ports."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCallManager:
    """Asks for the Cisco CallManagers whose name is like ``name``."""

    name: str = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCCMVersion:
    """Asks for the release of a node, or of the one that answers."""

    process_node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProcessNode:
    """Asks for the nodes whose name is like ``name`` (``%`` stands for anything)."""

    name: str = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListProcessNodeService:
    """Asks for the services of the nodes whose name is like ``node``."""

    node: str = "%"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteSQLQuery:
    """Asks for rows of the configuration database."""

    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddExpresswayC:
    """Adds an entry under *Device > Expressway-C*; ``subject`` is the certificate's subject or alternative names."""

    host: str
    description: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateExpresswayC:
    """Changes the entry of ``host``; None leaves a value as it is."""

    host: str
    new_host: str | None = None
    description: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveExpresswayC:
    """Removes the entry of ``host``."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListExpresswayC:
    """Asks for the entries whose host is like ``host``."""

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
"""The name of each method by the class of its request."""


# ---- responses


@dataclass(frozen=True, slots=True, kw_only=True)
class CallManager:
    """A Cisco CallManager, by default one a node; a list has no ports, and there they are None."""

    name: str
    node: str
    description: str = ""
    phone_port: int | None = None
    sip_port: int | None = None
    secure_sip_port: int | None = None
    uuid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallManagers:
    """The Cisco CallManagers whose names matched."""

    call_managers: tuple[CallManager, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CcmVersion:
    """The release in full, e.g. ``14.0.1.11900-132``."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNode:
    """A node of the cluster: ``usage`` is ``Publisher`` or ``Subscriber``, ``role`` what runs there."""

    name: str
    description: str = ""
    usage: str = "Subscriber"
    role: str = "CUCM Voice/Video"
    uuid: str = ""

    @property
    def is_call_processing(self) -> bool:
        """Return whether the node is a Unified CM and not an IM and Presence node."""
        return self.role == "CUCM Voice/Video"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNodes:
    """The rows of the table of nodes."""

    nodes: tuple[ProcessNode, ...]

    @property
    def servers(self) -> tuple[ProcessNode, ...]:
        """The rows that are nodes."""
        return tuple(node for node in self.nodes if node.name != ENTERPRISE_WIDE_DATA)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessNodeService:
    """A service of a node: whether it is activated there, and whether it runs."""

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
        """Return the nodes on which a service is activated, in the order of the list."""
        return tuple(each.node for each in self.services if each.service == service and each.enabled)


Row = tuple[tuple[str, str], ...]
"""Columns of a row in order: name and value, both text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows that a query found."""

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
    """The entries under *Device > Expressway-C* that matched."""

    entries: tuple[ExpresswayC, ...] = field(default=())


Response = CallManager | CallManagers | CcmVersion | ProcessNodes | ProcessNodeServices | Rows | Stored | ExpresswayCs
