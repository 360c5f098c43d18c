"""The Expressways verify certificates by their own clocks, settings and trusted CA lists."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.servers.expressway_lab import EdgeLab, run
from tests.servers.sip_lab import zone_states

YEAR = 365 * 86_400.0
ACTIVE = ("TLS: Active", "expe.example.com")


def refusals(lab: EdgeLab, node: str, port: int = 7001) -> list[tuple[str, str | None]]:
    """Reason and alert of every handshake on a port that a node saw fail."""
    found = [entry.event.as_json() for entry in lab.entries("tls.failed", node)]
    return [(one["reason"], one["alert"]) for one in found if one["port"] == port]


@pytest.mark.parametrize(
    ("years", "wrong", "alert"),
    [(10, "certificate has expired", "certificate expired"), (-10, "certificate is not yet valid", "bad certificate")],
)
def test_c_with_a_clock_that_is_years_off_refuses_e(years: int, wrong: str, alert: str) -> None:
    async def main(lab: EdgeLab) -> None:
        assert zone_states(lab, "expc")[-1] == ACTIVE
        lab.skew("expc", years * YEAR)
        await asyncio.sleep(300)
        assert zone_states(lab, "expc")[-1] == ACTIVE, "a connection that stands is not judged again"
        await lab.restart("expc")
        await asyncio.sleep(5)
        assert zone_states(lab, "expc")[-1] == ("Failed", wrong)
        assert refusals(lab, "expc")[-1] == (f"certificate verify failed: {wrong}", None)
        assert refusals(lab, "expe")[-1][1] == alert
        lab.skew("expc", 0)
        await asyncio.sleep(130)
        assert zone_states(lab, "expc")[-1] == ACTIVE

    run(main)


def test_e_with_a_clock_that_is_years_off_refuses_c() -> None:
    async def main(lab: EdgeLab) -> None:
        lab.skew("expe", 10 * YEAR)
        await lab.restart("expc")
        await asyncio.sleep(5)
        state, reason = zone_states(lab, "expc")[-1]
        assert state == "Failed"
        assert "E refused the certificate" in reason and "CERTIFICATE_EXPIRED" in reason
        assert refusals(lab, "expe")[-1] == ("certificate verify failed: certificate has expired", None)
        assert refusals(lab, "expc")[-1][1] == "certificate expired"

    run(main)


def test_es_certificate_expires_while_the_lab_runs() -> None:
    async def main(lab: EdgeLab) -> None:
        await asyncio.sleep(700)
        assert zone_states(lab, "expc") == [ACTIVE]
        await lab.restart("expc")
        await asyncio.sleep(5)
        assert zone_states(lab, "expc")[-1] == ("Failed", "certificate has expired")
        assert refusals(lab, "expe")[-1][1] == "certificate expired"

    run(main, changes={"certificates": ({"host": "expe", "service": "server", "expires_after_s": 600},)})


@pytest.mark.parametrize(
    ("release", "checking", "active"),
    [("X15.5", True, False), ("X15.5", False, True), ("X15.4", False, False)],
)
def test_extended_key_usage_checking_mode_of_e(release: str, checking: bool, active: bool) -> None:
    """With the check off the zone is up; the setting came with X15.5."""

    async def main(lab: EdgeLab) -> None:
        if active:
            assert zone_states(lab, "expc")[-1] == ACTIVE
            assert refusals(lab, "expe") == []
        else:
            assert zone_states(lab, "expc")[-1][0] == "Failed"
            assert refusals(lab, "expe")[-1] == ("certificate verify failed: unsuitable certificate purpose", None)
            assert refusals(lab, "expc")[-1][1] == "unsupported certificate"

    changes: dict[str, Any] = {
        "expressway_e.0.release": release,
        "expressway_e.0.eku_checking": checking,
        "certificates": ({"host": "expc", "service": "server", "client_auth": False},),
    }
    run(main, changes=changes)


@pytest.mark.parametrize("first", ["tomcat", "callmanager"])
def test_of_two_self_signed_certificates_with_one_name_the_lower_is_not_seen(first: str) -> None:
    second = "callmanager" if first == "tomcat" else "tomcat"

    async def main(lab: EdgeLab) -> None:
        refused = refusals(lab, "expc", 8443)
        if first == "tomcat":
            assert refused == []
            assert (await lab.config()).status == 200
        else:
            assert refused[0] == ("certificate verify failed: self-signed certificate", None)
            assert (await lab.config()).status != 200

    signed = [{"host": "ucm-pub", "service": service, "signed_by": "self-signed"} for service in (first, second)]
    holds = ("public", "enterprise", "enterprise-issuing", f"ucm-pub/{first}", f"ucm-pub/{second}")
    changes = {
        "certificates": tuple(signed),
        "trust": ({"host": "expc", "store": "trusted-ca", "holds": holds},),
    }
    run(main, changes=changes)
