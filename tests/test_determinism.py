"""One seed, one journal: twice in a process, under other hash seeds, however slow the machine; and two seeds differ."""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgesim.scenario import Outcome, Verdict
from edgesim.scenario.discover import find
from edgesim.scenario.run import Options, run
from edgesim.world.sim import SimWorld
from edgesim.world.sim.loop import SimLoop
from edgesim.world.sim.tripwire import GUARDED, Tripwire, TripwireError

HOME = Path(__file__).parents[1]
SCENARIOS = HOME / "scenarios"
ONE_OF_EACH = ["first_sign_in", "two_users_chat", "tunnel_down", "first_target_down"]
"""Between them they touch every product, a fault, a crash and a deployment with peers."""

SHORT = [
    "client_certificate_of_a_computer",
    "edge_domain_missing_in_san",
    "expressway_e_by_ipv6_only",
    "records_inside_only",
]
"""Where two or more clients take part, and one of them at least has little to say."""

AGAIN = """
import sys
from pathlib import Path
from edgesim.scenario.discover import find
from edgesim.scenario.run import Options, run

for name in sys.argv[2:]:
    [scenario] = find([name], home=Path("scenarios"))
    run(scenario, Options(seed=1, journal=Path(sys.argv[1], name + ".jsonl")))
"""

sleep = time.sleep  # the tripwire guards `time.sleep` during a run: the test comes from outside


def journal_of(name: str, folder: Path, seed: int = 1) -> bytes:
    """Run a scenario and return its journal, as the octets of its file."""
    [scenario] = find([name], home=SCENARIOS)
    file = folder / f"{name}-{seed}.jsonl"
    done = run(scenario, Options(seed=seed, journal=file))
    assert done.verdict.outcome is Outcome.PASSED, done.verdict.reason
    return file.read_bytes()


