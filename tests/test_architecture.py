"""The house is built as its plan says: who imports whom, where time and chance come in, and what nobody calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from edgesim.journal.keys import KEY_KINDS

HOME = Path(__file__).parents[1] / "edgesim"
GROUND = {"world", "pki", "journal", "deployment", "node"}
PROTOCOLS = {"sip", "xmpp", "dns", "edge", "identity", "media", "http"}
PRODUCTS = {"expressway_e", "expressway_c", "unified_cm", "im_presence", "unity_connection", "identity_provider"}
SERVERS = {f"servers.{name}" for name in (*PRODUCTS, "name_server", "load_balancer")}
CLIENTS = {f"clients.{name}" for name in ("jabber", "webex_app", "ip_phone", "room_device", "external")}
FIRST = SERVERS | CLIENTS | {"clients.common"}
SECOND = GROUND | PROTOCOLS | FIRST | {"lab"}

MAY_IMPORT: dict[str, set[str]] = {
    # ground: each other only downward; world and pki know neither journal nor deployment
    "world": set(),
    "pki": {"world"},
    "journal": {"world"},
    "deployment": {"world"},
    "node": {"world", "pki", "journal", "deployment"},
    # floor 0: the ground, and of each other only formats that are carried in another's messages
    **{room: GROUND - {"node"} for room in PROTOCOLS},
    "edge": (GROUND - {"node"}) | {"http"},
    # floor 1: products and clients share formats and bytes, never a call
    **dict.fromkeys(FIRST, GROUND | PROTOCOLS),
    **dict.fromkeys(CLIENTS, GROUND | PROTOCOLS | {"clients.common"}),
    # floor 2
    "lab": GROUND | PROTOCOLS | FIRST,
    # floor 3
    "control": SECOND,
    "readiness": {"deployment", "pki", "journal", "dns", "edge", "xmpp"},
    # floor 4
    "scenario": SECOND | {"control", "readiness"},
    "catalogue": SECOND | {"control", "readiness"},
    # floor 5
    "cli": SECOND | {"control", "readiness", "scenario", "catalogue"},
    "__main__": {"cli"},
}
"""What each room may import. A room that is not listed is a mistake of its maker, or of this table."""


@dataclass(frozen=True)
class Import:
    """One import: the file, the line, the module or name imported, and whether it stands at the file's top."""

    file: Path
    line: int
    name: str
    top: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(HOME.parent)}:{self.line} imports {self.name}"


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def files() -> list[Path]:
    return sorted(HOME.rglob("*.py"))


