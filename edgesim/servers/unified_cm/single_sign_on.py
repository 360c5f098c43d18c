"""The public probe of the single sign-on application: ``GET /ssosp/ws/public/singleSignOn``.

It tells clients whether users of this node sign in through an identity provider. Clients read ``Response``,
``SingleSignOn`` with ``version`` and ``Status`` with ``enabled``.
"""

from __future__ import annotations

from edgesim.edge.markup import leaf, tag
from edgesim.http import Request, Response
from edgesim.servers.unified_cm.tomcat import Tomcat

PATH = "/ssosp/ws/public/singleSignOn"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


class SingleSignOn:
    """The application on one node."""

    def __init__(self, tomcat: Tomcat, *, root: str, version: str, enabled: bool = False) -> None:
        self._tomcat = tomcat
        self._root = root
        self._version = version
        self.enabled = enabled

    def handle(self, request: Request) -> Response:
        """Answer a request whose path begins with ``/ssosp``."""
        if request.path != PATH:
            return self._tomcat.error(404, "The requested resource is not available.")
        if request.method not in ("GET", "HEAD"):
            return self._tomcat.error(405, "The probe takes GET.", allow=("GET", "HEAD"))
        status = leaf("Status", None, ("enabled", "true" if self.enabled else "false"))
        answer = tag("Response", tag("SingleSignOn", status, attributes=(("version", self._version),)))
        body = DECLARATION + tag(self._root, answer, attributes=(("version", "1.0"),))
        return self._tomcat.document(body.encode())
