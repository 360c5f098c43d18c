"""Responses that an Expressway generates itself: Via, Call-ID, CSeq, From, To, then Server, with the reason in a
Warning.

Sources: "Mobile and Remote Access phone services failing due to source IP translation" (Cisco 212347), whose 408 has
this form; "Troubleshooting Guide for Cisco Webex Hybrid Call Service Connect" (Cisco 212475), in which the 404 of
either Expressway has Warning followed by Session-ID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from edgesim.sip.message import Request, Response
from edgesim.sip.proxy import Hop
from edgesim.sip.values import WarningValue

LAYOUT = ("Via", "Call-ID", "CSeq", "From", "To")
"""The order of the headers that a response copies."""
NO_SESSION = "0" * 32

_SESSION = re.compile(r"[0-9a-fA-F]{32}(?=$|[;\s])")


class Answers:
    """Builds the responses of one Expressway. ``agent`` is the value of Server, ``tag`` generates To tags.

    ``sessions``: whether a response to a request with a Session-ID carries one too.
    """

    def __init__(self, agent: str, tag: Callable[[], str], *, sessions: bool = True) -> None:
        self.agent = agent
        self._tag = tag
        self._sessions = sessions

    def make(
        self, request: Request, status: int, *headers: tuple[str, str], warning: WarningValue | None = None
    ) -> Response:
        """Return a response; ``headers`` follow Server, or replace it if one of them is Server."""
        own = headers if any(name == "Server" for name, _ in headers) else (("Server", self.agent), *headers)
        more = (*own, ("Warning", str(warning))) if warning is not None else own
        if status > 100 and self._sessions:
            more += self._session(request)
        return request.response(status, layout=(*LAYOUT, *more), to_tag=self._tag())

    def trying(self, request: Request) -> Response:
        """Return the 100 that confirms that a request was forwarded."""
        return self.make(request, 100)

    def _session(self, request: Request) -> tuple[tuple[str, str], ...]:
        """Return the Session-ID of an element outside the session: a nil local UUID, the sender's as remote."""
        match = _SESSION.match(request.get("Session-ID") or "")
        return (("Session-ID", f"{NO_SESSION};remote={match.group()}"),) if match else ()


def warning_of(
    status: int, why: tuple[int, str] | None, hop: Hop, texts: Iterable[tuple[int, str]]
) -> WarningValue | None:
    """Return the Warning of a refusal at ``hop``: the code and text of ``why``, else 399 and the text for the status.

    As captured, a warning with its own code names only the host, a 399 names the port too.
    """
    if why is not None:
        code, text = why
        return WarningValue(code=code, agent=hop.address, text=text)
    found = dict(texts).get(status)
    return WarningValue(code=399, agent=hop.sent_by, text=found) if found else None
