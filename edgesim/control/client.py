"""The client side of the HTTP carrier: a request for each command, on an ordinary event loop."""

from __future__ import annotations

import asyncio
import json
from typing import TypeVar
from urllib.parse import urlsplit

import h11

from edgesim.control.carrier import KINDS, ControlError, LabGone
from edgesim.control.coding import command_to_json, reply_from_json
from edgesim.control.command import Command

R = TypeVar("R")
PATIENCE = 30.0
"""Seconds that a reply may be on its way, besides those that the command's work may wait."""
MOST = 64 * 1024 * 1024


class HttpCarrier:
    """Carries commands to the lab whose control server listens at ``url``."""

    def __init__(self, url: str, token: str, *, patience: float = PATIENCE) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._target = parts.path or "/"
        self._token = token
        self._patience = patience

    async def ask(self, command: Command[R]) -> R:
        """Do what the command says and return its reply. Raises `ControlError`; `LabGone` where no lab answers."""
        patience = self._patience + (command.limit_s or 0.0)
        try:
            async with asyncio.timeout(patience):
                status, body = await self._exchange(command_to_json(command))
        except TimeoutError:
            raise LabGone(f"the lab did not answer within {patience:g} s") from None
        except OSError as error:
            raise LabGone(f"no lab answers at {self._address[0]}:{self._address[1]}: {error}") from None
        except h11.RemoteProtocolError as error:
            raise LabGone(f"what answers at {self._address[0]}:{self._address[1]} is not a lab: {error}") from None
        if status != 200:
            raise _error(status, body)
        return reply_from_json(command, body)

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            connection = h11.Connection(h11.CLIENT)
            head = h11.Request(
                method="POST",
                target=self._target,
                headers=[
                    ("Host", f"{self._address[0]}:{self._address[1]}"),
                    ("Authorization", f"Bearer {self._token}"),
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body))),
                    ("Connection", "close"),
                ],
            )
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await self._answer(connection, reader)
        finally:
            writer.close()

    async def _answer(self, connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        status, parts, size = 0, [], 0
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
                size += len(event.data)
                if size > MOST:
                    raise ControlError("the lab's answer is too long")
            elif isinstance(event, h11.EndOfMessage):
                return status, b"".join(parts)


def _error(status: int, body: bytes) -> ControlError:
    try:
        told = json.loads(body)
        return KINDS.get(told.get("kind"), ControlError)(str(told["error"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ControlError(f"the lab answered {status}")
