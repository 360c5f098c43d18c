"""Whatever somebody types: an exit code and a line of error, never a traceback, and nothing is tried with it."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest

from tests.cli.command import ROOT, edgesim

ODD = (
    "bob",
    "bob@",
    "@example.com",
    "bob@example",
    "bob@example.com.",
    " bob@example.com ",
    "bob@exämple.com",
    '"bob"@example.com',
    "bob:secret@example.com",
    "bob@-.com",
    "bob@a..com",
    "b\x00b@example.com",
    "b\nb@example.com",
    "x" * 300 + "@example.com",
    "bob@" + "x" * 64 + ".com",
    "bob@" + "a." * 200 + "com",
    "😀@example.com/jabber",
    "bob@exa_mple.com:8443",
    "\udcff@example.com",
    "",
    " ",
    "..",
    "-1",
    "nan",
    "inf",
    "1e400",
    "127.0.0.1",
    "::1",
    "999.1.1.1:99999",
    "${HOME}",
    "%s%n",
    "a/../../etc/passwd",
    "o'brien",
)
LETTERS = "ab.@:/'\"\\ \t\u00ad\u0130%#~-_0é\u202e{}[]<>&"
DRAW = random.Random(7)
CORPUS = (*ODD, *("".join(DRAW.choices(LETTERS, k=DRAW.randrange(1, 24))) for _ in range(60)))
DOORS = (
    ("sign-in", "--password-stdin", "--dir", "STATE", "--", "WORD"),
    ("sign-in", "--password-stdin", "--dir", "STATE", "--resolver", "WORD", "--", "alice@example.com"),
    ("check", "--", "WORD.yaml"),
    ("check", "small", "--only", "WORD"),
    ("show", "--", "WORD.yaml"),
    ("ports", "--", "WORD.yaml"),
    ("certs", "csr", "--", "small", "WORD"),
    ("certs", "csr", "--", "small", "expc", "WORD"),
    ("netstat", "--dir", "STATE", "--host", "WORD"),
    ("control", "start", "--dir", "STATE", "--", "WORD"),
    ("control", "restart", "--dir", "STATE", "--service", "WORD", "--", "expe"),
    ("control", "skew", "--dir", "STATE", "--", "WORD", "WORD"),
    ("control", "partition", "--dir", "STATE", "--", "WORD", "expe"),
    ("control", "fault", "add", "--dir", "STATE", "--source", "WORD", "--", "delay"),
    ("control", "fault", "add", "--dir", "STATE", "--contains", "WORD", "--find", "WORD", "--", "rewrite"),
    ("control", "fault", "add", "--dir", "STATE", "--seconds", "WORD", "--", "delay"),
    ("control", "fault", "remove", "--dir", "STATE", "--", "WORD"),
    ("run", "--seeds", "WORD"),
    ("run", "--release", "WORD"),
)


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_unusable_input_is_reported_in_one_line(door: tuple[str, ...], tmp_path: Path) -> None:
    for word in CORPUS:
        given = [part.replace("WORD", word).replace("STATE", str(tmp_path)) for part in door]
        done = edgesim(*given, stdin="bob-secret\n")
        assert done.exit_code == 2, (given, done.output)
        assert "Traceback" not in done.output
        assert len([line for line in done.output.splitlines() if "rror:" in line]) == 1, (given, done.output)


@pytest.mark.parametrize(
    ("who", "told"),
    [
        ("bob@example.com.", "'example.com.' in 'bob@example.com.': expected a DNS domain"),
        (" bob@example.com ", "' bob' in ' bob@example.com ': expected a user id"),
        ("bob@exämple.com", "'exämple.com' in 'bob@exämple.com': expected a DNS domain"),
        ('"bob"@example.com', "expected a user id"),
    ],
)
def test_the_part_that_is_wrong_is_named(who: str, told: str) -> None:
    done = edgesim("sign-in", "--password-stdin", who, stdin="bob-secret\n")
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())


def test_a_mail_address_as_user_id_gets_as_far_as_looking_for_the_lab(tmp_path: Path) -> None:
    done = edgesim("sign-in", "--password-stdin", "--dir", str(tmp_path), "bob@corp.example@example.com")
    assert "no lab runs" in done.output


def test_an_invalid_password_is_reported_and_not_shown() -> None:
    roots = ROOT / "edgesim" / "pki" / "roots" / "public-intermediate.pem"
    for password in ("", "x" * 300):
        arguments = ("sign-in", "--password-stdin", "--resolver", "127.0.0.1:53", "--ca", str(roots), "a@b.example")
        with warnings.catch_warnings(action="error"):
            done = edgesim(*arguments, stdin=f"{password}\n")
        assert done.exit_code == 2, done.output
        assert "the password is not valid" in done.output and "xxx" not in done.output
