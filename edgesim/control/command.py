"""Verbs on a lab: a typed command, its reply, and the code that carries it out, declared together.

A verb is a subclass of `LabCommand`, `HostCommand`, `HostsCommand` or `EverywhereCommand`: the base says where it is
carried out, its type argument is the reply's type, and its method ``work`` carries it out. The decorator `verb` names
it. Carriers (`edgesim.control.carrier.Carrier`) need no more than that. `edgesim.control.verbs.COMMANDS` lists all.

In JSON a command is an object with its name as ``command`` beside its fields; octets are text in UTF-8.
Commands and replies are plain data: strings, numbers, octets, tuples and dataclasses of these.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, cast, dataclass_transform, get_args

from pydantic import ConfigDict, Field

from edgesim.lab import RunningLab
from edgesim.node import Node

R = TypeVar("R")
C = TypeVar("C", bound="type[Command[Any]]")
WAITS = 30.0
"""Seconds that a command may take whose work waits for the lab: a host starts within them."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Where(Enum):
    """Where a command is answered. A lab in one process is all of these places."""

    LAB = "lab"
    """In the process that runs the lab: states of hosts, the journal, the authorities."""
    HOST = "host"
    """In the process of the host that its field ``host`` names."""
    HOSTS = "hosts"
    """By each running host for itself, or by the one that ``host`` names; the replies are merged."""
    EVERYWHERE = "everywhere"
    """By the lab and in every host's process, once in each; the replies are merged."""


class Site(Protocol):
    """Where the work of a command is done: the lab as this process has it, and a way to what others know.

    Whether other hosts of ``lab`` run in this process is not known here: what they know is asked for.
    """

    lab: RunningLab

    def node(self, host: str) -> Node:
        """Return the node of a host. Raises `ControlError` for a name that the lab does not have."""
        ...

    async def ask(self, command: Command[R]) -> R:
        """Carry out another command, where it belongs, and return its reply."""
        ...


class Command(Generic[R]):
    """Base of all commands. ``reply`` is the class of its reply.

    ``limit_s`` is the longest that its work may wait, in seconds of lab time; None where it answers at once.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    name: ClassVar[str]
    reply: ClassVar[type[Any]]
    where: ClassVar[Where]

    @property
    def limit_s(self) -> float | None:
        """How many seconds its work may wait for what happens in the lab."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCommand(Command[R]):
    """Carried out in the process that runs the lab."""

    where: ClassVar[Where] = Where.LAB

    @abstractmethod
    async def work(self, site: Site) -> R:
        """Answer it. Raises `ControlError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCommand(Command[R]):
    """Answered in the process of ``host``. Unless ``needs_up`` says otherwise, a host that does not run refuses it.

    One that does not need the host up is answered by the lab while the host is down: what it changes is kept there.
    """

    where: ClassVar[Where] = Where.HOST
    needs_up: ClassVar[bool] = True

    host: str

    @abstractmethod
    async def work(self, site: Site, node: Node) -> R:
        """Answer it for the host whose node this is. Raises `ControlError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsCommand(Command[R]):
    """Answered by each running host for itself, in the order of the deployment; by ``host`` alone if that is given."""

    where: ClassVar[Where] = Where.HOSTS

    host: str | None = None

    @abstractmethod
    async def work(self, site: Site, node: Node) -> R:
        """Answer it for one host. Raises `ControlError`."""

    @abstractmethod
    def merge(self, replies: Sequence[R]) -> R:
        """Make one reply of those of all hosts, of which there may be none. Raises `ControlError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EverywhereCommand(Command[R]):
    """Carried out by the lab and in every host's process: it changes or counts state that each process has."""

    where: ClassVar[Where] = Where.EVERYWHERE

    @abstractmethod
    async def work(self, site: Site) -> R:
        """Do it in one process. Raises `ControlError`."""

    def merge(self, replies: Sequence[R]) -> R:
        """Make one reply of all, that of the lab first: its own, unless a command adds them up."""
        return replies[0]


@dataclass_transform(kw_only_default=True, frozen_default=True)
def verb(name: str) -> Callable[[C], C]:
    """Make a class below `Command` a frozen dataclass that is called ``name`` in JSON."""

    def declare(cls: C) -> C:
        made = cast(C, dataclass(frozen=True, slots=True, kw_only=True)(cls))  # typed for a class alone
        made.name, made.reply = name, _reply(made)
        return made

    return declare


def _reply(cls: type[Any]) -> type[Any]:
    """Return the type argument that a class gives the base of commands."""
    for each in cls.__mro__:
        for base in vars(each).get("__orig_bases__", ()):
            found = get_args(base)
            if found and isinstance(found[0], type):
                return found[0]
    raise TypeError(f"{cls.__name__} does not say what it replies: LabCommand[Done]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It was done; ``text`` says what is so now."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text, e.g. a deployment as YAML."""

    text: str
