"""A documented requirement as a rule for a deployment: violations, their consequence for a client, and the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from edgesim.deployment import Deployment
from edgesim.journal.matchers import Matcher

FieldPath = tuple[str | int, ...]
"""A path in a deployment: ``("users", 0, "home_cluster")``."""


class Severity(Enum):
    """The severity of a finding: ``error`` (a requirement is violated), ``warning`` (it may fail, or a recommended
    limit is exceeded), ``advice`` (a documented recommendation).
    """

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


class Stop(IntEnum):
    """The points at which sign-ins from outside end, in the order in which a client reaches them."""

    NO_RECORD = 1
    """Discovery finds no edge."""
    NO_ADDRESS = 2
    """No Expressway-E has a valid address."""
    NO_CONNECTION = 3
    """No connection to Expressway-E's HTTPS succeeds."""
    CERTIFICATE = 4
    """Clients refuse the certificate."""
    NO_WAY_TO_C = 5
    """Expressway-E has no tunnel to an Expressway-C."""
    REFUSED = 6
    """Expressway-C returns no edge configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the journal will show once a client tries.

    Each of ``awaits`` must occur within ``within`` seconds of lab time, and none of ``never``. A scenario of the broken
    deployment awaits the same matchers (`edgesim.scenario.Lab.symptom`), so that check and simulation cannot drift
    apart. ``stops`` is where every sign-in from outside ends because of it, None if some continue; ``undialled`` are
    ports of Expressway-E to which Expressway-C no longer opens a connection. Other findings do not promise what would
    come later (`edgesim.readiness.together`).
    """

    awaits: tuple[Matcher, ...]
    never: tuple[Matcher, ...] = ()
    within: float = 60.0
    stops: Stop | None = None
    undialled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One violation of a rule in a deployment.

    ``at`` is the field to look at; ``what`` says what is wrong, ``sees`` what a client will see, ``fix`` what to do.
    ``prediction`` is None only for findings without an effect of their own on the wire, such as advice.
    """

    at: FieldPath
    what: str
    sees: str
    fix: str
    prediction: Prediction | None = None

    @property
    def field(self) -> str:
        """The field as written in words: ``users[0].home_cluster``."""
        text = ""
        for step in self.at:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text


Find = Callable[[Deployment], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A documented requirement. ``name`` is its row and a word: ``NET-12.reverse-dns``; ``rows`` are the catalogue's.

    ``requires`` is the requirement in one sentence; ``find`` yields the violations of a deployment, in its own order.
    """

    name: str
    rows: tuple[str, ...]
    severity: Severity
    requires: str
    find: Find

    @property
    def shows(self) -> tuple[str, ...]:
        """The catalogue rows that the rule shows."""
        return self.rows

    def findings(self, deployment: Deployment) -> Iterator[Finding]:
        """Yield the violations of a deployment."""
        yield from self.find(deployment)


class Book:
    """The rules of one subject, in order of definition.

    ``book = Book()``, then ``@book.rule("NET-12.reverse-dns", requires="...")`` on a function that takes a deployment
    and yields findings.
    """

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self, name: str, *, requires: str, severity: Severity = Severity.ERROR, rows: tuple[str, ...] = ()
    ) -> Callable[[Find], Find]:
        """Define a rule; ``rows`` are the catalogue's, by default the one that begins the name."""

        def write(find: Find) -> Find:
            own = rows or (name.partition(".")[0],)
            self.rules.append(Rule(name=name, rows=own, severity=severity, requires=requires, find=find))
            return find

        return write
