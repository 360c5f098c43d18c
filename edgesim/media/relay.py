"""A channel at work: its legs send by sockets, its news go to the journal, its timers run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from edgesim.journal import Recorder
from edgesim.media.channel import Address, Channel, Output, Report, Send, Side

Outlet = Callable[[bytes, Address], None]
"""Sends a media packet to an address, framed if that leg is multiplexed."""


class ChannelRunner:
    """A channel of a running host. ``outlets`` is by which way each side sends."""

    def __init__(self, channel: Channel, recorder: Recorder, outlets: dict[Side, Outlet]) -> None:
        self.channel = channel
        self._recorder = recorder
        self.outlets = outlets
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, side: Side, packet: bytes, source: Address) -> None:
        """Take a media packet that came in by one side."""
        self._do(self.channel.receive(side, packet, source, self._loop.time()))

    def report(self, side: Side, state: str, reason: str = "") -> None:
        """Journal a state of one leg, such as a pinhole that is open, or cannot be opened."""
        self._do([Report(side=side, event=self.channel.legs[side].flow.snapshot(state, reason))])

    def keepalive(self, side: Side, source: Address) -> bool:
        """Take a keep-alive, which shows where the peer of one side is; say whether it may be answered."""
        return self.channel.legs[side].accepts(source, self._loop.time())

    def point(self, side: Side, peer: Address) -> None:
        """Say where packets of one side go until its peer has sent one itself."""
        self.channel.legs[side].peer = peer

    def close(self, reason: str = "closed") -> None:
        """End the channel."""
        if self._timer is not None:
            self._timer.cancel()
        self._do(self.channel.close(reason), more=False)

    def _do(self, outputs: Sequence[Output], *, more: bool = True) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self.outlets[output.side](output.packet, output.target)
            else:
                self._recorder.emit(output.event, peer=self.channel.legs[output.side].peer)
        if more and self._timer is None and (due := self.channel.due) is not None:
            self._timer = self._loop.call_at(due, self._poll, due)

    def _poll(self, due: float) -> None:
        self._timer = None
        # A clock that counts nanoseconds may show a moment before the time that a timer was set to.
        self._do(self.channel.poll(max(due, self._loop.time())))
