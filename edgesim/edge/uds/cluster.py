"""Documents about a cluster: the home cluster of a user, servers, release; and errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from edgesim.edge.markup import LIMITS, XmlLimits, leaf, tag, text
from edgesim.edge.uds.common import UdsError, count_of, encoded, is_true, root_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeCluster:
    """A user's home cluster: its answering host, and the URIs of its servers and of the user there."""

    host: str
    servers_uri: str
    user_uri: str
    self_provisioning_secure_mode: bool = True
    admin_provision_mode: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterUser:
    """Response to ``clusterUser?username=|email=|useridentifier=``: the home cluster, or None for an unknown user.

    The status is 200 in both cases. ``uri`` repeats the request's URI.
    """

    uri: str
    home: HomeCluster | None = None
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        return encoded(tag("clusterUser", *self._children(), attributes=(("version", self.version), ("uri", self.uri))))

    def _children(self) -> tuple[str, ...]:
        home = self.home
        if home is None:
            return (leaf("result", None, ("found", "false")),)
        details = tag(
            "homeClusterDetails",
            leaf("selfProvisioningSecureMode", home.self_provisioning_secure_mode),
            leaf("adminProvisionMode", home.admin_provision_mode),
        )
        return (
            leaf("result", None, ("found", "true"), ("uri", home.user_uri), ("version", self.version)),
            leaf("homeCluster", home.host, ("serversUri", home.servers_uri)),
            details,
        )

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "clusterUser", limits)
        answer = cls(uri=root.get("uri", ""), version=root.get("version", ""))
        result = root.find("result")
        if result is None or result.get("found") not in ("true", "false"):
            raise UdsError("<clusterUser> without a <result> that says whether the user was found")
        if result.get("found") == "false":
            return answer
        cluster = root.find("homeCluster")
        if cluster is None or not (cluster.text or "").strip():
            raise UdsError("<clusterUser> of a user that was found, without <homeCluster>")
        home = HomeCluster(
            host=(cluster.text or "").strip(),
            servers_uri=cluster.get("serversUri", ""),
            user_uri=result.get("uri", ""),
            self_provisioning_secure_mode=is_true(text(root, "homeClusterDetails/selfProvisioningSecureMode")),
            admin_provision_mode=is_true(text(root, "homeClusterDetails/adminProvisionMode")),
        )
        return replace(answer, home=home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Response to ``servers``: the nodes of the cluster. Clients use the first, then the next if it is busy."""

    uri: str
    servers: tuple[str, ...]
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        children = (leaf("server", name) for name in self.servers)
        return encoded(tag("servers", *children, attributes=(("version", self.version), ("uri", self.uri))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "servers", limits)
        names = tuple(name for item in root.findall("server") if (name := (item.text or "").strip()))
        return cls(uri=root.get("uri", ""), servers=names, version=root.get("version", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Response to ``version``: ``product`` is the release of Unified CM, ``version`` that of the schema."""

    uri: str
    product: str
    version: str = "10.5.0"
    users_resource_auth_enabled: bool = False
    upgrade_in_progress: bool | None = None

    def document(self) -> bytes:
        """Return the body."""
        children = [
            leaf("version", self.product),
            tag("capabilities", leaf("usersResourceAuthEnabled", self.users_resource_auth_enabled)),
        ]
        if self.upgrade_in_progress is not None:
            children.append(leaf("upgradeInProgress", self.upgrade_in_progress))
        return encoded(tag("versionInformation", *children, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "versionInformation", limits)
        product = text(root, "version")
        if not product:
            raise UdsError("<versionInformation> without <version>")
        upgrading = root.find("upgradeInProgress")
        return cls(
            uri=root.get("uri", ""),
            product=product,
            version=root.get("version", ""),
            users_resource_auth_enabled=is_true(text(root, "capabilities/usersResourceAuthEnabled")),
            upgrade_in_progress=None if upgrading is None else is_true(upgrading.text),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Body of an error response other than 401."""

    uri: str
    code: int
    message: str
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        error = tag("error", leaf("code", self.code), leaf("message", self.message))
        return encoded(tag("errors", error, attributes=(("uri", self.uri), ("version", self.version))))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`."""
        root = root_of(body, "errors", limits)
        return cls(
            uri=root.get("uri", ""),
            code=count_of(text(root, "error/code")),
            message=text(root, "error/message"),
            version=root.get("version", ""),
        )
