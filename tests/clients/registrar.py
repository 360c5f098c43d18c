"""A scripted registrar: it gives the answers of a list, one to each REGISTER, and keeps the requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edgesim.clients.common.habits import Habits, RegistrationPath
from edgesim.clients.common.line import Line
from edgesim.clients.common.register import Registrant
from edgesim.clients.common.stages import Result
from edgesim.clients.jabber.registration import JabberRegistrant
from edgesim.node import Node
from edgesim.pki import client_context
from edgesim.sip import Connection, Request, SipEndpoint, stun
from tests.sip.settings import LIMITS, TIMERS

CHALLENGE = 'Digest realm="expe.example.com", nonce="{}", opaque="bw==", qop="auth", stale={}, algorithm=MD5'


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: status and headers; status 0 is silence, -1 a closed connection."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


OK = Answer(200)
HABITS = Habits(delta=5, asked_expires=3600, least_refresh=60)
SILENCE = Answer(0)
CLOSED = Answer(-1)


def refused(status: int, *headers: tuple[str, str]) -> Answer:
    return Answer(status, headers)


@dataclass
class Registrar:
    """A registrar on a host. After the script it grants everything."""

    node: Node
    script: list[Answer] = field(default_factory=list)
    grant: int = 120
    adaptive: bool = False
    requests: list[tuple[float, Request]] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    answers_stun: bool = True
    stun_error: bool = False

    async def start(self, port: int = 5060) -> Registrar:
        self._endpoint = SipEndpoint(
            self.node.host,
            self.node.journal,
            limits=LIMITS,
            timers=TIMERS,
            on_request=self._on_request,
            on_connection=self.connections.append,
            on_stun=self._on_stun,
            name="registrar",
        )
        await self.node.host.run(self._endpoint.listen(self.node.spec.interfaces[0].address, port))
        return self

    async def stop(self) -> None:
        await self.node.host.run(self._endpoint.close())

    def _on_stun(self, message: stun.StunMessage, connection: Connection) -> stun.StunMessage | None:
        if not self.answers_stun:
            return None
        return message.failure(500) if self.stun_error else stun.respond(message, connection.peer)

    def _on_request(self, request: Request, connection: Connection) -> None:
        self.requests.append((self.node.host.world.now() / 1e9, request))
        answer = self.script.pop(0) if self.script else OK
        if answer.status == -1:
            connection.abort()
        elif answer.status == 200:
            supported = "X-cisco-srtp-fallback" + (",X-cisco-supports-AR_SK" if self.adaptive else "")
            asked = request.get("Expires")
            headers = [("Expires", "0" if asked == "0" else str(self.grant)), ("Supported", supported)]
            contact = request.get("Contact") or ""
            connection.send(request.response(200, None, headers=[*headers, ("Contact", contact), *answer.headers]))
        elif answer.status > 0:
            connection.send(request.response(answer.status, None, headers=list(answer.headers)))

    @property
    def address(self) -> str:
        return self.node.spec.interfaces[0].address

    def path(self, node: str = "ucm-pub.inside.example.com", port: int = 5060) -> RegistrationPath:
        return RegistrationPath(host=self.address, port=port, transport="tcp", node=node)


@dataclass
class Handset:
    """A phone under test and its reports."""

    phone: Line
    reported: list[tuple[str, str]]
    provisioned: list[float]


def handset(
    node: Node,
    *paths: RegistrationPath,
    habits: Habits | None = None,
    provide: Callable[[], tuple[RegistrationPath, ...]] | None = None,
    mra: bool = False,
) -> Handset:
    """Return a phone of alice's with these paths; ``provide`` gives others when it provisions again."""
    reported: list[tuple[str, str]] = []
    provisioned: list[float] = []

    async def provision() -> tuple[RegistrationPath, ...]:
        provisioned.append(node.host.world.now() / 1e9)
        return provide() if provide is not None else paths

    def who(path: RegistrationPath) -> Registrant:
        return JabberRegistrant(
            node=path.node,
            number="1001",
            contact_user="7514c56a-1034-a684-3299-9b956979ee5c",
            device="CSFALICE",
            model=503,
            instance="00005e005301",
            agent="Cisco-CSF",
            load="Jabber_for_Windows-14.1.0",
            reg_id="1",
            mra=mra,
        )

    def report(result: Result, text: str) -> None:
        reported.append((result.value, text))

    phone = Line(
        node,
        paths,
        who,
        user="alice",
        password="alice-secret",
        tls=client_context(None),
        habits=habits or HABITS,
        report=report,
        provision=provision,
    )
    return Handset(phone, reported, provisioned)
