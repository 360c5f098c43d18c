"""Runs a channel: sends by sockets, writes the journal, keeps the timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from edgesim.journal import Recorder
from edgesim.media.channel import Address, Channel, Output, Report, Send, Side

Outlet = Callable[[bytes, Address], None]
"""Sends a media packet to an address, framed if its leg is multiplexed."""


class ChannelRunner:
    """A channel of a running host. ``outlets`` is the sender of each side."""

    def __init__(self, channel: Channel, recorder: Recorder, outlets: dict[Side, Outlet]) -> None:
        self.channel = channel
        self._recorder = recorder
        self.outlets = outlets
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, side: Side, packet: bytes, source: Address) -> None:
        """Handle a media packet received on one side."""
        self._do(self.channel.receive(side, packet, source, self._loop.time()))

    def report(self, side: Side, state: str, reason: str = "") -> None:
        """Journal a state of one leg, such as a pinhole that opened or could not be opened."""
        self._do([Report(side=side, event=self.channel.legs[side].flow.snapshot(state, reason))])

    def keepalive(self, side: Side, source: Address) -> bool:
        """Handle a keep-alive, which shows the peer's address of one side; return whether to answer it."""
        return self.channel.legs[side].accepts(source, self._loop.time())

    def point(self, side: Side, peer: Address) -> None:
        """Set the destination of one side until its peer has sent a packet."""
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
        # A nanosecond clock may read slightly before the time that a timer was set for.
        self._do(self.channel.poll(max(due, self._loop.time())))
