"""Every rule, by subject: a module with a `Book` named ``book``; its line below activates it."""

from __future__ import annotations

from edgesim.readiness.rule import Book, Rule
from edgesim.readiness.rules import (
    addresses,
    certificate_dates,
    certificate_names,
    certificates,
    edge_records,
    endpoints,
    expressways,
    ice,
    ip_protocol,
    names,
    people,
    ports,
    releases,
    unified_cm,
    uploads,
)

BOOKS: tuple[Book, ...] = (
    names.book,
    edge_records.book,
    addresses.book,
    expressways.book,
    releases.book,
    ice.book,
    unified_cm.book,
    uploads.book,
    ports.book,
    certificates.book,
    certificate_names.book,
    certificate_dates.book,
    ip_protocol.book,
    endpoints.book,
    people.book,
)
RULES: tuple[Rule, ...] = tuple(rule for book in BOOKS for rule in book.rules)


def rule(name: str) -> Rule:
    """Return a rule by name. Raises `LookupError`."""
    for each in RULES:
        if each.name == name:
            return each
    raise LookupError(f"no rule is called {name!r}")