def difference(one: bytes, other: bytes) -> str:
    """Return the first pair of lines that differ; nothing for equal octets."""
    pairs = zip(one.splitlines(), other.splitlines(), strict=False)
    lines = [f"{number}\n{left!r}\n{right!r}" for number, (left, right) in enumerate(pairs, 1) if left != right]
    return lines[0] if lines else ("" if one == other else f"{len(one)} and {len(other)} octets")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The journals of a first run in this process."""
    folder = tmp_path_factory.mktemp("first")
    return {name: journal_of(name, folder) for name in ONE_OF_EACH}


@pytest.fixture
def disturbed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Other object addresses than before, and a machine that stops and goes."""
    chance = random.Random(7)
    litter: list[object] = [bytearray(chance.randrange(16, 4096)) for _ in range(20_000)]
    for place in chance.sample(range(len(litter)), len(litter) // 2):
        litter[place] = None
    run_once = SimLoop._run_once

    def slowly(loop: SimLoop) -> None:
        if chance.random() < 0.02:
            sleep(chance.random() / 1000)
        litter.append([object() for _ in range(chance.randrange(8))])
        run_once(loop)

    monkeypatch.setattr(SimLoop, "_run_once", slowly)
    return litter


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_twice_in_one_process(name: str, first: dict[str, bytes], disturbed: list[object], tmp_path: Path) -> None:
    before = len(disturbed)
    assert difference(first[name], journal_of(name, tmp_path)) == ""
    assert len(disturbed) > before, "the run was disturbed"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_under_other_hash_seeds(hash_seed: str, first: dict[str, bytes], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(HOME)}
    command = [sys.executable, "-c", AGAIN, str(tmp_path), *ONE_OF_EACH]
    subprocess.run(command, cwd=HOME, env=environment, check=True, timeout=120)
    for name in ONE_OF_EACH:
        assert difference(first[name], (tmp_path / f"{name}.jsonl").read_bytes()) == "", name


def kinds(journal: bytes) -> list[tuple[str, str]]:
    """Return who did what kind of thing, in order."""
    entries = [json.loads(line) for line in journal.splitlines()[1:]]
    return [(entry["node"], entry["kind"]) for entry in entries]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_two_seeds_differ_in_what_happens_when(name: str, first: dict[str, bytes], tmp_path: Path) -> None:
    other = journal_of(name, tmp_path, seed=2)
    one, two = kinds(first[name]), kinds(other)
    assert one != two, "not in identifiers and moments alone"


def changed(name: str, seed: int, **more: Any) -> Verdict:
    """Run a scenario with other settings of its deployment."""
    [scenario] = find([name], home=SCENARIOS)
    return run(replace(scenario, changes={**scenario.changes, **more}), Options(seed=seed)).verdict


def test_a_story_of_two_people_goes_its_own_way_under_most_seeds() -> None:
    courses = {changed("two_users_chat", seed).course for seed in range(1, 9)}
    assert len(courses) >= 7


@pytest.mark.parametrize("name", SHORT)
def test_so_does_the_shortest(name: str) -> None:
    verdicts = [changed(name, seed) for seed in range(1, 11)]
    assert {each.outcome for each in verdicts} == {Outcome.PASSED}
    assert len({each.course for each in verdicts}) >= 9


def test_what_is_pinned_is_the_same_under_every_seed() -> None:
    everything = ["latency", "jitter", "order", "timers", "start", "srv", "actors"]
    verdicts = [changed("two_users_chat", seed, **{"network.pinned": everything}) for seed in (1, 2)]
    assert [each.outcome for each in verdicts] == [Outcome.PASSED] * 2
    assert verdicts[0].course == verdicts[1].course
    assert verdicts[0].lab_seconds == verdicts[1].lab_seconds
    for pin in ("start", "latency", "jitter"):
        others = [each for each in everything if each != pin]
        seconds = [changed("two_users_chat", seed, **{"network.pinned": others}).lab_seconds for seed in (1, 2)]
        assert seconds[0] != seconds[1], f"{pin} alone is drawn"


# ---- the tripwire


def in_a_run(work: Callable[[], Any]) -> Any:
    """Do something in the middle of a simulated run."""

    async def main() -> Any:
        return work()

    return SimWorld(1).run(main())


REACHES: dict[str, Callable[[], Any]] = {
    "time.time": lambda: time.time(),
    "time.time_ns": lambda: time.time_ns(),
    "time.monotonic": lambda: time.monotonic(),
    "time.monotonic_ns": lambda: time.monotonic_ns(),
    "time.sleep": lambda: time.sleep(0),
    "random.random": lambda: random.random(),
    "random.randint": lambda: random.randint(1, 2),
    "random.randrange": lambda: random.randrange(2),
    "random.choice": lambda: random.choice("ab"),
    "random.getrandbits": lambda: random.getrandbits(8),
    "random.uniform": lambda: random.uniform(1, 2),
    "random.shuffle": lambda: random.shuffle([1, 2]),
    "random.sample": lambda: random.sample([1, 2], 1),
    "uuid.uuid1": lambda: uuid.uuid1(),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "secrets.token_hex": lambda: secrets.token_hex(),
    "secrets.token_bytes": lambda: secrets.token_bytes(),
    "secrets.token_urlsafe": lambda: secrets.token_urlsafe(),
    "secrets.randbelow": lambda: secrets.randbelow(2),
    "os.urandom": lambda: os.urandom(1),
    "socket.connect": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "socket.bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "socket.getaddrinfo": lambda: socket.getaddrinfo("localhost", 1),
    "socket.create_connection": lambda: socket.create_connection(("127.0.0.1", 9)),
    "Thread.start": lambda: threading.Thread(target=print).start(),
}


@pytest.mark.parametrize("name", REACHES)
def test_no_code_in_a_run_uses_the_machine(name: str) -> None:
    with pytest.raises(TripwireError, match=f"^tests.test_determinism called {name} in a simulated run"):
        in_a_run(REACHES[name])


def test_everything_that_is_guarded_is_tried() -> None:
    guarded = {f"{getattr(owner, '__name__', owner)}.{name}" for owner, name, _ in GUARDED}
    assert guarded == set(REACHES)


def test_after_a_run_everything_is_as_it_was() -> None:
    before = [getattr(owner, name) for owner, name, _ in GUARDED]
    with pytest.raises(ZeroDivisionError):
        in_a_run(lambda: 1 / 0)
    with Tripwire(), Tripwire():
        pass
    assert [getattr(owner, name) for owner, name, _ in GUARDED] == before
    assert time.time() > 0


def test_other_threads_are_not_of_the_run() -> None:
    seen: list[float] = []
    go, done = threading.Event(), threading.Event()

    def watchdog() -> None:
        go.wait(10)
        seen.append(time.time())
        done.set()

    thread = threading.Thread(target=watchdog)
    thread.start()

    def story() -> None:
        go.set()
        assert done.wait(10)

    in_a_run(story)
    thread.join(10)
    assert seen
