"""A documented requirement as a rule over a deployment: what breaks it, what a client will see, how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from edgesim.deployment import Deployment
from edgesim.journal.matchers import Matcher

FieldPath = tuple[str | int, ...]
"""Where in a deployment: ``("users", 0, "home_cluster")``."""


class Severity(Enum):
    """How bad a finding is: ``error`` (a requirement is broken), ``warning`` (it may fail, or a recommended limit is
    passed), ``advice`` (documented as recommended)."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


class Stop(IntEnum):
    """Where sign-ins from outside end, in the order in which a client comes there."""

    NO_RECORD = 1
    """Discovery finds no edge."""
    NO_ADDRESS = 2
    """No Expressway-E has an address that is one."""
    NO_CONNECTION = 3
    """No connection to Expressway-E's HTTPS comes up."""
    CERTIFICATE = 4
    """Clients refuse the certificate."""
    NO_WAY_TO_C = 5
    """Expressway-E has no tunnel to an Expressway-C."""
    REFUSED = 6
    """Expressway-C gives no edge configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the journal will show once a client tries.

    Each of ``awaits`` must come within ``within`` seconds of lab time, and none of ``never`` may. A scenario of the
    broken deployment awaits these very matchers (`edgesim.scenario.Lab.symptom`), so that what the check says and what
    the simulation does cannot drift apart. ``stops`` is where every sign-in from outside ends because of it, None where
    some go on; ``undialled`` are ports of Expressway-E to which Expressway-C opens no connection any more. What would
    come after is not promised by other findings (`edgesim.readiness.together`).
    """

    awaits: tuple[Matcher, ...]
    never: tuple[Matcher, ...] = ()
    within: float = 60.0
    stops: Stop | None = None
    undialled: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a deployment breaks a rule.

    ``at`` is the field to look at; ``what`` says what is wrong, ``sees`` what a client will see, ``fix`` what to do.
    ``prediction`` is None only for what has no effect on the wire of its own, such as advice.
    """

    at: FieldPath
    what: str
    sees: str
    fix: str
    prediction: Prediction | None = None

    @property
    def field(self) -> str:
        """The field as people write it: ``users[0].home_cluster``."""
        text = ""
        for step in self.at:
            text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
        return text


Find = Callable[[Deployment], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A documented requirement. ``name`` is its row and a word: ``NET-12.reverse-dns``; ``rows`` are the catalogue's.

    ``requires`` is the requirement in one sentence; ``find`` yields where a deployment breaks it, in the deployment's
    own order.
    """

    name: str
    rows: tuple[str, ...]
    severity: Severity
    requires: str
    find: Find

    @property
    def shows(self) -> tuple[str, ...]:
        """The rows of the catalogue that the rule shows."""
        return self.rows

    def findings(self, deployment: Deployment) -> Iterator[Finding]:
        """Yield where a deployment breaks the rule."""
        yield from self.find(deployment)


class Book:
    """The rules of one subject, in the order in which they are written down.

    ``book = Book()``, then ``@book.rule("NET-12.reverse-dns", requires="...")`` on a function that takes a deployment
    and yields findings.
    """

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self, name: str, *, requires: str, severity: Severity = Severity.ERROR, rows: tuple[str, ...] = ()
    ) -> Callable[[Find], Find]:
        """Write a rule down; ``rows`` are the catalogue's, the one that the name begins with when left out."""

        def write(find: Find) -> Find:
            own = rows or (name.partition(".")[0],)
            self.rules.append(Rule(name=name, rows=own, severity=severity, requires=requires, find=find))
            return find

        return write
