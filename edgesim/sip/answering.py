"""The answers that an Expressway makes itself: Via, Call-ID, CSeq, From, To, then Server, and why, in a Warning.

Sources: "Mobile and Remote Access phone services failing due to source IP translation" (Cisco 212347), whose 408 has
this form; "Troubleshooting Guide for Cisco Webex Hybrid Call Service Connect" (Cisco 212475), whose 404 of either
Expressway has Warning and then Session-ID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import Hop
from edgesim.sip.values import WarningValue

LAYOUT = ("Via", "Call-ID", "CSeq", "From", "To")
"""The order of the headers that an answer copies."""
NO_SESSION = "0" * 32

_SESSION = re.compile(r"[0-9a-fA-F]{32}(?=$|[;\s])")


class Answers:
    """Makes the answers of one Expressway. ``agent`` is the value of Server, ``tag`` makes tags for To.

    ``sessions``: whether an answer to a request with a Session-ID has one, too.
    """

    def __init__(self, agent: str, tag: Callable[[], str], *, sessions: bool = True) -> None:
        self.agent = agent
        self._tag = tag
        self._sessions = sessions

    def make(
        self, request: Request, status: int, *headers: tuple[str, str], warning: WarningValue | None = None
    ) -> Response:
        """Return an answer; ``headers`` follow Server, or take its place if one of them is a Server."""
        own = headers if any(name == "Server" for name, _ in headers) else (("Server", self.agent), *headers)
        more = (*own, ("Warning", str(warning))) if warning is not None else own
        if status > 100 and self._sessions:
            more += self._session(request)
        return request.response(status, layout=(*LAYOUT, *more), to_tag=self._tag())

    def trying(self, request: Request) -> Response:
        """Return the 100 that says that a request was sent on."""
        return self.make(request, 100)

    def _session(self, request: Request) -> tuple[tuple[str, str], ...]:
        """Return the Session-ID of a box that is not in the session: none of its own, the sender's as remote."""
        match = _SESSION.match(request.get("Session-ID") or "")
        return (("Session-ID", f"{NO_SESSION};remote={match.group()}"),) if match else ()


def warning_of(
    status: int, why: tuple[int, str] | None, hop: Hop, texts: Iterable[tuple[int, str]]
) -> WarningValue | None:
    """Return the Warning of a refusal at ``hop``: code and text of ``why``, else 399 and the text for the status.

    A code of its own names the box alone, 399 its port, too: so they were captured.
    """
    if why is not None:
        code, text = why
        return WarningValue(code=code, agent=hop.address, text=text)
    found = dict(texts).get(status)
    return WarningValue(code=399, agent=hop.sent_by, text=found) if found else None
