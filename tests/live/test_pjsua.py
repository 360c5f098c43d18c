"""pjsua2, the library of pjsua, registers inside and through the edge, with the settings of docs/clients.md.

It comes from PyPI and is run by a Python of its own: there are wheels for some versions only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.live.inside import inside
from tests.live.lab import LiveLab
from tests.live.test_baresip import sign_in

PROGRAM = Path(__file__).with_name("pjsua_register.py")


@cache
def python(home: Path) -> str:
    """Return a Python that has pjsua2, made in ``home``."""
    candidates = [sys.executable, *filter(None, (shutil.which(f"python3.{minor}") for minor in (11, 12, 10)))]
    candidates += [str(path) for path in Path.home().glob(".pyenv/versions/3.11.*/bin/python")]
    said = ""
    for number, candidate in enumerate(candidates):
        made = home / f"pjsua-{number}"
        if subprocess.run([candidate, "-m", "venv", str(made)], capture_output=True).returncode:
            continue
        own = str(made / "bin" / "python")
        install = [own, "-m", "pip", "install", "-q", "--only-binary", ":all:", "pjsua2-python==2.15.1.post1"]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode == 0:
            return own
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    pytest.skip(f"no Python here for which pjsua2 has a wheel: {said}")


@pytest.fixture(scope="module")
def pjsua(tmp_path_factory: pytest.TempPathFactory) -> str:
    return python(tmp_path_factory.mktemp("pjsua"))


def register(own: str, *arguments: str) -> list[str]:
    """Register and unregister; return what happened to the registration, a line each."""
    done = subprocess.run([own, str(PROGRAM), *arguments], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith("registration")]


def test_inside_by_tcp(lab: LiveLab, pjsua: str) -> None:
    since = lab.mark()
    source = lab.address("inside-1")
    said = register(pjsua, "inside", "bob", "1002", lab.address("ucm-pub"), source)
    assert said == ["registration 200 active", "registration 200 gone"]
    registered = lab.expect("sip.registered", "ucm-pub", since=since, device="CSFBOB")
    assert registered.peer == "inside-1" and registered.event.expires == 120
    lab.expect("sip.unregistered", "ucm-pub", since=since, device="CSFBOB")


def test_any_program_comes_from_inside_by_a_route(lab: LiveLab, pjsua: str) -> None:
    """The route of docs/clients.md gives a program that binds nothing the address of a machine inside."""
    with inside(lab) as source:
        said = register(pjsua, "inside", "carol", "1003", lab.address("ucm-pub"), source)
    assert said[0] == "registration 200 active"


def test_through_the_edge(lab: LiveLab, pjsua: str) -> None:
    if lab.dns_port != 53:
        pytest.skip("pjsua asks name servers on port 53 alone, which this user may not bind")
    sign_in(lab, "bob")
    since = lab.mark()
    said = register(pjsua, "edge", "bob", "1002", lab.address("dns-outside"), lab.address("expc"), str(lab.ca_file))
    assert said == ["registration 200 active", "registration 200 gone"]
    registered = lab.expect("sip.registered", "ucm-pub", since=since, device="CSFBOB")
    assert registered.event.via == "expc" and registered.event.user == "bob"
    lab.expect("sip.unregistered", "ucm-pub", since=since, device="CSFBOB")
