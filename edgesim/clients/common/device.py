"""A phone or room device on the internet: finds the edge, verifies it, signs in, fetches its file and registers.

The families define what differs: trust, wire format, messages on failure, and retries. Devices never ask the user about
a certificate: a device that does not accept that of Expressway-E aborts the handshake and sends no request.

Sources: "Collaboration Edge TC-based Endpoints Configuration Example" (Cisco 211304); "MRA Deployment Guide X15.0, MRA
Requirements and Prerequisites".
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from edgesim.clients.common.device_access import DeviceAccess
from edgesim.clients.common.discovery import discover
from edgesim.clients.common.edge import EdgeSignIn, fetch_file, keep_signed_in
from edgesim.clients.common.habits import Habits, RegistrationPath
from edgesim.clients.common.line import Line
from edgesim.clients.common.register import Registrant
from edgesim.clients.common.stages import Result, StageFailed, next_stage
from edgesim.deployment.people import Device, User
from edgesim.deployment.releases import Release
from edgesim.edge import config_files, edge_config
from edgesim.edge.config_files import DeviceConfig
from edgesim.journal import events
from edgesim.journal.keys import Key, device_key, user_key
from edgesim.node import Node
from edgesim.world.api import Incarnation

_MAC = re.compile("SEP([0-9A-F]{12})")
Step = tuple[Result, str]


class DeviceStage(Enum):
    """The stages of a device's registration over MRA."""

    OFF = "off"
    START = "start"
    DISCOVERY = "service discovery"
    EDGE_CONFIGURATION = "edge configuration"
    DEVICE_FILE = "device configuration"
    PHONE = "phone registration"
    REGISTERED = "registered"
    WAITING = "waiting to try again"
    NO_MRA = "no MRA"


TRANSITIONS: dict[tuple[DeviceStage, Result], DeviceStage] = {
    (DeviceStage.START, Result.OK): DeviceStage.DISCOVERY,
    (DeviceStage.START, Result.NONE): DeviceStage.NO_MRA,
    (DeviceStage.DISCOVERY, Result.OUTSIDE): DeviceStage.EDGE_CONFIGURATION,
    (DeviceStage.DISCOVERY, Result.FAILED): DeviceStage.WAITING,
    (DeviceStage.EDGE_CONFIGURATION, Result.OK): DeviceStage.DEVICE_FILE,
    (DeviceStage.EDGE_CONFIGURATION, Result.FAILED): DeviceStage.WAITING,
    (DeviceStage.DEVICE_FILE, Result.OK): DeviceStage.PHONE,
    (DeviceStage.DEVICE_FILE, Result.FAILED): DeviceStage.WAITING,
    (DeviceStage.PHONE, Result.OK): DeviceStage.REGISTERED,
    (DeviceStage.PHONE, Result.FAILED): DeviceStage.WAITING,
}
"""Every legal transition of one attempt. A waiting device starts over."""
FINAL = (DeviceStage.REGISTERED, DeviceStage.WAITING, DeviceStage.NO_MRA)


