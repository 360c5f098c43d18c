"""The SSH tunnel between Expressway-C and Expressway-E: who gets in, what it carries, how it comes back."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import replace
from typing import Any

import asyncssh
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge.tunnel import Greeting, Role, TunnelError, key_pair, proved_text, read_greeting
from edgesim.pki import Usage, expressway_c, fixture_authorities
from edgesim.pki.keys import sign_sha1
from edgesim.servers.expressway_c.tunnel import On, TunnelState
from edgesim.servers.expressway_e.tunnel import unfit
from edgesim.world.entropy import Entropy
from tests.fuzz import fuzzed
from tests.servers.expressway_lab import EdgeLab, run


def states(lab: EdgeLab, node: str) -> list[tuple[str, str]]:
    found = [entry.event.as_json() for entry in lab.entries("ssh.tunnel", node)]
    return [(one["state"], one["detail"]) for one in found]


async def dial(key: bytes | None, user: str = "portforwarding") -> asyncssh.SSHClientConnection:
    """Dial E as an inside host that knows the host key, or does not verify it."""
    return await asyncssh.connect(
        "10.0.20.10",
        2222,
        config=None,
        known_hosts=None,
        username=user,
        password="traversal-password",
        client_keys=[asyncssh.import_private_key(key)] if key else None,
        agent_path=None,
        gss_host=None,
    )


RIGHT, _ = key_pair(Role.USER, user="traversal", password="traversal-password")
WRONG, _ = key_pair(Role.USER, user="traversal", password="guess")


def test_both_ends_say_that_it_is_up() -> None:
    async def main(lab: EdgeLab) -> None:
        assert states(lab, "expc") == [("up", "expe.example.com")]
        assert states(lab, "expe") == [("up", "expc.inside.example.com")]
        assert lab.service("expe").domains == ("example.com",)
        opened = [e.event.as_json() for e in lab.entries("tcp.open", "expc")]
        assert [one["remote"] for one in opened if one["port"] == 2222] == ["10.0.20.10:2222"]

    run(main)


@pytest.mark.parametrize("key", [None, WRONG])
def test_without_the_key_the_connection_is_refused(key: bytes | None) -> None:
    async def main(lab: EdgeLab) -> None:
        async def attempt() -> None:
            with pytest.raises(asyncssh.PermissionDenied):
                await dial(key)
            await asyncio.sleep(1)

        await lab.node("inside-1").host.run(attempt())
        assert states(lab, "expe")[1:] == [("refused", "no accepted key of 'portforwarding'")]
        assert (await lab.config()).status == 200

    run(main, without=("jabber-2", "jabber-3"))


def test_with_the_key_another_user_gets_nowhere() -> None:
    async def main(lab: EdgeLab) -> None:
        async def attempt() -> None:
            connection = await dial(RIGHT, "root")
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.create_server(lambda *_: asyncssh.SSHTCPSession(), "127.0.0.1", 8443)
            await connection.wait_closed()

        await lab.node("inside-1").host.run(attempt())
        assert states(lab, "expe")[1:] == [("refused", "another user than the forwarding one")]
        assert len(lab.service("expe").tunnels.live) == 1

    run(main, without=("jabber-2", "jabber-3"))


def test_the_key_is_good_for_the_one_forward_only() -> None:
    async def main(lab: EdgeLab) -> None:
        async def attempt() -> None:
            connection = await dial(RIGHT)

            async def refused(what: Any) -> None:
                with pytest.raises((asyncssh.ChannelOpenError, asyncssh.ChannelListenError)):
                    await what

            def session(*_: Any) -> asyncssh.SSHTCPSession[bytes]:
                return asyncssh.SSHTCPSession()

            await refused(connection.run("id"))
            await refused(connection.start_sftp_client())
            await refused(connection.create_connection(asyncssh.SSHTCPSession, "10.0.20.10", 8443))
            await refused(connection.open_unix_connection("/tmp/socket"))
            await refused(connection.create_server(session, "127.0.0.1", 22))
            await refused(connection.create_server(session, "0.0.0.0", 8443))
            await refused(connection.create_server(session, "", 0))
            await connection.create_server(session, "127.0.0.1", 8443)
            await refused(connection.create_server(session, "127.0.0.1", 8443))
            await asyncio.sleep(10)
            connection.close()
            await connection.wait_closed()

        await lab.node("inside-1").host.run(attempt())
        refusals = [detail for state, detail in states(lab, "expe") if state == "refused"]
        forwards = ("127.0.0.1:22", "0.0.0.0:8443", ":0", "127.0.0.1:8443")
        assert refusals == [f"forward of {one}" for one in forwards]
        assert len(lab.service("expe").tunnels.live) == 1
        assert (await lab.config()).status == 200

    run(main, without=("jabber-2", "jabber-3"))


def test_noise_on_the_port_is_closed_and_noted() -> None:
    async def main(lab: EdgeLab) -> None:
        async def attempt() -> bytes:
            reader, writer = await asyncio.open_connection("10.0.20.10", 2222)
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 2000)
            banner = await reader.readline()
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)
            writer.close()
            return banner

        got = await lab.node("inside-1").host.run(attempt())
        assert got == b"SSH-2.0-edgesim\r\n"
        assert states(lab, "expe")[-1][0] == "refused"
        assert (await lab.config()).status == 200

    run(main, without=("jabber-2", "jabber-3"))


def test_a_silent_caller_is_dropped_after_a_while() -> None:
    async def main(lab: EdgeLab) -> None:
        async def attempt() -> float:
            begun = asyncio.get_running_loop().time()
            reader, writer = await asyncio.open_connection("10.0.20.10", 2222)
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)
            writer.close()
            return asyncio.get_running_loop().time() - begun

        assert 29 < await lab.node("inside-1").host.run(attempt()) < 32

    run(main, without=("jabber-2", "jabber-3"))


def test_c_dials_again_when_e_comes_back() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.crash("expe")
        await asyncio.sleep(12)
        assert states(lab, "expc")[1:] == [
            ("down", "expe.example.com: connection reset by peer"),
            ("failed", "expe.example.com: connection refused"),
        ]
        await lab.start_host("expe")
        await lab.linked()
        assert states(lab, "expc")[-1] == ("up", "expe.example.com")
        assert (await lab.config()).status == 200

    run(main)


def test_a_dead_e_is_noticed_by_the_keep_alive() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.power_off("expe")
        await asyncio.sleep(90)
        found = states(lab, "expc")
        assert found[1] == ("down", "expe.example.com: Server not responding to keepalive")
        assert found[2][0] == "failed"
        await lab.start_host("expe")
        await lab.linked(60)

    run(main)


def test_a_dead_c_is_noticed_by_e() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.power_off("expc")
        await asyncio.sleep(61)
        assert lab.service("expe").tunnels.live == []
        assert (await lab.config()).status == 502

    run(main)


def test_other_credentials_of_the_zone_break_the_tunnel() -> None:
    async def main(lab: EdgeLab) -> None:
        assert states(lab, "expc") == [("failed", "expe.example.com: E's host key is not the expected one")]
        assert (await lab.config()).status == 502

    run(main, changes={"traversal_zone.server_password": "other"})


def test_an_underscore_in_the_name_of_e_breaks_the_tunnel() -> None:
    async def main(lab: EdgeLab) -> None:
        assert states(lab, "expc") == [("failed", "exp_e.example.com: host name with an underscore")]

    run(main, changes={"expressway_e.0.name": "exp_e"})


@pytest.mark.parametrize(("release", "state"), [("X15.4", "up"), ("X15.5", "failed")])
def test_from_x15_5_on_a_certificate_without_client_authentication_breaks_the_tunnel(release: str, state: str) -> None:
    async def main(lab: EdgeLab) -> None:
        assert states(lab, "expc")[0][0] == state
        assert (await lab.config()).status == (200 if state == "up" else 502)

    certificate = {"host": "expc", "service": "server", "client_auth": False}
    run(main, changes={"expressway_c.0.release": release, "certificates": (certificate,)})


def test_a_name_that_does_not_resolve_is_said() -> None:
    async def main(lab: EdgeLab) -> None:
        assert states(lab, "expc") == [("failed", "expx.example.com: name not resolved")]

    run(main, changes={"traversal_zone.peer_addresses": ("expx.example.com",)})


def test_a_stopped_product_leaves_nothing_open() -> None:
    async def main(lab: EdgeLab) -> None:
        await lab.config()
        for name in ("expc", "expe"):
            await lab.world.stop(name)
        assert not [row for row in lab.world.sockets() if row.host in ("expc", "expe")]
        assert states(lab, "expc")[-1][0] == "down"
        assert states(lab, "expe")[-1][0] == "down"

    run(main)


GREETING = Greeting(fqdn="expe.example.com", domain="example.com", domains=("example.com", "b.example"))


def test_greetings_come_back_as_they_were() -> None:
    assert read_greeting(GREETING.encode()) == GREETING
    for body in (
        b"",
        b"[]",
        b"{}",
        b'{"fqdn": 1, "domain": "", "domains": []}',
        b'{"fqdn": "a b", "domain": "", "domains": []}',
        b'{"fqdn": "a", "domain": "-", "domains": []}',
        b'{"fqdn": "a", "domain": "", "domains": {}}',
        b'{"fqdn": "a", "domain": "", "domains": ["a/b"]}',
        b'{"fqdn": "a", "domain": "", "domains": [], "more": 1}',
        b"[" * 10_000,
        b" " * 20_000,
    ):
        with pytest.raises(TunnelError):
            read_greeting(body)


@fuzzed
@given(
    st.one_of(
        st.binary(max_size=200), st.builds(lambda b, at: GREETING.encode()[:at] + b, st.binary(), st.integers(0, 90))
    )
)
def test_only_the_readers_own_error_escapes(body: bytes) -> None:
    with contextlib.suppress(TunnelError):
        read_greeting(body)


def shown(strip: tuple[Usage, ...] = ()) -> Greeting:
    """Return the greeting of a C that shows a certificate, and proves that it is its own, to challenge c0ffee."""
    authorities = fixture_authorities(Entropy(1, " ".join(each.value for each in strip)))
    identity = authorities.signers()["enterprise"].issue(expressway_c("expc.inside.example.com"), strip=strip)
    proof = sign_sha1(identity.key, proved_text("c0ffee", "expc.inside.example.com"))
    return Greeting(
        fqdn="expc.inside.example.com",
        domain="inside.example.com",
        certificate=identity.certificate.public_bytes(Encoding.PEM).decode(),
        proof=base64.b64encode(proof).decode(),
    )


def test_the_certificate_of_a_c_is_its_own_and_for_clients() -> None:
    good = shown()
    assert unfit(good, "c0ffee") == ""
    assert unfit(read_greeting(good.encode()), "c0ffee") == ""
    assert unfit(shown((Usage.CLIENT,)), "c0ffee") == "the client certificate lacks clientAuth"
    not_its_own = "the proof is not by the key of the client certificate"
    assert unfit(good, "another challenge") == not_its_own
    assert unfit(replace(good, fqdn="expc2.inside.example.com"), "c0ffee") == not_its_own
    assert unfit(replace(good, certificate=shown((Usage.CLIENT,)).certificate), "c0ffee") == not_its_own
    for broken in (replace(good, certificate="no PEM"), replace(good, proof="no base64 !")):
        assert unfit(broken, "c0ffee") == "the client certificate cannot be read"


def test_a_tunnel_that_is_up_ends_and_does_not_fail() -> None:
    async def main(lab: EdgeLab) -> None:
        (client,) = lab.service("expc").tunnels.links
        assert client.state is TunnelState.UP
        before = states(lab, "expc")
        with pytest.raises(KeyError):
            client._apply(On.FAILED, "refused")
        assert client.state is TunnelState.UP
        assert states(lab, "expc") == before

    run(main)
