"""Checks a deployment against every rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgesim.deployment import Deployment
from edgesim.readiness.rule import Finding, Rule, Severity
from edgesim.readiness.together import together


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A finding with its rule and its line in the file (None: the deployment came from no file)."""

    rule: Rule
    finding: Finding
    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data: ``rule``, ``rows``, ``severity``, ``field``, ``line``, ``what``, ``sees``, ``fix``,
        ``predicts`` and ``never`` (matchers as text), ``within`` (seconds of lab time)."""
        prediction = self.finding.prediction
        return {
            "rule": self.rule.name,
            "rows": list(self.rule.rows),
            "severity": self.rule.severity.value,
            "field": self.finding.field,
            "line": self.line,
            "what": self.finding.what,
            "sees": self.finding.sees,
            "fix": self.finding.fix,
            "predicts": [str(each) for each in prediction.awaits] if prediction else [],
            "never": [str(each) for each in prediction.never] if prediction else [],
            "within": prediction.within if prediction else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a check: errors first, then warnings and advice, each in the order of the rules."""

    deployment: Deployment
    reported: tuple[Reported, ...]
    checked: int

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the violated rules, each once."""
        return tuple(dict.fromkeys(each.rule.name for each in self.reported))

    def count(self, severity: Severity) -> int:
        """Return how many findings have this severity."""
        return sum(each.rule.severity is severity for each in self.reported)

    @property
    def clean(self) -> bool:
        """Whether there are no findings, not even advice."""
        return not self.reported

    def as_json(self) -> dict[str, Any]:
        """Return plain data: ``deployment``, ``source``, ``rules_checked``, ``errors``, ``warnings``, ``advice``,
        ``findings``."""
        return {
            "deployment": self.deployment.name,
            "source": self.deployment.source,
            "rules_checked": self.checked,
            "errors": self.count(Severity.ERROR),
            "warnings": self.count(Severity.WARNING),
            "advice": self.count(Severity.ADVICE),
            "findings": [each.as_json() for each in self.reported],
        }


def check(deployment: Deployment, rules: Iterable[Rule] | None = None) -> Report:
    """Check a deployment against rules, by default all of them."""
    from edgesim.readiness.rules import RULES

    chosen = tuple(RULES if rules is None else rules)
    pairs = [(rule, finding) for rule in chosen for finding in rule.findings(deployment)]
    findings = together(deployment, [finding for _, finding in pairs])
    found = [
        Reported(rule=rule, finding=finding, line=deployment.line_of(finding.at))
        for (rule, _), finding in zip(pairs, findings, strict=True)
    ]
    order = list(Severity)
    found.sort(key=lambda each: order.index(each.rule.severity))
    return Report(deployment=deployment, reported=tuple(found), checked=len(chosen))
