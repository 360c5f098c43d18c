"""Request targets of UDS."""

from __future__ import annotations

from urllib.parse import quote

from edgesim.edge.uds.common import ROOT


def cluster_user_target(*, username: str | None = None, email: str | None = None, upn: str | None = None) -> str:
    """Return the request target for the home cluster of exactly one of user id, mail address and UPN."""
    given = [
        (key, v) for key, v in (("username", username), ("email", email), ("useridentifier", upn)) if v is not None
    ]
    if len(given) != 1:
        raise ValueError("clusterUser takes exactly one of username, email and upn")
    ((key, value),) = given
    return f"{ROOT}/clusterUser?{key}={quote(value, safe='@')}"


def user_target(user: str, *below: str) -> str:
    """Return the target of ``user/{id}`` or of a resource below it, e.g. ``user_target("jdoe", "devices")``."""
    return "/".join((ROOT, "user", quote(user, safe="@"), *below))
