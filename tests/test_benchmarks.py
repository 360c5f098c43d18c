"""Every benchmark runs, at a size at which its figures mean nothing; golden copies tell one octet from another."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.golden import FOLDER, GoldenCopy, GoldenCopyError
from benchmarks.report import Figure, Scale, command

VALUES = {
    "node": "ucm-pub.inside.example.com",
    "c": "10.0.30.10",
    "e": "10.0.20.10",
    "client": "198.51.100.25",
    "port": "49153",
    "number": "1001",
    "device": "CSFALICE",
    "user": "alice",
    "contact": "265499c8-9019-9760-9575-3390e8d04b55",
    "instance": "000000000001",
    "call_id": "00000001-1@198.51.100.25",
    "tag": "00000000000112",
    "supported": "replaces,X-cisco-sis-7.0.0",
    "agent": "Cisco-CSF",
    "length": "45",
    "body": "<x-cisco-remotecc-request>optionsind\r\n\r\n</x>",
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_runs(name: str) -> None:
    figures = BENCHMARKS[name](Scale.TINY)
    assert figures
    for figure in figures:
        assert figure.what and figure.unit
        assert figure.value >= 0


def message(name: str) -> bytes:
    """Make a message that fits a golden copy."""
    text = (FOLDER / name).read_bytes().decode()
    for pattern, value in (
        (r"<<~z9hG4bK[0-9a-f]+(?:\.[0-9a-f]+)?>>", "z9hG4bK12.34"),
        ("<<~z9hG4bK[0-9a-f]+>>", "z9hG4bK12"),
        ("<<~[0-9a-f-]{36}>>", "0a20c69d-5559-4913-8832-1b15a955e659"),
        ("<<~[0-9]+>>", "101"),
        (
            "<<~[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT>>",
            "Mon, 05 Jan 2026 08:01:55 GMT",
        ),
        *((f"<<{key}>>", value) for key, value in VALUES.items()),
    ):
        text = text.replace(pattern, value)
    assert "<<" not in text
    return text.encode()


@pytest.mark.parametrize("name", ["register_at_unified_cm.sip", "registered_at_client.sip"])
def test_golden_copy_detects_every_changed_octet(name: str) -> None:
    copy, good = GoldenCopy(name, VALUES), message(name)
    copy.compare(good)
    for changed in (
        good.replace(b"Call-ID: ", b"Call-Id: "),
        good.replace(b"CSFALICE", b"CSFBOB", 1),
        good.replace(b"\r\nSupported", b"\r\nX-Added: yes\r\nSupported"),
        good.replace(b"Expires: ", b"Expires:  "),
        good.replace(b"optionsind", b"optionsinD", 1),
        good + b"\r\n",
    ):
        assert changed != good
        with pytest.raises(GoldenCopyError):
            copy.compare(changed)


def test_golden_copy_names_the_line() -> None:
    name = "register_at_unified_cm.sip"
    wrong = message(name).replace(b"Max-Forwards: 14", b"Max-Forwards: 70")
    with pytest.raises(GoldenCopyError, match="line 8 is b'Max-Forwards: 70'"):
        GoldenCopy(name, VALUES).compare(wrong)


def test_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    def run(_: Scale) -> list[Figure]:
        return [
            Figure(what="slow", value=300.0, unit="ms", aim=150.0),
            Figure(what="quick", value=60.0, unit="/s", aim=30.0, better="more"),
        ]

    assert command({"one": run}, []) == 0
    table = capsys.readouterr().out
    assert "0.50 missed" in table and "2.00" in table and "python" in table
    assert command({"one": run}, ["--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["machine"]["cores"] and [each["ratio"] for each in printed["figures"]] == [0.5, 2.0]


def test_unknown_name_is_an_error() -> None:
    with pytest.raises(SystemExit, match="2"):
        command(BENCHMARKS, ["nonsense"])
