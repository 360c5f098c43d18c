"""Verbs on the lifecycle of hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgesim.control.carrier import ControlError
from edgesim.control.command import WAITS, Done, LabCommand, Site, verb
from edgesim.control.verbs.links import Links, again
from edgesim.world import Host, HostState

__all__ = ["Crash", "Freeze", "PowerOff", "RestartHost", "SkewClock", "StartHost", "StopHost", "Thaw"]

MOST_SKEW = 1e9
"""Seconds, some thirty years: no clock of a lab leaves what a date can say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnHost(LabCommand[Done]):
    host: str

    def _host(self, site: Site, *, up: bool | None = None) -> Host:
        """Return the host, which must be up, or down. Raises `ControlError` where it is otherwise."""
        host = site.node(self.host).host
        if up is not None and (host.state is HostState.UP) is not up:
            raise ControlError(f"{self.host} is {host.state.value}")
        return host

    def _now(self, site: Site) -> Done:
        return Done(text=f"{self.host} is {self._host(site).state.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waits(_OnHost):
    @property
    def limit_s(self) -> float | None:
        return WAITS


@verb("start")
class StartHost(_Waits):
    """Start a host that is down."""

    async def work(self, site: Site) -> Done:
        self._host(site, up=False)
        try:
            await site.lab.start_host(self.host)
        except OSError as error:
            raise ControlError(f"{self.host} did not start: {error}") from None
        now, fqdn = self._now(site), site.node(self.host).fqdn
        later = [
            f"{each.host} tries its {each.what}{again(each.again_s).removeprefix('; tried')}"
            for each in (await site.ask(Links())).links
            if each.again_s is not None and each.peer.lower() in (fqdn.lower(), self.host)
        ]
        if later:
            return Done(text=f"{now.text}; {', '.join(later)} (now: edgesim control retry)")
        return now


@verb("stop")
class StopHost(_Waits):
    """Stop a host gracefully."""

    async def work(self, site: Site) -> Done:
        self._host(site, up=True)
        await site.lab.stop_host(self.host)
        return self._now(site)


@verb("restart")
class RestartHost(_Waits):
    """Stop a host gracefully and start it again."""

    async def work(self, site: Site) -> Done:
        self._host(site)
        try:
            await site.lab.restart(self.host)
        except OSError as error:
            raise ControlError(f"{self.host} did not start again: {error}") from None
        return self._now(site)


@verb("crash")
class Crash(_Waits):
    """End a host's processes at once; its peers see resets."""

    async def work(self, site: Site) -> Done:
        self._host(site, up=True)
        await site.lab.crash(self.host)
        return self._now(site)


@verb("power-off")
class PowerOff(_Waits):
    """Cut a host's power; its peers get no answer. Simulated world only."""

    async def work(self, site: Site) -> Done:
        self._host(site, up=True)
        await site.lab.power_off(self.host)
        return self._now(site)


@verb("freeze")
class Freeze(_Waits):
    """Suspend a host. Needs a simulated world, or a live one with a process for each host."""

    async def work(self, site: Site) -> Done:
        self._host(site, up=True)
        await site.lab.freeze(self.host)
        return self._now(site)


@verb("thaw")
class Thaw(_Waits):
    """Let a frozen host go on."""

    async def work(self, site: Site) -> Done:
        self._host(site)
        await site.lab.thaw(self.host)
        return self._now(site)


@verb("skew")
class SkewClock(_OnHost):
    """Put a host's clock ahead of the lab's, or with a negative number behind; 0 sets it right."""

    seconds: Annotated[float, Field(ge=-MOST_SKEW, le=MOST_SKEW, allow_inf_nan=False)]

    async def work(self, site: Site) -> Done:
        self._host(site)
        site.lab.skew(self.host, self.seconds)
        off = f"{abs(self.seconds):g} s {'behind' if self.seconds < 0 else 'ahead'}" if self.seconds else "right"
        return Done(text=f"the clock of {self.host} is {off}")
