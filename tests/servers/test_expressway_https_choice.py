"""Which Expressway-C a request goes to, and what a C refuses that its E would let through."""

from __future__ import annotations

import asyncio

from edgesim.clients.jabber import Jabber
from edgesim.journal import events
from tests.clients.desk import Desk, play
from tests.servers.expressway_lab import ALICE, EdgeLab, run


def test_c_refuses_a_domain_that_is_not_enabled_even_where_e_lets_it_pass() -> None:
    """E decides by the domains it last received; C by its own configuration."""

    async def main(lab: EdgeLab) -> None:
        lab.service("expe").tunnels.domains = ()  # E has heard nothing, and refuses nothing
        url = "https://expe.example.com:8443/ZWxzZXdoZXJlLmV4YW1wbGU/get_edge_config?service_name=_cisco-uds"
        answer = await lab.request(url, headers=[("Host", "expe.example.com:8443"), ("Authorization", ALICE)])
        assert answer.status == 403
        assert any("ZWxzZXdoZXJlLmV4YW1wbGU" in target for target in lab.asked("expc"))  # it is C that refuses
        assert not lab.asked("ucm-pub")
        assert (await lab.config(ALICE)).status == 200

    run(main)


def test_requests_with_a_cookie_go_to_the_c_that_issued_it() -> None:
    """Each sign-in stays with one Expressway-C though the Es hand out new ones in turn."""

    async def story(desk: Desk) -> None:
        used: list[set[str]] = []
        for _ in range(4):
            before = len(desk.lab.journal)
            alice: Jabber = desk.jabber("alice")
            bob: Jabber = desk.jabber("bob", where="jabber-2")

            async def meanwhile(bob: Jabber = bob) -> None:
                await asyncio.sleep(0.3)  # in the middle of alice's requests: the next in turn is another C now
                assert (await bob.sign_in()).ok

            signed, _ = await asyncio.gather(alice.sign_in(), meanwhile())
            assert signed.ok
            asked = [e for e in desk.entries(events.HttpRequest) if e.order >= before and e.node.startswith("expc")]
            edges: dict[str, set[str]] = {}
            for entry in asked:
                if "user:alice" in entry.keys and b"Cookie:" in entry.payload:
                    edges.setdefault(str(entry.peer), set()).add(entry.node)
            assert edges and all(len(nodes) == 1 for nodes in edges.values()), edges
            used.append({node for nodes in edges.values() for node in nodes})
            await asyncio.gather(alice.sign_out(), bob.sign_out())
        assert set.union(*used) == {"expc1", "expc2"}  # both were in use

    play(story, deployment="pair")
