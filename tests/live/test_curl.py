"""`curl` fetches the edge configuration and requests inside servers through the edge."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import pytest

from edgesim.edge.descriptor import control_url, encode, wrap
from edgesim.pki import TrustStore
from tests.live.lab import LiveLab, Output, has

EDGE = "expe.example.com"
CONFIG = control_url("get_edge_config?service_name=_cisco-uds&service_name=_cuplogin", domain="example.com", edge=EDGE)
VERSION = "https://ucm-pub.inside.example.com:8443/cucm-uds/version"
DATE = r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"


def curl(lab: LiveLab, url: str, *arguments: str, ok: bool = True) -> Output:
    """Run curl as a user would: the CA file, the name by hand, nothing else relaxed."""
    resolve = f"{EDGE}:8443:{lab.edge}"
    return lab.run("curl", "--silent", "--show-error", "--include", "--http1.1", "--cacert", str(lab.ca_file),
                   "--resolve", resolve, *arguments, url, ok=ok)  # fmt: skip


def signed_in(lab: LiveLab) -> Sequence[str]:
    """Sign in once a module; return the options that show the cookie."""
    jar = lab.directory / "cookies.txt"
    if not jar.exists():
        curl(lab, CONFIG, "--user", "alice:alice-secret", "--cookie-jar", str(jar))
    return "--cookie", str(jar)


def head(output: Output) -> list[str]:
    """The status line and the header lines of the last response."""
    return output.out.partition("\r\n\r\n")[0].split("\r\n")


def body(output: Output) -> str:
    """The body of the last response."""
    return output.out.partition("\r\n\r\n")[2]


def test_edge_configuration_with_name_and_password(lab: LiveLab) -> None:
    since = lab.mark()
    jar = lab.directory / "jar.txt"
    output = curl(lab, CONFIG, "--user", "alice:alice-secret", "--cookie-jar", str(jar))
    lines = head(output)
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/xml" in lines and "Server: CE_C ECS" in lines
    cookie = next(line for line in lines if line.startswith("Set-Cookie: "))
    assert re.fullmatch(
        r"Set-Cookie: X-Auth=[0-9a-f]{64}; Expires=.* GMT; Domain=.example.com; Path=/; HttpOnly; Secure", cookie
    ), cookie
    document = body(output)
    assert document.startswith("<?xml version='1.0' encoding='UTF-8'?>\n<getEdgeConfigResponse version=\"1.0\">")
    for part in (
        "<name>_cisco-uds</name><server><priority>10</priority>",
        "<address>ucm-pub.inside.example.com</address>",
        f"<sipEdgeServer><server><address>{lab.edge}</address><tlsPort>5061</tlsPort>",
        f"&lt;sip:{lab.address('expc')}:5061;transport=tls;zone-id=3;directed;lr&gt;",
        f"<xmppEdgeServer><server><address>{lab.edge}</address><tlsPort>5222</tlsPort>",
        f"<httpEdgeServer><server><address>{lab.edge}</address><tlsPort>8443</tlsPort>",
    ):
        assert part in document, part
    kept = next(line.split("\t") for line in jar.read_text().splitlines() if "X-Auth" in line)
    assert kept[0] == "#HttpOnly_.example.com" or kept[0].endswith("example.com")
    assert kept[3] == "TRUE", "secure"

    stranger = lab.expect("http.request", "expe", since=since, target=has("get_edge_config"))
    assert stranger.peer is not None and stranger.peer.startswith("127.0.0.1:")
    tracking = next(key for key in stranger.keys if key.startswith("tracking:"))
    at_c = lab.expect("http.request", "expc", since=since, target=has("get_edge_config"))
    assert tracking in at_c.keys, "one request, one TrackingID on both sides of the tunnel"
    lab.expect("http.request", "ucm-pub", since=since, target="/cucm-uds/user/alice/devices")
    lab.expect("auth", "expc", since=since, user="alice", how="basic", granted=True)
    lab.expect("auth", "ucm-pub", since=since, user="alice", granted=True)
    lab.expect("tls.established", "expe", since=since, port=8443, role="server")


@pytest.mark.parametrize(
    "credentials", [("--user", "alice:wrong"), ("--user", "nobody:alice-secret"), ()], ids=["wrong", "unknown", "none"]
)
def test_the_challenge_of_the_edge(lab: LiveLab, credentials: Sequence[str]) -> None:
    since = lab.mark()
    output = curl(lab, CONFIG, *credentials)
    lines = head(output)
    assert lines[0] == "HTTP/1.1 401 Unauthorized"
    assert 'WWW-Authenticate: Basic realm="Cisco-Edge"' in lines and "Server: CE_C ECS" in lines
    names = [line.partition(":")[0] for line in lines[1:]]
    assert names == ["WWW-Authenticate", "Server", "Date", "Age", "Transfer-Encoding", "Connection"], lines
    assert body(output) == "" and "Set-Cookie" not in output.out
    refused = lab.expect("auth", "expc", since=since, granted=False)
    assert refused.event.how == ("basic" if credentials else "none")
    if "alice:wrong" in credentials:
        lab.expect("http.request", "ucm-pub", since=since, target="/cucm-uds/user/alice/devices")
    else:
        assert not lab.seen("http.request", "ucm-pub", since=since, target=has("/devices"))


def test_a_domain_that_is_not_enabled(lab: LiveLab) -> None:
    since = lab.mark()
    url = control_url("get_edge_config", domain="example.net", edge=EDGE)
    lines = head(curl(lab, url, "--user", "alice:alice-secret"))
    assert lines[0] == "HTTP/1.1 403 Forbidden"
    assert re.fullmatch(DATE, lines[1])
    assert lines[2:] == ["Connection: close", "Server: CE_E", "Content-Length: 0"]
    lab.expect("http.request", "expe", since=since)
    assert not lab.seen("http.request", "expc", since=since), "E decides this alone"


def test_a_proxied_request_with_the_cookie(lab: LiveLab) -> None:
    cookie = signed_in(lab)
    since = lab.mark()
    output = curl(lab, wrap(VERSION, domain="example.com", edge=EDGE), *cookie)
    assert head(output)[0] == "HTTP/1.1 200 "
    assert '<versionInformation uri="https://ucm-pub.inside.example.com:8443/cucm-uds/version"' in body(output)
    assert "14.0.1" in body(output)
    lab.expect("auth", "expc", since=since, user="alice", how="cookie", granted=True)
    inside = lab.expect("http.request", "ucm-pub", since=since, target="/cucm-uds/version")
    assert inside.peer == "expc"
    names = [name.lower() for name, _ in inside.event.headers]
    assert "via" in names and "authorization" not in names

    user = wrap("https://ucm-pub.inside.example.com:8443/cucm-uds/user/alice", domain="example.com", edge=EDGE)
    assert "401" in head(curl(lab, user, *cookie))[0], "Unified CM's own challenge passes through"
    whole = curl(lab, user, *cookie, "--user", "alice:alice-secret")
    assert head(whole)[0] == "HTTP/1.1 200 " and "<userName>alice</userName>" in body(whole)


def test_a_proxied_request_without_credentials(lab: LiveLab) -> None:
    since = lab.mark()
    lines = head(curl(lab, wrap(VERSION, domain="example.com", edge=EDGE)))
    assert lines[0] == "HTTP/1.1 401 Unauthorized"
    assert 'WWW-Authenticate: Basic realm="Cisco-Edge"' in lines and "Server: CE_E" in lines
    lab.expect("http.request", "expe", since=since)
    assert not lab.seen("http.request", "expc", since=since), "it never enters the tunnel"


def test_a_forged_cookie(lab: LiveLab) -> None:
    since = lab.mark()
    forged = "X-Auth=00000000-0000-4000-8000-000000000000"
    lines = head(curl(lab, wrap(VERSION, domain="example.com", edge=EDGE), "--cookie", forged))
    assert lines[0] == "HTTP/1.1 401 Unauthorized" and "Server: CE_C ECS" in lines
    lab.expect("auth", "expc", since=since, how="cookie", granted=False)
    assert not lab.seen("http.request", "ucm-pub", since=since)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("https://ucm-pub.inside.example.com:8443/cucm-uds/../axl/", 403),
        ("https://ucm-pub.inside.example.com:8443/cucm-uds/%2e%2e/axl/", 403),
        ("https://ucm-pub.inside.example.com:8443/cucm-uds/..%2faxl/", 403),
        ("https://ucm-pub.inside.example.com:8443/axl/", 403),
        ("https://ucm-pub.inside.example.com:8444/cucm-uds/version", 403),
        ("http://expc.inside.example.com:22/", 403),
        ("https://imp-pub.inside.example.com:8443/axl/", 403),
        ("http://169.254.169.254:80/latest/meta-data/", 403),
        ("http://127.0.0.1:8443/", 403),
    ],
)
def test_what_is_not_in_the_allow_list(lab: LiveLab, target: str, status: int) -> None:
    cookie = signed_in(lab)
    since = lab.mark()
    lines = head(curl(lab, wrap(target, domain="example.com", edge=EDGE), *cookie, "--path-as-is"))
    assert lines[0].startswith(f"HTTP/1.1 {status} "), target
    assert not lab.seen("http.request", "ucm-pub", since=since)
    assert not lab.seen("http.request", "imp-pub", since=since)
    assert not lab.seen("tcp.open", "expc", since=since)
    lab.expect("note", "expc", since=since, text=has("allow list"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 404),
        ("get_edge_config", 404),
        (f"{encode('example.com')}/", 404),
        (f"{encode('example.com')}/../get_edge_config", 404),
        (f"{encode('example.com')}/get_oauth_config", 404),
        (base64.b64encode(b"example.com/ftp/ucm-pub/21").decode().rstrip("="), 404),
        (base64.b64encode(b"example.com/http/0x7f.1/80").decode().rstrip("="), 404),
        (base64.b64encode(b"\xff\xfe\x00").decode().rstrip("="), 404),
        ("A" * 2000, 404),
    ],
)
def test_paths_that_are_no_edge_urls(lab: LiveLab, path: str, status: int) -> None:
    since = lab.mark()
    lines = head(curl(lab, f"https://{EDGE}:8443/{path}", "--user", "alice:alice-secret", "--path-as-is"))
    assert lines[0] == f"HTTP/1.1 {status} Not Found"
    assert "Server: CE_E" in lines
    lab.expect("http.request", "expe", since=since)
    assert not lab.seen("http.request", "expc", since=since)


def test_curl_verifies_the_edge(lab: LiveLab) -> None:
    since = lab.mark()
    output = lab.run("curl", "--silent", "--show-error", "--resolve", f"{EDGE}:8443:{lab.edge}", CONFIG, ok=False)
    assert output.code == 60, output.all
    refused = lab.expect("tls.failed", "expe", since=since, port=8443)
    assert "UNKNOWN_CA" in (refused.event.alert or "").upper().replace(" ", "_")
    wrong = f"other.example.com:8443:{lab.edge}"
    url = CONFIG.replace(EDGE, "other.example.com")
    output = lab.run(
        "curl", "--silent", "--show-error", "--cacert", str(lab.ca_file), "--resolve", wrong, url, ok=False
    )
    assert output.code == 60 and "no alternative certificate subject name matches" in output.err


def test_inside_servers_reset_who_comes_from_outside(lab: LiveLab) -> None:
    since = lab.mark()
    name = f"ucm-pub.inside.example.com:8443:{lab.address('ucm-pub')}"
    output = lab.run(
        "curl", "--silent", "--show-error", "--cacert", str(lab.ca_file), "--resolve", name, VERSION, ok=False
    )
    assert output.code in (7, 35, 56), output.all
    assert not lab.seen("http.request", "ucm-pub", since=since)
    inside = lab.run("curl", "--silent", "--show-error", "--cacert", str(lab.ca_file), "--resolve", name,
                     "--interface", lab.address("inside-1"), VERSION, ok=False)  # fmt: skip
    assert inside.code == 60, "the server sends its certificate alone: the issuing CA must be known"
    chain = lab.directory / "issuing.pem"
    chain.write_bytes(TrustStore.of("chain", *lab.lab.authorities.trust(), lab.lab.authorities.enterprise).pem())
    inside = lab.run("curl", "--silent", "--show-error", "--cacert", str(chain), "--resolve", name,
                     "--interface", lab.address("inside-1"), VERSION)  # fmt: skip
    assert "versionInformation" in inside.out
    assert lab.expect("http.request", "ucm-pub", since=since, target="/cucm-uds/version").peer == "inside-1"
