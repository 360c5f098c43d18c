"""A node that asks no names."""

from __future__ import annotations

from typing import Any


class NoResolver:
    """A resolver whose node should not need it: any question fails the test."""

    async def query(self, name: str, qtype: str) -> Any:
        raise AssertionError(name)

    async def srv(self, name: str) -> list[Any]:
        raise AssertionError(name)

    async def lookup(self, name: str) -> list[str]:
        raise AssertionError(name)
