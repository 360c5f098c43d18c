"""Defaults whose effect lies outside any journal, each with the test that shows it by two values.

Such a test names the default by its path, and counts what it sees by itself: connections that real sockets get,
octets in files, hashes in memory, what ``edgesim ports`` finds blocked.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

CLUSTER = "tests/cli/test_ports.py::test_peers_of_a_cluster_need_the_ports_that_the_deployment_gives_them"
TESTS: Mapping[str, str] = {
    "doors.descriptors_base": "tests/live/test_admitted.py::test_descriptors_bound_connections",
    "doors.descriptors_per_connection": "tests/live/test_admitted.py::test_descriptors_bound_connections",
    "doors.descriptors_per_server": "tests/live/test_admitted.py::test_descriptors_bound_connections",
    "doors.few_connections": "tests/cli/test_up_private.py::test_how_few_connections_are_said_and_refused",
    "doors.least_connections": "tests/cli/test_up_private.py::test_how_few_connections_are_said_and_refused",
    "doors.waiting": "tests/live/test_admitted.py::test_so_many_connections_wait_for_a_rate",
    "journal.days": "tests/cli/test_up_journal.py::test_entries_are_kept_for_so_long",
    "journal.mebibytes": "tests/cli/test_up_journal.py::test_so_much_of_a_journal_is_kept",
    "ports.cluster_database": CLUSTER,
    "ports.cluster_gatekeeper": CLUSTER,
    "ports.cluster_sip": CLUSTER,
    "ports.headset_https": "tests/cli/test_certs.py::test_show_names_the_port_of_headset_files_that_the_deployment_has",
    "sip.digest_cache_check_s": "tests/servers/test_expressway_sip.py::test_hashes_that_are_over_are_dropped_in_time",
}


def source(test: str) -> str:
    """Return the source of a test with its decorators, empty where there is none of that name."""
    file, _, name = test.partition("::")
    if not (ROOT / file).is_file():
        return ""
    text = (ROOT / file).read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return ""
