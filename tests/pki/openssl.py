"""OpenSSL's command line, as the second opinion."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.tools import tool


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ``openssl`` and return the result, failed or not."""
    command = [tool("openssl"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
