"""A story's verbs on its lab: hosts, paths, faults, certificates, services and DNS.

Each is a command to the lab (`edgesim.control`). `LabVerbs.ask` sends commands that have no method here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from edgesim.control import (
    Carrier,
    ClosePorts,
    Command,
    ConfigureWebProxy,
    Crash,
    FailDns,
    Freeze,
    Heal,
    LiftDnsFailure,
    MakeRequest,
    Partition,
    PowerOff,
    RemoveFault,
    RequestMade,
    Resolve,
    RestartHost,
    RestartService,
    Settle,
    SignRequest,
    SkewClock,
    StartHost,
    Thaw,
    UploadCertificate,
    UploadTrust,
)
from edgesim.control.verbs.faults import command_of
from edgesim.deployment import Deployment
from edgesim.journal import Event, events
from edgesim.scenario.declare import CannotRun
from edgesim.scenario.expect import Expectations
from edgesim.scenario.guards import FaultGuard, Guard
from edgesim.scenario.vocabulary import STORY
from edgesim.world import World
from edgesim.world.faults import Fault

R = TypeVar("R")
G = TypeVar("G", bound="Guard[Any]")
Rcode = Literal["SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NXDOMAIN"]


class LabVerbs:
    """The verbs of `Lab`. All of them raise `ControlError` where the lab cannot do what was asked."""

    def __init__(self, carrier: Carrier, world: World, deployment: Deployment, expectations: Expectations) -> None:
        self.deployment = deployment
        self.expectations = expectations
        self._carrier = carrier
        self._world = world
        self._guards: list[Guard[Any]] = []

    async def ask(self, command: Command[R]) -> R:
        """Give the lab any command of `edgesim.control`, and return its reply."""
        return await self._carrier.ask(command)

    def note(self, text: str) -> None:
        """Write a line into the journal."""
        self._emit(events.Note(text=text))

    def _emit(self, event: Event) -> None:
        self.expectations.journal.record(STORY, event)

    # ---- hosts

    def address(self, host: str, zone: str | None = None) -> str:
        """Return the address of a host in a zone, or its first address. Raises `LookupError`."""
        for interface in self.deployment.host(host).interfaces:
            if zone in (None, interface.zone):
                return interface.address
        raise LookupError(f"{host} has no address in zone {zone!r}")

    async def crash(self, name: str) -> None:
        """End a host's processes at once; its peers see resets."""
        await self.ask(Crash(host=name))

    async def power_off(self, name: str) -> None:
        """Cut a host's power; its peers get no answer."""
        await self.ask(PowerOff(host=name))

    async def start(self, name: str) -> None:
        """Start a host that is down."""
        await self.ask(StartHost(host=name))

    async def restart(self, name: str) -> None:
        """Stop a host gracefully and start it again."""
        await self.ask(RestartHost(host=name))

    async def freeze(self, name: str) -> None:
        """Stop a host's time."""
        await self.ask(Freeze(host=name))

    async def thaw(self, name: str) -> None:
        """Let a frozen host go on."""
        await self.ask(Thaw(host=name))

    async def settle(self, within: float = 10.0) -> bool:
        """Wait until the Expressways' links are up; return whether they are."""
        return (await self.ask(Settle(within=within))).stand

    async def skew(self, name: str, seconds: float) -> None:
        """Put a host's clock ahead, or behind."""
        await self.ask(SkewClock(host=name, seconds=seconds))

    async def resolve(self, name: str, question: str, type: str = "A") -> tuple[str, ...]:
        """Ask the DNS as a host does; return the records, each as type and value: ``A 10.0.30.11``."""
        return (await self.ask(Resolve(host=name, question=question, type=type))).records

    # ---- ways and faults

    def partition(self, one: str, other: str, *, both_ways: bool = True) -> Guard[None]:
        """Cut the way between two hosts for the length of an ``async with`` block. Raises `UnknownName`."""
        for name in (one, other):
            self.expectations.vocabulary.host(name, "lab.partition")

        async def cut() -> None:
            await self.ask(Partition(one=one, other=other, both_ways=both_ways))

        async def heal(_: None) -> None:
            await self.ask(Heal(one=one, other=other, both_ways=both_ways))

        return self._guarded(Guard(f"partition of {one} and {other}", cut, heal))

    async def close_ports(self, firewall: str, *ports: str) -> None:
        """Have a firewall close just these of its openings from now on, each as ``tcp 8443`` or ``udp 36002-59999``.

        As in a stateful firewall whose rules change: flows that are open stay open.
        """
        closed = await self.ask(ClosePorts(firewall=firewall, ports=ports))
        self.note(closed.text)

    def fault(self, fault: Fault, *, may_stay_idle: bool = False) -> Guard[int]:
        """Keep a fault rule in force for the length of an ``async with`` block, in which it must fire.

        ``may_stay_idle`` is for one that need not. Raises `UnknownName` for a host that the deployment does not have.
        """
        self.expectations.vocabulary.fault(fault)
        journal = self.expectations.journal
        return self._guarded(
            FaultGuard(fault, lambda: self.put(fault), self.lift, journal, may_stay_idle=may_stay_idle)
        )

    async def put(self, fault: Fault) -> int:
        """Put a fault rule in force until `lift`; return its number."""
        return (await self.ask(command_of(fault, self._world.now()))).number

    async def lift(self, number: int) -> None:
        """Lift a fault rule; no error if its budget is spent."""
        await self.ask(RemoveFault(number=number, may_be_gone=True))

    def dns_failure(
        self,
        server: str,
        name: str | None = None,
        type: str | None = None,
        *,
        rcode: Rcode | None = "SERVFAIL",
        times: int | None = None,
    ) -> Guard[int]:
        """Make a name server fail for the length of an ``async with`` block: for queries for ``name``
        (``*.example.com``: all below; None: all) of ``type`` (``SRV``; None: all), at most ``times``. With ``rcode``
        None it does not answer.

        Raises `UnknownName` for a host that the deployment does not have, `CannotRun` for any but a name server.
        """
        self.expectations.vocabulary.host(server, "lab.dns_failure")
        if self.deployment.host(server).kind != "dns":
            raise CannotRun(f"{server} is not a name server")
        wanted = FailDns(host=server, question=name, type=type, rcode=rcode, times=times)

        async def fail() -> int:
            return (await self.ask(wanted)).number

        async def lift(number: int) -> None:
            await self.ask(LiftDnsFailure(host=server, number=number))

        what = f"{rcode or 'silence'} of {server} for {name or 'any name'} {type or ''}".rstrip()
        return self._guarded(Guard(what, fail, lift))

    def _guarded(self, guard: G) -> G:
        self._guards.append(guard)
        return guard

    def never_entered(self) -> list[str]:
        """Return the faults and partitions that were made and never entered, one line each."""
        return [f"{each.words} was never entered: async with lab..." for each in self._guards if not each.entered]

    # ---- certificates and services of running hosts

    async def request(self, name: str, service: str | None = None) -> RequestMade:
        """Make a signing request on a host for a service (default: its first), with the names that it knows now.

        The request's ``pem`` goes to a CA, `sign`.
        """
        return await self.ask(MakeRequest(host=name, service=service))

    async def sign(
        self, csr: str, *, by: str = "enterprise", strip: Sequence[Literal["client auth", "server auth"]] = ()
    ) -> str:
        """Sign a request in PEM as one of the lab's authorities, which drops the usages in ``strip``.

        Returns the certificate in PEM.
        """
        return (await self.ask(SignRequest(pem=csr, by=by, strip=tuple(strip)))).text

    async def upload_trust(self, name: str, store: str, ca: str | None = None, *, pem: str | None = None) -> None:
        """Append a CA to a host's trust store: by its name, or in PEM. It counts after a restart."""
        await self.ask(UploadTrust(host=name, store=store, ca=ca, pem=pem))

    async def upload_certificate(
        self, name: str, pem: str | None = None, service: str | None = None, *, copied: bool = False
    ) -> bool:
        """Upload a service's certificate (of the first service) and say whether the host takes it.

        The journal's `CertificateUpload` has the reason of a refusal. ``copied`` is "Upload server certificate file as
        client certificate". What was taken is shown after a restart.
        """
        return (await self.ask(UploadCertificate(host=name, pem=pem, service=service, copied=copied))).accepted

    async def restart_service(self, name: str, service: str) -> None:
        """Restart one service of Unified CM (``Cisco Tomcat``, ``Cisco CallManager``, ``Cisco TFTP``,
        ``Cisco HAProxy``) or of IM and Presence (``Cisco Tomcat``, ``Cisco XCP Router``); ``Cisco`` may be left out.
        """
        await self.ask(RestartService(host=name, service=service))

    async def configure_web_proxy(self, name: str, guest_account_client_uri: str) -> bool:
        """Configure the Web Proxy for Meeting Server on a running Expressway-E; say whether it gets its domain."""
        configured = ConfigureWebProxy(host=name, guest_account_client_uri=guest_account_client_uri)
        return (await self.ask(configured)).gets_domain
