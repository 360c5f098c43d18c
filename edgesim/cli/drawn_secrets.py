"""The secrets that the servers of a live lab share: generated once for an installation, unknown to other programs.

The built-in values are public, and keys are derived from them (`edgesim.edge.tunnel`): a program that knows them could
impersonate an Expressway-C. Secrets that a deployment's author wrote are kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from edgesim.cli.problems import Problem, file_problem
from edgesim.deployment import Deployment
from edgesim.world import files, machine

FILE = "secrets.json"
OCTETS = 24
LONGEST = 1 << 20


def with_own_secrets(deployment: Deployment, directory: Path) -> Deployment:
    """Return the deployment with this installation's secrets in place of those not written. Raises `Problem`."""
    path = directory / FILE
    try:
        known = _read(path)
        wanted = list(_left_out(deployment))
        new = {place: machine.token(OCTETS) for place in wanted if place not in known}
        if new:
            known |= new
            files.replace(str(path), json.dumps(known, indent=2).encode() + b"\n")
    except OSError as error:
        raise file_problem(error, path) from None
    return deployment.changed({place: known[place] for place in wanted})


def _read(path: Path) -> dict[str, str]:
    if not path.is_symlink() and not path.exists():
        return {}
    content = files.read_private(str(path), LONGEST)
    try:
        found = json.loads(content)
        if not isinstance(found, dict) or not all(isinstance(each, str) and each for each in found.values()):
            raise ValueError
    except ValueError:
        raise Problem(
            f"{path} does not hold an installation's secrets", "Remove it: new secrets are generated."
        ) from None
    return found


def _left_out(deployment: Deployment) -> Iterator[str]:
    """Yield the paths of the shared secrets that the author of a deployment did not write."""
    for section, field in (("traversal_zone", "password"), ("xcp_link", "secret")):
        if not deployment.is_written((section, field)):
            yield f"{section}.{field}"
    for section in ("unified_cm", "im_presence"):
        for index, cluster in enumerate(getattr(deployment, section)):
            if not deployment.is_written((section, index, "axl_account")):
                yield f"{section}.{cluster.name}.axl_account.password"
