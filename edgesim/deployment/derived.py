"""Values that were filled in are held to the same as written ones; what is wrong with them is told of what they follow
from.

A deployment that was filled in is read once more as if its author had written it in full, which is what a running lab
does with it. What fails then stands in no file, so the mistake names the field that was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from edgesim.deployment.consistency import Authored, Inconsistent, Mistake, Path

if TYPE_CHECKING:
    from edgesim.deployment.model import Deployment

AGAIN = "filled in"
"""The key of the validation context that says: this is a deployment that was filled in before."""


def derived_mistakes(deployment: Deployment, authored: Authored) -> tuple[Mistake, ...]:
    """Return what is wrong with values that were filled in."""
    try:
        type(deployment).model_validate(deployment.model_dump(), context={AGAIN: True})
    except ValidationError as error:
        return tuple(dict.fromkeys(_mistake(deployment, authored, *each) for each in _reasons(error)))
    return ()


def _reasons(error: ValidationError) -> Iterator[tuple[Path, str]]:
    from edgesim.deployment.validation import reason_of

    for each in error.errors(include_url=False):
        cause = each.get("ctx", {}).get("error")
        if isinstance(cause, Inconsistent):
            yield from ((found.path, found.reason) for found in cause.mistakes)
        else:
            yield tuple(each["loc"]), reason_of(tuple(each["loc"]), each)


def _mistake(deployment: Deployment, authored: Authored, path: Path, reason: str) -> Mistake:
    place, what = _origin(deployment, authored, path)
    written = _at(deployment, place)
    if what == "the device":
        reason += "; write devices"
    return Mistake(
        path=place,
        value=written if isinstance(written, str) else None,
        reason=f"gives {what}{_shown(deployment, path)}: {reason}",
    )


def _shown(deployment: Deployment, path: Path) -> str:
    value = _at(deployment, path)
    return f" {value!r}" if isinstance(value, str | int | float) else ""


def _origin(deployment: Deployment, authored: Authored, path: Path) -> tuple[Path, str]:
    """Return the field that a filled-in one follows from, and what to call the latter."""
    section, index, *rest = (*path, 0, 0)[: max(2, len(path))]
    field = str(rest[0]) if rest else ""
    from_id = section == "users" and isinstance(index, int) and field in ("devices", "mail", "directory_uri")
    if from_id and field not in deployment.users[int(index)].model_fields_set:
        return ("users", index, "id"), f"the {'device' if field == 'devices' else field.replace('_', ' ')}"
    if section == "devices" and isinstance(index, int) and index >= len(authored.devices):
        device = deployment.devices[index]
        place = next(place for place, user in enumerate(deployment.users) if device.name in (user.devices or ()))
        given = "devices" if "devices" in deployment.users[place].model_fields_set else "id"
        what = "the device" if field == "name" else f"the device {device.name}, written nowhere, with the {field}"
        return ("users", place, given), what
    if section == "certificates" and isinstance(index, int) and index < len(deployment.certificates):
        one = deployment.certificates[index]
        found = _written(authored.certificates, lambda each: (each.host, each.service) == (one.host, one.service))
        place_of = ("certificates", found) if found is not None else deployment.place_of(one.host)
        return place_of, f"the certificate {one.service} of {one.host} with the {field}"
    if section == "trust" and isinstance(index, int) and index < len(deployment.trust):
        store = deployment.trust[index]
        found = _written(authored.trust, lambda each: (each.host, each.store) == (store.host, store.store))
        return ("trust", found) if found is not None else deployment.place_of(
            store.host
        ), f"the {store.store} of {store.host}"
    return _written_above(deployment, path), f"the {'.'.join(map(str, path))}"


def _written(items: tuple[Any, ...], fits: Any) -> int | None:
    return next((place for place, each in enumerate(items) if fits(each)), None)


def _written_above(deployment: Deployment, path: Path) -> Path:
    """Return the nearest field above that the author wrote."""
    value: Any = deployment
    for depth, step in enumerate(path):
        if isinstance(value, BaseModel) and step not in value.model_fields_set:
            return path[:depth]
        value = _step(value, step)
    return path


def _at(deployment: Deployment, path: Path) -> Any:
    value: Any = deployment
    for step in path:
        value = _step(value, step)
    return value


def _step(value: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return value[step] if isinstance(value, tuple) and step < len(value) else None
    return getattr(value, step, None)
