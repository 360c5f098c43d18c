"""The links between the boxes as an administrator sees them: which are up, and when the others are tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """A link as the host that dials it sees it: what it is (``SSH tunnel``, ``XCP``, a zone), to whom, its state, why.

    ``stands`` says whether it is in use, ``again_s`` in how many seconds it is tried again (None: it is not).
    """

    what: str
    peer: str
    state: str
    stands: bool
    reason: str = ""
    again_s: float | None = None
