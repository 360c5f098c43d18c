"""Small stories that provoke what a default describes, for defaults that no scenario shows.

Each plays in a lab of the server tests and asserts nothing: ``probed`` is its journal, and with another value of a
default that the story is registered for, in `PROBES`, it has to be another one.
"""

from tests.deployment.probes import (
    at_the_clients,
    at_the_edge,
    at_the_edge_over_sip,
    at_the_servers,
    attacks,
    chat_timing,
    links,
    media_paths,
    sip_timing,
    strangers,
    wires,
)
from tests.deployment.probes.base import PROBES, Probe, paths, probed

__all__ = [
    "PROBES",
    "Probe",
    "at_the_clients",
    "at_the_edge",
    "at_the_edge_over_sip",
    "at_the_servers",
    "attacks",
    "chat_timing",
    "links",
    "media_paths",
    "paths",
    "probed",
    "sip_timing",
    "strangers",
    "wires",
]
