"""Signs in a simulated Jabber and prints each stage with the time it took."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path

import click

from edgesim.cli import output, places, state
from edgesim.cli.problems import Problem
from edgesim.cli.remote import ask
from edgesim.clients.jabber import Jabber, SignIn, Stage
from edgesim.control import Describe
from edgesim.deployment import Deployment, HostSpec, builtin, load_text
from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import User
from edgesim.deployment.releases import DEFAULT_JABBER
from edgesim.deployment.settings import JabberPlatform
from edgesim.dns import Resolver, options_of
from edgesim.journal import Journal, watch_world
from edgesim.node import Node
from edgesim.pki import PkiError, TrustStore
from edgesim.world import Host, Service
from edgesim.world.live import LiveWorld

MACHINE = "this-machine"
OUTSIDE_ADDRESS = "127.0.0.1"
"""An address that no host has: the lab takes a client with it to be on the internet."""
PLATFORMS = {"windows": "Windows", "mac": "Mac", "ios": "iPhone", "android": "Android"}
COLOURS = {"ok": "green", "failed": "red", "inside": "cyan", "outside": "cyan"}


@dataclass(slots=True, kw_only=True)
class Diagnosis:
    """A client about to sign in: its user, address, resolver and trusted CAs."""

    user: str
    domain: str
    resolver: tuple[str, int]
    trust: TrustStore
    address: str
    zone: str
    deployment: Deployment
    journal: Path | None = None
    password: str = ""
    platform: JabberPlatform = "windows"
    accept_untrusted: bool = False
    stay: bool = False
    as_json: bool = False
    stages: list[dict[str, object]] = field(default_factory=list)
    _last: float = 0.0

    @classmethod
    def prepare(
        cls,
        *,
        user: str,
        domain: str,
        resolver: tuple[str, int] | None,
        ca: Path | None,
        inside: bool,
        directory: Path | None,
        journal: Path | None,
    ) -> Diagnosis:
        """Take what was not given from the running lab. Raises `Problem`."""
        needs_lab = resolver is None or ca is None or inside
        home = places.state_directory(directory)
        running = state.running_lab(home) if needs_lab else None
        deployment = builtin("small")  # for the clients' defaults, where there is no lab
        if running is not None:
            deployment = load_text(ask(directory, Describe()).text, source="the running lab's deployment")
            if resolver is None:
                host, port = (running.inside_resolver if inside else running.resolver).rsplit(":", 1)
                resolver = (host, int(port))
            ca = ca or Path(running.ca_file)
        assert resolver is not None and ca is not None
        address, zone = _seat(deployment, resolver[0], inside=inside)
        return cls(
            user=user,
            domain=domain,
            resolver=resolver,
            trust=_trust(ca),
            address=address,
            zone=zone,
            deployment=deployment,
            journal=journal,
        )

    def run(self) -> bool:
        """Sign in, report, and sign out; return whether every service of the user worked."""
        world = LiveWorld()
        world.lay(self.deployment.wires)
        try:
            journal = Journal(world, spool=self.journal)
        except OSError as error:
            raise Problem(f"{self.journal}: {error.strerror}") from None
        watch_world(journal)
        try:
            return world.run(self._live(world, journal))
        finally:
            journal.close()

    async def _live(self, world: LiveWorld, journal: Journal) -> bool:
        node = self._node(world, journal)
        await world.start(MACHINE)
        user = User.stranger(self.user, self.password)
        client = Jabber(
            node,
            user,
            platform=self.platform,
            domain=self.domain,
            accept_untrusted=self.accept_untrusted,
            progress=lambda stage, outcome, detail: self._print_stage(world, stage, outcome, detail),
        )
        self._head()
        interrupted = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, interrupted.set)
        work = loop.create_task(client.sign_in())
        watch = loop.create_task(interrupted.wait())
        watch.add_done_callback(lambda _: work.cancel())
        try:
            outcome = await work
        except asyncio.CancelledError:
            await client.close()
            raise click.Abort from None
        good = outcome.ok and not outcome.reason
        self._tail(outcome, world.now() / 1e9, good=good)
        if self.stay and outcome.ok:
            await watch
        watch.cancel()
        await client.sign_out()
        if outcome.ok and not self.as_json:
            output.say(f"{self.user} is signed out")
        await client.close()
        await world.stop(MACHINE)
        return good

    def _node(self, world: LiveWorld, journal: Journal) -> Node:
        machine = ClientHost(
            name=MACHINE,
            domain=self.domain,
            view="inside" if self.zone == "inside" else "outside",
            address=self.address,
            zone=self.zone,
            platform=self.platform,
            release=DEFAULT_JABBER,
            ipv6=None,
            device=None,
            dhcp_tftp_option=None,
            provisioning_mode="Edge",
        )
        host = world.add_host(MACHINE, machine.interfaces, _idle)
        recorder = journal.recorder(host)
        resolver = Resolver(host, recorder, [self.resolver], options=options_of(self.deployment.defaults))
        host.lookup = resolver.lookup
        spec = HostSpec(
            name=MACHINE,
            kind="client",
            fqdn=machine.fqdn,
            interfaces=machine.interfaces,
            spec=machine,
            view=machine.view,
        )
        return Node(
            host=host,
            journal=recorder,
            deployment=self.deployment,
            spec=spec,
            resolver=resolver,
            trusts={"system": self.trust},
        )

    # ---- printing

    def _head(self) -> None:
        if self.as_json:
            return
        where = "inside" if self.zone == "inside" else "outside"
        output.say(
            f"Jabber for {PLATFORMS[self.platform]} signs {self.user} in at {self.domain}, {where} "
            f"(from {self.address}), asking {self.resolver[0]}:{self.resolver[1]}",
            bold=True,
        )
        output.say()

    def _print_stage(self, world: LiveWorld, stage: Stage, outcome: str, detail: str) -> None:
        now = world.now() / 1e9
        took, self._last = now - self._last, now
        if stage is Stage.SIGNED_OUT:
            return
        self.stages.append({"stage": stage.value, "outcome": outcome, "detail": detail, "seconds": round(took, 6)})
        if not self.as_json:
            word = click.style(f"{outcome:<8}", fg=COLOURS.get(outcome))
            output.say(f"  {stage.value:<21} {word} {took * 1000:7.1f} ms  {detail}".rstrip())

    def _tail(self, outcome: SignIn, seconds: float, *, good: bool) -> None:
        if self.as_json:
            value = {
                "user": self.user,
                "domain": self.domain,
                "ok": outcome.ok,
                "phone": outcome.phone,
                "chat": outcome.chat,
                "outside": outcome.outside,
                "stage": outcome.stage.value,
                "reason": outcome.reason,
                "seconds": round(seconds, 6),
                "stages": self.stages,
            }
            click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
            return
        output.say()
        services = [name for name, there in (("phone", outcome.phone), ("chat", outcome.chat)) if there]
        way = "through the edge" if outcome.outside else "on the company's network"
        if outcome.ok:
            text = f"{self.user} is signed in {way}, with {' and '.join(services)}, in {seconds:.2f} s"
            output.say(text, bold=True, fg="green" if good else "yellow")
        else:
            output.say(f"{self.user} is not signed in", bold=True, fg="red")
        if outcome.reason:
            output.say(f"  {outcome.stage.value}: {outcome.reason}", fg="red")
        if self.stay and outcome.ok:
            output.say("Ctrl-C signs out.")


class _Idle:
    async def stop(self) -> None:
        """Nothing to stop."""


async def _idle(_: Host) -> Service:
    return _Idle()


def _seat(deployment: Deployment, resolver: str, *, inside: bool) -> tuple[str, str]:
    """Return the client's address and its zone. Raises `Problem`."""
    if inside:
        for spec in deployment.host_specs():
            if spec.kind == "client" and spec.interfaces[0].zone == "inside":
                return spec.address, "inside"
        raise Problem(
            f"deployment {deployment.name!r} has no client machine in zone inside",
            "Add one to `clients:`, for example {name: inside-1, address: 10.0.50.10, zone: inside}.",
        )
    if ipaddress.ip_address(resolver).is_loopback:
        return OUTSIDE_ADDRESS, "internet"
    return "0.0.0.0", "internet"


def _trust(path: Path) -> TrustStore:
    try:
        trust = TrustStore.from_pem(str(path), path.read_bytes())
    except PkiError as error:
        raise Problem(str(error)) from None
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}") from None
    if not trust.certificates:
        raise Problem(f"{path} contains no certificate in PEM")
    return trust
