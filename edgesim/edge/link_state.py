"""The links between hosts as an administrator sees them: their states and the time of the next attempt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """A link as seen by the host that dials it: what it is (``SSH tunnel``, ``XCP``, a zone), its peer, state and
    reason.

    ``stands`` says whether it is in use, ``again_s`` in how many seconds the next attempt follows (None: none does).
    """

    what: str
    peer: str
    state: str
    stands: bool
    reason: str = ""
    again_s: float | None = None
