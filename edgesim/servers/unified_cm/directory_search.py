"""The search rules of the UDS resource ``users``: prefix matching.

Source: User Data Services API reference, "users" (developer.cisco.com).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from edgesim.deployment.people import User

CRITERIA = ("name", "first", "last", "number", "numberlast", "username", "email", "uri", "displayname")
"""The search parameters; all given ones must match."""
LAST_DIGITS = 3
"""The minimum number of final digits compared by ``numberlast`` (enterprise parameter *Number of Digits to Match*)."""


def search(users: Iterable[User], criteria: dict[str, str]) -> list[User]:
    """Return the users that match every criterion, by last name, first name and id, ignoring case."""
    wanted = {name: value.casefold().strip() for name, value in criteria.items()}
    found = [user for user in users if all(_matches(user, name, value) for name, value in wanted.items())]
    return sorted(found, key=lambda user: (user.last_name.casefold(), user.first_name.casefold(), user.id))


def _matches(user: User, criterion: str, value: str) -> bool:
    first, last = user.first_name.casefold(), user.last_name.casefold()
    match criterion:
        case "name":
            return _by_name(first, last, user.mail.casefold(), value)
        case "first":
            return first.startswith(value)
        case "last":
            return last.startswith(value)
        case "number":
            return any(number.startswith(value) for number in user.numbers)
        case "numberlast":
            return len(value) >= LAST_DIGITS and any(number.endswith(value) for number in user.numbers)
        case "username":
            return user.id.casefold().startswith(value)
        case "email":
            return user.mail.casefold().startswith(value)
        case "uri":
            return user.directory_uri.casefold().startswith(value)
        case "displayname":
            return user.display_name.casefold().startswith(value)
        case _:
            raise ValueError(f"no criterion {criterion!r}")


def _by_name(first: str, last: str, mail: str, value: str) -> bool:
    """Match one, two or three words (further ones are ignored) against first name, last name and mail address."""
    words = list(islice(value.split(), 3))
    if len(words) < 2:
        return any(field.startswith(value) for field in (first, last, mail))
    if len(words) == 2:
        return _pair(first, last, *words) or last.startswith(" ".join(words)) or first.startswith(" ".join(words))
    one, two, three = words
    return _pair(first, last, one, f"{two} {three}") or _pair(first, last, f"{one} {two}", three)


def _pair(first: str, last: str, one: str, two: str) -> bool:
    return (first.startswith(one) and last.startswith(two)) or (last.startswith(one) and first.startswith(two))
