"""Rules about DNS: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

import pytest

from tests.readiness.cases import Case

LEAK = {"view": "outside", "name": "_cisco-uds._tcp.example.com", "type": "SRV", "value": "1 1 8443 x.example.com"}

CASES = [
    Case(changes={"dns.cisco_uds_outside": True}, rule="NET-14.cisco-uds-outside", at="dns.cisco_uds_outside"),
    Case(changes={"dns.extra": [LEAK]}, rule="NET-14.cisco-uds-outside", at="dns.extra"),
    Case(changes={"dns.extra": [{**LEAK, "view": "inside"}]}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()
