"""How rules are tested: a change that breaks one rule alone, and sound deployments that break none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgesim.deployment import load
from edgesim.readiness import Report, check


@dataclass(frozen=True, kw_only=True)
class Case:
    """Changes to a built-in deployment, and what the check must say: ``rule`` alone (None: nothing), at ``field``.

    ``advice`` comes beside it: what cannot be had without.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    rule: str | None = None
    at: str | None = None
    deployment: str = "small"
    advice: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.rule or 'sound'}: {', '.join(self.changes) or self.deployment}"

    def report(self) -> Report:
        """Check the changed deployment against every rule."""
        deployment = load(self.deployment)
        return check(deployment.changed(self.changes) if self.changes else deployment)

    def verify(self) -> None:
        """Fail unless the check reports exactly what is meant."""
        report = self.report()
        assert report.rules == (*((self.rule,) if self.rule else ()), *self.advice), report.as_json()
        if self.at is not None:
            assert self.at in {each.finding.field for each in report.reported}
        for each in report.reported:
            finding = each.finding
            assert finding.what and finding.sees and finding.fix
