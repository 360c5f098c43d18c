"""Defaults of the journal: how much of it a live lab keeps, how much of a long message is recorded."""

from __future__ import annotations

from edgesim.deployment.base import Model
from edgesim.deployment.defaults.known import known


class JournalDefaults(Model):
    """What a journal keeps. Runs of scenarios keep every entry; sizes and ages are of labs that `edgesim up` starts."""

    mebibytes: int = known(
        256,
        "a live lab's journal on disk, in MiB of 1,048,576 octets; the oldest eighth goes first, 0 keeps everything",
        tag="proposed",
        ge=0,
    )
    days: float = known(
        7.0,
        "entries of a live lab's journal go when they are so old, an eighth of that later at the latest; 0 keeps them",
        tag="proposed",
        ge=0,
    )
    whole_bytes: int = known(
        64 * 1024,
        "a longer message is recorded by its beginning, its length and its SHA-256, octets; what products answer while "
        "clients sign in is shorter",
        tag="proposed",
        ge=1024,
        le=2 * 1024 * 1024,
    )
    beginning_bytes: int = known(
        4 * 1024, "so much of the beginning of such a message is recorded, octets", tag="proposed", ge=0, le=1024 * 1024
    )