GONE = "the device went down, or was closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The result of one attempt; ``stage`` and ``reason`` say where and why it failed."""

    registered: bool
    stage: DeviceStage
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the device has phone service."""
        return self.registered


class EdgeDevice(ABC):
    """A device from Unified CM's database outside, and the user who signed in on it.

    ``sign_in`` starts it and returns the result of the first attempt. A device never gives up: it retries by itself
    until `close`.
    """

    store: ClassVar[str]
    """The trust store for verifying Expressway-E."""

    def __init__(self, node: Node, device: Device, user: User, *, domain: str | None = None) -> None:
        self.node = node
        self.device = device
        self.user = user
        self.domain = domain or node.deployment.domains.edge
        self.stage = DeviceStage.OFF
        self.attempts = 0
        self.trust = node.trusts[self.store]
        self.line: Line | None = None
        self._password = user.password
        self._access: DeviceAccess | None = None
        self._edge: EdgeSignIn | None = None
        self._config: DeviceConfig | None = None
        self._targets: tuple[tuple[str, int], ...] = ()
        self._reason = ""
        self._failed_in = DeviceStage.OFF
        self._lost = asyncio.Event()
        self._life: Incarnation | None = None
        self._running: asyncio.Task[None] | None = None
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The device's name, ``SEP`` and its MAC address."""
        return self.device.name

    @property
    def release(self) -> Release:
        """The software release."""
        return self.device.made.release(self.device.firmware)

    @property
    def keys(self) -> tuple[Key, ...]:
        """The correlation keys of this device's entries."""
        return (user_key(self.user.id), device_key(self.name))

    @property
    def registered(self) -> bool:
        """Whether the device is registered."""
        return self.line is not None and self.line.registered

    # ---- defined by the family

    @property
    @abstractmethod
    def retry_s(self) -> float:
        """Seconds from a failed attempt to the next."""

    @property
    @abstractmethod
    def http_agent(self) -> str:
        """The User-Agent over HTTPS."""

    @abstractmethod
    def _registrant(self, path: RegistrationPath, config: DeviceConfig) -> Registrant:
        """Return the registrant for a path."""

    @abstractmethod
    def _group(self, paths: list[list[RegistrationPath]]) -> tuple[RegistrationPath, ...]:
        """Return the paths to use, in order, from those to each node through each Expressway-E."""

    def _ready(self) -> str | None:
        """Return why the device does not even look for the edge; None if it does."""
        return self.device.unfit if self.node.defaults.client.unfit_device == "no MRA" else None

    def _usable(self, edge: edge_config.EdgeConfig) -> None:
        """Raise `StageFailed` if an edge configuration is insufficient for this family; by default any is enough."""
        return

    def _heard(self, result: Result, detail: str) -> None:
        """Handle an event of the line after the first registration."""
        self._report(DeviceStage.PHONE, result, detail)

    # ---- signing in

    async def sign_in(self, password: str | None = None) -> Attempt:
        """Sign in with name and password (by default the user's own) and retry until it works.

        Returns the result of the first attempt; never raises for network failures.
        """
        if self._running is not None and not self._running.done():
            raise RuntimeError(f"{self.name} is signing in, or signed in, already")
        if self._is_gone:
            self._forget()
        self._life = self.node.host.life
        self._password = self.user.password if password is None else password
        first: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()
        self._running = self.node.host.spawn(self._run(first), name=f"sign-in of {self.name}")
        self._running.add_done_callback(lambda _: self._answer(first, GONE))
        return await first

    def _answer(self, first: asyncio.Future[Attempt], reason: str) -> None:
        """Return the result of the first attempt to the caller."""
        if not first.done():
            stage = self.stage if self.registered else self._failed_in
            first.set_result(Attempt(registered=self.registered, stage=stage, reason=reason))

    async def _run(self, first: asyncio.Future[Attempt]) -> None:
        while True:
            await self._try()
            self._answer(first, self._reason)
            if self.stage is DeviceStage.NO_MRA:
                return
            if self.stage is DeviceStage.REGISTERED:
                await self._lost.wait()
            else:
                await asyncio.sleep(self.retry_s)

    async def _try(self) -> None:
        """Run one attempt: the stages of `TRANSITIONS`, until a final one."""
        await self._let_go()
        self.attempts += 1
        self._reason = ""
        self._failed_in = self.stage = DeviceStage.START
        self._access = DeviceAccess(self.node, self.user.id, self._password, self.keys, self)
        self._edge = EdgeSignIn(self._access, self.domain, f"{edge_config.RESOURCE}/")
        while self.stage not in FINAL:
            stage = self._failed_in = self.stage
            try:
                result, detail = await self._work[stage](self)
            except StageFailed as error:
                result, detail = Result.FAILED, str(error)
            if result not in (Result.OK, Result.OUTSIDE):
                self._reason = detail
            if stage is not DeviceStage.START or result is not Result.OK:
                self._report(stage, result, detail)
            self.stage = next_stage(TRANSITIONS, stage, result)
        if self.stage is DeviceStage.WAITING:
            self._report(self.stage, Result.OK, self._retrying)
        if self.stage is DeviceStage.REGISTERED:
            self._upkeep = self.node.host.spawn(
                keep_signed_in(self.node, self._edge.cookie_expires, self._edge.renew, self._renewed),
                name="edge: keep signed in",
            )

    @property
    def _retrying(self) -> str:
        """Return the text logged before a retry."""
        return f"for {self.retry_s:g} s"

    def _report(self, stage: DeviceStage, result: Result, detail: str) -> None:
        event = events.ClientState(user=self.user.id, stage=stage.value, outcome=result.value, detail=detail)
        self.node.journal.emit(event, keys=self.keys)

    # ---- the stages

    async def _start(self) -> Step:
        why = self._ready()
        return (Result.OK, "") if why is None else (Result.NONE, why)

    async def _discover(self) -> Step:
        found = await discover(self.node, self.domain, excluded=("CUCM", "CUP"))
        self._targets = found.targets
        return Result.OUTSIDE, ", ".join(f"{host}:{port}" for host, port in found.targets)

    async def _ask_edge(self) -> Step:
        assert self._edge is not None and self._access is not None
        host = await self._edge.begin(self._targets)
        self._access.renew = self._edge.renew
        assert self._edge.config is not None
        self._usable(self._edge.config)
        return Result.OK, f"from {host}"

    async def _fetch(self) -> Step:
        assert self._edge is not None and self._edge.config is not None and self._access is not None
        name = config_files.device_file(self.name)
        response = await fetch_file(self._access, self._edge.config.tftp_addresses, name)
        try:
            config = DeviceConfig.parse(response.body)
        except config_files.ConfigFileError as error:
            raise StageFailed(f"{name} cannot be read: {error}") from error
        if not config.lines:
            raise StageFailed(f"{name} has no line")
        self._config = config
        return Result.OK, name

    async def _register(self) -> Step:
        config, access = self._config, self._access
        assert config is not None and access is not None
        self.line = Line(
            self.node,
            self._paths(),
            lambda path: self._registrant(path, config),
            user=self.user.id,
            password=self._password,
            tls=access.tls,
            habits=self._habits(config),
            report=self._heard,
            provision=self._provision_again,
        )
        await self.line.register()
        path = self.line.path
        assert path is not None
        return Result.OK, f"{self.name} at {path.node} through {path.host}"

    def _habits(self, config: DeviceConfig) -> Habits:
        """Return the registration habits, from the configuration file."""
        client = self.node.defaults.client
        return Habits(
            delta=config.timers.register_delta,
            asked_expires=config.timers.register_expires,
            least_refresh=client.least_refresh_s,
            session=self.session,
            short_refresh=client.short_refresh,
        )

    session: ClassVar[str | None] = None
    """The form of its ``Session-ID``."""

    _work: ClassVar[dict[DeviceStage, Callable[[EdgeDevice], Awaitable[Step]]]] = {
        DeviceStage.START: _start,
        DeviceStage.DISCOVERY: _discover,
        DeviceStage.EDGE_CONFIGURATION: _ask_edge,
        DeviceStage.DEVICE_FILE: _fetch,
        DeviceStage.PHONE: _register,
    }

    def _paths(self) -> tuple[RegistrationPath, ...]:
        """Return the registration paths: always TLS to an Expressway-E."""
        assert self._config is not None and self._edge is not None and self._edge.config is not None
        edge = self._edge.config
        nodes = self._config.call_managers[: self.node.defaults.client.node_limit]
        route = edge.routes[:1]
        return self._group(
            [
                [
                    RegistrationPath(
                        host=one.address,
                        port=one.port,
                        transport="tls",
                        node=node.process_node,
                        routes=route,
                        server_name=self._edge.server_name(one.address),
                    )
                    for one in edge.sip
                ]
                for node in nodes
            ]
        )

    @property
    def instance(self) -> str:
        """The last twelve digits of ``+sip.instance``: the MAC address in its name."""
        found = _MAC.fullmatch(self.name)
        return found[1].lower() if found else hashlib.sha256(self.name.encode()).hexdigest()[:12]

    # ---- staying signed in

    async def _provision_again(self) -> tuple[RegistrationPath, ...]:
        with contextlib.suppress(StageFailed):
            assert self._edge is not None
            await self._edge.renew()
            await self._fetch()
        return self._paths()

    def _renewed(self, problem: str) -> None:
        if problem:
            self._report(DeviceStage.EDGE_CONFIGURATION, Result.FAILED, f"refresh: {problem}")
        else:
            self._report(DeviceStage.EDGE_CONFIGURATION, Result.OK, "refreshed")

    # ---- sign-out and close

    async def sign_out(self) -> None:
        """End the registration and stop trying."""
        await self._stop()
        if self.line is not None and not self._is_gone:
            await self.node.host.run(self.line.unregister(), name=f"sign-out of {self.name}")
        await self.close()

    async def close(self) -> None:
        """Release everything, in any state; not an error if the device was never used or its host is gone."""
        await self._stop()
        if self._is_gone:
            self._forget()
        elif self._life is not None:
            await self.node.host.run(self._let_go(), name=f"close {self.name}")
        self.stage = DeviceStage.OFF

    @property
    def _is_gone(self) -> bool:
        """Whether the host has restarted since the sign-in."""
        return self._life is not None and (self._life.fenced or self._life is not self.node.host.life)

    async def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def _let_go(self) -> None:
        line, access, upkeep = self.line, self._access, self._upkeep
        self._forget()
        if upkeep is not None:
            upkeep.cancel()
        if line is not None:
            await line.close()
        if access is not None:
            await access.close()

    def _forget(self) -> None:
        self.line = self._access = self._upkeep = None
        self._lost.clear()
