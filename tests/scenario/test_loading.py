"""What a process that runs scenarios loads, and when."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCENARIO = Path(__file__).parents[2] / "scenarios" / "sign_in" / "first_sign_in.py"
COUNTING = """
import gc, sys, types
from pathlib import Path
from edgesim.scenario import Outcome
from edgesim.scenario.discover import scenarios_in
from edgesim.scenario.run import Options, run

done = run(scenarios_in(Path(sys.argv[1]))[0], Options(seed=1))
assert done.verdict.outcome is Outcome.PASSED, done.verdict
looked_at = [each for each in gc.get_objects() if isinstance(each, types.FunctionType)]
code = [each for each in looked_at if each.__module__.startswith("edgesim.servers.") and "<" not in each.__qualname__]
print("edgesim.servers.expressway_e.sip" in sys.modules, len(code))
"""


def test_garbage_collection_after_a_run_does_not_look_at_the_code_of_products() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, str(SCENARIO)], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["True", "0"]
