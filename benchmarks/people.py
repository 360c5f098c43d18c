"""Deployments with as many users and client machines as a benchmark needs."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgesim.deployment import Deployment, builtin
from edgesim.deployment.loading import load_data

FIRST_NUMBER = 20_000
CLAIM = 40_001
"""The port by whose possession a run claims a loopback network for itself."""


def crowd(users: int, *, machines: int | None = None) -> Deployment:
    """Return the built-in deployment ``small`` with other people: ``users`` of them, each with one desktop client.

    There are as many client machines on the internet, unless told otherwise. Lines run over TLS inside too, so that
    every leg between client and registrar is encrypted. Expressway-E's rate of new connections is off: with it,
    hundreds of users who sign in at the same instant would measure how long they are kept out.
    """
    data: dict[str, Any] = builtin("small").plan.model_dump(exclude_unset=True)
    data["users"] = [
        {
            "id": f"user{number:04}",
            "password": f"secret-{number:04}",
            "first_name": "User",
            "last_name": f"{number}",
            "numbers": [f"{FIRST_NUMBER + number}"],
            "devices": [f"CSFUSER{number:04}"],
        }
        for number in range(users)
    ]
    data["devices"] = []
    data["clients"] = [
        {"name": f"pc-{number:04}", "address": f"198.51.{120 + number // 250}.{1 + number % 250}"}
        for number in range(users if machines is None else machines)
    ]
    data["defaults"] = {**data.get("defaults", {}), "protection": {"connection_rate_mode": "off"}}
    return load_data(data, "crowd")


@contextmanager
def own_network() -> Iterator[str]:
    """Return the beginning of loopback addresses, such as ``127.32``, that nobody else uses for a benchmark now."""
    for number in range(32, 64):
        with socket.socket() as claim:
            try:
                claim.bind((f"127.{number}.255.254", CLAIM))
            except OSError:
                continue
            yield f"127.{number}"
            return
    raise OSError("every loopback network is taken by another run")
