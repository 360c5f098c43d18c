"""Documents of User Data Services (UDS), the directory and self-care interface of Unified CM under ``/cucm-uds``.

Every document is a frozen class with a writer (``document``, for the server) and a reader (``parse``, for clients and
Expressway-C). Element order, attribute order and the lack of line breaks follow public captures, also where the API
reference differs.

Sources: User Data Services API reference and developer guide (developer.cisco.com); captures in "Collaboration Edge
TC-based Endpoints Configuration Example" (Cisco 211304).

Hosts in URIs may be bare host names, and one response may mix absolute and bare ones: readers accept both.
"""

from __future__ import annotations

from edgesim.edge.uds.cluster import ClusterUser, Failure, HomeCluster, Servers, Version
from edgesim.edge.uds.common import CONTENT_TYPE, DECLARATION, LINKS, ROOT, UdsError
from edgesim.edge.uds.device import Device, Devices, Extensions
from edgesim.edge.uds.directory import Person, Users
from edgesim.edge.uds.targets import cluster_user_target, user_target
from edgesim.edge.uds.user import LoginDetails, NewCredentials, User

__all__ = [
    "CONTENT_TYPE",
    "DECLARATION",
    "LINKS",
    "ROOT",
    "ClusterUser",
    "Device",
    "Devices",
    "Extensions",
    "Failure",
    "HomeCluster",
    "LoginDetails",
    "NewCredentials",
    "Person",
    "Servers",
    "UdsError",
    "User",
    "Users",
    "Version",
    "cluster_user_target",
    "user_target",
]
