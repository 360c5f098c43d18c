"""How Expressway-C verifies Expressway-E on the XCP link, and what its settings switch off."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import builtin
from edgesim.journal import events
from edgesim.lab import RunningLab
from edgesim.readiness import check
from edgesim.world.sim import SimWorld

POINTER = {"view": "inside", "name": "10.20.0.10.in-addr.arpa", "type": "PTR"}
NO_POINTER: dict[str, Any] = {"dns.without": [POINTER]}
OLD_NAME: dict[str, Any] = {**NO_POINTER, "dns.extra": [{**POINTER, "value": "old-name.example.com"}]}
WRONG_NAME: dict[str, Any] = {"certificates": [{"host": "expe", "service": "server", "names": ["other.example.com"]}]}
UNKNOWN: dict[str, Any] = {
    "trust": [{"host": "expc", "store": "trusted-ca", "holds": ["enterprise", "enterprise-issuing"]}]
}
CVS, NAMES, POINTERS = (f"xcp_link.{each}" for each in ("enable_cvs", "verify_hostname", "convert_ip_to_hostname"))


def link(changes: dict[str, Any]) -> tuple[str, str]:
    """Return how C's XCP link to E ended up: its state, and why."""
    world = SimWorld(1)
    lab = RunningLab(world, builtin("small").changed(changes))
    world.run(lab.start(settle=20))
    found = [entry.event for entry in lab.journal.select(kind=events.XcpLink.kind, node="expc") if entry.peer == "expe"
            or entry.peer == "expe.example.com"]  # fmt: skip
    last = found[-1]
    assert isinstance(last, events.XcpLink)
    lab.journal.close()
    return last.state, last.detail


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            NO_POINTER,
            "caught exception: exception in reverseDNSLookup: reverse DNS lookup failed for address=10.0.20.10",
        ),
        (OLD_NAME, "Certificate verification failed for host=old-name.example.com, additional info: Invalid Hostname"),
        (WRONG_NAME, "Certificate verification failed for host=expe.example.com, additional info: Invalid Hostname"),
        (
            UNKNOWN,
            "Certificate verification failed for host=expe.example.com, additional info: "
            "unable to get local issuer certificate",
        ),
    ],
)
def test_what_c_says_of_an_e_that_does_not_verify(changes: dict[str, Any], said: str) -> None:
    assert link(changes) == ("failed", said)


@pytest.mark.parametrize(
    ("changes", "off", "up"),
    [
        (NO_POINTER, POINTERS, True),
        (OLD_NAME, POINTERS, True),
        (WRONG_NAME, POINTERS, False),
        (NO_POINTER, NAMES, True),
        (WRONG_NAME, NAMES, True),
        (UNKNOWN, NAMES, False),
        (NO_POINTER, CVS, True),
        (WRONG_NAME, CVS, True),
        (UNKNOWN, CVS, True),
    ],
)
def test_each_setting_switches_its_check_off(changes: dict[str, Any], off: str, *, up: bool) -> None:
    assert (link({**changes, off: False})[0] == "up") is up


@pytest.mark.parametrize(("off", "found"), [(None, True), (POINTERS, False), (NAMES, False), (CVS, False)])
def test_the_rule_of_reverse_dns_follows_the_settings(off: str | None, *, found: bool) -> None:
    deployment = builtin("small").changed({**NO_POINTER, **({off: False} if off else {})})
    assert ("NET-12.reverse-dns" in check(deployment).rules) is found
