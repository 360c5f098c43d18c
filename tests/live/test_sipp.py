"""`sipp` registers straight at Unified CM from inside, over TCP and UDP."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.live.lab import LiveLab, Output

SCENARIOS = Path(__file__).parent / "sipp"
NODE = "ucm-pub.inside.example.com"


def sipp(lab: LiveLab, scenario: str, *, transport: str = "t1", number: str = "1001", device: str = "CSFALICE",
         source: str = "inside-1", calls: int = 1) -> Output:  # fmt: skip
    """Play a scenario against Unified CM from an address inside."""
    trace = lab.directory / f"{scenario}-{lab.mark()}.log"
    output = lab.run("sipp", f"{lab.address('ucm-pub')}:5060", "-sf", str(SCENARIOS / f"{scenario}.xml"),
                     "-t", transport, "-i", lab.address(source) if source else "127.0.0.1",
                     "-s", number, "-key", "device", device, "-key", "node", NODE,
                     "-m", str(calls), "-l", "1", "-r", "50", "-timeout", "8", "-recv_timeout", "3000",
                     "-nostdin", "-trace_msg", "-message_file", str(trace), ok=False)  # fmt: skip
    output.out += trace.read_text(errors="replace") if trace.exists() else ""
    return output


@pytest.mark.parametrize(("transport", "name"), [("t1", "tcp"), ("u1", "udp")])
def test_a_phone_inside_registers(lab: LiveLab, transport: str, name: str) -> None:
    since = lab.mark()
    output = sipp(lab, "register", transport=transport)
    assert output.code == 0, output.all
    text = output.out.replace("\r", "")
    assert re.search(r"Successful call +\| +\d+ +\| +1 ", text) and re.search(r"Failed call +\| +\d+ +\| +0 ", text)
    assert text.count("\nSIP/2.0 200 OK\n") == 3 and text.count("\nExpires: 120\n") == 2

    fresh = lab.expect("sip.registered", "ucm-pub", since=since, device="CSFALICE", fresh=True)
    assert fresh.peer == "inside-1" and fresh.event.via == "inside-1"
    assert fresh.event.expires == 120 and fresh.event.line == "1001"
    lab.expect("sip.registered", "ucm-pub", since=since, device="CSFALICE", fresh=False)
    gone = lab.expect("sip.unregistered", "ucm-pub", since=since, device="CSFALICE")
    assert gone.event.reason == "removed by the client"
    asked = lab.seen("sip.request", "ucm-pub", since=since, method="REGISTER")
    assert [entry.event.transport for entry in asked] == [name] * 3
    assert not lab.seen("sip.request", "expc", since=since), "no edge is involved"


def test_an_unknown_device(lab: LiveLab) -> None:
    since = lab.mark()
    output = sipp(lab, "unknown", device="CSFNOBODY")
    assert output.code == 0, output.all
    assert "SIP/2.0 404 Not Found" in output.out
    lab.expect("sip.request", "ucm-pub", since=since, method="REGISTER")
    assert not lab.seen("sip.registered", since=since)


def test_a_line_of_another_user(lab: LiveLab) -> None:
    since = lab.mark()
    assert sipp(lab, "unknown", number="1002", device="CSFALICE").code == 0
    assert not lab.seen("sip.registered", since=since)


def test_from_outside_nothing_gets_through(lab: LiveLab) -> None:
    since = lab.mark()
    for transport in ("t1", "u1"):
        assert sipp(lab, "register", transport=transport, source="").code != 0
    assert not lab.seen("sip.request", "ucm-pub", since=since)
    lab.expect("udp.dropped", since=since, reason="firewall")


def test_one_registration_after_the_other(lab: LiveLab) -> None:
    since = lab.mark()
    output = sipp(lab, "register", calls=20)
    assert output.code == 0, output.all
    assert len(lab.seen("sip.unregistered", "ucm-pub", since=since)) == 20
