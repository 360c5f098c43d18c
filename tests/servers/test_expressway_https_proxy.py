"""Inside URLs through the edge: what reaches the server, and what comes back."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.edge.descriptor import encode, wrap
from edgesim.http import Headers, Request, Response
from edgesim.pki import client_context
from tests.servers.expressway_lab import ALICE, EDGE, PUB, EdgeLab, plain, run, stub
from tests.servers.inside_web import OWN, VERSION, echo, photos, with_photos


def test_the_golden_copy_of_a_forwarded_request() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        answer = await lab.proxied(
            OWN + "a%20b//c?x=%2F&y",
            headers=[
                ("user-AGENT", "WebEx/0.0.0.0"),
                ("Accept", "*/*"),
                ("X-Odd", "  two   blanks\t, \xe9"),
                ("X-Odd", ""),
                ("Authorization", "Basic Og=="),
                ("Connection", "keep-alive, X-Hop"),
                ("Keep-Alive", "timeout=5"),
                ("X-Hop", "stays here"),
                ("TE", "trailers"),
                ("X-Forwarded-For", "127.0.0.1"),
                ("Client-ip", "127.0.0.1"),
                ("TrackingID", "forged"),
                ("Cookie", f'a=1; {cookie}; b="2 2"'),
            ],
        )
        (request,) = photos(lab).requests
        tracking = request.headers.get("TrackingID")
        ids = lab.deployment.pkid("expressway", "expe"), lab.deployment.pkid("expressway", "expc")
        assert request.raw == (
            "GET /a%20b//c?x=%2F&y HTTP/1.1\r\n"
            "Host: photos.inside.example.com:8080\r\n"
            "user-AGENT: WebEx/0.0.0.0\r\n"
            "Accept: */*\r\n"
            "X-Odd: two   blanks\t, \xe9\r\n"
            "X-Odd:\r\n"
            "Authorization: Basic Og==\r\n"
            f'Cookie: a=1; {cookie}; b="2 2"\r\n'
            f"TrackingID: {tracking}\r\n"
            "Client-ip: 198.51.100.25\r\n"
            "X-Forwarded-For: 198.51.100.25, 127.0.0.1\r\n"
            f"Via: https/1.1 vcs[{ids[0]}] (ATS), http/1.1 vcs[{ids[1]}] (ATS)\r\n\r\n"
        ).encode("latin-1")
        assert answer.raw == (
            b"HTTP/1.1 200 OK\r\n"
            b"Content-Type: text/plain\r\n"
            b"X-Kept: a , b\r\n"
            b"Age: 0\r\n"
            b"Transfer-Encoding: chunked\r\n"
            b"Connection: keep-alive\r\n\r\n"
        )
        assert answer.body == b"hello"
        for node in ("expe", "expc", "ucm-sub"):
            assert any(f"tracking:{tracking}" in entry.keys for entry in lab.entries("http.request", node)), node
        assert len(str(tracking)) == 36

    run(main, changes=with_photos(), builds={"ucm-sub": stub(echo, 8080)})


@pytest.mark.parametrize("framing", ["Content-Length", "Transfer-Encoding"])
def test_bodies_and_methods_pass(framing: str) -> None:
    def answer(request: Request) -> Response:
        if request.target == "/nothing":
            return Response(status=204)
        if request.target == "/same":
            return Response(status=304)
        return plain(request.method.encode() + b" " + request.body)

    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        headers = [("Transfer-Encoding", "chunked")] if framing == "Transfer-Encoding" else []
        body = bytes(range(256)) * 4000
        posted = await lab.proxied(OWN, cookie, method="POST", headers=headers, body=body)
        assert posted.body == b"POST " + body
        head = await lab.proxied(OWN, cookie, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers.get("Content-Length") == "5"
        for path, status in (("nothing", 204), ("same", 304)):
            bare = await lab.proxied(OWN + path, cookie)
            assert (bare.status, bare.body) == (status, b"")
            assert "Transfer-Encoding" not in bare.headers
        expecting = await lab.proxied(OWN, cookie, method="POST", headers=[("Expect", "100-continue")], body=b"x")
        assert expecting.body == b"POST x"

    run(main, changes=with_photos(), builds={"ucm-sub": stub(answer, 8080)})


def test_the_inner_request_is_in_absolute_form() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.config()
        heads = [entry.payload for entry in lab.entries("http.request", "expc")]
        assert heads[-1].startswith(b"GET http://vcs_control.inside.example.com:8443/ZXhhbXBsZS5jb20/get_edge_config?")

    run(main)
    plainly = {"defaults.edge.inner_request": "origin form"}

    async def other(lab: EdgeLab) -> None:
        await lab.config()
        assert lab.entries("http.request", "expc")[-1].payload.startswith(b"GET /ZXhhbXBsZS5jb20/")

    run(other, changes=plainly)


def test_a_connection_serves_one_request_after_the_other() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        for _ in range(3):
            assert (await lab.proxied(VERSION, cookie)).status == 200
        opened = [entry for entry in lab.entries("tcp.open", "jabber-1") if entry.event.as_json()["port"] == 8443]
        assert len(opened) == 1
        closing = await lab.proxied(VERSION, cookie, headers=[("Connection", "close")])
        assert closing.headers.get("Connection") == "close"
        await asyncio.gather(*(lab.proxied(VERSION, cookie) for _ in range(10)))

    run(main)


def test_malformed_requests_are_answered_and_disturb_no_other_client() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        node = lab.node("jabber-1")
        context = client_context(node.trusts["system"])

        async def send(octets: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(EDGE, 8443, ssl=context)
            writer.write(octets)
            got = await reader.read(-1)
            writer.close()
            return got

        for octets, status in (
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
            (b"\x00\x01\x02\x03", b"400"),
            (b"GET /" + b"a" * 10_000, b"414"),
            (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"501"),
        ):
            answer = await node.host.run(send(octets))
            assert answer.split()[1] == status
            assert b"\r\nServer: CE_E\r\n" in answer
        assert (await lab.proxied(VERSION, cookie)).status == 200
        assert len(lab.entries("malformed", "expe")) == 4

    run(main)


def test_any_target_gets_an_answer_of_e_or_c() -> None:
    """Damaged URLs of every kind, straight into both proxies: always an answer, hardly ever one of the inside."""

    async def main(lab: EdgeLab) -> None:
        entropy = lab.world.entropy("damaged targets")
        cookie = await lab.cookie()
        forwarded = len(lab.entries("http.request", "ucm-pub"))
        expe, expc = lab.service("expe"), lab.service("expc")
        link = expc.tunnels.links[0]
        seeds = [wrap(url, domain="example.com", edge=EDGE).partition("8443")[2] for url in (VERSION, OWN + "a")]
        seeds += ["/ZXhhbXBsZS5jb20/get_edge_config?service_name=_cisco-uds", "/%5a", "/=/", "/.greeting"]
        for _ in range(2000):
            target = list(entropy.choice(seeds))
            for _ in range(entropy.randint(1, 4)):
                at = entropy.randrange(1, len(target))
                target[at : at + entropy.randint(0, 2)] = entropy.choice("/?=%&;.-_+~AZaz09#\\@:!é")
            request = Request(
                method=entropy.choice(("GET", "POST", "TRACE")),
                target="".join(target),
                headers=Headers([("Host", "h"), ("Cookie", entropy.choice((cookie, "X-Auth=", "a")))]),
                peer=("198.51.100.25", 50000),
            )
            for node, handle in (("expe", expe.https.handle(request)), ("expc", expc.proxy.handle(request, link))):
                answer = await lab.node(node).host.run(handle)
                assert answer.status in (200, 400, 401, 403, 404, 405, 502), (node, request.target, answer)
        assert len(lab.entries("http.request", "ucm-pub")) - forwarded < 100
        assert (await lab.proxied(VERSION, cookie)).status == 200

    run(main, changes={"defaults.protection.intrusion_protection_on_e": False})


def test_names_with_their_final_dot_are_the_same_names() -> None:
    async def main(lab: EdgeLab) -> None:
        host = ("Host", f"{EDGE}:8443")
        rooted = f"https://{EDGE}:8443/{encode('example.com.')}/get_edge_config?service_name=_cisco-uds"
        answer = await lab.request(rooted, headers=[host, ("Authorization", ALICE)])
        assert answer.status == 200
        cookie = ("Cookie", (answer.headers.get("Set-Cookie") or "").partition(";")[0])
        server = encode(f"example.com./https/{PUB}./8443")
        inside = await lab.request(f"https://{EDGE}:8443/{server}/cucm-uds/servers", headers=[host, cookie])
        assert inside.status == 200

    run(main)
