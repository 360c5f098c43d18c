"""Which inside URLs C lets through: discovered servers and the administrator's rules."""

from __future__ import annotations

import pytest

from tests.servers.expressway_lab import ALICE, PUB, EdgeLab, run
from tests.servers.inside_web import OWN, PHOTO


@pytest.mark.parametrize(
    ("url", "method"),
    [
        ("https://photos.example.com/", "GET"),
        (f"https://{PUB}:9999/cucm-uds/version", "GET"),
        (f"http://{PUB}:8443/cucm-uds/version", "GET"),
        (f"https://{PUB}:8443/axl/", "POST"),
        (f"https://{PUB}:8443/cucm-uds/../axl/", "POST"),
        (f"https://{PUB}:8443/cucm-uds/%2e%2e/axl/", "POST"),
        (f"https://{PUB}:8443/cucm-uds/version", "PATCH"),
        (f"https://{PUB}:8443/cucm-uds/version", "PUT"),
        (f"https://{PUB}:8443/cucm-uds/other", "GET"),
        (f"https://{PUB}:8443/cucm-uds/user/alice/devices", "POST"),
        (f"http://{PUB}:6970/CSFALICE.cnf.xml", "DELETE"),
        ("https://127.0.0.1:8443/cucm-uds/version", "GET"),
        ("http://127.0.0.1:8443/.greeting", "POST"),
    ],
)
def test_c_refuses_what_is_not_in_the_allow_list(url: str, method: str) -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        before = len(lab.entries("http.request", "ucm-pub"))
        answer = await lab.proxied(url, cookie, method=method, body=b"x" if method == "POST" else b"")
        assert answer.status == 403
        assert answer.headers.without("Date").items == (
            ("Server", "CE_C"),
            ("Content-Length", "0"),
            ("Age", "0"),
            ("Connection", "keep-alive"),
        )
        assert len(lab.entries("http.request", "ucm-pub")) == before
        assert "allow list" in lab.entries("note", "expc")[-1].event.as_json()["text"]

    run(main)


def permits(lab: EdgeLab) -> list[str]:
    texts = [entry.event.as_json()["text"] for entry in lab.entries("note", "expc")]
    return [text for text in texts if text.startswith('Event="Request Allowed"')]


def test_c_logs_the_rule_that_allows_a_request() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        assert permits(lab) == []
        url = f"https://{PUB}:8443/cucm-uds/user/alice/devices?max=100"
        assert (await lab.proxied(url, cookie, headers=[("Authorization", ALICE)])).status == 200
        assert permits(lab) == [
            'Event="Request Allowed" Detail="Access allowed" Reason="In allow list" Username="alice" Deployment="1" '
            f'Method="GET" Request="https://{PUB}:8443/cucm-uds/user/alice/devices" '
            f'Rule="https://{PUB}:8443/cucm-uds/user/" Match="prefix" '
            'Type="Automatically generated rule for CUCM server"'
        ]
        logged, received = lab.entries("note", "expc")[-1], lab.entries("http.request", "ucm-pub")[-1]
        assert "user:alice" in logged.keys
        tracking = [key for key in logged.keys if key.startswith("tracking:")]
        assert set(tracking) <= set(received.keys)
        assert logged.order < received.order
        assert (await lab.proxied(f"https://{PUB}:8443/ccmadmin/", cookie)).status == 403
        assert len(permits(lab)) == 1
        await lab.proxied(OWN, cookie)
        assert f'Rule="{OWN}" Match="prefix" Type="Manually added rule"' in permits(lab)[-1]

    run(main, changes=PHOTO)


def test_discovered_servers_are_allowed_by_name_and_address() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        assert (await lab.proxied("http://10.0.40.11:6970/CSFALICE.cnf.xml", cookie)).status == 200
        secure = await lab.proxied(f"https://{PUB.upper()}:6972/CSFALICE.cnf.xml", cookie)
        assert secure.status == 200
        ports = {
            int(entry.event.as_json()["local"].rpartition(":")[2])
            for entry in lab.entries("tcp.open", "expc")
            if entry.event.as_json()["port"] in (2222, 6970, 6972, 8443)
        }
        assert ports
        assert all(30000 <= port <= 35999 for port in ports)

    run(main)
