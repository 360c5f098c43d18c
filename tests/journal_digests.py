"""A digest of every scenario's journal: what a change that is meant to change no behaviour is held against.

``python -m tests.journal_digests`` runs all scenarios under seed 1 and says which journals differ from the committed
digests, and in which kinds of entries; ``--write`` replaces the digests. Names of scenarios choose some. Digests hold
for one version of Python and of its libraries: TLS and compression are theirs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from edgesim.scenario import Outcome, Scenario
from edgesim.scenario.discover import find, scenarios_in
from edgesim.scenario.run import Options, run

HOME = Path(__file__).parents[1]
SCENARIOS = HOME / "scenarios"
COMMITTED = Path(__file__).with_suffix(".json")
SEED = 1

Digest = dict[str, str]
"""Of one journal: ``journal`` for all its octets, and for each kind of entry how many there are and their digest."""


def digest(journal: bytes) -> Digest:
    """Return the digest of a journal's file. The order of entries counts in ``journal`` and in ``order``."""
    counts: Counter[str] = Counter()
    kinds: dict[str, hashlib._Hash] = {}
    order = hashlib.sha256()
    for line in journal.splitlines():
        entry = json.loads(line)
        kind = entry.get("kind", "")
        counts[kind] += 1
        kinds.setdefault(kind, hashlib.sha256()).update(line)
        order.update(f"{entry.get('node')} {kind}\n".encode())
    reported = {kind: f"{counts[kind]} {kinds[kind].hexdigest()[:8]}" for kind in sorted(kinds)}
    return {"journal": hashlib.sha256(journal).hexdigest()[:16], "order": order.hexdigest()[:8], **reported}


def _digest_of(job: tuple[str, str]) -> Digest:
    path, name = job
    [scenario] = [each for each in scenarios_in(Path(path)) if each.name == name]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "journal.jsonl")
        done = run(scenario, Options(seed=SEED, journal=file, releases=scenario.releases))
        if done.verdict.outcome is not Outcome.PASSED:
            return {"journal": f"{done.verdict.outcome.word}: {done.verdict.reason.splitlines()[0]}"}
        return digest(file.read_bytes())


def digests(scenarios: Sequence[Scenario], jobs: int) -> Iterator[tuple[str, Digest]]:
    """Run scenarios under seed 1, in processes; yield each one's path and name, and its journal's digest."""
    work = [(str(each.path), each.name) for each in scenarios]
    with ProcessPoolExecutor(jobs) as pool:
        for (path, name), made in zip(work, pool.map(_digest_of, work), strict=True):
            yield f"{Path(path).resolve().relative_to(SCENARIOS)}::{name}", made


def differences(before: Digest, now: Digest) -> list[str]:
    """Return what differs, a word for each kind of entry: ``+`` new, ``-`` gone, ``~`` changed."""
    kinds = sorted((before.keys() | now.keys()) - {"journal", "order"})
    reported = ["order"] if before.get("order") != now.get("order") else []
    for kind in kinds:
        if kind not in before:
            reported.append(f"+{kind} {now[kind].split()[0]}")
        elif kind not in now:
            reported.append(f"-{kind}")
        elif before[kind] != now[kind]:
            was, is_now = before[kind].split()[0], now[kind].split()[0]
            reported.append(f"~{kind}" if was == is_now else f"~{kind} {was} to {is_now}")
    return reported or ["the order of equal lines"]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.journal_digests", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", help="scenarios; all without any")
    parser.add_argument("--write", action="store_true", help="replace the committed digests")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--against", type=Path, default=COMMITTED, help="another file of digests")
    given = parser.parse_args()
    before: dict[str, Digest] = json.loads(given.against.read_text()) if given.against.exists() else {}
    made = dict(digests(find(given.names, home=SCENARIOS), given.jobs))
    if given.write:
        kept = {**before, **made} if given.names else made
        lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept))
        given.against.write_text(f"{{\n{lines}\n}}\n")
        print(f"{len(made)} digests written")
        return 0
    differing = {name: now for name, now in made.items() if before.get(name) != now}
    for name, now in differing.items():
        if name not in before:
            print(f"{name}: not among the committed digests")
        elif len(now) == 1:
            print(f"{name}: {now['journal']}")
        else:
            print(f"{name}: {', '.join(differences(before[name], now))}")
    print(f"{len(made) - len(differing)} of {len(made)} journals are as committed")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