@cache
def imports(file: Path) -> tuple[Import, ...]:
    found = []
    top = set(map(id, tree(file).body))
    for node in ast.walk(tree(file)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found += [Import(file, node.lineno, name, id(node) in top) for name in names]
    return tuple(found)


def room_of(parts: tuple[str, ...]) -> str:
    """Return the room of a module given by the parts of its name after ``edgesim``."""
    if not parts:
        return ""
    if parts[0] in ("servers", "clients"):
        return ".".join(parts[:2])
    return parts[0]


def room_of_file(file: Path) -> str:
    return room_of(file.relative_to(HOME).with_suffix("").parts)


def rooms() -> Iterator[tuple[str, Import, str]]:
    """Yield every import between rooms: room, import, room imported."""
    for file in files():
        room = room_of_file(file)
        for each in imports(file):
            parts = tuple(each.name.split("."))
            if parts[0] != "edgesim":
                continue
            target = room_of(parts[1:])
            if target not in (room, "") and not (file == HOME / "__init__.py" or target == "__version__"):
                yield room, each, target


def test_rooms_import_only_downwards() -> None:
    wrong = [str(each) for room, each, target in rooms() if target not in MAY_IMPORT.get(room, set())]
    assert wrong == []


def test_every_room_is_known() -> None:
    found = {room_of_file(file) for file in files()} - {"__init__", "servers.__init__", "clients.__init__"}
    assert found - set(MAY_IMPORT) == set()


def test_packages_that_hold_rooms_hold_nothing_else() -> None:
    """``edgesim`` itself, ``servers`` and ``clients`` import nothing: else each room would import all others."""
    for folder in (HOME, HOME / "servers", HOME / "clients"):
        assert imports(folder / "__init__.py") == (), folder


@pytest.mark.parametrize("product", sorted(SERVERS | CLIENTS))
def test_products_and_clients_never_import_each_other(product: str) -> None:
    wrong = [str(each) for room, each, target in rooms() if room == product and target in SERVERS | CLIENTS]
    assert wrong == []


def test_only_those_who_build_worlds_know_which_there_are() -> None:
    """Nobody else asks whether time is simulated or real: worlds publish capabilities."""
    builders = {"scenario", "cli", "control"}
    wrong = [
        str(each)
        for room, each, _ in rooms()
        if each.name.startswith(("edgesim.world.sim", "edgesim.world.live", "edgesim.world.processes"))
        and room not in builders
    ]
    assert wrong == []


def test_scenarios_reach_a_lab_by_commands_alone() -> None:
    """They hold nothing live of a lab, but for the module that builds one, and scripts, which are the story itself."""
    allowed = {"scenario/building.py", "scenario/scripted/host.py"}
    wrong = [
        str(each)
        for room, each, target in rooms()
        if room == "scenario"
        and (target == "lab" or target.startswith(("clients", "servers")))
        and each.file.relative_to(HOME).as_posix() not in allowed
    ]
    assert wrong == []
    stories = HOME.parent / "scenarios"
    wrong = [
        f"{file.relative_to(stories)} imports {each.name}"
        for file in sorted(stories.rglob("*.py"))
        for each in imports(file)
        if each.name.startswith(("edgesim.lab", "edgesim.clients", "edgesim.servers"))
    ]
    assert wrong == []


# ---- circles


def module_of(file: Path) -> str:
    parts = file.relative_to(HOME.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_file_needs_itself() -> None:
    """No file imports one that needs it, be it for types alone or inside a function."""
    modules = {module_of(file): file for file in files()}

    def needed(file: Path) -> set[str]:
        found = set()
        for each in imports(file):
            name = each.name
            while name and name not in modules:
                name = name.rpartition(".")[0]
            found.add(name)
        return found - {"", "edgesim", module_of(file)}

    needs = {name: needed(file) for name, file in modules.items()}
    while ready := [name for name, others in needs.items() if not others]:
        needs = {name: others - set(ready) for name, others in needs.items() if name not in ready}
    while unused := needs.keys() - set().union(*needs.values()):
        needs = {name: others for name, others in needs.items() if name not in unused}
    assert needs == {}


# ---- correlation keys


def test_correlation_keys_are_made_in_one_module() -> None:
    begins = tuple(f"{kind}:" for kind in KEY_KINDS)
    wrong = []
    for file in files():
        if file == HOME / "journal" / "keys.py":
            continue
        for node in ast.walk(tree(file)):
            first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else None
            if isinstance(node, ast.BinOp):
                first = node.left
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.startswith(begins):
                wrong.append(f"{file.relative_to(HOME.parent)}:{node.lineno} makes a key by {ast.unparse(node)}")
    assert wrong == []


# ---- time and chance

OUTSIDE = {"time", "random", "uuid", "secrets", "threading", "subprocess", "multiprocessing", "select", "selectors"}
"""Modules by which real time, chance and parallelism come in: only `edgesim.world` may import them."""

EXCEPTIONS = {
    "scenario/sweep.py": {
        "multiprocessing",
        "concurrent.futures",
    },  # worlds in processes of their own, each its own time
    "cli/determinism.py": {"subprocess"},  # runs a scenario again in another process
    "cli/live_lab.py": {"signal"},  # Ctrl-C
}
HARMLESS = {
    "os": {
        "fspath",
        "chmod",
        "open",
        "O_CREAT",
        "O_EXCL",
        "O_WRONLY",
        "fdopen",
        "path",
        "PathLike",
        "replace",
        "fsync",
    },
    "socket": {
        "gaierror",
        "AF_INET",
        "SOCK_STREAM",
        "SOCK_DGRAM",
        "inet_aton",
        "inet_pton",
        "inet_ntop",
        "AF_INET6",
        "EAI_*",
    },
    "datetime": {"UTC", "datetime", "timedelta", "timezone"},
}
"""Names that carry neither time nor chance, of modules that have others that do."""

FORBIDDEN_CALLS = {
    "datetime.now": "the clock is the host's",
    "datetime.utcnow": "the clock is the host's",
    "datetime.today": "the clock is the host's",
    "date.today": "the clock is the host's",
    "os.urandom": "chance is the host's",
    "os.getrandom": "chance is the host's",
    "ssl.RAND_bytes": "chance is the host's",
    "asyncio.gather": "its order of cancellation is not ours",
    "asyncio.wait": "its results come in the order of addresses",
    "asyncio.as_completed": "its results come in the order of addresses",
    "asyncio.all_tasks": "its result is in the order of addresses",
    "asyncio.TaskGroup": "it aborts tasks in the order of addresses",
    "asyncio.run": "the world runs the loop",
    "asyncio.new_event_loop": "the world makes the loop",
    "asyncio.to_thread": "threads have no place in a simulated run",
}
"""What nobody above `edgesim.world` calls, and why."""


def above_the_world() -> list[Path]:
    return [file for file in files() if room_of_file(file) != "world"]


def test_time_and_chance_come_in_by_one_door() -> None:
    wrong = []
    for file in above_the_world():
        allowed = EXCEPTIONS.get(file.relative_to(HOME).as_posix(), set())
        for each in imports(file):
            if each.name.split(".")[0] in OUTSIDE and not any(each.name.startswith(name) for name in allowed):
                wrong.append(str(each))
    assert wrong == []


def test_exceptions_are_still_needed() -> None:
    for name, modules in EXCEPTIONS.items():
        used = {each.name for each in imports(HOME / name)}
        unused = {module for module in modules if not any(each.startswith(module) for each in used)}
        assert unused == set(), name


def test_no_code_above_the_world_calls_what_breaks_determinism() -> None:
    outside = {"asyncio.run"}  # the command line talks to a running lab from outside any world
    wrong = []
    for file in above_the_world():
        forbidden = set(FORBIDDEN_CALLS) - (outside if room_of_file(file) == "cli" else set())
        for node in ast.walk(tree(file)):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name in forbidden:
                wrong.append(f"{file.relative_to(HOME.parent)}:{node.lineno} uses {name}: {FORBIDDEN_CALLS[name]}")
        for each in imports(file):
            if each.name in forbidden:
                wrong.append(f"{each}: {FORBIDDEN_CALLS[each.name]}")
    assert wrong == []


def test_below_the_command_line_sockets_and_the_system_are_used_for_names_only() -> None:
    """Constants and errors of `socket` and `os` are welcome; opening real ones is the world's business."""
    allowed = {
        "lab/networks.py": "claims loopback addresses that no other lab has, for a live lab",
        "lab/loopback.py": "asks whether a port may be bound, for a live lab",
        "pki/installation.py": "keeps an installation's private keys in files that only their owner can read",
    }
    wrong = []
    for file in above_the_world():
        name = file.relative_to(HOME).as_posix()
        if name in allowed or room_of_file(file) in ("cli", "control"):
            continue
        for node in ast.walk(tree(file)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in HARMLESS
                and any(each.name == node.value.id for each in imports(file))
                and not any(fnmatch(node.attr, harmless) for harmless in HARMLESS[node.value.id])
            ):
                wrong.append(f"{name}:{node.lineno} uses {ast.unparse(node)}")
    assert wrong == []
    for name in allowed:
        assert {each.name for each in imports(HOME / name)} & set(HARMLESS), f"{name} no longer needs its exception"


def test_the_environment_is_read_for_places_and_colours_only() -> None:
    allowed = {"cli/places.py", "cli/output.py", "cli/determinism.py"}
    users = {
        file.relative_to(HOME).as_posix()
        for file in files()
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    assert users <= allowed


# ---- what a pytest session imports


def test_the_plugin_imports_nothing_but_pytest_and_the_standard_library() -> None:
    for name in ("__init__.py", "scenario/__init__.py", "scenario/plugin.py"):
        found = {each.name.split(".")[0] for each in imports(HOME / name) if each.top}
        assert found <= {
            "pytest",
            "typing",
            "importlib",
            "inspect",
            "fnmatch",
            "pathlib",
            "collections",
            "__future__",
        }, name
