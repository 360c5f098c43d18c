"""A world of two hosts as processes: small servers that say who they are, for tests of the world alone.

Processes are forked from a process with one thread, so each story runs in a Python of its own: `told` starts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from edgesim.world import Host, HostState, Interface, WorldEvent
from edgesim.world.processes import HostWorld, ProcessWorld
from edgesim.world.processes.frames import Kind
from tests.cli.command import ROOT, environment
from tests.simrun import bench

PORT = 7000
HOSTS = ("near", "other", "far", "outer")
"""``far`` runs in the story's own process, ``outer`` is on the internet, the others inside."""
Story = Callable[["Pair"], Awaitable[Any]]


class Greeter:
    """A server that answers each line by what it is asked for."""

    def __init__(self, host: Host, server: asyncio.AbstractServer) -> None:
        self.host = host
        self.server = server

    async def stop(self) -> None:
        self.server.close()


async def build(host: Host) -> Greeter:
    host.disk["starts"] = host.disk.get("starts", 0) + 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(answer(host, line.decode().split())).encode() + b"\n")
        writer.close()

    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Echo, local_addr=(host.address(), PORT))
    return Greeter(host, await asyncio.start_server(serve, host.address(), PORT))


class Echo(asyncio.DatagramProtocol):
    """Sends back what comes; `echoed` waits for that."""

    def __init__(self) -> None:
        self.got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data == b"question":
            self.transport.sendto(b"answer", addr)
        elif not self.got.done():
            self.got.set_result(data)


async def echoed(address: str) -> bytes:
    """Send a datagram from a socket that is not connected; return what comes back, or ``nothing`` after 10 s."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Echo, local_addr=("0.0.0.0", 0))
    transport.sendto(b"question", (address, PORT))
    try:
        async with asyncio.timeout(10):
            return await protocol.got
    except TimeoutError:
        return b"nothing"
    finally:
        transport.close()


def answer(host: Host, words: list[str]) -> Any:
    match words:
        case ["who"]:
            return [os.getpid(), host.incarnation, host.disk["starts"]]
        case ["draw"]:
            return host.entropy("test").random()
        case ["clock"]:
            return host.clock.skew_ns
        case ["write", key, value]:
            host.disk.setdefault("words", {})[key] = value
        case ["read"]:
            return host.disk.get("words", {})
        case ["busy", seconds]:
            time.sleep(float(seconds))
        case ["spin"]:
            while True:
                pass
        case ["exit", code]:
            os._exit(int(code))
        case ["garbage"]:
            host.world.channel._socket.send(b"\xff\xff\xff\xff\xffnonsense")
        case ["fail"]:
            asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    return None


async def fixed(world: HostWorld, how: str) -> bytes:
    """Use a fixed port: ``ask`` outside, ``tell`` the host inside from there, or ``hear N``, what comes within N s."""
    loop = asyncio.get_running_loop()
    near, outer = world.hosts["near"].address(), world.hosts["outer"].address()
    transport, protocol = await loop.create_datagram_endpoint(Echo, local_addr=(world.host.address(), PORT + 1))
    try:
        if how == "ask":
            transport.sendto(b"hello", (outer, PORT + 1))
            return b""
        if how == "tell":
            transport.sendto(b"news", (near, PORT + 1))
            return b""
        async with asyncio.timeout(float(how.removeprefix("hear "))):
            return await protocol.got
    except TimeoutError:
        return b"nothing"
    finally:
        transport.close()


class Pair:
    """The world, and how a story talks to its hosts: as `far`, which runs in the story's own process."""

    def __init__(self, network: str, seed: int = 7) -> None:
        self.network = network
        self.cancelled = 0
        self.world = ProcessWorld(seed)
        self.entries: list[tuple[str, bytes]] = []
        self.world.on_entry = lambda host, entry: self.entries.append((host, entry))
        self.declare(self.world)
        self.world.prepare(self.declare)
        self.world.run_here("far")

    def declare(self, world: ProcessWorld | HostWorld) -> None:
        bench(world)
        for number, name in enumerate(HOSTS, 1):
            zone = "internet" if name == "outer" else "inside"
            world.add_host(name, [Interface(name="lo", address=f"{self.network}.{10 + number}", zone=zone)], build)
        if isinstance(world, HostWorld):
            world.observe(lambda event: told_of(world, event))
            world.answers["dial"] = lambda times: self.dialled(world, int(times))
            world.answers["echo"] = lambda _: world.host.run(echoed(world.hosts["outer"].address()))
            world.answers["fixed"] = lambda how: world.host.run(fixed(world, how.decode()))
            world.answers["wait"] = self.wait
            world.answers["given up"] = self.given_up

    async def wait(self, _: bytes) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return b""

    async def given_up(self, _: bytes) -> bytes:
        return str(self.cancelled).encode()

    async def dialled(self, world: HostWorld, times: int) -> bytes:
        """Have this process's host connect to another so often; return how often that was refused."""

        async def dial() -> int:
            refused = 0
            for _ in range(times):
                try:
                    _, writer = await asyncio.open_connection(world.hosts["far"].address(), PORT)
                    writer.close()
                except ConnectionRefusedError:
                    refused += 1
            return refused

        return str(await world.host.run(dial())).encode()

    async def until(self, state: HostState, host: str = "near") -> None:
        """Wait until the world knows of a host's state."""
        async with asyncio.timeout(10):
            while self.world.hosts[host].state is not state:  # noqa: ASYNC110 - a state has no event
                await asyncio.sleep(0.001)

    async def ask(self, *words: str, host: str = "near") -> Any:
        async def talk() -> Any:
            reader, writer = await asyncio.open_connection(self.world.hosts[host].address(), PORT)
            try:
                writer.write(" ".join(words).encode() + b"\n")
                line = await reader.readline()
                if not line:
                    raise ConnectionResetError("it ended")
                return json.loads(line)
            finally:
                writer.close()

        return await self.world.hosts["far"].run(talk())


def told_of(world: HostWorld, event: WorldEvent) -> None:
    world.channel.send(Kind.ENTRY, repr(event).encode())


def told(story: str, network: str, *, timeout: float = 60) -> Any:
    """Run a story, ``module:function``, in a Python of its own; return what it returns, which is data."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.processes.hosts", story, network],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    return json.loads(last)


def main(story: str, network: str) -> None:
    from importlib import import_module

    module, _, name = story.partition(":")
    pair = Pair(network)

    async def played() -> Any:
        for host in HOSTS:
            await pair.world.start(host)
        return await getattr(import_module(module), name)(pair)

    print(json.dumps(pair.world.run(played())))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    main(*sys.argv[1:])
