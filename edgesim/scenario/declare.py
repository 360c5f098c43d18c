"""How a scenario is declared: a coroutine function under `scenario`, and what it needs to run."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from edgesim.deployment import Deployment, NoDeployment, Product, Release, load, names
from edgesim.deployment.plan.network import Pin
from edgesim.deployment.settings import Platform
from edgesim.scenario.mutations import Mutation
from edgesim.scenario.sides import releases_of
from edgesim.world import Capability

WorldName = Literal["sim", "live"]
Show = Literal["available", "chat", "away", "xa", "dnd"]
"""How available a user can appear."""
P = ParamSpec("P")
T = TypeVar("T")


class CannotRun(Exception):
    """The scenario asks for something that its deployment does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where and as what a user of a scenario signs in: with Jabber on a platform, or at the phone or room device that
    the user owns and a machine of the deployment is.
    """

    where: Literal["outside", "inside"] = "outside"
    platform: Platform = "windows"


Outside = Client()
Inside = Client(where="inside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One situation: what it shows, in which deployment, under which changes it must turn red, and the story itself."""

    name: str
    play: Callable[..., Awaitable[None]]
    path: Path
    shows: tuple[str, ...]
    deployment: str
    changes: Mapping[str, Any]
    clients: Mapping[str, Client]
    mutations: tuple[Mutation, ...]
    needs: frozenset[Capability]
    worlds: tuple[WorldName, ...]
    without: tuple[str, ...] = ()
    limit: float = 600.0
    strict: bool = True
    tags: tuple[str, ...] = field(default=())
    breaks: tuple[str, ...] = ()
    releases: tuple[tuple[str, str], ...] = ()

    def at(self, releases: Mapping[str, str]) -> Scenario:
        """Return the same scenario with other releases, as `Deployment.at_releases` takes them."""
        return replace(self, releases=tuple(releases.items()))

    @property
    def id(self) -> str:
        """The file and the name, which no other scenario has."""
        return f"{self.path}::{self.name}"

    @property
    def title(self) -> str:
        """The first line of the story's docstring, or its name in words."""
        doc = inspect.getdoc(self.play)
        return doc.splitlines()[0] if doc else self.name.replace("_", " ")

    def load(self) -> Deployment:
        """Return the deployment as its author wrote it, without changes. Raises `DeploymentError`.

        A file is looked for beside the scenario, then in the current folder.
        """
        beside = self.path.parent / self.deployment
        try:
            if "\n" not in self.deployment and self.deployment not in names() and beside.is_file():
                return load(beside)
            return load(self.deployment)
        except NoDeployment as error:
            if beside.suffix not in (".yaml", ".yml"):
                raise
            reason = f"{error.mistakes[0].reason}; looked for in {self.path.parent} and in the current folder"
            raise NoDeployment(self.deployment, reason) from None

    @property
    def releases_shown(self) -> Mapping[Product, set[Release]]:
        """The releases of each product on which it plays, its mutations included."""
        return releases_of(self.changes, self.mutations, self.releases)

    @property
    def users(self) -> tuple[str, ...]:
        """The users whose clients the story takes as parameters, after the lab."""
        return tuple(inspect.signature(self.play).parameters)[1:]


class DeclarationError(TypeError):
    """A scenario is declared in a way that cannot work."""


def _with_its_own_mistakes(function: Callable[P, T]) -> Callable[P, T]:
    """Raise `DeclarationError` for arguments that a function does not have, with the name that comes nearest."""
    known = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*arguments: P.args, **named: P.kwargs) -> T:
        if arguments and inspect.isfunction(arguments[0]):
            raise DeclarationError(f"{arguments[0].__qualname__}: write @scenario() with its parentheses")
        if arguments:
            raise DeclarationError(f"@scenario takes named arguments only, such as deployment={arguments[0]!r}")
        for name in named:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                raise DeclarationError(f"@scenario has no argument {name!r}; {hint}")
        return function(*arguments, **named)

    return checked


@_with_its_own_mistakes
def scenario(
    *,
    shows: str | Sequence[str] = (),
    deployment: str = "small",
    changes: Mapping[str, Any] | None = None,
    clients: Mapping[str, Client] | None = None,
    mutations: Sequence[Mutation] = (),
    needs: Sequence[Capability] = (),
    worlds: Sequence[WorldName] = ("sim", "live"),
    without: Sequence[str] = (),
    limit: float = 600.0,
    strict: bool = True,
    tags: Sequence[str] = (),
    breaks: str | Sequence[str] = (),
    pins: Sequence[Pin] = (),
) -> Callable[[Callable[..., Awaitable[None]]], Scenario]:
    """Declare a scenario.

    ``shows`` are ids of the catalogue. ``deployment`` is the name of a built-in one or a file's path; ``changes`` are
    settings of it by dotted path. ``clients`` says where the users named as parameters are (default:
    outside). ``mutations`` are changes under which the scenario must fail. ``without`` are hosts that are not
    started. ``breaks`` are the readiness rules that `edgesim check` reports for this deployment, all of them; the story
    awaits each one's prediction with `Lab.symptom`. ``limit`` is the time limit, in seconds of lab time.
    ``strict`` false allows unhandled errors. ``pins`` are what seeds do not decide in this scenario, see
    `edgesim.deployment.plan.network.NetworkPlan.pinned`: for a story about one latency, order or choice.
    """

    def declare(play: Callable[..., Awaitable[None]]) -> Scenario:
        if not inspect.iscoroutinefunction(play):
            raise DeclarationError(f"{play.__qualname__} must be an async function")
        parameters = tuple(inspect.signature(play).parameters)
        if not parameters or parameters[0] != "lab":
            raise DeclarationError(f"{play.__qualname__}: the first parameter must be called lab")
        strangers = [name for name in clients or {} if name not in parameters]
        if strangers:
            raise DeclarationError(f"{play.__qualname__}: clients names {strangers}, which are not parameters")

        return Scenario(
            name=play.__name__,
            play=play,
            path=Path(inspect.getfile(play)),
            shows=(shows,) if isinstance(shows, str) else tuple(shows),
            deployment=deployment,
            changes=with_pins(changes or {}, pins),
            clients=dict(clients or {}),
            mutations=tuple(mutations),
            needs=frozenset(needs),
            worlds=tuple(worlds),
            without=tuple(without),
            limit=limit,
            strict=strict,
            tags=tuple(tags),
            breaks=(breaks,) if isinstance(breaks, str) else tuple(breaks),
        )

    return declare


def with_pins(changes: Mapping[str, Any], pins: Sequence[Pin]) -> dict[str, Any]:
    """Return changes of a deployment that also pin what seeds shall not decide."""
    return {**changes, "network.pinned": list(pins)} if pins else dict(changes)


def seconds(number: float) -> float:
    """Return a duration in seconds of lab time."""
    return float(number)


def minutes(number: float) -> float:
    """Return a duration in minutes as seconds of lab time."""
    return float(number) * 60.0


def hours(number: float) -> float:
    """Return a duration in hours as seconds of lab time."""
    return float(number) * 3600.0
