"""Everything about the package stands in pyproject.toml, but for this: the scenarios travel inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithScenarios(build_py):
    """Copies ``scenarios/`` of the repository to ``edgesim/scenarios/`` of a wheel."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "edgesim" / "scenarios"
            shutil.copytree("scenarios", target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithScenarios})
