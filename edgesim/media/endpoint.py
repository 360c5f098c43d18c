"""An endpoint of media: a UDP port that sends packets and queues those received."""

from __future__ import annotations

import asyncio
from collections import deque

from edgesim.journal import Recorder
from edgesim.media.flow import Flow, FlowTimes
from edgesim.media.ports import Address, MediaPort

KEPT = 64
"""How many packets may be queued; the oldest is dropped first."""


class MediaEndpoint:
    """One port of an endpoint. With ``echo`` it returns each packet to its source.

    Open it in the context of its host: ``await host.run(MediaEndpoint.open(...))``.
    """

    def __init__(self, recorder: Recorder, channel: str, *, times: FlowTimes, echo: bool = False) -> None:
        self.flow = Flow(channel, "endpoint", times)
        self._recorder = recorder
        self._echo = echo
        self._packets: deque[tuple[bytes, Address]] = deque(maxlen=KEPT)
        self._arrived = asyncio.Event()
        self._peer: Address | None = None
        self._port: MediaPort | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        recorder: Recorder,
        channel: str,
        address: str,
        port: int = 0,
        *,
        echo: bool = False,
        times: FlowTimes,
    ) -> MediaEndpoint:
        """Bind a port of the running host, any free one if ``port`` is 0. Raises `OSError`."""
        made = cls(recorder, channel, echo=echo, times=times)
        made._port = await MediaPort.open(address, port, made._receive)
        return made

    @property
    def local(self) -> Address:
        """The bound address and port."""
        assert self._port is not None
        return self._port.local

    def send(self, packet: bytes, target: Address) -> None:
        """Send a packet; delivery is not guaranteed."""
        assert self._port is not None
        self.flow.sent(len(packet))
        self._port.send(packet, target)

    async def receive(self) -> tuple[bytes, Address]:
        """Return the next packet and its source; wait indefinitely for one."""
        while not self._packets:
            self._arrived.clear()
            await self._arrived.wait()
        return self._packets.popleft()

    def close(self) -> None:
        """Release the port."""
        if self._timer is not None:
            self._timer.cancel()
        if (event := self.flow.close("closed")) is not None:
            self._recorder.emit(event, peer=self._peer)
        if self._port is not None:
            self._port.close()

    def _receive(self, packet: bytes, source: Address) -> None:
        self._peer = source
        if (event := self.flow.received(len(packet), self._loop.time())) is not None:
            self._recorder.emit(event, peer=source)
        self._arm()
        if self._echo:
            self.send(packet, source)
        else:
            self._packets.append((packet, source))
            self._arrived.set()

    def _arm(self) -> None:
        if self._timer is None and (due := self.flow.due) is not None:
            self._timer = self._loop.call_at(due, self._poll, due)

    def _poll(self, due: float) -> None:
        self._timer = None
        # A nanosecond clock may read slightly before the time that a timer was set for.
        if (event := self.flow.poll(max(due, self._loop.time()))) is not None:
            self._recorder.emit(event, peer=self._peer)
        self._arm()
