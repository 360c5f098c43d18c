"""The services that a sign-in missed, and when their stages are repeated.

Phone and chat are independent services, and a user who has one of them is signed in. The failed stage of the other is
repeated, with its successors, until it succeeds, the user signs out, or the credentials are refused. No public document
says when Jabber does so: `ClientDefaults.service_retry_s` and `service_retry_most_s`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from edgesim.clients.common.reactions import Unregistered
from edgesim.clients.common.stages import Result, StageFailed
from edgesim.clients.jabber.stages import Stage
from edgesim.node import Node

FOLLOWS: Mapping[Stage, Stage | None] = {
    Stage.DEVICES: None,
    Stage.SERVICE_PROFILE: None,
    Stage.JABBER_CONFIG: None,
    Stage.DEVICE_FILE: Stage.DEVICES,
    Stage.PHONE: Stage.DEVICE_FILE,
    Stage.CHAT_LOGIN: Stage.SERVICE_PROFILE,
    Stage.CHAT: Stage.CHAT_LOGIN,
}
"""The stages that can fail while the sign-in continues, in order, each with the stage whose result it uses."""

StageRunner = Callable[[Stage], Awaitable[Result]]
"""Repeats a stage and returns its result. Raises `StageFailed`."""


class MissedServices:
    """The failed stages of a sign-in with their reasons, to be repeated by ``work``."""

    def __init__(self, node: Node, failed: Mapping[Stage, StageFailed], work: StageRunner) -> None:
        self.node = node
        self.open = {stage: error for stage, error in failed.items() if stage in FOLLOWS and self._repeated(error)}
        self._work = work

    @staticmethod
    def _repeated(error: StageFailed) -> bool:
        """Return whether a stage is repeated here; a phone without registrar retries by itself."""
        return not error.refused and not isinstance(error, Unregistered)

    async def run(self) -> None:
        """Repeat the missed stages until none is left, doubling the wait each time up to a limit."""
        client = self.node.defaults.client
        wait = client.service_retry_s
        while self.open:
            await asyncio.sleep(wait)
            wait = min(2 * wait, client.service_retry_most_s)
            await self._round()

    async def _round(self) -> None:
        due: dict[Stage, None] = {}
        for stage, after in FOLLOWS.items():
            if stage not in self.open and after not in due:
                continue
            self.open.pop(stage, None)
            try:
                result = await self._work(stage)
            except StageFailed as error:
                if self._repeated(error):
                    self.open[stage] = error
            else:
                if result is Result.OK:
                    due[stage] = None
