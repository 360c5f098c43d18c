"""The documented requirements as rules for a deployment: `edgesim check`."""

from edgesim.readiness.check import Report, Reported, check
from edgesim.readiness.rule import Book, Finding, Prediction, Rule, Severity

__all__ = ["Book", "Finding", "Prediction", "Report", "Reported", "Rule", "Severity", "check"]
