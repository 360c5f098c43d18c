"""Exchanges between a server and a client, and what the journal keeps of them."""

from __future__ import annotations

import asyncio

from edgesim.http import (
    Headers,
    Request,
    Response,
    basic_authorization,
)
from edgesim.journal import events
from tests.http.lab import NAME, E, Lab, play


def test_a_kept_connection_carries_several_exchanges() -> None:
    async def scene(lab: Lab) -> None:
        for body in (b"one", b"two"):
            found = await lab.request("POST", f"http://{E}:8443/a", body=body)
            assert (found.status, found.phrase, found.body) == (200, "OK", body)
            assert found.headers.items[0] == ("Server", "CE_C ECS")
        head = await lab.request("HEAD", f"http://{E}:8443/a")
        assert (head.status, head.body) == (200, b"")
        assert len(lab.server.connections) == 1

    journal = play(scene)
    kinds = [(entry.node, entry.kind) for entry in journal]
    assert kinds == [("expe", "http.request"), ("alice", "http.response")] * 3


def test_the_journal_has_octets_keys_and_the_places_of_secrets() -> None:
    async def handler(request: Request) -> Response:
        assert request.peer is not None
        assert request.peer[0] == "198.51.100.25"
        assert request.local == (E, 8443)
        assert request.basic() is not None
        cookie = ("Set-Cookie", "X-Auth=fresh; Path=/; Secure")
        return Response(status=200, headers=Headers([cookie]), body=b'{"access_token": "tok"}')

    async def scene(lab: Lab) -> None:
        await lab.request(
            "POST",
            f"http://{E}:8443/x?password=pass1",
            headers=[
                ("Authorization", basic_authorization("jdoe", "secret")),
                ("Host", NAME),
                ("Cookie", "X-Auth=stale; J=1"),
                ("TrackingID", "t-1"),
            ],
            body=b"<pin>1234</pin>&password=p&x=y",
            keys=["device:CSFJDOE"],
        )

    request, response = play(scene, handler=handler)
    assert isinstance(request.event, events.HttpRequest)
    assert request.direction == "in"
    assert request.peer == "alice"
    assert request.keys == ("tracking:t-1", "cookie:stale", "user:jdoe")
    secrets = [request.payload[start:end] for start, end in request.secrets]
    assert secrets == [b"pass1", b"amRvZTpzZWNyZXQ=", b"stale", b"1", b"1234", b"p"]
    assert request.payload.startswith(b"POST /x?password=pass1 HTTP/1.1\r\nAuthorization: Basic ")
    assert request.payload.endswith(b"Content-Length: 30\r\n\r\n<pin>1234</pin>&password=p&x=y")
    assert isinstance(response.event, events.HttpResponse)
    assert response.event.target == "/x?password=pass1"
    assert response.keys == ("tracking:t-1", "cookie:stale", "user:jdoe", "device:CSFJDOE", "cookie:fresh")
    assert [response.payload[start:end] for start, end in response.secrets] == [b"fresh", b"tok"]


def test_what_is_sent_to_a_peer_outside_the_lab_is_journalled_too() -> None:
    async def scene(lab: Lab) -> None:
        known = {E: lab.server_host}
        lab.world.peer = lambda host, end: known.get(end[0])
        await lab.request("GET", f"http://{E}:8443/a")

    journal = play(scene)
    assert [(e.node, e.kind, e.direction) for e in journal][:2] == [
        ("expe", "http.request", "in"),
        ("expe", "http.response", "out"),
    ]
    sent = list(journal)[1]
    assert sent.peer is not None
    assert sent.peer.startswith("198.51.100.25:")
    assert sent.payload.endswith(b"\r\n\r\n/a")


def test_the_same_seed_gives_the_same_journal() -> None:
    async def scene(lab: Lab) -> None:
        await asyncio.gather(*(lab.request("POST", f"http://{E}:8443/{n}", body=b"x" * n) for n in range(20)))

    def lines() -> list[object]:
        return [(entry.id, entry.at_ns, entry.payload) for entry in play(scene)]

    assert lines() == lines()
