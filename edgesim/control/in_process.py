"""The command set over a lab in the same process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from edgesim.control import commands, faults
from edgesim.control.carrier import ControlError
from edgesim.control.commands import Command
from edgesim.deployment import as_yaml
from edgesim.journal.codec import encode
from edgesim.lab import RunningLab
from edgesim.lab.administration import NotRunning
from edgesim.lab.requests import RequestRefused
from edgesim.pki import PkiError
from edgesim.world import Host, HostState, UnsupportedError

R = TypeVar("R")
DOWN = "is down"
REPLY = 1024 * 1024
"""Octets of a reply with entries of the journal; whoever wants more asks again."""
LAST_ERRORS = 5
"""How many of the last errors a status tells."""


def _again(seconds: float | None) -> str:
    return "" if seconds is None else f"; tried again in {seconds:.0f} s"


def _words(link: commands.LinkRow) -> str:
    """A link that does not stand, in a line."""
    why = f" ({link.reason})" if link.reason and link.reason not in link.state else ""
    return f"{link.host}: {link.what} to {link.peer}: {link.state}{why}{_again(link.again_s)}"


class InProcess:
    """Carries commands to a lab by calling it."""

    def __init__(self, lab: RunningLab) -> None:
        self.lab = lab
        self.world = lab.world

    async def ask(self, command: Command[R]) -> R:
        """Do what the command says and return its reply. Raises `ControlError`."""
        work = _WORK.get(type(command))
        if work is None:
            raise ControlError(f"{type(command).__name__} is no command of a lab")
        try:
            return cast(R, await work(self, command))
        except UnsupportedError as error:
            raise ControlError(str(error)) from None

    # ---- looking

    async def _status(self, _: commands.Status) -> commands.LabStatus:
        hosts = list(self.world.hosts.values())
        problems = [f"{host.name} is {host.state.value}" for host in hosts if host.state is not HostState.UP]
        problems += [
            f"{zone.host}: zone {zone.zone}: {zone.state}{f' ({zone.reason})' if zone.reason else ''}"
            for zone in self._zone_rows()
            if "Active" not in zone.state
        ]
        problems += [
            _words(each) for each in self._link_rows() if not each.stands and not each.what.startswith("zone ")
        ]
        if self.lab.journal.problem is not None:
            problems.append(self.lab.journal.problem)
        doors, errors = self.world.admission, self.world.unhandled
        if errors:
            several = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
            problems.append(f"{several} that nobody handled, the last: {list(errors)[-1]}")
        return commands.LabStatus(
            deployment=self.lab.deployment.name,
            world=self.world.kind,
            seconds=round(self.world.now() / 1e9, 3),
            entries=len(self.lab.journal),
            hosts_up=sum(host.state is HostState.UP for host in hosts),
            hosts=len(hosts),
            problems=tuple(problems),
            connections=doors.connections(),
            refused=sum(doors.refused.values()),
            blocked=len(doors.blocks()),
            errors=len(errors),
            last_errors=tuple(str(each) for each in errors)[-LAST_ERRORS:],
        )

    async def _hosts(self, _: commands.Hosts) -> commands.HostTable:
        return commands.HostTable(
            hosts=tuple(
                commands.HostRow(
                    name=spec.name,
                    kind=spec.kind,
                    fqdn=spec.fqdn,
                    addresses=tuple((each.address, each.zone) for each in spec.interfaces),
                    state=self.world.hosts[spec.name].state.value,
                    incarnation=self.world.hosts[spec.name].incarnation,
                )
                for spec in self.lab.deployment.host_specs()
            )
        )

    async def _netstat(self, command: commands.Netstat) -> commands.Sockets:
        if command.host is not None:
            self._host(command.host)
        return commands.Sockets(rows=tuple(self.world.sockets(command.host)))

    async def _blocked(self, _: commands.Blocked) -> commands.BlockTable:
        now = self.world.now()
        return commands.BlockTable(
            rows=tuple(
                commands.BlockRow(
                    host=each.host,
                    address=each.address,
                    reason=each.reason,
                    seconds=round((each.until_ns - now) / 1e9, 3),
                    dropped=each.dropped,
                    ports=() if each.ports is None else tuple(sorted(each.ports)),
                )
                for each in self.world.admission.blocks()
            )
        )

    async def _unblock(self, command: commands.Unblock) -> commands.Done:
        if command.host is not None:
            self._host(command.host)
        if not self.world.admission.unblock(command.host, command.address):
            by = f" by {command.host}" if command.host is not None else ""
            raise ControlError(f"{command.address} is not blocked{by}")
        return commands.Done(text=f"{command.address} is no longer blocked")

    async def _zones(self, _: commands.Zones) -> commands.ZoneTable:
        return commands.ZoneTable(zones=tuple(self._zone_rows()))

    async def _links(self, _: commands.Links) -> commands.LinkTable:
        return commands.LinkTable(links=tuple(self._link_rows()))

    def _link_rows(self) -> list[commands.LinkRow]:
        return [
            commands.LinkRow(
                host=host,
                what=link.what,
                peer=link.peer,
                state=link.state,
                stands=link.stands,
                reason=link.reason,
                again_s=None if link.again_s is None else round(link.again_s, 1),
            )
            for host, link in self.lab.links()
        ]

    async def _retry(self, command: commands.Retry) -> commands.Done:
        if command.host is not None:
            self._host(command.host)
        try:
            waited = self.lab.retry_links(command.host)
        except LookupError as error:
            raise ControlError(str(error)) from None
        if not waited:
            return commands.Done(text="no link waits for its next attempt")
        return commands.Done(text="1 link is tried now" if waited == 1 else f"{waited} links are tried now")

    def _zone_rows(self) -> list[commands.ZoneRow]:
        again = {
            (host, link.what.removeprefix("zone ")): link.again_s
            for host, link in self.lab.links()
            if link.again_s is not None
        }
        return [
            commands.ZoneRow(
                host=host,
                zone=zone,
                state=state,
                reason=f"{'' if reason in state else reason}{_again(again.get((host, zone)))}".removeprefix("; "),
            )
            if self.world.hosts[host].state is HostState.UP
            else commands.ZoneRow(host=host, zone=zone, state="unknown", reason=f"{host} {DOWN}")
            for host, zone, state, reason in self.lab.zones()
        ]

    async def _tail(self, command: commands.Tail) -> commands.Lines:
        journal = self.lab.journal
        end = len(journal)
        start = max(end - command.limit, 0) if command.after is None else min(command.after, end)
        start = max(start, journal.first)
        lines: list[str] = []
        octets = 0
        for entry in journal.entries(start)[: command.limit]:
            line = encode(entry).decode("ascii").rstrip("\n")
            octets += len(line)
            if lines and octets > REPLY:
                break
            lines.append(line)
        return commands.Lines(lines=tuple(lines), next=start + len(lines), first=start)

    async def _describe(self, _: commands.Describe) -> commands.Text:
        return commands.Text(text=as_yaml(self.lab.deployment, reveal=True))

    # ---- acting

    def _host(self, name: str) -> Host:
        try:
            return self.lab.node(name).host
        except LookupError as error:
            raise ControlError(str(error)) from None

    def _state(self, name: str, *, up: bool) -> Host:
        """Return a host that is up, or one that is down. Raises `ControlError` where it is otherwise."""
        host = self._host(name)
        if (host.state is HostState.UP) is not up:
            raise ControlError(f"{name} is {host.state.value}")
        return host

    async def _start(self, command: commands.StartHost) -> commands.Done:
        self._state(command.host, up=False)
        try:
            await self.lab.start_host(command.host)
        except OSError as error:
            raise ControlError(f"{command.host} did not start: {error}") from None
        now, fqdn = self._now(command.host), self.lab.node(command.host).fqdn
        later = [
            f"{each.host} tries its {each.what}{_again(each.again_s).removeprefix('; tried')}"
            for each in self._link_rows()
            if each.again_s is not None and each.peer.lower() in (fqdn.lower(), command.host)
        ]
        if later:
            return commands.Done(text=f"{now.text}; {', '.join(later)} (now: edgesim control retry)")
        return now

    async def _stop(self, command: commands.StopHost) -> commands.Done:
        self._state(command.host, up=True)
        await self.world.stop(command.host)
        return self._now(command.host)

    async def _restart(self, command: commands.RestartHost) -> commands.Done:
        self._host(command.host)
        try:
            await self.lab.restart(command.host)
        except OSError as error:
            raise ControlError(f"{command.host} did not start again: {error}") from None
        return self._now(command.host)

    async def _restart_service(self, command: commands.RestartService) -> commands.Done:
        try:
            service = await self.lab.restart_service(command.host, command.service)
        except (LookupError, NotRunning) as error:
            raise ControlError(str(error)) from None
        except OSError as error:
            raise ControlError(f"{command.service} of {command.host} did not start again: {error}") from None
        return commands.Done(text=f"{service} of {command.host} was restarted")

    async def _request(self, command: commands.MakeRequest) -> commands.RequestMade:
        try:
            made = self.lab.request(command.host, command.service)
        except (LookupError, NotRunning, RequestRefused) as error:
            raise ControlError(str(error)) from None
        names = tuple((each.name, each.reason) for each in made.names)
        return commands.RequestMade(host=made.host, service=made.service, pem=made.pem.decode("ascii"), names=names)

    async def _sign(self, command: commands.SignRequest) -> commands.Text:
        try:
            signed = self.lab.sign(command.pem.encode(), by=command.by, strip=command.strip)
        except (LookupError, PkiError) as error:
            raise ControlError(str(error)) from None
        return commands.Text(text=signed.decode("ascii"))

    async def _upload_certificate(self, command: commands.UploadCertificate) -> commands.Uploaded:
        if (command.pem is None) is not command.copied:
            raise ControlError("either a certificate in PEM, or copied: the server certificate as client certificate")
        pem = command.pem.encode() if command.pem is not None else None
        try:
            reasons = self.lab.upload_certificate(command.host, pem, command.service, copied=command.copied)
        except (LookupError, NotRunning, PkiError) as error:
            raise ControlError(str(error)) from None
        return commands.Uploaded(accepted=not reasons, reasons=reasons)

    async def _upload_trust(self, command: commands.UploadTrust) -> commands.Uploaded:
        if (command.ca is None) is (command.pem is None):
            raise ControlError("either one of the lab's CAs by its name, or PEM")
        what: str | bytes = command.ca if command.ca is not None else (command.pem or "").encode()
        try:
            self.lab.upload_trust(command.host, command.store, what)
        except (LookupError, NotRunning, PkiError) as error:
            raise ControlError(str(error)) from None
        return commands.Uploaded(accepted=True, reasons=())

    async def _crash(self, command: commands.Crash) -> commands.Done:
        self._state(command.host, up=True)
        await self.lab.crash(command.host)
        return self._now(command.host)

    async def _power_off(self, command: commands.PowerOff) -> commands.Done:
        self._state(command.host, up=True)
        await self.lab.power_off(command.host)
        return self._now(command.host)

    async def _freeze(self, command: commands.Freeze) -> commands.Done:
        self._state(command.host, up=True)
        await self.lab.freeze(command.host)
        return self._now(command.host)

    async def _thaw(self, command: commands.Thaw) -> commands.Done:
        self._host(command.host)
        await self.lab.thaw(command.host)
        return self._now(command.host)

    def _now(self, name: str) -> commands.Done:
        host = self._host(name)
        return commands.Done(text=f"{name} is {host.state.value}")

    async def _skew(self, command: commands.SkewClock) -> commands.Done:
        self._host(command.host)
        self.lab.skew(command.host, command.seconds)
        off = (
            f"{abs(command.seconds):g} s {'behind' if command.seconds < 0 else 'ahead'}" if command.seconds else "right"
        )
        return commands.Done(text=f"the clock of {command.host} is {off}")

    async def _partition(self, command: commands.Partition) -> commands.Done:
        one, other = self._pair(command.one, command.other)
        self.world.paths.partition(one, other, both_ways=command.both_ways)
        between = f"between {one} and {other}" if command.both_ways else f"from {one} to {other}"
        return commands.Done(text=f"nothing gets through {between}")

    async def _heal(self, command: commands.Heal) -> commands.Done:
        one, other = self._pair(command.one, command.other)
        self.world.paths.heal(one, other, both_ways=command.both_ways)
        cut = self.world.paths.cut(one, other) or self.world.paths.cut(other, one)
        still = "is still cut: it was cut more than once" if cut else "is open"
        return commands.Done(text=f"the way between {one} and {other} {still}")

    def _pair(self, one: str, other: str) -> tuple[str, str]:
        if one == other:
            raise ControlError(f"{one} cannot be cut off from itself")
        return self._host(one).name, self._host(other).name

    async def _add_fault(self, command: commands.AddFault) -> commands.FaultAdded:
        for name in (command.source, command.target):
            if name is not None:
                self._host(name)
        return commands.FaultAdded(number=self.world.faults.add(faults.fault(command, self.world)))

    async def _remove_fault(self, command: commands.RemoveFault) -> commands.Done:
        rules = dict(self.world.faults.rules())
        if command.number is None:
            self.world.faults.clear()
            return commands.Done(text=f"{len(rules)} lifted")
        if command.number not in rules:
            there = ", ".join(map(str, rules)) or "none"
            raise ControlError(f"no fault {command.number} is in force; there is {there}")
        self.world.faults.remove(command.number)
        return commands.Done(text=f"fault {command.number} is lifted")

    async def _faults(self, _: commands.Faults) -> commands.FaultTable:
        rules = self.world.faults.rules()
        return commands.FaultTable(faults=tuple(faults.row(number, rule, self.world) for number, rule in rules))


_WORK: dict[type[Command[Any]], Callable[[InProcess, Any], Awaitable[Any]]] = {
    commands.Status: InProcess._status,
    commands.Hosts: InProcess._hosts,
    commands.Netstat: InProcess._netstat,
    commands.Zones: InProcess._zones,
    commands.Blocked: InProcess._blocked,
    commands.Unblock: InProcess._unblock,
    commands.Tail: InProcess._tail,
    commands.Describe: InProcess._describe,
    commands.StartHost: InProcess._start,
    commands.StopHost: InProcess._stop,
    commands.RestartHost: InProcess._restart,
    commands.RestartService: InProcess._restart_service,
    commands.Links: InProcess._links,
    commands.Retry: InProcess._retry,
    commands.MakeRequest: InProcess._request,
    commands.SignRequest: InProcess._sign,
    commands.UploadCertificate: InProcess._upload_certificate,
    commands.UploadTrust: InProcess._upload_trust,
    commands.Crash: InProcess._crash,
    commands.PowerOff: InProcess._power_off,
    commands.Freeze: InProcess._freeze,
    commands.Thaw: InProcess._thaw,
    commands.SkewClock: InProcess._skew,
    commands.Partition: InProcess._partition,
    commands.Heal: InProcess._heal,
    commands.AddFault: InProcess._add_fault,
    commands.RemoveFault: InProcess._remove_fault,
    commands.Faults: InProcess._faults,
}
