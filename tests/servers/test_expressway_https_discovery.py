"""How Expressway-C discovers the UC servers, and what follows from it."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from collections.abc import Iterator

import pytest
from cryptography import x509

from edgesim.http import basic_authorization
from edgesim.servers.expressway_c.discovery import Discovered
from tests.servers.expressway_lab import PUB, SUB, EdgeLab, run


def states(lab: EdgeLab) -> list[tuple[str, str]]:
    found = [entry.event.as_json() for entry in lab.entries("discovery", "expc")]
    return [(one["state"], one["detail"]) for one in found if one["product"] == "Unified CM"]


def test_what_is_learnt_of_a_cluster() -> None:
    async def main(lab: EdgeLab) -> None:
        (cluster,) = lab.service("expc").discovered.unified_cm
        assert [(node.name, node.address, node.publisher) for node in cluster.nodes] == [
            (PUB, "10.0.40.11", True),
            (SUB, "10.0.40.12", False),
        ]
        assert cluster.version.startswith("14.0.1")
        assert cluster.mixed_mode
        assert cluster.tftp == (PUB,)
        assert states(lab) == [("active", f"{cluster.version}: {PUB}, {SUB}")]
        entry = lab.service("ucm-pub").database.expressways["expc"]
        assert entry == ("expc.inside.example.com", "expc.inside.example.com")

    run(main, changes={"unified_cm.0.mixed_mode": True})


DOCUMENTED = ("getCallManager", "listCallManager", "listProcessNode", "listProcessNodeService", "getCCMVersion")
STORES = {"CallManager-trust": "callmanager-trust", "tomcat-trust": "tomcat-trust"}


def conversation(lab: EdgeLab, publisher: str, c: str = "expc") -> Iterator[tuple[str, str, str]]:
    """Yield method, request and answer of every AXL exchange, all as they were on the wire."""
    asked = [entry for entry in lab.entries("http.request", publisher) if entry.event.as_json()["target"] == "/axl/"]
    reported = [entry for entry in lab.entries("http.response", c) if entry.event.as_json()["target"] == "/axl/"]
    reported = [entry for entry in reported if entry.peer == publisher]
    for request, response in zip(asked, reported, strict=True):
        sent = (request.payload or b"").decode()
        found = re.search(r'SOAPAction: "CUCM:DB ver=10.0 (\w+)"', sent)
        assert found is not None, sent
        yield found[1], sent, (response.payload or b"").decode()


def test_axl_is_asked_in_the_documented_order() -> None:
    async def main(lab: EdgeLab) -> None:
        talk = list(conversation(lab, "ucm-pub"))
        methods = [method for method, _, _ in talk]
        assert tuple(methods[:5]) == DOCUMENTED
        assert methods[5:8] == ["executeSQLQuery"] * 3
        assert [store in sent for (_, sent, _), store in zip(talk[5:7], STORES, strict=True)] == [True, True]
        assert methods[8:] == ["listExpresswayCConfiguration", "addExpresswayCConfiguration"]
        reported = talk[0][2]
        assert "<sipPhonePort>5070</sipPhonePort><sipPhoneSecurePort>5061</sipPhoneSecurePort>" in reported
        assert f"<processNodeName>{PUB}</processNodeName>" in reported
        assert [SUB in answer for _, _, answer in talk[1:4]] == [True, True, True]

    run(main, changes={"defaults.ports.sip": 5070})


@pytest.mark.parametrize("lacks", STORES.values())
def test_axl_returns_the_certificates_of_the_trust_stores(lacks: str) -> None:
    async def main(lab: EdgeLab) -> None:
        answers = [answer for method, _, answer in conversation(lab, "ucm-pub") if method == "executeSQLQuery"]
        for store, answer in zip(STORES.values(), answers, strict=False):
            found = re.findall("-----BEGIN CERTIFICATE-----([^-]+)-----END", answer)
            names = {x509.load_der_x509_certificate(b64decode(one)).subject.rfc4514_string() for one in found}
            issuing = {one.subject.rfc4514_string() for one in lab.node("ucm-pub").trusts[store]}
            assert names == issuing
            assert any("Enterprise" in name for name in names) == (store != lacks)

    run(main, changes={"trust": ({"host": "ucm-pub", "store": lacks, "holds": ("public",)},)})


def test_an_order_of_ones_own() -> None:
    async def main(lab: EdgeLab) -> None:
        assert [method for method, _, _ in conversation(lab, "ucm-pub")] == ["getCCMVersion", "listProcessNode"]
        (cluster,) = lab.service("expc").discovered.unified_cm
        assert (cluster.tftp, cluster.sip_port, cluster.mixed_mode) == ((PUB,), None, False)

    run(main, changes={"defaults.edge.axl_methods": ("getCCMVersion", "listProcessNode")})


def test_refresh_servers_notifies_listeners() -> None:
    async def main(lab: EdgeLab) -> None:
        heard: list[Discovered] = []
        expressway = lab.service("expc")
        expressway.on_discovery(heard.append)
        found = await lab.node("expc").host.run(expressway.refresh_servers())
        assert heard == [found]
        assert len(states(lab)) == 1

    run(main)


def test_no_user_signs_in_while_the_list_is_rewritten() -> None:
    async def main(lab: EdgeLab) -> None:
        assert (await lab.config()).status == 200
        expressway = lab.service("expc")
        refreshing = lab.node("expc").host.spawn(expressway.refresh_servers(), name="refresh")
        await asyncio.sleep(1)
        assert (await lab.config(basic_authorization("bob", "bob-secret"))).status == 401
        await refreshing
        assert (await lab.config(basic_authorization("bob", "bob-secret"))).status == 200

    run(main, changes={"defaults.edge.discovery_s": 8.0}, settle=30)


def test_a_federation_domain_alone_is_not_an_mra_domain() -> None:
    async def main(lab: EdgeLab) -> None:
        assert (await lab.config()).status == 200
        for domain, status in (("chat.example", 200), ("fed.example", 403)):
            assert (await lab.config(domain=domain)).status == status

    off = {"unified_cm_registrations": False}
    enabled = (
        {"name": "example.com"},
        {"name": "chat.example", **off, "im_and_presence": True},
        {"name": "fed.example", **off, "im_and_presence": False, "xmpp_federation": True},
    )
    run(main, changes={"domains.enabled": enabled})


def test_without_axl_discovery_fails_with_its_reason_and_is_tried_again() -> None:
    async def main(lab: EdgeLab) -> None:
        (state, detail), *rest = states(lab)
        assert (state, rest) == ("failed", [])
        assert "Cisco AXL Web Service" in detail
        assert (await lab.config()).status == 401
        before = len(lab.entries("http.request", "ucm-pub"))
        await asyncio.sleep(61)
        assert len(lab.entries("http.request", "ucm-pub")) > before
        assert len(states(lab)) == 1

    run(main, changes={"unified_cm.0.publisher.axl": False})


def test_an_untrusted_publisher_is_said() -> None:
    async def main(lab: EdgeLab) -> None:
        (state, detail), *_ = states(lab)
        assert state == "failed"
        assert detail.startswith("tls: ")
        assert "certificate" in detail

    run(main, changes={"trust": ({"host": "expc", "store": "trusted-ca", "holds": ("public",)},)})


def test_verification_can_be_switched_off_for_discovery_but_not_for_users() -> None:
    async def main(lab: EdgeLab) -> None:
        assert states(lab)[0][0] == "active"
        assert (await lab.config()).status == 502

    changes = {
        "trust": ({"host": "expc", "store": "trusted-ca", "holds": ("public",)},),
        "mra.tls_verify_unified_cm": False,
    }
    run(main, changes=changes)


def test_a_publisher_that_is_down_is_found_later() -> None:
    async def main(lab: EdgeLab) -> None:
        state, detail = states(lab)[0]
        assert state == "failed"
        assert detail.startswith(f"timed out: {PUB}:8443: ")
        await lab.start_host("ucm-pub")
        await asyncio.sleep(75)
        assert states(lab)[-1][0] == "active"
        assert (await lab.config()).status == 200

    run(main, without=("ucm-pub", "jabber-2", "jabber-3", "inside-1", "inside-2"), settle=30)


def test_what_was_found_survives_a_restart() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.crash("ucm-pub")
        await lab.crash("expc")
        await lab.start_host("expc")
        await lab.linked()
        assert states(lab)[-1][0] == "failed"
        answer = await lab.config()
        assert answer.status == 200
        assert lab.asked("ucm-sub")

    run(main)


def test_a_node_whose_name_does_not_resolve_has_no_address() -> None:
    async def main(lab: EdgeLab) -> None:
        (cluster,) = lab.service("expc").discovered.unified_cm
        assert [node.address for node in cluster.nodes] == ["10.0.40.11", None]

    without = ({"view": "inside", "name": SUB, "type": "A"},)
    run(main, changes={"dns.without": without})
