"""Our judgement inside the handshake as `openssl` meets it: which alert it hears, what it is sent, what it refuses."""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pytest

from edgesim.pki import (
    CLIENT_ONLY,
    EXPIRED,
    NOT_YET,
    SERVER_ONLY,
    Authorities,
    Identity,
    Policy,
    Request,
    TlsOptions,
    TrustStore,
    client_context,
    expressway_c,
    expressway_e,
    server_context,
)
from edgesim.world import SECOND, Host, World
from edgesim.world.tls.events import alert_of, reason_of
from tests.tools import tool
from tests.world.worlds import FAR, NEAR, authorities, play

NAME = "expe.example.com"
HELLO = b"hello\n"
PATIENCE = 30.0
"""Seconds after which neither side will say any more."""
YEARS = 25 * 365 * 86_400 * SECOND
both_versions = pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
MAXIMUM = {"tls1_2": ssl.TLSVersion.TLSv1_2, "tls1_3": ssl.TLSVersion.TLSv1_3}


@dataclass
class Scene:
    """Two hosts of a live world, the test authorities, and a directory for `openssl`'s files."""

    near: Host
    far: Host
    directory: Path
    cas: Authorities

    @property
    def everything(self) -> TrustStore:
        """Every certificate of the CAs."""
        return TrustStore.of("all", *self.cas.enterprise.full_chain, self.cas.public)

    def files(self, identity: Identity) -> tuple[str, ...]:
        """Write an identity, and return the options that name it."""
        path = self.directory / "identity.pem"
        path.write_bytes(identity.key_pem() + identity.pem())
        return ("-cert", str(path), "-key", str(path))

    def trusted(self, store: TrustStore) -> tuple[str, ...]:
        """Write a trust store, and return the option that names it."""
        path = self.directory / "trusted.pem"
        path.write_bytes(store.pem())
        return ("-CAfile", str(path))

    async def listen(self, context: ssl.SSLContext) -> int:
        """Serve on ``far`` whoever gets through: with a greeting."""

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"welcome\n")
            await asyncio.sleep(0.2)
            writer.close()

        server = await self.far.run(asyncio.start_server(greet, FAR, 0, ssl=context))
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def s_client(self, port: int, *options: str) -> str:
        """Run ``openssl s_client`` against `listen` and return what it printed."""
        arguments = (
            "s_client",
            "-connect",
            f"{FAR}:{port}",
            "-bind",
            f"{NEAR}:0",
            "-servername",
            NAME,
            "-ign_eof",
            *options,
        )
        return await asyncio.to_thread(_finished, _openssl(*arguments))

    async def s_server(self, context: ssl.SSLContext, *options: str) -> tuple[Exception | None, str]:
        """Dial ``openssl s_server`` from ``near``; return what that led to, and what the program printed."""
        program = _openssl("s_server", "-accept", f"{FAR}:0", "-naccept", "1", *options)
        assert program.stdout is not None
        printed = b""
        while not (found := re.search(rb"ACCEPT 127[\d.]*:(\d+)", printed)):
            line = await asyncio.to_thread(program.stdout.readline)
            assert line, printed
            printed += line
        error: Exception | None = None
        try:
            reader, writer = await self.near.run(
                asyncio.open_connection(FAR, int(found[1]), ssl=context, server_hostname=NAME)
            )
        except OSError as problem:
            return problem, printed.decode() + await asyncio.to_thread(_finished, program)
        writer.write(HELLO)
        until = asyncio.ensure_future(asyncio.to_thread(_until_hello, program.stdout))
        ended = asyncio.ensure_future(reader.read(1))
        await asyncio.wait((until, ended), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not until.done() or not until.result().endswith(HELLO):  # nothing arrived: the reader knows why
            try:
                await asyncio.wait_for(ended, PATIENCE)
            except OSError as problem:
                error = problem
        ended.cancel()
        writer.close()
        return error, (printed + await until).decode("utf-8", "replace") + await asyncio.to_thread(_finished, program)


def _openssl(*arguments: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([tool("openssl"), *arguments], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)


def _until_hello(printed: IO[bytes]) -> bytes:
    """Read what a program prints until it shows what it was sent, or to its end."""
    lines = b""
    while not lines.endswith(HELLO) and (line := printed.readline()):
        lines += line
    return lines


def _finished(program: subprocess.Popen[bytes]) -> str:
    try:
        return program.communicate(b"", timeout=60)[0].decode("utf-8", "replace")
    finally:
        program.kill()


def live(directory: Path, story: Callable[[Scene], Awaitable[None]]) -> None:
    """Play a story in a live world."""

    async def main(_: World, near: Host, far: Host) -> None:
        await story(Scene(near, far, directory, authorities()))

    play("live", main)


def client_request(**how: Any) -> Request:
    return replace(expressway_c("expc.example.com"), **how)


CLIENTS: dict[str, tuple[str, Callable[[Authorities], Identity]]] = {
    "expired": ("certificate expired", lambda cas: cas.public.issue(client_request(), validity=EXPIRED)),
    "not yet valid": ("bad certificate", lambda cas: cas.public.issue(client_request(), validity=NOT_YET)),
    "issuer not held": ("unknown ca", lambda cas: cas.enterprise.issue(client_request())),
    "usage": ("unsupported certificate", lambda cas: cas.public.issue(client_request(profile=SERVER_ONLY))),
    "name": ("bad certificate", lambda cas: cas.public.issue(client_request(names=("DNS:other.example.com",)))),
}


@both_versions
@pytest.mark.parametrize("how", CLIENTS)
def test_s_client_hears_why_its_certificate_was_refused(tmp_path: Path, version: str, how: str) -> None:
    async def story(scene: Scene) -> None:
        alert, make = CLIENTS[how]
        policy = Policy(names=("expc.example.com",))
        identity = scene.cas.public.issue(expressway_e(NAME))
        public = TrustStore.of("public", scene.cas.public)
        port = await scene.listen(server_context(identity, trust=public, require_client=True, policy=policy))
        printed = await scene.s_client(port, f"-{version}", *scene.files(make(scene.cas)))
        assert f"alert {alert}" in printed, printed
        assert "welcome" not in printed
        good = scene.cas.public.issue(expressway_c("expc.example.com"))
        assert "welcome" in await scene.s_client(port, f"-{version}", *scene.files(good))

    live(tmp_path, story)


@both_versions
def test_s_client_hears_that_the_servers_clock_is_far_ahead(tmp_path: Path, version: str) -> None:
    async def story(scene: Scene) -> None:
        identity = scene.cas.public.issue(expressway_e(NAME))
        port = await scene.listen(server_context(identity, trust=scene.everything, require_client=True))
        good = scene.files(scene.cas.public.issue(expressway_c("expc.example.com")))
        assert "welcome" in await scene.s_client(port, f"-{version}", *good)
        scene.far.clock.skew_ns = YEARS
        assert "alert certificate expired" in await scene.s_client(port, f"-{version}", *good)

    live(tmp_path, story)


@both_versions
def test_a_client_certificate_without_client_auth_passes_if_it_is_not_checked(tmp_path: Path, version: str) -> None:
    async def story(scene: Scene) -> None:
        identity = scene.cas.public.issue(expressway_e(NAME))
        off = server_context(identity, trust=scene.everything, require_client=True, policy=Policy(usage=False))
        port = await scene.listen(off)
        bare = scene.cas.public.issue(client_request(profile=SERVER_ONLY))
        assert "welcome" in await scene.s_client(port, f"-{version}", *scene.files(bare))

    live(tmp_path, story)


@both_versions
def test_s_client_is_sent_the_leaf_alone(tmp_path: Path, version: str) -> None:
    """Though the server's own trust store holds all that is above it."""

    async def story(scene: Scene) -> None:
        identity = scene.cas.enterprise.issue(expressway_e(NAME))
        context = server_context(identity, trust=scene.everything, ask_client=True)
        port = await scene.listen(context)
        printed = await scene.s_client(port, f"-{version}", "-showcerts", *scene.trusted(scene.everything))
        assert printed.count("-----BEGIN CERTIFICATE-----") == 1
        assert "Verify return code: 0 (ok)" in printed
        chain = server_context(identity, trust=scene.everything, ask_client=True, send_chain=True)
        printed = await scene.s_client(await scene.listen(chain), f"-{version}", "-showcerts")
        assert printed.count("-----BEGIN CERTIFICATE-----") == 2

    live(tmp_path, story)


SERVERS: dict[str, tuple[str, str, Callable[[Authorities], Identity]]] = {
    "expired": (
        "certificate has expired", "alert certificate expired",
        lambda cas: cas.public.issue(expressway_e(NAME), validity=EXPIRED)),
    "issuer not held": (
        "unable to get local issuer certificate", "alert unknown ca",
        lambda cas: cas.enterprise.issue(expressway_e(NAME))),
    "usage": (
        "unsuitable certificate purpose", "alert unsupported certificate",
        lambda cas: cas.public.issue(replace(expressway_e(NAME), profile=CLIENT_ONLY))),
    "name": (
        f"Hostname mismatch, certificate is not valid for '{NAME}'.", "alert bad certificate",
        lambda cas: cas.public.issue(expressway_e("other.example.com"))),
}  # fmt: skip


@both_versions
@pytest.mark.parametrize("how", SERVERS)
def test_s_server_hears_why_its_certificate_was_refused(tmp_path: Path, version: str, how: str) -> None:
    async def story(scene: Scene) -> None:
        reason, alert, make = SERVERS[how]
        context = client_context(TrustStore.of("public", scene.cas.public))
        error, printed = await scene.s_server(context, f"-{version}", *scene.files(make(scene.cas)))
        assert error is not None, printed
        assert reason_of(error) == f"certificate verify failed: {reason}"
        assert alert in printed

    live(tmp_path, story)


@both_versions
def test_s_server_gets_one_certificate_and_verifies_it(tmp_path: Path, version: str) -> None:
    """With the root alone the leaf is not enough; with the whole chain in its own store it is."""

    async def story(scene: Scene) -> None:
        server = scene.cas.public.issue(expressway_e(NAME))
        own = scene.cas.enterprise.issue(expressway_c("expc.example.com"))
        context = client_context(scene.everything, identity=own, options=TlsOptions(maximum=MAXIMUM[version]))
        root = TrustStore.of("root", scene.cas.enterprise_root)
        asks = ("-Verify", "3", "-verify_return_error", f"-{version}", *scene.files(server))
        error, printed = await scene.s_server(context, *asks, *scene.trusted(root))
        assert error is not None, printed
        assert alert_of(error) == "unknown ca"
        assert "unable to get local issuer certificate" in printed
        error, printed = await scene.s_server(context, *asks, *scene.trusted(scene.everything))
        assert error is None, printed
        assert "hello" in printed

    live(tmp_path, story)
