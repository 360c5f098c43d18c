"""A 405 names what is taken, never the method that it refuses; a 400 names its cause."""

from __future__ import annotations

import pytest

from edgesim.deployment import builtin
from tests.servers.expressway_lab import EDGE, PUB, EdgeLab, run

CONFIG = "get_edge_config?service_name=_cisco-uds"


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "PATCH", "OPTIONS", "HEAD"])
def test_the_edge_configuration_takes_get_alone(method: str) -> None:
    async def main(lab: EdgeLab) -> None:
        url = f"https://{EDGE}:8443/ZXhhbXBsZS5jb20/{CONFIG}"
        answer = await lab.request(url, method=method, headers=[("Host", f"{EDGE}:8443")])
        assert (answer.status, answer.headers.get("Allow")) == (405, "GET")

    run(main)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/cucm-uds/version", {"GET", "HEAD"}),
        ("/cucm-uds/private/users", {"POST"}),
        ("/ssosp/ws/public/singleSignOn", {"GET", "HEAD"}),
    ],
)
def test_unified_cm_names_what_it_takes(path: str, allowed: set[str]) -> None:
    async def main(lab: EdgeLab) -> None:
        node = lab.node("expc")
        client = lab.service("expc")._clients["users"]
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"):
            answer = await node.host.run(client.request(method, f"https://{PUB}:8443{path}", timeout=30))
            assert (answer.status == 405) is (method not in allowed)
            if answer.status == 405:
                assert set(answer.headers.tokens("Allow")) == {each.lower() for each in allowed}

    run(main)


def test_a_bad_request_gets_the_reason() -> None:
    async def main(lab: EdgeLab) -> None:
        many = "&".join(f"service_name=_{number}" for number in range(17))
        answer = await lab.config(resource=f"get_edge_config?{many}")
        assert (answer.status, answer.body) == (400, b"too many services\n")
        headers = [("Host", f"{EDGE}:8443"), ("Host", "other")]
        twice = await lab.request(f"https://{EDGE}:8443/", headers=headers)
        assert (twice.status, twice.body) == (400, b"expected exactly one Host\n")

    run(main, deployment=builtin("small"))
