"""Verbs on the addresses that automated intrusion protection blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import Done, HostsCommand, Site, verb
from edgesim.node import Node

__all__ = ["BlockRow", "BlockTable", "Blocked", "Unblock", "Unblocked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """A blocked address: which host blocks it, why, for how many seconds more, and how many connections it refused.

    ``ports`` are those that it may not reach, none for all of the host's.
    """

    host: str
    address: str
    reason: str
    seconds: float
    dropped: int
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTable:
    """All blocked addresses, host by host, the oldest block first."""

    rows: tuple[BlockRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unblocked(Done):
    """How many blocks were lifted."""

    blocks: int


@verb("blocked")
class Blocked(HostsCommand[BlockTable]):
    """The addresses that automated intrusion protection blocks."""

    async def work(self, site: Site, node: Node) -> BlockTable:
        world = site.lab.world
        return BlockTable(
            rows=tuple(
                BlockRow(
                    host=each.host,
                    address=each.address,
                    reason=each.reason,
                    seconds=round((each.until_ns - world.now()) / 1e9, 3),
                    dropped=each.dropped,
                    ports=() if each.ports is None else tuple(sorted(each.ports)),
                )
                for each in world.admission.blocks()
                if each.host == node.name
            )
        )

    def merge(self, replies: Sequence[BlockTable]) -> BlockTable:
        return BlockTable(rows=tuple(row for each in replies for row in each.rows))


@verb("unblock")
class Unblock(HostsCommand[Unblocked]):
    """Lift the block of an address: that of one host, or all."""

    address: Annotated[str, Field(max_length=64)]

    async def work(self, site: Site, node: Node) -> Unblocked:
        return self._lifted(site.lab.world.admission.unblock(node.name, self.address))

    def merge(self, replies: Sequence[Unblocked]) -> Unblocked:
        blocks = sum(each.blocks for each in replies)
        if not blocks:
            by = f" by {self.host}" if self.host is not None else ""
            raise ControlError(f"{self.address} is not blocked{by}")
        return self._lifted(blocks)

    def _lifted(self, blocks: int) -> Unblocked:
        return Unblocked(text=f"{self.address} is no longer blocked", blocks=blocks)
