"""`baresip`, another maker's phone, registers through the edge: TLS to E, digest judged by C, 200 of Unified CM."""

from __future__ import annotations

import html
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgesim.edge.descriptor import control_url
from tests.live.lab import PATIENCE, LiveLab, has
from tests.tools import tool

EDGE = "expe.example.com"
NODE = "ucm-pub.inside.example.com"
MODULES = [
    Path("/usr/lib/baresip/modules"),
    *Path("/usr").glob("lib*/*/baresip/modules"),
    Path("/usr/local/lib/baresip/modules"),
]
CONFIG = control_url("get_edge_config", domain="example.com", edge=EDGE)


def sign_in(lab: LiveLab, user: str) -> str:
    """Sign in over HTTPS, as a phone must before C judges its digest; return the Route of the edge configuration."""
    answer = lab.run("curl", "--silent", "--show-error", "--cacert", str(lab.ca_file), "--resolve",
                     f"{EDGE}:8443:{lab.edge}", "--user", f"{user}:{user}-secret", CONFIG)  # fmt: skip
    route = re.search("<route>(.*?)</route>", answer.out)
    assert route is not None, answer.all
    return html.unescape(route[1])


def outbound(edge: str, route: str) -> str:
    """Return what makes baresip write ``Route: <edge>,<route of the edge configuration>``.

    baresip 1.0 has room for one URI, which it puts between ``<`` and ``;lr>``.
    """
    return f"sip:{edge}:5061;transport=tls;lr>,{route.removesuffix(';lr>')}"


class Phone:
    """A running baresip."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def printed(self) -> str:
        """What it has printed so far, with its SIP trace."""
        return self.log.read_text(errors="replace").replace("\r", "")

    def prints(self, text: str) -> None:
        """Wait until it has printed something."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.printed:
            assert time.monotonic() < deadline and self.process.poll() is None, f"no {text!r}:\n{self.printed}"
            time.sleep(0.01)

    def quit(self) -> str:
        """End it as with Ctrl-C: it takes its registration back. Return what it printed."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        return self.printed


@contextmanager
def baresip(lab: LiveLab, user: str, number: str, route: str, *, password: str = "") -> Iterator[Phone]:
    home = lab.directory / f"baresip-{lab.mark()}"
    home.mkdir()
    modules = next(each for each in MODULES if each.is_dir())
    (home / "config").write_text(f"""\
sip_cafile {lab.ca_file}
net_interface 127.0.0.1
dns_server {lab.address("dns-outside")}:{lab.dns_port}
module_path {modules}
module g711.so
module_app account.so
module_app menu.so
""")
    (home / "accounts").write_text(
        f"<sip:{number}@{NODE};transport=tls>;auth_user={user};auth_pass={password or f'{user}-secret'};"
        f'regint=3600;outbound="{route}"\n'
    )
    log = home / "log"
    with log.open("wb") as sink:
        command = [tool("baresip"), "-f", str(home), "-s", "-v"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
        try:
            yield Phone(process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def test_a_phone_registers_through_the_edge(lab: LiveLab) -> None:
    route = sign_in(lab, "alice")
    since = lab.mark()
    with baresip(lab, "alice", "1001", outbound(EDGE, route)) as phone:
        registered = lab.expect("sip.registered", "ucm-pub", since=since, line="1001")
        assert registered.event.user == "alice" and registered.event.via == "expc"
        assert registered.event.expires == 120
        granted = lab.expect("sip.response", "expe", since=since, status=200, method="REGISTER", transport="tls")
        phone.prints(f"1001@{NODE}: {{0/TLS/v4}} 200 OK (Cisco-CUCM14.0) [1 binding]")
        printed = phone.quit()
    # What the phone saw.
    assert f"-> {lab.edge}:5061\n" in printed
    assert "SIP/2.0 407 Proxy Authentication Required\n" in printed
    assert 'Proxy-Authorization: Digest username="alice", realm="expe.example.com"' in printed
    answer = printed.partition("SIP/2.0 200 OK\n")[2].partition("\n\n")[0]
    assert ";expires=3600\n" in printed and ";expires=120" in answer, "what was asked for, and what was granted"
    assert "\nExpires: 120\n" in answer and "\nServer: Cisco-CUCM14.0\n" in answer
    # What the servers saw: both passes at E, the SERVICE at C, the REGISTER at Unified CM, by C's address.
    assert granted.peer is not None
    assert len(lab.seen("sip.request", "expe", since=since, method="REGISTER")) >= 2
    service = lab.expect("sip.request", "expc", since=since, method="SERVICE")
    assert b"<username>alice</username>" in service.payload and b"alice-secret" not in service.payload
    lab.expect("auth", "expc", since=since, user="alice", how="digest", granted=True)
    inside = lab.expect("sip.request", "ucm-pub", since=since, method="REGISTER")
    assert inside.peer == "expc"
    head = inside.payload.decode()
    assert "Route:" not in head and "Proxy-Authorization" not in head
    assert f"@{lab.address('expc')}:" in next(line for line in head.split("\r\n") if line.startswith("Contact:"))
    # It took its registration back.
    gone = lab.expect("sip.unregistered", "ucm-pub", since=since)
    assert gone.event.reason == "removed by the client"


def test_a_wrong_password_never_reaches_unified_cm(lab: LiveLab) -> None:
    route = sign_in(lab, "bob")
    since = lab.mark()
    with baresip(lab, "bob", "1002", outbound(EDGE, route), password="guess") as phone:
        lab.expect("auth", "expc", since=since, user="bob", how="digest", granted=False)
        phone.prints("SIP/2.0 407 Proxy Authentication Required\n")
        assert "SIP/2.0 200" not in phone.quit()
    assert not lab.seen("sip.request", "ucm-pub", since=since, method="REGISTER")


def test_a_phone_that_did_not_sign_in_over_https(lab: LiveLab) -> None:
    since = lab.mark()
    route = f"<sip:{lab.address('expc')}:5061;transport=tls;zone-id=3;directed;lr>"
    with baresip(lab, "carol", "1003", outbound(EDGE, route)) as phone:
        lab.expect("auth", "expc", since=since, user="carol", granted=False, detail=has("did not sign in"))
        assert "SIP/2.0 200" not in phone.quit()


def test_without_the_route_of_the_edge_configuration(lab: LiveLab) -> None:
    sign_in(lab, "alice")
    since = lab.mark()
    with baresip(lab, "alice", "1001", f"sip:{EDGE}:5061;transport=tls") as phone:
        lab.expect("sip.request", "expe", since=since, method="REGISTER")
        lab.expect("sip.response", "expe", since=since, status=lab.deployment.defaults.sip.no_route_status)
        phone.prints("SIP/2.0 403 Forbidden\n")
        assert "SIP/2.0 200" not in phone.quit()
    assert not lab.seen("sip.request", "expc", since=since, method="REGISTER")
