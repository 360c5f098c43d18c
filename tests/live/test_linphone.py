"""`linphonec` registers at Unified CM from inside, with the configuration of docs/clients.md."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.documents import blocks
from tests.live.inside import inside
from tests.live.lab import LiveLab
from tests.tools import tool

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def configuration(lab: LiveLab) -> str:
    """Return linphone's configuration as the page has it, with this lab's addresses."""
    (text,) = (each.text for each in blocks(PAGE.read_text(encoding="utf-8"), "ini") if "[proxy_0]" in each.text)
    return text.replace("127.0.40.11", lab.address("ucm-pub"))


def test_it_registers_with_the_lifetime_that_it_was_granted(lab: LiveLab) -> None:
    home = lab.directory / "linphone"
    (home / ".local/share/linphone").mkdir(parents=True)
    settings, log = home / "linphonerc", home / "log"
    settings.write_text(configuration(lab))
    since = lab.mark()
    with inside(lab) as source:
        phone = subprocess.Popen(
            [tool("linphonec"), "-d", "6", "-l", str(log), "-c", str(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(home)},
        )
        try:
            registered = lab.expect("sip.registered", "ucm-pub", since=since, line="1001", device="CSFALICE")
            assert registered.peer == "inside-1"
            assert f"@{source}:" in registered.event.contact
            assert phone.stdin is not None
            deadline = time.monotonic() + 30
            while "200 OK" not in log.read_text(errors="replace"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            phone.stdin.write(b"quit\n")
            phone.stdin.flush()
            lab.expect("sip.unregistered", "ucm-pub", since=since, device="CSFALICE")
        finally:
            phone.kill()
            phone.wait(10)
    answers = log.read_text(errors="replace").split("SIP/2.0 200 OK")[1:]
    assert answers and ";expires=120" in answers[0].partition("\n\n")[0]
