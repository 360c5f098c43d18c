"""What one can ask of a running lab, and what it answers. A command's class names the class of its reply.

In JSON a command is an object with its ``command`` (a key of `COMMANDS`) beside its fields; octets are text in UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field

from edgesim.world.netstat import SocketRow

R = TypeVar("R")
MOST_LINES = 10_000
MOST_SKEW = 1e9
"""Seconds, some thirty years: no clock of a lab leaves what a date can say."""
MOST_PEM = 1 << 16
"""Characters: a chain of certificates is far shorter."""

Probability = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(gt=0)]
Pem = Annotated[str, Field(max_length=MOST_PEM)]
Port = Annotated[int, Field(ge=1, le=65535)]
FaultKind = Literal[
    "refuse-connection",
    "black-hole",
    "delay",
    "drop-datagram",
    "rewrite",
    "flip-byte",
    "drop-message",
    "reset-connection",
]


class Command(Generic[R]):
    """Base of all commands."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: ClassVar[str]
    reply: ClassVar[type[Any]]


COMMANDS: dict[str, type[Command[Any]]] = {}
"""Every command by its name."""

C = TypeVar("C", bound=type[Command[Any]])


def _command(name: str, reply: type[Any]) -> Any:
    def register(cls: C) -> C:
        cls.name, cls.reply = name, reply
        COMMANDS[name] = cls
        return cls

    return register


