"""The server side of the HTTP carrier: ``POST /v1/command`` with a bearer token, on a loopback port.

A page of another site may make a browser send requests here: those that name another host or origin are refused unread.
The server is not a host of the lab: it does not appear in the lab's journal or sockets, and no crash affects it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

from edgesim.control.carrier import Carrier, ControlError
from edgesim.control.coding import command_from_json, reply_to_json
from edgesim.http import Headers, HttpServer, Request, Response
from edgesim.journal import Journal, Recorder
from edgesim.world import Host, Interface, Service, World

PATH = "/v1/command"
ADDRESS = "127.0.0.1"
BEARER = "bearer"


class ControlServer:
    """Serves commands to clients that know ``token``."""

    def __init__(self, world: World, carrier: Carrier, token: str) -> None:
        self.carrier = carrier
        self.port = 0
        self.token = token
        self._token = token.encode()
        self._host = Host(world, "control", (Interface(name="lo", address=ADDRESS, zone="internet"),), _nothing)
        recorder = _Silent(Journal(world), self._host)
        self._http = HttpServer(recorder, self._handle, refusal=_refusal, host=self._host, name="control")
        self._server: asyncio.AbstractServer | None = None

    async def start(self, port: int = 0) -> None:
        """Listen on a port of 127.0.0.1, by default a free one, and set `port`. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._http.protocol, ADDRESS, port)
        self._server = server
        self.port = server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """Where commands go."""
        return f"http://{ADDRESS}:{self.port}{PATH}"

    async def close(self) -> None:
        """Stop listening; a command at work is cancelled."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._http.close()

    async def _handle(self, request: Request) -> Response:
        if (foreign := self._foreign(request)) is not None:
            return _json(403, {"error": f"no request with this {foreign} is answered here"})
        scheme, _, given = (request.headers.get("Authorization") or "").partition(" ")
        right = hmac.compare_digest(given.strip(" ").encode("latin-1", "replace"), self._token)
        if scheme.lower() != BEARER or not right:
            return _json(401, {"error": "the token of the lab is required"}, ("WWW-Authenticate", "Bearer"))
        if request.target != PATH:
            return _json(404, {"error": f"commands go to {PATH}"})
        if request.method != "POST":
            return _json(405, {"error": "commands are POSTed"}, ("Allow", "POST"))
        try:
            reply = await self.carrier.ask(command_from_json(request.body))
        except ControlError as error:
            return _json(400, {"error": str(error), "kind": error.kind})
        return _response(200, reply_to_json(reply))

    def _foreign(self, request: Request) -> str | None:
        """Return the header that shows a request to come from a page of another site, by rebinding of names or not."""
        own = {f"{name}:{self.port}" for name in (ADDRESS, "localhost")}
        if (request.headers.get("Host") or "").lower() not in own:
            return "Host"
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{name}" for name in own}:
            return "Origin"
        return None


class _Silent(Recorder):
    """A journal that writes nothing: this server is not part of the lab."""

    def emit(self, *_: Any, **__: Any) -> None:
        return None


async def _nothing(_: Host) -> Service:
    raise RuntimeError("the control server is not a host")


def _json(status: int, value: dict[str, str], *headers: tuple[str, str]) -> Response:
    return _response(status, json.dumps(value).encode(), *headers)


def _response(status: int, body: bytes, *headers: tuple[str, str]) -> Response:
    described = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), *headers]
    return Response(status=status, headers=Headers([*described, ("Content-Length", str(len(body)))]), body=body)


def _refusal(status: int, cause: str) -> Response:
    return _json(status, {"error": f"the request cannot be read: {cause}"}, ("Connection", "close"))
