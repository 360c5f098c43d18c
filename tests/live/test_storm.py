"""A short storm: people sign in, stay registered and talk while every kind of attack goes on at once."""

from __future__ import annotations

import pytest

from benchmarks.storm.attacks import RATES
from benchmarks.storm.weather import Weather


@pytest.mark.parametrize("protection", [True, False], ids=["protected", "unprotected"])
def test_no_client_is_affected_by_a_storm(protection: bool) -> None:
    # Others may have most of the processor: what is held against the clock gets more time, and fewer attacks come.
    patient = {"defaults.sip.tls_handshake_timeout_s": 30, "defaults.links.zone_tls_timeout_s": 30}
    # A resident refreshes every 15 s: a storm of 17 s sees it, whenever it begins.
    weather = Weather(protection=protection, seconds=17, settle=5, storms=1, scale=0.3, visitors=1, changes=patient)
    outcome = weather.run()
    assert not outcome.problems()
    assert outcome.stormy
    assert set(outcome.wanted) == set(RATES)
