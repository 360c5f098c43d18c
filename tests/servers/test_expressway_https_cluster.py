"""Clusters of both Expressways: which peer answers, and what C's peers replicate."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment import builtin
from edgesim.edge import edge_config
from edgesim.http import HttpClient, HttpError, Request, Response, basic_authorization
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.servers.expressway_c.cluster import ClusterError, read_records, write_records
from edgesim.servers.expressway_c.credentials import Issued, SignIn
from edgesim.servers.expressway_c.user_data import Account, UdsServer
from tests.fuzz import fuzzed
from tests.servers.expressway_lab import EDGE, PUB, EdgeLab, Stub, plain, run
from tests.servers.inside_web import OWN, PHOTO, VERSION, photos, with_photos


def two_of_each() -> dict[str, object]:
    small = builtin("small")
    return {
        "expressway_e": (
            {"name": "expe", "outer": "203.0.113.10", "inner": "10.0.20.10"},
            {"name": "expe2", "outer": "203.0.113.11", "inner": "10.0.20.11"},
        ),
        "expressway_c": ({"name": "expc", "address": "10.0.30.10"}, {"name": "expc2", "address": "10.0.30.11"}),
        "mra": small.plan.mra.model_dump(exclude_unset=True),
    }


def test_clusters_share_the_work_and_a_cookie_stays_with_its_c() -> None:
    async def main(lab: EdgeLab) -> None:
        cookies = [await lab.cookie() for _ in range(2)]
        asked = {name: len([one for one in lab.asked(name) if "get_edge_config" in one]) for name in ("expc", "expc2")}
        assert asked == {"expc": 1, "expc2": 1}
        for cookie in (*cookies, *cookies):
            assert (await lab.proxied(VERSION, cookie)).status == 200
        answer = await lab.config(edge="expe2.example.com")
        found = edge_config.parse(answer.body)
        for servers in (found.sip, found.xmpp, found.http):  # who was asked comes first
            assert [one.address for one in servers] == ["203.0.113.11", "203.0.113.10"]

    run(main, changes=two_of_each())


def test_the_peers_of_a_cluster_share_what_they_know_of_users() -> None:
    async def main(lab: EdgeLab) -> None:
        cookies = [await lab.cookie(), await lab.cookie(basic_authorization("bob", "bob-secret"))]
        other = {"expc": "alice", "expc2": "bob"}
        await asyncio.sleep(1)
        for name, user in other.items():
            assert lab.service(name).credentials.password(user) == f"{user}-secret"
        for name in ("expc", "expc2"):
            await lab.crash(name)
            for cookie in cookies:
                for edge in (EDGE, "expe2.example.com"):
                    assert (await lab.proxied(VERSION, cookie, edge=edge)).status == 200
            await lab.start_host(name)
            await lab.linked()
            assert lab.service(name).credentials.password("alice") == "alice-secret"

    run(main, changes=two_of_each())


def test_a_request_goes_to_another_c_when_its_tunnel_breaks() -> None:
    class Hesitant(Stub):
        async def _handle(self, request: Request) -> Response:
            self.requests.append(request)
            if len(self.requests) == 1:
                await asyncio.sleep(10_000)
            return plain(request.method.encode())

    async def hesitant(node: Node) -> Stub:
        return await Hesitant(node, lambda _: plain(), (8080,)).start()

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        await asyncio.sleep(1)
        for method, status in (("GET", 200), ("POST", 502)):
            photos(lab).requests.clear()
            asking = asyncio.ensure_future(lab.proxied(OWN, cookie, method=method))
            await asyncio.sleep(1)
            (request,) = photos(lab).requests
            name = lab.world.host_at(request.peer[0] if request.peer else "")
            assert name is not None
            await lab.crash(name.name)
            assert (await asking).status == status
            await lab.start_host(name.name)
            await lab.linked()

    run(main, changes={**two_of_each(), **with_own_rule()}, builds={"ucm-sub": hesitant})


def with_own_rule() -> dict[str, object]:
    """The administrator's rule beside the settings of the small lab."""
    changes = with_photos()
    mra = dict(two_of_each()["mra"])
    return {"dns.extra": changes["dns.extra"], "mra": {**mra, "allow_list": PHOTO["mra.allow_list"]}}


def test_only_a_peer_gets_the_credentials_of_the_cluster() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.cookie()
        for name, fits in (("ucm-pub", False), ("expc2", True)):
            node = lab.node(name)
            identity = node.identities.get("server") or node.identities["tomcat"]
            trust = node.trusts.get("trusted-ca") or node.trusts["tomcat-trust"]
            client = HttpClient(node.journal, ssl=client_context(trust, identity=identity))
            url = "https://expc.inside.example.com:4372/credentials"
            answer = await node.host.run(client.request("GET", url, timeout=30))
            assert answer.status == (200 if fits else 403)
            assert (b"alice-secret" in answer.body) is fits
            bad = await node.host.run(client.request("POST", url, body=b'[{"user": 1}]', timeout=30))
            assert bad.status == (400 if fits else 403)
            await node.host.run(client.close())
            bare = HttpClient(node.journal, ssl=client_context(trust))
            with pytest.raises(HttpError):
                await node.host.run(bare.request("GET", url, timeout=30))
        for entry in lab.journal:
            shown = bytearray(entry.payload)
            for start, end in entry.secrets:
                shown[start:end] = b"*" * (end - start)
            assert b"alice-secret" not in shown

    run(main, changes=two_of_each())


RECORDS: list[SignIn | Issued] = [
    SignIn(
        account=Account(user="é", home=UdsServer(host=PUB, port=8443), servers=(PUB,), served=True),
        password='"',
        at=1.5,
    ),
    Issued(value="0" * 64, user="é", expires=2.0),
]


@fuzzed
@given(
    st.one_of(st.binary(max_size=300), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps))
)
def test_records_between_peers_are_read_as_written_and_anything_else_is_refused(found: bytes | str) -> None:
    assert read_records(write_records(RECORDS)) == RECORDS
    with contextlib.suppress(ClusterError):
        read_records(found.encode() if isinstance(found, str) else found)
