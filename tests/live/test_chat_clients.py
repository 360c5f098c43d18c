"""`go-sendxmpp` and `profanity` chat through the edge, by TLS to Expressway-E, with the commands of docs/clients.md."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable

from tests.live.lab import LiveLab, has
from tests.tools import tool


def send(
    lab: LiveLab, text: str, password: str = "bob-secret", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Send a message from Bob to Alice with ``go-sendxmpp``."""
    way = ["-j", f"{lab.edge}:5222", "alice@example.com"]
    return subprocess.run(
        [tool("go-sendxmpp"), "-u", "bob@example.com", "-p", password, *way],
        input=text.encode(),
        env={**os.environ, **environment},
        capture_output=True,
        timeout=60,
    )


def test_go_sendxmpp_sends_a_message(lab: LiveLab) -> None:
    since = lab.mark()
    done = send(lab, "hello from go-sendxmpp", SSL_CERT_FILE=str(lab.ca_file))
    assert done.returncode == 0, done.stderr
    bound = lab.expect("xmpp.session", "imp-pub", since=since, jid=has("bob@example.com/go-sendxmpp"), state="bound")
    assert bound.peer is not None
    sent = lab.expect("xmpp.stanza", "imp-pub", since=since, name="message", to="alice@example.com")
    assert b"hello from go-sendxmpp" in sent.payload


def test_go_sendxmpp_with_a_wrong_password(lab: LiveLab) -> None:
    since = lab.mark()
    done = send(lab, "hello", "guess", SSL_CERT_FILE=str(lab.ca_file))
    assert done.returncode != 0
    lab.expect("auth", "imp-pub", since=since, user="bob", granted=False)
    assert not lab.seen("xmpp.session", "imp-pub", since=since, state="bound")


def test_go_sendxmpp_does_not_trust_a_stranger(lab: LiveLab) -> None:
    since = lab.mark()
    done = send(lab, "hello")
    assert done.returncode != 0 and b"certificate" in done.stderr
    assert not lab.seen("auth", "imp-pub", since=since)


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.printed = b""
        self._end, end = pty.openpty()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._end, line.encode() + b"\r")

    def wait(self, done: Callable[[], object], seconds: float = 30.0) -> None:
        """Read what it prints until something is so."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.printed[-1500:]
            if select.select([self._end], [], [], 0.05)[0]:
                self.printed += os.read(self._end, 65536)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        os.close(self._end)


def test_profanity_chats(lab: LiveLab) -> None:
    home = lab.directory / "profanity"
    home.mkdir()
    since = lab.mark()
    folders = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_DATA_HOME": str(home / "data")}
    program = Terminal(
        [tool("profanity")],
        {**folders, "TERM": "xterm", "LINES": "40", "COLUMNS": "150", "SSL_CERT_FILE": str(lab.ca_file)},
    )
    try:
        program.wait(lambda: b"/help" in program.printed or b"Profanity" in program.printed)
        program.type(f"/connect carol@example.com server {lab.edge} port 5222 tls force")
        program.wait(lambda: b"password" in program.printed)
        program.type("carol-secret")
        program.wait(lambda: b"logged in successfully" in program.printed)
        assert lab.seen("xmpp.session", "imp-pub", since=since, jid=has("carol@"), state="bound")
        program.type("/msg bob@example.com hello from profanity")
        program.wait(lambda: lab.seen("xmpp.stanza", "imp-pub", since=since, name="message", to="bob@example.com"))
        program.type("/quit")
        program.wait(lambda: lab.seen("xmpp.session", "imp-pub", since=since, jid=has("carol@"), state=has("ended")))
    finally:
        program.close()
    sent = lab.seen("xmpp.stanza", "imp-pub", since=since, name="message", to="bob@example.com")
    assert sum(b"hello from profanity" in each.payload for each in sent) == 1  # the others say that it is being written