# ---- replies


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It was done; ``text`` says what is so now."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """A host: its role in words, its addresses as (address, zone), its state, and which life it is in."""

    name: str
    kind: str
    fqdn: str
    addresses: tuple[tuple[str, str], ...]
    state: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTable:
    """All hosts in the order in which they start."""

    hosts: tuple[HostRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """A lab at a glance. ``seconds`` is lab time; ``problems`` says in words what does not run.

    ``connections`` are those of clients and strangers, ``refused`` how many were not taken so far, ``blocked`` the
    addresses that intrusion protection keeps out now. ``errors`` counts what edgesim itself failed at.
    """

    deployment: str
    world: str
    seconds: float
    entries: int
    hosts_up: int
    hosts: int
    problems: tuple[str, ...]
    connections: int = 0
    refused: int = 0
    blocked: int = 0
    errors: int = 0
    last_errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """A blocked address: which host blocks it, why, for how many seconds more, and how many connections it refused.

    ``ports`` are those that it may not reach, none for all of the host's.
    """

    host: str
    address: str
    reason: str
    seconds: float
    dropped: int
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTable:
    """All blocked addresses, the oldest block first."""

    rows: tuple[BlockRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Open sockets."""

    rows: tuple[SocketRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """A link as the host that dials it sees it; ``again_s`` is in how many seconds it is tried again, if it waits."""

    host: str
    what: str
    peer: str
    state: str
    stands: bool
    reason: str
    again_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTable:
    """The links that Expressways keep up."""

    links: tuple[LinkRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRow:
    """The last known state of an Expressway zone."""

    host: str
    zone: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTable:
    """All Expressway zones."""

    zones: tuple[ZoneRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Entries of the journal as lines of JSON, secrets masked; ``next`` is the position after the last.

    ``first`` is the position of the first of them: later than asked for where entries in between are no longer kept.
    """

    lines: tuple[str, ...]
    next: int
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """A fault rule in force: its id, its kind, and what it does to which traffic, in words."""

    number: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTable:
    """The fault rules in force, in their order."""

    faults: tuple[FaultRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAdded:
    """The id of a new fault rule."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text, e.g. a deployment as YAML."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMade:
    """A signing request in PEM that a host made for a service; ``names`` are pairs of a SAN and its reason."""

    host: str
    service: str
    pem: str
    names: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What a product says to an upload. ``reasons`` are those of a refusal, which changes nothing."""

    accepted: bool
    reasons: tuple[str, ...]


# ---- commands that look


@_command("status", LabStatus)
@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Command[LabStatus]):
    """How the lab is."""


@_command("hosts", HostTable)
@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts(Command[HostTable]):
    """Which hosts there are."""


@_command("netstat", Sockets)
@dataclass(frozen=True, slots=True, kw_only=True)
class Netstat(Command[Sockets]):
    """The sockets of one host, or all."""

    host: str | None = None


@_command("zones", ZoneTable)
@dataclass(frozen=True, slots=True, kw_only=True)
class Zones(Command[ZoneTable]):
    """The Expressway zones."""


@_command("links", LinkTable)
@dataclass(frozen=True, slots=True, kw_only=True)
class Links(Command[LinkTable]):
    """The links that Expressways keep up: traversal zones, SSH tunnels, XCP."""


@_command("blocked", BlockTable)
@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked(Command[BlockTable]):
    """The addresses that automated intrusion protection blocks."""


@_command("tail", Lines)
@dataclass(frozen=True, slots=True, kw_only=True)
class Tail(Command[Lines]):
    """The journal from position ``after`` on, or its end; at most ``limit`` entries, and no more than a reply holds."""

    after: Annotated[int, Field(ge=0)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = 100


@_command("describe", Text)
@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Command[Text]):
    """The lab's deployment as YAML, passwords included."""


# ---- commands that act


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnHost(Command[Done]):
    host: str


@_command("start", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class StartHost(_OnHost):
    """Start a host that is down."""


@_command("stop", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class StopHost(_OnHost):
    """Stop a host in good order."""


@_command("restart", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class RestartHost(_OnHost):
    """Stop a host in good order and start it again."""


@_command("crash", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(_OnHost):
    """End a host's processes at once; its peers see resets."""


@_command("power-off", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOff(_OnHost):
    """Cut a host's power; its peers see silence. Simulated world only."""


@_command("freeze", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze(_OnHost):
    """Stop a host's time. Simulated world only."""


@_command("thaw", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Thaw(_OnHost):
    """Let a frozen host go on. Simulated world only."""


@_command("retry", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(Command[Done]):
    """Have an Expressway-C, or all, try the links now that wait for their next attempt."""

    host: str | None = None


@_command("restart-service", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class RestartService(_OnHost):
    """Restart one service of Unified CM or IM and Presence, such as ``Cisco Tomcat``; ``Cisco`` may be left out."""

    service: str


@_command("request", RequestMade)
@dataclass(frozen=True, slots=True, kw_only=True)
class MakeRequest(Command[RequestMade]):
    """Have a host make a signing request for a service (its first); it keeps the private key."""

    host: str
    service: str | None = None


@_command("sign", Text)
@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest(Command[Text]):
    """Sign a request in PEM as one of the lab's authorities, which drops the usages in ``strip``."""

    pem: Pem
    by: str = "enterprise"
    strip: tuple[Literal["client auth", "server auth"], ...] = ()


@_command("upload-certificate", Uploaded)
@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCertificate(Command[Uploaded]):
    """Upload the certificate of a service (the host's first), in PEM; it is shown after a restart.

    ``copied``, without a PEM, is "Upload server certificate file as client certificate" of an Expressway.
    """

    host: str
    pem: Pem | None = None
    service: str | None = None
    copied: bool = False


@_command("upload-trust", Uploaded)
@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTrust(Command[Uploaded]):
    """Append a CA to a trust store: one of the lab's by its name, or a PEM text. It counts after a restart."""

    host: str
    store: str
    ca: str | None = None
    pem: Pem | None = None


@_command("skew", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class SkewClock(_OnHost):
    """Put a host's clock ahead of the lab's, or with a negative number behind; 0 sets it right."""

    seconds: Annotated[float, Field(ge=-MOST_SKEW, le=MOST_SKEW, allow_inf_nan=False)]


@_command("unblock", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Unblock(Command[Done]):
    """Lift the block of an address: that of one host, or all."""

    address: Annotated[str, Field(max_length=64)]
    host: str | None = None


@_command("partition", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Command[Done]):
    """Let nothing through from one host to another, nor back unless told otherwise."""

    one: str
    other: str
    both_ways: bool = True


@_command("heal", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class Heal(Command[Done]):
    """Undo one partition of the same hosts."""

    one: str
    other: str
    both_ways: bool = True


@_command("add-fault", FaultAdded)
@dataclass(frozen=True, slots=True, kw_only=True)
class AddFault(Command[FaultAdded]):
    """Put a fault rule in force (`edgesim.world.faults`).

    ``source``, ``target``, ``port``, ``protocol`` and ``contains`` select traffic; ``times`` is the budget, ``seconds``
    the lifetime. ``delay_ms`` goes with ``delay``, ``find`` and ``replace`` with ``rewrite``, ``offset`` with
    ``flip-byte``.
    """

    kind: FaultKind
    label: str = ""
    source: str | None = None
    target: str | None = None
    port: Port | None = None
    protocol: Literal["tcp", "udp"] | None = None
    contains: bytes | None = None
    probability: Probability = 1.0
    times: Annotated[int, Field(ge=1)] | None = None
    seconds: Seconds | None = None
    delay_ms: Annotated[float, Field(gt=0)] | None = None
    find: bytes | None = None
    replace: bytes | None = None
    offset: Annotated[int, Field(ge=0)] = 0


@_command("remove-fault", Done)
@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFault(Command[Done]):
    """Lift a fault rule by its id; without one, all."""

    number: int | None = None


@_command("faults", FaultTable)
@dataclass(frozen=True, slots=True, kw_only=True)
class Faults(Command[FaultTable]):
    """The fault rules in force."""
