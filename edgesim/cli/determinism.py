"""Checks that one seed gives one journal: runs again in a process with another hash seed, and compares octets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from edgesim.cli.problems import Problem

HASH_SEEDS = ("1", "2")
MOST = 3
"""How many differing fields of a line are printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where two journals first differ: the line's number, from 1, and the octets of each (empty: end of file)."""

    line: int
    first: bytes
    second: bytes

    def lines(self) -> list[str]:
        """Return lines that say which fields differ, and how."""
        told = [f"line {self.line} is the first that differs"]
        if not self.first or not self.second:
            return [*told, f"the {'first' if not self.first else 'second'} journal ends before that line"]
        try:
            one, other = json.loads(self.first), json.loads(self.second)
        except ValueError:
            return [*told, f"first   {self.first[:300]!r}", f"second  {self.second[:300]!r}"]
        who = f"{one.get('node')}#{one.get('incarnation')}/{one.get('sequence')} {one.get('kind')}"
        told.append(f"entry   {who}")
        names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
        for name in names[:MOST]:
            told.append(f"first   {name}: {_short(one.get(name))}")
            told.append(f"second  {name}: {_short(other.get(name))}")
        if len(names) > MOST:
            told.append(f"and {len(names) - MOST} more fields")
        return told


def again(target: str, seed: int, journal: Path) -> None:
    """Run a scenario once more in a new process, with its journal in a file. Raises `Problem`."""
    hash_seed = next(each for each in HASH_SEEDS if each != os.environ.get("PYTHONHASHSEED"))
    command = [sys.executable, "-m", "edgesim", "run", target, f"--seed={seed}", f"--journal={journal}", "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if not journal.is_file():
        raise Problem(f"the second run wrote no journal; its output: {(done.stderr or done.stdout).strip()[:2000]}")


def compare(first: Path, second: Path) -> Difference | None:
    """Return where two journals first differ, or None if they are the same, octet for octet."""
    with first.open("rb") as one, second.open("rb") as other:
        for number, (left, right) in enumerate(zip_longest(one, other, fillvalue=b""), 1):
            if left != right:
                return Difference(line=number, first=left, second=right)
    return None


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters)"
